//go:build linux

package live

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"

	"github.com/deminer/deminer"
	"golang.org/x/sys/unix"
)

// Limits of one look at the sockets.
const (
	maxSockets    = 200000
	maxNamespaces = 1024
	maxFDs        = 1 << 20 // file descriptors of all processes
	maxNetFile    = 32 << 20
)

// Sockets lists TCP, UDP, raw and packet sockets of each network namespace that one of procs lives in. TCP sockets in the
// state time-wait belong to nobody and are left out.
func (l *Live) Sockets(ctx context.Context, procs []deminer.Process) ([]deminer.Socket, []deminer.Gap) {
	if l.proc == nil {
		return nil, []deminer.Gap{{Part: partSockets, State: deminer.Failed, What: "/proc", Why: l.err.Error()}}
	}
	s := &netLook{proc: l.proc, diag: l.mayAsk("inet_diag", "tcp_diag", "udp_diag")}
	if s.diag != nil {
		s.gap(deminer.Partial, "sock_diag", s.diag)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		// The thread visits other namespaces. It comes back, but if that failed it must not be used again.
		runtime.LockOSThread()
		if s.visit(ctx, procs) {
			runtime.UnlockOSThread()
		}
	}()
	<-done
	s.owners(ctx, procs)
	return s.sockets, s.gaps
}

type netLook struct {
	proc    *procfs
	diag    error // why sock_diag may not be used; nil: it may
	sockets []deminer.Socket
	gaps    []deminer.Gap
}

func (s *netLook) gap(state deminer.GapState, what string, err error) {
	s.gaps = append(s.gaps, deminer.Gap{Part: partSockets, State: state, What: what, Why: err.Error()})
}

// visit goes through the network namespaces and reports whether the thread is back in its own.
func (s *netLook) visit(ctx context.Context, procs []deminer.Process) bool {
	home, err := openRetry(s.proc.fd, "thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC)
	if err != nil {
		s.gap(deminer.Failed, "/proc/thread-self/ns/net", err)
		return true
	}
	defer unix.Close(home)
	var st unix.Stat_t
	if err := unix.Fstat(home, &st); err != nil {
		s.gap(deminer.Failed, "/proc/thread-self/ns/net", err)
		return true
	}
	s.namespace("thread-self", st.Ino)
	seen := map[uint64]bool{0: true, st.Ino: true}
	for i := range procs {
		p := &procs[i]
		if seen[p.NetNS] || p.Gone {
			continue
		}
		if len(seen) > maxNamespaces || ctx.Err() != nil {
			s.gap(deminer.Partial, "network namespaces", fmt.Errorf("%d were visited, not all", len(seen)-1))
			break
		}
		if s.enter(p.ID.PID, p.NetNS) {
			seen[p.NetNS] = true
		}
	}
	if err := unix.Setns(home, unix.CLONE_NEWNET); err != nil && len(seen) > 2 {
		s.gap(deminer.Partial, "network namespace", fmt.Errorf("go back to the own one: %w", err))
		return false
	}
	return true
}

// enter looks at the namespace of a process.
func (s *netLook) enter(pid int, ns uint64) bool {
	name := strconv.Itoa(pid)
	fd, err := openRetry(s.proc.fd, name+"/ns/net", unix.O_RDONLY|unix.O_CLOEXEC)
	if err != nil {
		if !gone(err) {
			s.gap(deminer.Failed, "network namespace of process "+name, err)
		}
		return false
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Ino != ns {
		return false // the number was used again
	}
	if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
		s.gap(deminer.Failed, "network namespace of process "+name, fmt.Errorf("enter it: %w", err))
		return true
	}
	s.namespace("thread-self", ns)
	return true
}

// namespace lists the sockets of the namespace the thread is in, by netlink and by /proc/net, and compares the two.
func (s *netLook) namespace(self string, ns uint64) {
	from := len(s.sockets)
	listed, err := s.listed(self)
	if err != nil {
		s.gap(deminer.Partial, "/proc/net", err)
	}
	asked := listed
	if s.diag == nil {
		if asked, err = askAll(); err != nil {
			s.gap(deminer.Partial, "sock_diag", err)
			asked = merge(asked, listed)
		} else {
			asked = s.compare(self, asked, listed)
		}
	}
	room := max(0, maxSockets-from)
	if len(asked) > room {
		s.gap(deminer.Partial, "sockets", fmt.Errorf("%d are there, %d were kept", from+len(asked), maxSockets))
		asked = asked[:room]
	}
	s.sockets = append(s.sockets, asked...)
	for i := from; i < len(s.sockets); i++ {
		s.sockets[i].NetNS = ns
	}
	s.frames(self, ns)
}

// kinds are the files of /proc/PID/net that netlink can be compared with.
var kinds = [...]struct {
	file, proto   string
	family, ipNum byte
}{
	{"tcp", "tcp", familyInet, protoTCP}, {"tcp6", "tcp", familyInet6, protoTCP},
	{"udp", "udp", familyInet, protoUDP}, {"udp6", "udp", familyInet6, protoUDP},
}

// listed reads /proc/net.
func (s *netLook) listed(self string) ([]deminer.Socket, error) {
	var out []deminer.Socket
	var errs error
	buf := make([]byte, 0, 64<<10)
	for _, k := range kinds {
		b, err := s.proc.read(self+"/net/"+k.file, buf, maxNetFile)
		if err != nil && !errors.Is(err, unix.ENOENT) { // without IPv6 there is no tcp6
			errs = errors.Join(errs, fmt.Errorf("read /proc/net/%s: %w", k.file, err))
		}
		parseNet(b, k.proto, func(s deminer.Socket) { out = append(out, s) })
		buf = b[:0]
	}
	return out, errs
}

// frames adds raw and packet sockets, which only /proc/net lists everywhere.
func (s *netLook) frames(self string, ns uint64) {
	add := func(k deminer.Socket) {
		k.NetNS = ns
		s.sockets = append(s.sockets, k)
	}
	buf := make([]byte, 0, 16<<10)
	for _, file := range [...]string{"raw", "raw6", "packet"} {
		b, err := s.proc.read(self+"/net/"+file, buf, 1<<20)
		if err != nil && !errors.Is(err, unix.ENOENT) {
			s.gap(deminer.Partial, "/proc/net/"+file, err)
		}
		if file == "packet" {
			parsePacket(b, add)
		} else {
			parseNet(b, "raw", add)
		}
	}
}

// inodes of the sockets that have one.
func inodes(list []deminer.Socket) map[uint64]bool {
	out := make(map[uint64]bool, len(list))
	for _, s := range list {
		if s.Inode != 0 {
			out[s.Inode] = true
		}
	}
	return out
}

// merge adds those of b whose inode a lacks.
func merge(a, b []deminer.Socket) []deminer.Socket {
	have := inodes(a)
	for _, s := range b {
		if s.Inode != 0 && !have[s.Inode] {
			a = append(a, s)
		}
	}
	return a
}

// compare finds sockets that one view lacks three times in a row while the other shows them; all are kept.
func (s *netLook) compare(self string, asked, listed []deminer.Socket) []deminer.Socket {
	all := merge(slices.Clone(asked), listed)
	a, b := inodes(asked), inodes(listed)
	noList := func(n uint64) bool { return a[n] && !b[n] }
	noDiag := func(n uint64) bool { return b[n] && !a[n] }
	missList, missDiag := pick(all, noList), pick(all, noDiag)
	for round := 0; round < 2 && len(missList)+len(missDiag) > 0; round++ {
		l, err1 := s.listed(self)
		d, err2 := askAll()
		if err1 != nil || err2 != nil {
			return all
		}
		a, b = inodes(d), inodes(l)
		missList, missDiag = pick(missList, noList), pick(missDiag, noDiag)
	}
	s.disagree(missList, "netlink shows this socket and /proc/net does not, three times in a row: something hides it")
	s.disagree(missDiag, "/proc/net shows this socket and netlink does not, three times in a row: something hides it")
	return all
}

func pick(list []deminer.Socket, keep func(uint64) bool) []deminer.Socket {
	var out []deminer.Socket
	for _, s := range list {
		if s.Inode != 0 && keep(s.Inode) {
			out = append(out, s)
		}
	}
	return out
}

func (s *netLook) disagree(list []deminer.Socket, why string) {
	for i, k := range list {
		if i == 100 {
			return
		}
		s.gap(deminer.Partial, k.Proto+" "+k.Local+" "+k.Remote, errors.New(why))
	}
}
