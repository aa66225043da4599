package deminer_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/deminer/deminer"

// mayImport is the import table of the house: package -> our packages it may import. What is not listed fails.
var mayImport = map[string][]string{
	".":                       {},
	"rules":                   {},
	"yara":                    {},
	"sigma":                   {},
	"internal/host":           {"."},
	"internal/host/hosttest":  {".", "internal/host"},
	"internal/host/pid1":      {},
	"internal/host/inode":     {"."}, // one reading of stat for eyes and hands
	"internal/host/bpf":       {},    // one way to call bpf(2), and one word for the own PID namespace, for eyes and hands
	"internal/host/mountinfo": {"."},
	"internal/host/procfs":    {}, // one procfs that nobody covers, for eyes and hands
	"internal/host/live":      {".", "internal/host", "internal/host/pid1", "internal/host/inode", "internal/host/mountinfo", "internal/host/bpf", "internal/host/procfs"},
	"internal/host/sense":     {".", "internal/host", "internal/host/mountinfo", "internal/host/bpf"},                               // eyes that stay open; cmd hands them the others
	"internal/host/deny":      {".", "internal/host/inode", "internal/host/mountinfo", "internal/host/bpf", "internal/host/procfs"}, // hands that answer while the kernel waits: it refuses what it is told to, who judges is handed in
	"internal/host/rootfs":    {".", "internal/host", "internal/host/inode", "internal/host/mountinfo"},
	"internal/host/hands":     {".", "internal/host", "internal/host/pid1", "internal/host/inode", "internal/host/mountinfo", "internal/host/bpf", "internal/host/procfs"},
	"internal/pkgdb":          {".", "internal/host"},
	"internal/accounts":       {".", "internal/host"},
	"internal/logins":         {".", "internal/host", "internal/accounts"},
	"internal/persist":        {".", "internal/host"},
	"internal/match":          {".", "yara", "sigma"},
	"internal/feed":           {"internal/match", "internal/state"},
	"internal/detect":         {".", "internal/host", "internal/match", "internal/logins"},
	"internal/incident":       {"."},
	"internal/plan":           {"."},
	"internal/scan":           {".", "internal/host", "internal/persist", "internal/detect", "internal/match", "internal/incident", "internal/accounts", "internal/logins"},
	"internal/state":          {}, // one bounded way to read what vault, journal, remedy and feed keep
	"internal/vault":          {".", "internal/state"},
	"internal/journal":        {".", "internal/state"},
	"internal/history":        {".", "internal/state"},
	"internal/guard":          {".", "internal/history"},
	"internal/remedy":         {".", "internal/host", "internal/vault", "internal/journal", "internal/state"},
	"internal/service":        {"."},
	"internal/guess":          {"."},
	"internal/selfwatch":      {"."},
	"internal/doorman":        {".", "internal/guess", "internal/host", "internal/logins", "internal/state"},
	"internal/contract":       {"internal/state"},
	"internal/alert":          {".", "internal/state"},
	"internal/policy":         {".", "internal/alert"},
	"internal/agent":          {".", "internal/host", "internal/scan", "internal/plan", "internal/match", "internal/alert", "internal/policy"},
	"internal/show":           {".", "internal/history", "internal/alert"},
	"internal/bus":            {"."},
	"internal/auth":           {"."},
	"internal/server":         {".", "internal/alert", "internal/auth", "internal/policy"}, // the words of alerts, people and policies; never hands, a network or a database
	"internal/trust":          {".", "internal/state"},
	"internal/link":           {".", "internal/state", "internal/trust"},
	"packaging/units":         {"internal/service"},                                                          // what packages hold is what service install writes
	"internal/store":          {".", "internal/alert", "internal/auth", "internal/server", "internal/trust"}, // it implements what auth, server and trust name
	"internal/web":            {".", "internal/alert", "internal/auth", "internal/server"},                   // pages over what the server knows; never the store
	// cmd wires everything and is the only one that may.
	"cmd/deminer": nil,
}

// why tells the reader of a failure what the rule is for.
var why = map[string]string{
	".":                  "words must not depend on deeds",
	"internal/detect":    "detectors look and say; they must not be able to act",
	"internal/persist":   "it lists, it does not judge",
	"internal/plan":      "a plan is thinking, not looking",
	"internal/incident":  "joining is thinking, not looking",
	"internal/scan":      "looking must not act",
	"internal/remedy":    "it does what is written, nothing else",
	"internal/match":     "it is handed bytes and words",
	"internal/selfwatch": "events in, findings out",
	"internal/guess":     "logins in, verdicts out",
	"internal/doorman":   "it follows and asks; remedy blocks",
	"internal/service":   "it says what a service is made of; remedy makes it",
	"internal/contract":  "what the agent promises holds whatever the agent is made of",
	"internal/guard":     "facts in, verdict out",
	"internal/history":   "it keeps and finds; it does not look and does not judge",
	"internal/feed":      "a bundle is taken only if match compiles all of it; what it says of a host is not its business",
	"internal/agent":     "it decides when to look and what may be done; hands and disks are lent to it",
	"internal/policy":    "it says what may be done and does nothing",
	"internal/link":      "it takes orders and keeps what is to be told; hands are lent to it, and so is the line",
	"internal/trust":     "it says who is trusted; what is stored is handed to it, and who is connected it does not know",
	"internal/bus":       "it carries and does not read; who is trusted and who takes is handed in",
	"internal/store":     "it keeps and finds, within one transaction; what that means is decided elsewhere",
	"internal/web":       "pages over what the server knows: what it cannot do, no page can",
	"internal/auth":      "people only; it keeps nothing and listens nowhere",
	"internal/server":    "a server can touch no host: orders leave through an interface, memory comes through one",
}

// reaches says who may use what reaches outside the program.
var reaches = map[string][]string{
	"os":                    {"cmd/deminer", "packaging/units", "internal/alert", "internal/state", "internal/host/live", "internal/host/sense", "internal/host/deny", "internal/host/rootfs", "internal/host/hands", "internal/vault", "internal/journal", "internal/history", "internal/remedy", "internal/feed", "internal/contract", "internal/doorman", "internal/trust", "internal/link", "internal/store"}, // store: its file is its owner's alone
	"syscall":               {"cmd/deminer", "internal/host/live", "internal/host/rootfs", "internal/host/hands", "internal/journal", "internal/host/hosttest"},                                                                                                                                                                                                                                                   // hosttest: the processor time of a test
	"golang.org/x/sys/unix": {"internal/host/inode", "internal/host/procfs", "internal/host/bpf", "internal/host/live", "internal/host/sense", "internal/host/deny", "internal/host/rootfs", "internal/host/hands", "internal/journal", "internal/vault", "internal/contract"},
	"net/http":              {"cmd/deminer", "internal/host/live", "internal/host/hands", "internal/feed", "internal/trust", "internal/web"},
	"database/sql":          {"internal/store"},
	"os/exec":               {},
	"plugin":                {},
	"unsafe":                {"internal/host/bpf", "internal/host/live", "internal/host/rootfs", "internal/host/hands"},
}

// tagged are the packages that may tell systems apart.
var tagged = []string{"internal/host/inode", "internal/host/procfs", "internal/host/bpf", "internal/host/live", "internal/host/sense", "internal/host/deny", "internal/host/rootfs", "internal/host/hands", "internal/journal", "internal/vault", "internal/contract", "internal/host/hosttest", "cmd/deminer"}

// exempt from the size limits, with the reason. Test files have no limit.
var exempt = map[string]string{}

const (
	maxFile = 500 // lines
	maxFunc = 70  // lines
	maxIfc  = 6   // methods
)

type source struct {
	dir, name string
	file      *ast.File
	set       *token.FileSet
}

// product parses every Go file of the product: not the lab, not test data.
func product(t *testing.T) []source {
	t.Helper()
	var out []source
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if _, err := os.Stat(filepath.Join(p, "go.mod")); d.IsDir() && p != "." && err == nil {
			return fs.SkipDir // a module of its own
		}
		if d.IsDir() && (p == "lab" || d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && p != ".") {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(p, ".go") {
			return nil
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, p, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		out = append(out, source{path.Dir(filepath.ToSlash(p)), filepath.ToSlash(p), f, set})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 10 {
		t.Fatalf("only %d files found: the test looks in the wrong place", len(out))
	}
	return out
}

func (s source) test() bool { return strings.HasSuffix(s.name, "_test.go") }

func TestImports(t *testing.T) {
	for _, s := range product(t) {
		allowed, listed := mayImport[s.dir]
		if !listed {
			t.Errorf("%s: package %q is not in the import table of arch_test.go", s.name, s.dir)
			continue
		}
		for _, imp := range s.file.Imports {
			p, _ := strconv.Unquote(imp.Path.Value)
			if s.test() {
				continue
			}
			if who, limited := reaches[p]; limited && !slices.Contains(who, s.dir) {
				t.Errorf("%s imports %s: only %v may", s.name, p, who)
			}
			rel, ours := strings.CutPrefix(p, module)
			if !ours || s.dir == "cmd/deminer" {
				continue
			}
			if rel = strings.TrimPrefix(rel, "/"); rel == "" {
				rel = "."
			}
			if !slices.Contains(allowed, rel) {
				t.Errorf("%s imports %s: not allowed (%s)", s.name, rel, why[s.dir])
			}
		}
	}
}

func TestBuildTags(t *testing.T) {
	for _, s := range product(t) {
		if slices.Contains(tagged, s.dir) || s.test() {
			continue
		}
		for _, suffix := range []string{"_linux", "_windows", "_amd64", "_arm64", "_unix"} {
			if strings.HasSuffix(s.name, suffix+".go") {
				t.Errorf("%s: systems are told apart only in %v", s.name, tagged)
			}
		}
		for _, g := range s.file.Comments {
			for _, c := range g.List {
				if strings.HasPrefix(c.Text, "//go:build") {
					t.Errorf("%s: build tag outside %v", s.name, tagged)
				}
			}
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok && sel.Sel.Name == "GOOS" {
				t.Errorf("%s: runtime.GOOS outside %v", s.name, tagged)
			}
			return true
		})
	}
}

func TestSizesAndInit(t *testing.T) {
	for _, s := range product(t) {
		if s.test() || exempt[s.name] != "" {
			continue
		}
		if n := s.set.File(s.file.Pos()).LineCount(); n > maxFile {
			t.Errorf("%s: %d lines, at most %d", s.name, n, maxFile)
		}
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if f.Name.Name == "init" && f.Recv == nil {
				t.Errorf("%s: no init functions", s.name)
			}
			lines := s.set.Position(f.End()).Line - s.set.Position(f.Pos()).Line + 1
			if lines > maxFunc && exempt[s.name+":"+f.Name.Name] == "" {
				t.Errorf("%s: %s has %d lines, at most %d", s.name, f.Name.Name, lines, maxFunc)
			}
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if i, ok := n.(*ast.InterfaceType); ok && len(i.Methods.List) > maxIfc {
				t.Errorf("%s: an interface of %d methods, at most %d", s.name, len(i.Methods.List), maxIfc)
			}
			return true
		})
	}
}

func TestDocs(t *testing.T) {
	documented := map[string]bool{}
	for _, s := range product(t) {
		if s.test() {
			continue
		}
		documented[s.dir] = documented[s.dir] || s.file.Doc != nil
		if s.file.Name.Name == "main" {
			continue
		}
		for _, name := range undocumented(s.file) {
			t.Errorf("%s: %s has no comment", s.name, name)
		}
	}
	for dir, ok := range documented {
		if !ok {
			t.Errorf("%s: no package comment", dir)
		}
	}
}

// undocumented lists the exported names of a file without a comment of their own or of their group.
func undocumented(f *ast.File) (names []string) {
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Name.IsExported() && d.Doc == nil && exportedReceiver(d) {
				names = append(names, d.Name.Name)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					if spec.Name.IsExported() && d.Doc == nil && spec.Doc == nil && spec.Comment == nil {
						names = append(names, spec.Name.Name)
					}
				case *ast.ValueSpec:
					for _, n := range spec.Names {
						if n.IsExported() && d.Doc == nil && spec.Doc == nil && spec.Comment == nil {
							names = append(names, n.Name)
						}
					}
				}
			}
		}
	}
	return names
}

func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return true
	}
	typ := d.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	id, ok := typ.(*ast.Ident)
	return ok && id.IsExported()
}

// TestRulesBite proves that the walkers above see what they forbid.
func TestRulesBite(t *testing.T) {
	src := "package x\n\nfunc Exported() {}\n\ntype T struct{}\n\n// F has a comment.\nfunc (T) F() {}\nfunc (T) G() {}\n"
	f, err := parser.ParseFile(token.NewFileSet(), "x.go", src, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(undocumented(f)), "[Exported T G]"; got != want {
		t.Errorf("undocumented = %s, want %s", got, want)
	}
}
