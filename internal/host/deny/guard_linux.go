//go:build linux

package deny

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/deminer/deminer"
	"golang.org/x/sys/unix"
)

// Guard is what is in force.
type Guard struct {
	o      Options
	wanted bool // sockets are to be watched
	n      counters
	execs  *execs
	why    error // why programs are not asked about
	socks  *sockets
	apart  error // why sockets are none of ours
	lacks  error // why they are not watched
	loose  error // why nobody is held
	bare   error // why nothing outlives this process though it is to
	stop   chan struct{}
	once   sync.Once
	done   sync.WaitGroup
	acts   sync.RWMutex // held for reading while Began acts
	shut   bool         // it must not any more; with acts
}

// Open puts in force what this kernel has of what is wanted. It never fails: what cannot be had is said by Facets.
func Open(o Options) *Guard {
	if o.Answer <= 0 {
		o.Answer = answerTime
	}
	o.Answer = min(o.Answer, answerMost)
	if o.Grace <= 0 {
		o.Grace = graceTime
	}
	g := &Guard{o: o, wanted: o.Group != "", stop: make(chan struct{})}
	if o.Group == "/" {
		g.apart = apart()
	}
	if g.apart != nil {
		g.o.Group = ""
	}
	if o.Judge != nil {
		g.why = g.openExecs()
	}
	if o.Judge == nil {
		g.o.Hold = false
	}
	if g.o.Group != "" || g.o.Hold {
		g.openSockets()
	}
	return g
}

// openSockets puts in force as much as can be had: what cannot be pinned ends with this process, and where sockets cannot be watched
// files in memory are held all the same.
func (g *Guard) openSockets() {
	if g.o.Pin != "" {
		g.o.Pin, g.bare = pinPlace(g.o.Pin)
	}
	for {
		s, hold, err := openSockets(&g.o, &g.n)
		switch {
		case err == nil:
			g.loose, g.socks = hold, s
			s.done.Go(s.read)
			g.done.Go(func() { s.tend(g.stop) })
			return
		case errors.Is(err, errPin) && g.o.Pin != "":
			g.o.Pin, g.bare = "", err
		case g.o.Group == "/" && g.o.Hold: // who is held is not limited by it
			g.o.Group, g.lacks = "", err
		default:
			g.lacks, g.loose = cmp.Or(g.lacks, err), err
			return
		}
	}
}

func (g *Guard) openExecs() error {
	e, err := openExecs(&g.o, &g.n)
	if err != nil {
		return err
	}
	var failed []error
	for _, m := range g.o.Mounts {
		failed = append(failed, e.Cover(m))
	}
	if g.o.Everywhere {
		failed = append(failed, e.CoverProcess(os.Getpid()))
	}
	if e.covered() == 0 && len(failed) > 0 {
		return errors.Join(append(failed, e.close())...)
	}
	g.execs = e
	if g.o.Everywhere {
		g.done.Go(func() { e.follow(g.stop) })
	}
	return errors.Join(failed...)
}

// Facets says for each kind of event what refuses it, why nothing better does, and what is lost.
func (g *Guard) Facets() (out []deminer.Sense) {
	if g.o.Judge != nil {
		out = append(out, g.execFacet())
	}
	if g.wanted {
		out = append(out, g.socketFacet(deminer.EventFlow, "the packets of local sockets", flowLost), g.socketFacet(deminer.EventConnect, "the call to connect", poolLost))
	}
	return out
}

const execLost = "programs that a loader is told to load by its command line, and scripts that an interpreter is told to read (the loader or the interpreter itself is asked about); " +
	"file systems that are not local; a container's file systems until they are covered"

const memfdLost = "; files in memory (memfd)"

func (g *Guard) execFacet() deminer.Sense {
	f := deminer.Sense{Kind: deminer.EventExec}
	if g.why != nil {
		f.Why = append(f.Why, reason(g.why))
	}
	if g.execs == nil {
		f.Lost = "no program is refused before it begins; one that is to be refused is killed as it begins (Began): its first instructions run, and scripts are not judged"
		return f
	}
	f.Sensor, f.Lost = deminer.SensorFanotify, execLost
	f.How = fmt.Sprintf("permission to open a program for execution, asked for on %d file systems", g.execs.covered())
	switch {
	case g.loose != nil:
		f.Lost, f.Why = f.Lost+memfdLost, append(f.Why, reason(g.loose))
	case !g.o.Hold:
		f.Lost += memfdLost
	default:
		f.How += "; whoever becomes a memfd is stopped before its first instruction until it is judged"
	}
	return f
}

const (
	flowLost = "logins over TLS, in compressed WebSocket frames, behind 8,192 bytes of something else, through a SOCKS or HTTP proxy, with keys written as escapes, or on connections that were open before; " +
		"raw and packet sockets; IPv6 packets with further headers"
	poolLost = "connections that were open before; datagrams; pools reached through a proxy"
)

func (g *Guard) socketFacet(k deminer.EventKind, how, lost string) deminer.Sense {
	if !g.watches() {
		return deminer.Sense{Kind: k, Why: []string{reason(cmp.Or(g.apart, g.lacks))}, Lost: "everything: nothing is refused"}
	}
	return deminer.Sense{Kind: k, Sensor: deminer.SensorBPF, How: "programs at a control group, for " + how, Lost: lost}
}

// Bare says why nothing that is refused outlives this process though Options.Pin is given; nil: it does, or it is not asked for.
func (g *Guard) Bare() error { return g.bare }

// Holds reports whether whoever becomes a file in memory is stopped until it is judged.
func (g *Guard) Holds() bool { return g.o.Hold && g.loose == nil }

func (g *Guard) watches() bool { return g.socks != nil && g.o.Group != "" }

// SetMode changes what is done about a class, at once. ErrOff: sockets are not watched here.
func (g *Guard) SetMode(c Class, m Mode) error {
	if !g.watches() {
		return ErrOff
	}
	return g.socks.mode(c, m)
}

// AddPool refuses connections to an address or network, and to one port of it or, with 0, to all; the zero time is for good. The
// narrowest network that holds an address counts. At most 65,536 are held. ErrOff: sockets are not watched here.
func (g *Guard) AddPool(p netip.Prefix, port uint16, until time.Time) error {
	if !g.watches() {
		return ErrOff
	}
	return g.socks.addPool(p, port, until)
}

// RemovePool takes AddPool back; what was not added is no error.
func (g *Guard) RemovePool(p netip.Prefix) error {
	if !g.watches() {
		return ErrOff
	}
	return g.socks.removePool(p)
}

// CutSocket cuts one TCP connection in both directions for as long as it is there. Cookie is that of sock_diag or of a Refusal.
func (g *Guard) CutSocket(cookie uint64) error {
	if !g.watches() {
		return ErrOff
	}
	return g.socks.cutSocket(cookie)
}

// CutGroup has nothing sent by the sockets of one control group, those of groups below it not counted, until then; the zero time ends
// that. Dir is its directory. At most 1,024 are cut off at once.
func (g *Guard) CutGroup(dir string, until time.Time) error {
	if !g.watches() {
		return ErrOff
	}
	id, err := groupID(dir)
	if err != nil {
		return err
	}
	end, err := at(until)
	if err != nil {
		return err
	}
	return g.socks.cutGroup(id, end)
}

// Cover asks about the programs of one more file system, the one that path lies on, whatever mount or namespace they are reached
// through. ErrPlace: it is none that may be waited for. ErrOff: programs are not asked about here.
func (g *Guard) Cover(path string) error {
	if g.execs == nil {
		return ErrOff
	}
	return g.execs.Cover(path)
}

// CoverProcess covers all local file systems that a process sees, such as those of its container.
func (g *Guard) CoverProcess(pid int) error {
	if g.execs == nil {
		return ErrOff
	}
	return g.execs.CoverProcess(pid)
}

// Freeze stops a process, exactly the one that is meant: deminer.ErrChanged where the PID is another's by now, fs.ErrNotExist where
// it has ended. Thaw takes it back; Kill ends it.
func (g *Guard) Freeze(id deminer.ProcID) error { return send(id, unix.SIGSTOP) }

// Thaw lets a frozen process go on.
func (g *Guard) Thaw(id deminer.ProcID) error { return send(id, unix.SIGCONT) }

// Kill ends a process.
func (g *Guard) Kill(id deminer.ProcID) error { return send(id, unix.SIGKILL) }

// Check names what somebody took from where this guard put it, or changed; nil: all is in its place. What is named is in force again
// after Leave, and Open with the same Pin.
func (g *Guard) Check() []string {
	if g.socks == nil {
		return nil
	}
	return g.socks.check()
}

// Counts says what happened since Open.
func (g *Guard) Counts() Counts {
	c := g.n.read()
	if g.socks != nil {
		c.Untold = g.socks.untold()
	}
	return c
}

// Close lifts everything: whoever waits for an answer runs, and nothing is left at Pin. It waits for questions that are being judged, and
// for what Began does about a program that it has judged; what it has not judged by then it leaves alone.
func (g *Guard) Close() error { return g.end(false) }

// Leave ends like Close, but what is pinned stays in force for the time of grace: for a next process that takes it over.
func (g *Guard) Leave() error { return g.end(true) }

func (g *Guard) end(leave bool) (err error) {
	g.once.Do(func() {
		g.acts.Lock()
		g.shut = true
		g.acts.Unlock()
		close(g.stop)
		if g.execs != nil {
			err = g.execs.close()
		}
		g.done.Wait()
		if g.socks != nil {
			err = errors.Join(err, g.socks.close(leave))
		}
	})
	return err
}
