package match

import (
	"cmp"
	"context"
	"crypto/sha256"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/deminer/deminer/sigma"
	"github.com/deminer/deminer/yara"
)

// Cost is what one rule costs by itself, and how often it hit.
type Cost struct {
	Rule   string        `json:"rule"`
	Format string        `json:"format"` // yara, sigma; ioc for everything that lists are used for
	File   string        `json:"file,omitempty"`
	Line   int           `json:"line,omitempty"`
	Time   time.Duration `json:"time"`             // beyond what a rule that never hits costs; for all data of the profile
	Hits   int           `json:"hits"`             // pieces of data, or events, that it hit
	Shared int           `json:"shared,omitempty"` // number of rules measured as one, because they need each other
	Note   string        `json:"note,omitempty"`   // why it could not be measured
}

// Profile is what rules cost, the slowest first.
type Profile struct {
	Bytes  int64         `json:"bytes"`  // of data that YARA rules and lists were measured on
	Pieces int           `json:"pieces"` // files, or parts of files, the data is of
	Events int           `json:"events"` // that Sigma rules were measured on
	Base   time.Duration `json:"base"`   // what a YARA rule that never hits costs for the data
	Rules  []Cost        `json:"rules"`  // of each rule, alone
}

// Limits of a profile: how much data one rule is measured on, and how fast it is expected to be at least.
const (
	profileMost  = 16 << 20
	profileLeast = 128 << 10
	profileSpeed = 200 << 20 // bytes a second
)

// neverHits is a rule whose cost is that of looking at all.
const neverHits = `rule never { strings: $a = "\x01\xfe\x02\xfd\x03\xfc\x04\xfb" condition: $a }`

// Measure measures each rule of the file systems alone, on as much of the data as it can look at in about the given time,
// and gives the slowest first. Rules that need others of their file are measured with the whole file. clock tells the
// processor time used so far, or another time that goes by while rules are asked.
func Measure(ctx context.Context, fsys []fs.FS, data [][]byte, events []Event, about time.Duration, clock func() time.Duration) (Profile, error) {
	ld := &loader{sum: sha256.New()}
	for i, f := range fsys {
		ld.walk(f, prefix(i))
	}
	set, err := ld.compile()
	if err != nil {
		return Profile{}, err
	}
	m := measure{ctx: ctx, clock: clock, p: Profile{Events: len(events)}, events: events}
	yaras := len(set.yara.List())
	m.take(data, int64(about.Seconds()*profileSpeed)/int64(max(1, yaras)))
	base, err := yara.Compile(yara.Options{}, yara.Source{Name: "never", Text: neverHits})
	if err != nil {
		return Profile{}, err
	}
	m.p.Base, _ = m.time(base)
	for _, src := range ld.yara {
		m.source(src)
	}
	for _, src := range ld.sigma {
		m.sigma(src)
	}
	m.lists(set)
	slices.SortStableFunc(m.p.Rules, func(a, b Cost) int {
		x, _ := m.p.Per(a)
		y, _ := m.p.Per(b)
		return cmp.Compare(y, x)
	})
	return m.p, ctx.Err()
}

// Event is what Sigma rules are asked about; callers need not know the engine.
type Event = sigma.Event

// Field is a field of an Event, LogSource what it is an event of.
type (
	Field     = sigma.Field
	LogSource = sigma.LogSource
)

// Ask asks all Sigma rules together about events and counts the hits.
func (s *Set) Ask(events []Event) (hits int) {
	m := s.sigma.NewMatcher()
	for i := range events {
		hits += len(m.Match(&events[i]))
	}
	return hits
}

type measure struct {
	ctx    context.Context
	clock  func() time.Duration
	p      Profile
	data   [][]byte
	events []Event
}

// take keeps pieces of the data up to a size.
func (m *measure) take(data [][]byte, size int64) {
	size = min(max(size, profileLeast), profileMost)
	for _, d := range data {
		if m.p.Bytes >= size {
			return
		}
		d = d[:min(int64(len(d)), size-m.p.Bytes)]
		m.data, m.p.Bytes, m.p.Pieces = append(m.data, d), m.p.Bytes+int64(len(d)), m.p.Pieces+1
	}
}

// time scans the data, twice where it is slow, and gives the shorter time and the pieces that were hit.
func (m *measure) time(r *yara.Rules) (best time.Duration, hits int) {
	for n := range 2 {
		hits = 0
		begin := m.clock()
		for _, d := range m.data {
			res, err := r.Scan(m.ctx, d, yara.ScanOptions{})
			if len(res.Matches) > 0 || err != nil && m.ctx.Err() == nil {
				hits++
			}
		}
		if took := m.clock() - begin; n == 0 || took < best {
			best = took
		}
		if best < m.p.Base+m.p.Base/2 && m.p.Base > 0 || m.ctx.Err() != nil {
			break
		}
	}
	return best, hits
}

// source measures the rules of one file, cut out of it where that can be done.
func (m *measure) source(src yara.Source) {
	opt := yara.Options{Externals: externals()}
	whole, err := yara.Compile(opt, src)
	if err != nil {
		m.p.Rules = append(m.p.Rules, Cost{Rule: src.Name, Format: "yara", File: src.Name, Line: 1, Note: "needs rules of another file"})
		return
	}
	list := whole.List()
	together := 0
	for i, info := range list {
		if m.ctx.Err() != nil {
			return
		}
		one, err := yara.Compile(opt, yara.Source{Name: src.Name, Text: piece(src.Text, list, i)})
		if err != nil || len(one.List()) != 1 || one.List()[0].Rule != info.Rule {
			together++
			continue
		}
		m.cost(one, Cost{Rule: "yara/" + info.Rule, Format: "yara", File: src.Name, Line: info.Line})
	}
	if together > 0 {
		m.cost(whole, Cost{Rule: src.Name, Format: "yara", File: src.Name, Line: 1, Shared: len(list)})
	}
}

func (m *measure) cost(r *yara.Rules, c Cost) {
	took, hits := m.time(r)
	c.Time, c.Hits = max(0, took-m.p.Base), hits
	m.p.Rules = append(m.p.Rules, c)
}

// piece cuts one rule out of a source, with what stands before the first.
func piece(text string, list []yara.Info, i int) string {
	lines := strings.SplitAfter(text, "\n")
	at := func(line int) int { return min(max(line-1, 0), len(lines)) }
	head, end := at(list[0].Line), len(lines)
	if i+1 < len(list) {
		end = max(at(list[i+1].Line), at(list[i].Line))
	}
	return strings.Join(lines[:head], "") + strings.Join(lines[at(list[i].Line):end], "")
}

// sigma measures the rules of one file on the events.
func (m *measure) sigma(src sigma.Source) {
	rules, err := sigma.Compile(sigma.Options{}, src)
	if m.ctx.Err() != nil {
		return
	}
	if err != nil {
		m.p.Rules = append(m.p.Rules, Cost{Rule: src.Name, Format: "sigma", File: src.Name, Line: 1, Note: "needs rules of another file"})
		return
	}
	list := rules.List()
	if len(list) == 0 {
		return
	}
	c := Cost{Rule: "sigma/" + cmp.Or(list[0].ID, list[0].Title), Format: "sigma", File: src.Name, Line: list[0].Line}
	if len(list) > 1 {
		c.Shared = len(list)
	}
	asked := rules.NewMatcher()
	begin := m.clock()
	for _, e := range m.events {
		e.Source = list[0].Source // as if every event were one the rule is for
		if len(asked.Match(&e)) > 0 {
			c.Hits++
		}
	}
	c.Time = m.clock() - begin
	m.p.Rules = append(m.p.Rules, c)
}

// lists measures what is done beside YARA with every small file: lists, options, payout addresses, cradles, configurations.
func (m *measure) lists(s *Set) {
	c := Cost{Rule: "lists and text", Format: "ioc"}
	begin := m.clock()
	for _, d := range m.data {
		if m.ctx.Err() != nil {
			return
		}
		if len(d) <= maxScript && len(s.content(d)) > 0 {
			c.Hits++
		}
	}
	c.Time = m.clock() - begin
	m.p.Rules = append(m.p.Rules, c)
}

// Per tells the time for a megabyte of data, or for a thousand events, and which of them.
func (p *Profile) Per(c Cost) (time.Duration, string) {
	if c.Format == "sigma" {
		return c.Time * 1000 / time.Duration(max(1, p.Events)), "1000 events"
	}
	return time.Duration(float64(c.Time) * 1e6 / float64(max(1, p.Bytes))), "MB"
}
