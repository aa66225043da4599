package detect

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/deminer/deminer"
)

// footholdCradle speaks of entries and started scripts that fetch and run code from where no owner would.
//
// By the decision model a cradle is one strong sign, of how something comes back. A bare address without TLS, each minute,
// with the output thrown away, from two entries at once: all of that is the same sign again, and an owner's own server may
// hand out updates so. What convicts is a second sign of another kind, which is looked for here: the entry was made
// unchangeable, or belongs to an account nobody logs in to; elsewhere: a suspect talks to the address, or it is written to
// be overlooked.
func footholdCradle(_ context.Context, p *Pass) error {
	same := p.fetchedFrom()
	for _, f := range p.footholds() {
		text := entryText(f)
		for _, r := range cradlesIn(text) {
			g := cradleFinding(f, r, "the entry ")
			leave(&g, f, text, same)
			p.Report(g)
			p.secondSign(f, g)
		}
		if killsOnly(text) {
			continue
		}
		for _, t := range p.foreignTargets(f) {
			if body := p.script(t); body != "" {
				for _, r := range cradlesIn(body) {
					g := cradleFinding(f, r, "the script "+q(t)+" it starts ")
					g.Also = []deminer.Artifact{file(t)}
					leave(&g, f, text, same)
					p.Report(g)
				}
			}
		}
	}
	return nil
}

// entryText is what an entry runs, as written.
func entryText(f *deminer.Foothold) string {
	if f.Command != "" {
		return string(f.Command)
	}
	return string(f.Line)
}

func cradleFinding(f *deminer.Foothold, r reason, who string) deminer.Finding {
	g := about(f, deminer.Strong, deminer.ByPersist, "an entry in "+where(f)+" fetches and runs foreign code", who+r.text)
	g.Topic = deminer.TopicReturns
	g.Cleared = []string{"a monitoring ping, a certificate renewal or an installer: those throw the answer away or fetch from a named host"}
	g.Indicators = urls(r.text)
	return g
}

// fetchedFrom lists for each bare address the entries that fetch from it and run what comes.
func (p *Pass) fetchedFrom() map[string][]string {
	out := map[string][]string{}
	for _, f := range p.footholds() {
		for _, r := range cradlesIn(entryText(f)) {
			for _, a := range bareAddresses(urls(r.text)) {
				out[a] = append(out[a], where(f))
			}
		}
	}
	return out
}

// bareAddresses gives the addresses among indicators, each once.
func bareAddresses(list []deminer.Indicator) (out []string) {
	for _, i := range list {
		if i.Kind == "ip" && !inList(out, i.Value) {
			out = append(out, i.Value)
		}
	}
	return out
}

// leave adds what the owner has to know to decide by himself: how often, how openly, what else fetches from there.
func leave(g *deminer.Finding, f *deminer.Foothold, text string, same map[string][]string) {
	if f.Every > 0 && f.Every <= 5*time.Minute {
		g.Why = append(g.Why, "it does so every "+f.Every.String())
	}
	if strings.Contains(text, "/dev/null") {
		g.Why = append(g.Why, "its output is thrown away")
	}
	for _, a := range bareAddresses(g.Indicators) {
		if strings.Contains(text, "http://"+a) {
			g.Why = append(g.Why, "without TLS: whoever sits on the way decides what runs here")
		}
		if n := len(same[a]); n > 1 {
			g.Why = append(g.Why, fmt.Sprintf("%d entries fetch from %s: %s", n, deminer.Safe(a), strings.Join(same[a][:min(n, 4)], ", ")))
		}
		g.Fix = "If " + deminer.Safe(a) + " is no server of yours, take the entries that fetch from it out: what they run may be another program each time. If it is, let them fetch by name, with https, and check what comes before it runs."
	}
}

// secondSign reports what of another kind speaks against an entry that fetches code from a public address.
func (p *Pass) secondSign(f *deminer.Foothold, g deminer.Finding) {
	public := false
	for _, a := range bareAddresses(g.Indicators) {
		ip, err := netip.ParseAddr(a)
		public = public || err == nil && !ip.IsPrivate() && !ip.IsLinkLocalUnicast() && !ip.IsLoopback()
	}
	if !public {
		return
	}
	if f.Attr.Flags != 0 {
		h := about(f, deminer.Strong, deminer.ByTamper, deminer.Safe(f.Path)+" was made unchangeable and fetches and runs foreign code", "inode flags: "+f.Attr.Flags.String()+" (chattr +"+f.Attr.Flags.String()+")")
		h.Technique, h.Catalogue = "T1222.002", "DE-01"
		h.Cleared = []string{"an owner's protection of a configuration file: those do not run code from a bare address"}
		p.Report(h)
	}
	if closed[f.User] {
		h := about(f, deminer.Strong, deminer.ByAccess, "an entry in "+where(f)+" fetches and runs foreign code as an account nobody logs in to", "it runs as "+q(f.User)+": who breaks into a service can write its jobs, an owner writes his as himself or as root")
		h.Cleared = []string{"jobs of a web application (wp-cron, Nextcloud): those run its own files"}
		p.Report(h)
	}
}
