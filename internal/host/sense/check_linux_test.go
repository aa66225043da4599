package sense

import (
	"os"
	"strings"
	"testing"

	"github.com/cilium/ebpf/link"
	"github.com/deminer/deminer"
)

// TestTakenFromItsPlace: a program that somebody else takes from its place is named and put back, and sees again.
func TestTakenFromItsPlace(t *testing.T) {
	w := watch(t, Options{Want: []deminer.EventKind{deminer.EventConnect, deminer.EventExec}})
	if hurt := w.Check(); len(hurt) > 0 {
		t.Fatalf("nothing happened: %q", hurt)
	}
	b, ok := w.live[0].(*bpfSensor)
	if !ok || b.links[kernelProgOnConnect4] == nil {
		t.Fatalf("%+v", w.Facets())
	}
	take := func() {
		t.Helper()
		info, err := b.links[kernelProgOnConnect4].Info()
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := link.NewFromID(info.ID) // as any program with the right to do so can
		if err != nil {
			t.Fatal(err)
		}
		defer theirs.Close()
		if err := theirs.Detach(); err != nil {
			t.Fatal(err)
		}
	}
	take()
	if hurt := w.Check(); len(hurt) != 1 || !strings.HasSuffix(hurt[0], kernelProgOnConnect4+" was taken from its place") {
		t.Errorf("named %q", hurt)
	}
	if hurt := w.Check(); len(hurt) > 0 {
		t.Errorf("named again: %q", hurt)
	}
	take()
	nowhere, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer nowhere.Close()
	root := b.root
	b.root = int(nowhere.Fd())
	if hurt := w.Check(); len(hurt) != 1 || !strings.Contains(hurt[0], "cannot be put back") {
		t.Errorf("named %q", hurt)
	}
	if hurt := w.Check(); len(hurt) > 0 {
		t.Errorf("named again: %q", hurt)
	}
	b.root = root
	if hurt := w.Check(); len(hurt) > 0 || b.links[kernelProgOnConnect4] == nil {
		t.Errorf("not put back when it can be: %q", hurt)
	}
	see(t, w, []seeing{{"connect", deminer.EventConnect, server("tcp4"), connected}})
}
