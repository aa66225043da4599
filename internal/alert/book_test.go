package alert

import (
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

var now = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func open(t *testing.T) (*Book, string) {
	t.Helper()
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return &Book{Dir: root, Lock: func(*os.File) error { return nil }}, dir
}

func sight(key string, g Grade, why ...string) Sighting {
	return Sighting{Key: key, Grade: g, Topics: []deminer.Topic{deminer.TopicMining}, Title: "it mines", Why: why, Time: now}
}

func see(t *testing.T, b *Book, s Sighting) (Alert, bool) {
	t.Helper()
	a, fresh, err := b.See(s)
	if err != nil {
		t.Fatal(err)
	}
	return a, fresh
}

// TestOneAlert: one thing is one alert, counted; only what is new is told.
func TestOneAlert(t *testing.T) {
	b, _ := open(t)
	first, fresh := see(t, b, sight("file:/tmp/a", Suspected, "one"))
	if !fresh || first.Count != 1 || first.State != Unhandled {
		t.Errorf("the first time: %+v, fresh %v", first, fresh)
	}
	if a, fresh := see(t, b, sight("file:/tmp/a", Suspected, "one")); fresh || a.Count != 2 || a.ID != first.ID {
		t.Errorf("the same again: %+v, fresh %v", a, fresh)
	}
	if a, fresh := see(t, b, sight("file:/tmp/a", Proof, "two")); !fresh || a.Grade != Proof || !slices.Equal(a.Why, []string{"one", "two"}) {
		t.Errorf("more evidence: %+v, fresh %v", a, fresh)
	}
	if a, fresh := see(t, b, sight("file:/tmp/a", Suspected, "two")); fresh || a.Grade != Proof {
		t.Errorf("less evidence: %+v, fresh %v", a, fresh)
	}
	see(t, b, sight("file:/tmp/b", Strong))
	if list, err := b.List(); err != nil || len(list) != 2 {
		t.Errorf("%d alerts, %v", len(list), err)
	}
}

// TestIncidentGrows: an intrusion whose id changes as more of it is found is no second alert and no news; a look at a part does not
// rename what a look at all named.
func TestIncidentGrows(t *testing.T) {
	b, _ := open(t)
	at := func(incident string, part bool) (Alert, bool) {
		s := sight("file:/tmp/a", Proof, "one")
		s.Incident, s.Part = incident, part
		return see(t, b, s)
	}
	if a, fresh := at("AAAA", true); !fresh || a.Moved || a.Incident != "AAAA" {
		t.Errorf("the first time: %+v, fresh %v", a, fresh)
	}
	if a, fresh := at("BBBB", false); fresh || !a.Moved || a.Incident != "BBBB" {
		t.Errorf("more was found: %+v, fresh %v", a, fresh)
	}
	for range 3 {
		if a, fresh := at("AAAA", true); fresh || a.Moved || a.Incident != "BBBB" {
			t.Errorf("a part of it again: %+v, fresh %v", a, fresh)
		}
	}
	if list, err := b.List(); err != nil || len(list) != 1 || list[0].Count != 5 {
		t.Errorf("%+v, %v", list, err)
	}
}

// TestStates: what was handled opens again when it comes back; what is ignored or allowed does not.
func TestStates(t *testing.T) {
	b, _ := open(t)
	for to, want := range map[State]State{Handled: Unhandled, Ignored: Ignored, Whitelisted: Whitelisted, Blocked: Blocked} {
		a, _ := see(t, b, sight("file:/"+string(to), Proof))
		if _, err := b.Set(a.ID, to, "me", "reason", now); err != nil {
			t.Fatal(err)
		}
		a, fresh := see(t, b, sight("file:/"+string(to), Proof))
		if a.State != want || fresh != (to == Handled) {
			t.Errorf("%s, and seen again: %s, fresh %v; want %s", to, a.State, fresh, want)
		}
	}
	if _, err := b.Set("00000000", Handled, "me", "", now); !errors.Is(err, ErrNone) {
		t.Errorf("no such alert: %v", err)
	}
	if _, err := b.Set("../../etc", Handled, "me", "", now); !errors.Is(err, ErrNone) {
		t.Errorf("no id: %v", err)
	}
}

// TestClockSetBack: the last time never goes back, and nothing is lost.
func TestClockSetBack(t *testing.T) {
	b, _ := open(t)
	see(t, b, sight("k", Proof))
	s := sight("k", Proof, "later")
	s.Time = now.Add(-48 * time.Hour)
	if a, _ := see(t, b, s); !a.Last.Equal(now) || !a.First.Equal(now) || a.Count != 2 || len(a.Why) != 1 {
		t.Errorf("%+v", a)
	}
}

// TestDamage: a damaged alert is put aside and told, costs no other one, and its thing can be seen again; what a crash left is
// taken away.
func TestDamage(t *testing.T) {
	b, dir := open(t)
	good, _ := see(t, b, sight("good", Proof))
	bad, _ := see(t, b, sight("bad", Proof))
	for name, text := range map[string]string{bad.ID + ".json": `{"id":"` + bad.ID[:4], "01234567.json.new": "half"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if list, err := b.List(); err == nil || len(list) != 1 || list[0].ID != good.ID {
		t.Errorf("with a damaged one: %+v, %v", list, err)
	}
	said, err := b.Tidy()
	if err != nil || len(said) != 1 || !strings.Contains(said[0], bad.ID) {
		t.Errorf("told: %q, %v", said, err)
	}
	if again, fresh := see(t, b, sight("bad", Proof)); !fresh || again.Count != 1 {
		t.Errorf("seen again: %+v, fresh %v", again, fresh)
	}
	var names []string
	list, err := os.ReadDir(dir)
	for _, e := range list {
		names = append(names, e.Name())
	}
	want := []string{good.ID + ".json", bad.ID + ".json", bad.ID + ".json.damaged", "lock"}
	slices.Sort(want)
	if slices.Sort(names); err != nil || !slices.Equal(names, want) {
		t.Errorf("in the directory: %q, want %q, %v", names, want, err)
	}
}

// TestDamageWhileSeen: the agent need not be started anew for a damaged alert.
func TestDamageWhileSeen(t *testing.T) {
	b, dir := open(t)
	a, _ := see(t, b, sight("k", Proof))
	if err := os.WriteFile(filepath.Join(dir, a.ID+".json"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if again, fresh := see(t, b, sight("k", Proof)); !fresh || again.ID != a.ID {
		t.Errorf("%+v, fresh %v", again, fresh)
	}
}

// TestBounds: a book and an alert have their limits, and open alerts of proof are the last to go.
func TestBounds(t *testing.T) {
	b, _ := open(t)
	proof, _ := see(t, b, sight("proof", Proof))
	closed, _ := see(t, b, sight("closed", Proof))
	if _, err := b.Set(closed.ID, Handled, "me", "", now); err != nil {
		t.Fatal(err)
	}
	for i := range MaxAlerts {
		see(t, b, sight(fmt.Sprint("file:/tmp/", i), Suspected))
	}
	list, err := b.List()
	if err != nil || len(list) > MaxAlerts {
		t.Errorf("%d alerts, %v", len(list), err)
	}
	have := func(id string) bool { return slices.ContainsFunc(list, func(a Alert) bool { return a.ID == id }) }
	if !have(proof.ID) || have(closed.ID) {
		t.Errorf("the proven one is there: %v, the closed one: %v", have(proof.ID), have(closed.ID))
	}
	for i := range 100 {
		s := sight("proof", Proof, strings.Repeat("x", 100_000)+fmt.Sprint(i))
		s.Lineage = slices.Repeat([]string{strings.Repeat("y", 100_000)}, 100)
		proof, _ = see(t, b, s)
		if _, err := b.Did(proof.ID, Deed{What: strings.Repeat("z", 100_000)}); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Set(proof.ID, Blocked, "agent", strings.Repeat("w", 100_000), now); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := b.Get(proof.ID[:6]); err != nil || len(got.Why) > maxWhy || len(got.Lineage) > maxLineage || len(got.Deeds) > maxDeeds || len(got.History) > maxHistory {
		t.Errorf("%d %d %d %d, %v", len(got.Why), len(got.Lineage), len(got.Deeds), len(got.History), err)
	}
}

// TestBusy: while another program holds the lock, one waits and then gives up; nothing is half done.
func TestBusy(t *testing.T) {
	b, _ := open(t)
	b.Lock = func(*os.File) error { return deminer.ErrBusy }
	if _, _, err := b.See(sight("k", Proof)); !errors.Is(err, deminer.ErrBusy) {
		t.Errorf("%v", err)
	}
	if list, err := b.List(); err != nil || len(list) != 0 {
		t.Errorf("%d alerts, %v", len(list), err)
	}
}

func TestKeyOf(t *testing.T) {
	proc := deminer.Artifact{Kind: deminer.KindProcess, Proc: deminer.ProcID{PID: 7, Start: 9}, Name: "kswapd0"}
	file := deminer.Artifact{Kind: deminer.KindFile, Path: "/tmp/x"}
	if KeyOf(proc, "/tmp/x", "") != KeyOf(file, "", "") {
		t.Error("a program and its process are two things")
	}
	if KeyOf(proc, "/tmp/x", "c1") == KeyOf(proc, "/tmp/x", "c2") {
		t.Error("programs of two containers are one thing")
	}
	if k := KeyOf(deminer.Artifact{Kind: deminer.KindFile, Path: deminer.Raw(strings.Repeat("a", 10_000))}, "", ""); len(k) > maxKey {
		t.Errorf("a key of %d bytes", len(k))
	}
}
