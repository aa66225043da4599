package doorman

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/guess"
	"github.com/deminer/deminer/internal/host/rootfs"
)

// shop is a host with logs in a directory, and a runner that only notes what it is to do.
type shop struct {
	t      *testing.T
	dir    string
	state  *os.Root
	now    time.Time
	opt    Options
	policy guess.Policy
	plans  []deminer.Plan
	busy   bool
}

func (s *shop) Run(_ context.Context, p deminer.Plan, approved string, _ func(deminer.Record)) error {
	if s.busy {
		return deminer.ErrBusy
	}
	if approved != p.Digest() || p.Purpose != deminer.ForBan {
		s.t.Errorf("plan %+v approved as %s", p, approved)
	}
	s.plans = append(s.plans, p)
	return nil
}

func newShop(t *testing.T, block bool) *shop {
	t.Helper()
	s := &shop{t: t, dir: t.TempDir(), now: time.Now().Truncate(time.Second)} // logs tell whole seconds
	s.log("other", "")
	fsys, err := rootfs.Open(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	if s.state, err = os.OpenRoot(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	s.policy = guess.Usual()
	s.policy.Block = block
	s.policy.Allow = []netip.Prefix{netip.MustParsePrefix("192.0.2.200/32")}
	s.opt = Options{FS: fsys, Policy: func() guess.Policy { return s.policy }, Runner: s, State: s.state, Now: func() time.Time { return s.now },
		Addresses: func() ([]net.Addr, error) {
			return []net.Addr{&net.IPNet{IP: net.IPv4(192, 0, 2, 50), Mask: net.CIDRMask(24, 32)}}, nil
		}}
	return s
}

// log adds lines of sshd: "KIND USER FROM".
func (s *shop) log(lines ...string) {
	s.t.Helper()
	var b strings.Builder
	for _, l := range lines {
		if f := strings.Fields(l); len(f) == 3 {
			fmt.Fprintf(&b, "%s shop sshd[9]: %s for %s from %s port 999 ssh2\n", s.now.UTC().Format(time.RFC3339), strings.ReplaceAll(f[0], "_", " "), f[1], f[2])
		}
	}
	full := filepath.Join(s.dir, "var/log/auth.log")
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		s.t.Fatal(err)
	}
	f, err := os.OpenFile(full, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err == nil {
		_, err = f.WriteString(b.String())
	}
	if err != nil {
		s.t.Fatal(err)
	}
	f.Close()
}

func (s *shop) fails(n int, user, from string) {
	for range n {
		s.log("Failed_password " + user + " " + from)
	}
}

func (s *shop) open() *Doorman {
	s.t.Helper()
	d, err := Open(s.t.Context(), s.opt)
	if err != nil {
		s.t.Fatal(err)
	}
	return d
}

// turn gives what was told, in short, and what was blocked since the last turn.
func (s *shop) turn(d *Doorman) (told, blocked string) {
	s.t.Helper()
	s.plans = nil
	list, gaps, err := d.Turn(s.t.Context())
	if err != nil || len(gaps) > 0 {
		s.t.Fatalf("%v %v", err, gaps)
	}
	var t, b []string
	for _, v := range list {
		t = append(t, fmt.Sprintf("%s %s %s", v.Kind, v.From, v.Spared))
	}
	for _, p := range s.plans {
		for _, step := range p.Steps {
			b = append(b, fmt.Sprintf("%s %s %s", step.Action.Target.Addr, step.Action.Args["from"], step.Action.Args["for"]))
		}
	}
	return strings.Join(t, ", "), strings.Join(b, ", ")
}

func TestDoorman(t *testing.T) {
	s := newShop(t, true)
	s.log("Accepted_publickey ann 192.0.2.77") // before the doorman began
	d := s.open()
	s.fails(12, "root", "198.51.100.9")
	told, blocked := s.turn(d)
	if told != "source 198.51.100.9/32 " || blocked != "198.51.100.9 yes 1h0m0s" {
		t.Errorf("told %q, blocked %q", told, blocked)
	}
	for from, why := range map[string]string{"192.0.2.50": "an address of this host", "192.0.2.200": "the policy allows it", "192.0.2.77": "without guessing", "127.0.0.1": "this host itself"} {
		s.now = s.now.Add(time.Minute)
		s.fails(12, "root", from)
		if told, blocked := s.turn(d); !strings.Contains(told, why) || blocked != "" {
			t.Errorf("%s: told %q, blocked %q", from, told, blocked)
		}
	}
	// While another deminer is at work the block waits, and loses no more than its time.
	s.now, s.busy = s.now.Add(time.Minute), true
	s.fails(12, "root", "2001:db8:5::1")
	if told, blocked := s.turn(d); told == "" || blocked != "" {
		t.Errorf("told %q, blocked %q", told, blocked)
	}
	s.now, s.busy = s.now.Add(20*time.Minute), false
	if _, blocked := s.turn(d); blocked != "2001:db8:5::/64 yes 40m0s" {
		t.Errorf("blocked %q", blocked)
	}
	// Whose time is over before its turn comes makes no plan.
	s.now, s.busy = s.now.Add(time.Minute), true
	s.fails(12, "root", "198.51.100.10")
	s.turn(d)
	s.now, s.busy = s.now.Add(2*time.Hour), false
	if s.turn(d); len(s.plans) != 0 {
		t.Errorf("plans of nothing: %+v", s.plans)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	// After a restart, with the logs gone, a login from there is known for what it is.
	if err := os.Truncate(filepath.Join(s.dir, "var/log/auth.log"), 0); err != nil {
		t.Fatal(err)
	}
	d = s.open()
	s.log("Accepted_password root 198.51.100.9")
	if told, _ := s.turn(d); told != "guessed 198.51.100.9/32 " {
		t.Errorf("told %q", told)
	}
}

// TestClockSetBack: what was remembered of a time that is to come again neither hides who guesses now nor makes a block longer.
func TestClockSetBack(t *testing.T) {
	s := newShop(t, true)
	d := s.open()
	s.fails(12, "root", "198.51.100.9")
	s.turn(d)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	s.now = s.now.Add(-72 * time.Hour)
	d = s.open()
	s.now = s.now.Add(time.Minute)
	s.fails(12, "root", "198.51.100.10")
	if told, blocked := s.turn(d); told != "source 198.51.100.10/32 " || blocked != "198.51.100.10 yes 1h0m0s" {
		t.Errorf("after a restart: told %q, blocked %q", told, blocked)
	}
	s.now = s.now.Add(time.Minute)
	s.fails(12, "root", "198.51.100.11")
	s.now = s.now.Add(-48 * time.Hour)
	s.fails(1, "root", "198.51.100.11")
	if _, blocked := s.turn(d); blocked != "" && blocked != "198.51.100.11 yes 1h0m0s" {
		t.Errorf("while it follows: blocked %q", blocked)
	}
	s.now = s.now.Add(time.Minute)
	s.fails(12, "root", "198.51.100.12")
	if told, blocked := s.turn(d); !strings.Contains(told, "198.51.100.12") || !strings.Contains(blocked, "198.51.100.12 yes 1h0m0s") {
		t.Errorf("afterwards: told %q, blocked %q", told, blocked)
	}
}

func TestDoormanWatchesOnly(t *testing.T) {
	s := newShop(t, false)
	d := s.open()
	s.fails(12, "root", "198.51.100.9")
	if told, blocked := s.turn(d); told == "" || blocked != "" {
		t.Errorf("told %q, blocked %q", told, blocked)
	}
}

// TestDoormanIsBounded: many sources at once are blocked in plans of limited size, one after the other.
func TestDoormanIsBounded(t *testing.T) {
	s := newShop(t, true)
	d := s.open()
	for i := range 120 {
		s.fails(10, "root", fmt.Sprintf("198.51.100.%d", i))
	}
	var sizes []int
	for range 4 {
		s.turn(d)
		for _, p := range s.plans {
			sizes = append(sizes, len(p.Steps))
		}
		s.now = s.now.Add(between)
	}
	if fmt.Sprint(sizes) != "[50 50 20]" {
		t.Errorf("plans of %v", sizes)
	}
}

func TestGateways(t *testing.T) {
	s := newShop(t, false)
	for name, text := range map[string]string{
		"proc/net/route":      "Iface\tDestination\tGateway\tFlags\neth0\t00000000\t0101A8C0\t0003\neth0\t0001A8C0\t00000000\t0001\n",
		"proc/net/ipv6_route": "00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 1 0 3 eth0\n",
	} {
		full := filepath.Join(s.dir, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got := fmt.Sprint(gateways(s.opt.FS)); got != "[192.168.1.1 fe80::1]" {
		t.Errorf("%s", got)
	}
}

func TestPruneHourly(t *testing.T) {
	s := newShop(t, true)
	n := 0
	s.opt.Prune = func(context.Context) (int, error) { n++; return 0, nil }
	d := s.open()
	for range 721 { // an hour and five seconds
		if _, _, err := d.Turn(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.now = s.now.Add(5 * time.Second)
	}
	if n != 2 {
		t.Errorf("pruned %d times", n)
	}
}

// TestFollowsPolicy: a policy that changes is in force from the next turn on.
func TestFollowsPolicy(t *testing.T) {
	s := newShop(t, false)
	d := s.open()
	s.fails(5, "root", "198.51.100.9")
	if told, blocked := s.turn(d); told != "" || blocked != "" {
		t.Errorf("ten are too many: told %q, blocked %q", told, blocked)
	}
	s.policy = guess.Tuned(4, 10*time.Minute, 2*time.Hour, 24*time.Hour)
	s.policy.Block = true
	s.policy.Allow = []netip.Prefix{netip.MustParsePrefix("198.51.100.10/32")}
	s.fails(1, "root", "198.51.100.9")
	if told, blocked := s.turn(d); told == "" || blocked != "198.51.100.9 yes 2h0m0s" {
		t.Errorf("four are too many: told %q, blocked %q", told, blocked)
	}
	s.fails(4, "root", "198.51.100.10")
	if told, blocked := s.turn(d); !strings.Contains(told, "the policy allows it") || blocked != "" {
		t.Errorf("allowed: told %q, blocked %q", told, blocked)
	}
}

// TestTrustFollowsLogins: a login that comes while the doorman watches is trusted, and trust ends with its time.
func TestTrustFollowsLogins(t *testing.T) {
	s := newShop(t, true)
	s.log("Accepted_publickey ann 192.0.2.77") // before the doorman began
	d := s.open()
	s.log("Accepted_publickey bob 192.0.2.78")
	s.turn(d)
	for _, from := range []string{"192.0.2.77", "192.0.2.78"} {
		s.now = s.now.Add(time.Minute)
		s.fails(10, "root", from)
		if told, blocked := s.turn(d); !strings.Contains(told, "without guessing") || blocked != "" {
			t.Errorf("%s: told %q, blocked %q", from, told, blocked)
		}
	}
	s.now = s.now.Add(31 * 24 * time.Hour)
	for _, from := range []string{"192.0.2.77", "192.0.2.78"} {
		s.now = s.now.Add(time.Minute)
		s.fails(10, "root", from)
		if _, blocked := s.turn(d); !strings.HasPrefix(blocked, from) {
			t.Errorf("%s, a month later: blocked %q", from, blocked)
		}
	}
}

// TestGuessesWhileAway: what was guessed while no agent ran is counted, once, and with what was counted before.
func TestGuessesWhileAway(t *testing.T) {
	s := newShop(t, true)
	d := s.open()
	s.fails(6, "root", "198.51.100.9")
	s.turn(d)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	s.fails(12, "root", "198.51.100.10")
	d = s.open()
	if told, blocked := s.turn(d); told != "source 198.51.100.10/32 " || blocked == "" {
		t.Errorf("told %q, blocked %q", told, blocked)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = s.open()
	if told, _ := s.turn(d); told != "" {
		t.Errorf("told again: %q", told)
	}
	list, err := Remembered(s.state)
	if err != nil || len(list) != 2 || list[0].Total != 12 || list[1].Total != 6 {
		t.Errorf("remembered: %+v %v", list, err)
	}
}

// TestOldMemory: what an earlier version wrote down is read.
func TestOldMemory(t *testing.T) {
	s := newShop(t, true)
	text := `[{"from":"198.51.100.9/32","addr":"198.51.100.9","total":7,"first":"2026-01-01T00:00:00Z","last":"2026-01-01T00:00:00Z"}]`
	f, err := s.state.Create(memoryFile)
	if err == nil {
		_, err = f.WriteString(text)
		f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	if list, err := Remembered(s.state); err != nil || len(list) != 1 || list[0].Total != 7 {
		t.Errorf("%+v %v", list, err)
	}
}
