package yara

import (
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"sort"
)

// Source is one file of rules.
type Source struct {
	// Name stands in errors and in Match.File.
	Name string
	// Namespace separates rule names and global rules of one set from those of another.
	Namespace string
	Text      string
}

// Options of a compilation. The zero value is useful.
type Options struct {
	// Externals declares the external variables and their values: bool, int, int64, float64 or string. A scan may override them.
	Externals map[string]any
	// Include is where include directives are resolved, relative to the including source; nil refuses them.
	Include fs.FS
	Limits  Limits
}

// Rules is a compiled set. It is immutable and safe for concurrent use.
type Rules struct {
	limits    Limits
	rules     []*rule
	strings   []*pattern
	index     *index
	refs      []atomRef
	ranged    int // number of refs with a range
	slow      []*slowGroup
	automata  int // numbers for automata: one for each expression and each slow group
	externals []string
	defaults  []value
	overlap   int
	globals   map[string][]int
	modules   []*module
	gates     []*expr
	lean      int32  // the gate without which index.lean does, or -1
	quiet     []bool // of rules: need not be evaluated when none of their strings is found
	pool      scannerPool
	// What Save writes: the options, the sources and what they include.
	made     Options
	sources  []Source
	includes map[string]string
}

type rule struct {
	decl      ruleDecl // without strings and condition
	file      string
	namespace string
	cond      *expr
	first, n  int  // its strings in Rules.strings
	needs     bool // the condition cannot hold when none of the strings is found
	vars      int
	gates     []int32
}

// Info describes a compiled rule.
type Info struct {
	Rule, Namespace, File string
	Line                  int
	Tags                  []string
	Meta                  []Meta
	Private, Global       bool
}

// List gives the rules in source order.
func (r *Rules) List() []Info {
	out := make([]Info, len(r.rules))
	for i, ru := range r.rules {
		d := &ru.decl
		out[i] = Info{d.name, ru.namespace, ru.file, int(d.pos.line), d.tags, metasOf(d.meta), d.private, d.global}
	}
	return out
}

type builder struct {
	opt      Options
	r        *Rules
	names    map[string]int // namespace NUL rule to index
	ext      map[string]int
	gateIDs  map[string]int32
	kept     kept
	grams    []entry
	pairs    []entry
	beside   []entry // what stands one byte before or behind each gram
	dense    bool    // the grams are too many, or something too vague stands beside them, to look at every second byte only
	row      []cell  // scratch space
	errs     Errors
	cur      *rule
	known    map[string]string // texts of includes of a saved set
	included int
	vars     []loopVar
	loop     int             // depth of for..of
	mods     map[string]int  // namespace NUL module to its index in Rules.modules
	used     map[string]bool // strings of the current rule its condition names
	places   map[int]int64   // strings of it to the one place they are asked for at, or -1
}

// Compile parses and compiles the sources in order; a rule may use those before it. The error is of type Errors and names every fault.
func Compile(opt Options, sources ...Source) (*Rules, error) {
	return compile(opt, nil, sources)
}

// compile takes what is included from known, if that is not nil.
func compile(opt Options, known map[string]string, sources []Source) (*Rules, error) {
	b := &builder{opt: opt, known: known, names: map[string]int{}, ext: map[string]int{}, gateIDs: map[string]int32{}, mods: map[string]int{}}
	b.r = &Rules{limits: opt.Limits.filled(), globals: map[string][]int{}, overlap: MaxMatch, made: opt, sources: slices.Clone(sources), includes: map[string]string{}}
	if err := b.externals(); err != nil {
		return nil, err
	}
	for _, s := range sources {
		b.source(s, 0)
	}
	if len(b.errs) > 0 {
		return nil, b.errs
	}
	b.r.made.Include = nil
	b.index()
	return b.r, nil
}

// index makes what the grams are found by.
func (b *builder) index() {
	ruleOf := func(l *link) int32 { return b.r.refs[l.ref].rule }
	x := newIndex(b.grams, b.pairs)
	for i := range b.pairs {
		x.paired = append(x.paired, ruleOf(&b.pairs[i].link))
	}
	slices.Sort(x.paired)
	x.paired = slices.Compact(x.paired)
	x.all = newFilter(b.grams, b.beside, func(*link) bool { return false })
	if b.r.lean = b.r.commonGate(); b.r.lean >= 0 {
		x.lean = newFilter(b.grams, b.beside, func(l *link) bool { return b.r.rules[ruleOf(l)].gated(b.r.lean) })
	}
	b.r.index = x
}

func (b *builder) externals() error {
	for name := range b.opt.Externals {
		b.r.externals = append(b.r.externals, name)
	}
	sort.Strings(b.r.externals)
	for i, name := range b.r.externals {
		v, err := toValue(b.opt.Externals[name])
		if err != nil {
			return fmt.Errorf("external variable %s: %w", name, err)
		}
		b.ext[name] = i
		b.r.defaults = append(b.r.defaults, v)
	}
	return nil
}

func toValue(x any) (value, error) {
	switch x := x.(type) {
	case bool:
		return intValue(boolValue(x).i), nil
	case int:
		return intValue(int64(x)), nil
	case int64:
		return intValue(x), nil
	case float64:
		return floatValue(x), nil
	case string:
		return strValue(x), nil
	}
	return value{}, fmt.Errorf("type %T is not bool, int, int64, float64 or string", x)
}

func (b *builder) source(s Source, depth int) {
	src, errs := parse(s.Name, s.Text)
	b.errs = append(b.errs, errs...)
	for _, imp := range src.imports {
		b.importModule(s, imp)
	}
	for _, inc := range src.includes {
		if err := b.include(s, inc.name, depth); err != nil {
			b.fault(s.Name, inc.pos, "", fmt.Sprintf("include %q: %s", inc.name, err))
		}
	}
	for _, d := range src.rules {
		b.rule(s, d)
	}
}

func (b *builder) include(s Source, name string, depth int) error {
	if depth >= maxIncludeDepth {
		return fmt.Errorf("includes are nested deeper than %d", maxIncludeDepth)
	}
	if b.included++; b.included > maxIncludes {
		return fmt.Errorf("more than %d includes", maxIncludes)
	}
	full := path.Join(path.Dir(s.Name), name)
	text, err := b.includedText(full)
	if err != nil {
		return err
	}
	b.r.includes[full] = text
	b.source(Source{Name: full, Namespace: s.Namespace, Text: text}, depth+1)
	return nil
}

const (
	maxIncludeDepth = 16
	maxIncludes     = 4096
)

// includedText reads from what is known or from where the caller allows it.
func (b *builder) includedText(name string) (string, error) {
	if text, ok := b.known[name]; ok {
		return text, nil
	}
	if b.opt.Include == nil {
		return "", fmt.Errorf("includes are not allowed here")
	}
	f, err := b.opt.Include.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSource+1))
	return string(text), err
}

func (b *builder) fault(file string, p pos, rule, text string) {
	if len(b.errs) < 100*maxErrors {
		b.errs = append(b.errs, Error{File: file, Line: int(p.line), Column: int(p.col), Rule: rule, Text: text})
	}
}

func (b *builder) failf(p pos, format string, args ...any) {
	b.fault(b.cur.file, p, b.cur.decl.name, fmt.Sprintf(format, args...))
}

func (b *builder) rule(s Source, d *ruleDecl) {
	ru := b.kept.rules.one(rule{decl: *d, file: s.Name, namespace: s.Namespace, cond: d.cond, first: len(b.r.strings), n: len(d.strings)})
	b.cur, b.vars, b.loop, b.used, b.places = ru, nil, 0, map[string]bool{}, map[int]int64{}
	key := s.Namespace + "\x00" + d.name
	if _, dup := b.names[key]; dup {
		b.failf(d.pos, "a rule of this name exists already")
		return
	}
	if _, dup := b.ext[d.name]; dup {
		b.failf(d.pos, "an external variable of this name exists")
		return
	}
	if _, dup := b.mods[key]; dup {
		b.failf(d.pos, "a module of this name is imported")
		return
	}
	before := len(b.errs)
	for i := range d.strings {
		if err := b.pattern(&d.strings[i]); err != nil {
			b.failf(d.strings[i].pos, "string $%s: %s", d.strings[i].name, err)
			b.r.strings = b.r.strings[:ru.first]
			return
		}
		d.strings[i].re = nil
	}
	b.condition(ru.cond)
	if len(b.errs) == before {
		b.unreferenced(d)
	}
	if len(b.errs) > before {
		return
	}
	ru.needs = ru.n > 0 && needsString(ru.cond)
	b.names[key] = len(b.r.rules)
	if d.global {
		b.r.globals[s.Namespace] = append(b.r.globals[s.Namespace], len(b.r.rules))
	}
	if slices.Contains(b.r.modules, modules["console"]) { // what a condition writes on its way is seen
		ru.cond = b.kept.condition(ru.cond)
	} else {
		var list []int32
		ru.cond = b.gates(ru.cond, &list)
		ru.gates = b.kept.gates.all(list)
	}
	b.r.quiet = append(b.r.quiet, ru.needs || d.private)
	b.r.rules = append(b.r.rules, ru)
	ru.decl.strings, ru.decl.cond = nil, nil
}

// needsString tells whether e is surely false when no string of its rule was found.
func needsString(e *expr) bool {
	switch e.op {
	case opString, opStringAt, opStringIn:
		return true
	case opAnd:
		for _, k := range e.kids {
			if needsString(k) {
				return true
			}
		}
	case opOr:
		for _, k := range e.kids {
			if !needsString(k) {
				return false
			}
		}
		return true
	case opOf, opForOf:
		q := e.quant
		some := q.word == "any" || q.word == "all" || q.n != nil && !q.percent && q.n.op == opConst && q.n.val.kind == vInt && q.n.val.i > 0
		return some && !e.rules && (e.op == opOf || needsString(e.kids[len(e.kids)-1]))
	}
	return false
}
