//go:build linux

package hands

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// fromTable is the table of blocked sources. It is not the one of destinations: that one may be there from an earlier version,
// without chains for what comes in.
const fromTable = "deminer-from"

// froms blocks sources, in the network namespace of nets.
type froms struct{ nets }

// fromKind is one of the sets of blocked sources.
type fromKind struct {
	name string
	v6   bool
	bits int // of a source
}

func fromKinds() []fromKind {
	return []fromKind{{"from4", false, 32}, {"from6", true, 64}, {"one6", true, 128}}
}

func fromKindOf(p netip.Prefix) fromKind {
	for _, k := range fromKinds() {
		if k.bits == p.Bits() {
			return k
		}
	}
	return fromKinds()[0]
}

func (k fromKind) set(t *nftables.Table) *nftables.Set {
	s := &nftables.Set{Table: t, Name: k.name, KeyType: nftables.TypeIPAddr, HasTimeout: true}
	if k.v6 {
		s.KeyType = nftables.TypeIP6Addr
	}
	return s
}

func fromKey(p netip.Prefix) []byte { return p.Masked().Addr().AsSlice() }

// buildFrom queues what is missing of the table: what comes in, to the host or to be forwarded to its containers, is dropped where a
// set holds its source. A table of an earlier version lacks a set.
func buildFrom(c *nftables.Conn, have []fromKind) (*nftables.Table, error) {
	t := c.AddTable(&nftables.Table{Name: fromTable, Family: nftables.TableFamilyINet})
	accept := nftables.ChainPolicyAccept
	var chains []*nftables.Chain
	for name, hook := range map[string]*nftables.ChainHook{"input": nftables.ChainHookInput, "forward": nftables.ChainHookForward} {
		chains = append(chains, c.AddChain(&nftables.Chain{Name: name, Table: t, Type: nftables.ChainTypeFilter, Hooknum: hook,
			Priority: nftables.ChainPriorityRef(priority), Policy: &accept}))
	}
	for _, k := range fromKinds() {
		if slices.Contains(have, k) {
			continue
		}
		set := k.set(t)
		if err := c.AddSet(set, nil); err != nil {
			return nil, fmt.Errorf("make set %s: %w", set.Name, err)
		}
		for _, chain := range chains {
			c.AddRule(&nftables.Rule{Table: t, Chain: chain, Exprs: k.drop()})
		}
	}
	return t, nil
}

// drop drops packets whose source, of networks the first 64 bits of it, is in the set.
func (k fromKind) drop() []expr.Any {
	family, off, size := byte(unix.NFPROTO_IPV4), uint32(12), uint32(4)
	if k.v6 {
		family, off, size = unix.NFPROTO_IPV6, 8, 16
	}
	out := []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: reg1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: reg1, Data: []byte{family}},
		&expr.Payload{DestRegister: reg1, Base: expr.PayloadBaseNetworkHeader, Offset: off, Len: size},
	}
	if k.bits == 64 {
		mask := append(slices.Repeat([]byte{0xff}, 8), make([]byte, 8)...)
		out = append(out, &expr.Bitwise{SourceRegister: reg1, DestRegister: reg1, Len: 16, Mask: mask, Xor: make([]byte, 16)})
	}
	return append(out, &expr.Lookup{SourceRegister: reg1, SetName: k.name}, &expr.Counter{}, &expr.Verdict{Kind: expr.VerdictDrop})
}

// Block implements host.Net for sources. Times are whole seconds.
func (f froms) Block(b host.Block) error {
	left := time.Until(b.Until).Round(time.Second)
	if left <= 0 || b.From != deminer.SourceOf(b.From.Addr()) {
		return fmt.Errorf("block %s: no time, or neither an address nor a network of 64 bits", b)
	}
	c, err := f.dial()
	if err != nil {
		return err
	}
	t, err := f.named(c, fromTable)
	var have []fromKind
	if err == nil && t != nil {
		if have, err = fromHave(c, t); err == nil {
			err = f.drop(c, t, b.From)
		}
	}
	if err == nil && len(have) < len(fromKinds()) {
		t, err = buildFrom(c, have)
	}
	if err == nil {
		err = c.SetAddElements(fromKindOf(b.From).set(t), []nftables.SetElement{{Key: fromKey(b.From), Timeout: left}})
	}
	if err == nil {
		err = c.Flush()
	}
	if err != nil {
		return fmt.Errorf("block %s: %w", b, err)
	}
	return nil
}

// fromHave gives the sets that the table has.
func fromHave(c *nftables.Conn, t *nftables.Table) (out []fromKind, err error) {
	sets, err := c.GetSets(t)
	if err != nil {
		return nil, fmt.Errorf("read blocked sources: %w", err)
	}
	for _, k := range fromKinds() {
		if slices.ContainsFunc(sets, func(s *nftables.Set) bool { return s.Name == k.name }) {
			out = append(out, k)
		}
	}
	return out, nil
}

// drop queues the removal of a source, if it is there.
func (f froms) drop(c *nftables.Conn, t *nftables.Table, from netip.Prefix) error {
	list, err := f.sources(c, t)
	if err != nil || !slices.ContainsFunc(list, func(b host.Block) bool { return b.From == from.Masked() }) {
		return err
	}
	return c.SetDeleteElements(fromKindOf(from).set(t), []nftables.SetElement{{Key: fromKey(from)}})
}

// Lift implements host.Net for sources. With the last one the table goes, too.
func (f froms) Lift(b host.Block) error {
	c, err := f.dial()
	if err != nil {
		return err
	}
	t, err := f.named(c, fromTable)
	if err != nil || t == nil {
		return err
	}
	list, err := f.sources(c, t)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(list, func(o host.Block) bool { return o.From != b.From.Masked() }) {
		c.DelTable(t)
	} else if err := f.drop(c, t, b.From); err != nil {
		return fmt.Errorf("lift block %s: %w", b, err)
	}
	// One may run out between look and removal.
	if err := c.Flush(); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("lift block %s: %w", b, err)
	}
	return nil
}

// List implements host.Net for sources.
func (f froms) List() ([]host.Block, error) {
	c, err := f.dial()
	if err != nil {
		return nil, err
	}
	t, err := f.named(c, fromTable)
	if err != nil || t == nil {
		return nil, err
	}
	return f.sources(c, t)
}

func (f froms) sources(c *nftables.Conn, t *nftables.Table) ([]host.Block, error) {
	have, err := fromHave(c, t)
	if err != nil {
		return nil, err
	}
	var out []host.Block
	for _, k := range have {
		list, err := c.GetSetElements(k.set(t))
		if err != nil {
			return nil, fmt.Errorf("read blocked sources: %w", err)
		}
		for _, e := range list {
			a, ok := netip.AddrFromSlice(e.Key)
			p, err := a.Prefix(k.bits)
			if ok && err == nil {
				out = append(out, host.Block{From: p, Until: time.Now().Add(cmp.Or(e.Expires, e.Timeout)).UTC().Truncate(time.Second)})
			}
		}
	}
	slices.SortFunc(out, func(a, b host.Block) int { return a.From.Addr().Compare(b.From.Addr()) })
	return out, nil
}
