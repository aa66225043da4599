package server

import (
	"net/netip"
	"strings"

	"github.com/deminer/deminer"
)

// blocksOf keeps of what an agent says is blocked on its host what can be: the rest is made up, and would stand in pages and exports.
func blocksOf(list []deminer.Blocked) []deminer.Blocked {
	var out []deminer.Blocked
	for _, b := range list[:min(len(list), maxThings)] {
		if b.What = blockedName(b.What); b.What == "" {
			continue
		}
		b.Plan = deminer.Cut(b.Plan, 80)
		out = append(out, b)
	}
	return out
}

// blockedName is what an agent calls something that is blocked, in one spelling: an address, an address with a port, a source ("from " and an
// address or network), or a group of processes as safe text. "" for anything else, such as an address with a zone, which can be any text.
func blockedName(what string) string {
	if from, ok := strings.CutPrefix(what, "from "); ok {
		if p, err := netip.ParsePrefix(from); err == nil {
			return "from " + p.Masked().String()
		}
		if a, err := netip.ParseAddr(from); err == nil && a.Zone() == "" {
			return "from " + a.Unmap().String()
		}
		return ""
	}
	if strings.HasPrefix(what, "cgroup /") {
		return deminer.Cut(what, 300)
	}
	if a, err := netip.ParseAddr(what); err == nil && a.Zone() == "" {
		return a.Unmap().String()
	}
	if a, err := netip.ParseAddrPort(what); err == nil && a.Addr().Zone() == "" {
		return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()).String()
	}
	return ""
}
