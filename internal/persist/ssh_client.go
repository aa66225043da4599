package persist

import (
	"strings"

	"github.com/deminer/deminer"
)

// listSSHClient lists the directives of the ssh client that run or load something on this host (ssh_config(5)).
func listSSHClient(l *Lister) {
	clientDirectives(l, "", "/etc/ssh", "/etc/ssh/ssh_config", "/etc/ssh/ssh_config.d/*.conf", "/usr/etc/ssh/ssh_config", "/usr/etc/ssh/ssh_config.d/*.conf")
	l.InHomes(func(h Home, name string) { clientDirectives(l, h.User, h.Dir+"/.ssh", escapeGlob(name)) }, ".ssh/config")
}

func clientDirectives(l *Lister, user, base string, patterns ...string) {
	for _, d := range readDirectives(l, base, patterns...) {
		command := ""
		switch d.key {
		case "proxycommand", "localcommand", "knownhostscommand", "pkcs11provider", "securitykeyprovider", "xauthlocation", "smartcarddevice":
			command = d.value
		case "match":
			if _, after, ok := strings.Cut(d.value, "exec "); ok {
				command = strings.Trim(after, ` "`)
			}
		}
		if command == "" || strings.EqualFold(command, "none") || command == "internal" {
			continue
		}
		f := deminer.Foothold{Path: deminer.Raw(d.file), Line: deminer.Raw(d.line.Text), LineNo: d.line.No, Name: d.key, User: user,
			Trigger: "somebody calls ssh", Command: deminer.Raw(command), Odd: oddLine(d.line.Text)}
		if d.match != "" {
			f.Trigger += ", for " + d.match
		}
		l.Add(f)
	}
}

// listSSHRC lists what sshd runs or sets at each login of a user (sshd(8), FILES).
func listSSHRC(l *Lister) {
	add := func(h Home, name string) {
		text, ok := l.Read(name)
		if ok {
			l.Add(deminer.Foothold{Path: deminer.Raw(name), Name: "rc", User: h.User, Trigger: "login over ssh", Targets: l.Targets(text, h.User)})
		}
	}
	if l.IsFile("/etc/ssh/sshrc") {
		add(Home{User: "every user"}, "/etc/ssh/sshrc")
	}
	l.InHomes(add, ".ssh/rc")
	l.InHomes(func(h Home, name string) {
		for _, line := range l.Lines(name) {
			if key, value, ok := assignment(strings.TrimSpace(line.Text)); ok {
				l.Add(deminer.Foothold{Path: deminer.Raw(name), Line: deminer.Raw(line.Text), LineNo: line.No, Name: key, User: h.User,
					Trigger: "login over ssh", Targets: l.loadedBy(key, value), Odd: oddLine(line.Text),
					Remove: []deminer.Action{l.Cut(name, line.Text, line.No, true)}})
			}
		}
	}, ".ssh/environment")
}
