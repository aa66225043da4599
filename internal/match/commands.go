package match

import (
	"path"
	"strings"
)

// command is one simple command of a shell text: text[start:end], the word that names it and the separator before and behind it.
type command struct {
	start, end int
	name       string // base name of the program, lower case, without sudo, nohup, time fields and assignments
	word       string // the word as written
	before     byte   // '|', '&', ';', '\n' or 0
	after      byte
	comment    bool
}

// readers are programs whose arguments are searched for, shown, killed or removed: what stands in them is not run.
var readers = map[string]bool{
	"grep": true, "egrep": true, "fgrep": true, "zgrep": true, "rg": true, "ag": true, "ack": true, "pgrep": true, "pkill": true, "killall": true, "killall5": true, "kill": true,
	"ps": true, "sed": true, "awk": true, "gawk": true, "mawk": true, "find": true, "cut": true, "sort": true, "uniq": true, "head": true, "tail": true, "less": true, "more": true,
	"vim": true, "vi": true, "nano": true, "emacs": true, "code": true, "journalctl": true, "watch": true, "ls": true, "stat": true, "file": true, "strings": true, "wc": true,
	"rm": true, "rmdir": true, "unlink": true, "shred": true, "chattr": true, "lsattr": true, "test": true, "[": true, "[[": true, "netstat": true, "ss": true, "lsof": true, "fuser": true, "top": true,
	"iptables": true, "ip6tables": true, "nft": true, "ufw": true, "dig": true, "host": true, "nslookup": true, "ping": true, "whois": true, "diff": true, "locate": true, "which": true, "whereis": true, "type": true, "man": true,
	"crontab": false, "gcc": true, "cc": true, "g++": true, "clang": true, "ld": true, "ar": true, "git": true, "tee": false, "cat": true, "skill": true, "pidof": true, "yara": true, "clamscan": true, "deminer": true, "logger": true,
	"apt": true, "apt-get": true, "dpkg": true, "rpm": true, "yum": true, "dnf": true, "userdel": true, "groupdel": true, "zpool": true, "zfs": true, "if": true, "case": true, "for": true, "while": false,
}

// wrappers are words before the program proper.
var wrappers = map[string]bool{
	"sudo": true, "nohup": true, "setsid": true, "exec": true, "env": true, "nice": true, "ionice": true, "time": true, "timeout": true, "then": true, "do": true, "else": true, "!": true, "{": true,
	"busybox": true, "toybox": true, "torify": true, "torsocks": true, "proxychains": true, "proxychains4": true, "unbuffer": true, "chrt": true, "taskset": true,
	"parallel": true, "eval": true, "trap": true, "strace": true, "ltrace": true, "unshare": true, "nsenter": true, "prlimit": true, "systemd-run": true, "runuser": true, "pkexec": true, "xargs": true, "command": true, "builtin": true, "stdbuf": true, "chroot": false, "doas": true, "if": true, "while": true, "until": true, "elif": true,
}

var shells = map[string]bool{"sh": true, "bash": true, "dash": true, "ash": true, "zsh": true, "ksh": true, "su": true, "ssh": true, "-sh": true, "-bash": true}

// maxCommands is how many commands of a text are looked at.
const maxCommands = 1 << 17

// maxProbes is how many blanks and quotes of one command are taken as a reason to ask again which program it is: a name
// stands behind at most 24 words before it.
const maxProbes = 64

// splitter is the state of splitCommands.
type splitter struct {
	s       string
	out     []command
	start   int
	before  byte
	begun   bool // there is more than blanks since start
	reader  bool
	known   bool // reader is decided
	probes  int
	escaped int // end of the first line since start, where its newline was escaped; 0: none was
}

// splitCommands cuts shell text, a cron line, a unit line or argv into simple commands. Inside the quotes of a reader nothing is cut, so that an alternative
// in a search expression is not taken for a command. Its work grows with the text and not faster.
func splitCommands(s string) []command {
	p := splitter{s: s, before: '\n', out: make([]command, 0, min(len(s)/32+4, maxCommands))}
	quote := byte(0)
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !special[c] {
			p.begun = true
			continue
		}
		if c == '#' && quote == 0 && !p.begun {
			if nl := strings.IndexByte(s[i:], '\n'); nl < 0 {
				i = len(s)
			} else {
				i += nl
			}
			p.begun = true
			p.cut(i, '\n', min(i+1, len(s)), '\n')
			continue
		}
		if c == ' ' || c == '\t' || c == '\'' || c == '"' {
			p.probe(i)
		}
		switch {
		case c == '\\':
			p.begun = true
			i++
			if i < len(s) && s[i] == '\n' && p.escaped == 0 {
				p.escaped = i
			}
			continue
		case quote != 0 && c == quote:
			quote = 0
			continue
		case quote != 0 && p.reader && c != '\n':
			continue
		case quote == 0 && (c == '\'' || c == '"') && p.reader:
			quote = c
			continue
		}
		if c == '\n' || c == ';' || c == '&' && !redirects(s, i) || c == '|' && !(p.reader && tight(s, i)) || c == '`' || c == '(' && i > 0 && s[i-1] == '$' {
			end, sep := i, c
			for i+1 < len(s) && (s[i+1] == '|' && sep == '|' || s[i+1] == '&' && sep == '&') {
				i++
				sep = ';' // "||" and "&&" hand no output on
			}
			quote = 0
			p.cut(end, c, i+1, sep)
		} else if c != ' ' && c != '\t' && c != '\r' {
			p.begun = true
		}
	}
	p.cut(len(s), 0, len(s), 0)
	return p.out
}

// special are the bytes that splitCommands looks at.
var special = bytesOf(" \t\r\n'\"\\;&|`(#")

// cut ends the command at end, with what stands behind it, and begins the next one, with what stands before that.
func (p *splitter) cut(end int, after byte, next int, before byte) {
	if p.begun {
		c := command{start: p.start, end: end, before: p.before, after: after}
		c.identify(p.s)
		switch last := len(p.out) - 1; {
		case c.comment && last >= 0 && p.out[last].comment && p.before == '\n':
			p.out[last].end = end // comments, however many, hide no command behind them
		case len(p.out) < maxCommands:
			p.out = append(p.out, c)
		}
	}
	*p = splitter{s: p.s, out: p.out, start: next, before: before}
}

// probe finds out, as soon as the words so far tell it, whether the command is a reader.
func (p *splitter) probe(i int) {
	if p.known || !p.begun || i > p.start && blank(p.s[i-1]) && blank(p.s[i]) {
		return
	}
	if p.probes++; p.probes > maxProbes {
		p.known = true
		return
	}
	c := command{start: p.start, end: min(len(p.s), i+80)}
	if p.escaped > 0 {
		c.end = min(c.end, p.escaped)
	} else if nl := strings.IndexByte(p.s[i:c.end], '\n'); nl >= 0 {
		c.end = i + nl
	}
	c.identify(p.s)
	p.reader, p.known = readers[c.name], c.name != "" && !shells[c.name]
}

func blank(c byte) bool { return c == ' ' || c == '\t' }

// redirects tells an "&" that belongs to >& or &>.
func redirects(s string, i int) bool {
	return i > 0 && s[i-1] == '>' || i+1 < len(s) && s[i+1] == '>'
}

// tight tells a "|" without blanks around it: part of an unquoted expression in argv, unless a known program follows.
func tight(s string, i int) bool {
	if i == 0 || i+1 >= len(s) || s[i-1] == ' ' || s[i+1] == ' ' || s[i+1] == '|' || s[i+1] == '\n' {
		return false
	}
	end := i + 1
	for end < len(s) && end-i < 32 && (alnum[s[end]] || s[end] == '/' || s[end] == '-') {
		end++
	}
	w := path.Base(s[i+1 : end])
	_, known := readers[w]
	return !known && !shells[w] && !wrappers[w] && w != "curl" && w != "wget" && w != "python" && w != "perl"
}

// identify finds the program of the command.
func (c *command) identify(s string) {
	text := trimLeft(s[c.start:c.end], &opening)
	if strings.HasPrefix(text, "#") && !strings.HasPrefix(text, "#!") {
		c.comment = true
		return
	}
	if text[:min(1, len(text))] == "@" || text != "" && (text[0] == '*' || '0' <= text[0] && text[0] <= '9') {
		text = afterCronTime(text)
	}
	if key, _, ok := strings.Cut(text[:min(len(text), 32)], "="); ok && unitKeys[strings.TrimRight(key, " \t")] {
		text = strings.TrimLeft(text[len(key)+1:], " \t-@:+!")
	}
	for n := 0; n < 24; n++ {
		text = trimLeft(text, &opening)
		word, rest := cutBlank(text)
		if label(word, rest) {
			text = rest
			continue
		}
		word = strings.TrimPrefix(trim(word, &around), `\`) // a backslash before a name asks for no alias of it
		base := strings.ToLower(path.Base(word))
		switch {
		case word == "":
			return
		case base == "function" && n == 0:
			_, text = cutBlank(strings.TrimLeft(rest, " \t"))
			continue
		case wrappers[base], strings.HasPrefix(word, "-") && n > 0, assignment(word), n > 0 && strings.Trim(word, "0123456789.smhd") == "":
			text = rest
			continue
		case shells[base] && strings.ContainsAny(rest, " \t"):
			c.name, c.word = base, word
			if inner := strings.TrimLeft(rest, " \t"); strings.HasPrefix(inner, "-") && base != "ssh" && base != "su" {
				text = rest
				continue
			}
			return
		}
		c.name, c.word = strings.TrimPrefix(base, "-"), word
		return
	}
}

// cutBlank gives the first word of a command and what is behind the blank after it.
func cutBlank(s string) (word, rest string) {
	if i := strings.IndexAny(s, " \t"); i >= 0 {
		return s[:i], s[i+1:]
	}
	return s, ""
}

// label tells what stands before the first command of a function or of a pattern of case: "name()" or "pattern)".
func label(word, rest string) bool {
	return len(word) > 1 && word[len(word)-1] == ')' && rest != "" && !strings.ContainsAny(word, "=/.:$<'\"")
}

// What stands before a command's first word, and around any word, without being part of it.
var (
	opening = bytesOf(" \t\r({\"'")
	around  = bytesOf("\"';)\t\r")
)

func bytesOf(s string) (t [256]bool) {
	for i := range len(s) {
		t[s[i]] = true
	}
	return t
}

func trimLeft(s string, set *[256]bool) string {
	for s != "" && set[s[0]] {
		s = s[1:]
	}
	return s
}

func trim(s string, set *[256]bool) string {
	s = trimLeft(s, set)
	for s != "" && set[s[len(s)-1]] {
		s = s[:len(s)-1]
	}
	return s
}

// unitKeys are the settings of units whose value is a command line.
var unitKeys = map[string]bool{"ExecStart": true, "ExecStartPre": true, "ExecStartPost": true, "ExecStop": true, "ExecReload": true, "ExecCondition": true, "ExecStopPost": true}

func assignment(w string) bool {
	k, _, ok := strings.Cut(w, "=")
	return ok && k != "" && strings.Trim(k, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// afterCronTime drops the five time fields or @word, and a user name behind them.
func afterCronTime(s string) string {
	f := strings.Fields(s[:min(len(s), 200)])
	skip := 5
	if len(f) > 0 && f[0][0] == '@' {
		skip = 1
	}
	if len(f) <= skip {
		return s
	}
	for _, t := range f[:skip] {
		if skip == 5 && strings.Trim(t, "0123456789*/,-abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
			return s
		}
	}
	rest := s
	for i := 0; i < skip; i++ {
		rest = strings.TrimLeft(rest, " \t")
		if k := strings.IndexAny(rest, " \t"); k >= 0 {
			rest = rest[k:]
		}
	}
	rest = strings.TrimLeft(rest, " \t")
	user, cmd := cutBlank(rest)
	_, tool := readers[user]
	if cmd != "" && !tool && !shells[user] && !wrappers[user] && user == strings.ToLower(user) && !strings.ContainsAny(user, "/=.$\"'-(") && !isFetcher(user) {
		return cmd
	}
	return rest
}

// at gives the command that holds an offset.
func at(list []command, off int) *command {
	lo, hi := 0, len(list)
	for lo < hi {
		mid := (lo + hi) / 2
		if list[mid].end <= off {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo < len(list) && list[lo].start <= off {
		return &list[lo]
	}
	return nil
}

// inert tells whether what stands in the command is only named: searched for, killed, removed, commented.
func (c *command) inert() bool { return c != nil && (c.comment || readers[c.name]) }
