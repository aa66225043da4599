package persist

import (
	"path"
	"slices"
	"strings"

	"github.com/deminer/deminer"
)

// lineRule says which lines of which files are footholds. Files are patterns of [Lister.Glob]; "~/" stands for every home.
type lineRule struct {
	files   []string
	match   func(text string) (name, command string) // text is trimmed; name "" means the line is none
	user    string                                   // "" for files in homes: the user of the home
	trigger string
	comment string // characters that begin a comment line; "" means #
	join    string // mark that continues a line on the next
	arrays  bool   // a value in brackets goes on until they close
	keep    bool   // the file stays though nothing but blanks remains
}

// listLines lists the lines the rules speak of.
func listLines(l *Lister, rules []lineRule) {
	for _, r := range rules {
		l.places(r.files, r.user, func(name, user string) {
			if l.IsFile(name) {
				r.list(l, name, user)
			}
		})
	}
}

func (r lineRule) list(l *Lister, name, user string) {
	comment := r.comment
	if comment == "" {
		comment = "#"
	}
	lines := l.Lines(name)
	var sts []statement
	switch {
	case r.arrays:
		sts = bracketed(lines)
	case r.join != "":
		sts = statements(lines, r.join)
	default:
		for _, line := range lines {
			sts = append(sts, statement{line.Text, line.Text, line.No})
		}
	}
	for _, st := range sts {
		text := strings.TrimSpace(st.joined)
		if text == "" || strings.ContainsRune(comment, rune(text[0])) {
			continue
		}
		what, command := r.match(text)
		if what == "" {
			continue
		}
		l.Add(deminer.Foothold{Path: deminer.Raw(name), Line: deminer.Raw(st.text), LineNo: st.no, Name: what, User: user, Trigger: r.trigger,
			Command: deminer.Raw(command), Odd: oddText(st.text), Remove: []deminer.Action{l.Cut(name, st.text, st.no, !r.keep)}})
	}
}

// bracketed joins a line that opens a bracket with those up to the one that closes it, at most 200.
func bracketed(lines []Line) []statement {
	var out []statement
	for i := 0; i < len(lines); i++ {
		from := i
		if open := strings.LastIndexByte(lines[i].Text, '['); open > 0 && !strings.Contains(lines[i].Text[open:], "]") {
			for i+1 < len(lines) && i-from < 200 && !strings.Contains(lines[i].Text, "]") {
				i++
			}
		}
		text := joinLines(lines, from+1, i+1)
		out = append(out, statement{text, strings.ReplaceAll(text, "\n", " "), lines[from].No})
	}
	return out
}

// places shows the files of these patterns with the user they belong to.
func (l *Lister) places(patterns []string, user string, see func(name, user string)) {
	for _, p := range patterns {
		if rest, ok := strings.CutPrefix(p, "~/"); ok {
			l.InHomes(func(h Home, name string) {
				if user != "" {
					h.User = user
				}
				see(name, h.User)
			}, rest)
			continue
		}
		for _, name := range l.Glob(p) {
			see(name, user)
		}
	}
}

// fileRule says which files are footholds as a whole: scripts and modules that lie in a directory that is run or loaded.
type fileRule struct {
	files   []string // patterns as in lineRule
	user    string
	trigger string
	exec    bool // a file without the execute bit is not run
	unowned bool // listed only where no package owns it: the directory holds very many packaged ones
	script  bool // its text is a shell script: what it runs are targets too
	except  func(base string) bool
}

// listFiles lists the files the rules speak of.
func listFiles(l *Lister, rules []fileRule) {
	for _, r := range rules {
		l.places(r.files, r.user, func(name, user string) {
			if !l.IsFile(name) || r.except != nil && r.except(path.Base(name)) {
				return
			}
			if owned, _ := l.Owned(name); r.unowned && owned {
				return
			}
			r.add(l, name, user)
		})
	}
}

func (r fileRule) add(l *Lister, name, user string) {
	f := deminer.Foothold{Path: deminer.Raw(name), Name: path.Base(name), User: user, Trigger: r.trigger, Targets: []string{l.Real(name)}, Odd: oddName(path.Base(name))}
	if a, err := l.Host.FS.Stat(name); err == nil && r.exec && !a.Executable() {
		f.Disabled = true
	}
	if text, ok := l.scriptText(name); ok && (r.script || strings.HasPrefix(text, "#!")) {
		for _, t := range l.Targets(text, user) {
			if !slices.Contains(f.Targets, t) && len(f.Targets) < maxTarget {
				f.Targets = append(f.Targets, t)
			}
		}
	}
	l.Add(f)
}

// scriptText reads a file that may be a script; a program or library is none.
func (l *Lister) scriptText(name string) (string, bool) {
	if h := head(l, name, 4); h == "" || h == "\x7fELF" {
		return "", false
	}
	return l.Read(name)
}

// settings matches "key = value", "key: value" and "key value" for these keys, whatever their case; the value is the command.
func settings(keys ...string) func(string) (string, string) {
	return func(text string) (string, string) {
		key, value := keyValue(text)
		if value == "" || !slices.ContainsFunc(keys, func(k string) bool { return strings.EqualFold(k, key) }) {
			return "", ""
		}
		return key, value
	}
}

// keyValue splits a setting at "=", ":" or blanks; quotes around the value and a closing semicolon are taken off.
func keyValue(text string) (key, value string) {
	i := strings.IndexAny(text, " \t=:")
	if i < 0 {
		return text, ""
	}
	value = strings.TrimLeft(text[i:], " \t=:")
	return strings.TrimSpace(text[:i]), unquote(strings.TrimSuffix(strings.TrimSpace(value), ";"))
}

// contains matches lines that hold one of these words; the rest of the line from it on is the command.
func contains(words ...string) func(string) (string, string) {
	return func(text string) (string, string) {
		for _, w := range words {
			if i := strings.Index(text, w); i >= 0 {
				return strings.Trim(w, `|!"(:= `), strings.Trim(text[i+len(w):], "'\"`() \t")
			}
		}
		return "", ""
	}
}

// mention matches lines that hold one of these words, where the word itself is what matters.
func mention(words ...string) func(string) (string, string) {
	return func(text string) (string, string) {
		for _, w := range words {
			if strings.Contains(text, w) {
				return w, ""
			}
		}
		return "", ""
	}
}
