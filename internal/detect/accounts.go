package detect

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/deminer/deminer"
)

// closed are accounts of every system that nobody logs in to.
var closed = set("daemon", "bin", "sys", "sync", "games", "man", "lp", "mail", "news", "uucp", "proxy", "www-data", "backup", "list", "irc",
	"gnats", "nobody", "_apt", "systemd-network", "systemd-resolve", "systemd-timesync", "messagebus", "sshd", "adm", "shutdown", "halt",
	"operator", "ftp", "dbus", "polkitd", "tss", "rpc", "rpcuser", "nfsnobody", "apache", "nginx", "tcpdump", "syslog", "uuidd", "chrony")

// rogueAccount speaks of accounts that let somebody in who should not be there.
func rogueAccount(_ context.Context, p *Pass) error {
	for i := range p.Snapshot.Accounts {
		a := &p.Snapshot.Accounts[i]
		why, tier := p.accountReasons(a)
		if len(why) > 0 {
			f := p.aboutAccount(a, tier, deminer.ByAccess, why...)
			f.Cleared = append(f.Cleared, "a second name of root kept by the owner, or a vendor's account: ask the owner; it is not removed on this sign alone")
			p.Report(f)
		}
		if p.accountIdentity(a) || tier == deminer.Strong && len(why) > 0 {
			p.accountCame(a)
		}
	}
	return nil
}

func (p *Pass) aboutAccount(a *deminer.Account, tier deminer.Tier, class deminer.Class, why ...string) deminer.Finding {
	f := deminer.Finding{
		Topic: deminer.TopicBackdoor, Tier: tier, Class: class, Technique: "T1136.001", Catalogue: "PL-21",
		Title: "account " + q(a.Name) + " lets somebody in", Why: why,
		Subject:    deminer.Artifact{Kind: deminer.KindAccount, Name: a.Name},
		Indicators: []deminer.Indicator{{Kind: "account", Value: a.Name}},
	}
	if t := p.madeAt(a); !t.IsZero() {
		f.Time = t
	}
	return f
}

// madeAt is when the home directory of the account was made; zero where that is not known.
func (p *Pass) madeAt(a *deminer.Account) time.Time {
	if a.UID != 0 && a.Home != "" && a.Home != "/" {
		if at, err := p.FS.Lstat(a.Home); err == nil && !at.Btime.IsZero() {
			return at.Btime
		}
	}
	return time.Time{}
}

func (p *Pass) accountReasons(a *deminer.Account) ([]string, deminer.Tier) {
	var why []string
	tier := deminer.Strong
	if strings.TrimRight(a.Shell, " \t") != a.Shell {
		why = append(why, "its shell "+q(a.Shell)+" ends with a blank: it looks locked but is another program")
	}
	if a.UID == 0 && a.Name != "root" {
		why = append(why, "its uid is 0: it is root under another name")
	}
	if a.Secret == "empty" && a.Login {
		why = append(why, "its password is empty")
	}
	if a.UID != 0 && closed[a.Name] && a.Login && (a.Secret == "set" || a.Secret == "empty" || p.hasKey(a)) {
		why = append(why, fmt.Sprintf("it is a system account, yet its shell is %s and it can log in (password %s)", q(a.Shell), a.Secret))
	}
	if len(why) > 0 {
		return why, tier
	}
	if a.UID < 1000 || !a.Login || a.UID >= 65534 {
		return nil, ""
	}
	f, ok := p.madeWith(a)
	if !ok {
		return nil, ""
	}
	if w := p.rogueGrant(a); w != "" {
		return append(why, w), deminer.Strong
	}
	return append(why, "it was made within minutes of another finding: "+f.Title), deminer.Weak
}

// madeWith gives the proven file within minutes of which the account was made: by its home, or as the last line of a
// passwd file written then.
func (p *Pass) madeWith(a *deminer.Account) (deminer.Finding, bool) {
	if f, ok := p.near(p.madeAt(a), minutes); ok {
		return f, true
	}
	const name = "/etc/passwd"
	last := ""
	lines(p.read("accounts", name, 4<<20), func(_ int, l string) {
		if strings.Contains(l, ":") {
			last = l
		}
	})
	at, err := p.FS.Stat(name)
	if err != nil || !strings.HasPrefix(last, a.Name+":") {
		return deminer.Finding{}, false
	}
	return p.near(at.Mtime, minutes)
}

// accountCame adds to an account that something else speaks of that it came with the intrusion.
func (p *Pass) accountCame(a *deminer.Account) {
	g, ok := p.madeWith(a)
	if !ok {
		return
	}
	f := p.aboutAccount(a, deminer.Strong, deminer.ByProvenance, "it was made within "+minutes.String()+" of: "+g.Title)
	f.Title = "account " + q(a.Name) + " came with the intrusion"
	if fl := p.clearFlags("/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow"); len(fl) > 0 {
		f.Why = append(f.Why, "/etc/passwd or a file beside it was made unchangeable, which keeps the account there")
		f.Remove = append([]deminer.Action{{Verb: deminer.VerbRemoveAccount, Target: f.Subject}}, fl...)
	}
	p.Report(f)
}

// rogueGrant says that a login key of which earlier findings prove that it is the intruder's was put into the account.
func (p *Pass) rogueGrant(a *deminer.Account) string {
	for _, f := range p.memo.found {
		if f.Detector == "rogue-key" && (f.Tier == deminer.Proof || f.Class == deminer.ByIdentity && f.Tier == deminer.Strong) && a.Home != "/" && under(string(f.Subject.Path), a.Home) && a.UID != 0 {
			return "a login key of the intruder's lets him in as this account: " + f.Title
		}
	}
	return ""
}

func (p *Pass) hasKey(a *deminer.Account) bool {
	for i := range p.Snapshot.Footholds {
		if f := &p.Snapshot.Footholds[i]; f.ID == "PL-18" && (f.User == a.Name || a.Home != "/" && under(string(f.Path), a.Home)) {
			return true
		}
	}
	return false
}

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
		p.keyTime(f, last[f.Path])
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

// usedBefore gives the time of a login with the key before t.
func (p *Pass) usedBefore(key string, t time.Time) time.Time {
	for _, l := range p.Snapshot.Logins {
		if l.Kind == "login" && l.Key != "" && l.Key == key && l.Time.Before(t.Add(-time.Minute)) {
			return l.Time
		}
	}
	return time.Time{}
}

// keyTime speaks of a key that came with the intrusion: its file was last written within minutes of the intruder's files
// and the key is the last one in it. That alone says nothing: an owner may have been at work. A second sign must come with
// it, and a key that was used before is the owner's.
func (p *Pass) keyTime(f *deminer.Foothold, last int) {
	if f.LineNo != last {
		return
	}
	g, ok := p.near(f.Attr.Mtime, minutes, f.Path)
	if !ok {
		return
	}
	k := p.aboutKey(f, deminer.Weak, deminer.ByProvenance, "the file was last written at "+f.Attr.Mtime.UTC().Format(time.RFC3339)+", within "+minutes.String()+" of: "+g.Title, "it is the last key of the file")
	k.Title = "a login key in " + where(f) + " came with the intrusion"
	k.Cleared = []string{"keys that were there before: only the last line is meant"}
	if used := p.usedBefore(f.Key, g.Time); !used.IsZero() {
		k.Cleared = append(k.Cleared, "it was used at "+used.UTC().Format(time.RFC3339)+", before that: the owner's")
		p.Report(k)
		return
	}
	if len(p.clearFlags(string(f.Path))) > 0 {
		k.Tier = deminer.Strong
		t := p.aboutKey(f, deminer.Strong, deminer.ByTamper, "its file was made unchangeable, so that the key stays")
		t.Title = "a login key in " + where(f) + " was made to stay"
		p.Report(t)
	}
	if why := p.nobodyIn(f.Attr.Mtime); why != "" {
		k.Tier = deminer.Strong
		n := p.aboutKey(f, deminer.Strong, deminer.ByAccess, "nobody of the owner's was logged in who could have put it there: "+why)
		n.Title = "a login key in " + where(f) + " was put there while nobody was logged in"
		p.Report(n)
	}
	p.Report(k)
}

// halfDay is how long before a change a login may lie whose session made it; slack is how late a log may write a login down.
const (
	halfDay = 12 * time.Hour
	slack   = 5 * time.Second
)

// brought reports whether the intrusion began with a login: by password, from an address that never logged in before, and
// the first of the intruder's files were made in the minute after it. A login by key is never counted so.
func (p *Pass) brought(l deminer.Login) bool {
	if l.Kind != "login" || l.Method != "password" || l.From == "" {
		return false
	}
	for _, o := range p.Snapshot.Logins {
		if o.Kind == "login" && o.From == l.From && o.Time.Before(l.Time) {
			return false
		}
	}
	began := false
	for _, f := range p.anchors() {
		switch gap := f.Time.Sub(l.Time); {
		case gap < -slack && gap > -halfDay:
			return false // the intruder was at work before
		case gap >= -slack && gap <= time.Minute:
			began = true
		}
	}
	return began
}

// nobodyIn says why nobody but an intruder can have been at work in a session at that time, or "": the records of logins
// reach back before it and show nobody. Somebody whose password was guessed is no owner. Where records are missing,
// nothing can be said.
func (p *Pass) nobodyIn(t time.Time) string {
	guesser := map[string]bool{}
	for _, f := range p.memo.found {
		if f.Detector == "guessed-password" && f.Tier != deminer.Weak {
			guesser[f.Subject.Addr] = true
		}
	}
	source := ""
	for _, l := range p.Snapshot.Logins {
		switch {
		case l.Time.After(t.Add(time.Minute)):
		case (l.Kind == "login" || l.Kind == "sudo" || l.Kind == "su") && l.Time.After(t.Add(-halfDay)) && !guesser[l.From] && !p.brought(l):
			return ""
		case l.Time.Before(t):
			source = l.Source
		}
	}
	if source == "" || len(p.Snapshot.Logins) == 0 {
		return ""
	}
	return fmt.Sprintf("%s was kept at that time and shows no login of an owner in the %d hours before", deminer.Safe(source), int(halfDay.Hours()))
}
