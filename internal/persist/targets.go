package persist

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/deminer/deminer"
)

// ran is what a command runs, loads or sources, as far as its text tells.
type ran struct {
	paths []string // absolute paths
	names []string // programs named without a path
	args  []string // absolute paths among the arguments of programs nothing is known about
}

// Targets gives the absolute paths of the files that a command of this user would run, load, source or hand to an
// interpreter. Programs named without a path are looked for in the directories of the system. Programs of every system
// (shells, wrappers such as nohup, tools such as curl) are left out: they are not what the command is there for.
func (l *Lister) Targets(command, user string) []string {
	return l.targetsIn(command, l.HomeOf(user))
}

// targetsIn is Targets with the home directory, where the command starts.
func (l *Lister) targetsIn(command, home string) []string {
	r := parse(command, home)
	var out []string
	add := func(name string) {
		if !isPlain(name) && !slices.Contains(out, name) && len(out) < maxTarget && !isDir(l.Host.FS, name) {
			out = append(out, name)
		}
	}
	for _, p := range r.paths {
		add(p)
	}
	for _, n := range r.names {
		if p := l.which(n); p != "" {
			add(p)
		}
	}
	for _, p := range r.args {
		if a, err := l.Host.FS.Stat(p); err == nil && a.IsRegular() && a.Executable() {
			add(p)
		}
	}
	return out
}

// which finds a program in the directories of the system, or gives "".
func (l *Lister) which(name string) string {
	if isPlain("/bin/" + name) {
		return ""
	}
	if p, ok := l.known[name]; ok {
		return p
	}
	if len(l.known) >= maxNames {
		l.gap(deminer.Partial, "", fmt.Sprintf("looked for %d programs named without a path, no more", maxNames))
		return ""
	}
	l.known[name] = ""
	for _, dir := range systemDirs() {
		p := path.Join(dir, name)
		if a, err := l.Host.FS.Stat(p); err == nil && a.Type == deminer.Regular {
			l.known[name] = p
			return p
		}
	}
	return ""
}

// extractor walks through the simple commands of a command and of those nested in it.
type extractor struct {
	ran
	home, cwd string
	vars      map[string]string
	todo      []string    // nested commands
	copies    [][2]string // what is copied, moved or linked where
}

// parse reads a command that starts in home. The work is bounded: nested commands share one limit.
func parse(command, home string) ran {
	x := extractor{home: home, cwd: home, vars: map[string]string{}, todo: []string{command}}
	if home != "" {
		x.vars["HOME"] = home
	}
	for left := 2 * maxCommand; len(x.todo) > 0 && left > 0; {
		text := x.todo[0]
		x.todo = x.todo[1:]
		left -= len(text) + 16
		list, nested := words(text, x.vars)
		x.todo = append(x.todo, nested...)
		x.commands(list)
		if len(x.todo) > maxTarget {
			x.todo = x.todo[:maxTarget]
		}
	}
	// What is run under the name of its copy is run.
	for _, c := range x.copies {
		if slices.Contains(x.paths, c[1]) || slices.Contains(x.paths, c[1]+"/"+path.Base(c[0])) {
			x.path(c[0])
		}
	}
	return x.ran
}

// commands cuts a list of words into simple commands and reads each.
func (x *extractor) commands(list []word) {
	var simple []string
	stdin := ""
	flush := func() {
		x.simple(simple, stdin)
		simple, stdin = nil, ""
	}
	for i := 0; i < len(list); i++ {
		w := list[i]
		switch {
		case !w.op:
			simple = append(simple, w.text)
		case w.text[0] == '<' || strings.ContainsRune(w.text, '>'):
			if i+1 >= len(list) || list[i+1].op {
				continue
			}
			i++
			if w.text == "<" {
				stdin = list[i].text
			}
		default:
			flush()
		}
	}
	flush()
}

// simple reads one simple command. Each turn of the loop takes off one wrapper, so it ends.
func (x *extractor) simple(w []string, stdin string) {
	for top := true; ; top = false {
		w = x.assignments(w)
		if len(w) == 0 {
			return
		}
		base := path.Base(w[0])
		if !top && strings.ContainsAny(w[0], " \t\n") { // tmux new 'a b'
			x.todo = append(x.todo, w[0])
			return
		}
		x.program(w[0])
		if wrap, ok := wrappers(base); ok {
			w = x.unwrap(wrap, w[1:])
			continue
		}
		if in, ok := interpreters(base); ok {
			x.script(base, in, w[1:], stdin)
			return
		}
		w = x.special(base, w[1:])
	}
}

// assignments takes off leading NAME=value words; libraries and start files named there are loaded.
func (x *extractor) assignments(w []string) []string {
	for len(w) > 0 {
		name, value, ok := assignment(w[0])
		if !ok {
			break
		}
		switch name {
		case "LD_PRELOAD", "LD_AUDIT":
			for _, p := range strings.FieldsFunc(value, func(r rune) bool { return r == ':' || r == ' ' }) {
				x.path(p)
			}
		case "BASH_ENV", "ENV", "PYTHONSTARTUP", "PROMPT_COMMAND":
			x.path(value)
		}
		w = w[1:]
	}
	return w
}

// special reads programs and shell words with a syntax of their own, and gives what remains to be read as a command.
func (x *extractor) special(base string, args []string) []string {
	switch base {
	case "cd", "pushd":
		if p := x.abs(first(args)); p != "" {
			x.cwd = p
		}
	case "eval":
		x.todo = append(x.todo, strings.Join(args, " "))
	case "trap":
		x.todo = append(x.todo, first(args))
	case "export", "declare", "local", "typeset", "readonly":
		return x.assignments(slices.DeleteFunc(slices.Clone(args), func(s string) bool { return !strings.Contains(s, "=") }))
	case "alias":
		for _, a := range args {
			if _, value, ok := strings.Cut(a, "="); ok {
				x.todo = append(x.todo, value)
			}
		}
	case "find":
		for i, a := range args {
			if a == "-exec" || a == "-execdir" || a == "-ok" {
				return args[i+1:]
			}
		}
	case "cp", "mv", "ln", "install":
		x.copied(args)
	case "start-stop-daemon":
		for i, a := range args[:max(len(args)-1, 0)] {
			switch a {
			case "--exec", "-x", "--startas", "-a":
				x.path(args[i+1])
			}
		}
		if i := slices.Index(args, "--"); i >= 0 {
			x.loose(args[i+1:])
		}
	case "at":
		for i, a := range args[:max(len(args)-1, 0)] {
			if a == "-f" {
				x.path(args[i+1])
			}
		}
	case "[", "[[", "test", "for", "case", "select", "in", "esac", "fi", "done", "echo", "printf", "rm", "unset", "return", "exit":
	default:
		x.loose(args)
	}
	return nil
}

// copied notes the sources and the destination of a copy.
func (x *extractor) copied(args []string) {
	var names []string
	for _, a := range args {
		if p := x.abs(a); p != "" && !strings.HasPrefix(a, "-") {
			names = append(names, p)
		}
	}
	for i := 0; i < len(names)-1 && len(x.copies) < maxTarget; i++ {
		x.copies = append(x.copies, [2]string{names[i], names[len(names)-1]})
	}
}

// loose takes the absolute paths among arguments.
func (x *extractor) loose(args []string) {
	for _, a := range args {
		if strings.HasPrefix(a, "/") && len(x.args) < maxTarget {
			x.args = append(x.args, path.Clean(a))
		}
	}
}

// unwrap takes off the options and plain words of a wrapper.
func (x *extractor) unwrap(wrap wrapper, w []string) []string {
	for len(w) > 0 {
		a := w[0]
		switch {
		case a == "--":
			w = w[1:]
		case a == "-":
			w = w[1:]
		case strings.HasPrefix(a, "--"):
			w = w[1:]
			if len(w) > 0 && strings.Contains(" "+wrap.long+" ", " "+a+" ") {
				if a == "--preload" || a == "--audit" {
					x.path(w[0])
				}
				w = w[1:]
			}
		case len(a) > 1 && a[0] == '-':
			w = w[1:]
			if last := a[len(a)-1:]; len(w) > 0 && wrap.shell != "" && strings.Contains(wrap.shell, last) {
				x.todo = append(x.todo, w[0])
				w = w[1:]
			} else if takesNext(a, wrap.with) && len(w) > 0 {
				w = w[1:]
			}
		case wrap.skip > 0:
			wrap.skip--
			w = w[1:]
		default:
			return w
		}
	}
	return nil
}

// takesNext reports whether the option word "-abc" takes the next word as its value.
func takesNext(option, with string) bool {
	i := strings.IndexAny(option[1:], with)
	return i >= 0 && i == len(option)-2
}

// script finds the file that an interpreter runs, or its command after -c.
func (x *extractor) script(base string, in interpreter, w []string, stdin string) {
	for len(w) > 0 && len(w[0]) > 1 && (w[0][0] == '-' || w[0][0] == '+') {
		a := w[0]
		w = w[1:]
		switch {
		case strings.HasPrefix(a, "--"):
			if (a == "--rcfile" || a == "--init-file" || a == "--require") && len(w) > 0 {
				x.path(w[0])
				w = w[1:]
			}
		case isShell(base) && strings.Contains(a, "c"):
			for len(w) > 0 && strings.HasPrefix(w[0], "-") {
				w = w[1:]
			}
			x.todo = append(x.todo, first(w))
			return
		case in.code != "" && strings.ContainsAny(a[1:], in.code):
			return
		case takesNext(a, in.with) && len(w) > 0:
			w = w[1:]
		}
	}
	if len(w) == 0 || w[0] == "-" {
		x.path(stdin)
		return
	}
	x.path(w[0])
	if base == "run-parts" || base == "insmod" {
		return
	}
	x.loose(w[1:])
}

// program takes the program of a simple command.
func (x *extractor) program(name string) {
	if strings.Contains(name, "/") {
		x.path(name)
	} else if len(x.names) < maxTarget && name != "" && !strings.ContainsAny(name, "$*?") {
		x.names = append(x.names, name)
	}
}

// path takes a path that is run, loaded or sourced.
func (x *extractor) path(name string) {
	if p := x.abs(name); p != "" && len(x.paths) < maxTarget {
		x.paths = append(x.paths, p)
	}
}

// abs makes a path absolute, or gives "" where the text does not tell which one it is.
func (x *extractor) abs(name string) string {
	if name == "~" || strings.HasPrefix(name, "~/") {
		if x.home == "" {
			return ""
		}
		name = x.home + name[1:]
	}
	if name == "" || strings.ContainsAny(name, "$*?\x00") || len(name) > 4096 {
		return ""
	}
	if !strings.HasPrefix(name, "/") {
		if x.cwd == "" {
			return ""
		}
		name = x.cwd + "/" + name
	}
	return path.Clean(name)
}

func first(w []string) string {
	if len(w) == 0 {
		return ""
	}
	return w[0]
}
