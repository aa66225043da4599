package persist

import (
	"path"
	"slices"
	"strings"

	"github.com/deminer/deminer"
)

// aptValue is one quoted or bare value of an apt configuration with the full name of its setting.
type aptValue struct {
	key, value string
	from, to   int // first and last line of the value itself, 1-based
	top, end   int // first and last line of the whole statement
}

// listApt lists the commands that apt and dpkg run around their work (apt.conf(5), dpkg.cfg(5)), sources that are trusted
// blindly, and maintainer scripts of no package.
func listApt(l *Lister) {
	for _, name := range l.Glob("/etc/apt/apt.conf", "/etc/apt/apt.conf.d/*", "/usr/share/apt/apt.conf.d/*") {
		if l.IsFile(name) {
			aptConf(l, name)
		}
	}
	listLines(l, []lineRule{
		{files: []string{"/etc/dpkg/dpkg.cfg", "/etc/dpkg/dpkg.cfg.d/*"}, match: settings("pre-invoke", "post-invoke", "status-logger"), user: "root", trigger: "every run of dpkg"},
		{files: []string{"/etc/apt/sources.list", "/etc/apt/sources.list.d/*.list"}, match: mention("trusted=yes", "allow-insecure=yes"), user: "root", trigger: "every upgrade: the source needs no signature"},
	})
	have := map[string]bool{}
	for _, e := range l.Dir("/var/lib/dpkg/info") {
		have[e.Name] = true
	}
	for _, base := range sorted(have) {
		ext := path.Ext(base)
		if !slices.Contains([]string{".preinst", ".postinst", ".prerm", ".postrm", ".config"}, ext) || have[strings.TrimSuffix(base, ext)+".list"] {
			continue
		}
		fileRule{user: "root", trigger: "dpkg handles the package", exec: true, script: true}.add(l, "/var/lib/dpkg/info/"+base, "root")
	}
}

// aptConf lists the hooks of one apt.conf file. Removal cuts the hook's line where it holds nothing else, and takes the
// one value out of the line where it does.
func aptConf(l *Lister, name string) {
	lines := l.Lines(name)
	all := parseApt(lines)
	onLine := map[int]int{} // values by line
	for _, v := range all {
		onLine[v.from]++
	}
	for _, v := range all {
		if !aptRuns(v.key) || v.value == "" {
			continue
		}
		text := joinLines(lines, v.from, v.to)
		if l.share(name, text, 1) == 0 {
			continue
		}
		f := deminer.Foothold{Path: deminer.Raw(name), Line: deminer.Raw(text), LineNo: v.from, Name: v.key, User: "root", Trigger: "every run of apt",
			Command: deminer.Raw(v.value), Odd: oddText(text), Remove: []deminer.Action{l.Cut(name, text, v.from, true)}}
		shared := onLine[v.from] > 1
		alone := strings.Trim(text, " \t\r;") == `"`+v.value+`"`
		if shared {
			f.Part = v.value
		}
		if shared || !alone && v.top != v.end {
			f.Remove = []deminer.Action{l.Edit(name, text, strings.NewReplacer(`"`+v.value+`";`, "", `"`+v.value+`"`, "").Replace(text), v.from)}
		}
		l.Add(f)
	}
}

func joinLines(lines []Line, from, to int) string {
	var parts []string
	for _, l := range lines[from-1 : to] {
		parts = append(parts, l.Text)
	}
	return strings.Join(parts, "\n")
}

// aptRuns reports whether the values of a setting are commands or programs.
func aptRuns(key string) bool {
	k := strings.ToLower(key)
	for _, hook := range []string{"pre-invoke", "post-invoke", "post-invoke-success", "pre-install-pkgs", "post-invoke-stats", "proxyautodetect", "proxy-auto-detect"} {
		if strings.HasSuffix(k, "::"+hook) {
			return true
		}
	}
	return strings.HasPrefix(k, "dir::bin::") && k != "dir::bin::methods" || strings.HasPrefix(k, "dpkg::chroot")
}

// parseApt reads apt.conf: scopes in braces, "Name value;" and "Name { "value"; };", comments //, # and /* */.
func parseApt(lines []Line) []aptValue {
	p := aptParser{}
	for _, line := range lines {
		p.line(line.Text, line.No)
	}
	return p.out
}

type aptParser struct {
	out    []aptValue
	scope  []string
	word   string // name waiting for its value
	top    int    // first line of the statement at the outermost level; 0 between statements
	since  int    // values before this one have their end
	inside bool   // in a /* comment
}

func (p *aptParser) line(s string, no int) {
	for i := 0; i < len(s); {
		rest := s[i:]
		switch c := s[i]; {
		case p.inside:
			n := strings.Index(rest, "*/")
			if n < 0 {
				return
			}
			p.inside, i = false, i+n+2
		case strings.HasPrefix(rest, "//") || c == '#':
			return
		case strings.HasPrefix(rest, "/*"):
			p.inside, i = true, i+2
		case c == ' ' || c == '\t' || c == '\r':
			i++
		case c == '{' || c == '}' || c == ';':
			p.mark(c, no)
			i++
		case c == '"':
			n := strings.IndexByte(rest[1:], '"')
			if n < 0 {
				n = len(rest) - 1
			}
			p.value(rest[1:1+n], no)
			i += min(n+2, len(rest))
		default:
			n := strings.IndexAny(rest, " \t\r{};\"")
			if n < 0 {
				n = len(rest)
			}
			p.bare(rest[:n], no)
			i += n
		}
	}
}

// mark reads one of { } ;.
func (p *aptParser) mark(c byte, no int) {
	switch c {
	case '{':
		if len(p.scope) < 64 {
			p.scope = append(p.scope, p.word)
		}
	case '}':
		if len(p.scope) > 0 {
			p.scope = p.scope[:len(p.scope)-1]
		}
	}
	p.word = ""
	if len(p.scope) == 0 && c != '{' {
		for ; p.since < len(p.out); p.since++ {
			p.out[p.since].end = no
		}
		if c == ';' {
			p.top = 0
		}
	}
}

// bare reads a word without quotes: a name, or after a name its value.
func (p *aptParser) bare(w string, no int) {
	if p.word != "" {
		p.value(w, no)
		return
	}
	if p.top == 0 {
		p.top = no
	}
	p.word = w
}

func (p *aptParser) value(v string, no int) {
	if p.top == 0 {
		p.top = no
	}
	if len(p.out) >= maxLines {
		return
	}
	key := strings.Join(append(slices.Clone(p.scope), p.word), "::")
	p.out = append(p.out, aptValue{strings.Trim(key, ":"), v, no, no, p.top, no})
}
