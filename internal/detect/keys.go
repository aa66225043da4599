package detect

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/match"
)

// rogueKey speaks of login keys that are known to be an attacker's, lie where no key belongs, or came with the intrusion.
func rogueKey(_ context.Context, p *Pass) error {
	holders := map[string]map[string]bool{}
	last := map[deminer.Raw]int{}
	for i := range p.Snapshot.Footholds {
		f := &p.Snapshot.Footholds[i]
		if f.ID != "PL-18" || f.Key == "" {
			continue
		}
		if holders[f.Key] == nil {
			holders[f.Key] = map[string]bool{}
		}
		holders[f.Key][f.User] = true
		last[f.Path] = max(last[f.Path], f.LineNo)
	}
	for i := range p.Snapshot.Footholds {
		f := &p.Snapshot.Footholds[i]
		if f.ID != "PL-18" || f.Key == "" {
			continue
		}
		p.keyIdentity(f)
		p.keyPlace(f, holders[f.Key])
	}
	var timed []deminer.Finding // reported after all were weighed: what is proven is derived anew with each report
	later := *p
	later.Report = func(g deminer.Finding) { timed = append(timed, g) }
	for i := range p.Snapshot.Footholds {
		if f := &p.Snapshot.Footholds[i]; f.ID == "PL-18" && f.Key != "" {
			later.keyTime(f, last[f.Path])
		}
	}
	for _, g := range timed {
		p.Report(g)
	}
	return nil
}

func (p *Pass) aboutKey(f *deminer.Foothold, tier deminer.Tier, class deminer.Class, why ...string) deminer.Finding {
	g := about(f, tier, class, "a login key in "+where(f)+" lets a stranger in", why...)
	g.Topic, g.Technique = deminer.TopicBackdoor, "T1098.004"
	g.Indicators = []deminer.Indicator{{Kind: "key", Value: f.Key}}
	dir := string(f.Path[:max(strings.LastIndexByte(string(f.Path), '/'), 0)])
	if fl := p.clearFlags(string(f.Path), dir); len(fl) > 0 {
		g.Remove = slices.Clone(f.Remove)
		if len(g.Remove) == 0 {
			g.Remove = []deminer.Action{{Verb: deminer.VerbCutLine, Target: f.Artifact()}}
		}
		g.Remove = append(g.Remove, fl...)
		g.Why = append(g.Why, "the file or its directory was made unchangeable, so that the key stays")
	}
	return g
}

func (p *Pass) keyPlace(f *deminer.Foothold, holders map[string]bool) {
	if closed[f.User] {
		p.Report(p.aboutKey(f, deminer.Strong, deminer.ByAccess, "the account "+q(f.User)+" is a system account that nobody logs in to"))
		return
	}
	service := false
	for u := range holders {
		service = service || closed[u]
	}
	if len(holders) >= 3 && service {
		p.Report(p.aboutKey(f, deminer.Strong, deminer.ByAccess, fmt.Sprintf("the same key lets the bearer in as %d accounts, system accounts among them", len(holders))))
	}
}

// keyring is what is known of login keys, by key: a file may hold twenty thousand.
type keyring struct {
	files map[string][]*deminer.Foothold // one of each file that lets in with the key
	used  map[string]time.Time           // first login with the key
}

func (p *Pass) keyring() *keyring {
	if p.memo.keys != nil {
		return p.memo.keys
	}
	k := &keyring{files: map[string][]*deminer.Foothold{}, used: map[string]time.Time{}}
	p.memo.keys = k
	for i := range p.Snapshot.Footholds {
		f := &p.Snapshot.Footholds[i]
		list := k.files[f.Key] // lines of one file stand together
		if f.ID == "PL-18" && f.Key != "" && (len(list) == 0 || list[len(list)-1].Path != f.Path) {
			k.files[f.Key] = append(list, f)
		}
	}
	for _, l := range p.Snapshot.Logins {
		if first, ok := k.used[l.Key]; l.Kind == "login" && l.Key != "" && (!ok || l.Time.Before(first)) {
			k.used[l.Key] = l.Time
		}
	}
	return k
}

// usedBefore gives the time of the first login with the key if that is before t.
func (p *Pass) usedBefore(key string, t time.Time) time.Time {
	if first := p.keyring().used[key]; first.Before(t.Add(-time.Minute)) {
		return first
	}
	return time.Time{}
}

// heldBefore names another file that lets in with the key and was last changed before t, or nil. The time of a change of
// the inode counts too: it cannot be set back.
func (p *Pass) heldBefore(f *deminer.Foothold, t time.Time) *deminer.Foothold {
	for _, o := range p.keyring().files[f.Key] {
		if o.Path != f.Path && !o.Attr.Ctime.IsZero() && o.Attr.Ctime.Before(t.Add(-minutes)) && o.Attr.Mtime.Before(t.Add(-minutes)) {
			return o
		}
	}
	return nil
}

// keyTime speaks of a key that came with the intrusion: its file was last written within minutes of the intruder's files
// and the key is the last one in it. That alone says nothing: an owner, or a program that hands out keys, may have been at
// work. A second sign must come with it, and a key that was used before is the owner's.
func (p *Pass) keyTime(f *deminer.Foothold, last int) {
	g, ok := p.near(f.Attr.Mtime, minutes, f.Path)
	if !ok || f.LineNo != last {
		p.keyMayBe(f)
		return
	}
	k := p.aboutKey(f, deminer.Weak, deminer.ByProvenance, "the file was last written at "+f.Attr.Mtime.UTC().Format(time.RFC3339)+", within "+minutes.String()+" of: "+g.Title, "it is the last key of the file")
	k.Title = "a login key in " + where(f) + " came with the intrusion"
	k.Cleared = []string{"keys that were there before: only the last line is meant"}
	if tie := p.keyTie(f); tie != "" {
		k.Tier = deminer.Strong
		t := p.aboutKey(f, deminer.Strong, deminer.ByIdentity, tie)
		t.Title = "a login key in " + where(f) + " is the intruder's"
		p.Report(t)
	}
	if used := p.usedBefore(f.Key, g.Time); !used.IsZero() {
		k.Cleared = append(k.Cleared, "it was used at "+used.UTC().Format(time.RFC3339)+", before that: the owner's")
		p.Report(k)
		return
	}
	if o := p.heldBefore(f, g.Time); o != nil {
		k.Cleared = append(k.Cleared, "the same key lies in "+where(o)+", a file unchanged since "+o.Attr.Ctime.UTC().Format(time.RFC3339)+", before that: the owner's")
		p.Report(k)
		return
	}
	if len(p.clearFlags(string(f.Path))) > 0 {
		k.Tier = deminer.Strong
		t := p.aboutKey(f, deminer.Strong, deminer.ByTamper, "its file was made unchangeable, so that the key stays")
		t.Title = "a login key in " + where(f) + " was made to stay"
		p.Report(t)
	}
	p.keyAlibi(f, &k)
	p.Report(k)
}

// keyMayBe names a key that may have come with the intrusion, though its place or the time of its file says nothing: it was put
// above others, or the time was set back. Whose it is only the owner can say.
func (p *Pass) keyMayBe(f *deminer.Foothold) {
	at, how := f.Attr.Mtime, "last written"
	g, ok := p.near(at, minutes, f.Path)
	if !ok {
		at, how = f.Attr.Ctime, "changed, whatever the time says that it was written at,"
		if g, ok = p.near(at, minutes, f.Path); !ok {
			return
		}
	}
	k := p.aboutKey(f, deminer.Weak, deminer.ByProvenance, "its file was "+how+" at "+at.UTC().Format(time.RFC3339)+", within "+minutes.String()+" of: "+g.Title+"; which of its lines came then cannot be told")
	k.Title = "a login key in " + where(f) + " may have come with the intrusion"
	k.Remove = nil
	if !p.usedBefore(f.Key, g.Time).IsZero() || p.heldBefore(f, g.Time) != nil {
		return
	}
	k.Cleared = []string{"no login with it before the intrusion is known"}
	k.Fix = "Ask whoever runs this host whether the key is his; if nobody knows it, take the line out of " + deminer.Safe(f.Path) + "."
	p.Report(k)
}

// keyTie says what but its time ties a key to the intruder, or "": his account, his files, or the same key elsewhere.
func (p *Pass) keyTie(f *deminer.Foothold) string {
	words := strings.Fields(string(f.Line))
	for _, w := range words {
		if !strings.HasPrefix(w, "AAAA") || len(w) < distinct {
			continue
		}
		names := sortedKeys(p.provenFiles())
		for _, name := range names[:min(len(names), maxReread)] {
			if strings.Contains(p.text(name), w) {
				return "the intruder's " + q(name) + " holds it"
			}
		}
	}
	mine := p.guilty()
	for i := range p.Snapshot.Footholds {
		o := &p.Snapshot.Footholds[i]
		if o.ID == "PL-18" && o.Key == f.Key && o.Path != f.Path && mine[o.Artifact().Ref()] {
			return "the same key lies in " + where(o) + ", where it is proven to be the intruder's"
		}
	}
	if len(words) < 3 {
		return ""
	}
	user, _, _ := strings.Cut(words[len(words)-1], "@")
	for i := range p.Snapshot.Accounts {
		a := &p.Snapshot.Accounts[i]
		if bare(a.Name) == bare(user) && len(bare(user)) > 3 && p.rogueSign(a) {
			return "its comment names the account " + q(a.Name) + ", which is an intruder's"
		}
	}
	return ""
}

// bare is a name without the digits at its end.
func bare(name string) string { return strings.TrimRight(name, "0123456789") }

// rogueSign reports an account that bears a known name.
func (p *Pass) rogueSign(a *deminer.Account) bool {
	if p.Rules == nil {
		return false
	}
	h, ok := strongest(p.Rules.Named(match.KindAccount, a.Name))
	return ok && h.Strength >= match.Strong && !closed[a.Name]
}

// keyAlibi judges who but the intruder can have written a key. Where nobody was logged in, but a program that hands out
// keys is on the host, the owner has to decide.
func (p *Pass) keyAlibi(f *deminer.Foothold, k *deminer.Finding) {
	c := change{path: string(f.Path), uid: f.Attr.UID, at: f.Attr.Mtime}
	why, doubt := p.nobodyElse(c)
	if doubt == "" {
		k.Tier = deminer.Strong
		n := p.aboutKey(f, deminer.Strong, deminer.ByAccess, "nobody of the owner's can have put it there: "+why)
		n.Title = "a login key in " + where(f) + " was put there while nobody was logged in"
		p.Report(n)
		return
	}
	k.Cleared = append(k.Cleared, "its time alone is not held against it: "+doubt)
	if in, _ := p.nobodyIn(c.at); in != "" {
		k.Tier = deminer.Strong
		k.Fix = "Ask whoever runs this host whether the key is his; if nobody knows it, take the line out of " + deminer.Safe(f.Path) + "."
	}
}
