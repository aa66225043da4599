package match

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/deminer/deminer/rules"
)

// shipped compiles the rules of the program.
func shipped(t testing.TB) *Set {
	t.Helper()
	s, err := Load(rules.FS)
	if err != nil {
		t.Fatalf("shipped rules: %v", err)
	}
	return s
}

func TestShippedRulesAreSound(t *testing.T) {
	if p := Check(rules.FS); len(p) > 0 {
		t.Fatalf("problems: %v", p)
	}
	formats := map[string]int{}
	for _, r := range shipped(t).List() {
		formats[r.Format] += r.Count
		if r.What == "" || r.File == "" || r.Line == 0 {
			t.Errorf("rule %s lacks words or place: %+v", r.ID, r)
		}
	}
	if formats["ioc"] < 1500 || formats["yara"] < 15 || formats["sigma"] < 8 {
		t.Errorf("rules loaded: %v", formats)
	}
}

// TestEveryRuleHasSamples runs each rule over its samples: every "hit" must hit, every "miss" must not, and a rule without both fails.
func TestEveryRuleHasSamples(t *testing.T) {
	list, err := shipped(t).Test(t.Context(), os.DirFS("../../rules"))
	if err != nil {
		t.Fatal(err)
	}
	if len(list) < 25 {
		t.Errorf("only %d rules were tested", len(list))
	}
	used := map[string]bool{}
	for _, r := range list {
		for _, f := range r.Faults {
			t.Errorf("rule %s (%s:%d): %s", r.Rule, r.File, r.Line, f)
		}
		if !r.Sampled() {
			t.Errorf("rule %s has %d hits and %d misses as samples, want at least one of each", r.Rule, r.Hits, r.Misses)
		}
		used[strings.TrimPrefix(r.Rule, "yara/")] = true
		used[strings.TrimSuffix(filepath.Base(r.File), ".yml")] = true
	}
	names, err := filepath.Glob("../../rules/samples/*/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		if !used[strings.TrimSuffix(filepath.Base(n), ".txtar")] {
			t.Errorf("%s belongs to no rule", n)
		}
	}
}

// TestEveryIndicatorHits asks for each indicator itself, which must hit, and for a near miss, which must not.
func TestEveryIndicatorHits(t *testing.T) {
	s := shipped(t)
	for kind, m := range s.ioc.exact {
		for _, in := range m {
			var hit, miss []Hit
			switch kind {
			case KindDomain:
				hit, miss = s.Domain("a."+in.value), s.Domain("x"+strings.ReplaceAll(in.value, ".", "x."))
			case KindHost:
				hit, miss = s.Domain(strings.ToUpper(in.value)+"."), s.Domain("x"+in.value[:len(in.value)-1])
			case KindProcess, KindMasquerade:
				if strings.Contains(in.value, "/") {
					continue
				}
				hit, miss = s.ProcessName("/x/"+in.value), s.ProcessName(in.value+"-zz")
			case KindHash:
				hit, miss = s.Hash(strings.ToUpper(in.value)), s.Hash(strings.Repeat("0", 64))
			case KindUnit, KindAccount, KindModule, KindImage, KindEnv, KindSymbol, KindWallet:
				hit, miss = s.Named(kind, in.value), s.Named(kind, in.value+"z")
			default:
				continue
			}
			if len(hit) == 0 || len(miss) > 0 {
				t.Errorf("%s %q (%s:%d): hits %d, near miss hits %v", kind, in.value, in.file, in.line, len(hit), miss)
			}
		}
	}
	for p := range s.ioc.addrs {
		if len(s.Addr(p.Addr(), 1))+len(s.Addr(p.Addr(), 5443))+len(s.Addr(p.Addr(), 6363))+len(s.Addr(p.Addr(), 21370)) == 0 {
			t.Errorf("address %s does not hit", p)
		}
	}
	if got := s.Addr(netip.MustParseAddr("192.0.2.1"), 2); len(got) > 0 {
		t.Errorf("documentation address hits: %v", got)
	}
}
