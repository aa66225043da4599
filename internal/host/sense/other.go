//go:build !linux

package sense

import (
	"context"
	"errors"
	"fmt"

	"github.com/deminer/deminer"
)

// Sensors is what is in force: here, nothing.
type Sensors struct{ want []deminer.EventKind }

// Open puts nothing in force here.
func Open(o Options) *Sensors { return &Sensors{o.Want} }

// Facets says that nothing is seen.
func (s *Sensors) Facets() (out []deminer.Sense) {
	for _, k := range s.want {
		out = append(out, deminer.Sense{Kind: k, Why: []string{errors.ErrUnsupported.Error()}, Lost: "everything"})
	}
	return out
}

// Watch is not available here: errors.ErrUnsupported.
func (*Sensors) Watch(context.Context, func(deminer.Event)) error {
	return fmt.Errorf("watch events: %w", errors.ErrUnsupported)
}

// Drops counts nothing.
func (*Sensors) Drops() map[deminer.EventKind]uint64 { return nil }

// Check finds nothing.
func (*Sensors) Check() []string { return nil }

// Close gives back what Open took: nothing.
func (*Sensors) Close() error { return nil }
