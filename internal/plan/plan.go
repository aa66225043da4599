// Package plan turns a report into the graph of steps that would end its incidents.
//
// It is a pure function: it neither looks at the host nor changes it. Only convicted members of incidents are acted on,
// and never a protected thing (protect.go), whoever asks; what a plan would have needed but must not touch is listed as
// refused, with the reason.
package plan

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/deminer/deminer"
)

// DefaultWatch is how long verify watches at least.
const DefaultWatch = 15 * time.Minute

// Options narrow a plan. The zero value plans for every incident.
type Options struct {
	Incidents []string // only these; nil: all
	// Also are refs of suspected members that a person decided to act on.
	Also []string
	// Skip are refs that a person decided to leave alone.
	Skip []string
	// BlockFor is how long blocks last; 0: what the recipe says, else a day. KeepBlocks writes them down for the next boot.
	BlockFor   time.Duration
	KeepBlocks bool
	// Phases are those of which steps are wanted; nil: all. Whoever leaves some out knows that what is not uprooted may come back.
	Phases []deminer.Phase
}

// Make plans the end of the report's incidents. The same report, options and time give the same plan.
func Make(rep *deminer.Report, opt Options, now time.Time) deminer.Plan {
	p := deminer.Plan{Version: "1", Host: rep.Snapshot.Host, Made: now.UTC(), Watch: DefaultWatch}
	b := builder{guard: newGuard(rep), plan: &p, opt: opt, seen: map[string]int{}, sources: sources(rep)}
	for _, inc := range rep.Incidents {
		if len(opt.Incidents) > 0 && !slices.Contains(opt.Incidents, inc.ID) {
			continue
		}
		p.Incidents = append(p.Incidents, inc.ID)
		for _, m := range inc.Members {
			ref := m.Artifact.Ref()
			asked := slices.Contains(opt.Also, ref) && m.Grade == deminer.Suspected
			if m.Grade != deminer.Convicted && !asked || slices.Contains(opt.Skip, ref) {
				continue
			}
			b.member(m)
		}
		p.Advice = append(p.Advice, advice(inc)...)
	}
	b.groups(rep)
	b.again()
	b.pods(rep)
	b.only(opt.Phases)
	b.watch(rep)
	b.order()
	sum := sha256.Sum256([]byte(p.Digest()))
	p.ID = now.UTC().Format("20060102-150405-") + hex.EncodeToString(sum[:2])
	return p
}

type builder struct {
	opt   Options
	guard *guard
	plan  *deminer.Plan
	seen  map[string]int // action key -> index of its step
	ref   string         // of the member that is planned for now
	// sources are the convicted files that a rename of the plan puts back under their packaged names.
	sources map[string]bool
}

// sources lists what convicted members' recipes rename: the packaged content under the intruder's name.
func sources(rep *deminer.Report) map[string]bool {
	out := map[string]bool{}
	for _, inc := range rep.Incidents {
		for _, m := range inc.Members {
			for _, a := range m.Remove {
				if a.Verb == deminer.VerbRename {
					out[string(cmp.Or(a.Target.Path, m.Artifact.Path))] = true
				}
			}
		}
	}
	return out
}

func (b *builder) member(m deminer.Member) {
	b.ref = m.Artifact.Ref()
	actions := slices.Concat(m.Remove, b.guard.definition(m))
	if len(actions) == 0 {
		b.refuse(m.Artifact, "deminer has no safe recipe for it", "handle it by hand, see the findings")
		return
	}
	for _, a := range actions {
		if a.Target.Kind == "" {
			a.Target = m.Artifact
		}
		if asleep := b.plan.Host.Asleep(); asleep && !onFiles(a.Verb) {
			continue
		}
		if a.Verb == deminer.VerbQuarantine && b.sources[string(a.Target.Path)] {
			continue // the packaged content: it goes back to its name instead
		}
		if why, advice := b.guard.refuses(a, m); why != "" {
			b.refuse(a.Target, why, advice)
			continue
		}
		b.add(a, m)
	}
}

// onFiles reports whether a verb works on files alone, so that it can be used on a host that sleeps.
func onFiles(v deminer.Verb) bool {
	switch v {
	case deminer.VerbFreeze, deminer.VerbKill, deminer.VerbBlock, deminer.VerbReload, deminer.VerbUnmount, deminer.VerbSysctl,
		deminer.VerbStopContainer, deminer.VerbUnload:
		return false
	}
	return true
}

func (b *builder) add(a deminer.Action, m deminer.Member) {
	key := string(a.Verb) + "|" + a.Target.Ref()
	if a.Verb == deminer.VerbQuarantine || a.Verb == deminer.VerbDropFile {
		key = "away|" + a.Target.Ref()
	}
	if a.Verb == deminer.VerbReload {
		key = "reload"
	}
	if i, ok := b.seen[key]; ok {
		b.merge(&b.plan.Steps[i], a, m)
		return
	}
	if i := b.sameLine(a); i >= 0 {
		b.compose(&b.plan.Steps[i], a, m)
		return
	}
	s := deminer.Step{For: []string{b.ref}, Phase: cmp.Or(a.Phase, phaseOf(a.Verb)), Action: a, Why: slices.Clone(m.Why), Undo: true, Risk: risk(a, m)}
	s.Action.Args = cloneArgs(a.Args)
	if a.Verb == deminer.VerbBlock {
		b.blocked(&s)
	}
	if a.Verb == deminer.VerbKill {
		s.Undo, s.NoUndo = false, "a killed process does not come back; the journal keeps how it was started"
	}
	if a.Verb == deminer.VerbUnmount {
		s.Undo, s.NoUndo = false, "what was mounted over a process to hide it is not mounted again; the journal keeps what it was"
	}
	if m.Artifact.Kind == deminer.KindProcess {
		if p := b.guard.procs[m.Artifact.Proc]; p != nil {
			s.Expect.Exe = p.Exe
			b.wide(&s, p)
		}
	}
	b.pin(&s)
	b.seen[key] = len(b.plan.Steps)
	b.plan.Steps = append(b.plan.Steps, s)
}

// merge folds a second wish for the same action into its step: one reload for all units, the earlier phase wins.
func (b *builder) merge(s *deminer.Step, a deminer.Action, m deminer.Member) {
	b.serves(s)
	if a.Verb == deminer.VerbReload {
		units := strings.Fields(string(s.Action.Args["units"]) + " " + string(a.Args["units"]))
		slices.Sort(units)
		if s.Action.Args == nil {
			s.Action.Args = map[string]deminer.Raw{}
		}
		s.Action.Args["units"] = deminer.Raw(strings.Join(slices.Compact(units), " "))
	}
	if a.Verb == deminer.VerbReload && a.Args["users"] == "yes" {
		s.Action.Args["users"] = "yes"
	}
	if phase := cmp.Or(a.Phase, phaseOf(a.Verb)); phaseIndex(phase) < phaseIndex(s.Phase) {
		s.Phase, s.Action.Verb = phase, a.Verb
	}
	for _, w := range m.Why {
		if !slices.Contains(s.Why, w) && len(s.Why) < 8 {
			s.Why = append(s.Why, w)
		}
	}
}

// serves notes that a step is for the member that is planned for now, too.
func (b *builder) serves(s *deminer.Step) {
	if !slices.Contains(s.For, b.ref) {
		s.For = append(s.For, b.ref)
	}
}

// blocked makes a block last as long as was asked for.
func (b *builder) blocked(s *deminer.Step) {
	args := map[string]deminer.Raw{}
	for k, v := range s.Action.Args {
		args[k] = v
	}
	if b.opt.BlockFor > 0 {
		args["for"] = deminer.Raw(b.opt.BlockFor.String())
	}
	if b.opt.KeepBlocks {
		args["keep"] = "yes"
	}
	if len(args) > 0 {
		s.Action.Args = args
	}
}

func cloneArgs(args map[string]deminer.Raw) map[string]deminer.Raw {
	if args == nil {
		return nil
	}
	out := make(map[string]deminer.Raw, len(args))
	for k, v := range args {
		out[k] = v
	}
	return out
}

func (b *builder) refuse(a deminer.Artifact, why, advice string) {
	for _, r := range b.plan.Refused {
		if r.Artifact.Ref() == a.Ref() && r.Why == why {
			return
		}
	}
	b.plan.Refused = append(b.plan.Refused, deminer.Refusal{Artifact: a, For: b.ref, Why: why, Advice: advice})
}

// phaseOf gives the usual phase of a verb: freeze first, so that no watchdog acts; then no second stage can arrive; then
// nothing can start it again; then it dies; then its files go; then what it changed is put right.
func phaseOf(v deminer.Verb) deminer.Phase {
	switch v {
	case deminer.VerbFreeze:
		return deminer.PhaseFreeze
	case deminer.VerbBlock:
		return deminer.PhaseBlock
	case deminer.VerbKill, deminer.VerbStopContainer:
		return deminer.PhaseKill
	case deminer.VerbQuarantine:
		return deminer.PhaseQuarantine
	case deminer.VerbChmod, deminer.VerbRename, deminer.VerbCopyFile, deminer.VerbRestore, deminer.VerbSysctl, deminer.VerbClearFlag,
		deminer.VerbWriteFile, deminer.VerbMakeDir, deminer.VerbMakeLink, deminer.VerbStartUnit, deminer.VerbRestartUnit:
		return deminer.PhaseRepair
	}
	return deminer.PhaseUproot
}

func phaseIndex(p deminer.Phase) int { return slices.Index(deminer.Phases(), p) }

// rank orders steps inside a phase: the preload line first (nothing may look through it), reloads last, and after the files
// of a program whoever was started from them meanwhile.
func rank(s deminer.Step) int {
	switch {
	case s.Action.Verb == deminer.VerbUnmount:
		return 0
	case path.Base(string(s.Action.Target.Path)) == "ld.so.preload":
		return 1
	case s.Action.Verb == deminer.VerbReload, s.Action.Args["again"] == "yes":
		return 9
	case s.Action.Verb == deminer.VerbRemoveAccount || s.Action.Verb == deminer.VerbLock:
		return 8
	case s.Action.Verb == deminer.VerbClearFlag:
		return 7
	}
	return 5
}

// only leaves the steps of some phases.
func (b *builder) only(phases []deminer.Phase) {
	if phases == nil {
		return
	}
	b.plan.Steps = slices.DeleteFunc(b.plan.Steps, func(s deminer.Step) bool { return !slices.Contains(phases, s.Phase) })
}

// order sorts the steps, names them and adds the few true dependencies.
func (b *builder) order() {
	steps := b.plan.Steps
	slices.SortStableFunc(steps, func(x, y deminer.Step) int {
		return cmp.Or(cmp.Compare(phaseIndex(x.Phase), phaseIndex(y.Phase)), cmp.Compare(rank(x), rank(y)), cmp.Compare(depth(y), depth(x)))
	})
	for i := range steps {
		steps[i].ID = fmt.Sprintf("s%02d", i+1)
	}
	for i := range steps {
		steps[i].After = after(steps, i)
	}
}

// depth makes the members of a directory go before the directory.
func depth(s deminer.Step) int {
	if s.Action.Verb != deminer.VerbQuarantine {
		return 0
	}
	return strings.Count(string(s.Action.Target.Path), "/")
}

// after lists the steps without which a step would do harm or fail: a preload line must be gone before its library, a
// wrapper before the tool returns to its name.
func after(steps []deminer.Step, i int) (ids []string) {
	s := steps[i]
	for _, t := range steps[:i] {
		name, other := string(s.Action.Target.Path), string(t.Action.Target.Path)
		away := t.Action.Verb == deminer.VerbQuarantine || t.Action.Verb == deminer.VerbDropFile
		switch {
		case s.Action.Verb == deminer.VerbQuarantine && path.Base(other) == "ld.so.preload" && t.Phase == deminer.PhaseUproot,
			s.Action.Verb == deminer.VerbRename && away && other == string(s.Action.Args["to"]),
			s.Action.Verb == deminer.VerbRestore && away && other == name:
			ids = append(ids, t.ID)
		}
	}
	return ids
}

// watch makes verify wait for twice the longest period of a trigger that the plan removes, if that is bearable; a longer
// period becomes advice.
func (b *builder) watch(rep *deminer.Report) {
	const bearable = 2 * time.Hour
	longest := time.Duration(0)
	lines, files, away := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, s := range b.plan.Steps {
		switch t := s.Action.Target; s.Action.Verb {
		case deminer.VerbCutLine, deminer.VerbEditLine:
			lines[t.Ref()], files[string(t.Path)] = true, true
		case deminer.VerbDropFile, deminer.VerbQuarantine:
			files[string(t.Path)], away[string(t.Path)] = true, true
		}
	}
	for _, f := range rep.Snapshot.Footholds {
		// What a line starts counts, too: an owner's job whose script only loses the intruder's commands.
		changed := lines[f.Artifact().Ref()] || away[string(f.Path)] || f.Line == "" && files[string(f.Path)] || slices.ContainsFunc(f.Targets, func(t string) bool { return files[t] })
		if changed && f.Every > 0 {
			longest = max(longest, f.Every)
		}
	}
	if 2*longest <= bearable {
		b.plan.Watch = max(b.plan.Watch, 2*longest)
		return
	}
	b.plan.Watch = max(b.plan.Watch, time.Hour)
	b.plan.Advice = append(b.plan.Advice, fmt.Sprintf("A trigger that fires every %s is removed: run deminer verify again after %s.",
		longest, b.plan.Made.Add(longest).UTC().Format("2006-01-02 15:04 MST")))
}
