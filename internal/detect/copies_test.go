package detect

import (
	"context"
	"errors"
	"testing"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
	"github.com/deminer/deminer/internal/host/hosttest"
)

type exes struct {
	fs    *hosttest.FS
	paths map[int]string
}

func (e exes) Exe(id deminer.ProcID) (host.File, error) { return e.fs.Open(e.paths[id.PID]) }
func (e exes) Memory(context.Context, deminer.ProcID, int64, func(deminer.Region, uint64, []byte) bool) error {
	return errors.New("none")
}

// Another running copy of deminer, under any name, is no subject; a program of the same size is.
func TestCopiesOfDeminerAreNoSubjects(t *testing.T) {
	h, err := hosttest.Parse([]byte("-- /root/deminer --\nthe program\n-- /tmp/x --\nthe program\n-- /tmp/y --\nthe progrom\n"))
	if err != nil {
		t.Fatal(err)
	}
	s := h.Snapshot
	for pid := 10; pid < 13; pid++ {
		s.Processes = append(s.Processes, deminer.Process{ID: deminer.ProcID{PID: pid, Start: 1}, ExeAttr: deminer.Attr{Size: 12}})
	}
	s.Host.Self = []deminer.ProcID{{PID: 10, Start: 1}}
	p := &Pass{Snapshot: &s, FS: h.FS, Inside: exes{h.FS, map[int]string{10: "/root/deminer", 11: "/tmp/x", 12: "/tmp/y"}}}
	p.Prepare()
	var left []int
	for _, pr := range p.subjects() {
		left = append(left, pr.ID.PID)
	}
	if len(left) != 1 || left[0] != 12 {
		t.Errorf("subjects %v, want only 12", left)
	}
}
