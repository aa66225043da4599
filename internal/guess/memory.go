package guess

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/deminer/deminer"
)

// Remembered is what is kept of one source over a restart, and after the logs were rotated away.
type Remembered struct {
	From  netip.Prefix `json:"from"`
	Addr  netip.Addr   `json:"addr"`            // the address of it that failed last
	Total int          `json:"total"`           // failures in all
	First time.Time    `json:"first"`           // when the first of them was
	Last  time.Time    `json:"last"`            // when the last of them was
	Users []string     `json:"users,omitempty"` // the accounts tried, at most 8; hostile text
	Bans  int          `json:"bans,omitempty"`  // how often it was blocked; each time twice as long
	Good  time.Time    `json:"good,omitzero"`   // last login that was no guess
}

// MaxMemory bounds what Save gives, in bytes: 20,000 sources with 8 names of 32 bytes, each of which may take six in JSON.
const MaxMemory = 40 << 20

// Save gives what is worth remembering at a time: sources that failed or were logged in from within the policy's memory. The
// result can be given to Load.
func (w *Watcher) Save(now time.Time) ([]byte, error) {
	text, err := json.Marshal(w.Known(now))
	if err != nil {
		return nil, fmt.Errorf("remember who guesses: %w", err)
	}
	return text, nil
}

// Known lists the sources that are remembered, those that failed most first.
func (w *Watcher) Known(now time.Time) []Remembered {
	out := []Remembered{}
	for from, t := range w.sources {
		if now.Sub(t.last) > w.policy.Memory.D() && now.Sub(t.good) > w.policy.Trust.D() {
			continue
		}
		r := Remembered{From: from, Addr: t.addr, Total: t.total, First: t.first, Last: t.last, Bans: t.bans, Good: t.good}
		for _, u := range slices.Sorted(maps.Keys(t.names)) {
			if len(r.Users) < 8 {
				r.Users = append(r.Users, u[:min(len(u), 32)])
			}
		}
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b Remembered) int {
		return cmp.Or(cmp.Compare(b.Total, a.Total), b.Last.Compare(a.Last), a.From.Addr().Compare(b.From.Addr()))
	})
	return out
}

// Read reads what Save gave.
func Read(text []byte) ([]Remembered, error) {
	var list []Remembered
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("read who guessed: %w", err)
	}
	return list[:min(len(list), maxSources)], nil
}

// Load takes what an earlier watcher remembered. What is known already stays.
func (w *Watcher) Load(list []Remembered) {
	for _, r := range list {
		if from, ok := SourceOf(r.From.Addr().String()); !ok || w.sources[from] != nil || len(w.sources) >= maxSources {
			continue
		} else {
			t := remember(w.sources, from, maxSources, r.First)
			t.total, t.last, t.bans, t.good, t.addr = max(r.Total, 0), r.Last, min(max(r.Bans, 0), 20), r.Good, r.Addr
			for _, u := range r.Users[:min(len(r.Users), maxNames)] {
				t.names[u] = r.Last
			}
		}
	}
}

// Logins tells what is remembered in the words of the logs, for a look at a host whose logs were rotated away.
func Logins(list []Remembered, source string) (out []deminer.Login) {
	for _, r := range list {
		if r.Total <= 0 || !r.Addr.IsValid() {
			continue
		}
		users := r.Users
		if len(users) == 0 {
			users = []string{""}
		}
		each, rest := r.Total/len(users), r.Total%len(users)
		for i, u := range users {
			n := each
			if i == 0 {
				n += rest
			}
			if n > 0 {
				out = append(out, deminer.Login{Time: r.Last, Kind: "failed", User: u, From: r.Addr.String(), Source: source, Count: n})
			}
		}
	}
	return out
}
