// Package alert keeps what the agent found on its host: one alert for each thing, however often it is seen, with its state,
// its evidence in words and what was done.
//
// Each alert is a file of its own, replaced as a whole, so a crash or a full disk loses nothing that was kept before, and a
// damaged one costs that one alert. The number of alerts and the size of each are bounded.
package alert

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"

	"github.com/deminer/deminer"
)

// State is where an alert stands.
type State string

// The states. The last four are closed: nothing more is to be done.
const (
	Unhandled   State = "unhandled"   // nothing was done about it
	Handling    State = "handling"    // a plan for it runs
	Blocked     State = "blocked"     // contained: it cannot go on, and is still there
	Handled     State = "handled"     // gone, or taken care of
	Ignored     State = "ignored"     // the owner does not want to hear of it
	Whitelisted State = "whitelisted" // the owner allowed exactly this
)

// States lists the states in order.
func States() []State { return []State{Unhandled, Handling, Blocked, Handled, Ignored, Whitelisted} }

// Open reports whether somebody still has to do something about it.
func (s State) Open() bool { return s == Unhandled || s == Handling || s == Blocked }

// Grade is how much evidence there is.
type Grade string

// The grades, from the least.
const (
	Suspected Grade = "suspected" // one strong sign: the owner decides
	Strong    Grade = "strong"    // convicted by two independent strong signs
	Proof     Grade = "proof"     // convicted by a proof, or tied to what is
)

// Grades lists the grades from the least.
func Grades() []Grade { return []Grade{Suspected, Strong, Proof} }

// AtLeast reports whether the grade reaches another one; an unknown one reaches nothing and is never reached.
func (g Grade) AtLeast(o Grade) bool {
	i, j := slices.Index(Grades(), g), slices.Index(Grades(), o)
	return i >= 0 && j >= 0 && i >= j
}

// Thing is what an alert is about, as exactly as an entry of an allow list wants it.
type Thing struct {
	Artifact  deminer.Artifact `json:"artifact"`       // the process, the file or what else it is
	Path      deminer.Raw      `json:"path,omitempty"` // of the program or the file
	SHA256    string           `json:"sha256,omitempty"`
	Package   string           `json:"package,omitempty"`
	Unit      string           `json:"unit,omitempty"`      // of systemd, that it runs in
	Container string           `json:"container,omitempty"` // that it runs in
	User      string           `json:"user,omitempty"`
}

// Sighting is one look at a thing that speaks against it.
type Sighting struct {
	Key      string // the same for the same thing, see KeyOf
	Thing    Thing
	Grade    Grade
	Topics   []deminer.Topic
	Title    string   // one line, safe text
	Why      []string // evidence in words, safe text
	Lineage  []string // the process and its ancestors, the nearest first, safe text
	Incident string   // id of the incident it belongs to
	Part     bool     // seen by a look at a part of the host, which gives the same intrusion another id than one at all of it
	Next     string   // what to do, safe text
	Trigger  string   // what led to the look, safe text
	Time     time.Time
}

// Deed is something that was done about a thing.
type Deed struct {
	Time time.Time `json:"time"`
	What string    `json:"what"`           // safe text
	Plan string    `json:"plan,omitempty"` // its id: deminer undo takes it back
}

// Change is one change of the state.
type Change struct {
	Time  time.Time `json:"time"`
	State State     `json:"state"` // the new one
	By    string    `json:"by"`    // "agent", or the name of the user
	Why   string    `json:"why"`
}

// Alert is what is known of one thing.
type Alert struct {
	ID       string          `json:"id"`               // eight hexadecimal digits
	Key      string          `json:"key"`              // names the thing: the same one has the same alert
	State    State           `json:"state"`            // where it stands
	Reason   string          `json:"reason,omitempty"` // of the state, safe text
	Grade    Grade           `json:"grade"`
	Topics   []deminer.Topic `json:"topics"` // what the evidence is about
	Title    string          `json:"title"`
	Why      []string        `json:"why"`                // evidence in words, safe text
	Lineage  []string        `json:"lineage,omitempty"`  // the process and its ancestors, the nearest first, safe text
	Thing    Thing           `json:"thing"`              // what it is about
	Incident string          `json:"incident,omitempty"` // id of the incident that it belongs to, as the last look at the whole host named it
	Next     string          `json:"next,omitempty"`     // what to do, safe text
	Trigger  string          `json:"trigger,omitempty"`  // what led to the look, safe text
	First    time.Time       `json:"first"`              // when it was seen first
	Last     time.Time       `json:"last"`               // when it was seen last
	Count    int             `json:"count"`              // how often it was seen
	Deeds    []Deed          `json:"deeds,omitempty"`    // the last things that were done
	History  []Change        `json:"history,omitempty"`  // the last changes of the state

	// Moved is set by See where an alert that was kept bears the id of another incident from now on.
	Moved bool `json:"-"`
}

// Limits of one alert.
const (
	maxWhy     = 16
	maxLineage = 12
	maxText    = 600 // characters of one line
	maxHistory = 20
	maxDeeds   = 20
	maxKey     = 1024
)

// Told begins the key of an alert about something that happened: a look at the host cannot say that it is gone, so only a person
// closes it.
const Told = "told "

// KeyOf names the thing of an artifact: a program is the same thing whichever of its processes runs it, and so is its file.
// exe is the program of a process, "" where it has no file; container is the one it lives in.
func KeyOf(a deminer.Artifact, exe, container string) string {
	key := a.Ref()
	switch {
	case a.Kind == deminer.KindProcess && exe != "":
		key = "file:" + exe
	case a.Kind == deminer.KindProcess:
		key = "process:" + a.Name
	}
	if container != "" {
		key += "@" + container
	}
	if len(key) > maxKey {
		sum := sha256.Sum256([]byte(key))
		key = key[:maxKey/2] + "#" + hex.EncodeToString(sum[:])
	}
	return key
}

// see merges what was seen into the alert and reports whether it says something new.
func (a *Alert) see(s Sighting) (news bool) {
	a.Count++
	if a.First.IsZero() {
		a.First, news = s.Time, true
	}
	if s.Time.After(a.Last) {
		a.Last = s.Time
	}
	if a.Grade == "" || s.Grade.AtLeast(a.Grade) && s.Grade != a.Grade {
		a.Grade, a.Title, news = s.Grade, deminer.Cut(s.Title, maxText), true
	}
	for _, t := range s.Topics {
		if !slices.Contains(a.Topics, t) {
			a.Topics, news = append(a.Topics, t), true
		}
	}
	for _, w := range s.Why {
		if w = deminer.Cut(w, maxText); !slices.Contains(a.Why, w) && len(a.Why) < maxWhy {
			a.Why, news = append(a.Why, w), true
		}
	}
	if len(s.Lineage) > 0 {
		a.Lineage = nil
		for _, l := range s.Lineage[:min(len(s.Lineage), maxLineage)] {
			a.Lineage = append(a.Lineage, deminer.Cut(l, maxText))
		}
	}
	// An incident is named by what belongs to it, so its id changes as more is found: that is no news of this thing.
	if s.Incident != "" && a.Incident != s.Incident && (a.Incident == "" || !s.Part) {
		a.Moved = a.Incident != ""
		a.Incident = s.Incident
	}
	a.Thing = s.Thing
	a.Next = deminer.Cut(s.Next, maxText)
	if s.Trigger != "" {
		a.Trigger = deminer.Cut(s.Trigger, maxText)
	}
	if a.State == "" || a.State == Handled {
		why := "seen"
		if a.State == Handled {
			why = "it came back"
		}
		a.set(Unhandled, "agent", why, s.Time)
		news = true
	}
	return news
}

func (a *Alert) set(state State, by, why string, now time.Time) {
	why = deminer.Cut(why, maxText)
	a.State, a.Reason = state, why
	a.History = append(a.History, Change{now.UTC(), state, deminer.Cut(by, 64), why})
	if n := len(a.History); n > maxHistory {
		a.History = slices.Delete(a.History, 1, n-maxHistory+1) // the first says how it began
	}
}
