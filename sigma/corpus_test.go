package sigma

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.yaml.in/yaml/v3"
)

// corpora is the environment variable that names a directory with sigma-rules.tar.gz, the rules of SigmaHQ/sigma for Linux and for process_creation on Windows.
const corpora = "DEMINER_CORPORA"

// corpus reads the rules of the corpus whose path has a part; nothing if there is no corpus.
func corpus(t testing.TB, part string) []Source {
	t.Helper()
	dir := os.Getenv(corpora)
	if dir == "" {
		return nil
	}
	f, err := os.Open(filepath.Join(dir, "sigma-rules.tar.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var out []Source
	for tr := tar.NewReader(z); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag != tar.TypeReg || path.Ext(h.Name) != ".yml" || !strings.Contains(h.Name, part) {
			continue
		}
		b, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, Source{Name: h.Name, Text: string(b)})
	}
}

// samples makes events that a rule may speak of: every field of its selections gets one of the values asked for it, pieced together as the modifiers say.
func (h hosts) samples(r *slowRule, n int) []Event {
	var out []Event
	for range n {
		want := map[string][3]string{} // beginning, middle, end
		for name, sel := range r.selections {
			if strings.HasPrefix(name, "filter") && h.Intn(8) > 0 || h.Intn(8) == 0 {
				continue
			}
			if sel.Kind == yaml.SequenceNode {
				sel = sel.Content[h.Intn(len(sel.Content))]
			}
			if sel.Kind == yaml.ScalarNode {
				h.want(want, "message", []*yaml.Node{sel})
				continue
			}
			for i := 0; i < len(sel.Content); i += 2 {
				values := []*yaml.Node{sel.Content[i+1]}
				if values[0].Kind == yaml.SequenceNode {
					values = values[0].Content
				}
				h.want(want, sel.Content[i].Value, values)
			}
		}
		ev := Event{Source: LogSource{r.source["category"], r.source["product"], r.source["service"]}}
		for name, v := range want {
			ev.Fields = append(ev.Fields, Field{Name: name, Value: v[0] + v[1] + v[2]})
		}
		out = append(out, ev)
	}
	return out
}

// want adds what one line of a selection asks for.
func (h hosts) want(want map[string][3]string, key string, values []*yaml.Node) {
	words := strings.Split(key, "|")
	if words[0] == "" {
		words[0] = "message"
	}
	v := want[words[0]]
	list := values[h.Intn(len(values)):][:1]
	if slices.Contains(words, "all") {
		list = values
	}
	for _, n := range list {
		text := string(slowString(slowParse(strings.NewReplacer(`\*`, "*", `\?`, "?", "*", " any ", "?", "x").Replace(n.Value))))
		if h.Intn(3) == 0 {
			text = strings.ToUpper(text)
		}
		if slices.Contains(words, "base64offset") {
			text = string(slowString(slowModify("base64offset", slowText([]rune(text)), nil)[h.Intn(3)]))
		}
		switch {
		case slices.Contains(words, "startswith"):
			v[0] = text
		case slices.Contains(words, "endswith"):
			v[2] = text
		default:
			v[1] += text
		}
	}
	want[words[0]] = v
}

// TestCorpus compiles every rule of the corpus, or 300 of our own without one, and compares every answer to every event with the slow evaluator.
func TestCorpus(t *testing.T) {
	sources := corpus(t, "")
	per, rules := 1, len(sources)
	if rules == 0 {
		if sources, per = ownRules(300), 2; testing.Short() {
			sources = ownRules(120)
		}
	} else {
		for part, want := range map[string]int{"/linux/": 210, "/windows/": 1183} {
			if got := len(corpus(t, part)); got != want {
				t.Errorf("%d rules in %s, want %d", got, part, want)
			}
		}
	}
	rs, err := Compile(Options{}, sources...)
	if err != nil {
		t.Fatal(err)
	}
	if len(rs.List()) != len(sources) {
		t.Errorf("%d rules of %d sources", len(rs.List()), len(sources))
	}
	h := hosts{rand.New(rand.NewSource(7))}
	var slow []*slowRule
	events := h.events(100)
	for _, s := range sources {
		slow = append(slow, newSlowRule(s))
	}
	for i, r := range slow {
		if rules == 0 || i%8 == 0 || strings.Contains(r.name, "/linux/") {
			events = append(events, h.samples(r, per)...)
		}
	}
	hit := map[string]bool{}
	hits := compareEvents(t, rs, slow, events, hit)
	for _, r := range slow { // each rule once more, about events made for it alone
		for _, ev := range h.samples(r, 5) {
			got := slices.ContainsFunc(rs.Match(&ev), func(m *Rule) bool { return m.File == r.name })
			want := r.match(&ev, nil)
			if got != want {
				t.Errorf("%s: engine %v, slow evaluator %v on %q", r.name, got, want, fmt.Sprint(ev))
			}
			if want {
				hit[r.name] = true
			}
		}
	}
	t.Logf("%d rules, %d events asked of all and %d of one, %d hits, %d rules hit, all equal", len(sources), len(events), 5*len(slow), hits, len(hit))
	if len(hit) < len(sources)/2 {
		t.Errorf("only %d of %d rules hit", len(hit), len(sources))
	}
	if hits < len(events)/4 {
		t.Errorf("only %d hits of %d events: the samples do not meet the rules", hits, len(events))
	}
}

// compareEvents holds every answer against the slow evaluator, on all cores.
func compareEvents(t *testing.T, rs *Rules, slow []*slowRule, events []Event, hit map[string]bool) (hits int) {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	workers := runtime.GOMAXPROCS(0)
	for w := range workers {
		wg.Go(func() {
			m := rs.NewMatcher()
			for i := w; i < len(events); i += workers {
				got := map[string]bool{}
				for _, r := range m.Match(&events[i]) {
					got[r.File] = true
				}
				for _, r := range slow {
					want := r.match(&events[i], nil)
					if got[r.name] != want {
						t.Errorf("%s: engine %v, slow evaluator %v on %q", r.name, got[r.name], want, fmt.Sprint(events[i]))
					}
					if want {
						mu.Lock()
						hits++
						hit[r.name] = true
						mu.Unlock()
					}
				}
			}
		})
	}
	wg.Wait()
	return hits
}
