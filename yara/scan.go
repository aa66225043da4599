package yara

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"sync"
)

// ScanOptions of one scan. The zero value is useful.
type ScanOptions struct {
	// Externals overrides values given at compilation; an unknown name is an error.
	Externals map[string]any
	// Console receives what conditions write with the module console; nil drops it.
	Console func(message string)
	// MaxBytes is the number of bytes looked at; 0 for all. What lies behind is not read, Result.Partial says so, and filesize stays that of the whole data.
	MaxBytes int64
}

// Result of a scan. Matches is in source order.
type Result struct {
	Matches []Match
	// Truncated is set when a string had more matches than Limits.Hits.
	Truncated bool
	// Size is the number of bytes that were looked at; less than asked for when the data ended early.
	Size int64
	// Partial is set when there was more data than ScanOptions.MaxBytes.
	Partial bool
	// Unread is the number of bytes of regions that could not be read.
	Unread int64
}

// Match is one rule that holds.
type Match struct {
	Rule, Namespace, File string
	Tags                  []string
	Meta                  []Meta
	Strings               []StringMatch
}

// StringMatch is one place where a string of a matching rule was found. Excerpt is bounded by Limits.Excerpt and given for the first 16 places of a string.
type StringMatch struct {
	ID      string // with its $
	Offset  int64
	Length  int
	XorKey  byte
	Excerpt []byte
}

// ErrWork is returned when the conditions need more steps than Limits.Steps.
var ErrWork = errors.New("conditions need too much work")

type hit struct {
	off int64
	n   int32
	key byte
}

type scannerPool struct{ sync.Pool }

type scanner struct {
	r       *Rules
	place   []int32 // of strings: that of its hits in hits, plus 1; 0 where there are none
	hits    [][]hit
	touched []int32 // the strings the hits are of
	tried   []int64
	verdict []int8 // of rules: 0 unknown, 1 true, -1 false
	active  []bool // a string of the rule was found
	ext     []value
	data    io.ReaderAt
	mem     []byte
	size    int64
	beyond  int64 // bytes of the data behind size that are not looked at
	memory  bool  // data is memory of a process: there is no file
	steps   int
	vars    []value
	current int // string of the innermost for..of
	cut     bool
	ctx     context.Context // of this scan only
	tries   int
	stopped error // the context ended inside a window
	limit   int64 // first start that belongs to the next window
	lo      int64
	threads threads
	// dfas are the automata of expressions, made when they are needed.
	dfas    []*dfa
	made    []int32 // the numbers of those that are there
	heat    []uint8 // of expressions
	window  int     // counts windows
	waits   []atomRef
	waiting bool           // it is the turn of those that wait
	over    map[int32]bool // strings with more matches than are kept
	buf     []byte         // the window of a reader: bufLen bytes from bufAt
	bufAt   int64
	bufLen  int
	few     [8]byte
	gates   []int8 // unknown, yes or no
	opened  []int8 // of rules: all their gates are true
	console func(string)
	mods    []*object // of imported modules, once a condition asked for them
}

// Scan looks at bytes in memory.
func (r *Rules) Scan(ctx context.Context, data []byte, opt ScanOptions) (Result, error) {
	return r.scan(ctx, bytes.NewReader(data), data, int64(len(data)), opt)
}

// ScanReader looks at size bytes of data in windows, so that memory does not grow with the data. It may read a place twice. A reader that ends early is not an error.
func (r *Rules) ScanReader(ctx context.Context, data io.ReaderAt, size int64, opt ScanOptions) (Result, error) {
	return r.scan(ctx, data, nil, size, opt)
}

func (r *Rules) scan(ctx context.Context, data io.ReaderAt, mem []byte, size int64, opt ScanOptions) (Result, error) {
	s := r.scanner()
	defer s.release()
	partial := opt.MaxBytes > 0 && size > opt.MaxBytes
	s.ctx, s.data, s.mem, s.size, s.console, s.beyond = ctx, data, mem, size, opt.Console, 0
	if partial {
		s.size, s.beyond = opt.MaxBytes, size-opt.MaxBytes
	}
	if err := s.overrides(opt.Externals); err != nil {
		return Result{}, err
	}
	if err := s.search(ctx); err != nil {
		return Result{}, err
	}
	s.settle()
	matches, err := s.judge(ctx)
	return Result{Matches: matches, Truncated: s.cut, Size: s.size, Partial: partial}, err
}

func (r *Rules) scanner() *scanner {
	s, _ := r.pool.Get().(*scanner)
	if s == nil {
		s = &scanner{r: r, over: map[int32]bool{}, place: make([]int32, len(r.strings)), tried: make([]int64, r.ranged),
			verdict: make([]int8, len(r.rules)), active: make([]bool, len(r.rules)), dfas: make([]*dfa, r.automata), heat: make([]uint8, r.automata), gates: make([]int8, len(r.gates)), opened: make([]int8, len(r.rules))}
	}
	s.ext = r.defaults
	return s
}

func (s *scanner) release() {
	s.forget()
	clear(s.mods)
	s.data, s.mem, s.console, s.steps, s.memory, s.beyond = nil, nil, nil, 0, false, 0
	s.ctx, s.tries, s.stopped, s.bufLen = nil, 0, nil, 0
	s.r.pool.Put(s)
}

// forget drops what was found.
func (s *scanner) forget() {
	for i, id := range s.touched {
		if cap(s.hits[i]) > 256 {
			s.hits[i] = nil
		}
		s.hits[i] = s.hits[i][:0]
		s.place[id] = 0
		s.active[s.r.strings[id].rule] = false
	}
	s.touched, s.hits = s.touched[:0], s.hits[:0]
	clear(s.tried)
	clear(s.verdict)
	clear(s.gates)
	clear(s.opened)
	clear(s.over)
	s.cut = false
}

// search finds the strings. Data that ends early is searched again, because gates were asked with its size.
func (s *scanner) search(ctx context.Context) error {
	for again := 0; ; again++ {
		size := s.size
		if err := s.windows(ctx); err != nil {
			return err
		}
		if s.size == size || again == 2 {
			return nil
		}
		s.forget()
	}
}

func (s *scanner) overrides(ext map[string]any) error {
	if len(ext) == 0 {
		return nil
	}
	s.ext = append([]value(nil), s.r.defaults...)
	for name, x := range ext {
		i := sort.SearchStrings(s.r.externals, name)
		if i == len(s.r.externals) || s.r.externals[i] != name {
			return fmt.Errorf("external variable %s is not declared", name)
		}
		v, err := toValue(x)
		if err != nil {
			return fmt.Errorf("external variable %s: %w", name, err)
		}
		s.ext[i] = v
	}
	return nil
}

// windows walks the data. A window owns the matches that begin in it; it sees two bytes before and overlap bytes behind.
func (s *scanner) windows(ctx context.Context) error {
	step, over := int64(s.r.limits.Window), int64(s.r.overlap)
	if s.mem == nil && s.size <= step+over {
		step = s.size
	}
	for lo := int64(0); lo < s.size; lo += step {
		if err := ctx.Err(); err != nil {
			return err
		}
		from, to := max(0, lo-2), min(s.size, lo+step+over)
		var part []byte
		if s.mem != nil {
			part = s.mem[from:to]
		} else {
			if int64(len(s.buf)) < to-from {
				s.buf = make([]byte, min(s.size, step+over+2))
			}
			n, err := s.data.ReadAt(s.buf[:to-from], from)
			if err != nil && !errors.Is(err, io.EOF) {
				return fmt.Errorf("read at %d: %w", from, err)
			}
			if int64(n) < to-from {
				s.size = from + int64(n)
			}
			part = s.buf[:n]
			s.bufAt, s.bufLen = from, n
		}
		s.lo, s.limit = lo, lo+step
		s.look(view{part, from, s.size + s.beyond})
		if s.stopped != nil {
			return s.stopped
		}
	}
	return nil
}

func (s *scanner) look(v view) {
	s.window++
	s.sweep(v)
	if s.r.index.pairs != nil {
		s.sweepPairs(v)
	}
	for _, g := range s.r.slow {
		if s.stopped == nil {
			s.slowly(v, g)
		}
	}
	s.catchUp(v)
}

// candidate tries the starts that a literal at offset at allows.
func (s *scanner) candidate(v view, ref *atomRef, at int) {
	if !s.open(ref.rule) {
		return
	}
	from, to := int(ref.from), int(ref.to)
	if from == to {
		s.try(v, ref, at-from)
		return
	}
	first := max(at-to, 0, int(s.tried[ref.slot]-v.base))
	last := at - from
	if last < first {
		return
	}
	for i := first; i <= last; i++ {
		s.try(v, ref, i)
	}
	s.tried[ref.slot] = min(v.base+int64(last)+1, s.limit)
}

func (s *scanner) try(v view, ref *atomRef, i int) {
	off := v.base + int64(i)
	if i < 0 || off < s.lo || off >= s.limit || s.stopped != nil {
		return
	}
	if s.tries++; s.tries&255 == 0 {
		s.stopped = s.ctx.Err()
	}
	if s.over[ref.str] {
		return
	}
	p := s.r.strings[ref.str]
	if p.fixed && off != p.place {
		return
	}
	n := s.verify(p, v, i, ref)
	if n <= 0 {
		return
	}
	at := s.place[ref.str]
	if at == 0 {
		if s.touched = append(s.touched, ref.str); cap(s.hits) < len(s.touched) {
			s.hits = append(s.hits, nil)
		}
		at = int32(len(s.touched))
		s.place[ref.str], s.active[ref.rule] = at, true
		s.hits = s.hits[:at] // with the room of an earlier scan
	}
	list := &s.hits[at-1]
	if len(*list) >= s.r.limits.Hits {
		s.cut, s.over[ref.str] = true, true
		return
	}
	*list = append(*list, hit{off, int32(n), ref.key})
}

// found gives the hits of a string.
func (s *scanner) found(id int) []hit {
	if at := s.place[id]; at > 0 {
		return s.hits[at-1]
	}
	return nil
}

// settle sorts the hits of every string and keeps the longest at one offset.
func (s *scanner) settle() {
	for k, list := range s.hits {
		if !slices.IsSortedFunc(list, byPlace) {
			slices.SortFunc(list, byPlace)
		}
		out := list[:0]
		for i, h := range list {
			if i == 0 || h.off != out[len(out)-1].off {
				out = append(out, h)
			}
		}
		s.hits[k] = out
	}
}

func byPlace(a, b hit) int {
	return cmp.Or(cmp.Compare(a.off, b.off), cmp.Compare(b.n, a.n))
}

// judge evaluates the rules and builds the matches.
func (s *scanner) judge(ctx context.Context) ([]Match, error) {
	var out []Match
	for i, ru := range s.r.rules {
		if i&255 == 0 {
			if err := ctx.Err(); err != nil {
				return out, err
			}
		}
		if s.r.quiet[i] && !s.active[i] || ru.decl.private || !s.rule(i) {
			continue
		}
		if !s.globals(ru.namespace) {
			continue
		}
		out = append(out, s.match(ru))
	}
	if s.steps > s.r.limits.Steps {
		return nil, ErrWork
	}
	return out, nil
}

func (s *scanner) globals(namespace string) bool {
	for _, g := range s.r.globals[namespace] {
		if !s.rule(g) {
			return false
		}
	}
	return true
}

func (s *scanner) match(ru *rule) Match {
	m := Match{Rule: ru.decl.name, Namespace: ru.namespace, File: ru.file, Tags: ru.decl.tags, Meta: metasOf(ru.decl.meta)}
	for id := ru.first; id < ru.first+ru.n; id++ {
		p := s.r.strings[id]
		if p.mods.private {
			continue
		}
		for k, h := range s.found(id) {
			sm := StringMatch{ID: "$" + p.name, Offset: h.off, Length: int(h.n), XorKey: h.key}
			if k < keptExcerpt {
				sm.Excerpt = s.read(h.off, min(int(h.n), s.r.limits.Excerpt))
			}
			m.Strings = append(m.Strings, sm)
		}
	}
	return m
}

// read gives a copy of at most n bytes of the data.
func (s *scanner) read(off int64, n int) []byte {
	if off < 0 || off >= s.size {
		return nil
	}
	b := make([]byte, min(int64(n), s.size-off))
	k, err := s.data.ReadAt(b, off)
	if err != nil && k == 0 {
		return nil
	}
	return b[:k]
}
