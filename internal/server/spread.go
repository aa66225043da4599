package server

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/alert"
	"github.com/deminer/deminer/internal/auth"
)

// Visit is who logged in to a host from one address, as its logs tell.
type Visit struct {
	From   string // address
	User   string
	Method string // "publickey", "password", "" unknown
	Key    string // fingerprint
	First  time.Time
	Last   time.Time
	Count  int
}

// Edge is a way that an intrusion may have gone: somebody logged in from one host of an incident to another.
type Edge struct {
	From, To string // hosts
	Visit
}

const (
	maxVisits = 200
	maxAddrs  = 64
)

// visitsOf gathers the successful logins from other addresses, the earliest first.
func visitsOf(logins []deminer.Login) []Visit {
	type key struct{ from, user, key string }
	at := map[key]int{}
	var out []Visit
	for i := range logins {
		l := &logins[i]
		a, err := netip.ParseAddr(l.From)
		if l.Kind != "login" || err != nil || a.IsLoopback() || a.IsUnspecified() {
			continue
		}
		k := key{a.Unmap().WithZone("").String(), deminer.Cut(l.User, 64), deminer.Cut(l.Key, 80)}
		when := sane(l.Time)
		n, known := at[k]
		if !known {
			if len(out) == maxVisits {
				continue
			}
			n = len(out)
			at[k] = n
			out = append(out, Visit{From: k.from, User: k.user, Key: k.key, Method: deminer.Cut(l.Method, 20), First: when, Last: when})
		}
		v := &out[n]
		v.Count += max(1, min(l.Count, 1<<30))
		if when.Before(v.First) {
			v.First = when
		}
		if when.After(v.Last) {
			v.Last = when
		}
	}
	slices.SortStableFunc(out, func(a, b Visit) int { return a.First.Compare(b.First) })
	return out
}

// addresses are those of a host's own, as its agent tells them, that other hosts could see.
func addresses(list []string) (out []netip.Addr) {
	for _, text := range list[:min(len(list), maxAddrs)] {
		if a, err := netip.ParseAddr(text); err == nil && !a.IsLoopback() && !a.IsUnspecified() && !a.IsLinkLocalUnicast() && !a.IsMulticast() {
			out = append(out, a.Unmap().WithZone(""))
		}
	}
	return out
}

// network is the hosts of a fleet by their addresses.
func (s *Server) network(ctx context.Context) (claims, error) {
	hosts, err := s.opt.Store.Hosts(ctx, false)
	if err != nil {
		return nil, err
	}
	return claimsOf(hosts), nil
}

// claims are the hosts that say that an address is theirs: several, behind a translator, with a bridge of containers, or where one lies.
type claims map[string][]string

func claimsOf(hosts []Host) claims {
	by := claims{}
	for i := range hosts {
		h := &hosts[i]
		if !h.Revoked.IsZero() {
			continue
		}
		for _, a := range addresses(h.Agent.Addresses) {
			name := a.String()
			if list := by[name]; len(list) == 0 || list[len(list)-1] != h.ID { // it may name one twice
				by[name] = append(list, h.ID)
			}
		}
	}
	return by
}

// from gives the host of an incident that a login to another one came from; "" where it was none of them, or may have been several.
func (c claims) from(address, visited string, in map[string]bool) (host string) {
	for _, h := range c[address] {
		if h == visited || !in[h] {
			continue
		}
		if host != "" {
			return ""
		}
		host = h
	}
	return host
}

// maxClaims is how many hosts may claim an address for a login from it to lead to them: more are not looked at for what one told.
const maxClaims = 4

// few gives the hosts that claim an address, none where too many do.
func (c claims) few(address string) []string {
	if list := c[address]; len(list) <= maxClaims {
		return list
	}
	return nil
}

// visits are the logins that the latest reports of a host tell of.
func (s *Server) visits(ctx context.Context, host string) ([]Visit, error) {
	reports, err := s.opt.Store.Reports(ctx, host, "", 5)
	for i := range reports {
		if len(reports[i].Visits) > 0 {
			return reports[i].Visits, nil
		}
	}
	return nil, err
}

// spread says how an incident went from host to host, and puts its hosts in that order: where it began first.
func (s *Server) spread(ctx context.Context, inc *Incident) error {
	if len(inc.Hosts) < 2 {
		return nil
	}
	by, err := s.network(ctx)
	if err != nil {
		return err
	}
	in := map[string]bool{}
	for _, p := range inc.Hosts {
		in[p.Host] = true
	}
	for _, p := range inc.Hosts {
		list, err := s.visits(ctx, p.Host)
		if err != nil {
			return err
		}
		for _, v := range list {
			if from := by.from(v.From, p.Host, in); from != "" {
				inc.Spread = append(inc.Spread, Edge{from, p.Host, v})
			}
		}
	}
	slices.SortStableFunc(inc.Spread, func(a, b Edge) int { return a.First.Compare(b.First) })
	inc.follow()
	return nil
}

// follow keeps of the ways the ones that an intrusion can have gone, each host once by the first login to it, and orders the hosts along
// them. What began a host's part of it is the oldest trace there: a login behind that brought nothing.
func (inc *Incident) follow() {
	since := map[string]time.Time{}
	for _, p := range inc.Hosts {
		since[p.Host] = p.First
	}
	for i := range inc.Parts {
		p := &inc.Parts[i]
		if t, ok := since[p.Host]; ok && p.Since.Year() > 1970 && p.Since.Before(t) {
			since[p.Host] = p.Since
		}
	}
	came := map[string]*Edge{}
	var ways []Edge
	for i := range inc.Spread {
		e := &inc.Spread[i]
		if came[e.To] != nil || e.First.After(since[e.To].Add(slack)) || leads(came, e.To, e.From) {
			continue
		}
		came[e.To] = e
		ways = append(ways, *e)
	}
	inc.Spread = ways
	depth := func(host string) (n int) {
		for e := came[host]; e != nil; e = came[e.From] {
			n++
		}
		return n
	}
	reach := map[string]int{}
	for to := range came {
		for e := came[to]; e != nil; e = came[e.From] {
			reach[e.From]++
		}
	}
	slices.SortStableFunc(inc.Hosts, func(a, b Place) int {
		root := func(p Place) int { return cmp.Compare(depth(p.Host), 0) }
		return cmp.Or(cmp.Compare(root(a), root(b)), cmp.Compare(depth(a.Host), depth(b.Host)), -cmp.Compare(reach[a.Host], reach[b.Host]), since[a.Host].Compare(since[b.Host]))
	})
	for i := range inc.Hosts {
		inc.Hosts[i].Since, inc.Hosts[i].Depth = since[inc.Hosts[i].Host], depth(inc.Hosts[i].Host)
	}
}

// slack is how far clocks of two hosts, and the granularity of logs, may put a login behind what it brought.
const slack = time.Minute

// leads tells whether the ways that are known lead from one host to another: a way back would be a circle.
func leads(came map[string]*Edge, from, to string) bool {
	for host := to; ; {
		if host == from {
			return true
		}
		e := came[host]
		if e == nil {
			return false
		}
		host = e.From
	}
}

// Sweep has hosts looked at for an incident: with the rules, and for the contents and keys that were convicted in it. An agent goes on
// looking for these. group names the orders.
func (s *Server) Sweep(ctx context.Context, who auth.Who, incident string, hosts []string) (group string, err error) {
	if err := who.May(auth.Responder); err != nil {
		return "", err
	}
	inc, err := s.opt.Store.Incident(ctx, incident)
	if err != nil {
		return "", err
	}
	return s.Scan(ctx, who, hosts, deminer.ScanOrder{Mode: "quick", Look: inc.sought()})
}

// maxSought is how many indicators one order carries.
const maxSought = 200

// sought gives what of an incident can be looked for on other hosts.
func (inc *Incident) sought() (out []deminer.Sought) {
	for _, t := range inc.Ties {
		n := deminer.Indicator{Kind: t.Kind, Value: t.Value}
		switch {
		case t.Kind == "sha256":
		case t.Kind == "line" && strings.HasPrefix(t.Value, "ssh-"): // of a file of keys
			words := strings.Fields(t.Value)
			if len(words) < 2 || !strings.HasPrefix(words[1], "AAAA") || len(words[0])+len(words[1]) >= maxKeyLine-1 { // the end of it may be missing
				continue
			}
			n = deminer.Indicator{Kind: "key", Value: words[1]}
		default:
			continue
		}
		if len(out) < maxSought {
			out = append(out, deminer.Sought{Indicator: n, Hosts: inc.Told[t]})
		}
	}
	return out
}

// neighbors asks for a look, which changes nothing, at a host where mining is proven and at those that somebody logged in to it from, or
// from it: an intruder who has a key tries it elsewhere. Each host is asked once in a while.
type neighbors struct {
	mu    sync.Mutex
	asked map[string]time.Time
}

const (
	askAgain     = time.Hour
	maxNeighbors = 50
)

// due takes the hosts of a list that were not asked lately.
func (n *neighbors) due(hosts []string, now time.Time) (out []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.asked == nil || len(n.asked) > 100_000 {
		n.asked = map[string]time.Time{}
	}
	for _, h := range hosts {
		if t, ok := n.asked[h]; h != "" && (!ok || now.Sub(t) > askAgain) && len(out) < maxNeighbors {
			n.asked[h] = now
			out = append(out, h)
		}
	}
	return out
}

// itself is who the audit log names where nobody asked.
var itself = auth.Who{Name: "server", Role: auth.Responder}

// follow takes note of what may have come from another host, or gone to one. It never waits: what has no room is seen by its next alert.
func (s *Server) follow(d *Delivery) {
	if !s.opt.Follow || d.Alert != nil && !mines(d.Alert) || d.Report != nil && d.Report.Verdict != deminer.VerdictMining {
		return
	}
	select {
	case s.suspects <- d:
	default:
	}
}

func mines(a *Alert) bool {
	return a.State.Open() && a.Grade.AtLeast(alert.Strong) && slices.Contains(a.Topics, deminer.TopicMining)
}

// worms asks what follow took note of, until ctx ends.
func (s *Server) worms(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case d := <-s.suspects:
			s.worm(ctx, d)
		}
	}
}

// worm has the hosts looked at that a proven miner on this one may have come from or gone to.
func (s *Server) worm(ctx context.Context, d *Delivery) {
	var hosts []string
	switch {
	case d.Alert != nil:
		hosts = []string{d.Host}
	case d.Report != nil:
		hosts = s.linked(ctx, d.Host, d.Report.Visits)
	}
	hosts = s.neighbors.due(hosts, s.now())
	hosts = slices.DeleteFunc(hosts, func(h string) bool { return s.here(ctx, h) != nil })
	if len(hosts) == 0 {
		return
	}
	if _, err := s.Scan(ctx, itself, hosts, deminer.ScanOrder{Mode: "quick"}); err != nil {
		s.opt.Say("a look at hosts that an intrusion may have reached could not be asked for: " + deminer.Cut(err.Error(), 300))
	}
}

// linked gives the hosts that logins lead from or to.
func (s *Server) linked(ctx context.Context, host string, visits []Visit) (out []string) {
	by, err := s.network(ctx)
	if err != nil {
		return nil
	}
	for _, v := range visits {
		for _, from := range by.few(v.From) {
			if from != host && !slices.Contains(out, from) {
				out = append(out, from)
			}
		}
	}
	latest, err := s.opt.Store.Reports(ctx, "", "", 500)
	if err != nil {
		return out
	}
	for i := range latest {
		r := &latest[i]
		if r.Host != host && !slices.Contains(out, r.Host) && slices.ContainsFunc(r.Visits, func(v Visit) bool { return slices.Contains(by.few(v.From), host) }) {
			out = append(out, r.Host)
		}
	}
	return out
}
