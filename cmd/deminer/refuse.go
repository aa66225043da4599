package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/agent"
	"github.com/deminer/deminer/internal/contract"
	"github.com/deminer/deminer/internal/history"
	"github.com/deminer/deminer/internal/host/deny"
	"github.com/deminer/deminer/internal/policy"
	"github.com/deminer/deminer/internal/service"
)

// pinned is where what is refused over sockets outlives a crash of the agent.
const pinned = "/sys/fs/bpf/deminer"

// refuser has the kernel refuse what the policy says, and tells of it.
type refuser struct {
	r     *resident
	past  *history.Store
	back  *recurrence
	judge *judge
	heard chan *refusal
	feed  chan *deminer.Event // to the agent, which looks at who did it
	late  atomic.Uint64
	began *began
	now   atomic.Pointer[policy.Policy] // as of the last time it was asked for

	mu    sync.Mutex // of what follows
	guard *deny.Guard
	with  inForce
	pools map[netip.Addr]time.Time // learnt from name servers, and until when
}

// needs says what a guard is needed for.
func needs(p policy.Prevent, removed string) (w inForce, any bool) {
	w.programs, w.hold = p.Program != policy.Off, p.Program == policy.Block
	w.sockets = p.Login != policy.Off || p.Like != policy.Off || p.Pool != policy.Off
	if any = w.programs || w.sockets; w.programs {
		w.removed = removed
	}
	return w, any
}

// refusal is what was refused, or would have been.
type refusal struct {
	deny.Refusal
	badness // of a program
}

// inForce is what a guard was opened with.
type inForce struct {
	programs, hold, sockets bool
	removed                 string // names the contents that are guarded: what is known to be clean is asked anew when they change
}

// Limits of what waits, and how often the policy is asked.
const (
	maxRefused  = 1024
	maxLearnt   = 4096
	policyEvery = 5 * time.Second
	restTime    = 5 * time.Second
)

func newRefuser(r *resident, past *history.Store, back *recurrence) *refuser {
	f := &refuser{r: r, past: past, back: back, heard: make(chan *refusal, maxRefused), feed: make(chan *deminer.Event, maxRefused), began: newBegan(), pools: map[netip.Addr]time.Time{}}
	f.judge = &judge{rules: r.rules.Set, packages: r.host.Packages, removed: back.contents, policy: f.now.Load, glance: r.eyes.Glance, turns: make(chan struct{}, maxTurns), clean: map[progKey]string{}, bad: map[string]badness{}}
	f.judge.told = f.wouldRefuse
	if name, err := os.Executable(); err == nil {
		if own, err := os.Open(name); err == nil {
			f.judge.own = contentSum(own, maxDigest)
			own.Close()
		}
	}
	return f
}

// wouldRefuse tells of a program whose content is bad where the policy only alerts. What is refused the guard tells itself.
func (f *refuser) wouldRefuse(x *deny.Exec, name string) {
	f.see(deny.Refusal{Event: deminer.Event{Kind: deminer.EventExec, Sensor: deminer.SensorFanotify, Time: time.Now().UTC(), Proc: deminer.ProcID{PID: x.PID}, Path: deminer.Raw(name)}})
}

// see takes what was refused; it does not wait.
func (f *refuser) see(r deny.Refusal) {
	one := refusal{Refusal: r}
	if r.Class == "" {
		one.badness = f.judge.reason(string(r.Event.Path))
		if e := &one.Event; one.by.ID.PID != 0 && one.by.ID.PID == e.Proc.PID {
			e.Proc, e.Parent, e.Comm, e.Unit, e.Container = one.by.ID, one.by.PPID, deminer.Raw(one.by.Comm), one.by.Unit, one.by.Container
		}
	}
	select {
	case f.heard <- &one:
	default:
		f.late.Add(1)
	}
}

// run keeps in force what the policy says until ctx ends, and tells what was refused.
func (f *refuser) run(ctx context.Context, book agent.Alerts) {
	tick := time.NewTicker(policyEvery)
	defer tick.Stop()
	if _, any := needs(f.r.policy.get().Prevents(time.Now()), ""); !any { // else it is taken over
		if err := deny.Lift(pinned); err != nil {
			f.r.trouble("take away what an agent before left in force", err)
		}
	}
	f.apply()
	var wait sync.WaitGroup
	defer wait.Wait()
	wait.Go(func() { f.began.run(ctx, f.ran, f.coverProcess, f.failed) })
	for {
		select {
		case <-ctx.Done():
			if err := f.end(); err != nil {
				f.r.say(true, "take away what is refused: "+err.Error())
			}
			return
		case <-tick.C:
			f.apply()
		case one := <-f.heard:
			f.tell(one, book)
		}
	}
}

// rest tells what was refused in the last moment, when run and the recurrence guard have ended: nobody else does then. Whoever stops the
// agent does not wait long for it.
func (f *refuser) rest(book agent.Alerts) {
	f.back.rest()
	for end := time.Now().Add(restTime); len(f.heard) > 0; {
		if time.Now().After(end) {
			f.r.say(true, fmt.Sprintf("%d refusals could not be told: the agent ends", len(f.heard)))
			return
		}
		one := <-f.heard
		f.keep(f.sighting(one), one, book)
	}
}

// modes are those of the policy in the words of the guard.
func modes(p policy.Prevent) map[deny.Class]deny.Mode {
	word := map[policy.Mode]deny.Mode{policy.Off: deny.Off, policy.Alert: deny.Alert, policy.Block: deny.Block}
	return map[deny.Class]deny.Mode{deny.Login: word[p.Login], deny.LoginLike: word[p.Like], deny.Pool: word[p.Pool]}
}

// apply puts in force what the policy says now. What stays the same goes on without a moment in between.
func (f *refuser) apply() {
	pol := f.r.policy.get()
	f.now.Store(pol)
	p := pol.Prevents(time.Now())
	want, any := needs(p, f.back.stamp())
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forget()
	if n := f.late.Swap(0); n > 0 {
		f.r.say(true, fmt.Sprintf("%d refusals could not be told: too many at once", n))
	}
	if line := f.began.told(); line != "" {
		f.r.say(true, line)
	}
	f.began.on.Store(want.programs)
	switch {
	case f.guard != nil && !any:
		f.failed("take away what is refused", f.guard.Close())
		f.guard = nil
		return
	case f.guard != nil && want != f.with:
		end := f.guard.Leave
		if !want.sockets { // nobody takes them over
			end = f.guard.Close
		}
		f.failed("renew what is refused", end())
		f.guard = nil
	}
	if !any {
		return
	}
	if f.guard == nil {
		f.open(want, p)
		return
	}
	if want.sockets {
		for class, mode := range modes(p) {
			if err := f.guard.SetMode(class, mode); err != nil && !errors.Is(err, deny.ErrOff) {
				f.failed("change what is refused", err)
			}
		}
	}
}

// open puts a guard in force. f.mu is held.
func (f *refuser) open(want inForce, p policy.Prevent) {
	opt := deny.Options{See: f.see, Hold: want.hold, Lenient: !want.hold} // a policy that only tells refuses nothing
	if want.programs {
		if f.judge.packages != nil {
			f.judge.packages.Owner("/") // the database is read now, not while somebody waits
		}
		opt.Judge, opt.Everywhere = f.judge.ask, true
	}
	if want.sockets {
		opt.Group, opt.Modes = "/", modes(p)
	}
	if want.sockets || want.hold { // who is stopped when this process is killed must be known to the next
		opt.Pin = pinned
	}
	f.guard, f.with = deny.Open(opt), want
	if err := f.guard.Bare(); err != nil { // no bpf file system: then it ends with the agent
		f.failed("what is refused over sockets ends with the agent", err)
	}
	for _, one := range f.guard.Facets() {
		if one.Sensor == deminer.SensorNone {
			f.r.say(false, "not refused: "+deminer.Safe(string(one.Kind))+": "+deminer.Cut(fmt.Sprint(one.Why), 300)+"; lost: "+deminer.Safe(one.Lost))
		}
	}
	if want.programs {
		f.nests()
	}
	for _, pool := range f.r.rules.Set.Pools() {
		f.add(pool.Net, pool.Port, time.Time{})
	}
	for addr, until := range f.pools {
		f.add(netip.PrefixFrom(addr, addr.BitLen()), 0, until)
	}
}

// nests has the containers that run already asked about. f.mu is held.
func (f *refuser) nests() {
	procs, _, _ := f.r.eyes.Processes(context.Background(), time.Millisecond) // what cannot be seen is told by the look at the whole host
	seen := map[string]bool{"": true}
	for i := range procs {
		if c := procs[i].Container; !seen[c] {
			seen[c] = true
			_ = f.guard.CoverProcess(procs[i].ID.PID) // what cannot be covered is judged as it begins
		}
	}
}

// ran judges a program that has begun. gone: it had ended before it could be looked at.
func (f *refuser) ran(id deminer.ProcID, memfd bool) (gone bool) {
	for {
		g := f.inForce()
		if g == nil {
			return false
		}
		err := g.Began(id, memfd)
		if !errors.Is(err, deny.ErrOff) || f.inForce() == g {
			return errors.Is(err, fs.ErrNotExist)
		}
	}
}

// coverProcess has the programs of all file systems that a process sees asked about. Where programs are not asked about at all they are
// judged as they begin.
func (f *refuser) coverProcess(pid int) error {
	g := f.inForce()
	if g == nil {
		return nil
	}
	if err := g.CoverProcess(pid); err != nil && !errors.Is(err, deny.ErrOff) && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}

func (f *refuser) inForce() *deny.Guard {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.guard
}

// check names what somebody took from its place, and puts it in force again.
func (f *refuser) check() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.guard == nil {
		return nil
	}
	hurt := f.guard.Check()
	if len(hurt) > 0 {
		f.failed("put back what is refused", f.guard.Leave())
		f.guard = nil
		f.open(f.with, f.r.policy.get().Prevents(time.Now()))
	}
	return hurt
}

// add refuses a pool. f.mu is held.
func (f *refuser) add(p netip.Prefix, port uint16, until time.Time) {
	if err := f.guard.AddPool(p, port, until); err != nil && !errors.Is(err, deny.ErrOff) {
		f.failed("refuse a pool", err)
	}
}

func (f *refuser) failed(what string, err error) {
	if err != nil {
		f.r.trouble(what, err)
	}
}

// learn takes the address that a name server gave for the name of a pool. Anybody here can forge an answer: addresses of the owner's own
// networks are left out.
func (f *refuser) learn(addr netip.Addr, until time.Time) {
	if !addr.IsGlobalUnicast() || addr.IsPrivate() {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, known := f.pools[addr]; !known && len(f.pools) >= maxLearnt {
		return
	}
	f.pools[addr] = until
	if f.guard != nil {
		f.add(netip.PrefixFrom(addr, addr.BitLen()), 0, until)
	}
}

// forget leaves out pools whose time is over. f.mu is held.
func (f *refuser) forget() {
	now := time.Now()
	for addr, until := range f.pools {
		if until.Before(now) {
			delete(f.pools, addr)
		}
	}
}

// end takes everything away, or hands over to the version that takes over.
func (f *refuser) end() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.guard == nil {
		return nil
	}
	g := f.guard
	f.guard = nil
	if contract.Upgrading(service.RunDir) {
		return g.Leave()
	}
	return g.Close()
}
