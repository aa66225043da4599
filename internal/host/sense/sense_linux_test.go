//go:build linux

package sense

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host/live"
	"github.com/deminer/deminer/internal/host/rootfs"
)

// watcher collects what is seen.
type watcher struct {
	*Sensors
	mu   sync.Mutex
	seen []deminer.Event
	done chan error
}

// watch watches until the test ends.
func watch(t testing.TB, o Options) *watcher {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("this test needs root")
	}
	l := live.Open()
	o.Look = l
	if o.Agent == 0 {
		o.Agent = os.Getpid()
	}
	w := &watcher{Sensors: Open(o), done: make(chan error, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		w.done <- w.Watch(ctx, func(e deminer.Event) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.seen = append(w.seen, e)
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-w.done; err != nil {
			t.Error(err)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		l.Close()
	})
	return w
}

// facet gives the line of a kind.
func (w *watcher) facet(k deminer.EventKind) deminer.Sense {
	for _, f := range w.Facets() {
		if f.Kind == k {
			return f
		}
	}
	return deminer.Sense{}
}

// wait looks for an event that is right, for as long as a slow machine may need.
func (w *watcher) wait(t *testing.T, what string, right func(*deminer.Event) bool) (deminer.Event, bool) {
	t.Helper()
	var close []deminer.Event
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		w.mu.Lock()
		for i := range w.seen {
			if e := w.seen[i]; right(&e) {
				w.mu.Unlock()
				return e, true
			}
		}
		w.mu.Unlock()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	close = w.seen[max(0, len(w.seen)-30):]
	t.Errorf("not seen: %s; the last that was:\n%s", what, lines(close))
	return deminer.Event{}, false
}

func lines(list []deminer.Event) string {
	var b strings.Builder
	for _, e := range list {
		fmt.Fprintf(&b, "  %+v\n", e)
	}
	return b.String()
}

// run plays a role in a child to its end and gives its pid and what it said.
func run(t testing.TB, role, arg string) (int, string) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), roleVar+"="+role, argVar+"="+arg)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if errs.Len() > 0 || cmd.ProcessState == nil {
		t.Fatalf("%s: %v %s", role, err, errs.String())
	}
	return cmd.Process.Pid, strings.TrimSpace(out.String())
}

// seeing is a thing that a child does and what must be seen of it.
type seeing struct {
	role  string
	kind  deminer.EventKind
	arg   func(t *testing.T) string
	right func(e *deminer.Event, arg, said string) bool
}

func seeings() []seeing {
	dir := func(t *testing.T) string { return t.TempDir() }
	self := func() string { s, _ := os.Executable(); return s }
	return []seeing{
		{"nothing", deminer.EventFork, nil, func(e *deminer.Event, _, _ string) bool { return e.Parent == os.Getpid() }},
		{"nothing", deminer.EventExec, nil, func(e *deminer.Event, _, _ string) bool {
			return string(e.Exe) == self() && slices.Equal(e.Argv, []deminer.Raw{"/proc/self/exe"}) && e.Parent == os.Getpid() && e.Comm != "" && !e.Deleted
		}},
		{"nothing", deminer.EventExit, nil, func(e *deminer.Event, _, _ string) bool { return e.Code == 7<<8 && string(e.Exe) == self() }},
		{"exec", deminer.EventExec, nil, func(e *deminer.Event, _, _ string) bool {
			return e.Exe == "/usr/bin/true" && e.Comm == "true" && slices.Equal(e.Argv, []deminer.Raw{"/bin/true", "argument", "\xff\n", ""})
		}},
		{"exec memfd", deminer.EventExec, nil, func(e *deminer.Event, _, _ string) bool {
			return e.Exe == "/memfd:hidden" && e.Memfd && e.Deleted && slices.Equal(e.Argv, []deminer.Raw{"true", "kworker/0:0"})
		}},
		{"exec deleted", deminer.EventExec, dir, func(e *deminer.Event, arg, _ string) bool {
			return string(e.Exe) == filepath.Join(arg, "gone") && !e.Memfd && e.Deleted
		}},
		{"connect", deminer.EventConnect, server("tcp4"), connected},
		{"connect", deminer.EventConnect, server("tcp6"), connected},
		{"connect", deminer.EventFlow, server("tcp4"), func(e *deminer.Event, arg, _ string) bool {
			return e.Sent && !e.Inbound && e.Piece == 0 && e.Data == login && e.Remote == arg && strings.HasPrefix(e.Local, "127.0.0.1:") && e.Proto == "tcp" && string(e.Exe) == self()
		}},
		{"connect", deminer.EventFlow, server("tcp6"), func(e *deminer.Event, arg, _ string) bool {
			return !e.Sent && !e.Inbound && e.Data == "answer\n" && e.Remote == arg
		}},
		{"bind", deminer.EventBind, func(*testing.T) string { return "127.0.0.1:0" }, func(e *deminer.Event, _, _ string) bool { return e.Local == "127.0.0.1:0" && e.Proto == "tcp" }},
		{"bind", deminer.EventBind, func(*testing.T) string { return "[::1]:0" }, func(e *deminer.Event, _, _ string) bool { return e.Local == "[::1]:0" && e.Proto == "tcp" }},
		{"ask", deminer.EventDNS, domain, func(e *deminer.Event, arg, _ string) bool {
			return e.Data == "reply" && e.Remote == arg && e.Proto == "udp"
		}},
		{"ask unconnected", deminer.EventDNS, domain, func(e *deminer.Event, arg, _ string) bool { return e.Data == "reply" && e.Remote == arg }},
		{"flags", deminer.EventFlags, func(t *testing.T) string { return filepath.Join(t.TempDir(), "file") }, func(e *deminer.Event, arg, _ string) bool { return string(e.Path) == arg && e.Code == 0x40 }},
		{"mmap", deminer.EventAnonExec, nil, nil},
		{"mprotect", deminer.EventAnonExec, nil, nil},
		{"bpf", deminer.EventBPF, nil, func(e *deminer.Event, _, _ string) bool { return e.Name == "testprog" && e.Code == 1 }},
		{"mount", deminer.EventMount, nil, func(e *deminer.Event, _, _ string) bool { return e.Path == "/proc/1/no-such-directory" }},
		{"ptrace", deminer.EventPtrace, nil, func(e *deminer.Event, _, said string) bool { return strconv.Itoa(e.Target) == said }},
		{"write memory", deminer.EventMemWrite, nil, func(e *deminer.Event, _, said string) bool { return strconv.Itoa(e.Target) == said }},
		{"open memory", deminer.EventMemWrite, nil, func(e *deminer.Event, _, _ string) bool { return e.Path == "/proc/self/mem" }},
		{"setuid", deminer.EventUID, nil, func(e *deminer.Event, _, _ string) bool { return e.ToUID == 65534 && e.ToEUID == 65534 }},
		{"signal", deminer.EventSignal, nil, func(e *deminer.Event, _, _ string) bool {
			return e.Code == int64(syscall.SIGUSR1) && e.Target == os.Getpid()
		}},
	}
}

func connected(e *deminer.Event, arg, _ string) bool { return e.Remote == arg && e.Proto == "tcp" }

// server answers one line to all who connect.
func server(network string) func(t *testing.T) string {
	return func(t *testing.T) string {
		l, err := net.Listen(network, map[string]string{"tcp4": "127.0.0.1:0", "tcp6": "[::1]:0"}[network])
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = c.Read(make([]byte, 1024))
				_, _ = io.WriteString(c, "answer\n")
				c.Close()
			}
		}()
		return l.Addr().String()
	}
}

// domain answers questions on port 53 of a loopback address that nobody uses.
func domain(t *testing.T) string {
	c, err := net.ListenPacket("udp", "127.53.53.53:53")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	go func() {
		b := make([]byte, 256)
		for {
			_, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = c.WriteTo([]byte("reply"), from)
		}
	}()
	return c.LocalAddr().String()
}

func TestEachKindIsSeen(t *testing.T) {
	usr1 := make(chan os.Signal, 8)
	signal.Notify(usr1, syscall.SIGUSR1)
	defer signal.Stop(usr1)
	w := watch(t, Options{Want: deminer.EventKinds()})
	t.Logf("%s", facets(w))
	for _, f := range w.Facets() {
		// Linux without modules has no place to watch them; the rest must be seen in the kernel.
		if _, can := hooks[f.Kind]; can && f.Kind != deminer.EventModule && (f.Sensor != deminer.SensorBPF || strings.Contains(f.Lost, unowned)) {
			t.Errorf("%s is seen by %q, lost: %s, why: %v", f.Kind, f.Sensor, f.Lost, f.Why)
		}
	}
	see(t, w, seeings())
	if module := "/modules/dummy.ko"; os.Getenv("DEMINER_GUEST") != "" { // a kernel that is there for tests, see test/guest
		see(t, w, []seeing{{"module", deminer.EventModule, func(*testing.T) string { return module }, func(e *deminer.Event, _, _ string) bool { return e.Name == "dummy" }}})
	}
	if d := w.Drops(); len(d) != 0 {
		t.Errorf("lost: %v", d)
	}
}

// TestCallsWithoutProbes watches system calls with the one program that runs at each, as on kernels without probes.
func TestCallsWithoutProbes(t *testing.T) {
	w := watch(t, Options{Want: deminer.EventKinds(), NoProbes: true})
	see(t, w, slices.DeleteFunc(seeings(), func(s seeing) bool {
		if calls := hooks[s.kind].calls; len(calls) == 0 {
			return true
		}
		if f := w.facet(s.kind); f.How != allCalls {
			t.Errorf("%+v", f)
		}
		return false
	}))
}

func facets(w *watcher) string {
	var b strings.Builder
	for _, f := range w.Facets() {
		fmt.Fprintf(&b, "%-15s %-15s %s; lost: %s; %v\n", f.Kind, f.Sensor, f.How, f.Lost, f.Why)
	}
	return b.String()
}

// see plays the roles whose kinds a sensor claims.
func see(t *testing.T, w *watcher, list []seeing) {
	for _, s := range list {
		f := w.facet(s.kind)
		if f.Sensor == deminer.SensorNone {
			continue
		}
		t.Run(s.role+" is seen as "+string(s.kind), func(t *testing.T) {
			arg := ""
			if s.arg != nil {
				arg = s.arg(t)
			}
			begin := time.Now().Add(-time.Second)
			pid, said := run(t, s.role, arg)
			e, ok := w.wait(t, string(s.kind), func(e *deminer.Event) bool {
				return e.Kind == s.kind && e.Proc.PID == pid && (s.right == nil || s.right(e, arg, said))
			})
			if !ok {
				return
			}
			if e.Sensor != f.Sensor || e.Proc.Start == 0 || e.Time.Before(begin) || e.Time.After(time.Now().Add(time.Second)) || e.Denied {
				t.Errorf("got %+v", e)
			}
		})
	}
}

// TestEachSensorCanBeMissing takes the sensors away one after the other and one at a time: each kind goes to the best of the rest,
// and says of each better one why it is not in force.
func TestEachSensorCanBeMissing(t *testing.T) {
	order := []deminer.Sensor{deminer.SensorBPF, deminer.SensorFanotify, deminer.SensorConnector, deminer.SensorSockDiag, deminer.SensorPoll}
	can := map[deminer.Sensor]func(deminer.EventKind) bool{
		deminer.SensorBPF:       func(k deminer.EventKind) bool { _, ok := hooks[k]; return ok && k != deminer.EventModule },
		deminer.SensorFanotify:  func(k deminer.EventKind) bool { return k == deminer.EventFile },
		deminer.SensorConnector: func(k deminer.EventKind) bool { _, ok := connectorKinds[k]; return ok },
		deminer.SensorSockDiag:  func(k deminer.EventKind) bool { _, ok := socketKinds[k]; return ok },
		deminer.SensorPoll:      func(k deminer.EventKind) bool { _, ok := pollKinds[k]; return ok },
	}
	l := live.Open()
	defer l.Close()
	fsys, err := rootfs.Open("/")
	if err != nil {
		t.Fatal(err)
	}
	check := func(without []deminer.Sensor) {
		s := Open(Options{Want: deminer.EventKinds(), Without: without, Look: l, FS: fsys, Dirs: []string{"/etc"}})
		defer s.Close()
		for _, f := range s.Facets() {
			want := deminer.SensorNone
			for _, o := range order {
				if can[o](f.Kind) && !slices.Contains(without, o) {
					want = o
					break
				}
			}
			// A kernel with modules has a hook for them, too.
			if f.Sensor != want && (f.Kind != deminer.EventModule || f.Sensor != deminer.SensorBPF) {
				t.Errorf("without %q: %s is seen by %q, want %q", without, f.Kind, f.Sensor, want)
			}
			for _, o := range without {
				named := slices.Contains(f.Why, string(o)+": not to be used")
				if better := f.Sensor == deminer.SensorNone || slices.Index(order, o) < slices.Index(order, f.Sensor); named != better {
					t.Errorf("without %q: of %s: %+v", without, f.Kind, f)
				}
			}
			if (f.Sensor == deminer.SensorNone) != (f.Lost == "everything") {
				t.Errorf("without %q: %+v", without, f)
			}
		}
	}
	for i := range order {
		check(order[:i+1])
		check(order[i : i+1])
	}
}

// TestConnectorStandsIn takes the programs in the kernel away.
func TestConnectorStandsIn(t *testing.T) {
	t.Setenv(lingerVar, "1s")
	w := watch(t, Options{Want: deminer.EventKinds(), Without: []deminer.Sensor{deminer.SensorBPF}})
	for k := range connectorKinds {
		if f := w.facet(k); f.Sensor != deminer.SensorConnector || f.Lost == "" || !slices.Contains(f.Why, "ebpf: not to be used") {
			t.Errorf("%+v", f)
		}
	}
	see(t, w, slices.DeleteFunc(seeings(), func(s seeing) bool {
		// What becomes another program does not linger.
		return w.facet(s.kind).Sensor != deminer.SensorConnector || strings.HasPrefix(s.role, "exec")
	}))
}

func TestLongCommandLineIsCompleted(t *testing.T) {
	w := watch(t, Options{Want: []deminer.EventKind{deminer.EventExec}})
	pid, _ := run(t, "exec long", "")
	e, ok := w.wait(t, "a long command line", func(e *deminer.Event) bool { return e.Proc.PID == pid && e.Comm == "true" })
	want := append([]deminer.Raw{"/bin/true"}, raws(long())...)
	// /bin/true may have ended before it was asked for the rest: then the event must say that there was more.
	if ok && !slices.Equal(e.Argv, want) && !e.ArgvCut {
		t.Errorf("%d of %d arguments and no word of it: %+v", len(e.Argv), len(want), e)
	}
}

func raws(list []string) (out []deminer.Raw) {
	for _, s := range list {
		out = append(out, deminer.Raw(s))
	}
	return out
}
