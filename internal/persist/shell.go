package persist

import (
	"path"
	"strings"

	"github.com/deminer/deminer"
)

// homeShellFiles are the start-up files of shells in a home directory, from the manual pages of the shells.
func homeShellFiles() []string {
	return []string{".bashrc", ".bash_profile", ".bash_login", ".bash_logout", ".profile", ".bash_aliases", ".zshenv", ".zprofile", ".zshrc", ".zlogin",
		".zlogout", ".kshrc", ".mkshrc", ".shrc", ".ashrc", ".cshrc", ".tcshrc", ".login", ".logout", ".xprofile", ".xinitrc", ".xsession", ".xsessionrc", ".config/fish/config.fish"}
}

// listShell lists the start-up files of shells, the system's and those of all homes, and what in them starts programs,
// loads code, or redefines the tools an administrator looks with.
func listShell(l *Lister) {
	for _, name := range []string{"/etc/profile", "/etc/bash.bashrc", "/etc/bashrc", "/etc/bash.bash_logout", "/etc/bash.bash_profile", "/etc/bash_logout", "/etc/profile.local", "/etc/bash.bashrc.local",
		"/etc/zshenv", "/etc/zprofile", "/etc/zshrc", "/etc/zlogin", "/etc/zlogout", "/etc/ksh.kshrc", "/etc/mkshrc", "/etc/csh.cshrc", "/etc/csh.login", "/etc/csh.logout", "/etc/suid_profile"} {
		l.shell(name, "every user", false)
	}
	for _, name := range l.Files("/etc/zsh") {
		l.shell(name, "every user", false)
	}
	for _, name := range append(l.Files("/etc/profile.d", "/etc/bashrc.d", "/etc/bash_completion.d"), l.Tree("/etc/fish", 3)...) {
		l.shell(name, "every user", true)
	}
	for _, h := range l.Homes {
		user := h.User
		if h.Dir == "/etc/skel" {
			user = "new users"
		}
		for _, n := range homeShellFiles() {
			l.shellIn(h.Dir, h.Dir+"/"+n, user, false)
		}
		for _, name := range append(l.Files(h.Dir+"/.config/fish/conf.d", h.Dir+"/.config/fish/functions", h.Dir+"/.bashrc.d"), l.Files(h.Dir+"/.zshrc.d")...) {
			l.shellIn(h.Dir, name, user, true)
		}
		inputrc(l, h.Dir+"/.inputrc", user)
	}
	inputrc(l, "/etc/inputrc", "every user")
}

// shell lists one start-up file; whole says that it may be taken away as a whole.
func (l *Lister) shell(name, user string, whole bool) { l.shellIn("", name, user, whole) }

// shellIn is shell for a file of this home directory.
func (l *Lister) shellIn(home, name, user string, whole bool) {
	if !l.IsFile(name) {
		return
	}
	who := user
	if who == "" {
		who = path.Dir(name)
	}
	when := "at every shell of " + who
	switch base := path.Base(name); {
	case strings.Contains(base, "logout"):
		when = "at logout of " + who
	case strings.Contains(base, "profile") || strings.Contains(base, "login") || strings.HasPrefix(name, "/etc/profile.d/") || strings.HasPrefix(base, ".x"):
		when = "at login of " + who
	}
	shellFile{l: l, home: home, drop: whole, last: !strings.HasPrefix(name, "/etc/"), base: deminer.Foothold{Path: deminer.Raw(name), User: user, Trigger: when}}.list()
}

// inputrc lists key bindings of readline that type a command.
func inputrc(l *Lister, name, user string) {
	if !l.IsFile(name) {
		return
	}
	for _, line := range l.Lines(name) {
		key, macro, ok := strings.Cut(line.Text, ":")
		macro = strings.TrimSpace(macro)
		if !ok || blank(key) || len(macro) < 2 || macro[0] != '"' && macro[0] != '\'' || !strings.ContainsAny(macro, "/|;") {
			continue
		}
		l.Add(deminer.Foothold{Path: deminer.Raw(name), Line: deminer.Raw(line.Text), LineNo: line.No, Name: strings.TrimSpace(key), User: user, Trigger: "at a key stroke",
			Command: deminer.Raw(strings.ReplaceAll(strings.Trim(macro, `"'`), `\n`, "\n")), Odd: oddLine(line.Text)})
	}
}
