package main

import (
	"cmp"
	"encoding"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/agent"
	"github.com/deminer/deminer/internal/alert"
	"github.com/deminer/deminer/internal/feed"
	"github.com/deminer/deminer/internal/history"
	"github.com/deminer/deminer/internal/host"
	"github.com/deminer/deminer/internal/match"
	"github.com/deminer/deminer/internal/policy"
	"github.com/deminer/deminer/internal/vault"
)

var update = flag.Bool("update", false, "write the tables of docs/json.md anew")

const jsonDoc = "../../docs/json.md"

// tables is where the written part of docs/json.md ends.
const tables = "<!-- Below: made from the Go types by go test ./cmd/deminer -run TestJSONDocs -update -->\n"

// outputs are the values --json writes, and what writes them.
var outputs = []struct {
	command string
	value   any
}{
	{"scan", deminer.Report{}}, {"plan, plan --out", deminer.Plan{}}, {"clean, resume, undo", cleaned{}}, {"verify", proof{}},
	{"quarantine list (a list), quarantine show", vault.Entry{}}, {"doctor (a list)", check{}}, {"events (one after the other)", deminer.Event{}}, {"events, at its end", eventCounts{}}, {"timeline (one after the other)", history.Entry{}}, {"timeline, at its end", timelineEnd{}}, {"block list (a list)", host.Block{}}, {"rules list (a list)", match.Rule{}},
	{"rules check (a list)", checkedRules{}}, {"rules test (a list)", testedRules{}}, {"rules bench", benched{}}, {"scan --profile-rules, in rule_profile beside the report", match.Profile{}},
	{"rules bundle create, verify, install, update, rollback, show; list (a list)", bundleInfo{}}, {"rules key create, trust; list (a list)", feed.Key{}},
	{"block lift, rules bundle remove, quarantine restore, quarantine delete", deed{}}, {"block reapply", reapplied{}},
	{"service install, service uninstall", serviceDone{}}, {"service status", serviceState{}}, {"guesses (a list)", guesser{}},
	{"policy show", policy.Policy{}}, {"policy try (a list)", tried{}},
	{"alerts list (a list), alerts show", alert.Alert{}}, {"agent, at its end", agent.Counts{}},
}

// TestJSONDocs wants every field, with its meaning, of every type that --json writes in docs/json.md, as the
// types are now.
func TestJSONDocs(t *testing.T) {
	d := newDocs(t)
	for _, o := range outputs {
		d.see(reflect.TypeOf(o.value))
	}
	var b strings.Builder
	b.WriteString(tables + "\n## Which command writes what\n\n| Command | Value |\n|---|---|\n")
	for _, o := range outputs {
		fmt.Fprintf(&b, "| `%s` | [%s](#%s) |\n", o.command, label(reflect.TypeOf(o.value)), strings.ToLower(label(reflect.TypeOf(o.value))))
	}
	for _, typ := range d.order {
		d.write(&b, typ)
	}
	old, err := os.ReadFile(jsonDoc)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(old), tables)
	if !ok {
		t.Fatalf("%s does not hold the line %q", jsonDoc, tables)
	}
	if *update {
		if err := os.WriteFile(jsonDoc, []byte(head+b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if tables+rest != b.String() {
		have := strings.Split(tables+rest, "\n")
		for line := range strings.Lines(b.String()) {
			if line = strings.TrimSuffix(line, "\n"); !slices.Contains(have, line) {
				t.Errorf("missing: %s", line)
			}
		}
		t.Errorf("%s is not what the types are now; run this test with -update and read the difference", jsonDoc)
	}
}

// plainWords explain fields whose name says all to a programmer, and so bear no comment.
var plainWords = map[string]string{
	"elapsed": "how long it took", "taken": "when", "kernel": "release of the kernel", "arch": "processor architecture", "boot": "when it started",
	"cpus": "processors", "systemd": "systemd runs here", "lab": "a host made for tests, with deminer's marker file", "pid": "process number",
	"ppid": "number of the parent", "session": "number of the session", "tty": "it has a terminal", "comm": "name as the kernel keeps it, 15 characters",
	"deleted": "its program file is gone", "memfd": "its program was never on disk", "cwd": "working directory", "uid": "number of the user", "euid": "effective user",
	"gid": "number of the group", "cap_eff": "effective capabilities, a bit set", "started": "when it started", "nthreads": "threads", "nice": "niceness",
	"write_bytes": "bytes written to storage", "wchar": "bytes through write(2)", "mnt_ns": "inode number of the mount namespace", "net_ns": "inode number of the network namespace",
	"dev": "number of the file system", "ino": "inode number", "links": "hard links", "atime": "last read", "mtime": "last write", "ctime": "last change of content or attributes",
	"flags": "inode flags: 16 immutable, 32 append-only", "package": "name of the package", "version": "version", "tid": "number of the thread", "cpu_time": "CPU time since start",
	"anon_exec_bytes": "size of anonymous executable memory", "mappings": "memory mappings", "start": "where or when it starts", "perms": "permissions, as in maps",
	"path": "path", "rss": "bytes in memory", "remote": "address of the other side", "inode": "inode number", "args": "arguments of the verb, see Verb", "line": "whole line or lines, without the last newline",
	"HistoryAlert.id": "number or name that identifies it", "HistoryAlert.rule": "rule that spoke", "grade": "how sure it is", "children": "those it started", "last": "end of the stretch that it tells of", "name": "name", "addr": "address", "home": "home directory", "shell": "login shell", "gecos": "comment", "groups": "names of all groups", "time": "when", "user": "name of the user",
	"size": "bytes", "type": "type", "file": "path of its file", "id": "number or name that identifies it", "root": "root inside the file system", "point": "where it is mounted", "source": "what is mounted",
	"opts": "mount options", "tag": "digest of the program's code", "loaded": "when it was loaded", "image": "image", "command": "what it runs", "running": "it runs", "privileged": "no isolation",
	"pid_mode": "process namespace", "net_mode": "network namespace", "binds": "directories of the host inside it", "cap_add": "added capabilities", "labels": "labels", "created": "when it was made",
	"main_pid": "number of its main process", "fragment": "unit file in force", "taint": "taint bits of the kernel", "cmdline": "boot command line", "detector": "name of the detector", "value": "value",
	"title": "one line", "from": "from where", "to": "to where", "families": "known families it resembles; never a verdict", "why": "reasons, safe text", "risk": "what may go wrong, in words",
	"advice": "what to do instead", "made": "when it was made", "incidents": "ids of the incidents it ends", "processes": "how many", "sockets": "how many", "footholds": "how many",
	"files": "how many", "bytes": "how many", "rules": "how many", "seq": "number within the journal", "plan": "id of the plan", "step": "id of the step", "watched": "how long it was watched",
	"looks": "how often it was looked at", "clean": "nothing came back", "ok": "true: as it should be", "text": "what it says, safe text", "ref": "ref of the thing",
	"rootfs": "its root directory", "since": "earliest trace", "distrust": "why the system can no longer be trusted", "cleared": "benign explanations that were tested, and how", "at": "when",
	"undo": "it can be undone", "sha256": "SHA-256 of the content", "exe": "path of the program", "added": "when it came in", "link": "where the link leads", "until": "when it ends by itself",
	"family": "known family", "strength": "how much a hit weighs", "what": "what a hit means", "Rule.line": "number of its first line", "Rule.file": "file of the rules it is in", "rule": "id of the rule", "tags": "tags of the rule", "expires": "when its time is over", "column": "column of the line, in bytes, from 1", "RuleProblem.file": "file of the rules",
	"RuleProblem.line": "number of the line", "RuleCost.file": "file of the rules it is in", "RuleCost.line": "number of its first line", "RuleProblem.text": "what is wrong", "RuleProblem.rule": "name of the rule", "excerpt": "what stands there, cut", "digest": "SHA-256 of the manifest",
	"Report.incidents": "what was found, an intrusion each", "Snapshot.kernel": "state of the running kernel", "Snapshot.processes": "what runs", "Snapshot.sockets": "connections and listeners",
	"Snapshot.footholds": "every configured way to come back, the owner's too", "Login.tty": "terminal", "Written.to": "see from",
	"Edge.to": "Ref", "Proof.from": "when the watch began", "Cleaned.plan": "what was carried out", "Policy.version": "of the form of a policy: 1", "Remembered.from": "address, or network of 64 bits, with the number of its bits",
	"Report.elapsed": "how long the scan took", "Region.start": "address at which it begins", "ProcID.pid": "process number", "Mount.type": "type of the file system", "BPF.type": "type of the program, in the kernel's words",
	"RuleHit.strength": "how much the hit weighs: info, weak, strong, proof", "RuleHit.what": "what the hit means", "RuleHit.source": "where the rule is from, see RuleSource", "note": "what its maker says", "Looked.files": "how many",
}

// docs collects types and their comments.
type docs struct {
	t      *testing.T
	order  []reflect.Type
	doc    map[string]string // "Type" or "Type.Field" -> comment
	values map[string][][2]string
	seen   map[reflect.Type]bool
}

func newDocs(t *testing.T) *docs {
	d := &docs{t: t, doc: map[string]string{}, values: map[string][][2]string{}, seen: map[reflect.Type]bool{}}
	for _, dir := range []string{"../..", ".", "../../internal/vault", "../../internal/host", "../../internal/match", "../../internal/feed", "../../internal/contract", "../../internal/history", "../../internal/guess", "../../internal/policy", "../../internal/alert", "../../internal/agent"} {
		names, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(name, "_test.go") {
				d.comments(f)
			}
		}
	}
	return d
}

func (d *docs) comments(f *ast.File) {
	for _, decl := range f.Decls {
		g, ok := decl.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range g.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				name := f.Name.Name + "." + s.Name.Name
				d.doc[name] = words(g.Doc, s.Doc, s.Comment)
				if st, ok := s.Type.(*ast.StructType); ok {
					for _, field := range st.Fields.List {
						for _, n := range field.Names {
							d.doc[name+"."+n.Name] = words(field.Doc, field.Comment)
						}
					}
				}
			case *ast.ValueSpec:
				id, ok := s.Type.(*ast.Ident)
				if !ok || g.Tok != token.CONST || len(s.Values) != 1 {
					continue
				}
				if lit, ok := s.Values[0].(*ast.BasicLit); ok && lit.Kind == token.STRING {
					text, _ := strconv.Unquote(lit.Value)
					key := f.Name.Name + "." + id.Name
					d.values[key] = append(d.values[key], [2]string{text, words(s.Doc, s.Comment)})
				}
			}
		}
	}
}

func words(groups ...*ast.CommentGroup) string {
	for _, g := range groups {
		if g != nil && strings.TrimSpace(g.Text()) != "" {
			return strings.ReplaceAll(strings.Join(strings.Fields(g.Text()), " "), "|", "\\|")
		}
	}
	return ""
}

// see walks a type and what it holds.
func (d *docs) see(typ reflect.Type) {
	for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice || typ.Kind() == reflect.Map {
		typ = typ.Elem()
	}
	if d.seen[typ] || !strings.Contains(typ.PkgPath()+"/", "deminer/") && typ.PkgPath() != "main" {
		return
	}
	d.seen[typ] = true
	if typ.Kind() == reflect.Struct && typ.Implements(reflect.TypeFor[encoding.TextMarshaler]()) {
		return // it is written as text
	}
	if typ.Kind() != reflect.Struct {
		if len(d.values[typ.String()]) > 0 {
			d.order = append(d.order, typ)
		}
		return
	}
	d.order = append(d.order, typ)
	for i := range typ.NumField() {
		if f := typ.Field(i); f.Tag.Get("json") != "-" && f.IsExported() {
			d.see(f.Type)
		}
	}
}

func label(typ reflect.Type) string {
	name := typ.Name()
	if pkg, _, _ := strings.Cut(typ.String(), "."); pkg == "vault" || pkg == "feed" || pkg == "history" || pkg == "policy" || pkg == "alert" || pkg == "match" && name != "Rule" {
		name = map[string]string{"vault": "Vault", "feed": "Bundle", "history": "History", "match": "Rule", "policy": "Policy", "alert": "Alert"}[pkg] + name // the root package has one of that name, too
	}
	switch name { // the types that give their packages the name
	case "PolicyPolicy", "AlertAlert":
		name = typ.Name()
	case "Counts":
		name = "AgentCounts"
	}
	return strings.ToUpper(name[:1]) + name[1:]
}

func (d *docs) write(b *strings.Builder, typ reflect.Type) {
	fmt.Fprintf(b, "\n## %s\n\n", label(typ))
	if text := d.doc[typ.String()]; text != "" {
		fmt.Fprintf(b, "%s\n\n", text)
	}
	if typ.Kind() != reflect.Struct {
		b.WriteString("| Value | Meaning |\n|---|---|\n")
		for _, v := range d.values[typ.String()] {
			fmt.Fprintf(b, "| `%s` | %s |\n", v[0], v[1])
		}
		return
	}
	b.WriteString("| Field | Type | Meaning |\n|---|---|---|\n")
	for i := range typ.NumField() {
		f := typ.Field(i)
		tag, opts, _ := strings.Cut(f.Tag.Get("json"), ",")
		if tag == "-" || !f.IsExported() {
			continue
		}
		if f.Anonymous && tag == "" { // JSON has its fields among those around it
			fmt.Fprintf(b, "| all fields of | %s | they stand beside the others |\n", d.kind(f.Type))
			continue
		}
		if tag == "" {
			tag = f.Name
		}
		meaning := d.doc[typ.String()+"."+f.Name]
		if meaning == "" {
			meaning = cmp.Or(plainWords[label(typ)+"."+tag], plainWords[tag])
		}
		if meaning == "" && !strings.Contains(d.kind(f.Type), "](#") {
			d.t.Errorf("%s.%s: neither the field nor plainWords says what it means", typ, f.Name)
		}
		mark := ""
		if strings.Contains(opts, "omit") {
			mark = " ?"
		}
		fmt.Fprintf(b, "| `%s`%s | %s | %s |\n", tag, mark, d.kind(f.Type), meaning)
	}
}

// kind names a type in the words of JSON.
func (d *docs) kind(typ reflect.Type) string {
	switch typ {
	case reflect.TypeFor[time.Time]():
		return "time"
	case reflect.TypeFor[time.Duration]():
		return "nanoseconds"
	case reflect.TypeFor[deminer.Raw]():
		return "raw text"
	case reflect.TypeFor[[]byte]():
		return "base64"
	}
	if typ.Implements(reflect.TypeFor[encoding.TextMarshaler]()) {
		return "text"
	}
	switch typ.Kind() {
	case reflect.Pointer:
		return d.kind(typ.Elem())
	case reflect.Slice:
		if typ.Name() == "RawMessage" {
			return "any"
		}
		return "list of " + d.kind(typ.Elem())
	case reflect.Map:
		return "map of " + d.kind(typ.Elem())
	case reflect.Bool:
		return "bool"
	case reflect.Struct, reflect.String:
		if slices.Contains(d.order, typ) {
			return fmt.Sprintf("[%s](#%s)", label(typ), strings.ToLower(label(typ)))
		}
		return "text"
	}
	return "number"
}
