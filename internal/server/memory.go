package server

import (
	"context"
	"encoding/json"
	"time"

	"github.com/deminer/deminer"
)

// Store is what a server remembers with. Every change is all or nothing and on disk when it returns. What is looked for and is not
// there is [ErrNone].
type Store interface {
	Intake
	Hosts
	Alerts
	Orders
	Deeds
	Rest
}

// Intake takes what agents tell.
type Intake interface {
	// Deliver writes deliveries down, in their order, all or none. One whose id is known of that host changes nothing; the others
	// get Fresh set. An alert of an older message than the one that is known changes nothing.
	Deliver(ctx context.Context, ds []*Delivery) error
	// Forget lets go of what is older than is to be kept.
	Forget(ctx context.Context, k Keep, now time.Time) error
}

// Hosts remembers hosts and what lies on them.
type Hosts interface {
	// Hosts gives the hosts by name; brief leaves out policies and what agents say but their mode.
	Hosts(ctx context.Context, brief bool) ([]Host, error)
	Host(ctx context.Context, id string) (Host, error)
	// Enroll makes a host, or gives one that was there a new name; it takes a revocation back.
	Enroll(ctx context.Context, id, name string, now time.Time) error
	RevokeHost(ctx context.Context, id string, now time.Time) error
	SetPolicy(ctx context.Context, host string, p Policy) error
	// Counts gives the numbers of the overview; brief leaves out what every page does not need.
	Counts(ctx context.Context, now time.Time, brief bool) (Counts, error)
}

// Alerts remembers alerts and incidents.
type Alerts interface {
	// Alerts gives one page, the convicted and latest first, and how many there are; with a negative limit nothing but that.
	Alerts(ctx context.Context, f AlertFilter) ([]Alert, int, error)
	Alert(ctx context.Context, host, id string) (Alert, error)
	// SetAlert writes an alert as a person set it; the agent's next word on it counts again.
	SetAlert(ctx context.Context, a Alert) error
	Incidents(ctx context.Context, open bool, limit int) ([]Incident, error)
	Incident(ctx context.Context, id string) (Incident, error)
}

// Orders remembers orders.
type Orders interface {
	AddOrders(ctx context.Context, os []Order) error
	Order(ctx context.Context, id string) (Order, error)
	Orders(ctx context.Context, f OrderFilter) ([]Order, error)
	// MoveOrder sets the state of an order if it is in one of those that are named, and says if it was.
	MoveOrder(ctx context.Context, id string, from []OrderState, to OrderState, text string, now time.Time) (bool, error)
}

// Deeds remembers plans and their steps.
type Deeds interface {
	// AddDeed writes a deed down together with the order for its plan.
	AddDeed(ctx context.Context, d Deed, o Order) error
	Deed(ctx context.Context, id string) (Deed, error)
	// Deeds gives those of a host ("" all), of a group, the latest first, without plans.
	Deeds(ctx context.Context, host, group string, limit int) ([]Deed, error)
	// MoveDeed sets the state of a deed if it is in one of those that are named, and says if it was.
	MoveDeed(ctx context.Context, id string, m Move) (bool, error)
	StepStates(ctx context.Context, host, plan string) ([]StepState, error)
}

// Move takes a deed from one state to another. What goes with it is written down in the same moment, or not at all.
type Move struct {
	From  []DeedState
	To    DeedState
	By    string // who approved, "" leaves who did
	Text  string
	Order *Order // nil: none goes with it
	Entry *Entry // of the audit log
	Time  time.Time
}

// Rest remembers what else there is.
type Rest interface {
	Things
	Journal
	Schedules
}

// Things remembers what hosts told of themselves.
type Things interface {
	Reports(ctx context.Context, host, order string, limit int) ([]Report, error)
	Report(ctx context.Context, host, id string) (Report, error)
	Vault(ctx context.Context, host string) ([]Kept, error) // "" of all hosts
	Blocks(ctx context.Context, host string) ([]Blocked, error)
}

// Journal remembers what people did.
type Journal interface {
	// Append seals an entry of the audit log with what stands before it and writes it down.
	Append(ctx context.Context, e Entry) error
	// Log gives entries with a number below the one that is named (0: all), the latest first.
	Log(ctx context.Context, below int64, limit int) ([]Entry, error)
}

// Schedules remembers scans that are asked for again and again.
type Schedules interface {
	AddSchedule(ctx context.Context, s Schedule) error
	Schedules(ctx context.Context) ([]Schedule, error) // in the order in which they were made
	EndSchedule(ctx context.Context, id string) error
	// TakeSchedule moves one from the time at which it is due to the next one, and says if it was still there.
	TakeSchedule(ctx context.Context, id string, due, next time.Time) (bool, error)
}

// Delivery is one message of a host, read and bounded. The field that belongs to the kind is set.
type Delivery struct {
	Host     string
	ID       string
	Told     string // as ID, and never far ahead of the server's clock: what bears the greater one is the later word of a host
	Kind     deminer.MessageKind
	Order    string
	Received time.Time

	Agent  *deminer.AgentState
	Alert  *Alert
	Ties   []Tie // of the alert
	Report *Report
	Raw    json.RawMessage // of the report or the plan, as it is kept
	Parts  []PartTies      // of the report
	Keep   int             // reports of this host that are kept, 0 all: the latest
	Plan   *deminer.Plan
	Digest string // of the plan
	Record *deminer.PlanRecord
	Done   *deminer.Done
	Vault  []deminer.Kept
	Blocks []deminer.Blocked

	Fresh bool // set by the store: it was not known before
}

// PartTies is an incident of a report with what ties it to others.
type PartTies struct {
	Part Part
	Ties []Tie
}
