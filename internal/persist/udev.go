package persist

import (
	"path"
	"strings"

	"github.com/deminer/deminer"
)

// listUdev lists the rules of udev that run a program (udev(7)): RUN, PROGRAM, IMPORT{program} and wanted units.
func listUdev(l *Lister) {
	for _, name := range l.Files("/etc/udev/rules.d", "/run/udev/rules.d", "/usr/local/lib/udev/rules.d", "/usr/lib/udev/rules.d", "/lib/udev/rules.d") {
		if !strings.HasSuffix(name, ".rules") {
			continue
		}
		etc := strings.HasPrefix(name, "/etc/")
		over := "/etc/udev/rules.d/" + path.Base(name)
		for _, st := range statements(l.Lines(name), `\`) {
			text := strings.TrimSpace(st.joined)
			if text == "" || text[0] == '#' {
				continue
			}
			commands := udevCommands(text)
			if len(commands) == 0 {
				continue
			}
			f := deminer.Foothold{Path: deminer.Raw(name), Line: deminer.Raw(st.text), LineNo: st.no, Name: path.Base(name), User: "root",
				Trigger: "a device appears or changes", Command: deminer.Raw(strings.Join(commands, " ; ")), Targets: []string{}, Odd: oddText(st.text),
				Disabled: !etc && l.Exists(over), Remove: []deminer.Action{l.Cut(name, st.text, st.no, etc)}}
			for _, c := range commands {
				f.Targets = append(f.Targets, udevTargets(l, c)...)
			}
			if strings.Contains(text, `ENV{MAJOR}=="1"`) || strings.Contains(text, `KERNEL=="random"`) || strings.Contains(text, `KERNEL=="null"`) {
				f.Odd = append(f.Odd, "it waits for a device that is there at every boot")
			}
			l.Add(f)
		}
	}
}

// udevTargets finds what a command of udev runs; a name without a path is one of udev's own helpers.
func udevTargets(l *Lister, command string) []string {
	word, _ := cutBlank(command)
	if word == "" || strings.HasPrefix(word, "/") {
		return l.Targets(command, "root")
	}
	return l.firstReal(l.Glob("/usr/lib/udev/"+escapeGlob(word), "/lib/udev/"+escapeGlob(word)))
}

// udevCommands gives the commands of a rule: the quoted values of RUN, RUN{program}, PROGRAM and IMPORT{program}.
func udevCommands(rule string) []string {
	var out []string
	for len(out) < maxTarget {
		key, op, value, rest := udevPair(rule)
		if op == "" {
			return out
		}
		rule = rest
		switch key {
		case "RUN", "RUN{program}", "PROGRAM", "IMPORT{program}":
			if value != "" {
				out = append(out, value)
			}
		case "ENV{SYSTEMD_WANTS}", "ENV{SYSTEMD_USER_WANTS}":
			if value != "" && !strings.HasPrefix(op, "==") && op != "!=" {
				out = append(out, "systemctl start "+value)
			}
		}
	}
	return out
}

// udevPair reads the next KEY op "value" of a rule; op "" means there is none.
func udevPair(s string) (key, op, value, rest string) {
	s = strings.TrimLeft(s, " \t,\r")
	i := strings.IndexAny(s, "=!+-:")
	for i >= 0 && strings.Count(s[:i], "{") > strings.Count(s[:i], "}") {
		n := strings.IndexAny(s[i+1:], "=!+-:")
		if n < 0 {
			return "", "", "", ""
		}
		i += 1 + n
	}
	if i < 0 {
		return "", "", "", ""
	}
	key = strings.TrimSpace(s[:i])
	n := i
	for n < len(s) && strings.IndexByte("=!+-:", s[n]) >= 0 {
		n++
	}
	op, s = s[i:n], strings.TrimLeft(s[n:], " \t")
	s = strings.TrimLeft(s, "ei") // e"..." and i"..." strings
	if !strings.HasPrefix(s, `"`) {
		return "", "", "", ""
	}
	for i = 1; i < len(s) && s[i] != '"'; i++ {
		if s[i] == '\\' {
			i++
		}
	}
	i = min(i, len(s))
	return key, op, s[1:i], s[min(i+1, len(s)):]
}
