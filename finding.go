package deminer

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"
)

// Kind is what sort of thing an artifact is.
type Kind string

// The kinds of artifacts.
const (
	KindProcess   Kind = "process"
	KindFile      Kind = "file"      // a file, a directory or a link at Path
	KindLine      Kind = "line"      // one line, or some whole lines, of the file at Path
	KindAccount   Kind = "account"   // Name
	KindUnit      Kind = "unit"      // Name; a unit as systemd holds it in memory
	KindAddress   Kind = "address"   // Addr: "ip:port" or "ip"
	KindCgroup    Kind = "cgroup"    // Name is the path in the unified hierarchy
	KindModule    Kind = "module"    // Name
	KindMount     Kind = "mount"     // Path is the mount point
	KindContainer Kind = "container" // Name is the id
	KindSetting   Kind = "setting"   // Name is a sysctl or similar, Line its value
	KindListener  Kind = "listener"  // Addr: local "ip:port"
	KindHost      Kind = "host"      // the host as a whole
)

// Artifact is a thing on a host as the target of a finding or an action. Ref names it.
type Artifact struct {
	Kind      Kind   `json:"kind"`
	Proc      ProcID `json:"proc,omitzero"`
	Path      Raw    `json:"path,omitempty"`
	Line      Raw    `json:"line,omitempty"`
	LineNo    int    `json:"line_no,omitempty"` // hint; the text decides
	Name      string `json:"name,omitempty"`
	Addr      string `json:"addr,omitempty"`
	Mechanism string `json:"mechanism,omitempty"` // for a foothold: which mechanism listed it
	Part      string `json:"part,omitempty"`      // which entry of the line or file is meant, where several footholds share it
}

// Ref names the artifact within one host: equal refs are the same thing.
func (a Artifact) Ref() string {
	switch a.Kind {
	case KindProcess:
		return "process:" + a.Proc.String()
	case KindFile, KindMount:
		return string(a.Kind) + ":" + string(a.Path) + a.part()
	case KindLine:
		return "line:" + string(a.Path) + ":" + short(string(a.Line)) + a.part()
	case KindAddress, KindListener:
		return string(a.Kind) + ":" + a.Addr
	case KindHost:
		return "host"
	}
	return string(a.Kind) + ":" + a.Name
}

// maxRefText is how much of a line stands in a ref. A hostile line may be megabytes long, and a report names it often.
const maxRefText = 512

// short stands for a text in a ref: itself, or its beginning and its SHA-256.
func short(text string) string {
	if len(text) <= maxRefText {
		return text
	}
	sum := sha256.Sum256([]byte(text))
	return text[:maxRefText/2] + "...sha256:" + hex.EncodeToString(sum[:])
}

// Handle is a short name of a ref for people to type: "@" and six hex digits of its SHA-256. Two refs of one report may
// share one (about one chance in a thousand with 200 members): whoever resolves a handle must refuse an ambiguous one.
func Handle(ref string) string {
	sum := sha256.Sum256([]byte(ref))
	return "@" + hex.EncodeToString(sum[:3])
}

// part tells entries of one line or file apart.
func (a Artifact) part() string {
	if a.Part == "" {
		return ""
	}
	return "#" + a.Part
}

// String shows the artifact to a person, safe for a terminal.
func (a Artifact) String() string {
	switch a.Kind {
	case KindProcess:
		return fmt.Sprintf("process %d %s", a.Proc.PID, Safe(a.Name))
	case KindLine:
		return fmt.Sprintf("%s: %s", Safe(a.Path), Cut(a.Line, 160))
	case KindFile, KindMount:
		return Safe(a.Path)
	case KindAddress, KindListener:
		return Safe(a.Addr)
	case KindSetting:
		return Safe(a.Name) + " = " + Safe(a.Line)
	case KindHost:
		return "this host"
	}
	return string(a.Kind) + " " + Safe(a.Name)
}

// Tier is how much one piece of evidence weighs (decision model, catalogue section 15).
type Tier string

// The tiers. One proof, or two strong signs of different Class on the same or directly linked things, convict. Weak signs never do.
const (
	Proof  Tier = "proof"
	Strong Tier = "strong"
	Weak   Tier = "weak"
	Note   Tier = "note" // hygiene: worth telling the owner, says nothing of an intrusion
)

// Class is the independent kind of evidence; two strong signs count together only when their classes differ.
type Class string

// The classes of evidence.
const (
	ByContent    Class = "content"     // what a file or a memory holds
	ByNetwork    Class = "network"     // what it says to whom
	ByCompute    Class = "compute"     // CPU and memory shape
	ByProvenance Class = "provenance"  // where it came from: deleted, memfd, unpackaged in a writable place
	ByPersist    Class = "persistence" // how it comes back
	ByHiding     Class = "hiding"      // that it hides or disguises itself
	ByTamper     Class = "tamper"      // what it changed in the system
	ByIdentity   Class = "identity"    // a known name, path, key or account of a family
	ByAccess     Class = "access"      // who came in, and how
)

// Topic is what a finding is about, for lists and filters.
type Topic string

// The topics.
const (
	TopicMining    Topic = "mining"
	TopicReturns   Topic = "persistence"
	TopicRootkit   Topic = "rootkit"
	TopicBackdoor  Topic = "backdoor"
	TopicWebShell  Topic = "web shell"
	TopicCompanion Topic = "companion malware"
	TopicTamper    Topic = "tampering"
	TopicDoor      Topic = "open door"
	TopicCompute   Topic = "unexplained compute"
	TopicHygiene   Topic = "hygiene"
)

// Indicator is a fact that may tie things together, on one host or many.
type Indicator struct {
	Kind  string `json:"kind"` // "wallet", "pool", "ip", "domain", "sha256", "key", "url", "family", "account"
	Value string `json:"value"`
}

// Finding is what one detector saw: one statement about one or a few things, with the evidence in words.
type Finding struct {
	Detector  string `json:"detector"`
	Topic     Topic  `json:"topic"`
	Tier      Tier   `json:"tier"`
	Class     Class  `json:"class"`
	Technique string `json:"technique,omitempty"` // ATT&CK v19 id
	Catalogue string `json:"catalogue,omitempty"` // id of deminer's catalogue: "RH-02", "PL-25" ...
	Title     string `json:"title"`               // one line, safe text
	// Why is the evidence: what was seen and where, each line checkable by an admin, safe text.
	Why []string `json:"why"`
	// Cleared are the benign explanations that were tested, and how each test came out.
	Cleared []string `json:"cleared,omitempty"`
	// Subject is what the finding speaks of; Also are things tied to it by the same evidence.
	Subject    Artifact    `json:"subject"`
	Also       []Artifact  `json:"also,omitempty"`
	Indicators []Indicator `json:"indicators,omitempty"`
	Time       time.Time   `json:"time,omitzero"` // when it happened, where known (file time, log time, start time)
	// Remove undoes what was found, where the subject's own foothold recipe or the default for its kind does not.
	Remove []Action `json:"remove,omitempty"`
	Fix    string   `json:"fix,omitempty"` // advice in words, for weaknesses and for what deminer does not do itself
	// Distrust says why, with this finding, the system can no longer be trusted and should be rebuilt (B6.0); "" otherwise.
	Distrust string `json:"distrust,omitempty"`
}

// Key is the same for the same thing seen twice.
func (f Finding) Key() string { return f.Detector + "|" + f.Subject.Ref() + "|" + f.Title }
