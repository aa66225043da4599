package deminer

import "time"

// Foothold is one configured way for code or a person to come back: a cron line, a unit, a key, a preload line.
// It is neutral: most footholds are the owner's. Remove is the recipe that takes exactly this one away.
type Foothold struct {
	Mechanism string        `json:"mechanism"`            // name of the mechanism that listed it: "cron", "systemd-unit" ...
	ID        string        `json:"id"`                   // catalogue id: "PL-01" ...
	Technique string        `json:"technique,omitempty"`  // ATT&CK v19 id
	Path      Raw           `json:"path"`                 // file that holds it
	Line      Raw           `json:"line,omitempty"`       // whole line or lines without the last newline; "" = the whole file
	LineNo    int           `json:"line_no,omitempty"`    // 1-based
	Part      string        `json:"part,omitempty"`       // which entry of the line or file it is, where several footholds share it: one member of a group, one library
	Name      string        `json:"name,omitempty"`       // unit, user, key comment, module ...
	User      string        `json:"user,omitempty"`       // who it runs as or lets in
	Trigger   string        `json:"trigger,omitempty"`    // in words: "every 5 minutes", "at boot", "at login of root"
	Every     time.Duration `json:"every,omitempty"`      // period; 0 where it has none
	Command   Raw           `json:"command,omitempty"`    // what would run, as written
	Targets   []string      `json:"targets,omitempty"`    // absolute paths of files the command runs, loads or sources
	Key       string        `json:"key,omitempty"`        // for login keys: SHA256 fingerprint as ssh-keygen -lf prints it
	Attr      Attr          `json:"attr,omitzero"`        // of Path, deep
	Own       Provenance    `json:"own,omitzero"`         // of Path; filled by gather
	TargetOwn []Provenance  `json:"target_own,omitempty"` // of Targets, same order; filled by gather
	Disabled  bool          `json:"disabled,omitempty"`   // present but would not run as things are
	Odd       []string      `json:"odd,omitempty"`        // formal oddities, in words: "carriage return hides the line", "file starts with REDIS" ...
	Remove    []Action      `json:"remove,omitempty"`
}

// Artifact names the foothold as the target of a finding: its line if it has one, else its file.
func (f *Foothold) Artifact() Artifact {
	kind := KindFile
	if f.Line != "" {
		kind = KindLine
	}
	return Artifact{Kind: kind, Path: f.Path, Line: f.Line, LineNo: f.LineNo, Name: f.Name, Mechanism: f.Mechanism, Part: f.Part}
}

// Shared is a line, a unit or a script that holds several commands, which an owner and an intruder may have written together.
type Shared struct {
	Whole Artifact `json:"whole"` // what holds them: the artifact of a foothold, or a script's file
	// Parts are the commands in it, in order, each with the recipe that takes exactly it out and leaves the rest byte for byte; an
	// empty recipe says that it cannot be taken out exactly.
	Parts []Foothold `json:"parts"`
}
