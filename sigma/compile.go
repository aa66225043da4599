package sigma

import (
	"fmt"
	"sort"
	"sync"
)

// Rules is a compiled set. It never changes; any number of Matchers and Streams may use it at the same time.
type Rules struct {
	rules  []*Rule // as they stand in the sources
	groups []LogSource
	slots  map[string]int32 // of fields; 0 stands for every field
	// text[s] are the groups, by groupBit, of which some rule is asked only if a literal was found in the field of slot s. Fields without such rules are not scanned: what else rules ask of them is looked for when it is asked.
	text  []uint64
	tests []*test
	// trigger[t] are the rules that may hold only if one of their literals is there, of which t is one.
	trigger [][]int32
	// always[g] are the rules of a group that must be asked about every event.
	always   [][]int32
	keywords []bool // groups that look into every field
	groupOf  []int32
	scan     []*scanner // by slot
	corrs    []*Rule    // every correlation after those that it refers to
	feeds    [][]feed
	pool     sync.Pool // of Matchers, for Match
}

// Compile parses and compiles sources as one set: correlations and filters may refer to rules in other sources. The error is of type Errors and names every fault; if there is any, no rule is compiled.
func Compile(o Options, sources ...Source) (*Rules, error) {
	var errs Errors
	rs := &Rules{slots: map[string]int32{"": 0}}
	var filters []*filter
	made := 0
	for _, s := range sources {
		docs, bad := documents(s)
		if bad != nil {
			errs = append(errs, *bad)
		}
		for _, d := range docs {
			r := &reader{file: s.Name, made: &made, errs: &errs}
			out := r.document(d, o.Placeholders)
			if out.rule != nil {
				rs.rules = append(rs.rules, out.rule)
			}
			if out.filter != nil {
				filters = append(filters, out.filter)
			}
		}
	}
	if len(errs) == 0 {
		rs.link(filters, &errs)
	}
	if len(errs) > 0 {
		return nil, errs
	}
	rs.build()
	return rs, nil
}

// List gives the rules and correlations in the order of their sources; filters are none.
func (rs *Rules) List() []*Rule { return append([]*Rule(nil), rs.rules...) }

// link joins filters to rules and correlations to what they refer to.
func (rs *Rules) link(filters []*filter, errs *Errors) {
	v := newResolver(rs.rules, errs)
	for _, f := range filters {
		v.filter(f, rs.rules)
	}
	for _, r := range rs.rules {
		if r.corr != nil {
			v.correlate(r)
		}
	}
	if len(*errs) > 0 {
		return
	}
	rs.sortCorrelations(errs)
	shown := map[*Rule]bool{}
	for _, r := range rs.corrs {
		for _, ref := range r.corr.rules {
			ref.Hidden = true
			shown[ref] = shown[ref] || r.corr.generate
		}
	}
	for r, s := range shown {
		r.Hidden = !s
	}
}

// filter joins the condition of a filter to that of each rule it is for.
func (v *resolver) filter(f *filter, all []*Rule) {
	join := func(r *Rule) {
		if !r.filtered {
			r.filtered, r.expr = true, &node{op: opAnd, subs: []*node{r.expr}}
		}
		r.expr.subs = append(r.expr.subs, f.expr)
	}
	if f.any {
		for _, r := range all {
			if r.corr == nil && f.source.covers(r.Source) {
				join(r)
			}
		}
		return
	}
	for _, ref := range f.rules {
		r := v.find(f.reader.file, f.title, ref)
		switch {
		case r == nil:
		case r.corr != nil:
			f.reader.failf(ref.value, "%q is a correlation: a filter is for rules", ref.name)
		case !f.source.covers(r.Source):
			f.reader.failf(ref.value, "the logsource of the filter does not cover that of rule %q", ref.name)
		default:
			join(r)
		}
	}
}

// sortCorrelations puts correlations behind those they refer to and refuses circles and long chains.
func (rs *Rules) sortCorrelations(errs *Errors) {
	const working = -1
	depth := map[*Rule]int{}
	var visit func(r *Rule, level int) int
	visit = func(r *Rule, level int) int {
		if d, ok := depth[r]; ok && d != working {
			return d
		}
		if r.corr == nil {
			return 0
		}
		if depth[r] == working || level > maxChain {
			*errs = append(*errs, Error{File: r.File, Line: r.Line, Column: 1, Rule: r.Title, Text: fmt.Sprintf("correlations refer to each other in a circle, or more than %d deep", maxChain)})
			depth[r] = maxChain
			return maxChain
		}
		depth[r] = working
		d := 0
		for _, ref := range r.corr.rules {
			d = max(d, visit(ref, level+1)+1)
			if len(*errs) > 0 {
				break
			}
		}
		depth[r] = d
		return d
	}
	for _, r := range rs.rules {
		if r.corr != nil && len(*errs) == 0 {
			visit(r, 0)
			rs.corrs = append(rs.corrs, r)
		}
	}
	sort.SliceStable(rs.corrs, func(i, k int) bool { return depth[rs.corrs[i]] < depth[rs.corrs[k]] })
}

// build makes the index. Nothing in it depends on the order of maps, so equal sources give equal sets.
func (rs *Rules) build() {
	b := &builder{Rules: rs, keys: map[string]int32{}, group: map[LogSource]int32{}}
	rs.feeds = make([][]feed, len(rs.rules))
	for i, r := range rs.rules {
		r.index = int32(i)
		if r.corr == nil {
			b.addRule(r)
		} else {
			r.group = -1
		}
		rs.groupOf = append(rs.groupOf, r.group)
	}
	b.choose()
	b.literals()
	for i, r := range rs.corrs {
		r.corr.index = i
		for k, ref := range r.corr.rules {
			rs.feeds[ref.index] = append(rs.feeds[ref.index], feed{r, k})
			if ref.corr != nil {
				ref.corr.parents = append(ref.corr.parents, feed{r, k})
			}
		}
	}
	rs.wants()
}

// wants works out which fields of an event a correlation must keep for those above it.
func (rs *Rules) wants() {
	for i := len(rs.corrs) - 1; i >= 0; i-- {
		c := rs.corrs[i].corr
		names := map[string]bool{}
		for _, p := range c.parents {
			for _, list := range [][]string{p.corr.corr.keys[p.ref], p.corr.corr.counted[p.ref], p.corr.corr.needs} {
				for _, n := range list {
					names[n] = true
				}
			}
		}
		for n := range names {
			c.needs = append(c.needs, n)
		}
		sort.Strings(c.needs)
	}
}
