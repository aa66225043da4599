//go:build linux

package hands

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
	"golang.org/x/sys/unix"
)

// rooted gives file hands on a directory, with a file outside it that must never change.
func rooted(t *testing.T) (*files, string, string) {
	t.Helper()
	top := t.TempDir()
	root, outside := top+"/root", top+"/outside"
	for _, d := range []string{root, outside, root + "/etc"} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{outside + "/f", root + "/etc/f"} {
		if err := os.WriteFile(f, []byte("old"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	h, err := Open(root, false)
	if err != nil {
		t.Fatal(err)
	}
	return h.Files.(*files), root, outside
}

func regular(text string) (host.Node, io.Reader) {
	return host.Node{Attr: deminer.Attr{Type: deminer.Regular, Mode: 0o600, Size: int64(len(text))}}, strings.NewReader(text)
}

// TestLinksStayInside: whatever links a hostile root holds, nothing outside it is seen or changed.
func TestLinksStayInside(t *testing.T) {
	f, root, outside := rooted(t)
	for name, to := range map[string]string{"/abs": outside, "/up": "../../../../../../../.." + outside, "/etc/dots": "../../outside", "/magic": "/proc/self/root" + outside} {
		if err := os.Symlink(to, root+name); err != nil {
			t.Fatal(err)
		}
		p := name + "/f"
		if n, err := f.Look(p); err == nil {
			t.Errorf("look %s: %+v", p, n)
		}
		n, r := regular("new")
		for _, err := range []error{f.Put(p, n, r, deminer.Attr{}), f.Remove(p, host.Node{}), f.Set(p, deminer.Attr{}, n.Attr), f.Rename(p, deminer.Attr{}, "/stolen"), f.Rename("/etc/f", deminer.Attr{}, p)} {
			if err == nil {
				t.Errorf("%s: a change got through", p)
			}
		}
		if _, err := f.Open(name); !errors.Is(err, host.ErrNotRegular) {
			t.Errorf("open of the link %s: %v", name, err)
		}
	}
	if b, err := os.ReadFile(outside + "/f"); err != nil || string(b) != "old" {
		t.Errorf("outside: %q %v", b, err)
	}
	if _, err := f.Look("/.."); err == nil {
		t.Error("the root itself can be looked at as a name")
	}
}

// TestLinkInsideIsFollowed: an absolute link of a directory means the root's own directory.
func TestLinkInsideIsFollowed(t *testing.T) {
	f, root, _ := rooted(t)
	if err := os.Symlink("/etc", root+"/link"); err != nil {
		t.Fatal(err)
	}
	n, err := f.Look("/link/f")
	if err != nil || n.Attr.Size != 3 {
		t.Fatalf("look: %+v %v", n, err)
	}
	fresh, r := regular("newer")
	if err := f.Put("/link/f", fresh, r, n.Attr); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(root + "/etc/f"); string(b) != "newer" {
		t.Errorf("content %q", b)
	}
}

func TestPutIdentifies(t *testing.T) {
	f, root, _ := rooted(t)
	n, err := f.Look("/etc/f")
	if err != nil {
		t.Fatal(err)
	}
	fresh, r := regular("new")
	other := n.Attr
	other.Ino++
	for name, was := range map[string]deminer.Attr{"/etc/f": other, "/etc/none": n.Attr} {
		if err := f.Put(name, fresh, r, was); !errors.Is(err, deminer.ErrChanged) {
			t.Errorf("put %s over another: %v, want ErrChanged", name, err)
		}
	}
	if err := f.Put("/etc/f", fresh, r, deminer.Attr{}); !errors.Is(err, deminer.ErrChanged) {
		t.Errorf("put where nothing may be: %v, want ErrChanged", err)
	}
	if err := f.Remove("/etc/f", host.Node{Attr: other}); !errors.Is(err, deminer.ErrChanged) {
		t.Errorf("remove another: %v, want ErrChanged", err)
	}
	if err := f.Remove("/etc/none", n); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("remove nothing: %v", err)
	}
	list, err := f.List("/etc", 10)
	if err != nil || len(list) != 1 {
		t.Errorf("left behind: %v %v", list, err)
	}
	if b, _ := os.ReadFile(root + "/etc/f"); string(b) != "old" {
		t.Errorf("content %q", b)
	}
	if _, err := f.List("/etc", 0); err == nil {
		t.Error("a list over its limit is no error")
	}
}

// TestPutFailsWhole: content that cannot be read to its end changes nothing.
func TestPutFailsWhole(t *testing.T) {
	f, root, _ := rooted(t)
	n, err := f.Look("/etc/f")
	if err != nil {
		t.Fatal(err)
	}
	fresh, _ := regular("new")
	broken := io.MultiReader(strings.NewReader("ne"), errReader{})
	if err := f.Put("/etc/f", fresh, broken, n.Attr); !errors.Is(err, errBroken) {
		t.Errorf("put: %v", err)
	}
	if b, _ := os.ReadFile(root + "/etc/f"); string(b) != "old" {
		t.Errorf("content %q", b)
	}
	if list, _ := f.List("/etc", 10); len(list) != 1 {
		t.Errorf("left behind: %v", list)
	}
}

var errBroken = errors.New("broken")

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, errBroken }

// TestOpenNeverBlocks: a FIFO is refused, not waited for.
func TestOpenNeverBlocks(t *testing.T) {
	f, root, _ := rooted(t)
	if err := unix.Mkfifo(root+"/p", 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"/p", "/etc"} {
		if _, err := f.Open(name); !errors.Is(err, host.ErrNotRegular) {
			t.Errorf("open %s: %v, want ErrNotRegular", name, err)
		}
	}
}

func TestState(t *testing.T) {
	_, root, outside := rooted(t)
	s, err := State(root, "/var/lib/deminer")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Mkdir("journal", 0o700); err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(root + "/var/lib/deminer/journal")
	if err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("%v %v", st, err)
	}
	if st, _ := os.Stat(root + "/var/lib/deminer"); st.Mode().Perm() != 0o700 {
		t.Errorf("state directory has mode %v", st.Mode())
	}
	for _, bad := range []func() error{
		func() error { return os.Chmod(root+"/var/lib/deminer", 0o777) },
		func() error {
			return errors.Join(os.Chmod(root+"/var/lib/deminer", 0o700), os.Chown(root+"/var/lib/deminer", 1000, 0))
		},
	} {
		if err := bad(); err != nil {
			t.Fatal(err)
		}
		if _, err := State(root, "/var/lib/deminer"); !errors.Is(err, deminer.ErrProtected) {
			t.Errorf("state directory of others: %v, want ErrProtected", err)
		}
	}
	// A hostile root cannot send the state outside.
	if err := os.Symlink(outside, root+"/srv"); err != nil {
		t.Fatal(err)
	}
	if _, err := State(root, "/srv/deminer"); err == nil {
		t.Error("state went through a link that leads nowhere inside")
	}
	if names, _ := os.ReadDir(outside); len(names) != 1 {
		t.Errorf("outside holds %v", names)
	}
}

func TestAccountLock(t *testing.T) {
	_, root, _ := rooted(t)
	if err := os.WriteFile(root+"/etc/.pwd.lock", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		release, err := LockAccounts(root)
		if err != nil {
			t.Fatal(err)
		}
		release()
	}
}
