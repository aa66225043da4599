package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/match"
	files "github.com/deminer/deminer/internal/state"
)

// soughtFile keeps what the server has looked for, so that a restart of the agent does not forget it.
const (
	soughtFile = "sought.json"
	soughtLife = 30 * 24 * time.Hour
	maxSought  = 512 << 10
)

// soughtSince is one indicator, and when the server asked for it last.
type soughtSince struct {
	deminer.Sought
	Asked time.Time `json:"asked"`
}

// set is the rules in force, with what the server has looked for.
func (r *resident) set() *match.Set {
	if s := r.sought.Load(); s != nil {
		return s
	}
	return r.rules.Set
}

// seek has the agent look for indicators from now on, in every look that follows. The latest ones count where there are too many.
func (l *line) seek(list []deminer.Sought) error {
	if len(list) == 0 {
		return nil
	}
	known, err := l.soughtList()
	if err != nil {
		l.r.trouble("what the server had looked for before", err)
	}
	now := time.Now().UTC()
	for _, one := range list[:min(len(list), match.MaxSought)] {
		known = slices.DeleteFunc(known, func(s soughtSince) bool { return s.Indicator == one.Indicator })
		known = append(known, soughtSince{one, now})
	}
	known = known[max(0, len(known)-match.MaxSought):]
	text, err := json.Marshal(known)
	if err != nil {
		return fmt.Errorf("keep what is looked for: %w", err)
	}
	if err := files.Replace(l.dir, soughtFile, text); err != nil {
		return fmt.Errorf("keep what is looked for: %w", err)
	}
	l.take(known)
	return nil
}

// take puts indicators beside the rules.
func (l *line) take(known []soughtSince) {
	var list []deminer.Sought
	for _, s := range known {
		if time.Since(s.Asked) < soughtLife {
			list = append(list, s.Sought)
		}
	}
	if len(list) == 0 {
		l.r.sought.Store(nil)
		return
	}
	l.r.sought.Store(l.r.rules.Seeking(list))
}

// soughtList reads what the server had looked for before.
func (l *line) soughtList() (known []soughtSince, err error) {
	text, err := files.Read(l.dir, soughtFile, maxSought)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return known, json.Unmarshal(text, &known)
}
