//go:build linux

package live

import (
	"context"
	"fmt"
	"slices"
	"syscall"
	"testing"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// rules plays a host with firewall rules, in a network namespace of its own, and reads them back.
func rules() error {
	c, err := nftables.New()
	if err != nil {
		return err
	}
	table := c.AddTable(&nftables.Table{Family: nftables.TableFamilyIPv4, Name: "filter"})
	drop := nftables.ChainPolicyDrop
	chain := c.AddChain(&nftables.Chain{Name: "OUTPUT", Table: table, Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookOutput,
		Priority: nftables.ChainPriorityFilter, Policy: &drop})
	c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: 16, Len: 4},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{203, 0, 113, 9}},
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.IPPROTO_TCP}},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: []byte{0x0d, 0x05}},
		&expr.Counter{},
		&expr.Verdict{Kind: expr.VerdictDrop},
	}})
	if err := c.Flush(); err != nil {
		return err
	}
	l := Open()
	g := &gapList{}
	got := l.firewall(context.Background(), g)
	want := []string{"ip filter OUTPUT: policy drop", "ip filter OUTPUT: ip daddr 203.0.113.9 l4proto 6 tcp dport != 3333 drop"}
	if !slices.Equal(got, want) || len(g.list) > 0 {
		return fmt.Errorf("got %q, gaps %v", got, g.list)
	}
	fmt.Println("read")
	return nil
}

func TestFirewall(t *testing.T) {
	needRoot(t)
	l := opened(t)
	if err := l.mayAsk("nfnetlink", "nf_tables"); err != nil {
		t.Skipf("needs nftables: %v", err)
	}
	if _, said := child(t, "", "rules", syscall.CLONE_NEWNET); said != "read" {
		t.Errorf("the child said %q", said)
	}
}

func TestRuleText(t *testing.T) {
	masked := func(base expr.PayloadBase, offset, size uint32, mask, value []byte) []expr.Any {
		return []expr.Any{&expr.Payload{DestRegister: 1, Base: base, Offset: offset, Len: size},
			&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: size, Mask: mask, Xor: make([]byte, size)},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: value}}
	}
	for want, exprs := range map[string][]expr.Any{
		"ip saddr 10.0.0.0/8 accept": append(masked(expr.PayloadBaseNetworkHeader, 12, 4, []byte{255, 0, 0, 0}, []byte{10, 0, 0, 0}), &expr.Verdict{Kind: expr.VerdictAccept}),
		"oifname eth0 masquerade":    {&expr.Meta{Key: expr.MetaKeyOIFNAME, Register: 1}, &expr.Cmp{Register: 1, Data: []byte("eth0\x00\x00")}, &expr.Masq{}},
		"skuid 1000 reject":          {&expr.Meta{Key: expr.MetaKeySKUID, Register: 1}, &expr.Cmp{Register: 1, Data: []byte{0xe8, 3, 0, 0}}, &expr.Reject{}},
		"ip daddr != @pools drop": {&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: 16, Len: 4},
			&expr.Lookup{SourceRegister: 1, SetName: "pools", Invert: true}, &expr.Verdict{Kind: expr.VerdictDrop}},
		"dnat to 10.0.0.9:3333": {&expr.Immediate{Register: 1, Data: []byte{10, 0, 0, 9}}, &expr.Immediate{Register: 2, Data: []byte{0x0d, 5}},
			&expr.NAT{Type: expr.NATTypeDestNAT, RegAddrMin: 1, RegProtoMin: 2}},
		"jump x": {&expr.Verdict{Kind: expr.VerdictJump, Chain: "x"}},
		"quota":  {&expr.Quota{}},
	} {
		if got := ruleText(nftables.TableFamilyIPv4, exprs); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
