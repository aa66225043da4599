package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/auth"
	"github.com/deminer/deminer/internal/policy"
)

// AllHosts gives the hosts by name, with how they stand.
func (s *Server) AllHosts(ctx context.Context) ([]Host, error) {
	return s.hosts(ctx, false)
}

// HostNames gives the hosts as AllHosts does, without their policies and without what agents say but their mode: with thousands of hosts
// that is most of the work.
func (s *Server) HostNames(ctx context.Context) ([]Host, error) { return s.hosts(ctx, true) }

func (s *Server) hosts(ctx context.Context, brief bool) ([]Host, error) {
	hs, err := s.opt.Store.Hosts(ctx, brief)
	for i := range hs {
		s.stand(&hs[i])
	}
	return hs, err
}

// OneHost gives a host with how it stands.
func (s *Server) OneHost(ctx context.Context, id string) (Host, error) {
	h, err := s.opt.Store.Host(ctx, id)
	if err == nil {
		s.stand(&h)
	}
	return h, err
}

// stand says how a host stands, and why.
func (s *Server) stand(h *Host) {
	s.mu.Lock()
	away, gone := s.away[h.ID]
	s.mu.Unlock()
	switch {
	case !h.Revoked.IsZero():
		h.Standing = Revoked
	case h.Seen.IsZero():
		h.Standing = Expected
	case s.now().Sub(h.Seen) > s.opt.Quiet || gone:
		h.Standing = Offline
		if h.Why = "nothing was heard"; gone {
			h.Why = away
		}
	case h.Agent.Mode == string(Preventing):
		h.Standing, h.Why = Preventing, h.Agent.Policy
	default:
		h.Standing, h.Why = Watching, h.Agent.Policy
	}
}

// Alerts gives one page of alerts, and how many there are; with a negative limit nothing but that.
func (s *Server) Alerts(ctx context.Context, f AlertFilter) ([]Alert, int, error) {
	if f.Limit == 0 {
		f.Limit = 50
	}
	f.Limit = min(f.Limit, 1000)
	return s.opt.Store.Alerts(ctx, f)
}

// Alert gives one alert.
func (s *Server) Alert(ctx context.Context, host, id string) (Alert, error) {
	return s.opt.Store.Alert(ctx, host, id)
}

// Incidents gives the incidents, the latest first.
func (s *Server) Incidents(ctx context.Context, open bool, limit int) ([]Incident, error) {
	return s.opt.Store.Incidents(ctx, open, limit)
}

// Incident gives one incident with its ties and parts, and how it spread.
func (s *Server) Incident(ctx context.Context, id string) (Incident, error) {
	inc, err := s.opt.Store.Incident(ctx, id)
	if err == nil {
		err = s.spread(ctx, &inc)
	}
	return inc, err
}

// Counts gives the numbers of the overview.
func (s *Server) Counts(ctx context.Context) (Counts, error) {
	return s.opt.Store.Counts(ctx, s.now(), false)
}

// Brief gives the few numbers that stand on every page: open alerts, and hosts that mine. They are counted anew when an alert changed.
func (s *Server) Brief(ctx context.Context) (Counts, error) {
	s.brief.Lock()
	defer s.brief.Unlock()
	at := s.feed.changed("alerts") + 1
	if s.briefAt != at {
		c, err := s.opt.Store.Counts(ctx, s.now(), true)
		if err != nil {
			return c, err
		}
		s.briefCounts, s.briefAt = c, at
	}
	return s.briefCounts, nil
}

// Reports gives the scans of a host ("" all) or of one order, the latest first, without their bodies.
func (s *Server) Reports(ctx context.Context, host, order string, limit int) ([]Report, error) {
	return s.opt.Store.Reports(ctx, host, order, limit)
}

// Report gives one scan whole.
func (s *Server) Report(ctx context.Context, host, id string) (Report, error) {
	return s.opt.Store.Report(ctx, host, id)
}

// Vault gives what lies in quarantine on a host, or on all ("").
func (s *Server) Vault(ctx context.Context, host string) ([]Kept, error) {
	return s.opt.Store.Vault(ctx, host)
}

// Blocks gives the blocks in force on a host, or on all ("").
func (s *Server) Blocks(ctx context.Context, host string) ([]Blocked, error) {
	return s.opt.Store.Blocks(ctx, host)
}

// Tokens gives what makes tokens for new hosts, nil where this server enrols nobody. Only an admin may ask.
func (s *Server) Tokens(who auth.Who) (Enrolment, error) {
	if err := who.May(auth.Admin); err != nil {
		return nil, err
	}
	return s.opt.Enrolment, nil
}

// Revoke throws a host off for good.
func (s *Server) Revoke(ctx context.Context, who auth.Who, host string) error {
	if err := who.May(auth.Admin); err != nil {
		return err
	}
	if _, err := s.opt.Store.Host(ctx, host); err != nil {
		return err
	}
	if err := s.Audit(ctx, who, "revoke", host, ""); err != nil {
		return err
	}
	s.mu.Lock()
	fleet := s.fleet
	s.mu.Unlock()
	if fleet != nil {
		if err := fleet.Revoke(host); err != nil {
			return fmt.Errorf("throw host %s off: %w", host, err)
		}
	}
	if err := s.opt.Store.RevokeHost(ctx, host, s.now()); err != nil {
		return fmt.Errorf("write down that host %s was revoked: %w", host, err)
	}
	if err := s.endAll(ctx, host); err != nil {
		return fmt.Errorf("end the orders of host %s: %w", host, err)
	}
	s.feed.tell("hosts", "host-"+host)
	return nil
}

// Thing asks a host to put back or to destroy what lies in its quarantine.
func (s *Server) Thing(ctx context.Context, who auth.Who, host, id string, kind deminer.OrderKind) (order string, err error) {
	if err := who.May(auth.Responder); err != nil {
		return "", err
	}
	if kind != deminer.OrderRestore && kind != deminer.OrderDelete {
		return "", senseless("a thing in quarantine is restored or deleted")
	}
	if err := s.here(ctx, host); err != nil {
		return "", err
	}
	all, err := s.opt.Store.Vault(ctx, host)
	if err != nil {
		return "", err
	}
	for _, k := range all {
		if k.ID != id {
			continue
		}
		o := s.order(who, host, kind, NewID())
		o.Vault = id
		if err := s.Audit(ctx, who, string(kind), host, fmt.Sprintf("%s, %s, order %s", id, deminer.Cut(k.Path, 300), o.ID)); err != nil {
			return "", err
		}
		return o.ID, s.give(ctx, o)
	}
	return "", ErrNone
}

var hostName = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$`)

// Block asks hosts to drop what is sent to an address, an address with a port, or a name; or to lift that.
func (s *Server) Block(ctx context.Context, who auth.Who, hosts []string, b deminer.BlockOrder) (group string, err error) {
	if err := who.May(auth.Responder); err != nil {
		return "", err
	}
	b.What = strings.ToLower(strings.TrimSpace(b.What))
	if !b.Lift && !blockable(b.What) || b.What == "" || len(b.What) > 300 {
		return "", senseless("%q is no address, address:port or name of a host", deminer.Cut(b.What, 60))
	}
	if a, err := netip.ParseAddr(b.What); err == nil && !b.Lift {
		if own, err := netip.ParseAddr(who.Address); err == nil && own.Unmap() == a.Unmap() {
			return "", senseless("you are at %s yourself; with a port only what is sent to that port is dropped", a)
		}
	}
	if b.For < 0 || time.Duration(b.For) > 365*24*time.Hour {
		return "", senseless("a block lasts at most a year")
	}
	group = NewID()
	var os []Order
	for _, h := range hosts {
		if err := s.here(ctx, h); err != nil {
			return "", err
		}
		o := s.order(who, h, deminer.OrderBlock, group)
		o.Block = &b
		os = append(os, o)
	}
	if len(os) == 0 {
		return "", senseless("choose at least one host")
	}
	what := "block"
	if b.Lift {
		what = "lift block"
	}
	if err := s.Audit(ctx, who, what, someOf(hosts), b.What); err != nil {
		return "", err
	}
	return group, s.give(ctx, os...)
}

func blockable(what string) bool {
	if a, err := netip.ParseAddr(what); err == nil {
		return !a.IsUnspecified() && !a.IsLoopback() && !a.IsMulticast() && a.Zone() == ""
	}
	if a, err := netip.ParseAddrPort(what); err == nil {
		return a.Port() != 0 && blockable(a.Addr().String())
	}
	return len(what) <= 253 && hostName.MatchString(what)
}

// PolicyText gives the policy of a mode: "off" has none, "alert" tells what would be refused and done, "block" does what the
// recommended policy says.
func PolicyText(mode string) (string, error) {
	switch mode {
	case "off":
		return "", nil
	case "block":
		return policy.Recommended, nil
	case "alert":
		return alertOnly, nil
	}
	return "", senseless("there is no policy that is called %q", deminer.Cut(mode, 20))
}

// alertOnly tells everything and changes nothing.
const alertOnly = `version: 1
respond: {freeze: never, block: never, clean: never}
prevent: {program: alert, login: alert, like: alert, pool: alert, return: alert}
guessing: {mode: alert}
`

// SetPolicy gives hosts the policy of a mode, or ("own") the text of one.
func (s *Server) SetPolicy(ctx context.Context, who auth.Who, hosts []string, mode, text string) error {
	if err := who.May(auth.Admin); err != nil {
		return err
	}
	if mode != "own" {
		var err error
		if text, err = PolicyText(mode); err != nil {
			return err
		}
	} else if _, err := policy.Parse([]byte(text), s.now()); err != nil || text == "" {
		return senseless("the policy cannot be read: %v", err)
	}
	sum := sha256.Sum256([]byte(text))
	p := Policy{Mode: mode, Text: text, Digest: hex.EncodeToString(sum[:]), By: deminer.Cut(who.Name, 80), Time: s.now()}
	for _, h := range hosts {
		if err := s.here(ctx, h); err != nil {
			return err
		}
	}
	if err := s.Audit(ctx, who, "policy", someOf(hosts), mode+" "+p.Digest); err != nil {
		return err
	}
	group := NewID()
	for _, h := range hosts {
		if err := s.opt.Store.SetPolicy(ctx, h, p); err != nil {
			return fmt.Errorf("write the policy of host %s down: %w", h, err)
		}
		o := s.order(who, h, deminer.OrderPolicy, group)
		o.Policy = &deminer.PolicyOrder{Text: text}
		if err := s.give(ctx, o); err != nil {
			return err
		}
	}
	s.feed.tell("hosts")
	return nil
}
