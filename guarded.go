package deminer

import "time"

// Removed is something that a clean-up took away and that was not taken back: what must not come again.
type Removed struct {
	Plan   string    `json:"plan"`
	Step   string    `json:"step"`
	At     time.Time `json:"at"`
	Action Action    `json:"action"` // what was done about it, and will be again
	// Contents are the SHA-256 of the files that went to the vault; none that a program of the system has, too.
	Contents []string `json:"contents,omitempty"`
	// Files are the paths that went to the vault, where there are more than the target.
	Files []Raw `json:"files,omitempty"`
}
