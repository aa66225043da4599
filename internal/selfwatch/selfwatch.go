// Package selfwatch knows the agent's own things, and what of all that happens on a host is aimed at them: somebody who stops,
// kills, debugs or unloads the agent, or changes its program, its unit, its limits or its journal. Events go in, findings come out;
// it reads nothing and does nothing.
package selfwatch

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/deminer/deminer"
)

// Self is what is the agent's.
type Self struct {
	ID      deminer.ProcID
	Files   []string // files of the agent, and what stands for it: program, unit, slice, link, policy
	Dirs    []string // directories in which everything is the agent's: its state, its directory below /run
	Unit    string
	Program string           // path of its program: what runs it may write to Dirs, for deminer's commands do
	Friends []deminer.ProcID // processes that may do so: the agent itself is one without being named
}

// Watched are the places that sensors must watch for [Self.Judge] to hear of changes: files, and directories.
func (s *Self) Watched() (files, dirs []string) {
	files = append(files, s.Files...)
	for _, f := range s.Files {
		dirs = append(dirs, path.Dir(f))
	}
	dirs = append(dirs, s.Dirs...)
	slices.Sort(dirs)
	return files, slices.Compact(dirs)
}

// Kinds are the kinds of events that it judges.
func Kinds() []deminer.EventKind {
	return []deminer.EventKind{deminer.EventSignal, deminer.EventPtrace, deminer.EventMemWrite, deminer.EventFile, deminer.EventFlags}
}

// Judge says whether an event is aimed at the agent. What systemd does to its own unit, and what deminer does itself, is none:
// the caller knows of a stop that was asked for, and of an upgrade. The finding names who did it, as far as the sensor knew.
func (s *Self) Judge(e *deminer.Event) (deminer.Finding, bool) {
	if e.Proc == s.ID || slices.Contains(s.Friends, e.Proc) {
		return deminer.Finding{}, false
	}
	switch e.Kind {
	case deminer.EventSignal:
		return s.signal(e)
	case deminer.EventPtrace:
		if e.Target == s.ID.PID {
			return s.found(e, "somebody debugs the agent", fmt.Sprintf("asked the kernel to trace it (request %d)", e.Code), "T1562.001"), true
		}
	case deminer.EventMemWrite:
		if e.Target == s.ID.PID {
			return s.found(e, "somebody writes to the agent's memory", "opened its memory for writing, or wrote to it", "T1055"), true
		}
	case deminer.EventFile:
		if s.owns(string(e.Path)) && !s.command(e) {
			return s.found(e, "a file of the agent's was changed", deminer.Safe(e.Path)+" was "+word(e.Op), "T1562.001"), true
		}
	case deminer.EventFlags:
		if s.owns(string(e.Path)) {
			return s.found(e, "flags of a file of the agent's are changed", fmt.Sprintf("asked to set the flags %#x of %s", e.Code, deminer.Safe(e.Path)), "T1222.002"), true
		}
	}
	return deminer.Finding{}, false
}

func word(op deminer.FileOp) string {
	switch op {
	case deminer.FileMoved:
		return "moved away"
	case deminer.FileAttr:
		return "given other attributes"
	}
	return string(op)
}

// signals that end, stop or dump a process. Those that ask it for something, and the Go runtime's own, are none.
var signals = map[int64]string{1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", 4: "SIGILL", 5: "SIGTRAP", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE", 9: "SIGKILL",
	11: "SIGSEGV", 15: "SIGTERM", 19: "SIGSTOP", 20: "SIGTSTP", 24: "SIGXCPU", 25: "SIGXFSZ", 31: "SIGSYS"}

// signal judges a signal. SIGTERM of PID 1 is how a service is stopped: who asked systemd for it is seen at the next start.
func (s *Self) signal(e *deminer.Event) (deminer.Finding, bool) {
	name, hard := signals[e.Code]
	if !hard || e.Proc.PID == 1 && (e.Code == 15 || e.Code == 18) {
		return deminer.Finding{}, false
	}
	what := "somebody ends the agent"
	if e.Code == 19 || e.Code == 20 {
		what = "somebody stops the agent"
	}
	return s.found(e, what, "sent it "+name, "T1562.001"), true
}

// owns reports whether a path is the agent's.
func (s *Self) owns(name string) bool {
	if slices.Contains(s.Files, name) {
		return true
	}
	return slices.ContainsFunc(s.Dirs, func(d string) bool { return name == d || strings.HasPrefix(name, d+"/") })
}

// command reports whether one of deminer's own commands changed a file that commands change: journal, vault and the rest of the
// state. To be taken for one, another program would have to take the place of the agent's, which is seen; in a container a
// program of that path is another one.
func (s *Self) command(e *deminer.Event) bool {
	if e.Proc.PID == 0 && !slices.Contains(s.Files, string(e.Path)) {
		return true // whoever it was: the agent itself writes there all the time, and some sensors do not name the writer
	}
	return s.Program != "" && string(e.Exe) == s.Program && e.Container == "" && !e.Deleted && !e.ExeCut && !slices.Contains(s.Files, string(e.Path))
}

// found makes the finding. It is strong and no proof: an admin may have done it, and is asked.
func (s *Self) found(e *deminer.Event, title, what, technique string) deminer.Finding {
	f := deminer.Finding{Detector: "self", Topic: deminer.TopicTamper, Tier: deminer.Strong, Class: deminer.ByTamper, Technique: technique, Title: title, Time: e.Time,
		Why: []string{who(e) + " " + what}, Subject: deminer.Artifact{Kind: deminer.KindUnit, Name: s.Unit}}
	if e.Path != "" && e.Kind != deminer.EventMemWrite {
		f.Subject = deminer.Artifact{Kind: deminer.KindFile, Path: e.Path}
	}
	if e.Denied {
		f.Why = append(f.Why, "the kernel refused it")
	}
	if e.Proc.PID > 0 && e.Proc.Start > 0 {
		f.Also = []deminer.Artifact{{Kind: deminer.KindProcess, Proc: e.Proc, Name: string(e.Comm)}}
	}
	f.Fix = "If it was you: deminer service uninstall stops the agent without an alert, and deminer service install renews it."
	return f
}

// who names the doer, safe to show.
func who(e *deminer.Event) string {
	if e.Proc.PID == 0 {
		return "a process that is not known"
	}
	text := fmt.Sprintf("process %d", e.Proc.PID)
	if name := e.Exe; name != "" {
		text += " " + deminer.Safe(name)
	} else if e.Comm != "" {
		text += " " + deminer.Safe(e.Comm)
	}
	text += fmt.Sprintf(" of user %d", e.UID)
	if e.EUID != e.UID {
		text += fmt.Sprintf(" (with the rights of %d)", e.EUID)
	}
	if e.Container != "" {
		text += " in container " + deminer.Cut(e.Container, 12)
	} else if e.Unit != "" {
		text += " in " + deminer.Safe(e.Unit)
	}
	return text
}

// Hurt is the finding that something of the agent's does not stand as it left it, such as damaged state or a program of the kernel's that
// was taken from its place. Both texts must be safe to show.
func (s *Self) Hurt(title, why string, at time.Time) deminer.Finding {
	return deminer.Finding{Detector: "self", Topic: deminer.TopicTamper, Tier: deminer.Strong, Class: deminer.ByTamper, Technique: "T1562.001", Title: title, Why: []string{why}, Time: at,
		Subject: deminer.Artifact{Kind: deminer.KindUnit, Name: s.Unit}, Fix: "See who did it: deminer timeline. deminer doctor says how the agent stands now."}
}

// Gap is a time in which no agent ran, as contract.Begin knows it.
type Gap struct {
	From, To time.Time
	PID      int
	Clean    bool // it had been asked to end
	Upgrade  bool
	Rebooted bool
	Span     time.Duration
	Killer   string // who ended it, where history knows; safe text
}

// Absent tells of a gap that ought to be told: one without a word, or a stop that nobody followed up for longer than a restart
// takes. ok is false for upgrades and for ordinary restarts.
func (s *Self) Absent(g Gap) (deminer.Finding, bool) {
	const usual = 2 * time.Minute
	f := deminer.Finding{Detector: "self", Topic: deminer.TopicTamper, Tier: deminer.Strong, Class: deminer.ByTamper, Technique: "T1562.001", Time: g.From,
		Subject: deminer.Artifact{Kind: deminer.KindUnit, Name: s.Unit}}
	span := fmt.Sprintf("the agent did not run from %s to %s (%s)", g.From.UTC().Format(time.RFC3339), g.To.UTC().Format(time.RFC3339), g.Span.Round(time.Second))
	switch {
	case g.Upgrade:
		return f, false
	case g.Rebooted && !g.Clean:
		f.Title, f.Tier = "the agent was not ended when the host went down", deminer.Weak
		f.Why = []string{span, "the host was started again meanwhile, without an orderly end: a power cut, a crash, or a hard reset"}
	case g.Rebooted:
		return f, false
	case !g.Clean:
		f.Title = "the agent was killed, or it crashed"
		f.Why = []string{span, fmt.Sprintf("process %d ended without a word while the host went on", g.PID)}
	case g.Span > usual:
		f.Title, f.Tier = "the agent was stopped for a while", deminer.Weak
		f.Why = []string{span, fmt.Sprintf("process %d was asked to end and did so", g.PID)}
	default:
		return f, false
	}
	if g.Killer != "" {
		f.Why = append(f.Why, g.Killer)
	}
	f.Cleared = []string{"an upgrade: it says so"}
	return f, true
}
