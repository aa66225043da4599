package deminer_test

import (
	"os"
	"regexp"
	"slices"
	"testing"
)

// TestDependenciesAreExplained compares go.mod's direct requirements with docs/deps.md.
func TestDependenciesAreExplained(t *testing.T) {
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile("docs/deps.md")
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, m := range regexp.MustCompile(`(?m)^\t(\S+) v\S+$`).FindAllStringSubmatch(string(mod), -1) {
		want = append(want, m[1])
	}
	for _, m := range regexp.MustCompile(`(?m)^\| ([a-z]\S+/\S+|[a-z.]+/\S+) \|`).FindAllStringSubmatch(string(doc), -1) {
		got = append(got, m[1])
	}
	slices.Sort(want)
	slices.Sort(got)
	if len(want) < 5 || !slices.Equal(want, got) {
		t.Errorf("go.mod requires\n%v\ndocs/deps.md explains\n%v", want, got)
	}
}
