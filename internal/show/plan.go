package show

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/deminer/deminer"
)

// Context gives the lines of a file around one of its lines, for the diff of a plan: those before, those after.
type Context func(path, line deminer.Raw) (before, after []string)

var phaseWords = map[deminer.Phase]string{
	deminer.PhaseFreeze:     "Freeze: nothing can react",
	deminer.PhaseBlock:      "Block: no second stage arrives",
	deminer.PhaseUproot:     "Uproot: nothing starts it again",
	deminer.PhaseKill:       "Kill",
	deminer.PhaseQuarantine: "Quarantine: files go to the vault",
	deminer.PhaseRepair:     "Repair: what it changed is put right",
	deminer.PhaseVerify:     "Verify",
}

// Plan writes a plan as a diff with reasons, phase by phase.
func (p Page) Plan(pl *deminer.Plan, context Context) {
	undoable := 0
	for _, s := range pl.Steps {
		if s.Undo {
			undoable++
		}
	}
	p.line("")
	if len(pl.Steps) == 0 {
		p.nothing(pl)
	} else {
		p.line("  %s", p.paint(bold, fmt.Sprintf("Plan %s for %s: %s, %s can be undone", pl.ID, deminer.Safe(pl.Host.Name), plural(len(pl.Steps), "step", "steps"), share(undoable, len(pl.Steps)))))
	}
	phase := deminer.Phase("")
	for i, s := range pl.Steps {
		if i > 0 && len(s.Why) > 1 && slices.Equal(s.Why, pl.Steps[i-1].Why) {
			s.Why = []string{"as " + pl.Steps[i-1].ID}
		}
		if s.Phase != phase {
			phase = s.Phase
			p.line("\n  %s", p.paint(cyan, phaseWords[phase]))
		}
		p.step(s, context)
	}
	p.rest(pl)
}

// nothing says why a plan has no steps.
func (p Page) nothing(pl *deminer.Plan) {
	switch {
	case len(pl.Incidents) > 0 || len(pl.Refused) > 0:
		p.line("  %s", p.paint(yellow, "Nothing to change: what was found is left alone."))
	case blind(pl.Host):
		p.line("  %s", p.paint(yellow, "Nothing to change in what can be seen without root. Run deminer as root (sudo)."))
	default:
		p.line("  %s", p.paint(green, "Nothing to change: nothing is proven to be an intruder's."))
	}
	p.wrap(2, "  ", "What is only suspected is not in a plan: deminer scan -v"+Below(pl.Host)+" shows it.")
}

// share says n of all in words.
func share(n, all int) string {
	switch {
	case n == all:
		return "all"
	case n > 0 && n >= all-3:
		return fmt.Sprintf("all but %d", all-n)
	}
	return fmt.Sprint(n)
}

func (p Page) step(s deminer.Step, context Context) {
	p.wrap(8, "  "+p.paint(dim, fmt.Sprintf("%-4s", s.ID))+"  ", Deed(s.Action)+"  "+p.paint(dim, handles(s.For)))
	a := s.Action
	if context != nil && (a.Verb == deminer.VerbCutLine || a.Verb == deminer.VerbEditLine) {
		before, after := context(a.Target.Path, a.Target.Line)
		p.diff(" ", dim, before)
		p.diff("-", red, strings.Split(string(a.Target.Line), "\n"))
		if a.Verb == deminer.VerbEditLine {
			p.diff("+", green, strings.Split(string(a.Args["new"]), "\n"))
		}
		p.diff(" ", dim, after)
	}
	for i, w := range s.Why {
		if i == 3 {
			p.wrap(14, "          ", p.paint(dim, "and "+plural(len(s.Why)-3, "more reason", "more reasons")+" (--json)"))
			break
		}
		p.wrap(14, "        why   ", p.paint(dim, Plain(w)))
	}
	if s.Risk != "" {
		p.wrap(14, "        risk  ", s.Risk)
	}
	if !s.Undo {
		p.wrap(14, "        undo  ", p.paint(yellow, "no: "+s.NoUndo))
	}
}

// handles names the members a step is for, as --skip takes them.
func handles(refs []string) string {
	const few = 3
	var out []string
	for i, ref := range refs {
		if i == few {
			out = append(out, "…")
			break
		}
		out = append(out, deminer.Handle(ref))
	}
	return strings.Join(out, " ")
}

func handleOf(ref string) string {
	if ref == "" {
		return ""
	}
	return " " + deminer.Handle(ref)
}

func (p Page) diff(sign, code string, lines []string) {
	for _, l := range lines {
		p.line("          %s", p.paint(code, sign+" "+deminer.Cut(keys(l), max(p.width()-13, 20))))
	}
}

func (p Page) rest(pl *deminer.Plan) {
	if len(pl.Refused) > 0 {
		p.line("\n  %s", p.paint(yellow, "Not touched, though involved"))
		for _, r := range pl.Refused {
			text := r.Artifact.String() + handleOf(r.For) + ": " + r.Why
			if r.Advice != "" {
				text += "; " + r.Advice
			}
			p.wrap(6, "    - ", text)
		}
	}
	if len(pl.Advice) > 0 {
		p.line("\n  %s", p.paint(cyan, "What only you can do"))
		for _, a := range pl.Advice {
			p.wrap(6, "    - ", deminer.Safe(a))
		}
	}
}

// Deed says in words what an action does.
func Deed(a deminer.Action) string {
	t := a.Target.String()
	file := deminer.Safe(a.Target.Path)
	arg := func(k string) string { return deminer.Cut(a.Args[k], 120) }
	switch a.Verb {
	case deminer.VerbFreeze:
		return "freeze " + t
	case deminer.VerbBlock:
		if a.Target.Kind == deminer.KindCgroup {
			return "block all that " + t + " sends for " + or(arg("for"), "24h")
		}
		if arg("from") == "yes" {
			return "block what comes from " + t + " for " + or(arg("for"), "24h")
		}
		return "block outgoing traffic to " + t + " for " + or(arg("for"), "24h")
	case deminer.VerbCutLine:
		return "cut from " + file
	case deminer.VerbEditLine:
		return "change in " + file
	case deminer.VerbDropFile, deminer.VerbQuarantine:
		return "move to the vault: " + file
	case deminer.VerbMaskUnit:
		return "mask unit " + deminer.Safe(a.Target.Name)
	case deminer.VerbReload:
		return "make systemd read its files again and forget " + or(arg("units"), "nothing")
	case deminer.VerbClearFlag:
		return fmt.Sprintf("clear the flags %s of %s", arg("flags"), file)
	case deminer.VerbChmod:
		return fmt.Sprintf("set the mode of %s to %s", file, arg("mode"))
	case deminer.VerbRename:
		return fmt.Sprintf("move %s back to %s", file, arg("to"))
	case deminer.VerbCopyFile:
		return fmt.Sprintf("put the content of %s into %s", arg("from"), file)
	case deminer.VerbRestore:
		return fmt.Sprintf("put back %s from package %s", file, arg("package"))
	case deminer.VerbLock:
		return "lock account " + deminer.Safe(a.Target.Name)
	case deminer.VerbRemoveAccount:
		return "remove account " + deminer.Safe(a.Target.Name) + " from passwd, shadow, group and gshadow"
	case deminer.VerbUnmount:
		return "take away the mount over " + file
	case deminer.VerbSysctl:
		return fmt.Sprintf("set %s to %s", deminer.Safe(a.Target.Name), arg("value"))
	case deminer.VerbStopContainer:
		return "stop container " + deminer.Safe(a.Target.Name) + " and clear its restart policy"
	case deminer.VerbKill:
		if arg("again") == "yes" {
			return "kill what still runs the program of " + t
		}
		return "kill " + t + " and what it started"
	case deminer.VerbWriteFile:
		return "write " + file
	case deminer.VerbMakeDir:
		return "make the directory " + file
	case deminer.VerbMakeLink:
		return "make " + file + " a link to " + arg("to")
	case deminer.VerbStartUnit:
		return "start " + deminer.Safe(a.Target.Name)
	case deminer.VerbRestartUnit:
		return "restart " + deminer.Safe(a.Target.Name)
	}
	return string(a.Verb) + " " + t
}

// Back says in words what taking an action back does.
func Back(a deminer.Action) string {
	t, file := a.Target.String(), deminer.Safe(a.Target.Path)
	switch a.Verb {
	case deminer.VerbFreeze:
		return "let go on: " + t
	case deminer.VerbBlock:
		return "lift the block of " + t
	case deminer.VerbCutLine, deminer.VerbEditLine:
		return "put the line back into " + file
	case deminer.VerbDropFile, deminer.VerbQuarantine, deminer.VerbCopyFile, deminer.VerbRestore:
		return "put back " + file
	case deminer.VerbMaskUnit:
		return "unmask unit " + deminer.Safe(a.Target.Name)
	case deminer.VerbReload:
		return "make systemd read its files again"
	case deminer.VerbClearFlag:
		return "set the flags of " + file + " again"
	case deminer.VerbChmod:
		return "set the mode of " + file + " back"
	case deminer.VerbRename:
		return "move " + file + " back where it was"
	case deminer.VerbLock:
		return "unlock account " + deminer.Safe(a.Target.Name)
	case deminer.VerbRemoveAccount:
		return "put back account " + deminer.Safe(a.Target.Name)
	case deminer.VerbSysctl:
		return "set " + deminer.Safe(a.Target.Name) + " back"
	case deminer.VerbStopContainer:
		return "start container " + deminer.Safe(a.Target.Name) + " again"
	case deminer.VerbWriteFile:
		return "put " + file + " back as it was"
	case deminer.VerbMakeDir, deminer.VerbMakeLink:
		return "remove " + file
	case deminer.VerbStartUnit:
		return "stop " + deminer.Safe(a.Target.Name)
	case deminer.VerbRestartUnit:
		return "restart " + deminer.Safe(a.Target.Name)
	}
	return "take back: " + Deed(a)
}

func or(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

// Proof writes what a watch ended with.
func (p Page) Proof(clean bool, watched time.Duration, looks int, back, open []string, left []deminer.Gap) {
	if p.Color {
		p.line("\r\x1b[K")
	}
	if clean {
		text := fmt.Sprintf("Stayed clean for %s (%d looks).", Seconds(watched), looks)
		if looks == 1 {
			text = "Looked once more: clean."
		}
		if len(open) > 0 {
			text = strings.TrimSuffix(text, ".") + ": nothing proven is there."
		}
		p.line("  %s", p.paint(green, text))
		if len(open) > 0 {
			p.line("  %s", p.paint(yellow, fmt.Sprintf("But %s for you to decide (deminer scan -v):", plural(len(open), "suspected thing is", "suspected things are"))))
			for _, o := range open {
				p.wrap(6, "    - ", o)
			}
		}
		p.Gaps(left, false)
		return
	}
	p.line("  %s", p.paint(red, "IT IS BACK, or was never gone:"))
	for _, b := range back {
		p.wrap(6, "    - ", keys(b))
	}
	p.line("\n  %s  deminer plan        shows what would end it now", p.paint(bold, "Next:"))
}
