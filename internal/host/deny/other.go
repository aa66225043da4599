//go:build !linux

package deny

import (
	"errors"
	"net/netip"
	"time"

	"github.com/deminer/deminer"
)

// Guard is what is in force: here, nothing.
type Guard struct{ o Options }

// Open puts nothing in force here.
func Open(o Options) *Guard { return &Guard{o} }

// Facets says that nothing is refused.
func (g *Guard) Facets() []deminer.Sense {
	return []deminer.Sense{{Kind: deminer.EventExec, Why: []string{errors.ErrUnsupported.Error()}, Lost: "everything"}}
}

// Cover is not available here: ErrOff.
func (*Guard) Cover(string) error { return ErrOff }

// CoverProcess is not available here: ErrOff.
func (*Guard) CoverProcess(int) error { return ErrOff }

// Began judges nothing.
func (*Guard) Began(deminer.ProcID, bool) error { return nil }

// Bare finds nothing amiss.
func (*Guard) Bare() error { return nil }

// Check finds nothing.
func (*Guard) Check() []string { return nil }

// Holds is false here.
func (*Guard) Holds() bool { return false }

// Freeze is not available here: errors.ErrUnsupported.
func (*Guard) Freeze(deminer.ProcID) error { return errors.ErrUnsupported }

// Thaw is not available here: errors.ErrUnsupported.
func (*Guard) Thaw(deminer.ProcID) error { return errors.ErrUnsupported }

// Kill is not available here: errors.ErrUnsupported.
func (*Guard) Kill(deminer.ProcID) error { return errors.ErrUnsupported }

// Counts counts nothing.
func (*Guard) Counts() Counts { return Counts{} }

// SetMode is not available here: ErrOff.
func (*Guard) SetMode(Class, Mode) error { return ErrOff }

// AddPool is not available here: ErrOff.
func (*Guard) AddPool(netip.Prefix, uint16, time.Time) error { return ErrOff }

// RemovePool is not available here: ErrOff.
func (*Guard) RemovePool(netip.Prefix) error { return ErrOff }

// CutSocket is not available here: ErrOff.
func (*Guard) CutSocket(uint64) error { return ErrOff }

// CutGroup is not available here: ErrOff.
func (*Guard) CutGroup(string, time.Time) error { return ErrOff }

// Lift takes nothing away.
func Lift(string) error { return nil }

// Leave lifts nothing.
func (*Guard) Leave() error { return nil }

// Close lifts nothing.
func (*Guard) Close() error { return nil }
