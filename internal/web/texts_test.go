package web

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/alert"
	"github.com/deminer/deminer/internal/auth"
	"github.com/deminer/deminer/internal/server"
)

var (
	action  = regexp.MustCompile(`\{\{[^{}]*\}\}`)
	oneText = regexp.MustCompile(`\bt "((?:[^"\\]|\\.)*)"`)
	numText = regexp.MustCompile(`\bn [^"]*?"((?:[^"\\]|\\.)*)" "((?:[^"\\]|\\.)*)"`)
	n64Text = regexp.MustCompile(`\bn64 [^"]*?"((?:[^"\\]|\\.)*)"`)
	verbs   = regexp.MustCompile(`%(\[\d\])?(\.\d)?[a-z]`)
)

// texts is every text of templates and programs that a person reads.
func texts(t *testing.T) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	names, err := fs.Glob(files, "tmpl/*.html")
	if err != nil || len(names) < 5 {
		t.Fatal(names, err)
	}
	for _, n := range names {
		text, err := files.ReadFile(n)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range action.FindAllString(string(text), -1) {
			for _, m := range oneText.FindAllStringSubmatch(a, -1) {
				out[m[1]] = true
			}
			for _, m := range numText.FindAllStringSubmatch(a, -1) {
				out[m[2]] = true
			}
			for _, m := range n64Text.FindAllStringSubmatch(a, -1) {
				out[m[1]] = true
			}
		}
	}
	for _, c := range choices {
		out[c.Name], out[c.Text] = true, true
	}
	for _, m := range modes {
		out[m.Name], out[m.Text] = true, true
	}
	for _, p := range phases {
		out[p] = true
	}
	for _, k := range stepKeys {
		out[k] = true
	}
	inPrograms(t, out)
	for _, s := range alert.States() {
		out[string(s)], out["did|alert "+string(s)] = true, true
	}
	delete(out, "did|alert handling") // nobody sets these by hand
	delete(out, "did|alert blocked")
	for _, g := range alert.Grades() {
		out[string(g)] = true
	}
	for _, s := range server.Standings() {
		out[string(s)] = true
	}
	for _, r := range auth.Roles() {
		out[string(r)] = true
	}
	for _, k := range deminer.OrderKinds() {
		out["order|"+string(k)] = true
	}
	for _, s := range topics {
		out[string(s)] = true
	}
	for _, s := range []server.DeedState{server.DeedAsked, server.DeedReady, server.DeedApproved, server.DeedRunning, server.DeedDone, server.DeedFailed, server.DeedUndoing, server.DeedUndone, server.DeedExpired} {
		out[string(s)] = true
	}
	return out
}

// inPrograms adds what programs hold: what is handed to t, n, add and take, what is called Text, Name, Key, Title or Wrong, and what
// the functions of the verdict give.
func inPrograms(t *testing.T, out map[string]bool) {
	t.Helper()
	names, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	note := func(e ast.Expr) {
		if l, ok := e.(*ast.BasicLit); ok && l.Kind == token.STRING {
			if s, err := strconv.Unquote(l.Value); err == nil && len(s) > 1 {
				out[s] = true
			}
		}
	}
	for _, n := range names {
		if !strings.HasSuffix(n.Name(), ".go") || strings.HasSuffix(n.Name(), "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), n.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(x ast.Node) bool {
			switch x := x.(type) {
			case *ast.CallExpr:
				name := ""
				switch fn := x.Fun.(type) {
				case *ast.Ident:
					name = fn.Name
				case *ast.SelectorExpr:
					name = fn.Sel.Name
				}
				if slices.Contains([]string{"t", "add", "take"}, name) {
					for _, a := range x.Args {
						note(a)
					}
				}
			case *ast.KeyValueExpr:
				if k, ok := x.Key.(*ast.Ident); ok && slices.Contains([]string{"Text", "Key", "Title", "Wrong", "Short"}, k.Name) {
					note(x.Value)
				}
			case *ast.AssignStmt:
				for i, l := range x.Lhs {
					if s, ok := l.(*ast.SelectorExpr); ok && s.Sel.Name == "Wrong" && i < len(x.Rhs) {
						note(x.Rhs[i])
					}
				}
			case *ast.FuncDecl:
				if x.Name.Name == "shortVerdict" || x.Name.Name == "advise" {
					ast.Inspect(x, func(y ast.Node) bool {
						if r, ok := y.(*ast.ReturnStmt); ok {
							for _, e := range r.Results {
								note(e)
								if c, ok := e.(*ast.CompositeLit); ok {
									for _, e := range c.Elts {
										note(e)
									}
								}
							}
						}
						return true
					})
				}
			}
			return true
		})
	}
	for s := range out {
		if strings.HasPrefix(s, "/") || s == "24h" || s == "for" { // addresses and arguments
			delete(out, s)
		}
	}
	out["for"] = true
}

// TestTexts: each text has a Chinese one, with the same places to fill, and the table has no text that nobody uses.
func TestTexts(t *testing.T) {
	zh, err := chinese()
	if err != nil {
		t.Fatal(err)
	}
	all := texts(t)
	if len(all) < 300 {
		t.Fatalf("only %d texts were found: the test looks in the wrong place", len(all))
	}
	for s := range all {
		c, ok := zh[s]
		if !ok {
			t.Errorf("no Chinese for %q", s)
			continue
		}
		if a, b := len(verbs.FindAllString(s, -1)), len(verbs.FindAllString(c, -1)); a != b {
			t.Errorf("%q has %d places, %q has %d", s, a, c, b)
		}
	}
	data := regexp.MustCompile(`^[a-z0-9]+( [a-z]+){0,2}$|\|`) // single words stand in data
	said := 0
	for s := range zh {
		if !all[s] && !data.MatchString(s) {
			said++
			if !strings.Contains("nothing was heard the agent cannot be reached the agent could not be reached in time; nothing was changed the agent never said how it ended the host was revoked; nothing was changed the host was revoked before its agent said how it ended the connection ended the evidence does not suffice to change anything: look at it, then allow it, ignore it, or end it by hand the content of this is not known, so exactly this cannot be allowed: ignore the alert instead", s) {
				t.Errorf("nobody says %q", s)
			}
		}
	}
	if said == 0 {
		t.Error("what the server says is not in the table")
	}
}
