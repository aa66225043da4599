package history

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer"
)

var errPower = errors.New("the power is gone")

// power is what is left of the bytes that can be written before it goes.
type power struct {
	left  int
	cache bool // what was not synced is lost, too
	spent int
}

// socket is a file on that power.
type socket struct {
	File
	*power
	wait []func() error
}

func (f *socket) WriteAt(b []byte, at int64) (int, error) {
	if f.left < 0 {
		return 0, errPower
	}
	kept := append([]byte{}, b...)
	write := func() error {
		some := kept[:min(len(kept), f.left)]
		f.left -= len(kept)
		f.spent += len(some)
		if _, err := f.File.WriteAt(some, at); err != nil {
			return err
		}
		if len(some) < len(kept) {
			f.left = -1
			return errPower
		}
		return nil
	}
	if f.cache {
		f.wait = append(f.wait, write)
		return len(b), nil
	}
	return len(b), write()
}

func (f *socket) Sync() error {
	if f.left < 0 {
		return errPower
	}
	for _, write := range f.wait {
		if err := write(); err != nil {
			return err
		}
	}
	f.wait = nil
	return nil
}

func (f *socket) Truncate(n int64) error {
	if f.left < 0 {
		return errPower
	}
	return f.File.Truncate(n)
}

// memory gives a directory in memory where the system has such: thousands of histories are synced thousands of times.
func memory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "history")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// life writes a history until the power goes, and gives how many entries were acknowledged.
func life(t *testing.T, dir string, p *power) (acked uint64) {
	t.Helper()
	c := newClock()
	opt := c.options(0)
	opt.Max, opt.Segment = 1<<20, 700
	opt.Wrap = func(_ string, f File) File { return &socket{File: f, power: p} }
	s, err := Open(root(t, dir), opt)
	if err != nil {
		if errors.Is(err, errPower) {
			return 0
		}
		t.Fatal(err)
	}
	defer s.disk.close()
	for i := range 60 {
		c.pass(time.Second)
		s.Put(exec(i+2, uint64(i+1), 1, c.wall, fmt.Sprintf("/opt/%x", i*7919), strings.Repeat("a", i)))
		if i%2 == 0 {
			if s.Flush() != nil {
				return acked
			}
			acked = uint64(i + 1)
		}
	}
	return acked
}

// TestPowerCut cuts the power after each byte: what was acknowledged is there, in order, and the chain holds.
func TestPowerCut(t *testing.T) {
	for _, cache := range []bool{false, true} {
		whole := &power{left: 1 << 30, cache: cache}
		life(t, memory(t), whole)
		base := memory(t)
		step := 1
		if testing.Short() {
			step = 61
		}
		for n := 0; n < whole.spent; n += step {
			dir := filepath.Join(base, fmt.Sprint(n))
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			acked := life(t, dir, &power{left: n, cache: cache})
			c := newClock()
			opt := c.options(0)
			opt.Segment = 700
			opt.Wrap = func(_ string, f File) File { return &socket{File: f, power: &power{left: 1 << 30}} }
			s, err := Open(root(t, dir), opt)
			if err != nil {
				t.Fatalf("cut after %d bytes: %v", n, err)
			}
			if len(s.Faults()) > 0 {
				t.Fatalf("cut after %d bytes (cache %v): %v", n, cache, s.Faults())
			}
			for i := range 9 {
				s.Put(exec(900+i, 9000, 1, c.wall, fmt.Sprintf("/new/%d", i)))
			}
			if err := errors.Join(s.Close(), Read(root(t, dir)).Check()); err != nil {
				t.Fatalf("cut after %d bytes (cache %v): %v", n, cache, err)
			}
			var old, fresh uint64
			for i, e := range query(t, dir, Filter{}) {
				if e.Seq != uint64(i+1) {
					t.Fatalf("cut after %d bytes: entry %d in place %d", n, e.Seq, i+1)
				}
				if strings.HasPrefix(string(e.Exe), "/opt/") {
					old++
				} else {
					fresh++
				}
			}
			if old < acked || fresh != 9 {
				t.Fatalf("cut after %d bytes: %d of %d acknowledged entries are there, and %d of 9 new ones", n, old, acked, fresh)
			}
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// full is a disk that has no room for a time.
type full struct {
	File
	now *bool
}

func (f full) WriteAt(b []byte, at int64) (int, error) {
	if *f.now {
		n, _ := f.File.WriteAt(b[:len(b)/2], at)
		return n, errors.New("no space left on device")
	}
	return f.File.WriteAt(b, at)
}

// TestDiskFull: a full disk is told; what has room in memory is stored when there is room again, the rest is counted.
func TestDiskFull(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	opt := c.options(0)
	fullNow := false
	opt.Segment = 16 << 10
	opt.Wrap = func(_ string, f File) File { return full{f, &fullNow} }
	s := open(t, dir, opt)
	put := func(from, to int) {
		for i := from; i < to; i++ {
			c.pass(time.Second)
			s.Put(exec(i+2, uint64(i+1), 1, c.wall, fmt.Sprintf("/opt/%d", i), "x"))
			if i%50 == 0 {
				err := s.Flush()
				if (err != nil) != fullNow || (s.State().Failed != "") != fullNow {
					t.Fatalf("full %v: %v, %+v", fullNow, err, s.State())
				}
			}
		}
	}
	put(0, 1000)
	fullNow = true
	put(1000, 40000)
	fullNow = false
	put(40000, 41000)
	dropped := s.State().Dropped[deminer.EventExec]
	if err := errors.Join(s.Close(), Read(root(t, dir)).Check()); err != nil {
		t.Fatal(err)
	}
	kept, gap := uint64(0), uint64(0)
	for _, e := range query(t, dir, Filter{}) {
		if e.Kind == KindGap {
			gap += e.Count
		} else {
			kept++
		}
	}
	if dropped == 0 || gap != dropped || kept+gap != 41000 {
		t.Errorf("%d kept, %d dropped, %d told", kept, dropped, gap)
	}
}

func copyDir(t *testing.T, from string) string {
	t.Helper()
	to := memory(t)
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

func names(t *testing.T, dir string, err error, what string) {
	t.Helper()
	if !errors.Is(err, ErrDamaged) {
		t.Fatalf("%s: not named: %v", what, err)
	}
}

// TestWithout: a history that cannot be opened keeps nothing, counts it, says why, and hides nothing of what lies there.
func TestWithout(t *testing.T) {
	c, dir := newClock(), t.TempDir()
	s := open(t, dir, c.options(0))
	s.Put(exec(5, 1, 1, c.wall, "/bin/before"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	why := errors.New("no space left on device")
	s = Without(root(t, dir), why, c.options(0))
	for i := range 3 {
		s.Put(exec(10+i, 1, 5, c.wall, "/bin/after"))
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := errors.Join(s.Run(ctx), s.Close()); err != nil {
		t.Error(err)
	}
	if st := s.State(); st.Failed != why.Error() || st.Dropped[deminer.EventExec] != 3 || s.Flush() == nil {
		t.Errorf("%+v", st)
	}
	if up, err := s.Lineage(deminer.ProcID{PID: 5, Start: 1}); err != nil || len(up) != 1 || up[0].Exe != "/bin/before" {
		t.Errorf("what lies there: %+v, %v", up, err)
	}
}

// TestTamper: whatever is changed, taken out or moved is named.
func TestTamper(t *testing.T) {
	dir := memory(t)
	life(t, dir, &power{left: 1 << 30})
	if err := Read(root(t, dir)).Check(); err != nil {
		t.Fatal(err)
	}
	list, err := segments(root(t, dir))
	if err != nil || len(list) < 3 {
		t.Fatal(list, err)
	}
	check := func(dir string) error { return Read(root(t, dir)).Check() }
	for _, name := range files(t, dir) {
		whole, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if name == headName {
			continue
		}
		bad := copyDir(t, dir)
		at := filepath.Join(bad, name)
		step := 1
		if testing.Short() {
			step = 7
		}
		for i := 0; i < len(whole); i += step {
			changed := append([]byte{}, whole...)
			changed[i] ^= 0x20
			if err := os.WriteFile(at, changed, 0o600); err != nil {
				t.Fatal(err)
			}
			names(t, bad, check(bad), fmt.Sprintf("byte %d of %s changed", i, name))
		}
		for i := 0; i < len(whole); i += step {
			if err := os.WriteFile(at, whole[:i], 0o600); err != nil {
				t.Fatal(err)
			}
			names(t, bad, check(bad), fmt.Sprintf("%s cut at byte %d", name, i))
		}
		if err := os.Remove(at); err != nil {
			t.Fatal(err)
		}
		names(t, bad, check(bad), name+" removed")
	}
	bad := copyDir(t, dir)
	a, b := filepath.Join(bad, segName(list[0])), filepath.Join(bad, segName(list[1]))
	if err := errors.Join(os.Rename(a, a+"x"), os.Rename(b, a), os.Rename(a+"x", b)); err != nil {
		t.Fatal(err)
	}
	names(t, bad, check(bad), "two segments changed places")
}

// TestTamperedHistoryGoesOn: a history that was tampered with is gone on with, says so in itself, and stays named.
func TestTamperedHistoryGoesOn(t *testing.T) {
	dir := memory(t)
	life(t, dir, &power{left: 1 << 30})
	list, err := segments(root(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	for what, harm := range map[string]func(dir string) error{
		"last segment removed":  func(dir string) error { return os.Remove(filepath.Join(dir, segName(list[len(list)-1]))) },
		"first segment removed": func(dir string) error { return os.Remove(filepath.Join(dir, segName(list[0]))) },
		"tail removed":          func(dir string) error { return os.Remove(filepath.Join(dir, tailName)) },
		"all segments removed": func(dir string) error {
			for _, n := range list {
				if err := os.Remove(filepath.Join(dir, segName(n))); err != nil {
					return err
				}
			}
			return nil
		},
		"last segment cut": func(dir string) error {
			return os.Truncate(filepath.Join(dir, segName(list[len(list)-1])), segHeader+20)
		},
	} {
		bad := copyDir(t, dir)
		if err := harm(bad); err != nil {
			t.Fatal(err)
		}
		c := newClock()
		s := open(t, bad, c.options(0))
		if len(s.Faults()) == 0 {
			t.Errorf("%s: not seen when opened", what)
		}
		s.Put(exec(77, 77, 1, c.wall, "/bin/after"))
		if err := s.Close(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		told, after := false, false
		_ = Read(root(t, bad)).Query(Filter{}, func(e Entry) bool {
			told = told || e.Alert != nil && e.Alert.Rule == "history-damaged"
			after = after || e.Exe == "/bin/after"
			return true
		})
		if !told || !after {
			t.Errorf("%s: told %v, gone on %v", what, told, after)
		}
	}
}

// TestDamageHidesOnlyItself: a question names what is damaged and gives all else. One changed byte must not empty the answer.
func TestDamageHidesOnlyItself(t *testing.T) {
	dir := memory(t)
	life(t, dir, &power{left: 1 << 30})
	c := newClock()
	s := open(t, dir, c.options(1<<20))
	s.Put(exec(500, 500, 1, c.wall, "/opt/last")) // which lies in the tail
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	all := query(t, dir, Filter{})
	end, err := readTail(root(t, dir))
	if err != nil || len(all) == 0 {
		t.Fatal(len(all), err)
	}
	stored := 0 // in blocks, not in the tail
	for _, e := range all {
		if e.Seq < end.begin.First {
			stored++
		}
	}
	whole, err := os.ReadFile(filepath.Join(dir, tailName))
	if err != nil || stored == 0 {
		t.Fatal(stored, err)
	}
	if end.frames == 0 {
		t.Fatal("nothing is in the tail")
	}
	damaged := func(what string) {
		t.Helper()
		given := 0
		err := Read(root(t, dir)).Query(Filter{}, func(Entry) bool { given++; return true })
		names(t, dir, err, what)
		if given < stored {
			t.Errorf("%s: %d entries given, %d are in blocks", what, given, stored)
		}
	}
	replace := func(name string, with []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), with, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	changed := slices.Clone(whole)
	changed[end.good-1] ^= 1
	replace(tailName, changed)
	damaged("a byte of the tail changed")
	replace(tailName, whole[:tailHeader])
	damaged("the tail is empty")
	if err := os.Remove(filepath.Join(dir, tailName)); err != nil {
		t.Fatal(err)
	}
	damaged("the tail is gone")
	replace(tailName, whole)
	query(t, dir, Filter{}) // as it was
	was, err := os.ReadFile(filepath.Join(dir, headName))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, headName)); err != nil {
		t.Fatal(err)
	}
	damaged("the head is gone")
	replace(headName, was)
	whole[0] ^= 1
	if err := os.WriteFile(filepath.Join(dir, tailName), whole, 0o600); err != nil {
		t.Fatal(err)
	}
	given := 0
	err = Read(root(t, dir)).Query(Filter{}, func(Entry) bool { given++; return true })
	names(t, dir, err, "the beginning of the tail changed")
	if given != stored {
		t.Errorf("%d entries given, %d are in blocks", given, stored)
	}
	id := all[0].Proc
	for _, e := range all[:stored] {
		if e.begins() {
			id = e.Proc
		}
	}
	up, err := Read(root(t, dir)).Lineage(id)
	names(t, dir, err, "a lineage beside a damaged tail")
	if len(up) == 0 {
		t.Errorf("no lineage of %v", id)
	}
}
