package match

import (
	"bufio"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// Kind is what an indicator names.
type Kind string

// The kinds of indicators. The first group has a method of its own on Set; the second is asked by Named.
const (
	KindDomain     Kind = "domain"     // a registrable domain and all below it
	KindHost       Kind = "host"       // one exact host name
	KindNever      Kind = "never"      // a domain no list may match
	KindAddr       Kind = "addr"       // IP, IP:port or prefix
	KindPort       Kind = "port"       // TCP port of a remote end
	KindPath       Kind = "path"       // path or glob
	KindProcess    Kind = "process"    // base name of a program
	KindMasquerade Kind = "masquerade" // name of a kernel thread or daemon that is borrowed
	KindHash       Kind = "hash"       // SHA-256 of a file, hexadecimal
	KindKey        Kind = "key"        // SSH key blob, its beginning, or comment
	KindWallet     Kind = "wallet"     // payout address
	KindText       Kind = "text"       // phrase in scripts and lines
	KindFlag       Kind = "flag"       // option of a command line, group a, b or context
	KindEncoded    Kind = "encoded"    // base64 form of a flag
	KindConfigKey  Kind = "config-key" // key of a miner configuration

	KindUnit    Kind = "unit"    // systemd unit
	KindAccount Kind = "account" // user name
	KindModule  Kind = "module"  // kernel module
	KindImage   Kind = "image"   // container image
	KindEnv     Kind = "env"     // NAME=value of an environment
	KindSymbol  Kind = "symbol"  // symbol of a module or library
)

// indicator is one line of a list.
type indicator struct {
	kind     Kind
	value    string
	family   string
	strength Strength
	class    Class
	what     string
	attrs    map[string]string
	file     string
	line     int
	re       *regexp.Regexp
	loose    *regexp.Regexp // re without its assertions, or nil
	whole    bool           // of a key: all of the blob, not its beginning
}

func (in *indicator) hit(offset int64, excerpt string) Hit {
	from, _ := Origin(in.file)
	return Hit{Rule: "ioc/" + string(in.kind), From: from, Family: in.family, Strength: in.strength, Class: in.class, What: in.what, Offset: offset,
		Excerpt: clip(excerpt), Meta: map[string]string{"value": in.value, "source": fmt.Sprintf("%s:%d", in.file, in.line)}}
}

// Problem is one fault of a rule file. Column is 0 where it is not known.
type Problem struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column,omitempty"`
	Rule   string `json:"rule,omitempty"`
	Text   string `json:"text"`
}

// Error gives "file:line[:column]: [rule NAME: ]text".
func (p Problem) Error() string {
	at := fmt.Sprintf("%s:%d", p.File, p.Line)
	if p.Column > 0 {
		at += ":" + strconv.Itoa(p.Column)
	}
	if p.Rule != "" {
		at += ": rule " + p.Rule
	}
	return at + ": " + p.Text
}

const (
	maxListFile = 64 << 20
	maxListLine = 4096
)

// parseList reads a list: "#! type=K<TAB>strength=S..." sets defaults for what follows, "#" begins a comment line,
// any other line is a value with optional TAB-separated attributes that override the defaults.
func parseList(file, text string) (out []*indicator, probs []Problem) {
	fail := func(line int, format string, args ...any) {
		if len(probs) < 100 {
			probs = append(probs, Problem{File: file, Line: line, Text: fmt.Sprintf(format, args...)})
		}
	}
	defaults := map[string]string{}
	sc := bufio.NewScanner(strings.NewReader(text))
	sc.Buffer(make([]byte, maxListLine), maxListLine)
	n := 0
	for sc.Scan() {
		n++
		line := strings.TrimSuffix(sc.Text(), "\r")
		switch {
		case strings.HasPrefix(line, "#!"):
			defaults = map[string]string{}
			if err := attributes(strings.Split(strings.TrimSpace(line[2:]), "\t"), defaults); err != nil {
				fail(n, "%s", err)
			}
			continue
		case strings.TrimSpace(line) == "" || line[0] == '#':
			continue
		}
		in, err := newIndicator(strings.Split(line, "\t"), defaults)
		if err != nil {
			fail(n, "%s", err)
			continue
		}
		in.file, in.line = file, n
		out = append(out, in)
	}
	if err := sc.Err(); err != nil {
		fail(n+1, "line is longer than %d bytes", maxListLine)
	}
	return out, probs
}

func attributes(words []string, into map[string]string) error {
	for _, w := range words {
		k, v, ok := strings.Cut(w, "=")
		switch k {
		case "type", "strength", "class", "family", "what", "group", "needs", "mining", "note":
		default:
			ok = false
		}
		if !ok {
			return fmt.Errorf("unknown attribute %q", w)
		}
		into[k] = v
	}
	return nil
}

func newIndicator(words []string, defaults map[string]string) (*indicator, error) {
	attrs := map[string]string{}
	for k, v := range defaults {
		attrs[k] = v
	}
	if err := attributes(words[1:], attrs); err != nil {
		return nil, err
	}
	in := &indicator{kind: Kind(attrs["type"]), value: words[0], family: attrs["family"], class: Class(attrs["class"]), what: attrs["what"], attrs: attrs}
	if in.kind == "" {
		return nil, fmt.Errorf("no line %q before this one says the type", "#! type=...")
	}
	if in.class == "" {
		in.class = Mining
	}
	if in.what == "" {
		in.what = "indicator of type " + string(in.kind)
	}
	var err error
	if in.strength, err = parseStrength(attrs["strength"], Weak); err != nil {
		return nil, err
	}
	return in, in.check()
}

func parseStrength(s string, def Strength) (Strength, error) {
	if s == "" {
		return def, nil
	}
	for i, w := range strengths {
		if w == s {
			return Strength(i), nil
		}
	}
	return 0, fmt.Errorf("strength %q is none of proof, strong, weak, info", s)
}

// check refuses values that cannot be of their kind.
func (in *indicator) check() error {
	v := in.value
	switch in.kind {
	case KindDomain, KindHost, KindNever:
		if !isHost(v) {
			return fmt.Errorf("%q is not a host name", v)
		}
	case KindAddr:
		if _, _, err := parseAddr(v); err != nil {
			return fmt.Errorf("%q is not an address", v)
		}
	case KindPort:
		if _, err := strconv.ParseUint(v, 10, 16); err != nil {
			return fmt.Errorf("%q is not a port", v)
		}
	case KindHash:
		if len(v) != 64 || strings.Trim(strings.ToLower(v), "0123456789abcdef") != "" {
			return fmt.Errorf("%q is not a SHA-256", v)
		}
	case KindPath:
		return checkGlob(v)
	case KindFlag:
		if g := in.attrs["group"]; g != "a" && g != "b" && g != "context" {
			return fmt.Errorf("group %q is none of a, b, context", g)
		}
		if expr, ok := strings.CutPrefix(v, "re:"); ok {
			if in.attrs["needs"] == "" {
				return fmt.Errorf("an expression needs the attribute needs=LITERAL")
			}
			var err error
			in.re, err = regexp.Compile(expr)
			in.loose = loosened(expr)
			return err
		}
	case KindText, KindEncoded:
		if len(v) < 4 {
			return fmt.Errorf("%q is too short for a text indicator", v)
		}
	case KindProcess, KindMasquerade, KindKey, KindWallet, KindConfigKey, KindUnit, KindAccount, KindModule, KindImage, KindEnv, KindSymbol:
	default:
		return fmt.Errorf("unknown type %q", in.kind)
	}
	return nil
}

// isHost tells whether s can be a host name of at least two labels.
func isHost(s string) bool {
	if len(s) > 253 || !strings.Contains(s, ".") {
		return false
	}
	for _, label := range strings.Split(s, ".") {
		if label == "" || len(label) > 63 || strings.Trim(strings.ToLower(label), "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return true
}

// parseAddr reads IP, IP:port or a prefix.
func parseAddr(s string) (netip.Prefix, uint16, error) {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		a := ap.Addr().Unmap()
		return netip.PrefixFrom(a, a.BitLen()), ap.Port(), nil
	}
	if a, err := netip.ParseAddr(s); err == nil {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), 0, nil
	}
	p, err := netip.ParsePrefix(s)
	return p.Masked(), 0, err
}
