// Package guess tells from logins that failed who guesses passwords, and from one that worked that a guess was right. Logins go
// in, verdicts come out; it reads nothing, blocks nobody, and knows no clock but that of the logins.
package guess

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/deminer/deminer"
)

// Kind is what a verdict says.
type Kind string

// The kinds of verdicts.
const (
	Source  Kind = "source"  // one source fails too often, fast or slowly
	Spray   Kind = "spray"   // one source tries many accounts
	Account Kind = "account" // one account is tried from many sources
	Guessed Kind = "guessed" // a password login worked from where passwords were guessed
)

// Verdict is what was seen, with what to do about it.
type Verdict struct {
	Kind     Kind          `json:"kind"`
	Rule     string        `json:"rule,omitempty"` // name of the rule of the policy that spoke
	Time     time.Time     `json:"time"`           // of the login that made it so
	From     netip.Prefix  `json:"from,omitzero"`  // the source: an address, or an IPv6 network of 64 bits
	User     string        `json:"user,omitempty"` // hostile text
	Failures int           `json:"failures"`       // within the rule's window; of guessed: in all that is remembered
	Users    int           `json:"users,omitempty"`
	Sources  int           `json:"sources,omitempty"`
	First    time.Time     `json:"first"`            // of those failures
	Ban      time.Duration `json:"ban,omitempty"`    // how long the source is to be blocked; 0: not at all
	Spared   string        `json:"spared,omitempty"` // why it is not blocked though the rule says so
	Login    string        `json:"login,omitempty"`  // of guessed: method and log of the login
}

// Limits of what is remembered. The sources that were quiet longest are forgotten first, those last from where somebody logged in.
const (
	maxSources  = 20_000
	maxAccounts = 2_000
	maxTimes    = 128 // failures of one source or account that are remembered one by one
	maxNames    = 64  // accounts of one source, sources of one account; the latest
)

// trail is what is remembered of one source or one account.
type trail struct {
	times []time.Time          // of failures, oldest first
	names map[string]time.Time // the other side: accounts or sources, with their last failure
	of    map[string]int       // failures by those names, of a source; after a restart from 0
	total int                  // failures in all that nobody's own login explains
	first time.Time
	last  time.Time
	told  map[string]time.Time // by rule, or account whose password was guessed: when that was told last
	bans  int
	addr  netip.Addr // of a source: the address that failed last
	good  time.Time  // last login that worked and was no guess
}

// Watcher judges logins one after the other. It is not safe for several goroutines.
type Watcher struct {
	policy   Policy
	sources  map[netip.Prefix]*trail
	accounts map[string]*trail
	spare    Spare
}

// New gives a watcher that has seen nothing.
func New(p Policy) *Watcher {
	return &Watcher{policy: p, sources: map[netip.Prefix]*trail{}, accounts: map[string]*trail{}}
}

// SourceOf gives what is counted and blocked together, as deminer.SourceOf does. ok is false where the log names no address: what is
// no address cannot be blocked.
func SourceOf(from string) (p netip.Prefix, ok bool) {
	a, err := netip.ParseAddr(from)
	if err != nil {
		return p, false
	}
	return deminer.SourceOf(a), true
}

// Spare says who must never be blocked from now on.
func (w *Watcher) Spare(s Spare) { w.spare = s }

// Follow has a policy judge from now on; what was counted stays.
func (w *Watcher) Follow(p Policy) { w.policy = p }

// Trust tells of a login that was no guess: its source is not blocked for as long as the policy says.
func (w *Watcher) Trust(from netip.Prefix, at time.Time) {
	if s := remember(w.sources, from, maxSources, at); at.After(s.good) {
		s.good = at
	}
}

// See takes one login, failed or not, in the order of their times as far as the logs have one, and gives what it makes so.
func (w *Watcher) See(l deminer.Login) []Verdict {
	from, ok := SourceOf(l.From)
	if !ok || l.Time.IsZero() {
		return nil
	}
	switch l.Kind {
	case "failed":
		if l.Method == "publickey" || l.Method == "none" || l.Method == "hostbased" {
			return nil // no password was tried: a client offers every key it has, and asks for the methods first
		}
		return w.fail(l, from)
	case "login":
		return w.worked(l, from)
	}
	return nil
}

func (w *Watcher) fail(l deminer.Login, from netip.Prefix) []Verdict {
	s := remember(w.sources, from, maxSources, l.Time)
	s.add(l.Time, max(l.Count, 1), l.User)
	s.addr, _ = netip.ParseAddr(l.From) // SourceOf could read it
	a := remember(w.accounts, l.User, maxAccounts, l.Time)
	a.add(l.Time, max(l.Count, 1), from.String())
	var out []Verdict
	for _, r := range w.policy.Rules {
		t := s
		if r.Kind == Account {
			t = a
		}
		v, ok := t.judge(r, l.Time)
		if !ok {
			continue
		}
		v.User = l.User
		if r.Kind == Account {
			v.Sources, v.Users = v.Users, 0
		} else {
			v.From = from
			w.ban(&v, r, s, l.Time)
		}
		out = append(out, v)
	}
	return w.longest(out)
}

// longest leaves one verdict of each source: the one that blocks longest.
func (w *Watcher) longest(list []Verdict) []Verdict {
	slices.SortStableFunc(list, func(a, b Verdict) int { return cmp.Compare(b.Ban, a.Ban) })
	seen := map[netip.Prefix]bool{}
	return slices.DeleteFunc(list, func(v Verdict) bool {
		again := v.From.IsValid() && seen[v.From]
		seen[v.From] = true
		return again
	})
}

// ban sets how long: twice as long each time, for those who come back.
func (w *Watcher) ban(v *Verdict, r Rule, s *trail, at time.Time) {
	if r.Ban == 0 {
		return
	}
	if v.Spared = w.spare.Why(v.From); v.Spared == "" && !s.good.IsZero() && at.Sub(s.good) < w.policy.Trust.D() {
		v.Spared = "somebody logged in from there, without guessing, at " + s.good.UTC().Format(time.RFC3339)
	}
	if v.Spared != "" {
		return
	}
	v.Ban = min(r.Ban.D()<<min(s.bans, 20), w.policy.Longest.D())
	if v.Ban <= 0 {
		v.Ban = w.policy.Longest.D()
	}
	s.bans++
}

// worked judges a login: where its source had guessed, the guess was right. One with a key was never guessed.
func (w *Watcher) worked(l deminer.Login, from netip.Prefix) []Verdict {
	s := w.sources[from]
	guessing := s != nil && s.total >= w.policy.Right && l.Time.Sub(s.last) < w.policy.Memory.D()
	if l.Method == "publickey" || !guessing {
		s = remember(w.sources, from, maxSources, l.Time)
		s.good = l.Time
		if !guessing { // who mistyped has now got it right; else a house of people had guessed after some months
			s.total -= s.of[l.User]
			delete(s.of, l.User)
		}
		return nil
	}
	if at, told := s.told["guessed "+l.User]; told && l.Time.Sub(at) < time.Hour {
		return nil
	}
	note(s.told, "guessed "+l.User, l.Time)
	return []Verdict{{Kind: Guessed, Time: l.Time, From: from, User: l.User, Failures: s.total, Users: len(s.names), First: s.first,
		Login: cmp.Or(l.Method, "unknown method") + ", " + l.Source}}
}

// remember finds or makes a trail; where there are too many, the one that was quiet longest goes.
func remember[K comparable](m map[K]*trail, key K, most int, at time.Time) *trail {
	t := m[key]
	if t != nil {
		return t
	}
	if len(m) >= most {
		forget(m, most/10)
	}
	t = &trail{names: map[string]time.Time{}, of: map[string]int{}, told: map[string]time.Time{}, first: at, last: at}
	m[key] = t
	return t
}

// forget takes away the n that were quiet longest; before them those from where nobody logged in: a flood of guesses must not have an
// owner forgotten.
func forget[K comparable](m map[K]*trail, n int) {
	keys := slices.Collect(maps.Keys(m))
	slices.SortFunc(keys, func(a, b K) int {
		return cmp.Or(m[a].good.Compare(m[b].good), m[a].last.Compare(m[b].last))
	})
	for _, k := range keys[:min(n+1, len(keys))] {
		delete(m, k)
	}
}

func (t *trail) add(at time.Time, n int, name string) {
	if t.total == 0 {
		t.first = at
	}
	t.total += n
	for range min(n, maxTimes) {
		t.times = append(t.times, at)
	}
	if over := len(t.times) - maxTimes; over > 0 {
		t.times = slices.Delete(t.times, 0, over)
	}
	note(t.names, name, at)
	t.of[name] += n
	if len(t.of) > maxNames {
		maps.DeleteFunc(t.of, func(n string, _ int) bool { _, known := t.names[n]; return !known })
	}
	if at.After(t.last) {
		t.last = at
	}
}

// note sets the time of a name. Where there are too many the one that is longest ago goes: who comes from ever new places must
// not be hidden by those that came first.
func note(m map[string]time.Time, name string, at time.Time) {
	if _, known := m[name]; !known && len(m) >= maxNames {
		oldest := ""
		for n, t := range m {
			if oldest == "" || t.Before(m[oldest]) {
				oldest = n
			}
		}
		delete(m, oldest)
	}
	m[name] = at
}

// judge asks one rule. It speaks once in each of its windows, so that a source that goes on is not told with every failure.
func (t *trail) judge(r Rule, now time.Time) (Verdict, bool) {
	since := now.Add(-r.Window.D())
	v := Verdict{Kind: r.Kind, Rule: r.Name, Time: now, First: now}
	for _, at := range t.times {
		if at.After(since) && !at.After(now) {
			v.Failures++
			if at.Before(v.First) {
				v.First = at
			}
		}
	}
	for _, at := range t.names {
		if at.After(since) {
			v.Users++
		}
	}
	if v.Failures < r.Failures || v.Users < r.Names {
		return v, false
	}
	quiet := r.Window.D()
	if r.Ban > 0 {
		quiet = min(quiet, r.Ban.D()) // who goes on when the block has run out is blocked again
	}
	if at, told := t.told[r.Name]; told && now.Sub(at) < quiet {
		return v, false
	}
	t.told[r.Name] = now
	return v, true
}
