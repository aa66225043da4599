package persist

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/deminer/deminer"
)

// directive is one line of a configuration in the form of sshd_config(5) and ssh_config(5).
type directive struct {
	file  string
	line  Line
	key   string // lower case
	args  []string
	value string // everything after the key, as written
	match string // criteria of the Match or Host block it stands in, "" outside
}

// listSSHDConfig lists the directives of sshd that let code run or people in beyond what the defaults do.
func listSSHDConfig(l *Lister) {
	for _, d := range sshdDirectives(l) {
		trigger, command, odd := sshdMeaning(d)
		if trigger == "" {
			continue
		}
		if d.match != "" {
			trigger += ", for " + d.match
		}
		f := deminer.Foothold{Path: deminer.Raw(d.file), Line: deminer.Raw(d.line.Text), LineNo: d.line.No, Name: d.key,
			User: "root", Trigger: trigger, Command: deminer.Raw(command), Odd: oddLine(d.line.Text)}
		if odd != "" {
			f.Odd = append(f.Odd, odd)
		}
		if command == "" {
			f.Targets = []string{}
			for _, a := range d.args {
				if strings.HasPrefix(a, "/") && !strings.Contains(a, "%") {
					f.Targets = append(f.Targets, a)
				}
			}
		}
		l.Add(f)
	}
	for _, name := range []string{"/etc/default/ssh", "/etc/sysconfig/sshd", "/etc/conf.d/sshd"} {
		for _, line := range l.Lines(name) {
			key, value, ok := assignment(strings.TrimSpace(line.Text))
			value = strings.Trim(value, `"' `)
			if ok && value != "" && slices.Contains([]string{"SSHD_OPTS", "OPTIONS", "SSHD_CONFFILE", "SSHD_BINARY"}, key) {
				l.Add(deminer.Foothold{Path: deminer.Raw(name), Line: deminer.Raw(line.Text), LineNo: line.No, Name: key, User: "root",
					Trigger: "start of sshd", Command: deminer.Raw("sshd " + value), Odd: oddLine(line.Text), Targets: []string{}})
			}
		}
	}
}

// sshdMeaning says when a directive matters, which command it runs and what is formally odd; trigger "" means it is no foothold.
func sshdMeaning(d directive) (trigger, command, odd string) {
	arg := ""
	if len(d.args) > 0 {
		arg = d.args[0]
	}
	yes := strings.EqualFold(arg, "yes")
	switch d.key {
	case "authorizedkeyscommand", "authorizedprincipalscommand":
		if strings.EqualFold(arg, "none") {
			return "", "", ""
		}
		return "every login attempt by key", d.value, ""
	case "forcecommand":
		if strings.EqualFold(arg, "none") || arg == "internal-sftp" {
			return "", "", ""
		}
		return "every login", d.value, ""
	case "subsystem":
		if len(d.args) < 2 || d.args[1] == "internal-sftp" || path.Base(d.args[1]) == "sftp-server" {
			return "", "", ""
		}
		_, command, _ = strings.Cut(d.value, arg)
		return "client asks for subsystem " + arg, strings.TrimSpace(command), ""
	case "authorizedkeysfile":
		if strings.Join(d.args, " ") == ".ssh/authorized_keys" || strings.Join(d.args, " ") == ".ssh/authorized_keys .ssh/authorized_keys2" {
			return "", "", ""
		}
		return "login by key: keys are read from other files", "", ""
	case "trustedusercakeys", "authorizedprincipalsfile":
		return "login by certificate", "", ""
	case "permitrootlogin":
		return when(yes, "login of root"), "", ""
	case "permitemptypasswords":
		return when(yes, "login without password"), "", "empty passwords let in"
	case "permituserenvironment":
		return when(arg != "" && !strings.EqualFold(arg, "no"), "every login: ~/.ssh/environment is read"), "", ""
	case "acceptenv":
		return when(slices.ContainsFunc(d.args, loaderPattern), "every login: the client may set "+strings.Join(d.args, " ")), "", "the client may set variables of the loader"
	case "setenv":
		return "every login: sets " + strings.Join(d.args, " "), "", ""
	case "port":
		return when(arg != "22", "sshd listens on port "+arg), "", ""
	case "listenaddress":
		return when(oddPort(arg), "sshd listens on "+arg), "", ""
	case "gatewayports":
		return when(yes || arg == "clientspecified", "tunnels of clients are open to others"), "", ""
	case "usepam":
		return when(strings.EqualFold(arg, "no"), "login past PAM"), "", ""
	case "pamservicename", "securitykeyprovider", "hostbasedauthentication", "permittunnel":
		return when(!strings.EqualFold(arg, "no") && !strings.EqualFold(arg, "internal"), "every login"), "", ""
	}
	return "", "", ""
}

func when(cond bool, s string) string {
	if cond {
		return s
	}
	return ""
}

// loaderPattern reports whether an AcceptEnv pattern lets LD_PRELOAD through.
func loaderPattern(p string) bool {
	ok, err := path.Match(p, "LD_PRELOAD")
	return ok && err == nil
}

// oddPort reports whether an address names a port other than 22.
func oddPort(addr string) bool {
	i := strings.LastIndexByte(addr, ':')
	if i < 0 || strings.Count(addr, ":") > 1 && !strings.Contains(addr, "]:") {
		return false
	}
	return addr[i+1:] != "22"
}

// sshdDirectives reads sshd_config and what it includes, wherever distributions keep it.
func sshdDirectives(l *Lister) []directive {
	return readDirectives(l, "/etc/ssh", "/etc/ssh/sshd_config", "/etc/ssh/sshd_config.d/*.conf", "/usr/etc/ssh/sshd_config",
		"/usr/etc/ssh/sshd_config.d/*.conf", "/usr/local/etc/ssh/sshd_config", "/etc/openssh/sshd_config", "/etc/crypto-policies/back-ends/opensshserver.config")
}

// readDirectives reads these files and all they include, each file once; base is where relative includes start.
func readDirectives(l *Lister, base string, patterns ...string) []directive {
	var out []directive
	l.Included(l.Glob(patterns...), func(name string) (more []string) {
		for _, d := range parseDirectives(name, l.Lines(name)) {
			if d.key != "include" {
				out = append(out, d)
				continue
			}
			for _, p := range d.args {
				if !strings.HasPrefix(p, "/") {
					p = base + "/" + p
				}
				more = append(more, l.Glob(p)...)
			}
		}
		return more
	})
	return out
}

// parseDirectives splits lines into directives. Match and Host lines are directives too, and open a block.
func parseDirectives(file string, lines []Line) []directive {
	var out []directive
	match := ""
	for _, line := range lines {
		text := strings.Trim(line.Text, " \t\r\f\v")
		if text == "" || text[0] == '#' {
			continue
		}
		i := strings.IndexAny(text, " \t=")
		if i < 0 {
			i = len(text)
		}
		d := directive{file: file, line: line, key: strings.ToLower(text[:i]), match: match}
		d.value = strings.TrimLeft(text[i:], " \t")
		d.value = strings.TrimLeft(strings.TrimPrefix(d.value, "="), " \t")
		d.args = splitArgs(d.value)
		if d.key == "match" || d.key == "host" {
			match = text
			if d.key == "match" && strings.EqualFold(d.value, "all") {
				match = ""
			}
		}
		out = append(out, d)
	}
	return out
}

// splitArgs cuts at blanks outside double quotes and takes the quotes off; a # that begins a word ends the line.
func splitArgs(s string) []string {
	var out []string
	for s = strings.TrimLeft(s, " \t"); s != "" && s[0] != '#' && len(out) < maxWords; s = strings.TrimLeft(s, " \t") {
		if s[0] == '"' {
			word, rest, _ := strings.Cut(s[1:], `"`)
			out, s = append(out, word), rest
			continue
		}
		word, rest := cutBlank(s)
		out, s = append(out, word), rest
	}
	return out
}

func uidText(uid uint32) string { return strconv.FormatUint(uint64(uid), 10) }
