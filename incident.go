package deminer

import "time"

// Role is the part a thing plays in an incident; the report is grouped by it.
type Role string

// The roles, in the order a report shows them.
const (
	RoleRuns    Role = "running"
	RoleReturns Role = "returns"
	RoleAccess  Role = "access"
	RoleHides   Role = "hides"
	RoleFile    Role = "file"
	RoleTamper  Role = "touched"
	RoleTalks   Role = "talks to"
	RoleEntry   Role = "came in"
)

// Grade says what may be done about a member of an incident.
type Grade string

// The grades.
const (
	Convicted Grade = "convicted" // one proof, or two independent strong signs, or tied to such a thing by a hard edge: may be acted on
	Suspected Grade = "suspected" // strong but alone: the owner decides
	Review    Grade = "review"    // weak signs only: listed, never acted on
)

// Member is one thing of an incident with its verdict.
type Member struct {
	Artifact Artifact  `json:"artifact"`
	Role     Role      `json:"role"`
	Grade    Grade     `json:"grade"`
	Why      []string  `json:"why"` // evidence and edges that led to the grade, safe text
	Cleared  []string  `json:"cleared,omitempty"`
	Findings []int     `json:"findings,omitempty"` // indexes into Report.Findings
	Since    time.Time `json:"since,omitzero"`
	Remove   []Action  `json:"remove,omitempty"` // how it is taken away; empty: advice only
	Detail   string    `json:"detail,omitempty"` // one line for the report: argv, what a unit starts ..., safe text
}

// Edge ties two members, with the reason.
type Edge struct {
	From string `json:"from"` // Ref
	To   string `json:"to"`
	Verb string `json:"verb"` // "starts", "is the program of", "wrote", "connects to", "logs in with", "same wallet", "same time" ...
	Hard bool   `json:"hard"` // a hard edge carries a conviction across; a soft one only joins
}

// Moment is one line of an incident's time line.
type Moment struct {
	Time time.Time `json:"time"`
	What string    `json:"what"` // safe text
	Ref  string    `json:"ref,omitempty"`
	From string    `json:"from"` // where the time comes from: "file time", "auth.log", "process start"
}

// Entry is the likely way in.
type Entry struct {
	What   string    `json:"what"`   // safe text
	Belief string    `json:"belief"` // "certain", "likely", "possible"
	Why    []string  `json:"why"`
	Close  []string  `json:"close"` // what closes it
	At     time.Time `json:"at,omitzero"`
}

// Secret is a credential the intruder could read and that has to be rotated.
type Secret struct {
	Path Raw    `json:"path"`
	Kind string `json:"kind"`   // "ssh private key", "aws credentials" ...
	Why  string `json:"why"`    // who could read it
	Do   string `json:"rotate"` // how to rotate it
}

// Incident is one intrusion on one host: its members, how they hang together, when it began and how it came in.
type Incident struct {
	ID         string      `json:"id"` // stable for the same members: 4 hex digits for people, from the strongest indicators
	Title      string      `json:"title"`
	Members    []Member    `json:"members"`
	Edges      []Edge      `json:"edges"`
	Timeline   []Moment    `json:"timeline,omitempty"`
	Since      time.Time   `json:"since,omitzero"`
	Families   []string    `json:"families,omitempty"` // as "resembles", never a verdict
	Indicators []Indicator `json:"indicators,omitempty"`
	Entries    []Entry     `json:"entries,omitempty"` // most likely first
	Secrets    []Secret    `json:"secrets,omitempty"`
	Cores      float64     `json:"cores,omitempty"` // cores it uses now
	Distrust   []string    `json:"distrust,omitempty"`
}

// Report is the result of one scan.
type Report struct {
	Version   string        `json:"version"` // of this schema: "1"
	Deminer   string        `json:"deminer"` // program version
	Mode      string        `json:"mode"`    // "quick", "full", "paths"
	Verdict   Verdict       `json:"verdict"`
	Snapshot  Snapshot      `json:"snapshot"`
	Findings  []Finding     `json:"findings"`
	Incidents []Incident    `json:"incidents"`
	Elapsed   time.Duration `json:"elapsed"`
	Looked    Looked        `json:"looked"`
	Rules     []RuleSource  `json:"rules,omitempty"` // which rules were in force
	Hits      []RuleHit     `json:"hits,omitempty"`  // with paths: every rule that speaks of the content of a file, by path
}

// RuleSource is one set of rules that was in force.
type RuleSource struct {
	Name    string    `json:"name"`              // id of a bundle; else the name of the directory or file, or built-in
	Kind    string    `json:"kind"`              // built-in, installed (a bundle), bundle (given with --rules), directory, file
	Version string    `json:"version,omitempty"` // of a bundle
	Digest  string    `json:"digest"`            // of a bundle its own; else SHA-256 over the names and texts of the rule files
	Rules   int       `json:"rules"`             // a section of an indicator list counts as one
	Key     string    `json:"key,omitempty"`     // id of the key that signed the bundle
	Created time.Time `json:"created,omitzero"`  // when the bundle was made
	Expires time.Time `json:"expires,omitzero"`
	Expired bool      `json:"expired,omitempty"` // it is used all the same
}

// RuleHit is one rule that speaks of the content of one file, whatever that means: findings say what it means.
type RuleHit struct {
	Path     Raw         `json:"path"`
	Rule     string      `json:"rule"` // id of the rule
	Source   string      `json:"source,omitempty"`
	Strength string      `json:"strength"`
	Class    string      `json:"class,omitempty"` // kind of thing the rule is about
	What     string      `json:"what,omitempty"`
	Family   string      `json:"family,omitempty"`
	Tags     []string    `json:"tags,omitempty"`
	Strings  []StringHit `json:"strings,omitempty"`
	Cut      bool        `json:"cut,omitempty"` // there are more places than are listed
}

// StringHit is one place where a string of a rule was found.
type StringHit struct {
	ID      string `json:"id,omitempty"` // identifier in the rule
	Offset  int64  `json:"offset"`       // in bytes from the beginning of the file
	Length  int    `json:"length"`       // in bytes
	Excerpt Raw    `json:"excerpt,omitempty"`
}

// Looked counts what was looked at.
type Looked struct {
	Processes int   `json:"processes"`
	Sockets   int   `json:"sockets"`
	Footholds int   `json:"footholds"`
	Files     int   `json:"files"`
	Bytes     int64 `json:"bytes"`
	Rules     int   `json:"rules"`
}

// Verdict is the one-word answer of a report.
type Verdict string

// The verdicts.
const (
	VerdictMining  Verdict = "mining"    // a miner runs, or will
	VerdictIntrude Verdict = "intrusion" // convicted things, but no miner among them
	VerdictSuspect Verdict = "suspect"   // strong signs that do not convict
	VerdictClean   Verdict = "clean"     // nothing found in what was looked at; see the gaps
)
