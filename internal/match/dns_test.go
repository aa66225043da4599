package match

import (
	"net/netip"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

func answerOf(t testing.TB, name, alias string, addr [4]byte) []byte {
	t.Helper()
	n := dnsmessage.MustNewName(name)
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 7, Response: true},
		Questions: []dnsmessage.Question{{Name: n, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}},
	}
	if alias != "" {
		m.Answers = append(m.Answers, dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: n, Class: dnsmessage.ClassINET}, Body: &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName(alias)}})
	}
	m.Answers = append(m.Answers, dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: n, Class: dnsmessage.ClassINET}, Body: &dnsmessage.AResource{A: addr}})
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDNS(t *testing.T) {
	a, ok := DNS(answerOf(t, "www.example.org.", "pool.supportxmr.com.", [4]byte{203, 0, 113, 7}))
	if !ok || a.Name != "www.example.org" || len(a.Addrs) != 1 || a.Addrs[0] != netip.MustParseAddr("203.0.113.7") || len(a.Also) != 1 {
		t.Fatalf("%+v %v", a, ok)
	}
	set := shipped(t)
	if h, ok := set.Asked(a); !ok || h.Strength < Strong {
		t.Errorf("an alias of a pool: %+v %v", h, ok)
	}
	for _, name := range []string{"0.pool.ntp.org.", "www.example.org."} {
		a, ok := DNS(answerOf(t, name, "", [4]byte{203, 0, 113, 8}))
		if h, hit := set.Asked(a); !ok || hit {
			t.Errorf("%s: %v, %+v", name, ok, h)
		}
	}
	if _, ok := DNS([]byte("no answer at all")); ok {
		t.Error("text was taken for an answer")
	}
}

func FuzzDNS(f *testing.F) {
	f.Add(answerOf(f, "www.example.org.", "a.example.org.", [4]byte{1, 2, 3, 4}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if a, ok := DNS(b); ok && (len(a.Addrs)+len(a.Also) > maxAnswers || a.Name == "") {
			t.Errorf("%+v", a)
		}
	})
}
