package persist

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/deminer/deminer"
)

// account is one line of passwd with its shadow line.
type account struct {
	file      string
	line      Line
	name      string
	secret    string // the password field of passwd
	uid, gid  uint64
	numbers   bool // uid and gid could be read
	home      string
	shell     string // as written, a trailing blank too
	shadow    Line   // No 0 where there is none
	shadowPwd string
}

// firstPerson is the lowest uid of accounts made for people (UID_MIN of login.defs as every current distribution ships it).
const firstPerson = 1000

// listAccounts lists the accounts that can log in, and those whose line is odd: a second uid 0, a system account with a
// login shell, an empty password, a blank hidden in the shell.
func listAccounts(l *Lister) {
	all := readAccounts(l)
	backup := names(l.Lines("/etc/passwd-"))
	uids := map[uint64][]string{}
	for _, a := range all {
		if a.numbers {
			uids[a.uid] = append(uids[a.uid], a.name)
		}
	}
	groups := privileged(l)
	shells := shellList(l)
	for _, a := range all {
		odd := a.oddities(shells)
		if same := uids[a.uid]; a.numbers && len(same) > 1 {
			odd = append(odd, "shares its uid with "+strings.Join(others(same, a.name), ", "))
		}
		if g := groups[a.name]; len(g) > 0 && (len(odd) > 0 || a.login()) {
			odd = append(odd, "member of "+strings.Join(g, ", "))
		}
		if len(odd) == 0 && (!a.login() || !a.password()) {
			continue
		}
		if len(backup) > 0 && !slices.Contains(backup, a.name) {
			odd = append(odd, "not in the backup passwd-, so it was the last account to be added or changed")
		}
		l.Add(deminer.Foothold{Path: deminer.Raw(a.file), Line: deminer.Raw(a.line.Text), LineNo: a.line.No, Name: a.name, User: a.name,
			Trigger: "login of " + a.name, Targets: a.shellTarget(), Disabled: !a.login(),
			Odd: append(odd, oddLine(a.line.Text)...), Remove: a.remove(l)})
	}
}

// readAccounts reads passwd and shadow, also those of nss_extrausers and userdb-less images below /usr/lib.
func readAccounts(l *Lister) []account {
	var out []account
	for _, dir := range []string{"/etc", "/var/lib/extrausers", "/usr/lib"} {
		if dir == "/usr/lib" && !l.IsFile("/usr/lib/passwd") {
			continue
		}
		shadow := map[string]Line{}
		for _, line := range l.Lines(dir + "/shadow") {
			name, _, ok := strings.Cut(line.Text, ":")
			if _, twice := shadow[name]; ok && !twice {
				shadow[name] = line
			}
		}
		for _, line := range l.Lines(dir + "/passwd") {
			if a, ok := parseAccount(dir+"/passwd", line); ok {
				a.shadow = shadow[a.name]
				if f := strings.Split(a.shadow.Text, ":"); len(f) > 1 {
					a.shadowPwd = f[1]
				}
				out = append(out, a)
			}
		}
	}
	return out
}

// parseAccount reads a passwd line; ok is false where libc would skip it.
func parseAccount(file string, line Line) (a account, ok bool) {
	f := strings.Split(line.Text, ":")
	if len(f) < 7 || f[0] == "" || strings.HasPrefix(strings.TrimLeft(f[0], " \t"), "#") {
		return a, false
	}
	a = account{file: file, line: line, name: f[0], secret: f[1], home: f[5], shell: f[6]}
	var e1, e2 error
	a.uid, e1 = strconv.ParseUint(f[2], 10, 32)
	a.gid, e2 = strconv.ParseUint(f[3], 10, 32)
	a.numbers = e1 == nil && e2 == nil
	return a, true
}

// login reports whether the shell lets somebody in: it is there and is none of those that only refuse.
func (a account) login() bool {
	switch path.Base(strings.TrimRight(a.shell, " \t\r")) {
	case "nologin", "false", "true", "sync", "shutdown", "halt", "git-shell":
		return strings.TrimRight(a.shell, " \t\r") != a.shell
	}
	return true
}

// password reports whether a password can open the account.
func (a account) password() bool {
	p := a.secretField()
	return p != "" && !strings.HasPrefix(p, "!") && !strings.HasPrefix(p, "*") && p != "x"
}

func (a account) emptyPassword() bool {
	return a.secret == "" || a.secret == "x" && a.shadow.No > 0 && a.shadowPwd == ""
}

// secretField is the password field that counts: that of shadow where passwd says x.
func (a account) secretField() string {
	if a.secret == "x" {
		return a.shadowPwd
	}
	return a.secret
}

func (a account) oddities(shells []string) []string {
	var odd []string
	add := func(cond bool, format string, args ...any) {
		if cond {
			odd = append(odd, fmt.Sprintf(format, args...))
		}
	}
	add(!a.numbers, "uid or gid is not a number")
	add(a.numbers && a.uid == 0 && a.name != "root", "has uid 0: it is root under another name")
	add(a.numbers && a.gid == 0 && a.uid != 0 && a.login(), "has the group of root")
	add(a.numbers && a.uid != 0 && (a.uid < firstPerson || a.uid == 65534) && a.login(), "system account with a login shell")
	add(a.emptyPassword(), "empty password")
	add(a.secret != "" && a.password() && a.secret != "x", "the password hash stands in passwd itself")
	add(strings.TrimRight(a.shell, " \t\r") != a.shell, "blank at the end of the shell, so that it looks like another one")
	add(!a.login() && a.password(), "no login shell, but a password")
	add(a.login() && a.shell != "" && len(shells) > 0 && !slices.Contains(shells, strings.TrimRight(a.shell, " \t\r")), "its shell is not in /etc/shells")
	add(a.shell != "" && oddPlace(a.shell) != "", "its shell lies %s", oddPlace(a.shell))
	add(below(a.home, hotDirs()) || hidden(a.home), "its home is %s", a.home)
	add(strings.HasPrefix(a.name, "+") || strings.HasPrefix(a.name, "."), "odd name")
	return odd
}

// shellTarget is the program a login starts.
func (a account) shellTarget() []string {
	if s := strings.TrimRight(a.shell, " \t\r"); strings.HasPrefix(s, "/") {
		return []string{s}
	}
	return []string{}
}

// remove takes the account away, or where it belongs to the system only what makes it a way in.
func (a account) remove(l *Lister) []deminer.Action {
	target := deminer.Artifact{Kind: deminer.KindAccount, Name: a.name}
	switch {
	case a.name == "root" && a.emptyPassword() && a.secret == "x":
		_, rest, _ := strings.Cut(a.shadow.Text, "::")
		return []deminer.Action{l.Edit(path.Dir(a.file)+"/shadow", a.shadow.Text, "root:!:"+rest, a.shadow.No)}
	case a.name == "root":
		return noRecipe()
	case a.numbers && (a.uid >= firstPerson && a.uid != 65534 || a.uid == 0):
		return []deminer.Action{{Verb: deminer.VerbRemoveAccount, Target: target}}
	}
	return []deminer.Action{{Verb: deminer.VerbLock, Target: target}}
}

// names gives the first fields of passwd-like lines.
func names(lines []Line) []string {
	var out []string
	for _, line := range lines {
		if name, _, ok := strings.Cut(line.Text, ":"); ok {
			out = append(out, name)
		}
	}
	return out
}

func others(list []string, name string) []string {
	out := slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s == name })
	if len(out) == 0 {
		return []string{"another line of its own name"}
	}
	return out
}

// shellList reads /etc/shells.
func shellList(l *Lister) []string {
	var out []string
	for _, line := range l.Lines("/etc/shells") {
		if s := strings.TrimSpace(line.Text); strings.HasPrefix(s, "/") {
			out = append(out, s)
		}
	}
	return out
}
