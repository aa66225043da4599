package main

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/lab/manifest"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// TestMain links the program into the test binary: the scripts run it as deminer.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"deminer": main})
}

// TestScripts runs the command line from end to end, on trees of its own.
func TestScripts(t *testing.T) {
	for _, name := range []string{"honest", "sysetmd"} {
		if _, err := os.Stat(filepath.Join("testdata", "trees", name+".txtar")); err != nil {
			t.Fatal(err)
		}
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"tree": cmdTree, "exits": cmdExits, "manifest": cmdManifest, "same": cmdSame, "decodes": cmdDecodes,
			"tame": cmdTame, "field": cmdField, "tear": cmdTear, "hold": cmdHold, "owner": cmdOwner, "appendto": cmdAppend, "unmark": cmdUnmark,
			"serve": cmdServe, "spoil": cmdSpoil, "past": cmdPast, "today": cmdToday,
		},
	})
}

// cmdTree unpacks trees: tree DIR NAME...
func cmdTree(ts *testscript.TestScript, neg bool, args []string) {
	for _, name := range args[1:] {
		ts.Check(unpack(name, ts.MkAbs(args[0])))
	}
}

// cmdExits runs the program and wants an exit code: exits CODE ARGS... Whatever it writes must be fit for a terminal.
func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec("deminer", args[1:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Check(err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
	cmdTame(ts, false, nil)
}

// cmdTame wants that nothing was written that a terminal would act on.
func cmdTame(ts *testscript.TestScript, _ bool, _ []string) {
	for _, name := range []string{"stdout", "stderr"} {
		if at, bad := wild(ts.ReadFile(name)); bad {
			ts.Fatalf("%s holds raw text of the host: %q", name, at)
		}
	}
}

// wild finds a character that a terminal would act on.
func wild(text string) (string, bool) {
	for i, c := range text {
		if c == '\n' || c == '\t' || c == ' ' {
			continue
		}
		if c == utf8.RuneError && !strings.HasPrefix(text[i:], "\uFFFD") || !unicode.IsPrint(c) {
			return text[max(0, i-40):min(len(text), i+40)], true
		}
	}
	return "", false
}

// cmdManifest notes a tree, but for deminer's own state: manifest DIR FILE.
func cmdManifest(ts *testscript.TestScript, _ bool, args []string) {
	tree, err := manifest.Take(ts.MkAbs(args[0]), manifest.Ignore{"/var/lib/deminer/", "/etc/.pwd.lock"}, nil)
	ts.Check(err)
	b, err := json.Marshal(tree)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), b, 0o600))
}

// cmdSame compares two notes: same A B exact|changed [NAME...]. The modification times of the names given, and those of
// directories, are not compared with "changed": the intruder overwrote them. With "exact" everything counts, except the time of /var/lib, where
// deminer keeps its state.
func cmdSame(ts *testscript.TestScript, _ bool, args []string) {
	var trees [2]manifest.Tree
	for i := range trees {
		ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[i])), &trees[i]))
	}
	strict := manifest.Everything
	if args[2] == "changed" {
		strict = manifest.Exact
	}
	if len(trees[0]) < 20 {
		ts.Fatalf("%s holds %d names only", args[0], len(trees[0]))
	}
	for _, c := range manifest.Diff(trees[0], trees[1], strict) {
		lost := slices.Contains(args[3:], c.Name) && !slices.ContainsFunc(c.What, func(s string) bool { return !strings.HasPrefix(s, "mtime ") })
		if !lost && c.Name != "/var/lib" {
			ts.Logf("%s", c)
			defer ts.Fatalf("%s and %s differ", args[0], args[1])
		}
	}
}

// cmdDecodes wants that the output is one JSON value of exactly the documented type: decodes report|plan|cleaned|proof.
func cmdDecodes(ts *testscript.TestScript, _ bool, args []string) {
	types := map[string]any{"report": &deminer.Report{}, "plan": &deminer.Plan{}, "cleaned": &cleaned{}, "proof": &proof{}}
	into := types[args[0]]
	dec := json.NewDecoder(strings.NewReader(ts.ReadFile("stdout")))
	dec.DisallowUnknownFields()
	ts.Check(dec.Decode(into))
	if dec.More() {
		ts.Fatalf("something follows the JSON value")
	}
	if r, ok := into.(*deminer.Report); ok && (r.Version != "1" || len(r.Incidents) == 0) {
		ts.Fatalf("version %q, %d incidents", r.Version, len(r.Incidents))
	}
	if p, ok := into.(*deminer.Plan); ok && (p.Version != "1" || len(p.Steps) == 0) {
		ts.Fatalf("version %q, %d steps", p.Version, len(p.Steps))
	}
}

// cmdField sets a variable to the first word of the line of the output that ends with a text: field VAR TEXT.
func cmdField(ts *testscript.TestScript, _ bool, args []string) {
	for line := range strings.Lines(ts.ReadFile("stdout")) {
		if line = strings.TrimSpace(line); strings.HasSuffix(line, args[1]) {
			ts.Setenv(args[0], strings.Fields(line)[0])
			return
		}
	}
	ts.Fatalf("no line ends with %q", args[1])
}

// cmdTear cuts the only journal below a root in the middle of its Nth line from the end: tear DIR N.
func cmdTear(ts *testscript.TestScript, _ bool, args []string) {
	names, err := filepath.Glob(filepath.Join(ts.MkAbs(args[0]), "var/lib/deminer/journal/*.jsonl"))
	ts.Check(err)
	if len(names) != 1 {
		ts.Fatalf("%d journals", len(names))
	}
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	b, err := os.ReadFile(names[0])
	ts.Check(err)
	lines := strings.SplitAfter(string(b), "\n")
	if n = len(lines) - 1 - n; n < 1 {
		ts.Fatalf("the journal has %d lines", len(lines))
	}
	kept := strings.Join(lines[:n], "") + lines[n][:len(lines[n])/2]
	ts.Check(os.WriteFile(names[0], []byte(kept), 0o600))
	ts.Setenv("PLAN", strings.TrimSuffix(filepath.Base(names[0]), ".jsonl"))
}

// cmdHold takes the lock that a running deminer holds, until the script ends: hold DIR.
func cmdHold(ts *testscript.TestScript, _ bool, args []string) {
	dir := filepath.Join(ts.MkAbs(args[0]), "var/lib/deminer/journal")
	ts.Check(os.MkdirAll(dir, 0o700))
	ts.Check(os.Chmod(filepath.Dir(dir), 0o700))
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	ts.Check(err)
	ts.Check(unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB))
	ts.Defer(func() { f.Close() })
}

// cmdOwner sets owner and mode: owner UID MODE PATH.
func cmdOwner(ts *testscript.TestScript, _ bool, args []string) {
	uid, err := strconv.Atoi(args[0])
	ts.Check(err)
	mode, err := strconv.ParseUint(args[1], 8, 32)
	ts.Check(err)
	ts.Check(os.Chown(ts.MkAbs(args[2]), uid, uid))
	ts.Check(os.Chmod(ts.MkAbs(args[2]), os.FileMode(mode)))
}

// cmdAppend adds one file's content to another: appendto FROM TO.
func cmdAppend(ts *testscript.TestScript, _ bool, args []string) {
	f, err := os.OpenFile(ts.MkAbs(args[1]), os.O_WRONLY|os.O_APPEND, 0)
	ts.Check(err)
	_, err = f.WriteString(ts.ReadFile(args[0]))
	ts.Check(errors.Join(err, f.Close()))
}

// cmdUnmark copies a text archive that lies in a script, where its marks are written =- NAME -=: unmark FROM TO.
func cmdUnmark(ts *testscript.TestScript, _ bool, args []string) {
	text := strings.NewReplacer("=- ", "-- ", " -=", " --").Replace(ts.ReadFile(args[0]))
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(text), 0o644))
}

// cmdServe hands a directory out over https until the script ends, and lets the program trust the server: serve DIR. URL is where.
func cmdServe(ts *testscript.TestScript, _ bool, args []string) {
	server := httptest.NewTLSServer(http.FileServer(http.Dir(ts.MkAbs(args[0]))))
	ts.Defer(server.Close)
	ca := ts.MkAbs("ca.pem")
	ts.Check(os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600))
	ts.Setenv("SSL_CERT_FILE", ca)
	ts.Setenv("URL", server.URL)
}

// cmdPast writes the history of writePast below a root: past DIR.
func cmdPast(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(writePast(ts.MkAbs(filepath.Join(args[0], "var/lib/deminer"))))
}

// cmdToday copies a text in which NOW is to be the time of the copy: today FROM TO.
func cmdToday(ts *testscript.TestScript, _ bool, args []string) {
	text := strings.ReplaceAll(ts.ReadFile(args[0]), "NOW", time.Now().UTC().Format(time.RFC3339))
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(text), 0o600))
}

// cmdSpoil changes a byte in the middle of every file that a pattern names: spoil PATTERN.
func cmdSpoil(ts *testscript.TestScript, _ bool, args []string) {
	names, err := filepath.Glob(ts.MkAbs(args[0]))
	ts.Check(err)
	if len(names) == 0 {
		ts.Fatalf("no file is called %s", args[0])
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		ts.Check(err)
		b[len(b)/2] ^= 0x40
		ts.Check(os.WriteFile(name, b, 0o600))
	}
}
