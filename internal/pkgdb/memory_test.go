package pkgdb

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host/rootfs"
)

// notes is a Memory that counts what it is asked.
type notes struct {
	kept map[[32]byte]bool
	hits int
}

func (n *notes) Same(k [32]byte) bool {
	if n.kept[k] {
		n.hits++
	}
	return n.kept[k]
}
func (n *notes) Keep(k [32]byte) { n.kept[k] = true }

// TestMemory: an intact file is read once; a file written to since, a changed database and a fresh file are read again.
func TestMemory(t *testing.T) {
	root := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(root+name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(root+"/var/lib/dpkg/info", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(root+"/usr/bin", 0o755); err != nil {
		t.Fatal(err)
	}
	write("/var/lib/dpkg/status", "Package: tool\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n\n")
	write("/var/lib/dpkg/info/tool.list", "/usr/bin/tool\n")
	write("/var/lib/dpkg/info/tool.md5sums", sum("program")+"  usr/bin/tool\n")
	write("/usr/bin/tool", "program")
	n := &notes{kept: map[[32]byte]bool{}}
	check := func() deminer.Provenance {
		t.Helper()
		fsys, err := rootfs.Open(root)
		if err != nil {
			t.Skipf("needs openat2(2), of Linux 5.6: %v", err)
		}
		defer fsys.Close()
		p, err := Open(fsys)
		if err != nil {
			t.Fatal(err)
		}
		p.(*DB).Remember(n)
		return p.Check(context.Background(), "/usr/bin/tool")
	}
	if got := check(); got.State != deminer.Intact || len(n.kept) != 0 {
		t.Fatalf("a file changed just now: %v, %d kept; its time stamp does not name it yet", got, len(n.kept))
	}
	time.Sleep(settled + 100*time.Millisecond)
	if got := check(); got.State != deminer.Intact || len(n.kept) != 1 || n.hits != 0 {
		t.Fatalf("first look: %v, %d kept, %d hits", got, len(n.kept), n.hits)
	}
	if got := check(); got.State != deminer.Intact || n.hits != 1 {
		t.Fatalf("second look: %v, %d hits; want it from memory", got, n.hits)
	}
	old := time.Now().Add(-time.Hour)
	write("/usr/bin/tool", "replace")
	if err := os.Chtimes(root+"/usr/bin/tool", old, old); err != nil {
		t.Fatal(err)
	}
	if got := check(); got.State != deminer.Modified || n.hits != 1 {
		t.Errorf("replaced by a file of the same size and an old time stamp: %v, %d hits", got, n.hits)
	}
	write("/var/lib/dpkg/info/tool.md5sums", sum("replace")+"  usr/bin/tool\n")
	if got := check(); got.State != deminer.Intact || n.hits != 1 {
		t.Errorf("changed database: %v, %d hits", got, n.hits)
	}
}
