// Package policy says as data what the agent may do by itself: which grade of evidence may freeze, block or clean, which kinds
// of findings count, when nothing is to be changed, and what the owner allowed.
//
// It decides and does nothing. Without a policy nothing is ever changed.
package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/alert"
)

// Never is the grade that no evidence reaches.
const Never alert.Grade = "never"

// Mode is what one class of findings leads to.
type Mode string

// The modes.
const (
	Off   Mode = "off"   // nobody hears of it
	Alert Mode = "alert" // an alert, and nothing else
	Block Mode = "block" // an alert, and what Respond says
)

// Policy is what a file of one says. The zero value is no policy: everything is an alert and nothing is done.
type Policy struct {
	Version int             `yaml:"version" json:"version"`
	Respond Respond         `yaml:"respond" json:"respond"`
	Prevent Prevent         `yaml:"prevent" json:"prevent"`
	Classes map[string]Mode `yaml:"classes" json:"classes"` // a class that is not named alerts only
	Quiet   []Window        `yaml:"maintenance" json:"maintenance"`
	Allow   []Entry         `yaml:"allow" json:"allow"`
	// Guessing is what is done about who guesses passwords.
	Guessing Guessing `yaml:"guessing" json:"guessing"`
}

// Respond says from which grade of evidence on the agent acts by itself: "never", "suspected" (not allowed), "strong" or "proof".
type Respond struct {
	Freeze   alert.Grade   `yaml:"freeze" json:"freeze"`       // stop the processes
	Block    alert.Grade   `yaml:"block" json:"block"`         // drop what they send
	Clean    alert.Grade   `yaml:"clean" json:"clean"`         // all the rest of the plan: cut lines, end processes, take files away
	BlockFor time.Duration `yaml:"block_for" json:"block_for"` // how long a block lasts
}

// Prevent says what is refused before it happens. What is not named is off.
type Prevent struct {
	Program Mode `yaml:"program" json:"program"` // a program whose content is known to be bad, or was taken away by a clean-up, is to begin
	Login   Mode `yaml:"login" json:"login"`     // what only a miner says to a pool
	Like    Mode `yaml:"like" json:"like"`       // what another program could say, too
	Pool    Mode `yaml:"pool" json:"pool"`       // a connection to an address of a pool
	Return  Mode `yaml:"return" json:"return"`   // what a clean-up took away comes back: it is taken away again
}

// each gives the modes by name.
func (p *Prevent) each() map[string]*Mode {
	return map[string]*Mode{"program": &p.Program, "login": &p.Login, "like": &p.Like, "pool": &p.Pool, "return": &p.Return}
}

// Prevents gives what is refused at a time: in maintenance nothing is, but all of it is told.
func (p *Policy) Prevents(now time.Time) Prevent {
	out := p.Prevent
	quiet := p.maintenance(now) != nil
	for _, m := range out.each() {
		switch {
		case *m == "":
			*m = Off
		case *m == Block && quiet:
			*m = Alert
		}
	}
	return out
}

// Window is a time in which nothing is changed.
type Window struct {
	Name string   `yaml:"name" json:"name"`
	Days []string `yaml:"days" json:"days"` // mon ... sun; none: every day
	From string   `yaml:"from" json:"from"` // "22:00", in the zone
	To   string   `yaml:"to" json:"to"`     // before From: it ends on the next day
	Zone string   `yaml:"zone" json:"zone"` // of the IANA database; default: UTC
}

// Entry allows one thing: the content and at least one more of its traits, for a reason and a time. Every trait that is named
// has to fit.
type Entry struct {
	SHA256    string    `yaml:"sha256" json:"sha256"` // of the program or the file
	Path      string    `yaml:"path,omitempty" json:"path,omitempty"`
	Unit      string    `yaml:"unit,omitempty" json:"unit,omitempty"`           // of systemd, that it runs in
	Container string    `yaml:"container,omitempty" json:"container,omitempty"` // that it runs in
	User      string    `yaml:"user,omitempty" json:"user,omitempty"`
	Reason    string    `yaml:"reason" json:"reason"` // why it is the owner's
	Expires   time.Time `yaml:"expires" json:"expires"`
}

// Class is the name of a topic in a policy.
func Class(t deminer.Topic) string { return strings.ReplaceAll(string(t), " ", "-") }

// Topics are those that a policy can name.
func Topics() []deminer.Topic {
	return []deminer.Topic{deminer.TopicMining, deminer.TopicReturns, deminer.TopicRootkit, deminer.TopicBackdoor, deminer.TopicWebShell,
		deminer.TopicCompanion, deminer.TopicTamper, deminer.TopicCompute}
}

// mode is the highest one of the topics; a topic that cannot be named is advice, and off.
func (p *Policy) mode(topics []deminer.Topic) Mode {
	best := Off
	for _, t := range topics {
		if !slices.Contains(Topics(), t) {
			continue
		}
		m, ok := p.Classes[Class(t)]
		switch {
		case !ok || m == Alert:
			if best == Off {
				best = Alert
			}
		case m == Block:
			best = Block
		}
	}
	return best
}

// Verdict is what a policy says of one thing at one time.
type Verdict struct {
	Heard  bool            // there is an alert
	Phases []deminer.Phase // of the plan that may be run without asking; none: nothing is done
	Why    string          // safe text
}

// Judge says what is done about a thing that was seen at a time.
func (p *Policy) Judge(g alert.Grade, topics []deminer.Topic, t alert.Thing, now time.Time) Verdict {
	m := p.mode(topics)
	if m == Off {
		return Verdict{Why: "its class is off"}
	}
	if e := p.Allowed(t, now); e != nil {
		return Verdict{Heard: true, Why: "allowed: " + deminer.Cut(e.Reason, 200)}
	}
	if m == Alert {
		return Verdict{Heard: true, Why: "its class only alerts"}
	}
	if w := p.maintenance(now); w != nil {
		return Verdict{Heard: true, Why: "maintenance: " + deminer.Cut(w.Name, 100)}
	}
	v := Verdict{Heard: true}
	if g.AtLeast(p.Respond.Freeze) {
		v.Phases = append(v.Phases, deminer.PhaseFreeze)
	}
	if g.AtLeast(p.Respond.Block) {
		v.Phases = append(v.Phases, deminer.PhaseBlock)
	}
	if g.AtLeast(p.Respond.Clean) {
		v.Phases = deminer.Phases()
	}
	if v.Why = "evidence of grade " + string(g); len(v.Phases) == 0 {
		v.Why += " is not enough to act on it"
	}
	return v
}

// Allowed gives the entry that allows a thing, or nil.
func (p *Policy) Allowed(t alert.Thing, now time.Time) *Entry {
	for i := range p.Allow {
		if p.Allow[i].fits(t, now) {
			return &p.Allow[i]
		}
	}
	return nil
}

func (e *Entry) fits(t alert.Thing, now time.Time) bool {
	same := func(want, have string) bool { return want == "" || want == have }
	return e.SHA256 != "" && strings.EqualFold(e.SHA256, t.SHA256) && now.Before(e.Expires) && same(e.Path, string(t.Path)) &&
		same(e.Unit, t.Unit) && same(e.Container, t.Container) && same(e.User, t.User)
}

// maintenance gives the window that now lies in, or nil.
func (p *Policy) maintenance(now time.Time) *Window {
	for i := range p.Quiet {
		if p.Quiet[i].holds(now) {
			return &p.Quiet[i]
		}
	}
	return nil
}

var days = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

func (w *Window) holds(now time.Time) bool {
	zone, err := time.LoadLocation(w.Zone)
	if err != nil {
		return false // refused by Parse
	}
	now = now.In(zone)
	from, to := clock(w.From), clock(w.To)
	at := now.Hour()*60 + now.Minute()
	on := func(d time.Weekday) bool { return len(w.Days) == 0 || slices.Contains(w.Days, days[d]) }
	if from < to {
		return on(now.Weekday()) && from <= at && at < to
	}
	return on(now.Weekday()) && at >= from || on((now.Weekday()+6)%7) && at < to
}

// clock gives minutes since midnight, -1 where it is no time.
func clock(s string) int {
	t, err := time.Parse("15:04", s)
	if err != nil {
		return -1
	}
	return t.Hour()*60 + t.Minute()
}

// String says in one line what the policy does.
func (p *Policy) String() string {
	if p.Version == 0 {
		return "no policy: everything is an alert, nothing is changed"
	}
	say := func(g alert.Grade) string {
		if g == "" {
			return string(Never)
		}
		return string(g)
	}
	var refused []string
	for name, m := range p.Prevent.each() {
		if *m == Block {
			refused = append(refused, name)
		}
	}
	slices.Sort(refused)
	if len(refused) == 0 {
		refused = []string{"nothing"}
	}
	return fmt.Sprintf("freeze: %s, block: %s, clean: %s; refused: %s; %d maintenance windows, %d allowed", say(p.Respond.Freeze), say(p.Respond.Block), say(p.Respond.Clean), strings.Join(refused, ", "), len(p.Quiet), len(p.Allow))
}
