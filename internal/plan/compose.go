package plan

import (
	"slices"
	"strings"

	"github.com/deminer/deminer"
)

// sameLine finds the step that already changes the line of an action, or -1. Two bad parts of one line (two members of a
// group, two libraries of a preload line) must become one change: each recipe starts from the line as it is now.
func (b *builder) sameLine(a deminer.Action) int {
	if a.Verb != deminer.VerbEditLine && a.Verb != deminer.VerbCutLine {
		return -1
	}
	return slices.IndexFunc(b.plan.Steps, func(s deminer.Step) bool {
		t := s.Action
		return (t.Verb == deminer.VerbEditLine || t.Verb == deminer.VerbCutLine) && t.Target.Path == a.Target.Path && t.Target.Line == a.Target.Line && t.Target.Line != ""
	})
}

// compose folds a second change of one line into the step of the first. Cutting the whole line wins over editing it.
func (b *builder) compose(s *deminer.Step, a deminer.Action, m deminer.Member) {
	switch {
	case s.Action.Verb == deminer.VerbCutLine:
	case a.Verb == deminer.VerbCutLine:
		s.Action = a
		s.Action.Args = cloneArgs(a.Args)
	default:
		both, ok := apply(string(a.Target.Line), string(s.Action.Args["new"]), string(a.Args["new"]))
		if !ok {
			b.refuse(a.Target, "another part of the same line is changed in a way that does not go together with this", "run deminer plan again afterwards")
			return
		}
		s.Action.Args["new"] = deminer.Raw(both)
	}
	b.serves(s)
	for _, w := range m.Why {
		if !slices.Contains(s.Why, w) && len(s.Why) < 8 {
			s.Why = append(s.Why, w)
		}
	}
}

// apply makes in one the change from old to second, where one is old already changed elsewhere. It is false where what the second
// change takes out does not stand exactly once in one.
func apply(old, one, second string) (string, bool) {
	from, to := 0, 0
	for from < len(old) && from < len(second) && old[from] == second[from] {
		from++
	}
	for to < len(old)-from && to < len(second)-from && old[len(old)-1-to] == second[len(second)-1-to] {
		to++
	}
	out, in := old[from:len(old)-to], second[from:len(second)-to]
	if out == "" || strings.Count(one, out) != 1 {
		return "", false
	}
	return strings.Replace(one, out, in, 1), true
}
