package persist

import (
	"path"
	"slices"
	"strings"

	"github.com/deminer/deminer"
)

// shellFile lists a shell script that the owner and an intruder may share: the file itself, and each statement in it that
// can start or load something, with a recipe that takes only that statement. f says who runs it and when.
type shellFile struct {
	l    *Lister
	base deminer.Foothold // Path, User, Trigger, Every, Disabled
	home string           // of the user; "" asks the accounts
	all  bool             // list every statement that does anything at all
	drop bool             // the file may go as a whole
	last bool             // the file may go with its last line
	sole bool             // the file may go as a whole if it does one thing only
	from []string         // links that lead to the file and go before it
}

// list lists the file. In csh and fish every line stands for itself.
func (s shellFile) list() {
	name := string(s.base.Path)
	lines := s.l.Lines(name)
	parts := shellParts(lines)
	if ext := path.Ext(name); ext == ".fish" || ext == ".csh" || strings.Contains(path.Base(name), "csh") || path.Base(name) == ".login" || path.Base(name) == ".logout" {
		parts = nil
		for _, l := range lines {
			parts = append(parts, shellPart{text: l.Text, no: l.No})
		}
	}
	if s.home == "" {
		s.home = s.l.HomeOf(s.base.User)
	}
	var found []deminer.Foothold
	others, ended := 0, false
	seen := map[int]bool{}
	for _, p := range parts {
		if blank(p.text) && !strings.Contains(p.text, "\n") || trivial(p.text) {
			ended = ended || !p.inside && exits(p.text)
			continue
		}
		what := s.does(p)
		if what == "" || seen[p.no] {
			if !p.frame {
				others++
			}
			continue
		}
		if p.frame {
			p = *p.block
			seen[p.no] = true
		}
		f := s.part(p, what)
		f.Disabled = f.Disabled || ended
		found = append(found, f)
	}
	s.emit(found, others)
}

// emit lists the file, then its statements. A file that does one thing only is that thing: it is listed once, as a whole.
func (s shellFile) emit(found []deminer.Foothold, others int) {
	f := s.base
	f.Name, f.Targets = path.Base(string(f.Path)), []string{}
	if !slices.Contains(homeShellFiles(), f.Name) {
		f.Odd = append(slices.Clone(f.Odd), oddName(f.Name)...)
	}
	f.Remove = noRecipe()
	if s.drop {
		f.Remove = []deminer.Action{drop(string(f.Path))}
	}
	if real := s.l.Real(string(f.Path)); real != string(f.Path) {
		f.Targets = append(f.Targets, real)
	}
	if (s.drop || s.sole) && others == 0 && len(found) == 1 {
		one := found[0]
		f.Remove = append(drops(s.from...), drop(string(f.Path)))
		f.Command, f.Odd = one.Command, append(f.Odd, one.Odd...)
		f.Targets = append(f.Targets, one.Targets...)
		s.l.Add(f)
		return
	}
	s.l.Add(f)
	for _, one := range found {
		s.l.Add(one)
	}
}

// part makes the foothold of one statement. Inside a compound a colon takes its place, so that the script stays valid.
func (s shellFile) part(p shellPart, what string) deminer.Foothold {
	f := s.base
	name := string(f.Path)
	f.Name, f.Line, f.LineNo, f.Command = what, deminer.Raw(p.text), p.no, deminer.Raw(strings.TrimSpace(p.text))
	f.Targets = append([]string{}, s.l.targetsIn(p.text, s.home)...)
	if what == "PATH" {
		f.Targets = append(f.Targets, s.l.shadows(p.text, s.home)...)
	}
	if loads(what) && len(f.Targets) == 0 { // csh, fish
		_, rest, _ := strings.Cut(p.text, what)
		f.Targets = append(f.Targets, loaded(what, rest)...)
	}
	f.Odd = append(slices.Clone(f.Odd), oddLine(p.text)...)
	switch {
	case p.inside:
		indent := p.text[:len(p.text)-len(strings.TrimLeft(p.text, " \t"))]
		edit := s.l.Edit(name, p.text, indent+":", p.no)
		edit.Args["if-present"] = "yes" // the whole file may go in the same plan
		f.Remove = []deminer.Action{edit}
	default:
		f.Remove = []deminer.Action{s.l.Cut(name, p.text, p.no, s.drop || s.last)}
	}
	return f
}

// trivial reports whether a statement does nothing worth a line: it ends the script, or waits, or sets the shell up.
func trivial(text string) bool {
	word, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
	switch word {
	case "exit", "set", ":", "true", "umask", "return", "shopt", "then", "else", "fi", "do", "done", "esac", "{", "}", ";;":
		return !strings.ContainsAny(rest, "`$;&|")
	}
	return strings.TrimSpace(text) == "touch /var/lock/subsys/local"
}

func exits(text string) bool {
	return strings.TrimSpace(text) == "exit" || strings.HasPrefix(strings.TrimSpace(text), "exit ")
}

// does says in a word what a statement starts, loads or redefines, or "".
func (s shellFile) does(p shellPart) string {
	if p.name != "" && watched(p.name) {
		return "function " + p.name
	}
	if strings.Contains(p.text, "/dev/tcp/") || strings.Contains(p.text, "/dev/udp/") {
		return "/dev/tcp"
	}
	if what := redefines(p.text, s.home); what != "" {
		return what
	}
	for _, t := range s.l.targetsIn(p.text, s.home) {
		if !isStartup(t) {
			return "runs " + path.Base(t)
		}
	}
	for _, name := range parse(p.text, s.home).names {
		if starts(name) {
			return "runs " + name
		}
	}
	if s.all && !p.frame {
		return "runs " + strings.Fields(p.text)[0]
	}
	return ""
}

// redefines says which variable, alias, trap or background start a statement holds, or "".
func redefines(text, home string) string {
	vars := map[string]string{"HOME": home, "PATH": "$PATH"}
	list, _ := words(text, vars)
	start, command := true, ""
	for i, w := range list {
		if w.op {
			if w.text == "&" {
				return "background"
			}
			start = true
			continue
		}
		if start {
			command = w.text
		}
		next := ""
		if i+1 < len(list) && !list[i+1].op {
			next = list[i+1].text
		}
		if name, value, ok := assignment(w.text); ok && (start || isExport(command)) {
			if what := setsVariable(name, value); what != "" {
				return what
			}
			if command == w.text {
				continue // the command is still to come
			}
		}
		switch {
		case start && w.text == "trap" && next != "" && next != "-" && next != "''":
			return "trap"
		case command == "alias" && !start:
			if what := hides(w.text, next); what != "" {
				return what
			}
		case start && (w.text == "setenv" || w.text == "set"):
			if what := cshVariable(list[i+1:]); what != "" {
				return what
			}
		}
		start = start && (w.text == "then" || w.text == "do" || w.text == "else" || w.text == "{" || w.text == "!")
	}
	return ""
}

func isExport(command string) bool {
	return command == "export" || command == "declare" || command == "typeset" || command == "readonly" || command == "env"
}

func setsVariable(name, value string) string {
	if loads(name) && value != "" || name == "PATH" && oddPath(value) {
		return name
	}
	return ""
}

// cshVariable reads "setenv NAME value" of csh and "set -gx NAME value" of fish.
func cshVariable(rest []word) string {
	for len(rest) > 0 && strings.HasPrefix(rest[0].text, "-") {
		rest = rest[1:]
	}
	if len(rest) < 2 || rest[0].op || rest[1].op {
		return ""
	}
	return setsVariable(rest[0].text, rest[1].text)
}

// hides says which tool an alias changes: "NAME=value", or in csh and fish "NAME" and the value as the next word. Options
// added to the tool itself change nothing.
func hides(w, next string) string {
	name, value, ok := strings.Cut(w, "=")
	if !ok {
		value = next
	}
	first, _, _ := strings.Cut(strings.TrimSpace(value), " ")
	if !watched(name) || value == "" || first == name && !strings.ContainsAny(value, "|;&`$>") {
		return ""
	}
	return "alias " + name
}

// shadows gives the programs that a search path in this text puts before the system's programs of the same name.
func (l *Lister) shadows(text, home string) []string {
	var out []string
	list, _ := words(text, map[string]string{"HOME": home, "PATH": "$PATH"})
	for _, w := range list {
		for dir := range strings.FieldsFuncSeq(w.text, func(r rune) bool { return r == ':' || r == '=' }) {
			if dir == "$PATH" || slices.Contains(systemDirs(), path.Clean(dir)) {
				break
			}
			if !strings.HasPrefix(dir, "/") || w.op {
				continue
			}
			for _, name := range l.Files(dir) {
				base := path.Base(name)
				if a, err := l.Host.FS.Stat(name); err == nil && a.Executable() && len(out) < maxTarget && (watched(base) || l.which(base) != "") && !isPlain(name) {
					out = append(out, name)
				}
			}
		}
	}
	return out
}

// watched reports whether an administrator looks, or defends, with a tool of this name.
func watched(name string) bool {
	return strings.Contains(" ps top htop atop pstree ls dir find cat less more tail grep crontab rm kill killall pkill pgrep netstat ss lsof fuser who w last lastlog "+
		"passwd su sudo ssh scp chattr lsattr curl wget systemctl service history uptime free vmstat df du stat file md5sum sha256sum which type command "+
		"iptables nft lsmod rmmod mount umount docker crictl bash sh cd ", " "+name+" ")
}

// starts reports whether a program of this name, found among the words of a start-up file, starts or fetches others.
func starts(name string) bool {
	return strings.Contains(" curl wget nc ncat socat base64 xxd nohup setsid crontab at batch systemctl service insmod modprobe chattr ssh scp screen tmux "+
		"python python2 python3 perl ruby php openssl tftp ftp telnet lwp-download docker eval source . sudo su ", " "+name+" ") && name != "." && name != "source" && name != "eval"
}

// isStartup reports whether a path is a start-up file of a shell that is listed itself, or belongs to completion.
func isStartup(name string) bool {
	if below(name, []string{"/etc/profile.d", "/etc/bash_completion.d", "/usr/share/bash-completion", "/etc/zsh", "/etc/fish", "/usr/share/fish"}) {
		return true
	}
	switch path.Base(name) {
	case "bashrc", "bash.bashrc", "profile", "bash_completion", "ksh.kshrc", "csh.cshrc", "csh.login", "zshrc":
		return path.Dir(name) == "/etc"
	}
	return slices.Contains(homeShellFiles(), path.Base(name)) && !hidden(path.Dir(name)) && !below(name, hotDirs())
}
