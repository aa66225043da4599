//go:build linux

package hands

import (
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// priority puts our chains before those of others: a block is a block, whatever they accept.
const priority = -200

// build queues our table: two chains, for what the host sends and for what it forwards for containers, that drop what the sets name.
func build(c *nftables.Conn) (*nftables.Table, error) {
	t := c.AddTable(&nftables.Table{Name: tableName, Family: nftables.TableFamilyINet})
	for _, k := range kinds() {
		if err := c.AddSet(k.set(t), nil); err != nil {
			return nil, fmt.Errorf("make set %s: %w", k.name, err)
		}
	}
	accept := nftables.ChainPolicyAccept
	for name, hook := range map[string]*nftables.ChainHook{"output": nftables.ChainHookOutput, "forward": nftables.ChainHookForward} {
		chain := c.AddChain(&nftables.Chain{Name: name, Table: t, Type: nftables.ChainTypeFilter, Hooknum: hook,
			Priority: nftables.ChainPriorityRef(priority), Policy: &accept})
		for _, k := range kinds() {
			protos := []byte{0}
			if k.port {
				protos = []byte{unix.IPPROTO_TCP, unix.IPPROTO_UDP}
			}
			for _, proto := range protos {
				c.AddRule(&nftables.Rule{Table: t, Chain: chain, Exprs: k.match(proto)})
			}
		}
	}
	return t, nil
}

// Registers: NFT_REG_1 is 16 bytes wide and is NFT_REG32_00 to 03; the second part of a joined key follows the first.
const (
	reg1  = 1 // NFT_REG_1
	reg2  = 2 // NFT_REG_2, right behind a key part of 16 bytes
	reg32 = 9 // NFT_REG32_01, right behind a key part of 4 bytes
)

// match drops packets whose destination (and port) is in the set.
func (k kind) match(proto byte) []expr.Any {
	family, off, size, second := byte(unix.NFPROTO_IPV4), uint32(16), uint32(4), uint32(reg32)
	if k.v6 {
		family, off, size, second = unix.NFPROTO_IPV6, 24, 16, reg2
	}
	out := []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: reg1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: reg1, Data: []byte{family}},
	}
	if k.port {
		out = append(out, &expr.Meta{Key: expr.MetaKeyL4PROTO, Register: reg1}, &expr.Cmp{Op: expr.CmpOpEq, Register: reg1, Data: []byte{proto}})
	}
	out = append(out, &expr.Payload{DestRegister: reg1, Base: expr.PayloadBaseNetworkHeader, Offset: off, Len: size})
	if k.port {
		// Source and destination port are the first four bytes of TCP and UDP alike.
		out = append(out, &expr.Payload{DestRegister: second, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2})
	}
	return append(out, &expr.Lookup{SourceRegister: reg1, SetName: k.name}, &expr.Counter{}, &expr.Verdict{Kind: expr.VerdictDrop})
}
