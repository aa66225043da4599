//go:build linux

package live

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// maxRules bounds the rules kept.
const maxRules = 5000

// firewall lists the rules of nftables, which holds those of iptables-nft too, one a line. Rules of the old iptables are
// only reported to be there.
func (l *Live) firewall(ctx context.Context, g *gapList) []string {
	for _, name := range [...]string{"ip_tables_names", "ip6_tables_names"} {
		if b, err := l.proc.read("self/net/"+name, nil, 4<<10); err == nil && len(b) > 0 {
			g.skip("firewall", "the old iptables has rules in "+strings.Join(strings.Fields(string(b)), ", ")+" ("+name+"), which are not read")
		}
	}
	if err := l.mayAsk("nfnetlink", "nf_tables"); err != nil {
		g.skip("firewall", err.Error())
		return nil
	}
	deadline := time.Now().Add(5 * time.Second)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	conn, err := nftables.New(nftables.AsLasting(), nftables.WithSockOptions(func(c *netlink.Conn) error { return c.SetDeadline(deadline) }))
	if err != nil {
		g.fail("firewall", fmt.Errorf("open netlink: %w", err))
		return nil
	}
	defer conn.CloseLasting()
	out, err := ruleset(conn)
	if err != nil && isMissing(err) {
		g.skip("firewall", "this kernel has no nftables")
	} else {
		g.fail("firewall", err)
	}
	return out
}

// isMissing tells an answer of a kernel without nftables; the library gives errors as text.
func isMissing(err error) bool {
	return strings.Contains(err.Error(), unix.EINVAL.Error()) || strings.Contains(err.Error(), unix.EOPNOTSUPP.Error()) ||
		strings.Contains(err.Error(), unix.EPROTONOSUPPORT.Error())
}

// ruleset writes chains and their rules as text.
func ruleset(conn *nftables.Conn) ([]string, error) {
	chains, err := conn.ListChains()
	if err != nil {
		return nil, fmt.Errorf("list chains: %w", err)
	}
	var out []string
	for _, c := range chains {
		name := family(c.Table.Family) + " " + c.Table.Name + " " + c.Name
		if c.Policy != nil && *c.Policy == nftables.ChainPolicyDrop {
			out = append(out, name+": policy drop")
		}
		rules, err := conn.GetRules(c.Table, c)
		if err != nil {
			return out, fmt.Errorf("list rules of %s: %w", name, err)
		}
		for _, r := range rules {
			if len(out) >= maxRules {
				return out, errTooMany
			}
			out = append(out, name+": "+ruleText(c.Table.Family, r.Exprs))
		}
	}
	return out, nil
}

func family(f nftables.TableFamily) string {
	switch f {
	case nftables.TableFamilyINet:
		return "inet"
	case nftables.TableFamilyIPv4:
		return "ip"
	case nftables.TableFamilyIPv6:
		return "ip6"
	case nftables.TableFamilyARP:
		return "arp"
	case nftables.TableFamilyNetdev:
		return "netdev"
	case nftables.TableFamilyBridge:
		return "bridge"
	}
	return fmt.Sprintf("family-%d", f)
}
