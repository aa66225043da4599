package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"testing"

	"github.com/deminer/deminer"
)

// store is a store without a lock.
func store(t testing.TB, dir string) *Store {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return &Store{Dir: root, Lock: func(*os.File) error { return nil }}
}

func begin(t testing.TB, s *Store, plan string, n int) {
	t.Helper()
	j, err := s.Create(plan)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if _, err := j.Append(deminer.Record{State: deminer.StateReady, Step: fmt.Sprint(i), Undo: json.RawMessage(`{"a": "<&>"}`), Note: "é\x00"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestAppendAndRead(t *testing.T) {
	dir := t.TempDir()
	s := store(t, dir)
	begin(t, s, "p", 3)
	if _, err := s.Create("p"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("second create: %v, want ErrExist", err)
	}
	j, old, err := s.Open("p")
	if err != nil || len(old) != 3 {
		t.Fatalf("open: %d records, %v", len(old), err)
	}
	if _, err := j.Append(deminer.Record{State: deminer.StateEnd}); err != nil {
		t.Fatal(err)
	}
	j.Close()
	got, torn, err := s.Read("p")
	if err != nil || torn || len(got) != 4 || got[3].Seq != 3 || got[3].Plan != "p" || string(got[0].Undo) != `{"a":"<&>"}` && string(got[0].Undo) != `{"a":"\u003c\u0026\u003e"}` {
		t.Errorf("read: %v %v %v", got, torn, err)
	}
	if open, err := s.Unfinished(); err != nil || len(open) != 0 {
		t.Errorf("unfinished: %v %v", open, err)
	}
}

// TestTorn cuts the file at every byte: whole lines count, the rest does not, and writing goes on after it.
func TestTorn(t *testing.T) {
	dir := t.TempDir()
	s := store(t, dir)
	begin(t, s, "p", 3)
	whole, err := os.ReadFile(dir + "/p.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	for size := range len(whole) {
		if err := os.WriteFile(dir+"/p.jsonl", whole[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		want := bytes.Count(whole[:size], []byte{'\n'})
		got, torn, err := s.Read("p")
		if err != nil || len(got) != want || torn != (size > 0 && whole[size-1] != '\n') {
			t.Fatalf("cut at %d: %d records, torn %v, %v; want %d", size, len(got), torn, err, want)
		}
		j, old, err := s.Open("p")
		if err != nil || len(old) != want {
			t.Fatalf("cut at %d: open: %v", size, err)
		}
		if _, err := j.Append(deminer.Record{State: deminer.StateEnd}); err != nil {
			t.Fatal(err)
		}
		j.Close()
		if got, torn, err := s.Read("p"); err != nil || torn || len(got) != want+1 {
			t.Fatalf("cut at %d, then written: %d records, torn %v, %v", size, len(got), torn, err)
		}
	}
}

// TestTampered changes every byte but those of the last line, and swaps and drops lines.
func TestTampered(t *testing.T) {
	dir := t.TempDir()
	s := store(t, dir)
	begin(t, s, "p", 4)
	whole, err := os.ReadFile(dir + "/p.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	l := bytes.SplitAfter(whole, []byte{'\n'})
	cases := [][]byte{bytes.Join([][]byte{l[1], l[0], l[2], l[3]}, nil), bytes.Join([][]byte{l[0], l[2], l[3]}, nil), bytes.Join([][]byte{l[0], l[0], l[1], l[2], l[3]}, nil)}
	for i := range len(whole) - len(l[3]) {
		c := bytes.Clone(whole)
		c[i] ^= 1
		cases = append(cases, c)
	}
	for i, c := range cases {
		if err := os.WriteFile(dir+"/p.jsonl", c, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, _, err := s.Read("p"); !errors.Is(err, ErrDamaged) {
			t.Errorf("case %d: %d records, %v; want ErrDamaged", i, len(got), err)
		}
	}
}

func TestPlanNames(t *testing.T) {
	s := store(t, t.TempDir())
	for _, name := range []string{"", ".", "..", "../x", "a/b", ".x", "a\x00b"} {
		if _, err := s.Create(name); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("create %q: %v, want ErrInvalid", name, err)
		}
	}
}

func TestUnfinished(t *testing.T) {
	s := store(t, t.TempDir())
	begin(t, s, "a", 1)
	begin(t, s, "b", 0)
	if open, err := s.Unfinished(); err != nil || fmt.Sprint(open) != "[a b]" {
		t.Errorf("unfinished: %v %v, want [a b]", open, err)
	}
}

// TestStamp: the stamp changes with each record, and with nothing else.
func TestStamp(t *testing.T) {
	s := store(t, t.TempDir())
	stamp := func() string {
		t.Helper()
		text, err := s.Stamp()
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	none := stamp()
	begin(t, s, "a", 1)
	one := stamp()
	if one == none || stamp() != one {
		t.Error("a journal that began is not seen, or one that did not")
	}
	j, _, err := s.Open("a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.Append(deminer.Record{State: deminer.StateEnd}); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if stamp() == one {
		t.Error("a record that came is not seen")
	}
}

func FuzzRead(f *testing.F) {
	dir := f.TempDir()
	begin(f, store(f, dir), "p", 3)
	whole, err := os.ReadFile(dir + "/p.jsonl")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)-7])
	f.Add([]byte(`{"sum":"","rec":{}}` + "\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := scan(bytes.NewReader(b))
		if err == nil && int(got.good) > len(b) {
			t.Errorf("%d good bytes of %d", got.good, len(b))
		}
		// What was accepted is accepted again.
		if again, err := scan(bytes.NewReader(b[:got.good])); err != nil || len(again.records) != len(got.records) || again.torn {
			t.Errorf("the good part reads differently: %v", err)
		}
	})
}
