//go:build linux

package deny

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/deminer/deminer"
)

// told collects refusals.
type told struct {
	mu   sync.Mutex
	list []Refusal
}

func (s *told) see(r Refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, r)
}

func (s *told) wait(t *testing.T, n int) []Refusal {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		s.mu.Lock()
		list := s.list
		s.mu.Unlock()
		if len(list) >= n {
			return list
		}
		if time.Now().After(end) {
			t.Fatalf("told of %d, want %d: %+v", len(list), n, list)
		}
	}
}

// watched puts the programs in force for one group.
func watched(t testing.TB, g group, modes map[Class]Mode, o Options) (*Guard, *told) {
	t.Helper()
	var s told
	o.Group, o.Modes, o.See = g.dir, modes, s.see
	d := Open(o)
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, f := range d.Facets() {
		if f.Sensor == deminer.SensorNone {
			t.Fatalf("not in force: %+v", f)
		}
	}
	return d, &s
}

var blocking = map[Class]Mode{Login: Block, LoginLike: Alert, Pool: Block}

// soon is how long an answer may take that does not come.
const soon = 300 * time.Millisecond

// TestLoginsAreCut says each login at once, in small pieces and byte by byte, plain and in WebSocket frames, over IPv4 and IPv6.
func TestLoginsAreCut(t *testing.T) {
	g := newGroup(t)
	_, s := watched(t, g, blocking, Options{})
	n := 0
	var all sync.WaitGroup
	turn := make(chan struct{}, 8)
	var pools []*pool
	for _, at := range []string{"127.0.0.1:0", "[::1]:0"} {
		for _, ws := range []bool{false, true} {
			p := serve(t, at, ws)
			if !ws {
				pools = append(pools, p)
			}
			for _, piece := range []int{0, 7, 1} {
				for _, line := range logins {
					lines := strings.SplitAfter(strings.TrimSuffix(line, "\n"), "\n")
					n++
					turn <- struct{}{}
					all.Go(func() {
						if got := g.talk(t, talk{Addr: p.Addr().String(), WebSocket: ws, Piece: piece, Lines: lines, Wait: soon}); got.Silent != 1 {
							t.Errorf("%s websocket %v, pieces of %d: %q: %+v", at, ws, piece, line, got)
						}
						<-turn
					})
				}
			}
		}
	}
	all.Wait()
	for _, p := range pools {
		for _, got := range p.bytes() {
			if newMachine().step(got)&hitProof != 0 {
				t.Errorf("the pool got %q", got)
			}
		}
	}
	for _, r := range s.wait(t, n) {
		if e := r.Event; r.Class != Login || !e.Denied || e.Kind != deminer.EventFlow || !e.Sent || e.Proc.PID == 0 || e.Proc.Start == 0 || r.Cookie == 0 || r.Cgroup == 0 || e.Remote == "" || e.Data == "" {
			t.Errorf("told: %+v", r)
		}
	}
}

// TestOthersPass: what is no login gets its answer, plain and in frames, at once and byte by byte; what is like one, too, and is told.
func TestOthersPass(t *testing.T) {
	g := newGroup(t)
	_, s := watched(t, g, blocking, Options{})
	for _, ws := range []bool{false, true} {
		p := serve(t, "127.0.0.1:0", ws)
		for _, piece := range []int{0, 1} {
			for _, line := range append(others, likes...) {
				if got := g.talk(t, talk{Addr: p.Addr().String(), WebSocket: ws, Piece: piece, Lines: []string{strings.TrimSuffix(line, "\n") + "\n"}}); got.Answered != 1 {
					t.Errorf("websocket %v, pieces of %d: %q: %+v", ws, piece, line, got)
				}
			}
		}
		post := "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n" + btcSub
		if got := g.talk(t, talk{Addr: p.Addr().String(), Lines: []string{post, btcSub}, Wait: soon}); !ws && got.Answered != 1 {
			t.Errorf("a document that speaks of it: %+v", got)
		}
	}
	list := s.wait(t, 4*len(likes))
	for _, r := range list {
		if r.Class != LoginLike || r.Event.Denied {
			t.Errorf("told: %+v", r)
		}
	}
	if len(list) != 4*len(likes) {
		t.Errorf("told of %d, want %d", len(list), 4*len(likes))
	}
}

// TestThousandLogins cuts every one of a thousand, plain and in frames, before the pool has it.
func TestThousandLogins(t *testing.T) {
	const tries = 1000
	g := newGroup(t)
	d, s := watched(t, g, blocking, Options{})
	for i, ws := range []bool{false, true} {
		p := serve(t, "127.0.0.1:0", ws)
		got := g.talk(t, talk{Addr: p.Addr().String(), WebSocket: ws, Lines: []string{cnLogin}, Times: tries, Side: 20, Wait: soon})
		list, all := s.wait(t, tries*(i+1)), p.bytes()
		leaked := 0
		for _, b := range all {
			if b != "" && !ws || ws && b != hello {
				leaked++
			}
		}
		t.Logf("websocket %v: %+v; the pool saw %d of %d logins; %d told, %d untold", ws, got, leaked, len(all), len(list)-tries*i, d.Counts().Untold)
		if got.Silent != tries || leaked != 0 || len(all) != tries {
			t.Errorf("websocket %v: %+v, %d of %d came through", ws, got, leaked, len(all))
		}
		for _, r := range list[tries*i:] {
			if string(r.Event.Data) != cnLogin {
				t.Fatalf("told: %q", r.Event.Data)
			}
		}
	}
}

// TestModes: off says nothing, alert tells and lets pass, and both change at once; and all ends when nobody is there any more.
func TestModes(t *testing.T) {
	g := newGroup(t)
	d, s := watched(t, g, nil, Options{Grace: time.Hour})
	p := serve(t, "127.0.0.1:0", false)
	say := talk{Addr: p.Addr().String(), Lines: []string{cnLogin}, Wait: soon}
	for i, c := range []struct {
		mode Mode
		want heard
	}{{Off, heard{Answered: 1}}, {Alert, heard{Answered: 1}}, {Block, heard{Silent: 1}}} {
		if err := d.SetMode(Login, c.mode); err != nil {
			t.Fatal(err)
		}
		if got := g.talk(t, say); got != c.want {
			t.Errorf("mode %d: %+v", c.mode, got)
		}
		list := s.wait(t, i)
		if len(list) != i || i > 0 && list[i-1].Event.Denied != (c.mode == Block) {
			t.Errorf("mode %d: told %+v", c.mode, list)
		}
	}
	d.socks.mu.Lock()
	d.socks.set.Until = 1
	err := d.socks.write()
	d.socks.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	if got := g.talk(t, say); got.Answered != 1 {
		t.Errorf("nobody is there any more: %+v", got)
	}
	if list := s.wait(t, 3); list[2].Event.Denied {
		t.Errorf("told %+v", list)
	}
	if err := d.SetMode("nothing", Block); err == nil {
		t.Error("a class that there is not was set")
	}
}

// TestCutByOthers cuts a socket that says nothing wrong, and a group.
func TestCutByOthers(t *testing.T) {
	g := newGroup(t)
	d, _ := watched(t, g, blocking, Options{})
	p := serve(t, "127.0.0.1:0", false)
	say := talk{Addr: p.Addr().String(), Lines: []string{"hello\n"}, Wait: soon}
	if got := g.talk(t, say); got.Answered != 1 {
		t.Fatalf("%+v", got)
	}
	if err := d.CutGroup(g.dir, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	conns := len(p.bytes())
	say.Wait = time.Millisecond
	_, ended := g.start(t, talk{Addr: say.Addr, Lines: say.Lines, Times: 1, Wait: soon})
	time.Sleep(soon)
	if got := len(p.bytes()); got != conns {
		t.Errorf("%d connections from a group that is cut off", got-conns)
	}
	if err := d.CutGroup(g.dir, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if got := ended(); got.Answered != 1 { // its SYN is sent again
		t.Errorf("after the cut: %+v", got)
	}
}

func ExampleOpen() {
	g := Open(Options{})
	defer g.Close()
	fmt.Println(len(g.Facets()))
	// Output: 0
}
