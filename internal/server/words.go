package server

import (
	"slices"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/alert"
)

// Standing is how a host stands.
type Standing string

// The standings of hosts.
const (
	Expected   Standing = "new"        // enrolled, has not said anything yet
	Watching   Standing = "watching"   // it tells, and changes nothing by itself
	Preventing Standing = "preventing" // the policy in force changes something by itself
	Offline    Standing = "offline"    // it has not said anything for a while
	Revoked    Standing = "revoked"    // thrown off for good
)

// Standings lists them.
func Standings() []Standing {
	return []Standing{Preventing, Watching, Offline, Expected, Revoked}
}

// Host is one host of the fleet.
type Host struct {
	ID       string
	Name     string // safe text
	Enrolled time.Time
	Seen     time.Time // by the clock of the server
	Revoked  time.Time
	Agent    deminer.AgentState // as it said last
	Policy   Policy             // what it is to have
	Open     int                // open alerts
	Proven   int                // open alerts that are proven
	Mining   int                // open alerts of mining that are convicted and not contained

	Standing Standing // set by Server
	Why      string   // of the standing, safe text; set by Server
}

// Policy is what a host is to do by itself.
type Policy struct {
	Mode   string // "off", "alert", "block", "own"
	Text   string // YAML
	Digest string // SHA-256 of the text
	By     string
	Time   time.Time
}

// Alert is an alert of a host.
type Alert struct {
	alert.Alert
	Host     string
	HostName string
	Fleet    string // id of the incident over hosts, "" where it belongs to none
	Updated  time.Time
}

// Convicted reports whether there is enough evidence to act.
func (a *Alert) Convicted() bool { return a.Grade.AtLeast(alert.Strong) }

// Is reports whether the evidence is about a topic.
func (a *Alert) Is(t deminer.Topic) bool { return slices.Contains(a.Topics, t) }

// AlertFilter chooses alerts. Zero fields choose all.
type AlertFilter struct {
	Topic  string // deminer.Topic
	Grade  string
	State  string // a state, "open" or "closed"
	Host   string
	Fleet  string
	Text   string // in title, path, hash, host, evidence
	SHA256 string // of the thing
	Rule   string // RuleOf
	Limit  int    // default 50, at most 1000
	Offset int
}

// Tie is a fact that ties what was found on several hosts together.
type Tie struct {
	Kind  string // "incident", "sha256", "wallet", "pool", "key", "line", "url"
	Value string // safe text
}

// Crosses reports whether the fact is the same on other hosts.
func (t Tie) Crosses() bool { return t.Kind != "incident" }

// Incident is one intrusion, on one host or many.
type Incident struct {
	ID     string // eight hexadecimal digits
	Title  string
	First  time.Time
	Last   time.Time
	Alerts int
	Open   int
	Mining bool
	Grade  alert.Grade // the highest one
	Hosts  []Place     // where it began comes first, as far as logins tell; else where it was seen first
	Spread []Edge      // only of one incident: how it went from host to host, the earliest first
	Ties   []Tie       // only of one incident
	Told   map[Tie]int `json:"-"` // only of one incident: how many hosts told of a tie
	Parts  []Part      // only of one incident
}

// Place is one host of an incident.
type Place struct {
	Host, Name string
	First      time.Time // that it was seen there
	Open       int
	Alerts     int
	Since      time.Time // only of one incident: the oldest trace of it there
	Depth      int       // only of one incident: how many logins away from where it began
}

// Part is what a report said of an incident on one host.
type Part struct {
	Host  string
	Taken time.Time
	deminer.Incident
}

// OrderState is where an order stands.
type OrderState string

// The states of an order.
const (
	OrderMade     OrderState = "made"     // not sent, or the agent was away
	OrderAccepted OrderState = "accepted" // the agent has it
	OrderRunning  OrderState = "running"  // it tells of it
	OrderDone     OrderState = "done"
	OrderFailed   OrderState = "failed"
	OrderExpired  OrderState = "expired" // the agent never had it
)

// Ended reports whether nothing more will come.
func (s OrderState) Ended() bool { return s == OrderDone || s == OrderFailed || s == OrderExpired }

// Order is an order with its life.
type Order struct {
	deminer.Order
	HostName string
	Group    string // the same for orders that were given together
	Deed     string // that it belongs to, "" of none
	State    OrderState
	Text     string // of the end, or why it waits; safe text
	Tries    int
	Updated  time.Time
}

// OrderFilter chooses orders, the latest first. Zero fields choose all.
type OrderFilter struct {
	Host, Kind, Group string
	Waiting           bool // made, and not with the agent yet
	Unended           bool
	Limit             int // default 50, at most 10000
}

// DeedState is where a plan stands.
type DeedState string

// The states of a deed.
const (
	DeedAsked    DeedState = "asked"    // the agent is to plan
	DeedReady    DeedState = "ready"    // the plan can be read and approved
	DeedApproved DeedState = "approved" // the agent is to run it
	DeedRunning  DeedState = "running"
	DeedDone     DeedState = "done"
	DeedFailed   DeedState = "failed"
	DeedUndoing  DeedState = "undoing" // the agent is to take it back
	DeedUndone   DeedState = "undone"
	DeedExpired  DeedState = "expired" // the agent did not answer in time

	// DeedAsRun stands, where a deed is moved, for the state that its run left it in: done or failed.
	DeedAsRun DeedState = ""
)

// Busy reports whether the agent is at it, so that nothing else is asked of it for the same alerts.
func (s DeedState) Busy() bool { return s == DeedApproved || s == DeedRunning || s == DeedUndoing }

// Deed is what is done about alerts of one host: a plan, its approval, its steps, and its undo.
type Deed struct {
	ID       string // of the order that asked for the plan
	Host     string
	HostName string
	Handling deminer.Handling
	Alerts   []string // ids on the host
	Group    string
	By       string
	Made     time.Time
	State    DeedState
	Text     string        // of the state, safe text
	Plan     *deminer.Plan // nil in lists, and until the agent made it
	PlanID   string
	Digest   string
	Steps    int
	Done     int // steps done; only of one deed and in lists
	Approver string
	Updated  time.Time
}

// StepState is where a step of a plan stands.
type StepState struct {
	Step  string
	State deminer.RecordState
	Note  string // safe text
	Time  time.Time
}

// Report is one scan of a host.
type Report struct {
	ID        string // of the message
	Host      string
	HostName  string
	Order     string
	Mode      string
	Verdict   deminer.Verdict
	Taken     time.Time
	Elapsed   time.Duration
	Looked    deminer.Looked
	Incidents int
	Findings  int
	Gaps      int
	Visits    []Visit         // who logged in from elsewhere
	Body      *deminer.Report // nil in lists
}

// Kept is one thing in the quarantine of a host.
type Kept struct {
	Host, HostName string
	deminer.Kept
}

// Blocked is one block in force on a host.
type Blocked struct {
	Host, HostName string
	deminer.Blocked
}

// Counts are the numbers of an overview.
type Counts struct {
	Mining                int // hosts with open alerts of mining that are convicted and not contained
	Hosts, Risk           int // hosts in all, hosts with open convicted alerts
	Open, Proven, Suspect int // alerts
	Incidents             int // open ones
	ByState               map[string]int
	Days                  []Day // the last 30, the oldest first
}

// Day is what happened on one day, UTC.
type Day struct {
	Day     time.Time
	Found   int // alerts seen first
	Handled int // alerts closed
}
