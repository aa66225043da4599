package deminer

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"time"
)

// OrderKind is one of the closed list of things that a server may ask of an agent.
type OrderKind string

// The kinds of orders. None carries code, a command, or a path of something to run.
const (
	OrderScan    OrderKind = "scan"    // look at the host; the answer is MessageReport
	OrderPlan    OrderKind = "plan"    // look anew and plan what would end the named things; nothing is changed; the answer is MessagePlan
	OrderRun     OrderKind = "run"     // run a plan that this agent made for OrderPlan, if its digest is the signed one
	OrderUndo    OrderKind = "undo"    // take a plan back that this agent ran
	OrderBlock   OrderKind = "block"   // drop what is sent to an address, or lift that
	OrderRestore OrderKind = "restore" // put back what lies in the vault
	OrderDelete  OrderKind = "delete"  // destroy what lies in the vault; there is no way back
	OrderState   OrderKind = "state"   // set the state of an alert in the agent's own book
	OrderAllow   OrderKind = "allow"   // allow exactly one thing, for a reason and a time
	OrderPolicy  OrderKind = "policy"  // take this policy from now on
)

// OrderKinds lists them.
func OrderKinds() []OrderKind {
	return []OrderKind{OrderScan, OrderPlan, OrderRun, OrderUndo, OrderBlock, OrderRestore, OrderDelete, OrderState, OrderAllow, OrderPolicy}
}

// Order is what a server asks of the agent of one host. An agent takes it only with the signature of the server that it was
// enrolled with, under its own host id, before it expires, and once. Exactly the field that belongs to the kind is set.
type Order struct {
	ID      string    `json:"id"` // 32 hexadecimal digits, random; the same order has the same one however often it is sent
	Kind    OrderKind `json:"kind"`
	Host    string    `json:"host"` // that it is meant for, as enrolled
	By      string    `json:"by"`   // who asked for it, safe text
	Made    time.Time `json:"made"`
	Expires time.Time `json:"expires"`

	Scan   *ScanOrder   `json:"scan,omitempty"`
	Plan   *PlanOrder   `json:"plan,omitempty"`
	Run    *RunOrder    `json:"run,omitempty"` // of undo, too
	Block  *BlockOrder  `json:"block,omitempty"`
	Vault  string       `json:"vault,omitempty"` // id of what is restored or deleted
	State  *StateOrder  `json:"state,omitempty"`
	Allow  *AllowOrder  `json:"allow,omitempty"`
	Policy *PolicyOrder `json:"policy,omitempty"`
}

// ScanOrder says how to look.
type ScanOrder struct {
	Mode  string `json:"mode"`            // as Report.Mode: quick, full, paths
	Paths []Raw  `json:"paths,omitempty"` // of the mode paths: absolute names
	// Look are indicators of an incident on other hosts. The agent looks for them from then on, beside its rules; at most 200.
	Look []Sought `json:"look,omitempty"`
}

// Sought is an indicator that is looked for on other hosts. The kinds are sha256, the content of a file, and key, the blob of an SSH key.
type Sought struct {
	Indicator
	Hosts int `json:"hosts"` // that told of it
}

// Handling is a choice of what to do about an alert.
type Handling string

// The choices that need a plan.
const (
	HandleTerminate  Handling = "terminate"  // end the processes
	HandleQuarantine Handling = "quarantine" // end the processes and take their files away
	HandleDeep       Handling = "deep"       // everything of the incident: what comes back, keys, accounts, hiding places, files
	HandleBlock      Handling = "block"      // drop what the processes send, and what is sent to their pools
)

// PlanOrder says what a plan is to be made for.
type PlanOrder struct {
	Handling Handling `json:"handling"`
	Alerts   []string `json:"alerts"` // ids in the agent's book; none: everything that was convicted (of deep alone)
	For      Duration `json:"for,omitempty"`
}

// RunOrder names a plan; the signature of the order over the digest is the approval.
type RunOrder struct {
	Plan   string `json:"plan"`   // its id
	Digest string `json:"digest"` // Plan.Digest
}

// BlockOrder names an address.
type BlockOrder struct {
	What string   `json:"what"` // address, address:port, or the name of a host
	For  Duration `json:"for,omitempty"`
	Keep bool     `json:"keep,omitempty"` // after a reboot, too
	Lift bool     `json:"lift,omitempty"`
}

// StateOrder sets the state of an alert.
type StateOrder struct {
	Alert string `json:"alert"`
	State string `json:"state"` // as in internal/alert
	Why   string `json:"why"`
}

// AllowOrder allows one thing: its content and at least one more trait, see the allow list of the policy.
type AllowOrder struct {
	SHA256    string    `json:"sha256"`
	Path      string    `json:"path,omitempty"`
	Unit      string    `json:"unit,omitempty"`
	Container string    `json:"container,omitempty"`
	User      string    `json:"user,omitempty"`
	Reason    string    `json:"reason"`
	Expires   time.Time `json:"expires"`
	Alert     string    `json:"alert,omitempty"` // that it is set to whitelisted by it
}

// PolicyOrder is a policy as text, as a file of one holds it; the agent refuses one that it cannot parse whole.
type PolicyOrder struct {
	Text string `json:"text"` // YAML; empty: no policy, nothing is changed by itself
}

// Duration is a length of time that JSON shows as text such as "24h0m0s".
type Duration time.Duration

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err == nil {
		*d = Duration(v)
	}
	return err
}

// MessageKind is what an agent tells its server.
type MessageKind string

// The kinds, with the type of their body.
const (
	MessageState  MessageKind = "state"  // AgentState: that it lives, every minute
	MessageAlert  MessageKind = "alert"  // internal/alert.Alert as it stands now
	MessageReport MessageKind = "report" // Report, of a scan that was ordered or that the agent made by itself
	MessagePlan   MessageKind = "plan"   // Plan, made for an order
	MessageRecord MessageKind = "record" // PlanRecord: a step of a plan that runs
	MessageDone   MessageKind = "done"   // Done: an order has ended
	MessageVault  MessageKind = "vault"  // []Kept: all that lies in quarantine
	MessageBlocks MessageKind = "blocks" // []Blocked: all blocks in force
)

// MessageKinds lists them.
func MessageKinds() []MessageKind {
	return []MessageKind{MessageState, MessageAlert, MessageReport, MessagePlan, MessageRecord, MessageDone, MessageVault, MessageBlocks}
}

// Message is one thing that an agent tells its server. It stays in the agent's spool until the server has written it down; the
// same one sent twice counts once. Which host sent it is told by the connection, never by the message.
type Message struct {
	ID    string          `json:"id"` // 32 hexadecimal digits; grows with the time it was made, as UUID version 7 does
	Kind  MessageKind     `json:"kind"`
	Order string          `json:"order,omitempty"` // id of the order that it answers
	Time  time.Time       `json:"time"`            // of the host's clock
	Body  json.RawMessage `json:"body"`
}

// Limits of a message and of an order, in bytes.
const (
	MaxMessage = 1 << 20 // on the wire, where it may be compressed
	MaxBody    = 8 << 20 // of a body, as JSON
)

// The errors of the way between a server and its agents that a caller acts on.
var (
	// ErrNobody: the agent of the host is not connected.
	ErrNobody = errors.New("the agent is not connected")
	// ErrRefused: a message will never be taken, however often it is sent; its sender drops it. Any other error lets it be sent again.
	ErrRefused = errors.New("refused for good")
	// ErrRevoked: the host was enrolled and is not any more.
	ErrRevoked = errors.New("the host was revoked")
)

// NewID makes an id of 32 hexadecimal digits that grows with the time and cannot be guessed, as UUID version 7 is made.
func NewID(now time.Time) string {
	var b [16]byte
	rand.Read(b[6:]) // never fails, see crypto/rand
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(now.UnixMilli()))
	copy(b[:6], ms[2:])
	b[6], b[8] = b[6]&0x0f|0x70, b[8]&0x3f|0x80
	return hex.EncodeToString(b[:])
}

// IsID reports whether text is an id as NewID makes one: it can be the name of a file, and part of a subject.
func IsID(text string) bool { return len(text) == 32 && strings.Trim(text, "0123456789abcdef") == "" }

// AgentState is how an agent stands.
type AgentState struct {
	Host    HostInfo  `json:"host"`
	Deminer string    `json:"deminer"` // version of the program
	Started time.Time `json:"started"`
	Mode    string    `json:"mode"`             // "watching": nothing is changed; "preventing": the policy in force changes something
	Policy  string    `json:"policy,omitempty"` // in one line, safe text
	Digest  string    `json:"digest,omitempty"` // SHA-256 of the text of the policy in force
	// Addresses are the host's own, by which logins from it are known on other hosts; at most 64.
	Addresses []string `json:"addresses,omitempty"`
	Lost      []string `json:"lost,omitempty"` // what is not seen here, safe text
	Open      int      `json:"open"`           // alerts that are open in its book
	Spooled   int      `json:"spooled"`        // messages that wait for the server
}

// PlanRecord is one line of the journal of a plan that runs, or is taken back.
type PlanRecord struct {
	Plan   string `json:"plan"`
	Record Record `json:"record"` // without its body
}

// Done says how an order ended.
type Done struct {
	OK   bool   `json:"ok"`
	Text string `json:"text"`           // one line, safe text
	Plan string `json:"plan,omitempty"` // id of the plan that was made, run or taken back
}

// Kept is one thing in quarantine.
type Kept struct {
	ID     string    `json:"id"`
	Path   Raw       `json:"path"`
	SHA256 string    `json:"sha256,omitempty"`
	Size   int64     `json:"size"`
	Time   time.Time `json:"time"`
	Plan   string    `json:"plan,omitempty"`
}

// Blocked is one block in force.
type Blocked struct {
	What    string    `json:"what"` // address, address:port, or a group of processes; safe text
	Since   time.Time `json:"since,omitzero"`
	Expires time.Time `json:"expires,omitzero"`
	Plan    string    `json:"plan,omitempty"`
	Kept    bool      `json:"kept,omitempty"` // survives a reboot
}

// Reply is what a server answers to a message, and an agent to an order.
type Reply struct {
	OK  bool   `json:"ok"`
	Why string `json:"why,omitempty"` // of a refusal, safe text
	// Again tells a sender that was refused whether the same may be taken later.
	Again bool `json:"again,omitempty"`
}
