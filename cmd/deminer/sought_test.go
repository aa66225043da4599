package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/match"
)

// TestSought: what the server has looked for is known in every look from then on, after a restart too, and what is damaged or too much is
// not in the way.
func TestSought(t *testing.T) {
	dir, err := os.OpenRoot(t.TempDir())
	must(t, err)
	defer dir.Close()
	rules, err := loadRules(&flags{root: "/", state: t.TempDir()})
	must(t, err)
	agent := func() *line {
		l := &line{r: &resident{rules: rules, told: map[string]bool{}, out: &strings.Builder{}}, dir: dir}
		known, err := l.soughtList()
		must(t, err)
		l.take(known)
		return l
	}
	sum := func(n int) string { return fmt.Sprintf("%064x", n) }
	ask := func(from, to int) (list []deminer.Sought) {
		for n := from; n < to; n++ {
			list = append(list, deminer.Sought{Indicator: deminer.Indicator{Kind: "sha256", Value: sum(n)}, Hosts: 2})
		}
		return list
	}
	l := agent()
	if l.r.set() != rules.Set || len(l.r.set().Hash(sum(1))) > 0 {
		t.Fatal("something is known before anything was asked")
	}
	must(t, l.seek(ask(1, 3)))
	for what, l := range map[string]*line{"at once": l, "after a restart": agent()} {
		if len(l.r.set().Hash(sum(1))) != 1 || !l.r.set().Seeks() {
			t.Errorf("%s: not known", what)
		}
	}
	must(t, l.seek(ask(2, 2+match.MaxSought+50)))
	known, err := l.soughtList()
	if err != nil || len(known) != match.MaxSought || len(l.r.set().Hash(sum(1))) > 0 {
		t.Errorf("%d are kept: %v", len(known), err)
	}
	l.take([]soughtSince{{ask(1, 2)[0], time.Now().Add(-2 * soughtLife)}})
	if l.r.set() != rules.Set {
		t.Error("what was asked for long ago is still looked for")
	}
	must(t, dir.WriteFile(soughtFile, []byte("[{"), 0o600))
	if _, err := l.soughtList(); err == nil {
		t.Error("damaged, and nobody hears of it")
	}
	must(t, l.seek(ask(7, 8)))
	if len(agent().r.set().Hash(sum(7))) != 1 {
		t.Error("not known after what was damaged was replaced")
	}
}
