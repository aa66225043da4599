package detect

import (
	"context"
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strconv"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
	"github.com/deminer/deminer/internal/match"
)

// inert is the size in bytes up to which a file at a known path is a place-holder of a cleaner or a rival; text of up to
// small bytes says something only on a host that is proven to be intruded.
const (
	inert = 2
	small = 1024
)

// familyPath speaks of files at paths that belong to a malware family. The path alone is no proof, and an empty file or
// directory there is a place-holder somebody put to keep the malware out.
func familyPath(_ context.Context, p *Pass) error {
	if p.Files == nil {
		return nil
	}
	for _, f := range p.Files.list {
		h, ok := strongest(f.Named)
		if !ok || h.Strength < match.Strong || packaged(p.owner(f.Path)) {
			continue
		}
		g := deminer.Finding{
			Topic: topicOf(h.Class), Tier: deminer.Strong, Class: deminer.ByIdentity, Catalogue: "DE-06",
			Title: q(f.Path) + " lies where a malware family puts its files",
			Why:   []string{deminer.Safe(h.What), fmt.Sprintf("it is a %s of %d bytes", f.Attr.Type, f.Attr.Size)}, Subject: file(f.Path), Time: born(f.Attr),
			Indicators: hitIndicators([]match.Hit{h}),
		}
		if h.Family != "" {
			g.Why = append(g.Why, "resembles "+deminer.Safe(h.Family))
		}
		g.Cleared = []string{"an inert place-holder: it holds more than that"}
		switch {
		case f.Attr.IsDir() && p.barren(f.Path), f.Attr.IsRegular() && f.Attr.Size <= inert && f.Content.Kind != "script" && f.Content.Kind != "elf":
			g.Tier = deminer.Weak
			g.Cleared = []string{"inert: empty or a few bytes, a place-holder of a cleaner or left by a rival"}
			if p.flagged(f.Path) != 0 && p.proven() != "" {
				g.Remove = append(p.clearFlags(f.Path), deminer.Action{Verb: deminer.VerbQuarantine, Target: g.Subject})
			}
		case f.Attr.IsRegular() && f.Content.Kind != "elf" && f.Content.Kind != "script" && (f.Attr.Size <= small || !placeOf(f.Path).odd()) && p.proven() == "":
			g.Tier = deminer.Weak
			g.Cleared = []string{"a text, not a program"}
		default:
			g = p.settle(g)
		}
		p.Report(g)
	}
	return nil
}

// barren reports whether a directory holds no file of more than a few bytes, three levels deep.
func (p *Pass) barren(dir string) bool {
	found := false
	host.Walk(p.FS, dir, 3, 1000, func(name string, e host.Entry) bool {
		if e.Type == deminer.Regular && !found {
			a, err := p.FS.Lstat(name)
			found = err == nil && a.Size > inert
		}
		return !found
	}, func(string, error) {})
	return !found
}

// knownName speaks of processes, units, modules and containers that bear a family's name.
func knownName(_ context.Context, p *Pass) error {
	if p.Rules == nil {
		return nil
	}
	for _, pr := range p.subjects() {
		if packaged(pr.Own) {
			continue
		}
		for _, n := range []string{pr.Comm, path.Base(pr.Exe)} {
			h, ok := strongest(p.Rules.ProcessName(n))
			if !ok || h.Strength < match.Strong || h.Rule == "ioc/masquerade" || n == "." {
				continue
			}
			f := identityFinding(h, process(pr), called(pr)+" bears the name "+q(n))
			f.Time = pr.Started
			if p.busyless(pr) && p.doubtful(pr) == "" && pr.Own.State != deminer.Unowned {
				f.Tier = deminer.Weak
			}
			p.Report(f)
			break
		}
	}
	for _, f := range p.footholds() {
		if f.ID != "PL-06" && f.ID != "PL-04" && f.ID != "PL-08" || len(p.foreignTargets(f)) == 0 {
			continue
		}
		if h, ok := strongest(p.Rules.Named(match.KindUnit, path.Base(string(f.Path)))); ok && h.Strength >= match.Strong {
			g := identityFinding(h, f.Artifact(), "unit "+q(path.Base(string(f.Path)))+" bears a known name")
			g.Time = f.Attr.Mtime
			p.Report(g)
		}
	}
	for _, m := range p.Snapshot.Kernel.Modules {
		if packaged(m.Own) {
			continue
		}
		if h, ok := strongest(p.Rules.Named(match.KindModule, m.Name)); ok && h.Strength >= match.Strong {
			f := identityFinding(h, deminer.Artifact{Kind: deminer.KindModule, Name: m.Name}, "kernel module "+q(m.Name)+" bears a known name")
			f.Topic, f.Distrust = deminer.TopicRootkit, "a module with the name of a kernel rootkit is loaded"
			p.Report(f)
		}
	}
	return nil
}

func identityFinding(h match.Hit, subject deminer.Artifact, title string) deminer.Finding {
	f := hitFinding(h, subject, title)
	f.Class = deminer.ByIdentity
	if f.Tier == deminer.Proof {
		f.Tier = deminer.Strong // a name is never proof
	}
	return f
}

// poolConnection speaks of connections to known pools.
func poolConnection(_ context.Context, p *Pass) error {
	if p.Rules == nil {
		return nil
	}
	p.poolAnswers()
	for _, pr := range p.subjects() {
		for _, s := range p.outward(pr) {
			a, err := netip.ParseAddr(ip(s.Remote))
			if err != nil {
				continue
			}
			no, _ := strconv.ParseUint(port(s.Remote), 10, 16)
			h, ok := strongest(p.Rules.Addr(a, uint16(no)))
			if !ok {
				continue
			}
			if h.Strength == match.Info && (packaged(pr.Own) || p.cores(pr) < busyCores) {
				continue // a port says nothing by itself
			}
			f := deminer.Finding{
				Topic: deminer.TopicMining, Tier: tierOf(h.Strength), Class: deminer.ByNetwork, Technique: "T1496.001", Catalogue: "NW-07",
				Title:   called(pr) + " is connected to " + deminer.Safe(s.Remote),
				Why:     []string{deminer.Safe(h.What) + " (" + q(h.Excerpt) + ")", fmt.Sprintf("%d bytes sent, %d received, %.2f cores used", s.Sent, s.Recv, p.cores(pr))},
				Subject: process(pr), Also: []deminer.Artifact{{Kind: deminer.KindAddress, Addr: s.Remote}}, Time: pr.Started,
				Indicators: []deminer.Indicator{{Kind: "ip", Value: a.String()}},
			}
			if packaged(pr.Own) || f.Tier == deminer.Proof {
				f.Tier = lower(f.Tier) // addresses are shared and change hands
			}
			if h.Strength == match.Info {
				f.Cleared = []string{"many services use this port: it counts only beside other signs"}
			}
			p.Report(f)
			break
		}
	}
	return nil
}

// accountIdentity speaks of accounts with a name that intruders are known to make.
func (p *Pass) accountIdentity(a *deminer.Account) bool {
	if p.Rules == nil {
		return false
	}
	h, ok := strongest(p.Rules.Named(match.KindAccount, a.Name))
	if !ok || h.Strength < match.Strong || closed[a.Name] {
		return false
	}
	f := p.aboutAccount(a, deminer.Strong, deminer.ByIdentity, "the name is one that intruders are known to make: "+deminer.Safe(h.What))
	f.Title = "account " + q(a.Name) + " bears a known name"
	if h.Family != "" {
		f.Why = append(f.Why, "resembles "+deminer.Safe(h.Family))
		f.Indicators = append(f.Indicators, deminer.Indicator{Kind: "family", Value: h.Family})
	}
	p.Report(f)
	return true
}

// keyIdentity speaks of keys that are known to be an attacker's.
func (p *Pass) keyIdentity(f *deminer.Foothold) {
	if p.Rules == nil {
		return
	}
	h, ok := strongest(p.Rules.Key(string(f.Line)))
	if !ok || h.Strength < match.Strong {
		return
	}
	g := p.aboutKey(f, tierOf(h.Strength), deminer.ByIdentity, deminer.Safe(h.What)+": "+q(h.Excerpt))
	if slices.Contains([]match.Strength{match.Strong}, h.Strength) {
		g = p.settle(g)
	}
	if h.Family != "" {
		g.Why = append(g.Why, "resembles "+deminer.Safe(h.Family))
		g.Indicators = append(g.Indicators, deminer.Indicator{Kind: "family", Value: h.Family})
	}
	p.Report(g)
}
