//go:build linux

package sense

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/deminer/deminer"
)

// sensor is one way to see events.
type sensor interface {
	// take puts in force what can be had of the kinds: how each is seen and what is lost, and why the others cannot be had.
	take(kinds []deminer.EventKind) (got map[deminer.EventKind]deminer.Sense, why map[deminer.EventKind]string)
	// run reports events of the kinds that were taken until ctx ends. see may be called from several goroutines.
	run(ctx context.Context, see func(deminer.Event)) error
	// drops adds what had no room, by kind.
	drops(add func(deminer.EventKind, uint64))
	close() error
}

// Sensors is what is in force.
type Sensors struct {
	facets []deminer.Sense
	live   []sensor
}

// Open puts the best sensor in force for each kind that is wanted. It never fails: what cannot be had is said by Facets.
func Open(o Options) *Sensors {
	s := &Sensors{}
	know := newKnown(o.Look)
	if o.Every <= 0 {
		o.Every = time.Second
	}
	ways := []struct {
		name deminer.Sensor
		make func() sensor
	}{
		{deminer.SensorBPF, func() sensor { return &bpfSensor{opt: o, know: know} }},
		{deminer.SensorFanotify, func() sensor { return &fanotify{opt: o, know: know} }},
		{deminer.SensorConnector, func() sensor { return &connector{know: know} }},
		{deminer.SensorSockDiag, func() sensor { return &poller{opt: o, can: socketKinds} }},
		{deminer.SensorPoll, func() sensor { return &poller{opt: o, can: pollKinds} }},
	}
	left := slices.Clone(o.Want)
	facets := map[deminer.EventKind]deminer.Sense{}
	for _, w := range ways {
		if len(left) == 0 {
			break
		}
		if slices.Contains(o.Without, w.name) {
			for _, k := range left {
				f := facets[k]
				f.Why = append(f.Why, string(w.name)+": not to be used")
				facets[k] = f
			}
			continue
		}
		one := w.make()
		got, why := one.take(left)
		for _, k := range left {
			f := facets[k]
			if g, ok := got[k]; ok {
				g.Sensor, g.Why = w.name, f.Why
				f = g
			} else if why[k] != "" {
				f.Why = append(f.Why, string(w.name)+": "+why[k])
			}
			facets[k] = f
		}
		left = slices.DeleteFunc(left, func(k deminer.EventKind) bool { _, ok := got[k]; return ok })
		if len(got) == 0 {
			_ = one.close()
			continue
		}
		s.live = append(s.live, one)
	}
	for _, k := range deminer.EventKinds() {
		if !slices.Contains(o.Want, k) {
			continue
		}
		f := facets[k]
		f.Kind = k
		if f.Sensor == deminer.SensorNone {
			f.Lost = "everything"
		}
		s.facets = append(s.facets, f)
	}
	return s
}

// Facets says how each wanted kind is seen.
func (s *Sensors) Facets() []deminer.Sense { return slices.Clone(s.facets) }

// Watch calls see for each event, from one goroutine at a time, until ctx ends.
func (s *Sensors) Watch(ctx context.Context, see func(deminer.Event)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var one sync.Mutex
	var wg sync.WaitGroup
	errs := make([]error, len(s.live))
	for i, l := range s.live {
		wg.Go(func() {
			errs[i] = l.run(ctx, func(e deminer.Event) {
				one.Lock()
				defer one.Unlock()
				see(e)
			})
			if errs[i] != nil {
				cancel()
			}
		})
	}
	<-ctx.Done()
	wg.Wait()
	return errors.Join(errs...)
}

// Drops counts what had no room.
func (s *Sensors) Drops() map[deminer.EventKind]uint64 {
	out := map[deminer.EventKind]uint64{}
	for _, l := range s.live {
		l.drops(func(k deminer.EventKind, n uint64) { out[k] += n })
	}
	maps.DeleteFunc(out, func(_ deminer.EventKind, n uint64) bool { return n == 0 })
	return out
}

// Check names what somebody took from where a sensor put it, and puts it back; nil: all is in its place. One at a time.
func (s *Sensors) Check() (hurt []string) {
	for _, l := range s.live {
		if b, ok := l.(*bpfSensor); ok {
			hurt = append(hurt, b.check()...)
		}
	}
	return hurt
}

// Close ends what the kernel does for the sensors.
func (s *Sensors) Close() error {
	var errs []error
	for _, l := range s.live {
		errs = append(errs, l.close())
	}
	return errors.Join(errs...)
}
