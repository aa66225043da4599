// Package trust says which machines belong to a server and makes and checks the signatures under its orders.
//
// A server has a certificate authority of its own, made at its first start, and a key for orders. A host is enrolled with a token: it makes
// a key that never leaves it, pins the authority by the fingerprint in the token before it says anything, and is known by its key from then
// on. On the host, an order is taken if the server signed it, for this host, not too long ago, and once.
package trust

import (
	"context"
	"errors"
	"time"
)

// ErrToken: a token is not known, has run out, or was used as often as it may be. Which of them is not told.
var ErrToken = errors.New("the token is not known, has run out, or was used up")

// ErrWait: too many wrong tokens came from where the host is, so the server did not look at this one; it stays as good as it is.
var ErrWait = errors.New("too many wrong tokens came from here: wait ten minutes; your token stays good")

// ErrUnknown: no machine has this id or this key.
var ErrUnknown = errors.New("no such machine")

// Machine is an enrolled host.
type Machine struct {
	ID       string    `json:"id"`   // as deminer.NewID makes one: the host of orders and messages
	Key      string    `json:"key"`  // its public key, 64 hexadecimal digits
	Name     string    `json:"name"` // as it called itself when it was enrolled, safe text
	Group    string    `json:"group,omitempty"`
	Token    string    `json:"token"` // id of the one it was enrolled with
	Enrolled time.Time `json:"enrolled"`
	Renewed  time.Time `json:"renewed,omitzero"` // when it got the key that it has
	Revoked  time.Time `json:"revoked,omitzero"`
}

// Token lets hosts be enrolled. What it says of itself is not enough to use it.
type Token struct {
	ID      string    `json:"id"`
	Hash    string    `json:"-"` // SHA-256 of its secret part, 64 hexadecimal digits
	By      string    `json:"by"`
	Group   string    `json:"group,omitempty"` // that hosts enrolled with it belong to
	Made    time.Time `json:"made"`
	Expires time.Time `json:"expires"`
	Uses    int       `json:"uses"` // how many hosts it may enroll
	Used    int       `json:"used"`
}

// Store keeps tokens and machines. Each method is done as a whole or not at all.
type Store interface {
	// PutToken keeps a token, or replaces one of the same id.
	PutToken(ctx context.Context, t Token) error
	// Tokens lists the tokens, the newest first.
	Tokens(ctx context.Context) ([]Token, error)
	// Enroll counts a use of the token with this hash and keeps the machine, with the token's group. If a machine with the same key was
	// enrolled with the same token before and was not revoked, nothing is counted and that one is given: the answer was lost on its way.
	// ErrToken as it says; a key that another machine has or had is ErrToken, too.
	Enroll(ctx context.Context, hash string, m Machine, now time.Time) (Machine, error)
	// Machine finds a machine by its id, or by its key; ErrUnknown.
	Machine(ctx context.Context, idOrKey string) (Machine, error)
	// Renew puts a new key in the place of the old one, if the machine has that and was not revoked; else ErrUnknown.
	Renew(ctx context.Context, id, old, key string, now time.Time) error
	// Revoke marks a machine as revoked; one that is so already stays as it is. ErrUnknown.
	Revoke(ctx context.Context, id string, now time.Time) error
}
