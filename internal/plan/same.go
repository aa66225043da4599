package plan

import (
	"slices"
	"strconv"
	"strings"

	"github.com/deminer/deminer"
)

// byProgram reports whether a process is convicted for nothing but the program that it runs.
func byProgram(m deminer.Member) bool {
	return len(m.Findings) == 0 && len(m.Why) > 0 && !slices.ContainsFunc(m.Why, func(w string) bool {
		return !strings.HasPrefix(w, "tied: ") || !strings.HasSuffix(w, " runs the program it")
	})
}

// wide makes a step on a process one on everything that runs its program, where that says something: what a respawner starts
// again between plan and kill has to go as well. Branches of its family that must not be touched are spared.
func (b *builder) wide(s *deminer.Step, p *deminer.Process) {
	if s.Action.Verb != deminer.VerbFreeze && s.Action.Verb != deminer.VerbKill {
		return
	}
	s.Expect.SHA256 = p.SHA256
	args := map[string]deminer.Raw{}
	if p.Own.State == deminer.Unowned && p.Exe != "" && !p.Runtime() {
		args["same-program"] = "yes"
		s.Expect.Size, s.Expect.Dev, s.Expect.Ino, s.Expect.MntNS = p.ExeAttr.Size, p.ExeAttr.Dev, p.ExeAttr.Ino, p.MntNS
		if !b.guard.alike(p) {
			args["after"] = deminer.Raw(strconv.FormatUint(b.guard.youngest(), 10))
		}
	}
	var spare []string
	for _, id := range b.spared(p, args["same-program"] == "yes") {
		spare = append(spare, id.String())
	}
	if len(spare) > 0 {
		args["spare"] = deminer.Raw(strings.Join(spare, " "))
		s.Risk = strings.TrimPrefix(s.Risk+"; ", "; ") + "what it started, or what runs the same program, and must not be touched goes on: " + strings.Join(spare, ", ")
	}
	for k, v := range s.Action.Args {
		args[k] = v
	}
	if len(args) > 0 {
		s.Action.Args = args
	}
}

// again adds, for each program that goes to the vault, one more hunt for what runs it: a timer, a watchdog or a service
// manager may have started it between the last look of the kill and the moment its file went.
func (b *builder) again() {
	away, done := map[string]bool{}, map[string]bool{}
	for _, s := range b.plan.Steps {
		if s.Action.Verb == deminer.VerbQuarantine || s.Action.Verb == deminer.VerbDropFile {
			away[string(s.Action.Target.Path)] = true
		}
	}
	for _, s := range slices.Clone(b.plan.Steps) {
		e := s.Expect
		if s.Action.Verb != deminer.VerbKill || s.Action.Args["same-program"] != "yes" || e.SHA256 == "" || !away[e.Exe] || done[e.Exe+e.SHA256] {
			continue
		}
		done[e.Exe+e.SHA256] = true
		s.Phase = deminer.PhaseQuarantine
		s.Action.Phase = s.Phase
		s.Action.Args = cloneArgs(s.Action.Args)
		s.Action.Args["again"] = "yes"
		s.Why = []string{"its file is in the vault by then: what was started from it while it went there must not live"}
		b.plan.Steps = append(b.plan.Steps, s)
	}
}

// youngest is the start of the process that started last.
func (g *guard) youngest() (last uint64) {
	for id := range g.procs {
		last = max(last, id.Start)
	}
	return last
}

// alike reports whether a process that is not accused runs a program of the very size by another name, or by the same in another
// container: then the content may be an owner's, copied or linked by the intruder or of an image that several containers were made
// of, and does not tell who is who.
func (g *guard) alike(p *deminer.Process) bool {
	for _, q := range g.procs {
		if (q.Exe != p.Exe || q.MntNS != p.MntNS) && q.ExeAttr.Size == p.ExeAttr.Size && !q.Kernel && !g.accused[q.ID] {
			return true
		}
	}
	return p.ExeAttr.Size == 0
}

// spared lists the topmost processes that a step on p would come upon and must not touch: those that a person decided to leave
// alone, databases, parts of the system, and packaged programs of another unit. A step comes upon the descendants of p and,
// with twins, upon whatever runs the same program, with its descendants.
func (b *builder) spared(p *deminer.Process, twins bool) (out []deminer.ProcID) {
	g, kids := b.guard, map[int][]*deminer.Process{}
	for _, q := range g.procs {
		kids[q.PPID] = append(kids[q.PPID], q)
	}
	met := slices.Clone(kids[p.ID.PID])
	for _, q := range g.procs {
		if twins && q.Exe == p.Exe {
			met = append(met, q)
		}
	}
	seen := map[deminer.ProcID]bool{p.ID: true}
	for ; len(met) > 0; met = met[1:] {
		q := met[0]
		if seen[q.ID] {
			continue
		}
		seen[q.ID] = true
		why, _ := g.process(q.ID, deminer.Member{})
		other := q.Own.Trusted() && q.Unit != p.Unit && strings.HasSuffix(q.Unit, ".service")
		left := slices.Contains(b.opt.Skip, deminer.Artifact{Kind: deminer.KindProcess, Proc: q.ID}.Ref())
		if left || (why != "" || other) && !g.accused[q.ID] {
			out = append(out, q.ID)
			continue
		}
		met = append(met, kids[q.ID.PID]...)
	}
	slices.SortFunc(out, func(a, b deminer.ProcID) int { return a.PID - b.PID })
	return out
}

// pin names the program file of a process by inode and content, so that nothing else goes if it has that name when the step
// runs. Files that a scan did not open by content are known by their path alone.
func (b *builder) pin(s *deminer.Step) {
	if s.Action.Verb != deminer.VerbQuarantine && s.Action.Verb != deminer.VerbDropFile {
		return
	}
	var first int // the one with the lowest PID, so that the same report gives the same plan
	for _, p := range b.guard.procs {
		if (first == 0 || p.ID.PID < first) && p.Exe == string(s.Action.Target.Path) && !p.Deleted && p.Container == "" && p.SHA256 != "" && p.ExeAttr.Ino != 0 {
			s.Expect.SHA256, s.Expect.Dev, s.Expect.Ino = p.SHA256, p.ExeAttr.Dev, p.ExeAttr.Ino
			first = p.ID.PID
		}
	}
}
