package match

import (
	"net/netip"

	"golang.org/x/net/dns/dnsmessage"
)

// maxAnswers bounds the records of one DNS answer that are read.
const maxAnswers = 64

// Answer is what a DNS server said of a name.
type Answer struct {
	Name  string       // that was asked for, without the last dot
	Addrs []netip.Addr // at most 64
	Also  []string     // the names it stands for, as CNAME records say
}

// DNS reads a datagram of a DNS server. ok is false where it is none, or none that names anything. Records behind a cut are
// left out.
func DNS(b []byte) (a Answer, ok bool) {
	var p dnsmessage.Parser
	head, err := p.Start(b)
	if err != nil || !head.Response {
		return Answer{}, false
	}
	q, err := p.Question()
	if err != nil {
		return Answer{}, false
	}
	a.Name = plainName(q.Name)
	if err := p.SkipAllQuestions(); err != nil {
		return a, a.Name != ""
	}
	for range maxAnswers {
		rec, err := p.Answer()
		if err != nil {
			break
		}
		switch body := rec.Body.(type) {
		case *dnsmessage.AResource:
			a.Addrs = append(a.Addrs, netip.AddrFrom4(body.A))
		case *dnsmessage.AAAAResource:
			a.Addrs = append(a.Addrs, netip.AddrFrom16(body.AAAA))
		case *dnsmessage.CNAMEResource:
			a.Also = append(a.Also, plainName(body.CNAME))
		}
	}
	return a, a.Name != ""
}

func plainName(n dnsmessage.Name) string {
	s := n.String()
	if len(s) > 0 && s[len(s)-1] == '.' {
		s = s[:len(s)-1]
	}
	return s
}

// Asked asks about the names of an answer: the strongest hit of [Set.Domain].
func (s *Set) Asked(a Answer) (Hit, bool) {
	var best Hit
	found := false
	for _, name := range append([]string{a.Name}, a.Also...) {
		for _, h := range s.Domain(name) {
			if !found || h.Strength > best.Strength {
				best, found = h, true
			}
		}
	}
	return best, found
}
