package trust

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/state"
)

// Limits of orders.
const (
	MaxLife  = 31 * 24 * time.Hour // from when it was made until it expires: some wait for a host that is away
	skew     = time.Hour           // that the clocks of server and host may differ
	maxSeen  = 10_000              // ids that are remembered
	seenFile = "orders.json"
	maxFile  = 4 << 20
	domain   = "deminer order v1\x00"
)

// The errors of an order that is not taken.
var (
	ErrForged  = errors.New("the order does not come from the server of this host")
	ErrExpired = errors.New("the order is not of this time: its clock and the one of this host differ, or it was held back")
	ErrSeen    = errors.New("the order was taken before")
)

// Sign gives an order as it goes over the wire: the signature, and the order as JSON behind it.
func (a *Authority) Sign(o deminer.Order) ([]byte, error) {
	if err := whole(&o); err != nil {
		return nil, err
	}
	text, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	if len(text) > deminer.MaxMessage-ed25519.SignatureSize {
		return nil, fmt.Errorf("an order of %d bytes is too large", len(text))
	}
	return append(ed25519.Sign(a.orders, append([]byte(domain), text...)), text...), nil
}

// whole reports what is wrong with an order, whoever made it: exactly the field of its kind is set.
func whole(o *deminer.Order) error {
	set := map[deminer.OrderKind]bool{deminer.OrderScan: o.Scan != nil, deminer.OrderPlan: o.Plan != nil, deminer.OrderRun: o.Run != nil, deminer.OrderBlock: o.Block != nil,
		deminer.OrderRestore: o.Vault != "", deminer.OrderState: o.State != nil, deminer.OrderAllow: o.Allow != nil, deminer.OrderPolicy: o.Policy != nil}
	field := o.Kind
	switch o.Kind {
	case deminer.OrderUndo:
		field = deminer.OrderRun
	case deminer.OrderDelete:
		field = deminer.OrderRestore
	}
	n := 0
	for _, is := range set {
		if is {
			n++
		}
	}
	switch {
	case !slices.Contains(deminer.OrderKinds(), o.Kind):
		return fmt.Errorf("there is no order of the kind %q", deminer.Cut(string(o.Kind), 20))
	case n != 1 || !set[field]:
		return fmt.Errorf("an order of the kind %q says something else than that", o.Kind)
	case !deminer.IsID(o.ID) || !deminer.IsID(o.Host):
		return errors.New("an order without an id or a host")
	case o.Made.IsZero() || !o.Expires.After(o.Made) || o.Expires.Sub(o.Made) > MaxLife:
		return fmt.Errorf("an order lasts at most %s", MaxLife)
	}
	return nil
}

// Orders checks orders on a host. Those that were taken are remembered on disk until they have expired for every clock.
type Orders struct {
	dir  *os.Root
	host string
	key  ed25519.PublicKey
	now  func() time.Time

	mu   sync.Mutex
	seen seen
}

// seen is what is on disk.
type seen struct {
	// Newest is when the latest order was made by the server's clock: time is at least that late, whoever sets back the clock of this host.
	Newest time.Time `json:"newest"`
	// Floor: what was made until then is not taken any more, as it is not known whether it was taken.
	Floor time.Time       `json:"floor,omitzero"`
	IDs   map[string]mark `json:"ids"`
}

type mark struct {
	Made    time.Time `json:"made"`
	Expires time.Time `json:"expires"`
}

// OpenOrders opens the memory of orders in a state directory. One that cannot be read is begun anew, and then only orders that are made from
// now on are taken; said is told. now is the clock; nil: that of the system.
func OpenOrders(dir *os.Root, host string, key ed25519.PublicKey, now func() time.Time, said func(string)) (*Orders, error) {
	if now == nil {
		now = time.Now
	}
	if !deminer.IsID(host) || len(key) != ed25519.PublicKeySize {
		return nil, errors.New("open the memory of orders: this host is not enrolled")
	}
	o := &Orders{dir: dir, host: host, key: key, now: now}
	text, err := state.Read(dir, seenFile, maxFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err == nil:
		err = json.Unmarshal(text, &o.seen)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		said("which orders were taken before cannot be read, so none made until now is taken: " + deminer.Safe(err.Error()))
		o.seen = seen{Floor: now().UTC()}
	}
	if o.seen.IDs == nil {
		o.seen.IDs = map[string]mark{}
	}
	return o, nil
}

// Check gives an order that came over the wire, if it is to be taken. It is given once: from then on, also after a crash, it is ErrSeen, with
// which the order is given, too, so that whoever sends it again is told so. keep puts the order where a crash leaves it, and is called before
// the order counts as taken; after its error the order is not taken. nil: nothing is kept.
func (o *Orders) Check(wire []byte, keep func(deminer.Order) error) (order deminer.Order, err error) {
	if len(wire) <= ed25519.SignatureSize || len(wire) > deminer.MaxMessage {
		return order, ErrForged
	}
	sig, text := wire[:ed25519.SignatureSize], wire[ed25519.SignatureSize:]
	if !ed25519.Verify(o.key, append([]byte(domain), text...), sig) {
		return order, ErrForged
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields() // what a newer server means by it is not known here
	if err := dec.Decode(&order); err != nil {
		return deminer.Order{}, fmt.Errorf("this version of deminer does not know such an order: %w", err)
	}
	if err := whole(&order); err != nil {
		return deminer.Order{}, err
	}
	if order.Host != o.host {
		return deminer.Order{}, fmt.Errorf("%w: it is for another host", ErrForged)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.now()
	if order.Made.After(now.Add(skew)) {
		return deminer.Order{}, fmt.Errorf("%w: made at %s, it is %s here", ErrExpired, order.Made.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	if o.seen.Newest.After(now) {
		now = o.seen.Newest
	}
	if _, again := o.seen.IDs[order.ID]; again {
		return order, ErrSeen
	}
	if now.After(order.Expires.Add(skew)) || !order.Made.After(o.seen.Floor) {
		return deminer.Order{}, fmt.Errorf("%w: expired at %s, it is %s here", ErrExpired, order.Expires.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	if keep != nil {
		if err := keep(order); err != nil {
			return deminer.Order{}, fmt.Errorf("keep an order: %w", err)
		}
	}
	if err := o.remember(order, now); err != nil {
		return deminer.Order{}, fmt.Errorf("remember an order: %w", err)
	}
	return order, nil
}

// remember puts an order on disk. What cannot come again goes; of too many the ones made first, and nothing as old is taken again.
func (o *Orders) remember(order deminer.Order, now time.Time) error {
	next := seen{Newest: o.seen.Newest, Floor: o.seen.Floor, IDs: map[string]mark{order.ID: {order.Made.UTC(), order.Expires.UTC()}}}
	if order.Made.After(next.Newest) {
		next.Newest = order.Made.UTC()
	}
	for id, m := range o.seen.IDs {
		if !now.After(m.Expires.Add(skew)) {
			next.IDs[id] = m
		}
	}
	for len(next.IDs) > maxSeen {
		first := ""
		for id, m := range next.IDs {
			if id != order.ID && (first == "" || m.Made.Before(next.IDs[first].Made)) {
				first = id
			}
		}
		if m := next.IDs[first]; m.Made.After(next.Floor) {
			next.Floor = m.Made
		}
		delete(next.IDs, first)
	}
	text, err := json.Marshal(next)
	if err == nil {
		err = state.Replace(o.dir, seenFile, text)
	}
	if err == nil {
		o.seen = next
	}
	return err
}
