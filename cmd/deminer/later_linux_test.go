package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/agent"
	"github.com/deminer/deminer/internal/alert"
	"github.com/deminer/deminer/internal/host/hands"
)

// fullDisk takes no alerts while it is full.
type fullDisk struct {
	agent.Alerts
	full bool
}

func (d *fullDisk) See(s alert.Sighting) (alert.Alert, bool, error) {
	if d.full {
		return alert.Alert{}, false, errors.New("no space left on device")
	}
	return d.Alerts.See(s)
}

func newBook(t *testing.T) *alert.Book {
	t.Helper()
	dir, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	return &alert.Book{Dir: dir, Lock: hands.Lock}
}

// TestLaterAlerts: what happens once and cannot be kept is told once, kept when there is room, and what was too much is counted.
func TestLaterAlerts(t *testing.T) {
	book := newBook(t)
	disk := &fullDisk{Alerts: book, full: true}
	var said []string
	l := &laterAlerts{Alerts: disk, say: func(_ bool, line string) { said = append(said, line) }}
	see := func(i int) (bool, error) {
		_, fresh, err := l.See(alert.Sighting{Key: alert.Told + fmt.Sprint(i), Grade: alert.Proof, Topics: []deminer.Topic{deminer.TopicMining}, Title: "x", Time: time.Now()})
		return fresh, err
	}
	for round := range 2 {
		for i := range 3 {
			if fresh, err := see(i); err == nil || fresh != (round == 0) {
				t.Errorf("round %d, %d: fresh %v, %v", round, i, fresh, err)
			}
		}
	}
	if len(l.list) != 3 {
		t.Fatalf("%d wait", len(l.list))
	}
	l.again()
	if len(l.list) != 3 || len(said) != 0 {
		t.Errorf("the disk is full: %d wait, said %q", len(l.list), said)
	}
	l.lost = 7 // too many at once
	disk.full = false
	l.again()
	l.again()
	if list, err := book.List(); err != nil || len(list) != 3 || len(l.list) != 0 {
		t.Errorf("%d kept, %d wait, %v", len(list), len(l.list), err)
	}
	if len(said) != 1 || !strings.HasPrefix(said[0], "3 alerts that could not be kept are kept now; 7 more") {
		t.Errorf("said %q", said)
	}
	if fresh, err := see(0); fresh || err != nil {
		t.Errorf("once kept: fresh %v, %v", fresh, err)
	}
}

// TestResidentPolicy: a policy that is wrong changes nothing and is named, until it is right; one that becomes wrong leaves what was in
// force.
func TestResidentPolicy(t *testing.T) {
	s, err := openStore(&flags{root: "/", state: t.TempDir()}, true)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	file := t.TempDir() + "/policy.yaml"
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("version: 1\nprevent: {program: block}\nrespond: {freez: proof}\n")
	p := residentPolicy(s, file)
	for range 2 {
		if got := p.get(); got.Prevent.Program != "" || !strings.Contains(p.wrong(), "freez") {
			t.Errorf("a wrong one: %+v, %q", got.Prevent, p.wrong())
		}
	}
	write("version: 1\nprevent: {program: block}\n")
	if got := p.get(); got.Prevent.Program != "block" || p.wrong() != "" {
		t.Errorf("a right one: %+v, %q", got.Prevent, p.wrong())
	}
	write("version: 1\nprevent: {program: bl")
	if got := p.get(); got.Prevent.Program != "block" || p.wrong() == "" {
		t.Errorf("wrong again: %+v, %q", got.Prevent, p.wrong())
	}
}

// TestAlertsOfAKilledAgent: what was being handled when the agent was killed is open again.
func TestAlertsOfAKilledAgent(t *testing.T) {
	book := newBook(t)
	for _, state := range []alert.State{alert.Handling, alert.Blocked, alert.Ignored} {
		a, _, err := book.See(alert.Sighting{Key: string(state), Grade: alert.Proof, Topics: []deminer.Topic{deminer.TopicMining}, Title: string(state), Time: time.Now()})
		if err == nil {
			_, err = book.Set(a.ID, state, "agent", "x", time.Now())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := handOver(book); err != nil {
		t.Fatal(err)
	}
	list, err := book.List()
	if err != nil || len(list) != 3 {
		t.Fatal(err, len(list))
	}
	for _, a := range list {
		want := alert.State(a.Title)
		if want == alert.Handling {
			want = alert.Unhandled
		}
		if a.State != want {
			t.Errorf("%s became %s", a.Title, a.State)
		}
	}
}
