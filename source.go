package deminer

import (
	"net/netip"
	"slices"
)

// translators are networks in which a translator writes all of IPv4 (RFC 6052, RFC 8215): 64 bits of them are no customer but
// everybody.
var translators = []netip.Prefix{netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48")}

// Translated reports whether a translator made an address of an IPv4 address.
func Translated(a netip.Addr) bool {
	return slices.ContainsFunc(translators, func(p netip.Prefix) bool { return p.Contains(a.WithZone("")) })
}

// SourceOf gives what is counted and blocked together with an address: an IPv4 address, or the 64 bits that one IPv6 customer has
// at least. What a translator made of an IPv4 address stands by itself. The answer to what is no address is not valid.
func SourceOf(a netip.Addr) netip.Prefix {
	a = a.WithZone("").Unmap()
	bits := a.BitLen()
	if a.Is6() && !Translated(a) {
		bits = 64
	}
	p, _ := a.Prefix(bits)
	return p
}
