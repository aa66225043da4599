package feed

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/deminer/deminer/rules"
)

func open(t testing.TB, dir string) *Store {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return &Store{Dir: root}
}

// trusting is a store that trusts the first key.
func trusting(t testing.TB) *Store {
	s := open(t, t.TempDir())
	_, pub := keys(t, 1)
	pub.Name, pub.Added = "test", made
	if err := s.Trust(pub); err != nil {
		t.Fatal(err)
	}
	return s
}

func install(t *testing.T, s *Store, version string, opt Options) error {
	t.Helper()
	if opt.Now.IsZero() {
		opt.Now = soon
	}
	_, err := s.Install(t.Context(), bundle(t, version, ours()), opt)
	return err
}

func inForce(t *testing.T, s *Store) string {
	t.Helper()
	in, err := s.Load("ours")
	if err != nil {
		t.Fatal(err)
	}
	return in.Manifest.Version
}

// TestInstallAndRollback walks through the life of a bundle.
func TestInstallAndRollback(t *testing.T) {
	s := trusting(t)
	if _, err := s.Load("ours"); !errors.Is(err, ErrNone) {
		t.Fatalf("before anything is installed: %v", err)
	}
	if err := install(t, s, "1", Options{Base: nil, URL: "https://rules.example.net/ours.tar.gz"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Rollback("ours", soon); !errors.Is(err, ErrNone) {
		t.Errorf("rollback without an earlier one: %v", err)
	}
	for _, v := range []string{"2", "3"} {
		if err := install(t, s, v, Options{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := install(t, s, "3", Options{}); err != nil {
		t.Errorf("the same again: %v", err)
	}
	names, err := filepath.Glob(filepath.Join(s.Dir.Name(), "bundles/ours/*"))
	if err != nil || len(names) != 3 {
		t.Errorf("%d files, want two archives and the state: %v %v", len(names), names, err)
	}
	if err := install(t, s, "2.9", Options{}); !errors.Is(err, ErrOlder) || inForce(t, s) != "3" {
		t.Errorf("older: %v", err)
	}
	in, err := s.Rollback("ours", soon)
	if err != nil || in.Manifest.Version != "2" || in.URL != "https://rules.example.net/ours.tar.gz" || in.Key.Name != "test" {
		t.Errorf("rollback: %v %+v", err, in.Manifest)
	}
	if in, err = s.Rollback("ours", soon); err != nil || in.Manifest.Version != "3" {
		t.Errorf("rollback of the rollback: %v", err)
	}
	if err := install(t, s, "1", Options{Downgrade: true}); err != nil || inForce(t, s) != "1" {
		t.Errorf("downgrade: %v", err)
	}
	if ids, err := s.IDs(); err != nil || fmt.Sprint(ids) != "[ours]" {
		t.Errorf("ids %v, %v", ids, err)
	}
	if err := s.Remove("ours"); err != nil {
		t.Fatal(err)
	}
	if ids, err := s.IDs(); err != nil || len(ids) != 0 {
		t.Errorf("after remove: %v, %v", ids, err)
	}
}

// TestRefusedBundlesLeaveTheOldOne: whatever is wrong with the new one, the old one stays in force.
func TestRefusedBundlesLeaveTheOldOne(t *testing.T) {
	s := trusting(t)
	if err := install(t, s, "5", Options{}); err != nil {
		t.Fatal(err)
	}
	thief, _ := keys(t, 2)
	priv, _ := keys(t, 1)
	other := ours()
	other["README.md"] = &fstest.MapFile{Data: []byte("another")}
	made6 := func(files fstest.MapFS, change func(*Bundle)) *Bundle {
		b := bundle(t, "6", ours())
		if files != nil { // Create would refuse it: another maker might not
			all, err := collect(files, true)
			if err != nil {
				t.Fatal(err)
			}
			m := b.Manifest
			m.Files = listed(all)
			raw, err := m.encode()
			if err != nil {
				t.Fatal(err)
			}
			b = &Bundle{Manifest: m, raw: raw, signature: sign(priv, raw), files: all}
		}
		if change != nil {
			change(b)
		}
		return b
	}
	broken, failing := ours(), ours()
	broken["yara/bad.yar"] = &fstest.MapFile{Data: []byte("rule Bad { condition: $a }")}
	failing["samples/yara/Mark.txtar"] = &fstest.MapFile{Data: []byte("-- hit --\nnothing\n-- miss --\nx\n")}
	for name, c := range map[string]struct {
		b    *Bundle
		now  time.Time
		want error
	}{
		"another key":           {made6(nil, func(b *Bundle) { b.signature = sign(thief, b.raw) }), soon, ErrUntrusted},
		"expired":               {made6(nil, nil), over, ErrExpired},
		"same version":          {bundle(t, "5", other), soon, ErrOlder},
		"older":                 {bundle(t, "4.99", ours()), soon, ErrOlder},
		"does not compile":      {made6(broken, nil), soon, ErrRules},
		"fails its own samples": {made6(failing, nil), soon, ErrRules},
	} {
		if _, err := s.Install(t.Context(), c.b, Options{Now: c.now}); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if v := inForce(t, s); v != "5" {
			t.Errorf("%s: %s is in force", name, v)
		}
	}
	if _, err := s.Install(t.Context(), made6(nil, nil), Options{Now: soon}); err != nil {
		t.Errorf("the good one: %v", err)
	}
	in, err := s.Load("ours")
	if err != nil || in.Expired(soon) || !in.Expired(over) {
		t.Errorf("an expired bundle is still given, and says so: %v", err)
	}
}

// TestShippedRulesBesideABundle: a bundle must compile beside the rules that are inside the program.
func TestShippedRulesBesideABundle(t *testing.T) {
	if _, err := bundle(t, "1", ours()).Check(t.Context(), rules.FS); err != nil {
		t.Error(err)
	}
}

// TestTamperedStore: what was changed on the disk since is refused, and so is a bundle whose key is not trusted any more.
func TestTamperedStore(t *testing.T) {
	for name, tamper := range map[string]func(*testing.T, *Store){
		"archive":      func(t *testing.T, s *Store) { flip(t, s, "bundles/ours/*.tar.gz", 40) },
		"other bundle": func(t *testing.T, s *Store) { swap(t, s) },
		"state":        func(t *testing.T, s *Store) { flip(t, s, "bundles/ours/state.json", 20) },
		"key":          func(t *testing.T, s *Store) { flip(t, s, "keys/*", 150) },
		"distrusted": func(t *testing.T, s *Store) {
			_, pub := keys(t, 1)
			if err := s.Distrust(pub.ID); err != nil {
				t.Fatal(err)
			}
		},
	} {
		s := trusting(t)
		if err := install(t, s, "1", Options{}); err != nil {
			t.Fatal(err)
		}
		tamper(t, s)
		if in, err := s.Load("ours"); err == nil {
			t.Errorf("%s: bundle %s is loaded", name, in.Manifest.Version)
		}
	}
	s := trusting(t)
	for _, bad := range []string{"", "..", "../../etc/passwd", "0123456789abcdeg"} {
		if err := s.Distrust(bad); err == nil {
			t.Errorf("distrust %q", bad)
		}
	}
	if err := s.Distrust("0123456789abcdef"); !errors.Is(err, ErrNone) {
		t.Errorf("distrust of a key that is not there: %v", err)
	}
}

func flip(t *testing.T, s *Store, pattern string, at int) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(s.Dir.Name(), pattern))
	if err != nil || len(names) != 1 {
		t.Fatalf("%s: %v %v", pattern, names, err)
	}
	text, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	text[at] ^= 0x40
	if err := os.WriteFile(names[0], text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// swap puts another bundle of the same key in the place of the installed one.
func swap(t *testing.T, s *Store) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(s.Dir.Name(), "bundles/ours/*.tar.gz"))
	if err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	if err := os.WriteFile(names[0], packed(t, bundle(t, "0", ours()), ""), 0o600); err != nil {
		t.Fatal(err)
	}
}

// The child of TestPowerCut: install version 2 over version 1, or roll back, and die before step n.
const (
	crashDir  = "DEMINER_TEST_CRASH_DIR"
	crashStep = "DEMINER_TEST_CRASH_STEP"
	crashWhat = "DEMINER_TEST_CRASH_WHAT"
	emulator  = "DEMINER_TEST_EMULATOR" // runs programs of the system that the test is built for
)

func TestPowerCutChild(t *testing.T) {
	dir := os.Getenv(crashDir)
	if dir == "" {
		return // only TestPowerCut runs it
	}
	last, err := strconv.Atoi(os.Getenv(crashStep))
	if err != nil {
		t.Fatal(err)
	}
	s, n := open(t, dir), 0
	s.Step = func(what string) {
		if n++; n > last {
			self, err := os.FindProcess(os.Getpid())
			if err == nil {
				err = self.Kill()
			}
			t.Fatal("still alive before "+what, err)
		}
	}
	if os.Getenv(crashWhat) == "rollback" {
		_, err = s.Rollback("ours", soon)
	} else {
		_, err = s.Install(t.Context(), bundle(t, "3", ours()), Options{Now: soon})
	}
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("lived through it")
}

// TestPowerCut kills an installation, and a rollback, before each of its steps: the old bundle or the new one is in force
// afterwards, whole, and the next installation works.
func TestPowerCut(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for what, versions := range map[string][2]string{"install": {"2", "3"}, "rollback": {"2", "1"}} {
		seen := map[string]bool{}
		for step := 0; ; step++ {
			s := trusting(t)
			for _, v := range []string{"1", "2"} {
				if err := install(t, s, v, Options{}); err != nil {
					t.Fatal(err)
				}
			}
			call := []string{self, "-test.run=^TestPowerCutChild$"}
			if by := os.Getenv(emulator); by != "" {
				call = append([]string{by}, call...)
			}
			child := exec.CommandContext(t.Context(), call[0], call[1:]...)
			child.Env = append(os.Environ(), crashDir+"="+s.Dir.Name(), crashStep+"="+strconv.Itoa(step), crashWhat+"="+what)
			out, err := child.CombinedOutput()
			if ended := (*exec.ExitError)(nil); err != nil && !errors.As(err, &ended) {
				t.Fatal(err) // it did not even begin
			}
			lived := bytes.Contains(out, []byte("lived through it"))
			if bytes.Contains(out, []byte("FAIL")) {
				t.Fatalf("%s, step %d: %v\n%s", what, step, err, out)
			}
			v := inForce(t, s)
			seen[v] = true
			if v != versions[0] && v != versions[1] || lived && v != versions[1] {
				t.Errorf("%s, killed before step %d: %s is in force", what, step, v)
			}
			if _, err := s.Rollback("ours", soon); err != nil {
				t.Errorf("%s, killed before step %d: rollback: %v", what, step, err)
			}
			if err := install(t, s, "4", Options{}); err != nil || inForce(t, s) != "4" {
				t.Errorf("%s, killed before step %d: next installation: %v", what, step, err)
			}
			if left, _ := filepath.Glob(filepath.Join(s.Dir.Name(), "bundles/ours/"+tmpMark+"*")); len(left) > 0 {
				t.Errorf("%s, killed before step %d: left behind %v", what, step, left)
			}
			if lived {
				if step < 5 || !seen[versions[0]] {
					t.Errorf("%s: only %d steps, %v", what, step, seen)
				}
				break
			}
		}
	}
}

// TestPowerCutWhileSigning cuts the power before each step of signing a directory anew, and while it is made a bundle for the
// first time: what was there before or the new bundle is found, whole, and the next signing tidies up.
func TestPowerCutWhileSigning(t *testing.T) {
	_, pub := keys(t, 1)
	for _, old := range []string{"", "1"} {
		seen := map[string]bool{}
		for last := 0; ; last++ {
			dir := t.TempDir()
			for name, data := range bundle(t, "1", ours()).files {
				write(t, dir+"/"+name, data)
			}
			root, err := os.OpenRoot(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer root.Close()
			sign := func(version string, step func(string)) error { return SignDir(root, bundle(t, version, ours()), step) }
			if old != "" {
				if err := sign(old, nil); err != nil {
					t.Fatal(err)
				}
			}
			lived := cutPower(t, last, func(step func(string)) error { return sign("2", step) })
			found := ""
			if Signed(os.DirFS(dir)) {
				b, err := ReadDir(os.DirFS(dir))
				if err == nil {
					_, err = b.Trust([]Key{pub})
				}
				if err != nil {
					t.Fatalf("over %q, cut before step %d: %v", old, last, err)
				}
				found = b.Manifest.Version
			}
			if found != old && found != "2" || lived && found != "2" {
				t.Errorf("over %q, cut before step %d: %q is found", old, last, found)
			}
			seen[found] = true
			if err := sign("3", nil); err != nil {
				t.Errorf("over %q, cut before step %d: next signing: %v", old, last, err)
			}
			if b, err := ReadDir(os.DirFS(dir)); err != nil || b.Manifest.Version != "3" || string(encodeSignature(b.signature)) != read(t, dir+"/"+signatureFile) {
				t.Errorf("over %q, cut before step %d: next signing: %v", old, last, err)
			}
			if left, err := filepath.Glob(dir + "/.*"); err != nil || len(left) > 0 {
				t.Errorf("over %q, cut before step %d: left behind %v %v", old, last, left, err)
			}
			if lived {
				if last < 12 || !seen[old] {
					t.Errorf("over %q: only %d steps, %v", old, last, seen)
				}
				break
			}
		}
	}
}

// cutPower runs a change of the disk until a step, and tells whether it came to its end. What a power cut cannot do, the rest of
// the change, its own tidying included, is not done.
func cutPower(t *testing.T, last int, do func(step func(string)) error) (lived bool) {
	t.Helper()
	n, cut := 0, errors.New("power cut")
	defer func() {
		if p := recover(); p != nil && p != cut {
			panic(p)
		}
	}()
	if err := do(func(string) {
		if n++; n > last {
			panic(cut)
		}
	}); err != nil {
		t.Fatal(err)
	}
	return true
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestSigningLeavesTheOwnersFiles: only what an interrupted signing left is taken away from a directory that is signed.
func TestSigningLeavesTheOwnersFiles(t *testing.T) {
	dir := t.TempDir()
	own := []string{tmpMark + "notes", pendingMark + "keys.txt", tmpMark + "0123456789abcdef.yar"}
	left := []string{tmpMark + "0123456789abcdef", pending([]byte("an earlier manifest"))}
	for _, name := range append(own, left...) {
		write(t, dir+"/"+name, []byte("x"))
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := SignDir(root, bundle(t, "1", ours()), nil); err != nil {
		t.Fatal(err)
	}
	for _, name := range own {
		if read(t, dir+"/"+name) != "x" {
			t.Errorf("%s was changed", name)
		}
	}
	for _, name := range left {
		if _, err := os.Lstat(dir + "/" + name); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestHostilePending: what lies under the names of an interrupted signing is a signature of this very manifest, or refused.
func TestHostilePending(t *testing.T) {
	b := bundle(t, "1", ours())
	_, pub := keys(t, 1)
	thief, _ := keys(t, 2)
	name, half := pending(b.raw), tmpMark+"0123456789abcdef"
	for what, c := range map[string]struct {
		lay  func(dir string) error
		want error
	}{
		"another's signature": {func(dir string) error {
			return os.WriteFile(dir+"/"+name, []byte(encodeSignature(sign(thief, b.raw))), 0o644)
		}, ErrUntrusted},
		"not a signature": {func(dir string) error { return os.WriteFile(dir+"/"+name, []byte("x"), 0o644) }, ErrFormat},
		"large":           {func(dir string) error { return os.WriteFile(dir+"/"+name, make([]byte, 1<<20), 0o644) }, ErrFormat},
		"a link":          {func(dir string) error { return os.Symlink(signatureFile, dir+"/"+name) }, ErrFormat},
		"a directory":     {func(dir string) error { return os.Mkdir(dir+"/"+name, 0o755) }, ErrFormat},
		"rules in a hidden directory": {func(dir string) error {
			return errors.Join(os.Mkdir(dir+"/"+half, 0o755), os.WriteFile(dir+"/"+half+"/more.yar", []byte("rule More { condition: true }"), 0o644))
		}, ErrFormat},
		"of another manifest": {func(dir string) error { return os.WriteFile(dir+"/"+pending([]byte("x")), []byte("x"), 0o644) }, nil},
		"half a file":         {func(dir string) error { return os.WriteFile(dir+"/"+half, []byte("x"), 0o644) }, nil},
		"an owner's own":      {func(dir string) error { return os.WriteFile(dir+"/"+tmpMark+"notes", []byte("x"), 0o644) }, ErrFormat},
	} {
		dir := t.TempDir()
		for _, files := range []map[string][]byte{b.files, signature(b)} {
			for name, data := range files {
				write(t, dir+"/"+name, data)
			}
		}
		if err := c.lay(dir); err != nil {
			t.Fatal(err)
		}
		got, err := ReadDir(os.DirFS(dir))
		if err == nil {
			_, err = got.Trust([]Key{pub})
		}
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", what, err, c.want)
		}
	}
}

// TestFetch: a bundle comes over https, from an https redirect too; not over http, not from elsewhere, not without end.
func TestFetch(t *testing.T) {
	b := bundle(t, "1", ours())
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	mux := http.NewServeMux()
	mux.HandleFunc("/ours.tar.gz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(packed(t, b, "")) })
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/ours.tar.gz", http.StatusFound) })
	mux.HandleFunc("/down", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, plain.URL, http.StatusFound) })
	mux.HandleFunc("/file", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "file:///etc/passwd")
		w.WriteHeader(http.StatusFound)
	})
	mux.HandleFunc("/round", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/round", http.StatusFound) })
	mux.HandleFunc("/long", func(w http.ResponseWriter, r *http.Request) { _, _ = io.CopyN(w, zeros{}, MaxArchive+1000) })
	mux.HandleFunc("/said", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(MaxArchive+1))
	})
	mux.HandleFunc("/page", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "<html>") })
	server := httptest.NewTLSServer(mux)
	defer server.Close()
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	for _, c := range []struct{ place, want string }{
		{server.URL + "/ours.tar.gz", ""}, {server.URL + "/moved", ""},
		{server.URL + "/down", "want an https address"}, {server.URL + "/file", "want an https address"}, {server.URL + "/round", "too many redirects"},
		{server.URL + "/long", "larger than"}, {server.URL + "/said", "larger than"}, {server.URL + "/page", "neither"}, {server.URL + "/nothing", "answers 404"},
		{plain.URL, "want an https address"}, {"https://user:secret@127.0.0.1/", "password"}, {"file:///etc/passwd", "https"}, {"", "https"},
	} {
		got, err := Fetch(t.Context(), client, c.place)
		switch {
		case c.want == "" && (err != nil || got.Digest() != b.Digest()):
			t.Errorf("%s: %v", c.place, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q", c.place, err, c.want)
		}
	}
	if _, err := Fetch(t.Context(), nil, server.URL+"/ours.tar.gz"); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a server that nobody vouches for: %v", err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
