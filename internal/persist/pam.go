package persist

import (
	"path"
	"slices"
	"strings"

	"github.com/deminer/deminer"
)

// pamLine is one rule of pam.conf(5): facility, control, module, arguments.
type pamLine struct {
	facility, control, module string
	args                      []string
}

// listPAM lists the rules of PAM that run a program, load a module no package brought, or let everybody in; and modules
// that lie in the module directories though no package owns them.
func listPAM(l *Lister) {
	dirs := pamDirs(l)
	used := map[string]bool{}
	for _, name := range append(l.Files("/etc/pam.d", "/usr/lib/pam.d", "/usr/local/etc/pam.d"), "/etc/pam.conf") {
		for _, st := range statements(l.Lines(name), `\`) {
			p, ok := parsePAM(st.joined, path.Base(name) == "pam.conf")
			if !ok {
				continue
			}
			file := pamFile(l, dirs, p.module)
			used[file] = true
			odd, command := pamMeaning(l, p, file)
			if len(odd) == 0 {
				continue
			}
			f := deminer.Foothold{Path: deminer.Raw(name), Line: deminer.Raw(st.text), LineNo: st.no, Name: path.Base(p.module), User: "root",
				Trigger: p.facility + " through " + path.Base(name), Command: deminer.Raw(command), Odd: append(odd, oddText(st.text)...), Targets: []string{}}
			if command != "" {
				f.Targets = l.Targets(command, "root")
			}
			if file != "" {
				f.Targets = append(f.Targets, file)
			}
			l.Add(f)
		}
	}
	for _, name := range l.Files(dirs...) {
		owned, known := l.Owned(name)
		if strings.HasSuffix(name, ".so") && known && !owned {
			f := deminer.Foothold{Path: deminer.Raw(name), Name: path.Base(name), User: "root", Trigger: "a rule of PAM loads it", Targets: []string{name}}
			f.Disabled = !used[name]
			l.Add(f)
		}
	}
}

// pamMeaning says what is odd about a rule, and which program it runs.
func pamMeaning(l *Lister, p pamLine, file string) (odd []string, command string) {
	base := path.Base(p.module)
	switch base {
	case "pam_exec.so", "pam_script.so", "pam_python.so", "pam_lua.so", "pam_perl.so":
		odd = append(odd, "runs a program")
		for i, a := range p.args {
			if strings.HasPrefix(a, "/") && !strings.Contains(a, "=") {
				command = strings.Join(p.args[i:], " ")
				break
			}
		}
		if slices.Contains(p.args, "expose_authtok") {
			odd = append(odd, "the program is given the password")
		}
	case "pam_permit.so":
		if (p.control == "sufficient" || strings.Contains(p.control, "success=done")) && (p.facility == "auth" || p.facility == "account") {
			odd = append(odd, "lets everybody in")
		}
	}
	if strings.HasPrefix(p.module, "/") && !below(path.Dir(p.module), []string{"/lib", "/usr/lib", "/lib64", "/usr/lib64"}) {
		odd = append(odd, "the module lies outside the directories of PAM")
	}
	if owned, known := l.Owned(file); file != "" && known && !owned {
		odd = append(odd, "no package owns the module")
	}
	return odd, command
}

// parsePAM reads one rule; service tells that the first field names the service, as in pam.conf.
func parsePAM(text string, service bool) (p pamLine, ok bool) {
	text = strings.TrimSpace(text)
	if text == "" || text[0] == '#' || text[0] == '@' {
		return p, false
	}
	if service {
		_, text = cutBlank(text)
	}
	p.facility, text = cutBlank(text)
	p.facility = strings.ToLower(strings.TrimPrefix(p.facility, "-"))
	if strings.HasPrefix(text, "[") {
		if p.control, text, ok = strings.Cut(text, "]"); !ok {
			return p, false
		}
		p.control, text = strings.TrimPrefix(p.control, "["), strings.TrimLeft(text, " \t")
	} else {
		p.control, text = cutBlank(text)
	}
	p.control = strings.ToLower(p.control)
	if p.control == "include" || p.control == "substack" {
		return p, false
	}
	p.module, text = cutBlank(text)
	p.args = strings.Fields(text)
	return p, p.module != ""
}

// pamDirs are the directories of PAM's modules.
func pamDirs(l *Lister) []string {
	return l.firstReal(l.Glob("/lib/security", "/lib64/security", "/lib/*-linux-gnu*/security", "/usr/lib/security", "/usr/lib64/security",
		"/usr/lib/*-linux-gnu*/security", "/usr/local/lib/security"))
}

// pamFile finds a module's file, or "".
func pamFile(l *Lister, dirs []string, module string) string {
	if strings.HasPrefix(module, "/") {
		return l.Real(strings.ReplaceAll(module, "$ISA", ""))
	}
	for _, d := range dirs {
		if name := path.Join(d, module); l.IsFile(name) {
			return l.Real(name)
		}
	}
	return ""
}
