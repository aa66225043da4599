package persist

import (
	"path"
	"slices"
	"strings"

	"github.com/deminer/deminer"
)

// listLibraryEnv lists LD_PRELOAD and its kin in the files that set environment variables for logins and services.
func listLibraryEnv(l *Lister) {
	envFiles(l, func(key string) bool {
		return strings.HasPrefix(key, "LD_") || key == "GLIBC_TUNABLES" || key == "GCONV_PATH"
	})
}

// listLanguageEnv lists the variables that make interpreters and other programs run or load something, and odd search paths.
func listLanguageEnv(l *Lister) {
	envFiles(l, func(key string) bool {
		return key == "PATH" || key == "DOCKER_HOST" || key == "NODE_PATH" || key == "JDK_JAVA_OPTIONS" || key == "RUBYLIB" || key == "PHPRC" ||
			key == "PHP_INI_SCAN_DIR" || key == "CLASSPATH" || key == "EDITOR" || key == "PAGER" || key == "LESSCLOSE" ||
			loads(key) && !strings.HasPrefix(key, "LD_")
	})
}

// envFiles lists the assignments to these variables in every file of variables.
func envFiles(l *Lister, wanted func(key string) bool) {
	files := []string{"/etc/environment", "/etc/security/pam_env.conf", "/etc/locale.conf"}
	files = append(files, l.Files("/etc/environment.d", "/usr/lib/environment.d", "/usr/local/lib/environment.d", "/etc/default", "/etc/sysconfig", "/etc/conf.d")...)
	for _, name := range files {
		envFile(l, name, Home{User: "every user"}, wanted)
	}
	l.InHomes(func(h Home, name string) { envFile(l, name, h, wanted) }, ".pam_environment", ".config/environment.d/*.conf", ".environment")
}

func envFile(l *Lister, name string, h Home, wanted func(string) bool) {
	if !l.IsFile(name) {
		return
	}
	for _, line := range l.Lines(name) {
		key, value, ok := variable(line.Text)
		if !ok || !wanted(key) || value == "" {
			continue
		}
		f := deminer.Foothold{Path: deminer.Raw(name), Line: deminer.Raw(line.Text), LineNo: line.No, Name: key, User: h.User,
			Trigger: envTrigger(name), Command: deminer.Raw(value), Targets: l.loadedBy(key, strings.NewReplacer("${HOME}", h.Dir, "@{HOME}", h.Dir).Replace(value)), Odd: oddLine(line.Text)}
		if key == "PATH" {
			f.Command = ""
			dirs := slices.DeleteFunc(strings.Split(value, ":"), func(d string) bool { return oddPlace(d) == "" || strings.HasPrefix(d, "$") })
			if len(dirs) == 0 {
				continue
			}
			f.Odd = append(f.Odd, "programs are looked for in "+strings.Join(dirs, ", "))
			f.Remove = []deminer.Action{l.Edit(l.Real(name), line.Text, withoutDirs(line.Text, value, dirs), line.No)}
		}
		l.Add(f)
	}
}

// withoutDirs takes directories out of the search path in a line.
func withoutDirs(line, value string, dirs []string) string {
	keep := slices.DeleteFunc(strings.Split(value, ":"), func(d string) bool { return slices.Contains(dirs, d) })
	return strings.Replace(line, value, strings.Join(keep, ":"), 1)
}

func envTrigger(name string) string {
	switch path.Dir(name) {
	case "/etc/default", "/etc/sysconfig", "/etc/conf.d":
		return "start of the service that reads the file"
	}
	return "every login"
}

// variable reads one line of a file of variables: "export NAME=value", "NAME value" of pam_env.conf with DEFAULT= or OVERRIDE=.
func variable(line string) (key, value string, ok bool) {
	text := strings.TrimSpace(line)
	if text == "" || text[0] == '#' {
		return "", "", false
	}
	text = strings.TrimLeft(strings.TrimPrefix(text, "export "), " ")
	if key, value, ok = assignment(text); ok {
		return key, unquote(value), true
	}
	w := splitArgs(text)
	if len(w) < 2 {
		return "", "", false
	}
	if _, _, ok := assignment(w[0] + "="); !ok {
		return "", "", false
	}
	for _, a := range w[1:] {
		if v, has := strings.CutPrefix(a, "OVERRIDE="); has {
			value = v
		} else if v, has := strings.CutPrefix(a, "DEFAULT="); has && value == "" {
			value = v
		}
	}
	return w[0], unquote(value), value != ""
}

// unquote takes one pair of quotes off.
func unquote(s string) string {
	s = strings.TrimSpace(s)
	if len(s) >= 2 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0] {
		return s[1 : len(s)-1]
	}
	return s
}

// loadedBy gives the files that a variable of this name and value makes programs load or run.
func (l *Lister) loadedBy(key, value string) []string {
	out := []string{}
	switch key {
	case "LD_PRELOAD", "LD_AUDIT":
		for _, lib := range preloadLibs(value) {
			out = append(out, l.libraries(lib)...)
		}
	case "PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "PERL5LIB", "NODE_PATH", "RUBYLIB", "PYTHONHOME", "DOCKER_HOST", "CLASSPATH", "GCONV_PATH":
	case "JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS", "NODE_OPTIONS", "RUBYOPT", "PERL5OPT":
		out = optionFiles(value)
	default:
		out = append(out, l.Targets(strings.TrimPrefix(value, "|"), "")...)
	}
	return out
}

// optionFiles gives the absolute paths in a list of options: "-javaagent:/x.jar=a", "--require /x.js", "-r/x.rb".
func optionFiles(value string) []string {
	out := []string{}
	for _, w := range strings.Fields(value) {
		i := strings.IndexByte(w, '/')
		if i < 0 || len(out) >= maxTarget {
			continue
		}
		p, _, _ := strings.Cut(w[i:], "=")
		out = append(out, path.Clean(p))
	}
	return out
}
