package match

import (
	"bytes"
	"context"
	"encoding/binary"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/deminer/deminer/rules"
	"github.com/deminer/deminer/sigma"
	"github.com/rogpeppe/go-internal/txtar"
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
	s := shipped(t)
	for _, r := range s.List() {
		switch r.Format {
		case "yara":
			name := strings.TrimPrefix(r.ID, "yara/")
			samples(t, r, "yara", name, func(b []byte) []Hit {
				hits, err := s.File(context.Background(), bytes.NewReader(b), int64(len(b)))
				if err != nil {
					t.Fatal(err)
				}
				return hits
			})
		case "sigma":
			name := strings.TrimSuffix(filepath.Base(r.File), ".yml")
			samples(t, r, "sigma", name, func(b []byte) []Hit {
				ev := sigma.Map{}
				for _, line := range strings.Split(string(b), "\n") {
					if k, v, ok := strings.Cut(line, ": "); ok {
						ev[k] = v
					}
				}
				return s.Event(sigma.LogSource{Category: "process_creation", Product: "linux"}, ev)
			})
		}
	}
}

func samples(t *testing.T, r Rule, format, name string, ask func([]byte) []Hit) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../rules/samples", format, name+".txtar"))
	if err != nil {
		t.Errorf("rule %s has no samples: %v", r.ID, err)
		return
	}
	hits, misses := 0, 0
	for _, f := range txtar.Parse(text).Files {
		got := false
		for _, h := range ask(sample(t, f)) {
			got = got || h.Rule == r.ID
		}
		want := strings.HasPrefix(f.Name, "hit")
		if got != want {
			t.Errorf("rule %s, sample %s: hit %v, want %v", r.ID, f.Name, got, want)
		}
		if want {
			hits++
		} else {
			misses++
		}
	}
	if hits == 0 || misses == 0 {
		t.Errorf("rule %s has %d hits and %d misses as samples, want at least one of each", r.ID, hits, misses)
	}
}

// sample applies the attributes behind a file's name: pad=N, type=N (ELF type).
func sample(t *testing.T, f txtar.File) []byte {
	b := []byte(f.Data)
	for _, w := range strings.Fields(f.Name)[1:] {
		k, v, _ := strings.Cut(w, "=")
		n, err := strconv.Atoi(v)
		if err != nil {
			t.Fatalf("sample %s: %v", f.Name, err)
		}
		switch k {
		case "pad":
			b = append(b, make([]byte, max(0, n-len(b)))...)
		case "type":
			head := make([]byte, 64)
			copy(head, b[:7])
			binary.LittleEndian.PutUint16(head[16:], uint16(n))
			b = append(head, b[7:]...)
		}
	}
	return b
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
