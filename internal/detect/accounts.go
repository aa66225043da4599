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

// powerful groups make their members root, at once or by a detour.
var powerful = []string{"sudo", "wheel", "root", "docker", "lxd", "disk", "shadow"}

// rogueAccount speaks of accounts that let somebody in who should not be there.
func rogueAccount(_ context.Context, p *Pass) error {
	for i := range p.Snapshot.Accounts {
		a := &p.Snapshot.Accounts[i]
		why, tier := p.accountReasons(a)
		if len(why) > 0 {
			f := p.aboutAccount(a, tier, deminer.ByAccess, why...)
			f.Cleared = append(f.Cleared, "a second name of root kept by the owner, or a vendor's account: ask the owner; it is not removed on this sign alone")
			if p.madeNear(a) {
				f = p.settle(f)
			}
			p.Report(f)
		}
		p.accountIdentity(a)
		if tier == deminer.Strong && len(why) > 0 {
			p.accountKept(a)
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

// madeAt is when the account's home directory was made, or the day of its last password change.
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
	f, near := p.madeWith(a)
	if !near {
		return nil, ""
	}
	why = append(why, "it was made, or its password set, at the time of another finding: "+f.Title)
	for _, g := range a.Groups {
		if slices.Contains(powerful, g) {
			return append(why, "it is in group "+g), deminer.Strong
		}
	}
	if w := p.rogueGrant(a); w != "" {
		return append(why, w), deminer.Strong
	}
	return why, deminer.Weak
}

// madeWith gives the finding at whose time the account was made, its password set, or its home filled.
func (p *Pass) madeWith(a *deminer.Account) (deminer.Finding, bool) {
	if f, ok := p.near(p.madeAt(a), time.Hour); ok {
		return f, true
	}
	if a.Changed <= 0 {
		return deminer.Finding{}, false
	}
	return p.near(time.Unix(int64(a.Changed)*86400, 0).Add(12*time.Hour), 13*time.Hour)
}

func (p *Pass) madeNear(a *deminer.Account) bool {
	_, ok := p.madeWith(a)
	return ok
}

// rogueGrant says what an account was given: root without a password, or a login key an earlier finding speaks of.
func (p *Pass) rogueGrant(a *deminer.Account) string {
	for i := range p.Snapshot.Footholds {
		f := &p.Snapshot.Footholds[i]
		if f.ID == "PL-22" && strings.Fields(string(f.Line + f.Command + " x"))[0] == a.Name && strings.Contains(string(f.Line+f.Command), "NOPASSWD") {
			return "it may become root without a password: " + where(f)
		}
	}
	for _, f := range p.memo.found {
		if f.Detector == "rogue-key" && f.Tier != deminer.Weak && a.Home != "/" && under(string(f.Subject.Path), a.Home) && a.UID != 0 {
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

// accountKept speaks of a passwd or shadow file made unchangeable, so that a bad account cannot be removed.
func (p *Pass) accountKept(a *deminer.Account) {
	for _, name := range []string{"/etc/passwd", "/etc/shadow"} {
		fl := p.flagged(name)
		if fl == 0 {
			continue
		}
		f := p.aboutAccount(a, deminer.Strong, deminer.ByTamper, name+" was made unchangeable (chattr +"+fl.String()+"), which keeps the account there")
		f.Technique, f.Catalogue = "T1222.002", "DE-01"
		f.Title = name + " was made unchangeable and holds the account " + q(a.Name)
		f.Remove = append([]deminer.Action{{Verb: deminer.VerbRemoveAccount, Target: f.Subject}}, p.clearFlags("/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow")...)
		p.Report(f)
		return
	}
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

// keyTime speaks of a key that came with the intrusion: its file was last written then, and the key is the last one in it
// or the file is no older.
func (p *Pass) keyTime(f *deminer.Foothold, last int) {
	if f.LineNo != last {
		return
	}
	if g, ok := p.near(f.Attr.Mtime, 15*time.Minute, f.Path); ok {
		k := p.aboutKey(f, deminer.Strong, deminer.ByAccess, "the file was last written at "+f.Attr.Mtime.UTC().Format(time.RFC3339)+", within a quarter of an hour of: "+g.Title, "it is the last key of the file")
		k.Cleared = []string{"keys that were there before: only the last line is meant"}
		if used := p.usedBefore(f.Key, g.Time); !used.IsZero() {
			k.Tier = deminer.Weak
			k.Cleared = append(k.Cleared, "it was used at "+used.UTC().Format(time.RFC3339)+", before that: the owner's")
		} else if f.LineNo > 1 || f.Line != "" {
			k = p.settle(k)
		}
		p.Report(k)
	}
}
