//go:build linux

package deny

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/deminer/deminer"
)

const (
	evil     = "the content of a miner"
	harmless = "what is in an owner's." // as long
)

// bad is what a judge of the agent does: it reads the content.
func bad(f *os.File) bool {
	b, _ := io.ReadAll(io.NewSectionReader(f, 0, 1<<20))
	return bytes.Contains(b, []byte(evil))
}

// guard refuses the bad and knows the good, on one file system of the test.
func guard(t testing.TB, o Options) *Guard {
	t.Helper()
	if o.Judge == nil {
		o.Judge = func(x *Exec) Verdict {
			if bad(x.File) {
				return Deny
			}
			return Known
		}
	}
	g := Open(o)
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, f := range g.Facets() {
		if f.Sensor == deminer.SensorNone || len(f.Why) > 0 {
			t.Fatalf("not in force: %+v", f)
		}
	}
	return g
}

// TestDenied runs a bad program and a good one, a script and a deleted file.
func TestDenied(t *testing.T) {
	dir := disk(t)
	var mu sync.Mutex
	var seen []deminer.Event
	g := guard(t, Options{Mounts: []string{dir}, See: func(r Refusal) { mu.Lock(); seen = append(seen, r.Event); mu.Unlock() }})
	good, miner := put(t, in(dir, "good"), program(t, ranCode, "")), put(t, in(dir, "miner"), program(t, ranCode, evil))
	if got := once(t, good); got != ran {
		t.Errorf("a good program: %+v", got)
	}
	if got := once(t, miner); got != refused {
		t.Errorf("a bad program: %+v", got)
	}
	script := put(t, in(dir, "script"), []byte("#!/bin/sh\n# "+evil+"\necho ran\n"))
	if got := once(t, script); got != refused {
		t.Errorf("a bad script: %+v", got)
	}
	through := put(t, in(dir, "through"), []byte("#!"+miner+"\n"))
	if got := once(t, through); got != refused {
		t.Errorf("a script whose interpreter is bad: %+v", got)
	}
	wrote, said, _ := plays(t, "exec deleted", put(t, in(dir, "deleted"), program(t, ranCode, evil)))
	if wrote != "" || said != "exec deleted: operation not permitted" {
		t.Errorf("a bad file without a name: %q %q", wrote, said)
	}
	if err := os.Rename(miner, in(dir, "renamed")); err != nil {
		t.Fatal(err)
	}
	if got := once(t, in(dir, "renamed")); got != refused {
		t.Errorf("a bad program by another name: %+v", got)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(seen) != 5 || string(seen[0].Path) != miner || !seen[0].Denied || seen[0].Proc.PID == 0 || seen[0].Kind != deminer.EventExec {
		t.Errorf("told: %+v", seen)
	}
	if c := g.Counts(); c.Denied != 5 || c.Late+c.Crowded+c.Changed+c.Failed != 0 {
		t.Errorf("counts: %+v", c)
	}
}

// TestMemfd: nobody is asked about a file in memory, so whoever becomes one is held.
func TestMemfd(t *testing.T) {
	dir, group := disk(t), newGroup(t)
	ill, good := put(t, in(dir, "bad"), program(t, ranCode, evil)), put(t, in(dir, "good"), program(t, ranCode, harmless))
	g := guard(t, Options{Mounts: []string{dir}})
	if wrote, _, state := group.plays(t, "exec memfd", ill); wrote != "x" || state.ExitCode() != ranCode {
		t.Errorf("nobody is held: %q %v", wrote, state)
	}
	if c := g.Counts(); c.Asked != 0 {
		t.Errorf("the kernel asks about files in memory: %+v", c)
	}
	var s told
	g = guard(t, Options{Mounts: []string{dir}, Hold: true, Group: group.dir, See: s.see})
	const times = 10
	for range times {
		if wrote, _, state := group.plays(t, "exec memfd", good); wrote != "x" || state.ExitCode() != ranCode {
			t.Errorf("a good one: %q %v", wrote, state)
		}
		if wrote, _, state := group.plays(t, "exec memfd", ill); wrote != "" || state.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Errorf("a bad one: %q %v", wrote, state)
		}
	}
	for _, r := range s.wait(t, times) {
		if e := r.Event; !e.Denied || !e.Memfd || e.Kind != deminer.EventExec || e.Proc.PID == 0 || e.Path != "/memfd:hidden (deleted)" {
			t.Errorf("told: %+v", r)
		}
	}
	if c := g.Counts(); c.Asked != 2*times || c.Denied != times || c.Late != 0 {
		t.Errorf("counts: %+v", c)
	}
}

// TestChanging: a program that is changed whenever it was judged is refused, unless nothing is to be refused.
func TestChanging(t *testing.T) {
	for _, lenient := range []bool{false, true} {
		dir := disk(t)
		name := put(t, in(dir, "good"), program(t, ranCode, harmless))
		g := guard(t, Options{Mounts: []string{dir}, Lenient: lenient, Judge: func(x *Exec) Verdict {
			if err := os.Truncate(name, x.Attr.Size+1); err != nil {
				t.Error(err)
			}
			return Known
		}})
		want, changed := refused, uint64(1)
		if lenient {
			want, changed = ran, 0
		}
		if got := once(t, name); got != want || g.Counts().Changed != changed {
			t.Errorf("lenient %v: %+v, %+v", lenient, got, g.Counts())
		}
	}
}

// TestHeldGoOn: whoever is held goes on when the judge hangs.
func TestHeldGoOn(t *testing.T) {
	dir, group := disk(t), newGroup(t)
	hang := make(chan struct{})
	g := guard(t, Options{Mounts: []string{dir}, Hold: true, Group: group.dir, Answer: 50 * time.Millisecond, Judge: func(*Exec) Verdict { <-hang; return Allow }})
	if wrote, _, state := group.plays(t, "exec memfd", put(t, in(dir, "p"), program(t, ranCode, ""))); wrote != "x" || state.ExitCode() != ranCode {
		t.Errorf("%q %v", wrote, state)
	}
	if c := g.Counts(); c.Late != 1 {
		t.Errorf("counts: %+v", c)
	}
	close(hang)
}

// TestKnownEndsWithChange: a known program is not asked about again, until it is written to.
func TestKnownEndsWithChange(t *testing.T) {
	dir := disk(t)
	g := guard(t, Options{Mounts: []string{dir}})
	name := put(t, in(dir, "p"), program(t, ranCode, harmless))
	if got := run(t, "20 "+name)[0]; got.Ran != 20 {
		t.Fatalf("%+v", got)
	}
	if c := g.Counts(); c.Asked != 1 {
		t.Errorf("asked %d times about a known program", c.Asked)
	}
	put(t, name, program(t, ranCode, evil))
	if got := once(t, name); got != refused {
		t.Errorf("changed: %+v", got)
	}
	// Back, known once more, and then changed through a shared mapping, which the kernel does not call a write.
	put(t, name, program(t, ranCode, harmless))
	if got := once(t, name); got != ran {
		t.Fatalf("%+v", got)
	}
	mapped(t, name, program(t, ranCode, evil))
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		got := once(t, name)
		if got == refused {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("changed through a mapping: %+v", got)
		}
	}
}

// mapped writes content, as long as what is there, through a mapping.
func mapped(t *testing.T, name string, content []byte) {
	t.Helper()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	was, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	b, err := syscall.Mmap(int(f.Fd()), 0, int(was.Size()), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	copy(b, content)
	if err := syscall.Munmap(b); err != nil {
		t.Fatal(err)
	}
}

// TestStorm denies every one of a thousand tries while others start programs as fast as they can.
func TestStorm(t *testing.T) {
	const tries, storm = 1000, 3000
	dir := disk(t)
	g := guard(t, Options{Mounts: []string{dir}})
	good, miner := put(t, in(dir, "good"), program(t, ranCode, "")), put(t, in(dir, "miner"), program(t, ranCode, evil))
	other := fmt.Sprintf("%d %s", storm/4, good)
	got := run(t, fmt.Sprintf("%d %s", tries, miner), other, other, other, other)
	c := g.Counts()
	t.Logf("%+v; %+v", got, c)
	beside := tally{Ran: storm / 4}
	if got[0] != (tally{Refused: tries}) || !slices.Equal(got[1:], []tally{beside, beside, beside, beside}) || c.Denied != tries || c.Late+c.Crowded+c.Changed+c.Failed != 0 {
		t.Errorf("%+v; %+v", got, c)
	}
}

// TestNoAnswerInTime: a judge that hangs holds nobody up for long, and those that come after him neither.
func TestNoAnswerInTime(t *testing.T) {
	dir := disk(t)
	hang := make(chan struct{})
	g := guard(t, Options{Mounts: []string{dir}, Answer: 50 * time.Millisecond, Judge: func(*Exec) Verdict { <-hang; return Deny }})
	defer close(hang)
	name := put(t, in(dir, "p"), program(t, ranCode, ""))
	const many = 40 // more than there are goroutines that judge
	if got := run(t, fmt.Sprintf("%d %s", many, name))[0]; got.Ran != many {
		t.Errorf("%+v", got)
	}
	if c := g.Counts(); c.Late != many {
		t.Errorf("counts: %+v", c)
	}
}

// TestClosedLetsThrough: whoever waits when the guard is lifted runs, and so does whoever comes later.
func TestClosedLetsThrough(t *testing.T) {
	dir := disk(t)
	asked, hang := make(chan struct{}, 1), make(chan struct{})
	g := guard(t, Options{Mounts: []string{dir}, Answer: 10 * time.Second, Judge: func(*Exec) Verdict { asked <- struct{}{}; <-hang; return Deny }})
	name := put(t, in(dir, "p"), program(t, ranCode, ""))
	first := make(chan tally, 1)
	go func() { first <- once(t, name) }()
	<-asked
	closed := make(chan error)
	go func() { closed <- g.Close() }()
	if got := <-first; got != ran {
		t.Errorf("whoever waited: %+v", got)
	}
	close(hang)
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if got := once(t, name); got != ran {
		t.Errorf("afterwards: %+v", got)
	}
}

// TestPlaces: what is no local file system is not asked about.
func TestPlaces(t *testing.T) {
	g := guard(t, Options{Mounts: []string{disk(t)}})
	for _, dir := range []string{"/proc", "/sys"} {
		if err := g.Cover(dir); !errors.Is(err, ErrPlace) {
			t.Errorf("%s: %v", dir, err)
		}
	}
}
