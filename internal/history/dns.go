package history

import (
	"net/netip"
	"slices"

	"github.com/deminer/deminer"
	"golang.org/x/net/dns/dnsmessage"
)

// answer takes from a datagram of port 53 the name that was asked for and the addresses it has; ok is false where it is no
// answer. The bytes come from the network.
func answer(data deminer.Raw) (asked deminer.Raw, addrs []string, ok bool) {
	var p dnsmessage.Parser
	h, err := p.Start([]byte(data))
	if err != nil || !h.Response {
		return "", nil, false
	}
	q, err := p.Question()
	if err != nil || p.SkipAllQuestions() != nil {
		return "", nil, false
	}
	for len(addrs) < maxAddrs {
		r, err := p.AnswerHeader()
		if err != nil {
			break // the end, or what was cut off
		}
		var a netip.Addr
		switch r.Type {
		case dnsmessage.TypeA:
			var body dnsmessage.AResource
			body, err = p.AResource()
			a = netip.AddrFrom4(body.A)
		case dnsmessage.TypeAAAA:
			var body dnsmessage.AAAAResource
			body, err = p.AAAAResource()
			a = netip.AddrFrom16(body.AAAA)
		default:
			err = p.SkipAnswer()
		}
		if err != nil {
			break
		}
		if a.IsValid() {
			addrs = append(addrs, a.Unmap().String())
		}
	}
	slices.Sort(addrs)
	return deminer.Raw(hostName(q.Name.String())), addrs, true
}
