package guess

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer"
)

var start = time.Date(2026, 3, 3, 4, 0, 0, 0, time.UTC)

// script makes logins of lines: "MINUTES KIND USER FROM [METHOD] [xCOUNT]".
func script(t *testing.T, text string) (out []deminer.Login) {
	t.Helper()
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		var minutes float64
		if _, err := fmt.Sscan(f[0], &minutes); err != nil {
			t.Fatal(err)
		}
		l := deminer.Login{Time: start.Add(time.Duration(minutes * float64(time.Minute))), Kind: f[1], User: f[2], From: f[3], Method: "password", Source: "log"}
		for _, w := range f[4:] {
			if _, err := fmt.Sscanf(w, "x%d", &l.Count); err != nil {
				l.Method = w
			}
		}
		out = append(out, l)
	}
	return out
}

// tells gives the verdicts in short.
func tells(w *Watcher, list []deminer.Login) (out []string) {
	for _, l := range list {
		for _, v := range w.See(l) {
			text := fmt.Sprintf("%s/%s %s n=%d ban=%s", v.Kind, v.Rule, v.From, v.Failures, v.Ban)
			if v.Spared != "" {
				text += " spared"
			}
			out = append(out, text)
		}
	}
	return out
}

func repeat(n int, every float64, line string) string { return repeatFrom(0, n, every, line) }

func repeatFrom(begin float64, n int, every float64, line string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%g %s\n", begin+float64(i)*every, strings.ReplaceAll(line, "#", fmt.Sprint(i)))
	}
	return b.String()
}

func TestVerdicts(t *testing.T) {
	for _, c := range []struct {
		name, logins string
		want         []string
	}{
		{"a person mistypes", repeat(6, 0.2, "failed ann 192.0.2.1") + "2 login ann 192.0.2.1", nil},
		{"fast", repeat(12, 0.1, "failed root 192.0.2.1"), []string{"source/fast 192.0.2.1/32 n=10 ban=1h0m0s"}},
		{"one line tells many", "0 failed root 192.0.2.1 x12", []string{"source/fast 192.0.2.1/32 n=12 ban=1h0m0s"}},
		{"slow: every 20 minutes", repeat(40, 20, "failed root 192.0.2.1"), []string{"source/slow 192.0.2.1/32 n=30 ban=24h0m0s"}},
		{"slower than any rule", repeat(40, 90, "failed root 192.0.2.1"), nil},
		{"spraying", repeat(6, 2, "failed u# 192.0.2.1"), []string{"spray/spray 192.0.2.1/32 n=6 ban=1h0m0s"}},
		{"an IPv6 network counts as one", repeat(10, 0.1, "failed root 2001:db8:0:7::#"), []string{"source/fast 2001:db8:0:7::/64 n=10 ban=1h0m0s"}},
		{"IPv4 in IPv6 is IPv4", repeat(10, 0.1, "failed root ::ffff:192.0.2.1"), []string{"source/fast 192.0.2.1/32 n=10 ban=1h0m0s"}},
		{"IPv4 behind a translator: 64 bits would be everybody", repeat(10, 0.1, "failed root 64:ff9b::192.0.2.1") + "9 login ann 64:ff9b::198.51.100.7", []string{"source/fast 64:ff9b::c000:201/128 n=10 ban=0s spared"}},
		{"many sources, one account", repeat(40, 1, "failed root 192.0.2.#"), []string{"account/account invalid Prefix n=30 ban=0s"}},
		{"no address", repeat(40, 0.1, "failed root console"), nil},
		{"back after the block: twice as long", repeat(10, 0.1, "failed root 192.0.2.1") + repeatFrom(70, 10, 0.1, "failed root 192.0.2.1"),
			[]string{"source/fast 192.0.2.1/32 n=10 ban=1h0m0s", "source/fast 192.0.2.1/32 n=10 ban=2h0m0s"}},
		{"loopback", repeat(12, 0.1, "failed root 127.0.0.1"), []string{"source/fast 127.0.0.1/32 n=10 ban=0s spared"}},
		{"the operator logged in before, with a key", "0 login ann 192.0.2.1 publickey\n" + repeat(12, 0.1, "failed ann 192.0.2.1"), []string{"source/fast 192.0.2.1/32 n=10 ban=0s spared"}},
		{"a guess that was right", repeat(10, 5, "failed root 192.0.2.1") + "60 login root 192.0.2.1", []string{"guessed/ 192.0.2.1/32 n=10 ban=0s"}},
		{"and does not make its source the operator's", repeat(10, 5, "failed root 192.0.2.1") + "60 login root 192.0.2.1\n" + repeatFrom(70, 12, 0.1, "failed bob 192.0.2.1"),
			[]string{"guessed/ 192.0.2.1/32 n=10 ban=0s", "source/fast 192.0.2.1/32 n=10 ban=1h0m0s"}},
		{"a client offers its keys and asks for the methods", repeat(30, 0.1, "failed ann 192.0.2.1 publickey") + repeat(30, 0.1, "failed ann 192.0.2.1 none"), nil},
		{"a person mistypes twice a week before it is right", repeatFrom(0, 20, 5000, "failed ann 192.0.2.1\n#.1 login ann 192.0.2.1"), nil},
		{"a login of one's own does not explain the failures of others", repeat(9, 5, "failed root 192.0.2.1") + "50 login bob 192.0.2.1\n51 failed root 192.0.2.1\n52 login root 192.0.2.1", []string{"guessed/ 192.0.2.1/32 n=10 ban=0s"}},
		{"a key is no guess", repeat(9, 5, "failed root 192.0.2.1") + "50 failed root 192.0.2.1\n60 login root 192.0.2.1 publickey", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := tells(New(Usual()), script(t, c.logins))
			if strings.Join(got, "\n") != strings.Join(c.want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

func TestSpare(t *testing.T) {
	var s Spare
	s.AddAddr(netip.MustParseAddr("192.0.2.1"), "gateway")
	s.AddAddr(netip.MustParseAddr("2001:db8::7"), "session")
	s.Add(netip.MustParsePrefix("198.51.100.0/24"), "allowed")
	for source, want := range map[string]string{"192.0.2.1/32": "gateway", "192.0.2.2/32": "", "2001:db8::/64": "session", "2001:db8:0:1::/64": "", "198.51.100.9/32": "allowed"} {
		if got := s.Why(netip.MustParsePrefix(source)); got != want {
			t.Errorf("%s: %q, want %q", source, got, want)
		}
	}
	for _, source := range []string{"127.9.9.9/32", "::/64", "fe80::/64", "224.0.0.1/32", "0.0.0.0/32", "10.1.2.3/32", "172.20.0.1/32", "192.168.7.7/32", "100.64.1.1/32", "fd00::/64"} {
		if s.Why(netip.MustParsePrefix(source)) == "" {
			t.Errorf("%s may be blocked", source)
		}
	}
}

// TestMemory: what was guessed before a restart still makes a later login a guess, and the logs may be gone.
func TestMemory(t *testing.T) {
	w := New(Usual())
	tells(w, script(t, repeat(25, 60, "failed u# 192.0.2.1")+"0 login ann 192.0.2.9 publickey"))
	now := start.Add(25 * time.Hour)
	text, err := w.Save(now)
	if err != nil {
		t.Fatal(err)
	}
	list, err := Read(text)
	if err != nil || len(list) != 2 || list[0].Total != 25 || len(list[0].Users) != 8 {
		t.Fatalf("%+v %v", list, err)
	}
	again := New(Usual())
	again.Load(list)
	again.Load(list)
	got := again.See(deminer.Login{Time: now, Kind: "login", User: "u3", From: "192.0.2.1", Method: "password", Source: "journal"})
	if len(got) != 1 || got[0].Kind != Guessed || got[0].Failures != 25 || !got[0].First.Equal(start) {
		t.Errorf("%+v", got)
	}
	spared := tells(again, script(t, repeat(12, 0.1, "failed ann 192.0.2.9")))
	if len(spared) != 1 || !strings.HasSuffix(spared[0], "spared") {
		t.Errorf("the operator: %v", spared)
	}
	total := 0
	for _, l := range Logins(list, "deminer") {
		if l.Kind != "failed" || l.From != "192.0.2.1" {
			t.Errorf("%+v", l)
		}
		total += l.Count
	}
	if total != 25 {
		t.Errorf("%d failures in the words of the logs", total)
	}
	if later, _ := Read(mustSave(t, w, now.Add(365*24*time.Hour))); len(later) != 0 {
		t.Errorf("never forgotten: %+v", later)
	}
}

func mustSave(t *testing.T, w *Watcher, at time.Time) []byte {
	t.Helper()
	text, err := w.Save(at)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestBounded: a flood of sources and names does not grow without bound, and who fails meanwhile is still seen.
func TestBounded(t *testing.T) {
	w := New(Usual())
	for i := range 3 * maxSources {
		l := deminer.Login{Time: start.Add(time.Duration(i) * time.Millisecond), Kind: "failed", User: fmt.Sprint("u", i), From: fmt.Sprintf("10.%d.%d.%d", i>>16&255, i>>8&255, i&255)}
		w.See(l)
		l.From, l.User = "192.0.2.1", "root"
		if i%4000 == 0 {
			w.See(l)
		}
	}
	if len(w.sources) > maxSources || len(w.accounts) > maxAccounts {
		t.Errorf("%d sources, %d accounts", len(w.sources), len(w.accounts))
	}
	if s := w.sources[netip.MustParsePrefix("192.0.2.1/32")]; s == nil || s.bans != 1 {
		t.Errorf("the one that guesses was forgotten: %+v", s)
	}
}

// TestNewNamesAreSeen: an account that was tried from very many sources in the past is still seen to be tried from new ones, and
// a source that tried many accounts to try others.
func TestNewNamesAreSeen(t *testing.T) {
	var past strings.Builder
	for i := range 2 * maxNames {
		fmt.Fprintf(&past, "%d failed root 10.0.%d.1\n%d failed old%d 192.0.2.1\n", i*90, i, i*90, i)
	}
	w := New(Usual())
	if got := tells(w, script(t, past.String())); got != nil {
		t.Fatalf("the past: %v", got)
	}
	begin := float64(2 * maxNames * 90)
	if got := tells(w, script(t, repeatFrom(begin, 30, 1, "failed root 10.1.#.1"))); len(got) != 1 || !strings.HasPrefix(got[0], "account/") {
		t.Errorf("an account from 30 new sources: %v", got)
	}
	if got := tells(w, script(t, repeatFrom(begin, 6, 5, "failed new# 192.0.2.1"))); len(got) != 1 || !strings.HasPrefix(got[0], "spray/") {
		t.Errorf("six new accounts: %v", got)
	}
}

// TestMemoryIsBounded: what is saved can be read again, however hostile the names are.
func TestMemoryIsBounded(t *testing.T) {
	var list []Remembered
	for i := range maxSources {
		r := Remembered{From: netip.MustParsePrefix(fmt.Sprintf("2001:db8:%x:%x::/64", i>>8, i&255)), Total: 8, First: start, Last: start}
		r.Addr = r.From.Addr()
		for n := range 8 {
			r.Users = append(r.Users, string(rune('a'+n))+strings.Repeat("\x01", 40))
		}
		list = append(list, r)
	}
	w := New(Usual())
	w.Load(list)
	text := mustSave(t, w, start)
	if back, err := Read(text); len(text) > MaxMemory || len(back) != maxSources || err != nil {
		t.Errorf("%d bytes of at most %d, %d sources: %v", len(text), MaxMemory, len(back), err)
	}
}

func TestPolicy(t *testing.T) {
	p := Usual()
	if err := p.Check(); err != nil || p.Block {
		t.Errorf("usual: %v, blocks %v", err, p.Block)
	}
	text, err := json.Marshal(p)
	if err != nil || !strings.Contains(string(text), `"window":"10m0s"`) {
		t.Errorf("%s %v", text, err)
	}
	var back Policy
	if err := json.Unmarshal(text, &back); err != nil || fmt.Sprint(back) != fmt.Sprint(p) {
		t.Errorf("%+v %v", back, err)
	}
	for name, change := range map[string]func(*Policy){
		"one failure":   func(p *Policy) { p.Rules[0].Failures = 1 },
		"no name":       func(p *Policy) { p.Rules[1].Name = "fast" },
		"for ever":      func(p *Policy) { p.Rules[0].Ban = p.Longest + 1 },
		"an account":    func(p *Policy) { p.Rules[3].Ban = Duration(time.Hour) },
		"no kind":       func(p *Policy) { p.Rules[0].Kind = "x" },
		"right at once": func(p *Policy) { p.Right = 1 },
	} {
		p := Usual()
		change(&p)
		if p.Check() == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// TestTuned: whatever an owner may say makes rules that hold together.
func TestTuned(t *testing.T) {
	if got, want := Tuned(10, 10*time.Minute, time.Hour, 7*24*time.Hour), Usual(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the usual numbers: %+v, want %+v", got, want)
	}
	for _, tries := range []int{3, 4, 5, 39, 40} {
		for _, window := range []time.Duration{10 * time.Second, 24 * time.Hour} {
			for _, ban := range []time.Duration{time.Minute, 90 * 24 * time.Hour} {
				if err := Tuned(tries, window, ban, 90*24*time.Hour).Check(); err != nil {
					t.Errorf("%d in %s, %s: %v", tries, window, ban, err)
				}
			}
		}
	}
}

// TestTrustOutlivesAFlood: guesses from very many sources do not have the one forgotten from where the owner logs in, and trust ends
// with its time.
func TestTrustOutlivesAFlood(t *testing.T) {
	w := New(Usual())
	owner := netip.MustParsePrefix("198.51.100.7/32")
	w.Trust(owner, start.Add(-time.Hour))
	for i := range maxSources + maxSources/5 {
		w.See(deminer.Login{Time: start.Add(time.Duration(i) * time.Second), Kind: "failed", User: "root", From: fmt.Sprintf("2001:db8:%x:%x::1", i>>12, i&4095), Method: "password"})
	}
	if len(w.sources) > maxSources {
		t.Errorf("%d sources", len(w.sources))
	}
	fails := func(at time.Time) (out []Verdict) {
		for i := range 10 {
			out = append(out, w.See(deminer.Login{Time: at.Add(time.Duration(i) * time.Second), Kind: "failed", User: "ann", From: "198.51.100.7", Method: "password"})...)
		}
		return out
	}
	if got := fails(start.Add(10 * time.Hour)); len(got) != 1 || got[0].Ban != 0 || !strings.Contains(got[0].Spared, "logged in from there") {
		t.Errorf("the owner mistypes: %+v", got)
	}
	if got := fails(start.Add(31 * 24 * time.Hour)); len(got) != 1 || got[0].Ban == 0 {
		t.Errorf("a month later: %+v", got)
	}
}
