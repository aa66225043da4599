// Package auth knows the people of the console: who they are, what they may do, and how they log in.
//
// Passwords are kept as argon2id hashes, sessions and links as SHA-256 of what the browser holds, so whoever reads the store can
// log in as nobody. There is no default password: the first person is made through a link that is printed once. Guessing is
// locked with a delay that grows, for the name and for the address it comes from. Everything is told to the audit log.
//
// The package keeps nothing itself: [Store] is what it needs, internal/store has it. Machines are not its business.
package auth

import (
	"errors"
	"slices"
)

// Role is what a person may do.
type Role string

// The roles, from the least.
const (
	Viewer    Role = "viewer"    // sees everything but people, and changes nothing
	Responder Role = "responder" // may handle alerts: plans, runs, undo, blocks, scans, quarantine
	Admin     Role = "admin"     // may change policies, people and enrolment, too
)

// Roles lists them from the least.
func Roles() []Role { return []Role{Viewer, Responder, Admin} }

// AtLeast reports whether the role reaches another one; an unknown one reaches nothing and is never reached.
func (r Role) AtLeast(o Role) bool {
	i, j := slices.Index(Roles(), r), slices.Index(Roles(), o)
	return i >= 0 && j >= 0 && i >= j
}

// Who is the person behind a request.
type Who struct {
	Name    string // of the account, safe text
	Role    Role
	Address string // that the request came from
}

// ErrForbidden: the person may not do that.
var ErrForbidden = errors.New("your role does not allow that")

// May answers [ErrForbidden] where the person's role does not reach the one that is needed.
func (w Who) May(need Role) error {
	if !w.Role.AtLeast(need) {
		return ErrForbidden
	}
	return nil
}
