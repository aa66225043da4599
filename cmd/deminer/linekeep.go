package main

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strconv"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/remedy"
)

// keepLine takes out of a plan what would cut this host off from its server, and says so: without it nobody could take the plan back from
// afar. A port that the server does not use may be blocked.
func (l *line) keepLine(ctx context.Context, p *deminer.Plan) {
	out := map[string]bool{}
	for _, s := range p.Steps {
		a := s.Action
		if a.Verb != deminer.VerbBlock || a.Target.Kind != deminer.KindAddress {
			continue
		}
		at, err := remedy.ParseBlockAddr(a.Target.Addr)
		if err != nil || at.Port() != 0 && !l.used(at.Port()) {
			continue
		}
		if why := l.spared(ctx, at.Addr()); why != "" {
			out[s.ID] = true
			p.Refused = append(p.Refused, deminer.Refusal{Artifact: a.Target, Why: "it " + why, Advice: "look who answers there; a firewall outside of this host can block it"})
		}
	}
	if len(out) == 0 {
		return
	}
	p.Steps = slices.DeleteFunc(p.Steps, func(s deminer.Step) bool { return out[s.ID] })
	for i := range p.Steps {
		p.Steps[i].After = slices.DeleteFunc(p.Steps[i].After, func(id string) bool { return out[id] })
	}
}

// used tells whether the server is reached at a port.
func (l *line) used(port uint16) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(append([]string{l.id.Server}, l.id.Bus...), func(at string) bool {
		_, p, err := net.SplitHostPort(at)
		return err == nil && p == strconv.Itoa(int(port))
	})
}

// spared says why an address is not blocked: the host itself, and the server, which could lift no block any more.
func (l *line) spared(ctx context.Context, a netip.Addr) string {
	if a.IsLoopback() || a.IsUnspecified() || a.IsMulticast() || a.IsLinkLocalUnicast() {
		return "is an address of the host itself or of all hosts"
	}
	l.mu.Lock()
	servers := l.id.Bus
	l.mu.Unlock()
	for _, at := range servers {
		host, _, err := net.SplitHostPort(at)
		if err != nil {
			continue
		}
		own, err := addressesOf(ctx, host)
		if err == nil && slices.ContainsFunc(own, func(p netip.AddrPort) bool { return p.Addr().Unmap() == a.Unmap() }) {
			return "is the server of this host: without it no block could be lifted"
		}
	}
	return ""
}
