package match

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/deminer/deminer"
)

func sourceOf(name, kind, file, text string) Source {
	return Source{RuleSource: deminer.RuleSource{Name: name, Kind: kind}, FS: fstest.MapFS{file: {Data: []byte(text)}}}
}

// TestCompileSources: an installed bundle that does not compile any more is left out and named, whatever lies around it; what the
// caller names must compile, and its faults bear its name.
func TestCompileSources(t *testing.T) {
	const good, bad = "rule %s { strings: $a = \"some words\" condition: $a }", "rule Bad { condition: $a }"
	first := sourceOf("first", BuiltIn, "a.yar", fmt.Sprintf(good, "First"))
	broken := sourceOf("broken", Installed, "b.yar", bad)
	last := sourceOf("last", "directory", "c.yar", fmt.Sprintf(good, "Last"))
	old := sourceOf("old", Installed, "d.yar", fmt.Sprintf(good, "Old"))
	old.Version, old.Expired, old.Expires, old.Digest = "7", true, time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC), "of the bundle"

	s, err := Compile([]Source{first, broken, last, old})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(s.Names(), " "); got != "first last old" || s.Len() != 3 {
		t.Errorf("in force: %s, %d rules", got, s.Len())
	}
	var files []string
	for _, r := range s.List() {
		files = append(files, r.Source+" "+r.File)
	}
	if slices.Sort(files); strings.Join(files, ", ") != "first a.yar, last c.yar, old d.yar" {
		t.Errorf("rules of %v", files)
	}
	told := s.Told()
	if told[2].Rules != 1 || told[2].Digest != "of the bundle" || told[0].Digest == "" {
		t.Errorf("told: %+v", told)
	}
	if len(s.Gaps) != 2 || s.Gaps[0].State != deminer.Failed || s.Gaps[0].What != "broken" || !strings.Contains(s.Gaps[0].Why, "undefined string") ||
		s.Gaps[1].State != deminer.Partial || s.Gaps[1].What != "old 7" || !strings.Contains(s.Gaps[1].Why, "2026-01-02") {
		t.Errorf("gaps: %+v", s.Gaps)
	}
	p, err := s.Measure(t.Context(), [][]byte{[]byte("some words")}, nil, time.Millisecond, func() time.Duration { return 0 })
	if err != nil || !slices.ContainsFunc(p.Rules, func(c Cost) bool { return c.File == "last/c.yar" }) {
		t.Errorf("measured: %+v, %v", p.Rules, err)
	}

	broken.Kind = "bundle" // named by the caller
	_, err = Compile([]Source{first, last, broken})
	var probs Problems
	if !errors.As(err, &probs) || len(probs) != 1 || probs[0].File != "broken: b.yar" {
		t.Errorf("a named source with a fault: %v", err)
	}
}

// TestOneFile: a single file of rules is compiled alone, and is a file system as any.
func TestOneFile(t *testing.T) {
	dir := fstest.MapFS{"mine.yar": {Data: []byte("rule Mine { condition: true }")}, "other.yar": {Data: []byte("broken")}, "sub/more.yar": {Data: []byte("broken")}}
	one := OneFile(dir, "mine.yar")
	s, err := Load(one)
	if err != nil || s.Len() != 1 {
		t.Fatalf("load: %v", err)
	}
	for _, name := range []string{"other.yar", "sub", "sub/more.yar", "../mine.yar"} {
		if _, err := one.Open(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if list, err := fs.ReadDir(one, "."); err != nil || len(list) != 1 || list[0].Name() != "mine.yar" {
		t.Errorf("list: %v %v", list, err)
	}
	if _, err := fs.ReadDir(OneFile(dir, "gone.yar"), "."); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of a file that is gone: %v", err)
	}
}
