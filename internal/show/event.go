package show

import (
	"fmt"
	"strings"

	"github.com/deminer/deminer"
)

// maxEventText is how many characters of each text of the host a line of an event shows.
const maxEventText = 300

// Event writes one event as one line: when, what, who, and what it is about.
func (p Page) Event(e *deminer.Event) {
	cut := func(s deminer.Raw) string { return deminer.Cut(s, maxEventText) }
	who := "-"
	if e.Proc.PID != 0 {
		who = fmt.Sprintf("%d %s uid %d", e.Proc.PID, cut(e.Comm), e.UID)
		if e.EUID != e.UID {
			who += fmt.Sprintf("/%d", e.EUID)
		}
	}
	var about []string
	say := func(format string, a ...any) { about = append(about, fmt.Sprintf(format, a...)) }
	for _, place := range []string{e.Unit, e.Container} {
		if place != "" {
			say("[%s]", deminer.Cut(place, 40))
		}
	}
	if e.Exe != "" {
		say("%s", cut(e.Exe))
	}
	switch {
	case e.Memfd:
		say("(in memory only)")
	case e.Deleted:
		say("(no name left)")
	}
	p.subject(e, say, cut)
	p.line("%s  %s  %s  %s", e.Time.Local().Format("15:04:05.000"), p.paint(bold, fmt.Sprintf("%-14s", e.Kind)), who, strings.Join(about, " "))
}

// subject says what the event is about.
func (p Page) subject(e *deminer.Event, say func(string, ...any), cut func(deminer.Raw) string) {
	switch e.Kind {
	case deminer.EventExec:
		args := make([]string, len(e.Argv))
		for i, a := range e.Argv {
			if args[i] = cut(a); args[i] == "" || strings.ContainsAny(args[i], ` "`) {
				args[i] = `"` + strings.ReplaceAll(args[i], `"`, `\"`) + `"`
			}
		}
		say("%s%s", strings.Join(args, " "), map[bool]string{true: " ..."}[e.ArgvCut])
	case deminer.EventFork:
		say("child of %d", e.Parent)
	case deminer.EventExit:
		say("status %d", e.Code)
	case deminer.EventConnect, deminer.EventBind, deminer.EventFlow, deminer.EventDNS:
		arrow := map[bool]string{true: "->", false: "<-"}[e.Sent || e.Kind == deminer.EventConnect]
		say("%s %s %s %s %s", deminer.Safe(e.Proto), deminer.Safe(e.Local), arrow, deminer.Safe(e.Remote), cut(e.Data))
	case deminer.EventUID:
		say("becomes uid %d/%d", e.ToUID, e.ToEUID)
	case deminer.EventPtrace, deminer.EventMemWrite:
		say("%s", cut(e.Path))
		if e.Target != 0 {
			say("process %d", e.Target)
		}
	case deminer.EventSignal:
		say("signal %d", e.Code)
	case deminer.EventFlags:
		say("%s flags 0x%x", cut(e.Path), e.Code)
	default:
		say("%s %s%s", deminer.Safe(e.Op), cut(e.Path), cut(e.Name))
	}
}
