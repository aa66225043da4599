package detect

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"strings"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/match"
)

// talk is what was seen of one connection on the wire.
type talk struct {
	id            deminer.ProcID
	local, remote string
	inbound       bool
	sent, got     []byte
	at            deminer.Event
}

// talks joins the first pieces of connections that were seen, by process and by connection, in the order in which they began.
func talks(seen []deminer.Event) []*talk {
	type key struct {
		id            deminer.ProcID
		local, remote string
	}
	at := map[key]*talk{}
	var out []*talk
	flows := slices.DeleteFunc(slices.Clone(seen), func(e deminer.Event) bool { return e.Kind != deminer.EventFlow || e.Proc.PID == 0 })
	slices.SortStableFunc(flows, func(a, b deminer.Event) int { return cmp.Compare(a.Piece, b.Piece) })
	for _, e := range flows {
		k := key{e.Proc, e.Local, e.Remote}
		t := at[k]
		if t == nil {
			t = &talk{id: e.Proc, local: e.Local, remote: e.Remote, inbound: e.Inbound, at: e}
			at[k], out = t, append(out, t)
		}
		if e.Sent {
			t.sent = append(t.sent, e.Data...)
		} else {
			t.got = append(t.got, e.Data...)
		}
	}
	return out
}

// stratumFlow speaks of processes that were seen to log in to a mining pool, on the wire and while they did it.
func stratumFlow(_ context.Context, p *Pass) error {
	for _, t := range talks(p.Snapshot.Seen) {
		pr := p.memo.procs[t.id.PID]
		if pr == nil || pr.ID != t.id || p.memo.self[pr.ID] {
			continue
		}
		said, client := match.Wire(t.sent)
		heard, server := match.Wire(t.got)
		if !client && !server {
			continue
		}
		if t.inbound || heard.Client {
			p.Report(poolHere(pr, t, cmp.Or(heard.Excerpt, said.Excerpt)))
			continue
		}
		if said.Client || said.Submit {
			p.Report(p.loggedIn(pr, t, said, heard.Server))
		}
	}
	return nil
}

// poolHere speaks of the other side: a pool or a proxy, which may be the owner's.
func poolHere(pr *deminer.Process, t *talk, excerpt string) deminer.Finding {
	return deminer.Finding{
		Topic: deminer.TopicMining, Tier: deminer.Weak, Class: deminer.ByNetwork, Catalogue: "NW-01",
		Title:   called(pr) + " speaks a mining protocol as a server",
		Why:     []string{"on its connection with " + deminer.Safe(t.remote) + " was seen: " + q(excerpt)},
		Cleared: []string{"it accepts the connection: a pool or a proxy, which may be the owner's"},
		Subject: process(pr), Time: t.at.Time,
	}
}

func (p *Pass) loggedIn(pr *deminer.Process, t *talk, said match.Exchange, answered bool) deminer.Finding {
	f := deminer.Finding{
		Topic: deminer.TopicMining, Tier: deminer.Strong, Class: deminer.ByNetwork, Technique: "T1496.001", Catalogue: "NW-01",
		Title:   called(pr) + " logs in to a mining pool",
		Why:     []string{"it sent to " + deminer.Safe(t.remote) + " a message of the " + string(said.Dialect) + " mining protocol: " + q(said.Excerpt)},
		Subject: process(pr), Also: []deminer.Artifact{{Kind: deminer.KindAddress, Addr: t.remote}}, Time: t.at.Time,
	}
	login, _, _ := strings.Cut(said.Login, ".")
	wallet, valid := match.ParseWallet(login)
	switch {
	case answered:
		f.Tier = deminer.Proof
		f.Why = append(f.Why, "the other side answered with work")
	case valid && wallet.Checked:
		f.Tier = deminer.Proof
		f.Why = append(f.Why, "it logs in with the "+wallet.Coin+" address "+q(wallet.Address)+", whose checksum is right")
	default:
		f.Cleared = []string{"another protocol with such a login: no answer with work and no payout address was seen"}
	}
	if valid {
		f.Indicators = append(f.Indicators, deminer.Indicator{Kind: "wallet", Value: wallet.Address})
	}
	f.Indicators = append(f.Indicators, deminer.Indicator{Kind: "ip", Value: ip(t.remote)})
	return f
}

// poolAnswers speaks of processes that were seen to connect to an address which the DNS gave for the name of a pool. Who
// asked does not count: that is a resolver as often as not.
func (p *Pass) poolAnswers() {
	pools := map[netip.Addr]match.Hit{}
	for _, e := range p.Snapshot.Seen {
		if e.Kind != deminer.EventDNS {
			continue
		}
		a, ok := match.DNS([]byte(e.Data))
		if h, hit := p.Rules.Asked(a); ok && hit {
			for _, addr := range a.Addrs {
				if global(addr) {
					pools[addr.Unmap()] = h
				}
			}
		}
	}
	if len(pools) == 0 {
		return
	}
	for _, e := range p.Snapshot.Seen {
		to, err := netip.ParseAddrPort(e.Remote)
		h, hit := pools[to.Addr().Unmap()]
		pr := p.memo.procs[e.Proc.PID]
		if e.Kind != deminer.EventConnect || e.Proto != "tcp" || err != nil || !hit || pr == nil || pr.ID != e.Proc || p.memo.self[pr.ID] {
			continue
		}
		f := hitFinding(h, process(pr), called(pr)+" connects to "+q(h.Excerpt))
		f.Class, f.Technique, f.Catalogue, f.Time = deminer.ByNetwork, "T1496.001", "NW-08", e.Time
		f.Why = append(f.Why, "the DNS gave "+deminer.Safe(to.Addr().String())+" for that name, and it connects to "+deminer.Safe(e.Remote))
		f.Also = []deminer.Artifact{{Kind: deminer.KindAddress, Addr: e.Remote}}
		if packaged(pr.Own) || f.Tier == deminer.Proof {
			f.Tier = lower(f.Tier) // a name says whom it talks to, not what about
		}
		f.Cleared = []string{"a list of names that is looked up as a whole: this one was connected to"}
		p.Report(f)
	}
}

// global reports whether an address can be one of a pool; a name that was sent to nowhere says nothing.
func global(a netip.Addr) bool {
	return a.IsValid() && !a.IsUnspecified() && !a.IsLoopback() && !a.IsMulticast()
}
