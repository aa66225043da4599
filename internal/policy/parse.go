package policy

import (
	"bytes"
	"cmp"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/deminer/deminer/internal/alert"
	"go.yaml.in/yaml/v3"
)

// MaxFile bounds a policy in bytes.
const MaxFile = 1 << 20

// longest is how far in the future an entry may expire: what was allowed is to be thought about again.
const longest = 400 * 24 * time.Hour

// Recommended is the policy that deminer policy init writes.
//
//go:embed recommended.yaml
var Recommended string

// Parse reads a policy. An unknown key, a wrong value and an entry that allows too much are errors that name the line.
func Parse(text []byte, now time.Time) (*Policy, error) {
	if len(text) > MaxFile {
		return nil, fmt.Errorf("read policy: more than %d bytes", MaxFile)
	}
	p := &Policy{}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(p); errors.Is(err, io.EOF) {
		return nil, errors.New("read policy: there is nothing in it")
	} else if err != nil {
		return nil, fmt.Errorf("read policy: %w", plainly(text, err))
	}
	if err := dec.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		return nil, errors.New("read policy: more than one document")
	}
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		return nil, fmt.Errorf("read policy: %w", plainly(text, err))
	}
	if err := p.check(&root, now); err != nil {
		return nil, fmt.Errorf("read policy: %w", err)
	}
	return p, nil
}

// ParseAllow reads a list of entries, as deminer alerts allow keeps them.
func ParseAllow(text []byte, now time.Time) ([]Entry, error) {
	var list []Entry
	if len(text) > MaxFile {
		return nil, fmt.Errorf("read allow list: more than %d bytes", MaxFile)
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(&list); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read allow list: %w", plainly(text, err))
	}
	for i := range list {
		if err := list[i].Check(now); err != nil {
			return nil, fmt.Errorf("read allow list: entry %d: %w", i+1, err)
		}
	}
	return list, nil
}

// MaxReason bounds the reason of an entry that is written, in bytes.
const MaxReason = 2000

// FormatAllow writes a list that ParseAllow reads; an error where it would be too large for that.
func FormatAllow(list []Entry) ([]byte, error) {
	text, err := yaml.Marshal(list)
	if err == nil && len(text) > MaxFile {
		return nil, fmt.Errorf("write allow list: %d entries are more than %d bytes; take some out of it first", len(list), MaxFile)
	}
	return text, err
}

// What the decoder says of a key and of a value that it does not know.
var (
	noKey   = regexp.MustCompile(`field (\S+) not found in type \S+`)
	noValue = regexp.MustCompile("cannot unmarshal !!(\\S+)(?: (`.*`))? into (\\S+)")
)

// kinds are what the decoder calls what stands in a file, and wanted what is to stand there for a type of Go; for every other
// type keys with values are.
var (
	kinds  = map[string]string{"seq": "a list", "map": "keys with values", "str": "a word", "int": "a number", "float": "a number", "bool": "yes or no", "timestamp": "a day"}
	wanted = map[string]string{"time.Duration": "a time, such as 24h", "time.Time": "a day, such as 2027-01-31", "int": "a number",
		"string": "a word", "alert.Grade": "a word", "policy.Mode": "a word"}
)

// plainly says in one line, with the number of the line of the text and without the names of Go's types, what the decoder found wrong.
func plainly(text []byte, err error) error {
	lines := []string{strings.TrimPrefix(err.Error(), "yaml: ")}
	if typ := (*yaml.TypeError)(nil); errors.As(err, &typ) {
		lines = typ.Errors
	}
	if bad := (*time.ParseError)(nil); errors.As(err, &bad) {
		lines = []string{fmt.Sprintf("%q is no day, such as 2027-01-31", bad.Value)}
		var root yaml.Node
		if n := yaml.Unmarshal(text, &root); n == nil {
			lines[0] = fmt.Sprintf("line %d: %s", lineOfValue(&root, bad.Value), lines[0])
		}
	}
	for i, l := range lines {
		l = noKey.ReplaceAllString(l, `there is no key "$1"`)
		if m := noValue.FindStringSubmatch(l); m != nil {
			what := cmp.Or(m[2], kinds[m[1]], m[1])
			want := cmp.Or(wanted[m[3]], "keys with values")
			if strings.HasPrefix(m[3], "[]") {
				want = "a list"
			}
			l = strings.Replace(l, m[0], what+" stands there; want "+want, 1)
		}
		lines[i] = l
	}
	return errors.New(strings.Join(lines, "; "))
}

// lineOfValue finds the line of the first value that reads so; 0 where there is none.
func lineOfValue(n *yaml.Node, value string) int {
	if n.Kind == yaml.ScalarNode && n.Value == value {
		return n.Line
	}
	for _, c := range n.Content {
		if line := lineOfValue(c, value); line > 0 {
			return line
		}
	}
	return 0
}

func (p *Policy) check(root *yaml.Node, now time.Time) error {
	at := func(path ...string) string { return fmt.Sprintf("line %d", lineOf(root, path...)) }
	if p.Version != 1 {
		return fmt.Errorf("%s: version %d is not 1", at("version"), p.Version)
	}
	for name, g := range map[string]*alert.Grade{"freeze": &p.Respond.Freeze, "block": &p.Respond.Block, "clean": &p.Respond.Clean} {
		if *g == "" {
			*g = Never
		}
		if *g != Never && *g != alert.Strong && *g != alert.Proof {
			return fmt.Errorf("%s: %s is %q; want never, strong or proof", at("respond", name), name, *g)
		}
	}
	if d := p.Respond.BlockFor; d < 0 || d > 90*24*time.Hour {
		return fmt.Errorf("%s: block_for is %s; want at most 2160h", at("respond", "block_for"), d)
	}
	for name, m := range p.Prevent.each() {
		if *m != "" && *m != Off && *m != Alert && *m != Block {
			return fmt.Errorf("%s: %s is %q; want off, alert or block", at("prevent", name), name, *m)
		}
	}
	if key, err := p.Guessing.check(); err != nil {
		return fmt.Errorf("%s: %w", at("guessing", key), err)
	}
	var known []string
	for _, t := range Topics() {
		known = append(known, Class(t))
	}
	for name, m := range p.Classes {
		if !slices.Contains(known, name) {
			return fmt.Errorf("%s: there is no class %q; there are %s", at("classes", name), name, strings.Join(known, ", "))
		}
		if m != Off && m != Alert && m != Block {
			return fmt.Errorf("%s: class %s is %q; want off, alert or block", at("classes", name), name, m)
		}
	}
	for i := range p.Quiet {
		if err := p.Quiet[i].check(); err != nil {
			return fmt.Errorf("%s: maintenance %d: %w", at("maintenance"), i+1, err)
		}
	}
	for i := range p.Allow {
		if err := p.Allow[i].Check(now); err != nil {
			return fmt.Errorf("%s: allow %d: %w", at("allow"), i+1, err)
		}
	}
	return nil
}

func (w *Window) check() error {
	if clock(w.From) < 0 || clock(w.To) < 0 || w.From == w.To {
		return fmt.Errorf("from %q to %q is no time of a day, such as 22:00", w.From, w.To)
	}
	for _, d := range w.Days {
		if !slices.Contains(days, d) {
			return fmt.Errorf("%q is no day; there are %s", d, strings.Join(days, ", "))
		}
	}
	if _, err := time.LoadLocation(w.Zone); err != nil {
		return fmt.Errorf("zone %q: %w", w.Zone, err)
	}
	return nil
}

// Check refuses an entry that allows more than one thing, or for ever. One that has expired is no error.
func (e *Entry) Check(now time.Time) error {
	switch {
	case len(e.SHA256) != 64 || strings.Trim(strings.ToLower(e.SHA256), "0123456789abcdef") != "":
		return fmt.Errorf("sha256 %q is not the SHA-256 of a content: a name alone allows whoever takes it", e.SHA256)
	case e.Path == "" && e.Unit == "" && e.Container == "" && e.User == "":
		return errors.New("besides the content, name at least one of path, unit, container, user")
	case strings.TrimSpace(e.Reason) == "":
		return errors.New("there is no reason")
	case e.Expires.IsZero():
		return errors.New("there is no time at which it expires")
	case e.Expires.After(now.Add(longest)):
		return fmt.Errorf("it expires in more than %d days", int(longest.Hours()/24))
	}
	return nil
}

// lineOf finds the line of a key; of the nearest one above it where there is none.
func lineOf(n *yaml.Node, path ...string) int {
	for n != nil && n.Kind == yaml.DocumentNode && len(n.Content) > 0 {
		n = n.Content[0]
	}
	line := 1
	for _, key := range path {
		var next *yaml.Node
		for i := 0; n != nil && n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == key {
				line, next = n.Content[i].Line, n.Content[i+1]
			}
		}
		n = next
	}
	return line
}
