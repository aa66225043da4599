package match

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/deminer/deminer/sigma"
)

// fieldTable is the table of docs/sigma.md.
func fieldTable() string {
	var b strings.Builder
	for i, m := range Mappings {
		if i > 0 {
			b.WriteString("\n")
		}
		var source []string
		for _, p := range [][2]string{{"category", m.Source.Category}, {"product", m.Source.Product}, {"service", m.Source.Service}} {
			if p[1] != "" {
				source = append(source, p[0]+": "+p[1])
			}
		}
		if EventKind(i) == LinuxLog {
			source = append(source, "service: of the log")
		}
		fmt.Fprintf(&b, "**%s** (`%s`)\n\n| deminer | Sigma | holds |\n|---|---|---|\n", m.Kind, strings.Join(source, ", "))
		for _, w := range m.Words {
			fmt.Fprintf(&b, "| %s | `%s` | %s |\n", w.Word, w.Field, w.Holds)
		}
	}
	return b.String()
}

// TestFieldTable holds docs/sigma.md to Mappings.
func TestFieldTable(t *testing.T) {
	text, err := os.ReadFile("../../docs/sigma.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "which compares it -->\n")
	got, _, ok := strings.Cut(rest, "<!-- end of fields -->")
	if want := fieldTable(); !ok || strings.TrimSpace(got) != strings.TrimSpace(want) {
		t.Errorf("docs/sigma.md has another table of fields; it must be:\n%s", want)
	}
	for _, m := range Mappings {
		seen := map[string]bool{}
		for _, w := range m.Words {
			if seen[w.Word] || seen["field "+w.Field] {
				t.Errorf("%s: %s or %s stands twice", m.Kind, w.Word, w.Field)
			}
			seen[w.Word], seen["field "+w.Field] = true, true
		}
	}
}

// TestEvents asks one rule for each kind of event, for every word of it.
func TestEvents(t *testing.T) {
	files := fstest.MapFS{}
	for kind, m := range Mappings {
		for i, w := range m.Words {
			files[fmt.Sprintf("%d-%d.yml", kind, i)] = &fstest.MapFile{Data: fmt.Appendf(nil, "title: t\nid: k%d-%d\nlogsource: {category: '%s', product: '%s', service: '%s'}\ndetection: {s: {'%s': value %d}, condition: s}\n", kind, i, m.Source.Category, m.Source.Product, m.Source.Service, w.Field, i)}
		}
	}
	s, err := Load(files)
	if err != nil {
		t.Fatal(err)
	}
	for kind, m := range Mappings {
		for i, w := range m.Words {
			hits := s.Event(EventKind(kind), Words{w.Word: fmt.Sprintf("VALUE %d", i), "no such word": "value 0"})
			if len(hits) != 1 || hits[0].Rule != fmt.Sprintf("sigma/k%d-%d", kind, i) {
				t.Errorf("%s, word %s: %v", m.Kind, w.Word, hits)
			}
		}
	}
	if hits := s.Event(LinuxLog, Words{"message": "value 0", "service": "cron"}); len(hits) != 1 {
		t.Errorf("a log of a service: %v", hits)
	}
}

// TestReplay runs samples of several events.
func TestReplay(t *testing.T) {
	files := fstest.MapFS{
		"many.yml":                {Data: []byte("title: many\nid: many\nlevel: high\ncorrelation: {type: event_count, rules: [failed], group-by: [User], timespan: 1m, condition: {gte: 3}}\n")},
		"one.yml":                 {Data: []byte("title: failed\nname: failed\nlogsource: {product: linux, service: sshd}\ndetection: {s: ['Failed password'], condition: s}\n")},
		"samples/sigma/one.txtar": {Data: []byte("-- hit --\nmessage: x failed password\n-- miss --\nmessage: password\n")},
		"samples/sigma/many.txtar": {Data: []byte("-- hit --\n@product: linux\n@service: sshd\nmessage: Failed password for root\nUser: root\n\n@product: linux\n@service: sshd\n@after: 20s\nmessage: failed password for root\nUser: root\n\n@product: linux\n@service: sshd\nmessage: Failed password for root\nUser: root\n" +
			"-- miss --\n@product: linux\n@service: sshd\nmessage: Failed password\nUser: root\n\n@product: linux\n@service: sshd\n@after: 40s\nmessage: Failed password\nUser: root\n\n@product: linux\n@service: sshd\n@after: 40s\nmessage: Failed password\nUser: root\n")},
	}
	s, err := Load(files)
	if err != nil {
		t.Fatal(err)
	}
	tested, err := s.Test(t.Context(), files)
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range tested {
		if one.Hits != 1 || one.Misses != 1 || len(one.Faults) > 0 {
			t.Errorf("%+v", one)
		}
	}
	if len(tested) != 2 {
		t.Errorf("%d rules tested, want 2", len(tested))
	}
	if _, err := s.replay([]byte("@after: soon\n"), sigma.LogSource{}); err == nil {
		t.Error("a time that is none is taken")
	}
}
