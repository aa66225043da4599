package persist

import (
	"path"
	"strings"
)

// Limits of one unit file.
const (
	maxDirectives = 2000
	maxIncludes   = 8
)

// setLine is one setting of a unit file or another file of that form.
type setLine struct {
	section, key, value string
	line                Line   // the whole lines as they stand in the file, continuations joined by newlines
	file                string // the file it stands in: includes bring in others
}

// parseUnit reads the settings of a text in systemd.syntax(7): sections, comments, lines continued by a backslash.
func parseUnit(file string, lines []Line) []setLine {
	var out []setLine
	section := ""
	for i := 0; i < len(lines) && len(out) < maxDirectives; i++ {
		text := strings.TrimSpace(lines[i].Text)
		switch {
		case text == "" || text[0] == '#' || text[0] == ';':
			continue
		case text[0] == '[':
			section = strings.Trim(text, "[]")
			continue
		}
		from := i
		var b strings.Builder
		for b.Len() < maxCommand && strings.HasSuffix(strings.TrimRight(text, "\r"), `\`) && i+1 < len(lines) {
			b.WriteString(strings.TrimSuffix(strings.TrimRight(text, "\r"), `\`) + " ")
			text = ""
			for i++; i < len(lines); i++ { // comments may stand between
				if text = strings.TrimSpace(lines[i].Text); text == "" || text[0] != '#' && text[0] != ';' {
					break
				}
			}
			i = min(i, len(lines)-1)
		}
		b.WriteString(text)
		key, value, _ := strings.Cut(b.String(), "=")
		out = append(out, setLine{section: section, key: strings.TrimSpace(key), value: strings.TrimSpace(value),
			line: Line{joined(lines[from : i+1]), lines[from].No}, file: file})
	}
	return out
}

func joined(lines []Line) string {
	if len(lines) == 1 {
		return lines[0].Text
	}
	all := make([]string, len(lines))
	for i, l := range lines {
		all[i] = l.Text
	}
	return strings.Join(all, "\n")
}

// unitFile reads a unit file and what it includes (".include FILE" of systemd before 247); a file includes no file twice.
func (l *Lister) unitFile(name string) []setLine {
	done := map[string]bool{name: true}
	var out []setLine
	for todo := []string{name}; len(todo) > 0; todo = todo[1:] {
		for _, d := range parseUnit(todo[0], l.Lines(todo[0])) {
			if inc, ok := strings.CutPrefix(d.key, ".include "); ok && d.value == "" {
				inc = strings.TrimSpace(inc)
				if !strings.HasPrefix(inc, "/") {
					inc = path.Join(path.Dir(todo[0]), inc)
				}
				if inc = path.Clean(inc); !done[inc] && len(done) < maxIncludes {
					done[inc] = true
					todo = append(todo, inc)
				}
				continue
			}
			if len(out) < maxDirectives {
				out = append(out, d)
			}
		}
	}
	return out
}

// values gives the values of a setting, in order; an empty assignment clears what came before it.
func values(list []setLine, key string) []string {
	var out []string
	for _, d := range list {
		if d.key != key {
			continue
		}
		if d.value == "" {
			out = nil
			continue
		}
		out = append(out, d.value)
	}
	return out
}

// value gives the last value of a setting, or "".
func value(list []setLine, key string) string {
	if v := values(list, key); len(v) > 0 {
		return v[len(v)-1]
	}
	return ""
}

// execs gives the commands of all Exec settings, in order.
func execs(list []setLine) []string {
	var out []string
	for _, d := range list {
		if strings.HasPrefix(d.key, "Exec") && !strings.HasPrefix(d.key, "ExecSearchPath") && d.key != "ExecPaths" && d.value != "" {
			out = append(out, d.value)
		}
	}
	return out
}

// runnable turns the command of an Exec setting into shell text: without systemd's prefixes, with home for %h.
func runnable(exec, home string) string {
	exec = strings.TrimLeft(exec, "@-:+!| ")
	return strings.NewReplacer("%%", "%", "%h", home).Replace(exec)
}
