//go:build linux

package hands

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/deminer/deminer/internal/host"
	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

// tableName is deminer's own table, in the inet family. Nothing outside it is read or changed.
const tableName = "deminer"

// nets is host.Net over nftables. ns is a network namespace for tests, 0 for our own.
type nets struct{ ns int }

func (n *nets) dial() (*nftables.Conn, error) {
	c, err := nftables.New(nftables.WithNetNSFd(n.ns))
	if err != nil {
		return nil, fmt.Errorf("talk to the packet filter: %w", err)
	}
	return c, nil
}

// kinds are the four sets of blocked destinations.
type kind struct {
	name string
	v6   bool
	port bool
}

func kinds() []kind {
	return []kind{{"addr4", false, false}, {"addr6", true, false}, {"port4", false, true}, {"port6", true, true}}
}

func kindOf(a netip.AddrPort) kind {
	for _, k := range kinds() {
		if k.v6 == a.Addr().Is6() && k.port == (a.Port() != 0) {
			return k
		}
	}
	return kinds()[0]
}

func (k kind) set(t *nftables.Table) *nftables.Set {
	s := &nftables.Set{Table: t, Name: k.name, KeyType: nftables.TypeIPAddr, HasTimeout: true}
	if k.v6 {
		s.KeyType = nftables.TypeIP6Addr
	}
	if k.port {
		s.Concatenation = true
		s.KeyType = nftables.MustConcatSetType(s.KeyType, nftables.TypeInetService)
	}
	return s
}

// key is an address as the set holds it: each part padded to four bytes.
func (k kind) key(a netip.AddrPort) []byte {
	out := a.Addr().AsSlice()
	if k.port {
		out = append(out, byte(a.Port()>>8), byte(a.Port()), 0, 0)
	}
	return out
}

func (k kind) addr(key []byte) (netip.AddrPort, bool) {
	size := 4
	if k.v6 {
		size = 16
	}
	if len(key) < size || k.port && len(key) < size+2 {
		return netip.AddrPort{}, false
	}
	ip, ok := netip.AddrFromSlice(key[:size])
	port := uint16(0)
	if k.port {
		port = uint16(key[size])<<8 | uint16(key[size+1])
	}
	return netip.AddrPortFrom(ip, port), ok
}

// table gives our table, or nil where there is none.
func (n *nets) table(c *nftables.Conn) (*nftables.Table, error) { return n.named(c, tableName) }

func (n *nets) named(c *nftables.Conn, name string) (*nftables.Table, error) {
	list, err := c.ListTablesOfFamily(nftables.TableFamilyINet)
	if err != nil {
		return nil, fmt.Errorf("read the packet filter: %w", err)
	}
	for _, t := range list {
		if t.Name == name {
			return t, nil
		}
	}
	return nil, nil
}

// traffic is host.Net: addresses and sources by nftables, control groups by programs.
type traffic struct {
	nets
	groups
}

func (t *traffic) froms() froms { return froms{t.nets} }

// Block implements host.Net.
func (t *traffic) Block(b host.Block) error {
	if b.Cgroup != "" {
		return t.groups.Block(b)
	}
	if b.From.IsValid() {
		return t.froms().Block(b)
	}
	return t.nets.Block(b)
}

// Lift implements host.Net.
func (t *traffic) Lift(b host.Block) error {
	if b.Cgroup != "" {
		return t.groups.Lift(b)
	}
	if b.From.IsValid() {
		return t.froms().Lift(b)
	}
	return t.nets.Lift(b)
}

// List implements host.Net.
func (t *traffic) List() ([]host.Block, error) {
	addrs, err := t.nets.List()
	if err != nil {
		return nil, err
	}
	from, err := t.froms().List()
	if err != nil {
		return nil, err
	}
	list, err := t.groups.List()
	return append(append(addrs, from...), list...), err
}

// Block implements host.Net for addresses. Times are whole seconds, rounded up.
func (n *nets) Block(b host.Block) error {
	left := time.Until(b.Until).Round(time.Second)
	if !b.Addr.Addr().IsValid() || left <= 0 {
		return fmt.Errorf("block %s: no address or no time", b.Addr)
	}
	c, err := n.dial()
	if err != nil {
		return err
	}
	t, err := n.table(c)
	if err != nil {
		return err
	}
	if t == nil {
		if t, err = build(c); err != nil {
			return fmt.Errorf("block %s: %w", b.Addr, err)
		}
	} else if err := n.drop(c, t, b.Addr); err != nil {
		return err
	}
	k := kindOf(b.Addr)
	if err := c.SetAddElements(k.set(t), []nftables.SetElement{{Key: k.key(b.Addr), Timeout: left}}); err != nil {
		return fmt.Errorf("block %s: %w", b.Addr, err)
	}
	if err := c.Flush(); err != nil {
		return fmt.Errorf("block %s: %w", b.Addr, err)
	}
	return nil
}

// drop queues the removal of an element, if it is there: the kernel does not renew the time of one that is.
func (n *nets) drop(c *nftables.Conn, t *nftables.Table, addr netip.AddrPort) error {
	list, err := n.elements(c, t)
	if err != nil || !slices.ContainsFunc(list, func(b host.Block) bool { return b.Addr == addr }) {
		return err
	}
	k := kindOf(addr)
	if err := c.SetDeleteElements(k.set(t), []nftables.SetElement{{Key: k.key(addr)}}); err != nil {
		return fmt.Errorf("lift block of %s: %w", addr, err)
	}
	return nil
}

// Lift implements host.Net for addresses. With the last block our table goes too, so that nothing is left behind.
func (n *nets) Lift(b host.Block) error {
	addr := b.Addr
	c, err := n.dial()
	if err != nil {
		return err
	}
	t, err := n.table(c)
	if err != nil || t == nil {
		return err
	}
	list, err := n.elements(c, t)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(list, func(b host.Block) bool { return b.Addr != addr }) {
		c.DelTable(t)
	} else if err := n.drop(c, t, addr); err != nil {
		return err
	}
	// An element may run out between look and removal.
	if err := c.Flush(); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("lift block of %s: %w", addr, err)
	}
	return nil
}

// List implements host.Net for addresses.
func (n *nets) List() ([]host.Block, error) {
	c, err := n.dial()
	if err != nil {
		return nil, err
	}
	t, err := n.table(c)
	if err != nil || t == nil {
		return nil, err
	}
	return n.elements(c, t)
}

func (n *nets) elements(c *nftables.Conn, t *nftables.Table) ([]host.Block, error) {
	var out []host.Block
	for _, k := range kinds() {
		list, err := c.GetSetElements(k.set(t))
		if err != nil {
			return nil, fmt.Errorf("read blocks: %w", err)
		}
		for _, e := range list {
			if addr, ok := k.addr(e.Key); ok {
				out = append(out, host.Block{Addr: addr, Until: time.Now().Add(cmp.Or(e.Expires, e.Timeout)).UTC().Truncate(time.Second)})
			}
		}
	}
	slices.SortFunc(out, func(a, b host.Block) int { return a.Addr.Compare(b.Addr) })
	return out, nil
}
