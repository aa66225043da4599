package show

import (
	"fmt"
	"strings"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/history"
)

// Past writes one entry of the history as one line: when, what, who, what it is about, and how often. Whoever was root can have
// written the entry: nothing of it is taken for safe or for complete.
func (p Page) Past(e *history.Entry) {
	cut := func(s deminer.Raw) string { return deminer.Cut(s, maxEventText) }
	var about []string
	say := func(format string, a ...any) { about = append(about, fmt.Sprintf(format, a...)) }
	switch e.Kind {
	case history.KindAlert:
		if e.Alert != nil {
			judged(e.Alert, say)
		}
	case history.KindCPU:
		say("%.1f cores for %s", e.CPU.Seconds()/max(e.Last.Sub(e.Time).Seconds(), 1e-6), Seconds(e.Last.Sub(e.Time)))
	case history.KindGap:
		say("%d %s events are not here", e.Count, cut(e.Name))
	case deminer.EventDNS:
		say("%s is %s", cut(e.Name), deminer.Cut(strings.Join(e.Addrs, " "), maxEventText))
	case history.KindProcess:
		if line := words(e); line != "" {
			say("runs already: %s", line)
		} else {
			say("runs already") // a thread of the kernel has no command line
		}
	case deminer.EventExec:
		say("%s", words(e))
	default:
		p.subject(&e.Event, say, cut)
	}
	if e.Count > 0 && e.Kind != history.KindGap {
		say("and %d more like it until %s", e.Count, e.Last.UTC().Format("15:04:05"))
	}
	if e.Denied {
		say("DENIED")
	}
	code := map[deminer.EventKind]string{history.KindAlert: red, history.KindGap: yellow}[e.Kind]
	p.line("%s  %s  %s  %s", e.Time.UTC().Format("2006-01-02 15:04:05.000"), p.paint(code, fmt.Sprintf("%-14s", deminer.Safe(e.Kind))), whoDid(e), strings.Join(about, " "))
}

// judged says what an alert says.
func judged(a *history.Alert, say func(string, ...any)) {
	say("%s", deminer.Safe(a.Text))
	if a.Done != "" {
		say("(%s)", deminer.Safe(a.Done))
	}
	if a.Incident != "" {
		say("[incident %s]", deminer.Cut(a.Incident, 40))
	}
}

// whoDid names the process of an entry, and its user.
func whoDid(e *history.Entry) string {
	if e.Proc.PID == 0 {
		return "-"
	}
	return fmt.Sprintf("%d %s uid %d", e.Proc.PID, called(e), e.UID)
}

// called is the short name of the process of an entry.
func called(e *history.Entry) string {
	name := string(e.Comm)
	if e.Exe != "" {
		name = string(e.Exe[strings.LastIndexByte(string(e.Exe), '/')+1:])
	}
	name = deminer.Cut(name, 32)
	switch {
	case e.Memfd:
		name += " (in memory only)"
	case e.Deleted:
		name += " (no name left)"
	}
	return name
}

// words is the command line of an entry, or its program where that is not known.
func words(e *history.Entry) string {
	if len(e.Argv) == 0 {
		return deminer.Cut(e.Exe, maxEventText)
	}
	args := make([]string, len(e.Argv))
	for i, a := range e.Argv {
		if args[i] = deminer.Cut(a, maxEventText); args[i] == "" || strings.ContainsAny(args[i], ` "`) {
			args[i] = `"` + strings.ReplaceAll(args[i], `"`, `\"`) + `"`
		}
	}
	text := deminer.Cut(strings.Join(args, " "), maxEventText)
	if e.ArgvCut {
		text += " ..."
	}
	if e.Exe != "" && string(e.Argv[0]) != string(e.Exe) {
		text += " (" + deminer.Cut(e.Exe, 80) + ")"
	}
	return text
}

// Descent writes trees of descent: who started whom, and through what it most likely came in.
func (p Page) Descent(roots []*history.Node) {
	for _, n := range roots {
		p.descent(n, "", "")
	}
}

func (p Page) descent(n *history.Node, first, rest string) {
	e := &n.Entry
	text := fmt.Sprintf("%d %s  uid %d  %s  %s", e.Proc.PID, called(e), e.UID, e.Time.UTC().Format("2006-01-02 15:04:05"), words(e))
	if n.Asked {
		text = p.paint(bold, text)
	}
	switch {
	case e.Container != "":
		text += "  in container " + deminer.Cut(e.Container, 12)
	case n.CameIn != "" && e.Unit != "":
		text += "  " + deminer.Cut(e.Unit, 40)
	}
	if n.CameIn != "" {
		text += p.paint(yellow, "  <- entry: "+n.CameIn)
	}
	p.line("  %s%s", first, text)
	for i, c := range n.Children {
		if i == len(n.Children)-1 {
			p.descent(c, rest+"└─ ", rest+"   ")
		} else {
			p.descent(c, rest+"├─ ", rest+"│  ")
		}
	}
}
