package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/agent"
	"github.com/deminer/deminer/internal/alert"
	"github.com/deminer/deminer/internal/guard"
	"github.com/deminer/deminer/internal/history"
	"github.com/deminer/deminer/internal/host"
	"github.com/deminer/deminer/internal/policy"
)

// Limits of the recurrence guard.
const (
	maxReturns = 4096             // events that wait
	maxSums    = 8192             // programs whose digest is remembered
	maxAgain   = 60               // plans in an hour; what comes back more often is told only
	refreshing = 10 * time.Second // between looks at the journals
)

// recurrence hears all events and has what a clean-up took away, and somebody brings back, taken away again.
type recurrence struct {
	keeper  *keeper
	r       *resident
	eyes    host.Inside
	files   host.FS
	past    *history.Store
	events  chan *returning
	guarded atomic.Bool // there is something to guard
	sure    atomic.Pointer[removedSums]
	late    atomic.Uint64
	sums    map[progKey]string
	hour    time.Time // when the count of plans began
	plans   int
}

// removedSums are the contents that must not run again, and a name for all of them.
type removedSums struct {
	list  map[string]bool
	stamp string
}

// contents gives the digests of what must not run again; they must not be changed.
func (c *recurrence) contents() map[string]bool {
	if s := c.sure.Load(); s != nil {
		return s.list
	}
	return nil
}

// stamp names those contents.
func (c *recurrence) stamp() string {
	if s := c.sure.Load(); s != nil {
		return s.stamp
	}
	return ""
}

// returning is an event with what is known of it.
type returning struct {
	event deminer.Event
	facts guard.Facts
	other func() // nil, or called where the event brings nothing back that is told
}

func (r *returning) pass() {
	if r.other != nil {
		r.other()
	}
}

// progKey names a content as long as nobody writes to it.
type progKey struct {
	dev, ino uint64
	size     int64
	ctime    time.Time
}

func newRecurrence(r *resident, past *history.Store) *recurrence {
	return &recurrence{r: r, eyes: r.eyes, files: r.host.FS, past: past, events: make(chan *returning, maxReturns), sums: map[progKey]string{},
		keeper: &keeper{store: r.store, host: r.host.Info, lineage: past.Lineage, now: time.Now}}
}

// hear takes an event; it does not wait for a verdict.
func (c *recurrence) hear(e *deminer.Event, f guard.Facts) { c.hearElse(e, f, nil) }

// hearElse is hear; other is called, perhaps at once, where the event brings nothing back that is told.
func (c *recurrence) hearElse(e *deminer.Event, f guard.Facts, other func()) {
	if c.guarded.Load() && (e.Kind == deminer.EventExec || e.Kind == deminer.EventConnect || e.Kind == deminer.EventFile) {
		select {
		case c.events <- &returning{*e, f, other}:
			return
		default:
			c.late.Add(1)
		}
	}
	if other != nil {
		other()
	}
}

// run judges what was heard until ctx ends.
func (c *recurrence) run(ctx context.Context, book agent.Alerts) {
	tick := time.NewTicker(refreshing)
	defer tick.Stop()
	c.refresh()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			c.refresh()
		case one := <-c.events:
			c.judge(ctx, one, book)
		}
	}
}

// rest is for when run has ended: what waits for a verdict gets none, and is told by who heard of it.
func (c *recurrence) rest() {
	for {
		select {
		case one := <-c.events:
			one.pass()
		default:
			return
		}
	}
}

func (c *recurrence) refresh() {
	if err := c.keeper.refresh(); err != nil {
		c.r.trouble("what clean-ups took away", err)
	}
	c.guarded.Store(c.keeper.list.Len() > 0)
	all := c.keeper.list.Contents()
	if stamp := strings.Join(all, " "); stamp != c.stamp() {
		next := &removedSums{list: make(map[string]bool, len(all)), stamp: stamp}
		for _, sum := range all {
			next.list[sum] = true
		}
		c.sure.Store(next)
	}
	if n := c.late.Swap(0); n > 0 {
		c.r.say(true, fmt.Sprintf("%d events could not be held against what clean-ups took away: too many at once", n))
	}
}

func (c *recurrence) judge(ctx context.Context, one *returning, book agent.Alerts) {
	mode := c.r.policy.get().Prevents(time.Now()).Return
	if mode == policy.Off {
		one.pass()
		return
	}
	if one.facts.SHA256 == "" {
		one.facts = c.facts(&one.event)
	}
	a, err := c.keeper.saw(ctx, &one.event, one.facts, mode == policy.Block && c.room())
	if err != nil {
		c.r.trouble("what comes back", err)
	}
	if a == nil {
		one.pass()
		return
	}
	if a.Plan != "" {
		c.plans++
	}
	c.tell(a, book)
}

// room reports whether another plan may be made in this hour.
func (c *recurrence) room() bool {
	if now := time.Now(); now.Sub(c.hour) >= time.Hour {
		c.hour, c.plans = now, 0
	}
	return c.plans < maxAgain
}

// facts reads the content that an event is about, where contents are guarded.
func (c *recurrence) facts(e *deminer.Event) (f guard.Facts) {
	contents := c.keeper.list.Contents()
	if len(contents) == 0 || e.Kind == deminer.EventConnect {
		return f
	}
	var file host.File
	var err error
	name := string(e.Exe)
	if e.Kind == deminer.EventExec {
		file, err = c.eyes.Exe(e.Proc)
	} else {
		name = string(e.Path)
		file, err = c.files.Open(name)
	}
	if err != nil {
		return f // gone, or no file
	}
	defer file.Close()
	if f.SHA256 = c.sum(file); slices.Contains(contents, f.SHA256) {
		f.Vouched = c.r.vouched(name, file)
	}
	return f
}

// sum gives the digest of a file, remembered as long as nobody writes to it.
func (c *recurrence) sum(f host.File) string {
	at, err := f.Attr()
	if err != nil || at.Size > maxDigest {
		return ""
	}
	key := progKey{at.Dev, at.Ino, at.Size, at.Ctime}
	if sum, ok := c.sums[key]; ok {
		return sum
	}
	if len(c.sums) >= maxSums {
		clear(c.sums)
	}
	sum := contentSum(f, maxDigest)
	if sum != "" && time.Since(at.Ctime) > time.Second { // a write in the same tick of the clock would not show
		c.sums[key] = sum
	}
	return sum
}

// vouched reports whether a package owns a content unchanged now; it may have been installed a moment ago.
func (r *resident) vouched(name string, f host.File) bool {
	h, _, err := openHost(r.flags)
	if err != nil {
		return false
	}
	defer closeHost(h)
	if h.Packages == nil {
		return false
	}
	at, err := f.Attr()
	return err == nil && h.Packages.CheckContent(name, sectionOf(f, at.Size)).State == deminer.Intact
}

// tell makes an alert of an attempt, and keeps it in the history.
func (c *recurrence) tell(a *guard.Attempt, book agent.Alerts) {
	title := "came back: "
	if a.Blocked {
		title = "came back, blocked: "
	}
	s := alert.Sighting{Key: alert.Told + "back " + a.Removed[0].Plan + " " + a.Removed[0].Step, Grade: alert.Proof, Topics: []deminer.Topic{deminer.TopicReturns},
		Thing: alert.Thing{Artifact: a.Removed[0].Action.Target, Path: a.Removed[0].Action.Target.Path, Container: a.Event.Container, Unit: a.Event.Unit},
		Title: title + a.Removed[0].Action.Target.String(), Why: []string{a.What, a.Trigger, a.Done}, Lineage: lineageOf(a.Lineage), Trigger: string(a.Event.Kind), Time: a.Event.Time,
		Next: "close the way that it comes back through: " + a.Trigger}
	if a.Plan != "" {
		s.Next += "; deminer undo " + a.Plan + " takes back what was done"
	}
	got, fresh, err := book.See(s)
	if err == nil && (a.Plan != "" || a.Event.Denied) {
		_, err = book.Did(got.ID, alert.Deed{Time: time.Now().UTC(), What: a.Done, Plan: a.Plan})
	}
	if err != nil {
		c.r.trouble("keep an alert of what came back", err)
	}
	if fresh {
		c.r.say(true, s.Title+"; "+a.Trigger+"; "+a.Done)
	}
	c.past.Alert(a.Alert(got.ID))
}

// lineageOf puts a lineage of the history into words.
func lineageOf(up []history.Entry) (out []string) {
	for _, e := range up {
		words := make([]string, len(e.Argv))
		for i, a := range e.Argv {
			words[i] = string(a)
		}
		out = append(out, fmt.Sprintf("process %d %s: %s", e.Proc.PID, deminer.Cut(e.Exe, 120), deminer.Cut(strings.Join(words, " "), 160)))
	}
	return out
}
