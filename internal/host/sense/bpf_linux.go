//go:build linux

package sense

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
	"github.com/cilium/ebpf/rlimit"
	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host/bpf"
	"golang.org/x/sys/unix"
)

// hook is how the programs for a kind of event are put in force: those that all must be there, and those that add to it.
type hook struct {
	programs, more []string
	// calls are the system calls whose functions are probed instead of running programs at every call of the system.
	calls     []string
	how, lost string
}

const (
	unowned  = ", the process of some sockets"
	outside  = ", processes outside this container"
	asked    = "calls of 32-bit programs"
	allCalls = "tracepoint of all system calls"
	probes   = "probes of single system calls"
	sockets  = "program at the root of the unified control groups"
)

// hooks says which programs see a kind. It is the list of kinds that the kernel's programs can see.
var hooks = map[deminer.EventKind]hook{
	deminer.EventExec:     {programs: []string{kernelProgOnExec}, how: "tracepoint sched_process_exec"},
	deminer.EventFork:     {programs: []string{kernelProgOnFork}, how: "tracepoint sched_process_fork"},
	deminer.EventExit:     {programs: []string{kernelProgOnExit}, how: "tracepoint sched_process_exit"},
	deminer.EventSignal:   {programs: []string{kernelProgOnSignal}, how: "tracepoint signal_generate"},
	deminer.EventModule:   {programs: []string{kernelProgOnModule}, how: "tracepoint module_load"},
	deminer.EventConnect:  {programs: []string{kernelProgOnConnect4, kernelProgOnConnect6}, how: sockets},
	deminer.EventBind:     {programs: []string{kernelProgOnBind4, kernelProgOnBind6}, how: sockets},
	deminer.EventFlow:     {programs: []string{kernelProgOnIngress, kernelProgOnEgress}, more: owners, how: sockets, lost: "raw and packet sockets; of connections that were open before the watch all but those whose next piece is JSON"},
	deminer.EventDNS:      {programs: []string{kernelProgOnIngress}, more: owners, how: sockets, lost: "answers over TLS or HTTPS; over TCP they are flows"},
	deminer.EventFlags:    {calls: []string{"ioctl"}, lost: asked + ", file_setattr(2)"},
	deminer.EventAnonExec: {calls: []string{"mmap", "mprotect"}, lost: asked},
	deminer.EventBPF:      {calls: []string{"bpf"}, lost: asked},
	deminer.EventMount:    {calls: []string{"mount", "move_mount"}, lost: asked + ", mounts through a descriptor"},
	deminer.EventPtrace:   {calls: []string{"ptrace"}, lost: asked + ", PTRACE_TRACEME"},
	deminer.EventMemWrite: {calls: []string{"ptrace", "process_vm_writev", "openat", "open"}, lost: asked + ", openat2(2), io_uring"},
	deminer.EventUID:      {calls: []string{"setuid", "setreuid", "setresuid"}, lost: asked + ", users changed by an exploit in the kernel"},
}

// owners are the programs that know which process a socket is of.
var owners = []string{kernelProgOnConnect4, kernelProgOnConnect6, kernelProgOnBind4, kernelProgOnBind6, kernelProgOnSendmsg4, kernelProgOnSendmsg6}

// cgroupHooks are the programs that hang at a control group.
var cgroupHooks = map[string]ebpf.AttachType{
	kernelProgOnConnect4: ebpf.AttachCGroupInet4Connect, kernelProgOnConnect6: ebpf.AttachCGroupInet6Connect,
	kernelProgOnBind4: ebpf.AttachCGroupInet4Bind, kernelProgOnBind6: ebpf.AttachCGroupInet6Bind,
	kernelProgOnSendmsg4: ebpf.AttachCGroupUDP4Sendmsg, kernelProgOnSendmsg6: ebpf.AttachCGroupUDP6Sendmsg,
	kernelProgOnIngress: ebpf.AttachCGroupInetIngress, kernelProgOnEgress: ebpf.AttachCGroupInetEgress,
}

// bpfSensor sees with programs in the kernel.
type bpfSensor struct {
	opt   Options
	know  *known
	spec  *ebpf.CollectionSpec
	maps  map[string]*ebpf.Map
	home  uint32 // the PID namespace, 0: the first
	root  int    // the root of the unified control groups; -1: none
	tried map[string]error
	links map[string]link.Link // by the name of the program
	away  map[string]bool      // that could not be put back
	ring  *ringbuf.Reader
	types *btf.Cache
	took  []deminer.EventKind
	want  uint32 // kinds that the programs report
	late  uint32 // kinds that the program at every system call is for
	mu    sync.Mutex
	bad   uint64 // records that could not be read
}

func (b *bpfSensor) take(want []deminer.EventKind) (map[deminer.EventKind]deminer.Sense, map[deminer.EventKind]string) {
	got, why := map[deminer.EventKind]deminer.Sense{}, map[deminer.EventKind]string{}
	mine := slices.DeleteFunc(slices.Clone(want), func(k deminer.EventKind) bool { _, can := hooks[k]; return !can })
	if err := b.prepare(mine); err != nil {
		for _, k := range mine {
			why[k] = err.Error()
		}
		return got, why
	}
	// The kernel's types are read once for all programs; they are many megabytes, and like the programs' own text not needed again.
	b.types = btf.NewCache()
	defer func() { b.types, b.spec = nil, nil }()
	_, _ = b.attach(kernelProgOnFork), b.attach(kernelProgOnExit)
	// First the probes, then one program for the calls of those kinds that could not have theirs.
	var late []deminer.EventKind
	for _, k := range mine {
		if h := hooks[k]; len(h.calls) > 0 && (b.opt.NoProbes || b.attachAll(h.calls, probe) != nil) {
			late = append(late, k)
		}
	}
	b.late = bits(late)
	for _, k := range mine {
		h := hooks[k]
		switch {
		case slices.Contains(late, k):
			h.programs, h.how = []string{kernelProgOnCall}, allCalls
		case len(h.calls) > 0:
			h.how = probes
		}
		if err := b.attachAll(h.programs, ""); err != nil {
			why[k] = strings.ReplaceAll(err.Error(), "\n", "; ")
			continue
		}
		lost := h.lost
		if b.home != 0 {
			lost = strings.TrimPrefix(lost+outside, ", ")
		}
		for _, name := range h.more {
			if b.attach(name) != nil && !strings.HasSuffix(lost, unowned) {
				lost += unowned
			}
		}
		got[k] = deminer.Sense{How: h.how, Lost: lost}
		b.took = append(b.took, k)
	}
	return got, why
}

// probe begins the names of the programs that probe one system call.
const probe = "probe_"

// attachAll attaches programs that are all needed.
func (b *bpfSensor) attachAll(names []string, prefix string) error {
	var errs []error
	for _, name := range names {
		errs = append(errs, b.attach(prefix+name))
	}
	return errors.Join(errs...)
}

// bits is a set of kinds as the programs have it.
func bits(list []deminer.EventKind) (out uint32) {
	for n, k := range kinds {
		if slices.Contains(list, k) {
			out |= 1 << n
		}
	}
	return out
}

// prepare reads the embedded object and makes what the programs share.
func (b *bpfSensor) prepare(want []deminer.EventKind) error {
	b.root, b.tried, b.links, b.away = -1, map[string]error{}, map[string]link.Link{}, map[string]bool{}
	if len(want) == 0 {
		return errors.New("nothing to watch")
	}
	// Before Linux 5.11 maps count as locked memory.
	if err := rlimit.RemoveMemlock(); err != nil {
		return fmt.Errorf("lift the limit of locked memory: %w", err)
	}
	b.want = b.wanted(want)
	spec, err := b.programs()
	if err != nil {
		return err
	}
	b.spec, b.maps = spec, map[string]*ebpf.Map{}
	for _, name := range []string{kernelMapRing, kernelMapDrops, kernelMapWoken} {
		if b.maps[name], err = ebpf.NewMap(spec.Maps[name]); err != nil {
			return fmt.Errorf("make map %s: %w", name, err)
		}
	}
	if b.ring, err = ringbuf.NewReader(b.maps[kernelMapRing]); err != nil {
		return fmt.Errorf("read the ring: %w", err)
	}
	return nil
}

// programs reads the embedded object and sets it up. It is some megabytes that are not kept.
func (b *bpfSensor) programs() (*ebpf.CollectionSpec, error) {
	spec, err := loadKernel()
	if err != nil {
		return nil, fmt.Errorf("read the programs: %w", err)
	}
	inbound := uint8(0)
	if b.opt.AllInbound {
		inbound = 1
	}
	if b.home, err = bpf.Home(); err != nil {
		return nil, err
	}
	err = errors.Join(spec.Variables[kernelVarHome].Set(b.home), spec.Variables[kernelVarAgent].Set(uint32(b.opt.Agent)), spec.Variables[kernelVarWanted].Set(b.want),
		spec.Variables[kernelVarAllInbound].Set(inbound))
	if err != nil {
		return nil, fmt.Errorf("set up the programs: %w", err)
	}
	return spec, nil
}

// wanted is what the programs report. Forks and exits keep what is known of processes current; without them each exec would cost
// a look at /proc.
func (b *bpfSensor) wanted(want []deminer.EventKind) uint32 {
	return bits(append([]deminer.EventKind{deminer.EventFork, deminer.EventExit}, want...))
}

// attach loads one program and hangs it at its place; what was tried is not tried again.
func (b *bpfSensor) attach(name string) error {
	if err, done := b.tried[name]; done {
		return err
	}
	l, err := b.load(name)
	if errors.Is(err, ebpf.ErrNotSupported) {
		err = fmt.Errorf("%s: this kernel has no such hook", name)
	} else if err != nil {
		err = fmt.Errorf("%s: %w", name, err)
	} else if l != nil {
		b.links[name] = l
	}
	b.tried[name] = err
	return err
}

func (b *bpfSensor) load(name string) (link.Link, error) {
	one := b.spec.Copy()
	if one.Programs[name] == nil {
		return nil, nil // a call that this processor's kernel does not have
	}
	if name == kernelProgOnCall {
		if err := one.Variables[kernelVarWanted].Set(b.late); err != nil {
			return nil, err
		}
	}
	for other := range one.Programs {
		if other != name {
			delete(one.Programs, other)
		}
	}
	// Maps that only other programs use are not made, but for sections of constants; those that are shared are put in.
	use, need := map[string]*ebpf.Map{}, map[string]bool{}
	for _, ins := range one.Programs[name].Instructions {
		m := ins.Reference()
		if need[m] = true; b.maps[m] != nil {
			use[m] = b.maps[m]
		}
	}
	for m := range one.Maps {
		if !need[m] && m[0] != '.' {
			delete(one.Maps, m)
		}
	}
	c, err := ebpf.NewCollectionWithOptions(one, ebpf.CollectionOptions{MapReplacements: use, Cache: b.types})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	// What the first program makes, the others use too.
	for _, shared := range []string{kernelMapFlows, kernelMapJits} {
		if b.maps[shared] != nil {
			continue
		}
		if m := c.DetachMap(shared); m != nil {
			b.maps[shared] = m
		}
	}
	prog := c.Programs[name]
	if call, ok := strings.CutPrefix(name, probe); ok {
		return link.Kprobe(map[string]string{"amd64": "__x64_sys_", "arm64": "__arm64_sys_"}[runtime.GOARCH]+call, prog, nil)
	}
	at, group := cgroupHooks[name]
	if !group {
		return link.AttachTracing(link.TracingOptions{Program: prog, AttachType: ebpf.AttachTraceRawTp})
	}
	if b.root < 0 {
		if b.root, err = groups(); err != nil {
			return nil, err
		}
	}
	return link.AttachRawLink(link.RawLinkOptions{Target: b.root, Program: prog, Attach: at})
}

// groups opens the root of the unified control groups through a mount that is attached nowhere.
func groups() (int, error) {
	ctx, err := unix.Fsopen("cgroup2", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("open the control groups: %w", err)
	}
	defer unix.Close(ctx)
	if err := unix.FsconfigCreate(ctx); err != nil {
		return -1, fmt.Errorf("open the control groups: %w", err)
	}
	mount, err := unix.Fsmount(ctx, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOEXEC)
	if err != nil {
		return -1, fmt.Errorf("mount the control groups: %w", err)
	}
	defer unix.Close(mount)
	return unix.Openat(mount, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
}

// flushEvery is how long events that wake nobody (fork, exit) may wait in the ring while nothing else happens, and pause for how
// long those that are one of many in a row (exec), see soon in bpf/record.h.
const (
	flushEvery = 100 * time.Millisecond
	pause      = 20 * time.Millisecond
)

func (b *bpfSensor) run(ctx context.Context, see func(deminer.Event)) error {
	done := make(chan struct{})
	defer close(done)
	go func() {
		tick := time.NewTicker(flushEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				_ = b.ring.Flush()
			case <-ctx.Done():
				_ = b.ring.Flush()
				return
			case <-done:
				return
			}
		}
	}()
	var rec ringbuf.Record
	var boot clock
	for {
		err := b.ring.ReadInto(&rec)
		switch {
		case errors.Is(err, ringbuf.ErrFlushed):
			if ctx.Err() != nil {
				return nil
			}
			continue
		case errors.Is(err, os.ErrDeadlineExceeded):
			b.ring.SetDeadline(time.Time{})
			continue
		case errors.Is(err, ringbuf.ErrClosed):
			return nil
		case err != nil:
			return fmt.Errorf("read the ring: %w", err)
		}
		if rec.Remaining == 0 {
			b.again()
		}
		r, err := parseRecord(rec.RawSample)
		if err != nil {
			b.mu.Lock()
			b.bad++
			b.mu.Unlock()
			continue
		}
		b.know.fill(&r)
		if slices.Contains(b.took, r.event.Kind) && b.know.matters(&r.event) {
			r.event.Time = boot.at(r.when)
			see(r.event)
		}
		if ctx.Err() != nil && rec.Remaining == 0 {
			return nil
		}
	}
}

// again has the reader look again after a pause, and tells the programs so: they need not wake it.
func (b *bpfSensor) again() {
	b.ring.SetDeadline(time.Now().Add(pause))
	var up unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &up) == nil {
		_ = b.maps[kernelMapWoken].Put(uint32(0), uint64(up.Nano()))
	}
}

func (b *bpfSensor) drops(add func(deminer.EventKind, uint64)) {
	b.mu.Lock()
	add("", b.bad)
	b.mu.Unlock()
	if b.maps[kernelMapDrops] == nil {
		return
	}
	for n, k := range kinds {
		var each []uint64
		if n == 0 || b.maps[kernelMapDrops].Lookup(uint32(n), &each) != nil {
			continue
		}
		for _, d := range each {
			add(k, d)
		}
	}
}

// check hangs programs up again that somebody took from their place, and names them; what could not be put back is tried again each
// time. Only programs at a control group can be taken from where they hang; all probes together can be switched off.
func (b *bpfSensor) check() (hurt []string) {
	defer func() { b.spec = nil }()
	for name := range cgroupHooks {
		l, away := b.links[name], b.away[name]
		if !away && (l == nil || bpf.Hangs(l)) {
			continue
		}
		if l != nil {
			_ = l.Close() // it hangs nowhere
		}
		err := b.putBack(name)
		b.away[name] = err != nil
		switch text := "the kernel's program " + name + " was taken from its place"; {
		case away: // named before
		case err == nil:
			hurt = append(hurt, text)
		default:
			hurt = append(hurt, text+" and cannot be put back: "+err.Error())
		}
	}
	for name := range b.links {
		if state, err := os.ReadFile("/sys/kernel/debug/kprobes/enabled"); strings.HasPrefix(name, probe) && err == nil && strings.TrimSpace(string(state)) == "0" {
			return append(hurt, "the probes of the kernel were switched off: system calls are not seen")
		}
	}
	return hurt
}

// putBack attaches a program anew.
func (b *bpfSensor) putBack(name string) (err error) {
	delete(b.links, name)
	delete(b.tried, name)
	if b.spec == nil {
		b.spec, err = b.programs()
	}
	if err == nil {
		err = b.attach(name)
	}
	return err
}

func (b *bpfSensor) close() error {
	var errs []error
	for _, l := range b.links {
		errs = append(errs, l.Close())
	}
	if b.ring != nil {
		errs = append(errs, b.ring.Close())
	}
	for _, m := range b.maps {
		errs = append(errs, m.Close())
	}
	if b.root >= 0 {
		errs = append(errs, unix.Close(b.root))
	}
	b.links, b.ring, b.maps, b.root = nil, nil, nil, -1
	return errors.Join(errs...)
}

// clock turns times since boot into times of day; it asks at most once a second, as the clock may be set.
type clock struct {
	zero  time.Time
	asked time.Duration
}

func (c *clock) at(since time.Duration) time.Time {
	if c.zero.IsZero() || since-c.asked > time.Second {
		var up unix.Timespec
		if unix.ClockGettime(unix.CLOCK_BOOTTIME, &up) == nil {
			c.zero, c.asked = time.Now().Add(-time.Duration(up.Nano())).Round(0), since
		}
	}
	return c.zero.Add(since).UTC()
}
