package detect

import (
	"context"
	"fmt"
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
// Closeness in time counts where nobody else can have made it, or where it bears a known name and a key of the intruder's
// lets him in. A key of his in an account that a panel made in the same minutes makes the account not his.
func (p *Pass) accountCame(a *deminer.Account) {
	g, ok := p.madeWith(a)
	if !ok {
		return
	}
	f := p.aboutAccount(a, deminer.Strong, deminer.ByProvenance, "it was made within "+minutes.String()+" of: "+g.Title)
	if f.Time.IsZero() {
		f.Time = g.Time
	}
	if why, doubt := p.nobodyElse(change{path: "/etc/passwd", at: f.Time}); doubt == "" {
		f.Why = append(f.Why, why)
	} else if !p.rogueSign(a) || p.rogueGrant(a) == "" {
		f.Tier, f.Cleared = deminer.Weak, append(f.Cleared, "its time alone is not held against it: "+doubt)
	}
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
