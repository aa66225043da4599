//go:build linux

package deny

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
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

const graceTime = 5 * time.Minute

// settings are struct config of bpf/record.h.
type settings struct {
	Until  uint64
	Modes  [4]Mode
	Groups uint32
	Turn   uint32
}

// sockets are the programs that refuse what goes over sockets.
type sockets struct {
	o     *Options
	maps  map[string]*ebpf.Map
	links map[string]link.Link
	ring  *ringbuf.Reader
	mu    sync.Mutex
	set   settings
	done  sync.WaitGroup
	holds *holds
}

// kept are the maps that a next process takes over where Pin is given.
var kept = []string{kernelMapCuts, kernelMapGroups, kernelMapPools, kernelMapHeld}

// hooks are where the programs hang.
var hooks = map[string]ebpf.AttachType{
	kernelProgOnConnect4: ebpf.AttachCGroupInet4Connect, kernelProgOnConnect6: ebpf.AttachCGroupInet6Connect,
	kernelProgOnIngress: ebpf.AttachCGroupInetIngress, kernelProgOnEgress: ebpf.AttachCGroupInetEgress,
}

// openSockets puts all programs for sockets in force or none: one without the other would cut half of a connection. The program that
// holds stands alone: hold says why it is not in force.
func openSockets(o *Options, n *counters) (s *sockets, hold, err error) {
	// Not turn 0: each socket is looked up in cuts once, for an earlier process may have cut it.
	s = &sockets{o: o, maps: map[string]*ebpf.Map{}, links: map[string]link.Link{}, set: settings{Turn: 1}}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close(false))
		}
	}()
	spec, err := s.prepare()
	if err != nil {
		return s, nil, err
	}
	types := btf.NewCache()
	if o.Hold {
		hold = s.openHolds(spec, types, n)
	}
	if o.Group == "" {
		return s, hold, nil
	}
	group, err := openGroup(o.Group)
	if err != nil {
		return s, hold, err
	}
	defer unix.Close(group)
	for name, at := range hooks {
		err := s.attach(spec, types, name, func(p *ebpf.Program) (link.Link, error) {
			return link.AttachRawLink(link.RawLinkOptions{Target: group, Program: p, Attach: at})
		})
		if err != nil {
			return s, hold, err
		}
	}
	return s, hold, s.pin()
}

// prepare reads the programs and makes what they share.
func (s *sockets) prepare() (*ebpf.CollectionSpec, error) {
	if err := rlimit.RemoveMemlock(); err != nil { // before Linux 5.11 maps count as locked memory
		return nil, fmt.Errorf("lift the limit of locked memory: %w", err)
	}
	spec, err := loadKernel()
	if err != nil {
		return nil, fmt.Errorf("read the programs: %w", err)
	}
	home, err := bpf.Home()
	if err != nil {
		return nil, err
	}
	if err := errors.Join(newMachine().into(spec), spec.Variables[kernelVarHome].Set(home)); err != nil {
		return nil, fmt.Errorf("set up the programs: %w", err)
	}
	if s.o.Pin != "" {
		if err := os.MkdirAll(s.o.Pin, 0o700); err != nil {
			return nil, fmt.Errorf("%w: make the place: %w", errPin, err)
		}
	}
	if err := s.makeMaps(spec); err != nil {
		return nil, err
	}
	for class, mode := range s.o.Modes {
		if err := s.mode(class, mode); err != nil {
			return nil, err
		}
	}
	return spec, s.beat()
}

// into puts the tables into the programs.
func (m *machine) into(spec *ebpf.CollectionSpec) error {
	v := spec.Variables
	return errors.Join(v[kernelVarTableNext].Set(m.next), v[kernelVarTableFlags].Set(m.flags), v[kernelVarTableDepth].Set(m.depth), v[kernelVarTableStay].Set(m.stay),
		v[kernelVarTableWhere].Set(m.where), v[kernelVarTableKeep].Set(m.keep), v[kernelVarTableHit].Set(m.hit), v[kernelVarTableGo].Set(m.run))
}

func (s *sockets) makeMaps(spec *ebpf.CollectionSpec) (err error) {
	for _, name := range []string{kernelMapConfig, kernelMapRing, kernelMapDrops, kernelMapFlows} {
		if s.maps[name], err = ebpf.NewMap(spec.Maps[name]); err != nil {
			delete(s.maps, name)
			return fmt.Errorf("make map %s: %w", name, err)
		}
	}
	for _, name := range kept {
		one, opt := spec.Maps[name].Copy(), ebpf.MapOptions{}
		if s.o.Pin != "" {
			one.Pinning, opt.PinPath = ebpf.PinByName, s.o.Pin
		}
		m, err := ebpf.NewMapWithOptions(one, opt)
		if err != nil && s.o.Pin != "" && !errors.Is(err, ebpf.ErrMapIncompatible) {
			return fmt.Errorf("%w: map %s: %w", errPin, name, err)
		}
		if errors.Is(err, ebpf.ErrMapIncompatible) { // of another version: it cannot be taken over
			if err := os.Remove(filepath.Join(s.o.Pin, name)); err != nil {
				return fmt.Errorf("replace map %s: %w", name, err)
			}
			m, err = ebpf.NewMapWithOptions(one, opt)
		}
		if err != nil {
			return fmt.Errorf("make map %s: %w", name, err)
		}
		s.maps[name] = m
	}
	if s.ring, err = ringbuf.NewReader(s.maps[kernelMapRing]); err != nil {
		return fmt.Errorf("read the ring: %w", err)
	}
	return nil
}

// attach loads one program and hangs it at its place.
func (s *sockets) attach(spec *ebpf.CollectionSpec, types *btf.Cache, name string, hang func(*ebpf.Program) (link.Link, error)) error {
	one := spec.Copy()
	for other := range one.Programs {
		if other != name {
			delete(one.Programs, other)
		}
	}
	use, need := map[string]*ebpf.Map{}, map[string]bool{}
	for _, ins := range one.Programs[name].Instructions {
		m := ins.Reference()
		if need[m] = true; s.maps[m] != nil {
			use[m] = s.maps[m]
		}
	}
	for m := range one.Maps {
		if !need[m] && m[0] != '.' {
			delete(one.Maps, m)
		} else if one.Maps[m].Pinning != ebpf.PinNone {
			one.Maps[m].Pinning = ebpf.PinNone
		}
	}
	c, err := ebpf.NewCollectionWithOptions(one, ebpf.CollectionOptions{MapReplacements: use, Cache: types})
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	defer c.Close()
	l, err := hang(c.Programs[name])
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	s.links[name] = l
	return nil
}

// openGroup opens a control group; "/" through a mount of the hierarchy that is attached nowhere.
func openGroup(name string) (int, error) {
	if name != "/" {
		fd, err := unix.Open(name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return -1, &os.PathError{Op: "open control group", Path: name, Err: err}
		}
		var st unix.Statfs_t
		if err := unix.Fstatfs(fd, &st); err != nil || st.Type != unix.CGROUP2_SUPER_MAGIC {
			unix.Close(fd)
			return -1, fmt.Errorf("%q is no control group of the unified hierarchy", name)
		}
		return fd, nil
	}
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

// errPin: what is there could be had, but not be kept beyond the end of this process.
var errPin = errors.New("pin what is refused")

// pinPlace is where this process pins: beside the place of others where it is in a PID namespace of its own.
func pinPlace(pin string) (string, error) {
	home, err := bpf.Home()
	if err != nil {
		return "", fmt.Errorf("%w: %w", errPin, err)
	}
	if home != 0 {
		pin += "-" + strconv.FormatUint(uint64(home), 10)
	}
	return pin, nil
}

// pin keeps the programs beyond the end of this process, and lets go of those that an earlier one left: for a moment both are in
// force, but never neither.
func (s *sockets) pin() error {
	if s.o.Pin == "" {
		return nil
	}
	for name, l := range s.links {
		if name == kernelProgOnExec {
			continue // it must not stop anybody when there is nobody to let go again
		}
		at := filepath.Join(s.o.Pin, name)
		if err := os.Remove(at); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("%w: let go of the program of an earlier process: %w", errPin, err)
		}
		if err := l.Pin(at); err != nil {
			return fmt.Errorf("%w: program %s: %w", errPin, name, err)
		}
	}
	return nil
}

// Lift takes away what a process of this PID namespace that ended without Close has left at a Pin, and lets go whom it had stopped.
// Nothing there is no error.
func Lift(pin string) error {
	pin, err := pinPlace(pin)
	if err != nil {
		return err
	}
	return lift(pin)
}

func lift(pin string) error {
	if _, err := os.Lstat(pin); errors.Is(err, os.ErrNotExist) {
		return nil // asked first: in a place that is read-only, taking away nothing fails, too
	}
	var failed []error
	if m, err := ebpf.LoadPinnedMap(filepath.Join(pin, kernelMapHeld), nil); err == nil { // whom it stopped nobody else will let go
		(&holds{list: m}).release()
		failed = append(failed, m.Close())
	}
	for name := range hooks {
		failed = append(failed, os.Remove(filepath.Join(pin, name)))
	}
	for _, name := range kept {
		failed = append(failed, os.Remove(filepath.Join(pin, name)))
	}
	failed = append(failed, os.Remove(pin))
	for i, err := range failed {
		if errors.Is(err, os.ErrNotExist) {
			failed[i] = nil
		}
	}
	return errors.Join(failed...)
}

// now is the clock of the programs.
func now() (uint64, error) {
	var up unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &up); err != nil {
		return 0, fmt.Errorf("ask the clock: %w", err)
	}
	return uint64(up.Nano()), nil
}

// at turns a time of day into one of the programs' clock; the zero time is 0.
func at(t time.Time) (uint64, error) {
	if t.IsZero() {
		return 0, nil
	}
	n, err := now()
	if left := time.Until(t); err == nil && left > 0 {
		return n + uint64(left), nil
	}
	return 1, err // it is over
}

// beat says that somebody is there.
func (s *sockets) beat() error {
	n, err := now()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set.Until = n + uint64(s.o.Grace)
	return s.write()
}

// write gives the programs their settings.
func (s *sockets) write() error {
	if err := s.maps[kernelMapConfig].Put(uint32(0), &s.set); err != nil {
		return fmt.Errorf("set what is refused: %w", err)
	}
	return nil
}

// check names what is not as it was put there.
func (s *sockets) check() (hurt []string) {
	for name, l := range s.links {
		if name == kernelProgOnExec {
			continue // it can be taken from its place only by this process
		}
		if !bpf.Hangs(l) {
			hurt = append(hurt, "the kernel's program "+name+" was taken from its place")
		}
		if _, err := os.Lstat(filepath.Join(s.o.Pin, name)); s.o.Pin != "" && errors.Is(err, os.ErrNotExist) {
			hurt = append(hurt, "the pin of the kernel's program "+name+" was removed: it would not outlive this process")
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var is settings
	if err := s.maps[kernelMapConfig].Lookup(uint32(0), &is); err == nil && is != s.set {
		hurt = append(hurt, "the settings of the kernel's programs were changed")
		if err := s.write(); err != nil {
			hurt = append(hurt, reason(err))
		}
	}
	return hurt
}

// read tells of what was refused until the ring is closed.
func (s *sockets) read() {
	var rec ringbuf.Record
	for {
		err := s.ring.ReadInto(&rec)
		if errors.Is(err, ringbuf.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(time.Millisecond)
			continue
		}
		r, when, err := parseRecord(rec.RawSample)
		if err != nil {
			continue
		}
		r.Event.Time = time.Now().UTC()
		if n, err := now(); err == nil {
			r.Event.Time = r.Event.Time.Add(when - time.Duration(n))
		}
		switch {
		case r.Event.Kind == deminer.EventExec:
			s.holds.take(r)
		case s.o.See != nil:
			s.o.See(r)
		}
	}
}

// tend beats, and forgets pools whose time is over.
func (s *sockets) tend(stop <-chan struct{}) {
	tick := time.NewTicker(s.o.Grace / 4)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
			_ = s.beat()
			s.sweep()
		}
	}
}

func (s *sockets) untold() (sum uint64) {
	for class := range classes {
		var each []uint64
		if s.maps[kernelMapDrops].Lookup(uint32(class), &each) == nil {
			for _, n := range each {
				sum += n
			}
		}
	}
	return sum
}

// close ends the programs, or leaves them in force for the time of grace where they are pinned.
func (s *sockets) close(leave bool) error {
	var errs []error
	if leave {
		errs = append(errs, s.beat())
	}
	for name, l := range s.links {
		if s.o.Pin != "" && !leave {
			if err := os.Remove(filepath.Join(s.o.Pin, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
				errs = append(errs, err)
			}
		}
		errs = append(errs, l.Close())
	}
	if s.ring != nil {
		errs = append(errs, s.ring.Close())
	}
	s.done.Wait()
	if s.holds != nil {
		s.holds.close()
	}
	for _, m := range s.maps {
		errs = append(errs, m.Close())
	}
	if s.o.Pin != "" && !leave {
		errs = append(errs, lift(s.o.Pin))
	}
	return errors.Join(errs...)
}

// reason is an error in one line.
func reason(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
