package main

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"sync"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/agent"
	"github.com/deminer/deminer/internal/alert"
	"github.com/deminer/deminer/internal/guard"
	"github.com/deminer/deminer/internal/host"
	"github.com/deminer/deminer/internal/host/deny"
)

// tell makes an alert of what was refused, and has the agent look at who did it. A program that a clean-up took away is told by the
// recurrence guard, with the way that it comes back through: one thing that happened is one alert.
func (f *refuser) tell(one *refusal, book agent.Alerts) {
	s := f.sighting(one)
	if one.Event.Kind == deminer.EventExec { // one that did not happen says nothing of the process
		f.back.hearElse(&one.Event, guard.Facts{SHA256: one.sum}, func() { f.keep(s, one, book) })
		return
	}
	f.keep(s, one, book)
	select {
	case f.feed <- &one.Event:
	default:
		f.late.Add(1)
	}
}

func (f *refuser) keep(s alert.Sighting, one *refusal, book agent.Alerts) {
	got, fresh, err := book.See(s)
	if err == nil && fresh && (one.Event.Denied || len(one.Ended) > 0) {
		what := "refused before it happened"
		if one.After {
			what = "killed as it began, some of it has run: " + ended(one)
		}
		_, err = book.Did(got.ID, alert.Deed{Time: time.Now().UTC(), What: what})
	}
	f.failed("keep an alert of what was refused", err)
	if fresh {
		f.r.say(true, s.Title+": "+s.Why[0])
	}
}

// titles of what is refused, by class.
var titles = map[deny.Class]string{deny.Login: "a login to a mining pool", deny.LoginLike: "what looks like a login to a mining pool", deny.Pool: "a connection to a mining pool",
	"": "a program whose content is known to be bad"}

// sighting puts what was refused into the form of an alert.
func (f *refuser) sighting(one *refusal) alert.Sighting {
	e := &one.Event
	s := alert.Sighting{Grade: alert.Suspected, Topics: []deminer.Topic{deminer.TopicMining}, Trigger: "the kernel asked before it happened", Time: e.Time, Next: "deminer alerts show tells more; deminer plan shows what would end it"}
	if one.Class == deny.Login || one.Class == "" {
		s.Grade = alert.Proof
	}
	who := f.who(e)
	if up, err := f.past.Lineage(e.Proc); err == nil { // damage of the history is told by doctor
		s.Lineage = lineageOf(up)
	}
	if len(s.Lineage) == 0 {
		s.Lineage = []string{fmt.Sprintf("process %d %s", e.Proc.PID, who)}
	}
	done := " was refused"
	if one.After && e.Denied {
		done = " was killed as it began"
	} else if len(one.Ended) > 0 {
		done = " began, and not all of it could be killed"
	} else if !e.Denied {
		done = " was seen, and not refused"
	}
	s.Title = titles[one.Class] + done
	if one.Class == "" {
		f.program(one, &s, who)
		return s
	}
	s.Thing = alert.Thing{Artifact: deminer.Artifact{Kind: deminer.KindProcess, Proc: e.Proc, Name: string(e.Comm)}, Path: e.Exe, Unit: e.Unit, Container: e.Container}
	s.Key = alert.KeyOf(s.Thing.Artifact, string(e.Exe), e.Container)
	s.Why = []string{who + " to " + deminer.Safe(e.Remote)}
	return s
}

// program says which program was refused, and why.
func (f *refuser) program(one *refusal, s *alert.Sighting, who string) {
	e := &one.Event
	file := deminer.Artifact{Kind: deminer.KindFile, Path: e.Path}
	s.Thing = alert.Thing{Artifact: file, Path: e.Path, SHA256: one.sum}
	s.Key = alert.Told + "refused " + file.Ref()
	why := cmp.Or(one.why, "its content is known to be bad, or it was changed again and again while it was judged")
	if one.After {
		s.Trigger = "the kernel asked nobody before it began"
		why += "; " + ended(one)
	}
	s.Why = []string{deminer.Safe(path.Clean(string(e.Path))) + ": " + why + "; asked for by " + who}
}

// maxEnded is how many processes are named of those that were ended.
const maxEnded = 20

// ended says exactly which processes of a program that had begun were killed, and that some run it still.
func ended(one *refusal) string {
	text := "none of its processes could be killed"
	for i, id := range one.Ended {
		switch {
		case i == 0:
			text = fmt.Sprintf("killed: process %d", id.PID)
		case i < maxEnded:
			text += fmt.Sprintf(", %d", id.PID)
		default:
			return text + fmt.Sprintf(" and %d more", len(one.Ended)-i) + still(one)
		}
	}
	return text + still(one)
}

func still(one *refusal) string {
	if one.Left == 0 {
		return ""
	}
	return fmt.Sprintf("; at least %d run it still", one.Left)
}

// who names the program behind an event, not its number: the same again and again is no news. It fills in what the event does not say.
func (f *refuser) who(e *deminer.Event) string {
	if p, err := f.r.eyes.Glance(e.Proc.PID); err == nil && e.Proc.PID > 0 && (e.Proc.Start == 0 || p.ID == e.Proc) {
		e.Proc, e.Parent, e.Unit, e.Container = p.ID, p.PPID, p.Unit, p.Container
		if e.Comm == "" {
			e.Comm = deminer.Raw(p.Comm)
		}
		if e.Kind != deminer.EventExec {
			e.Exe = deminer.Raw(p.Exe)
		}
	}
	return cmp.Or(deminer.Cut(e.Comm, 32), "a process that has ended")
}

// fed is the sensors, and what the guard refused among what they tell.
type fed struct {
	host.Sensors
	more <-chan *deminer.Event
}

// Watch calls see for both, one at a time.
func (s fed) Watch(ctx context.Context, see func(deminer.Event)) error {
	var mu sync.Mutex
	var wait sync.WaitGroup
	one := func(e deminer.Event) {
		mu.Lock()
		defer mu.Unlock()
		see(e)
	}
	ctx, stop := context.WithCancel(ctx)
	wait.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case e := <-s.more:
				one(*e)
			}
		}
	})
	err := s.Sensors.Watch(ctx, one)
	stop()
	wait.Wait()
	return err
}
