package agent

import (
	"time"

	"github.com/deminer/deminer"
)

// How long a step that failed waits until it is tried again: doubled each time.
const (
	firstWait = time.Minute
	lastWait  = time.Hour
)

// deed is a step that was taken, or that failed.
type deed struct {
	proc  deminer.ProcID // what it was about, where that is a process
	until time.Time      // from when on it may be taken again; zero: not while its process lives
	told  bool           // that the time is over
	wait  time.Duration  // until a step that failed is tried again; 0: it did not fail
}

// deeds remembers what the agent did by itself, by verb and target.
type deeds map[string]deed

// rests reports whether a step is not to be taken now.
func (d deeds) rests(s deminer.Step, now time.Time) bool {
	one, ok := d[deedOf(s)]
	return ok && (one.until.IsZero() || now.Before(one.until))
}

// note remembers how a step ended. A block ends by itself after blockFor.
func (d deeds) note(s deminer.Step, failed bool, blockFor time.Duration, now time.Time) {
	key := deedOf(s)
	one := deed{proc: s.Action.Target.Proc}
	switch {
	case failed:
		one.wait = min(max(2*d[key].wait, firstWait), lastWait)
		one.until = now.Add(one.wait)
	case s.Action.Verb == deminer.VerbBlock:
		one.until = now.Add(blockFor)
	}
	if _, known := d[key]; !known && len(d) >= maxDone {
		for any := range d { // the least harm is that of a step too many
			delete(d, any)
			break
		}
	}
	d[key] = one
}

// over reports whether the time of something is over, and lets each be told once. That it failed stays known: it waits longer the next
// time.
func (d deeds) over(now time.Time) (some bool) {
	for key, one := range d {
		if one.until.IsZero() || now.Before(one.until) {
			continue
		}
		some = some || !one.told
		if one.told = true; one.wait == 0 || now.Sub(one.until) > lastWait {
			delete(d, key)
			continue
		}
		d[key] = one
	}
	return some
}

// alive forgets what was done to processes that are gone.
func (d deeds) alive(procs []deminer.Process) {
	lives := make(map[deminer.ProcID]bool, len(procs))
	for i := range procs {
		lives[procs[i].ID] = true
	}
	for key, one := range d {
		if one.proc.PID != 0 && !lives[one.proc] {
			delete(d, key)
		}
	}
}

// blockFor is how long the blocks of a step last, as the plan wrote it down; a day where it did not.
func blockFor(s deminer.Step) time.Duration {
	if d, err := time.ParseDuration(string(s.Action.Args["for"])); err == nil && d > 0 {
		return d
	}
	return 24 * time.Hour
}
