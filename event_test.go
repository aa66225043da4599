package deminer_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"

	"github.com/deminer/deminer"
)

// TestEventKindsAreListed holds EventKinds against the constants in the source.
func TestEventKindsAreListed(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "event.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	ast.Inspect(f, func(node ast.Node) bool {
		v, ok := node.(*ast.ValueSpec)
		if !ok || len(v.Values) != 1 {
			return true
		}
		if id, ok := v.Type.(*ast.Ident); !ok || id.Name != "EventKind" {
			return true
		}
		text := strings.Trim(v.Values[0].(*ast.BasicLit).Value, `"`)
		if list := deminer.EventKinds(); n >= len(list) || list[n] != deminer.EventKind(text) || !list[n].Known() {
			t.Errorf("EventKinds does not have %q at %d", text, n)
		}
		n++
		return true
	})
	if n != len(deminer.EventKinds()) || n < 10 {
		t.Errorf("%d constants, %d listed", n, len(deminer.EventKinds()))
	}
}

func TestEventKindsAreExplained(t *testing.T) {
	doc, err := os.ReadFile("docs/sensors.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range deminer.EventKinds() {
		if !strings.Contains(string(doc), "\n| "+string(k)+" | ") {
			t.Errorf("docs/sensors.md says nothing of %q", k)
		}
	}
}
