package persist

import (
	"path"
	"strings"

	"github.com/deminer/deminer"
)

// listSudoers lists who may do what by sudoers(5): every rule, and the defaults that open a way in.
func listSudoers(l *Lister) {
	for _, name := range sudoersFiles(l) {
		inDir := path.Base(path.Dir(name)) == "sudoers.d"
		for _, st := range statements(l.Lines(name), `\`) {
			f, ok := sudoRule(st.joined)
			if !ok {
				continue
			}
			f.Path, f.Line, f.LineNo = deminer.Raw(name), deminer.Raw(st.text), st.no
			f.Odd = append(f.Odd, oddText(st.text)...)
			f.Remove = []deminer.Action{l.Cut(name, st.text, st.no, inDir)}
			if base := path.Base(name); inDir && (strings.Contains(base, ".") || strings.HasSuffix(base, "~")) {
				f.Disabled = true
				f.Odd = append(f.Odd, "sudo skips files whose name has a dot or ends in ~")
			}
			l.Add(f)
		}
	}
	for _, line := range l.Lines("/etc/sudo.conf") {
		w := strings.Fields(line.Text)
		if len(w) >= 3 && w[0] == "Plugin" && !strings.HasPrefix(path.Base(w[2]), "sudoers.") || len(w) >= 3 && w[0] == "Path" && w[1] != "noexec" {
			l.Add(deminer.Foothold{Path: "/etc/sudo.conf", Line: deminer.Raw(line.Text), LineNo: line.No, Name: w[1], User: "root",
				Trigger: "every use of sudo", Command: deminer.Raw(w[2]), Odd: oddLine(line.Text)})
		}
	}
}

// sudoersFiles are sudoers and all it includes, each once.
func sudoersFiles(l *Lister) []string {
	var out []string
	first := l.Glob("/etc/sudoers", "/etc/sudoers.d/*", "/usr/local/etc/sudoers", "/usr/local/etc/sudoers.d/*", "/usr/etc/sudoers", "/usr/etc/sudoers.d/*")
	l.Included(first, func(name string) (more []string) {
		out = append(out, name)
		for _, line := range l.Lines(name) {
			w := strings.Fields(line.Text)
			if len(w) < 2 {
				continue
			}
			target := strings.Trim(w[1], `"`)
			if !strings.HasPrefix(target, "/") {
				target = path.Join(path.Dir(name), target)
			}
			switch w[0] {
			case "#include", "@include":
				more = append(more, target)
			case "#includedir", "@includedir":
				more = append(more, l.Files(target)...)
			}
		}
		return more
	})
	return out
}

// sudoRule reads one joined statement; ok is false for comments, aliases, includes and harmless defaults.
func sudoRule(text string) (f deminer.Foothold, ok bool) {
	text = strings.TrimSpace(text)
	first, rest := cutBlank(text)
	switch {
	case text == "" || text[0] == '#' && !isSudoUID(text) || text[0] == '@':
		return f, false
	case strings.HasPrefix(first, "Defaults"):
		odd := sudoDefault(rest)
		f = deminer.Foothold{Name: "Defaults", User: "root", Trigger: "every use of sudo", Targets: []string{}, Odd: odd}
		return f, len(odd) > 0
	case strings.HasSuffix(first, "_Alias"):
		return f, false
	}
	who, what, found := strings.Cut(text, "=")
	if !found {
		return f, false
	}
	user, _ := cutBlank(strings.TrimSpace(who))
	f = deminer.Foothold{Name: user, User: user, Trigger: user + " calls sudo", Targets: []string{}}
	if i := strings.LastIndexAny(what, ":)"); i >= 0 {
		if cmd := strings.TrimSpace(what[i+1:]); strings.HasPrefix(cmd, "/") {
			f.Command, f.Targets = deminer.Raw(cmd), nil
		}
	}
	if strings.Contains(what, "NOPASSWD") {
		f.Odd = append(f.Odd, "without a password")
	}
	if strings.Contains(what, "SETENV") {
		f.Odd = append(f.Odd, "may set any environment variable")
	}
	if strings.HasPrefix(user, "ALL") {
		f.Odd = append(f.Odd, "for every account")
	}
	return f, true
}

// isSudoUID knows "#1000 ALL=..." from a comment.
func isSudoUID(text string) bool { return len(text) > 1 && text[1] >= '0' && text[1] <= '9' }

// sudoDefault names the settings that weaken sudo (sudoers(5), SUDOERS OPTIONS).
func sudoDefault(s string) []string {
	var odd []string
	flat := strings.ReplaceAll(strings.ReplaceAll(s, " ", ""), "\t", "")
	for _, c := range []struct{ has, say string }{
		{"!authenticate", "nobody is asked for a password"},
		{"LD_PRELOAD", "keeps variables of the loader"},
		{"LD_LIBRARY_PATH", "keeps variables of the loader"},
		{"!env_reset", "keeps the caller's environment"},
		{"!tty_tickets", "one login opens sudo on all terminals"},
		{"timestamp_type=global", "one login opens sudo on all terminals"},
		{"timestamp_timeout=-1", "a password given once counts for ever"},
		{"!syslog", "use of sudo is not logged"},
		{"!logfile", "use of sudo is not logged"},
		{"targetpw", "asks for another account's password"},
		{"exempt_group", "a group is not asked for a password"},
	} {
		if strings.Contains(flat, c.has) && !(c.has == "LD_PRELOAD" && strings.Contains(flat, "env_delete")) {
			odd = append(odd, c.say)
		}
	}
	if path, ok := strings.CutPrefix(flat, "secure_path="); ok {
		for dir := range strings.SplitSeq(strings.Trim(path, `"'`), ":") {
			if why := oddPlace(dir); why != "" {
				odd = append(odd, "programs are looked for "+why)
			}
		}
	}
	return odd
}

// statement is one or more lines joined by a continuation mark: the exact text, and the joined one.
type statement struct {
	text   string // whole lines, newlines between
	joined string
	no     int // of the first line
}

// statements joins lines that end in the mark (a backslash in most formats). At most 64 KiB are joined to one.
func statements(lines []Line, mark string) []statement {
	var out []statement
	var text, joined strings.Builder // one statement may have thousands of lines
	for i := 0; i < len(lines); i++ {
		last := lines[i].Text
		st := statement{last, last, lines[i].No}
		if strings.HasSuffix(last, mark) {
			text.Reset()
			joined.Reset()
			text.WriteString(last)
			for strings.HasSuffix(last, mark) && i+1 < len(lines) && text.Len() < maxCommand {
				i++
				joined.WriteString(strings.TrimSuffix(last, mark))
				joined.WriteByte(' ')
				last = lines[i].Text
				text.WriteByte('\n')
				text.WriteString(last)
			}
			joined.WriteString(last)
			st.text, st.joined = text.String(), joined.String()
		}
		out = append(out, st)
	}
	return out
}
