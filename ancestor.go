package deminer

import "time"

// Ancestor is a process as the history tells of it, alive or not. Texts are bytes of the host: print them with [Safe].
type Ancestor struct {
	Proc ProcID    `json:"proc"`
	Exe  Raw       `json:"exe,omitempty"`
	Line Raw       `json:"line,omitempty"` // its command line
	Unit string    `json:"unit,omitempty"`
	At   time.Time `json:"at"` // when it became this program
	// Way says, of the one somebody most likely came in through, what kind of way it is: "web server", "ssh login" ...
	Way string `json:"way,omitempty"`
}

// Work is a stretch of time in which a process used much of the processors.
type Work struct {
	Proc  ProcID    `json:"proc"`
	Exe   Raw       `json:"exe,omitempty"`
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
	Cores float64   `json:"cores"`
}
