//go:build linux

package deny

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// timeAll starts a program many times, one after the other, and prints how long it took each time until it had ended or was refused.
func timeAll(arg string) error {
	times, name, _ := strings.Cut(arg, " ")
	n, err := strconv.Atoi(times)
	if err != nil {
		return err
	}
	null, err := os.OpenFile("/dev/null", os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	took := make([]time.Duration, n)
	for i := range took {
		from := time.Now()
		pid, err := syscall.ForkExec(name, []string{name}, &syscall.ProcAttr{Files: []uintptr{0, null.Fd(), 2}})
		if err == nil {
			_, err = unix.Wait4(pid, nil, 0, nil)
		}
		took[i] = time.Since(from)
		if err != nil && err != syscall.EPERM && err != syscall.ENOENT {
			return err
		}
	}
	return json.NewEncoder(os.Stdout).Encode(took)
}

// spread reports the middle and the end of what was measured.
func spread(b *testing.B, what string, took []time.Duration) {
	b.Helper()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Nanoseconds())/1e3, "p50-us"+what)
	b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds())/1e3, "p99-us"+what)
}

// processor is the time of the processor that a child and its own children took, in microseconds: on a busy machine it tells more
// than the clock.
func processor(s *os.ProcessState) float64 {
	return float64((s.UserTime() + s.SystemTime()).Nanoseconds()) / 1e3
}

// BenchmarkExec starts a program: unguarded, known, judged each time by a judge that reads it, and refused; and one that there is not,
// which costs the fork alone.
func BenchmarkExec(b *testing.B) {
	for _, c := range []struct {
		name    string
		judge   func(*Exec) Verdict
		content string
	}{
		{"absent", nil, ""},
		{"unguarded", nil, harmless},
		{"known", func(*Exec) Verdict { return Known }, harmless},
		{"judged", func(x *Exec) Verdict { bad(x.File); return Allow }, harmless},
		{"refused", func(x *Exec) Verdict {
			if bad(x.File) {
				return Deny
			}
			return Allow
		}, evil},
	} {
		b.Run(c.name, func(b *testing.B) {
			dir := disk(b)
			if c.judge != nil {
				guard(b, Options{Mounts: []string{dir}, Judge: c.judge})
			}
			name := in(dir, "p")
			if c.content != "" {
				put(b, name, program(b, ranCode, c.content))
			}
			b.ResetTimer()
			wrote, said, state := plays(b, "time", fmt.Sprintf("%d %s", b.N, name))
			b.StopTimer()
			b.ReportMetric(processor(state)/float64(b.N), "cpu-us/op")
			var took []time.Duration
			if err := json.Unmarshal([]byte(wrote), &took); err != nil {
				b.Fatal(err, said)
			}
			spread(b, "", took)
		})
	}
}

// BenchmarkLogin has logins cut; told is how long after the cut, which comes before the packet leaves, this process knows of it.
func BenchmarkLogin(b *testing.B) {
	for _, ws := range []bool{false, true} {
		b.Run(fmt.Sprintf("websocket=%v", ws), func(b *testing.B) {
			g := newGroup(b)
			var mu sync.Mutex
			var took []time.Duration
			d := Open(Options{Group: g.dir, Modes: blocking, See: func(r Refusal) {
				mu.Lock()
				took = append(took, time.Since(r.Event.Time))
				mu.Unlock()
			}})
			defer d.Close()
			p := serve(b, "127.0.0.1:0", ws)
			b.ResetTimer()
			got := g.talk(b, talk{Addr: p.Addr().String(), WebSocket: ws, Lines: []string{cnLogin}, Times: b.N, Side: 2, Wait: 2 * time.Millisecond})
			b.StopTimer()
			for range 1000 {
				mu.Lock()
				n := len(took)
				mu.Unlock()
				if n == b.N {
					break
				}
				time.Sleep(time.Millisecond)
			}
			mu.Lock()
			defer mu.Unlock()
			if len(took) == 0 {
				b.Fatal("nothing was cut")
			}
			b.ReportMetric(float64(b.N-got.Silent), "answered")
			b.ReportMetric(float64(b.N-len(took)), "untold")
			spread(b, "-told", took)
		})
	}
}

// BenchmarkConnection opens a connection, says a line that is no login, has its answer and closes; unwatched and watched.
func BenchmarkConnection(b *testing.B) {
	for _, c := range []struct {
		name, line string
		modes      map[Class]Mode
	}{{"unwatched/json", others[1], nil}, {"watched/json", others[1], blocking}, {"unwatched/else", "hello", nil}, {"watched/else", "hello", blocking}} {
		b.Run(c.name, func(b *testing.B) {
			g := newGroup(b)
			if c.modes != nil {
				watched(b, g, c.modes, Options{})
			}
			p := serve(b, "127.0.0.1:0", false)
			b.ResetTimer()
			cmd, ended := g.start(b, talk{Addr: p.Addr().String(), Lines: []string{c.line + "\n"}, Times: b.N, Side: 1, Wait: time.Minute})
			if got := ended(); got.Answered != b.N {
				b.Fatalf("%+v", got)
			}
			b.ReportMetric(processor(cmd.ProcessState)/float64(b.N), "cpu-us/op")
		})
	}
}
