package scan

import (
	"context"
	"slices"
	"testing"

	"github.com/deminer/deminer"
)

// late is a running host on which a process begins while it is looked at.
type late struct {
	told
	after []deminer.Process
	socks []deminer.Socket
}

func (l late) Newcomers(context.Context, []deminer.Process) ([]deminer.Process, []deminer.Gap) {
	return l.after, nil
}

// Sockets answers only for the newcomers as the kernel would: sockets of all, owners of those it was asked for.
func (l late) Sockets(_ context.Context, procs []deminer.Process) ([]deminer.Socket, []deminer.Gap) {
	out := slices.Clone(l.socks)
	for i := range out {
		out[i].Owners = slices.DeleteFunc(slices.Clone(out[i].Owners), func(id deminer.ProcID) bool {
			return !slices.ContainsFunc(procs, func(p deminer.Process) bool { return p.ID == id })
		})
	}
	return out, []deminer.Gap{{Part: "live/sockets", State: deminer.Partial, What: "a namespace", Why: "it cannot be entered"}}
}

// TestRestarted: only a program that no package brought, that used the CPU and was started anew, is waited for.
func TestRestarted(t *testing.T) {
	unowned := deminer.Provenance{State: deminer.Unowned}
	known := []deminer.Process{{Exe: "/opt/idle", Own: unowned}, {Exe: "/opt/busy", CPU: 0.3, Own: unowned}, {CPU: 1, Kernel: true},
		{Exe: "/usr/lib/gcc/cc1", CPU: 0.9, Own: deminer.Provenance{State: deminer.Intact, Package: "cpp-12"}}}
	for exe, want := range map[string]bool{"/opt/idle": false, "/opt/busy": true, "/opt/new": false, "/usr/lib/gcc/cc1": false, "": false} {
		if got := restarted([]deminer.Process{{Exe: exe}}, known); got != want {
			t.Errorf("%q: %v, want %v", exe, got, want)
		}
	}
}

// TestNewcomers: what began while the rest was looked at is in the snapshot once, with its sockets; sockets known before
// keep their owners and get no second entry.
func TestNewcomers(t *testing.T) {
	h := open(t, "testdata/business.txtar")
	first := deminer.Process{ID: deminer.ProcID{PID: 7, Start: 1}, PPID: 1, Comm: "shop", Exe: "/opt/shop"}
	second := deminer.Process{ID: deminer.ProcID{PID: 9, Start: 5}, PPID: 1, Comm: "m", Exe: "/tmp/.x/m"}
	l := late{told: told{deminer.Snapshot{Processes: []deminer.Process{first}}}, after: []deminer.Process{second}}
	l.socks = []deminer.Socket{
		{Proto: "tcp", State: "listen", Local: "0.0.0.0:80", Inode: 1, Owners: []deminer.ProcID{first.ID}},
		{Proto: "tcp", State: "established", Local: "10.0.0.5:4000", Remote: "203.0.113.7:3333", Inode: 2, Owners: []deminer.ProcID{second.ID}},
		{Proto: "udp", Local: "0.0.0.0:53", Inode: 3},
	}
	h.Live, h.Inside = l, nil
	rep, err := Run(t.Context(), &h.Host, ruleset(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(rep.Snapshot.Processes); n != 2 {
		t.Errorf("%d processes, want 2", n)
	}
	gaps := slices.DeleteFunc(rep.Snapshot.Gaps, func(g deminer.Gap) bool { return g.Part != "live/sockets" })
	if len(gaps) != 1 || gaps[0].Count > 1 {
		t.Errorf("the gap of the sockets, which are asked for twice, is told as %+v", gaps)
	}
	want := map[uint64][]deminer.ProcID{1: {first.ID}, 2: {second.ID}, 3: nil}
	if len(rep.Snapshot.Sockets) != len(want) {
		t.Fatalf("%d sockets, want %d: %+v", len(rep.Snapshot.Sockets), len(want), rep.Snapshot.Sockets)
	}
	for _, s := range rep.Snapshot.Sockets {
		if !slices.Equal(s.Owners, want[s.Inode]) {
			t.Errorf("socket %d has the owners %v, want %v", s.Inode, s.Owners, want[s.Inode])
		}
	}
}
