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
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// fromTable is the table of blocked sources. It is not the one of destinations: that one may be there from an earlier version,
// without chains for what comes in.
const fromTable = "deminer-from"

// froms blocks sources, in the network namespace of nets.
type froms struct{ nets }

func fromSet(t *nftables.Table, v6 bool) *nftables.Set {
	if v6 {
		return &nftables.Set{Table: t, Name: "from6", KeyType: nftables.TypeIP6Addr, HasTimeout: true}
	}
	return &nftables.Set{Table: t, Name: "from4", KeyType: nftables.TypeIPAddr, HasTimeout: true}
}

func fromKey(p netip.Prefix) []byte { return p.Masked().Addr().AsSlice() }

// buildFrom queues the table: what comes in, to the host or to be forwarded to its containers, is dropped where a set holds its source.
func buildFrom(c *nftables.Conn) (*nftables.Table, error) {
	t := c.AddTable(&nftables.Table{Name: fromTable, Family: nftables.TableFamilyINet})
	accept := nftables.ChainPolicyAccept
	var chains []*nftables.Chain
	for name, hook := range map[string]*nftables.ChainHook{"input": nftables.ChainHookInput, "forward": nftables.ChainHookForward} {
		chains = append(chains, c.AddChain(&nftables.Chain{Name: name, Table: t, Type: nftables.ChainTypeFilter, Hooknum: hook,
			Priority: nftables.ChainPriorityRef(priority), Policy: &accept}))
	}
	for _, v6 := range []bool{false, true} {
		set := fromSet(t, v6)
		if err := c.AddSet(set, nil); err != nil {
			return nil, fmt.Errorf("make set %s: %w", set.Name, err)
		}
		for _, chain := range chains {
			c.AddRule(&nftables.Rule{Table: t, Chain: chain, Exprs: matchFrom(set.Name, v6)})
		}
	}
	return t, nil
}

// matchFrom drops packets whose source, of IPv6 its first 64 bits, is in the set.
func matchFrom(set string, v6 bool) []expr.Any {
	family, off, size := byte(unix.NFPROTO_IPV4), uint32(12), uint32(4)
	if v6 {
		family, off, size = unix.NFPROTO_IPV6, 8, 16
	}
	out := []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: reg1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: reg1, Data: []byte{family}},
		&expr.Payload{DestRegister: reg1, Base: expr.PayloadBaseNetworkHeader, Offset: off, Len: size},
	}
	if v6 {
		mask := append(slices.Repeat([]byte{0xff}, 8), make([]byte, 8)...)
		out = append(out, &expr.Bitwise{SourceRegister: reg1, DestRegister: reg1, Len: 16, Mask: mask, Xor: make([]byte, 16)})
	}
	return append(out, &expr.Lookup{SourceRegister: reg1, SetName: set}, &expr.Counter{}, &expr.Verdict{Kind: expr.VerdictDrop})
}

// Block implements host.Net for sources. Times are whole seconds.
func (f froms) Block(b host.Block) error {
	left := time.Until(b.Until).Round(time.Second)
	if left <= 0 || b.From.Bits() != min(b.From.Addr().BitLen(), 64) {
		return fmt.Errorf("block %s: no time, or neither an address nor a network of 64 bits", b)
	}
	c, err := f.dial()
	if err != nil {
		return err
	}
	t, err := f.named(c, fromTable)
	if err == nil && t == nil {
		t, err = buildFrom(c)
	} else if err == nil {
		err = f.drop(c, t, b.From)
	}
	if err == nil {
		err = c.SetAddElements(fromSet(t, b.From.Addr().Is6()), []nftables.SetElement{{Key: fromKey(b.From), Timeout: left}})
	}
	if err == nil {
		err = c.Flush()
	}
	if err != nil {
		return fmt.Errorf("block %s: %w", b, err)
	}
	return nil
}

// drop queues the removal of a source, if it is there.
func (f froms) drop(c *nftables.Conn, t *nftables.Table, from netip.Prefix) error {
	list, err := f.sources(c, t)
	if err != nil || !slices.ContainsFunc(list, func(b host.Block) bool { return b.From == from.Masked() }) {
		return err
	}
	return c.SetDeleteElements(fromSet(t, from.Addr().Is6()), []nftables.SetElement{{Key: fromKey(from)}})
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
	var out []host.Block
	for _, v6 := range []bool{false, true} {
		list, err := c.GetSetElements(fromSet(t, v6))
		if err != nil {
			return nil, fmt.Errorf("read blocked sources: %w", err)
		}
		for _, e := range list {
			a, ok := netip.AddrFromSlice(e.Key)
			p, err := a.Prefix(min(a.BitLen(), 64))
			if ok && err == nil {
				out = append(out, host.Block{From: p, Until: time.Now().Add(cmp.Or(e.Expires, e.Timeout)).UTC().Truncate(time.Second)})
			}
		}
	}
	slices.SortFunc(out, func(a, b host.Block) int { return a.From.Addr().Compare(b.From.Addr()) })
	return out, nil
}
