// Package match compiles rules of all formats (indicator lists, YARA, Sigma) into one immutable *Set and answers one question: does any rule speak of this?
//
// It is handed bytes and words and knows nothing of hosts. Every answer is a list of Hits; a Hit says what was seen and how much it weighs, never what to do about it.
// All methods of Set are safe for concurrent use, bounded in time and memory for any input, and never panic on hostile bytes.
//
// What a Set cannot know stays with the caller: whether a process lives, who owns a file, whether a package vouches for it. See Strength.
package match

import (
	"github.com/deminer/deminer/sigma"
	"github.com/deminer/deminer/yara"
)

// Strength is how much a hit weighs. One Proof or two independent Strong hits convict; Weak and Info never do.
type Strength uint8

// The strengths, from the least.
const (
	Info   Strength = iota // context worth a line
	Weak                   // never enough, in any number
	Strong                 // two of independent kinds are enough
	Proof                  // enough alone, when it describes something that runs or is about to
)

// String gives the word used in rule files and reports.
func (s Strength) String() string {
	if int(s) < len(strengths) {
		return strengths[s]
	}
	return "unknown"
}

// MarshalText writes the word.
func (s Strength) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

var strengths = [...]string{"info", "weak", "strong", "proof"}

// Class says what kind of thing a rule is about.
type Class string

// The classes that shipped rules use; rules of users may name others.
const (
	Mining      Class = "mining"
	Persistence Class = "persistence"
	Rootkit     Class = "rootkit"
	Backdoor    Class = "backdoor"
	WebShell    Class = "webshell"
	Companion   Class = "companion"
	Cradle      Class = "cradle"
	Evasion     Class = "evasion"
	Data        Class = "data"
)

// Hit is one rule that spoke.
type Hit struct {
	Rule     string            // identifies the rule: "yara/NAME", "sigma/ID", "ioc/KIND" or "text/NAME"
	Family   string            // malware family, or ""
	Strength Strength          // weight
	Class    Class             // kind
	What     string            // words for an administrator
	Offset   int64             // place in the bytes or text that were looked at; -1 where there is none
	Excerpt  string            // what was seen, at most 160 bytes, raw: escape it before it is printed
	Meta     map[string]string // details by rule: value, url, coin, layer, tags
	From     int               // index of the rule's file system in the call of Load
	Places   []Place           // of a YARA rule, where its strings were found, at most maxPlaces
	More     bool              // there are more places
}

// Place is one string of a YARA rule that was found.
type Place struct {
	ID      string // with its $
	Offset  int64
	Length  int
	Excerpt string // at most 64 bytes, raw: escape it before it is printed
}

const (
	maxPlaces = 32
	maxPlace  = 64
)

// maxExcerpt bounds Hit.Excerpt in bytes.
const maxExcerpt = 160

// Set is every compiled rule.
type Set struct {
	yara  *yara.Rules
	sigma *sigma.Rules
	ioc   index
	text  *textRules
	known names // of programs, strong enough to speak of in a text
	list  []Rule
	from  []From
	seeks bool // see Seeking
	// digest is over the names and texts of all rule files.
	digest string
}

// Rule describes one rule of a Set, for listings.
type Rule struct {
	ID       string   `json:"id"`
	Format   string   `json:"format"` // yara, sigma, ioc
	File     string   `json:"file"`
	Line     int      `json:"line"`
	Family   string   `json:"family,omitempty"`
	Strength Strength `json:"strength"`
	Class    Class    `json:"class"`
	What     string   `json:"what"`
	Count    int      `json:"count"` // entries, for a list
	Tags     []string `json:"tags,omitempty"`
	Source   string   `json:"source,omitempty"` // where it is from: built-in, the id of a bundle, a directory or a file
	From     int      `json:"-"`                // index of its file system in the call of Load
}

// List gives every rule in load order; the entries of an indicator list are counted under their kind and section.
func (s *Set) List() []Rule { return append([]Rule(nil), s.list...) }

// Len counts the rules; a section of an indicator list counts as one.
func (s *Set) Len() int { return len(s.list) }

// Digest names the rules the set was made of: equal digests, equal answers of one program version.
func (s *Set) Digest() string { return s.digest }

// From is what one file system gave to a Set.
type From struct {
	Digest string // over the names and texts of its rule files
	Rules  int    // a section of an indicator list counts as one
}

// From tells of each file system in the order of the call of Load.
func (s *Set) From() []From { return append([]From(nil), s.from...) }

func clip(s string) string {
	if len(s) > maxExcerpt {
		return s[:maxExcerpt]
	}
	return s
}
