//go:build linux

package deny

import (
	"errors"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host/inode"
	"golang.org/x/sys/unix"
)

// holds judges those who became a file in memory and are stopped.
type holds struct {
	o    *Options
	n    *counters
	list *ebpf.Map // pid -> start, of all who are stopped
	room chan struct{}
	done sync.WaitGroup
}

// openHolds lets go of whom an earlier process has left stopped, and begins.
func (s *sockets) openHolds(spec *ebpf.CollectionSpec, types *btf.Cache, n *counters) error {
	s.holds = &holds{o: s.o, n: n, list: s.maps[kernelMapHeld], room: make(chan struct{}, maxWaiting)}
	s.holds.release()
	if s.o.Group != "" && s.o.Group != "/" {
		id, err := groupID(s.o.Group)
		if err != nil {
			return err
		}
		if err := spec.Variables[kernelVarHoldGroup].Set(id); err != nil {
			return err
		}
	}
	return s.attach(spec, types, kernelProgOnExec, func(p *ebpf.Program) (link.Link, error) {
		return link.AttachTracing(link.TracingOptions{Program: p, AttachType: ebpf.AttachTraceRawTp})
	})
}

// release lets everybody go.
func (h *holds) release() {
	var pid uint32
	var start uint64
	var all []deminer.ProcID
	for each := h.list.Iterate(); each.Next(&pid, &start); {
		all = append(all, deminer.ProcID{PID: int(pid), Start: ticks(start)})
	}
	for _, id := range all {
		_ = send(id, unix.SIGCONT)
		_ = h.list.Delete(uint32(id.PID))
	}
}

// take judges one of them. It never waits.
func (h *holds) take(r Refusal) {
	if h == nil || !r.held {
		return
	}
	h.n.asked.Add(1)
	select {
	case h.room <- struct{}{}:
		h.done.Go(func() { h.judge(r); <-h.room })
	default:
		h.n.crowded.Add(1)
		h.end(r.Event.Proc, unix.SIGCONT)
	}
}

func (h *holds) end(id deminer.ProcID, sig unix.Signal) bool {
	err := send(id, sig)
	_ = h.list.Delete(uint32(id.PID))
	return err == nil
}

func (h *holds) judge(r Refusal) {
	id := r.Event.Proc
	f, err := openProc(id.PID, "exe")
	if err != nil {
		h.end(id, unix.SIGCONT)
		return
	}
	defer f.Close()
	var told atomic.Bool
	done := make(chan struct{})
	late := time.AfterFunc(h.o.Answer, func() {
		defer close(done)
		if !told.Swap(true) {
			h.n.late.Add(1)
			h.end(id, unix.SIGCONT)
		}
	})
	x := Exec{PID: id.PID, File: f, Until: time.Now().Add(h.o.Answer)}
	st, err := stamp(int(f.Fd()))
	if err == nil {
		x.Attr = inode.Of(&st)
	}
	verdict := h.o.Judge(&x)
	intime := !told.Swap(true)
	if !late.Stop() {
		<-done
	}
	if verdict != Deny {
		if intime {
			h.end(id, unix.SIGCONT)
		}
		return
	}
	// Whoever ran on because the judge was slow is killed all the same, but instructions of it have run.
	r.Event.Denied = h.end(id, unix.SIGKILL) && intime
	if r.Event.Denied {
		h.n.denied.Add(1)
	}
	if h.o.See != nil {
		name, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(int(f.Fd())))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			name = ""
		}
		r.Event.Path = deminer.Raw(name[:min(len(name), deminer.MaxEventPath)])
		h.o.See(r)
	}
}

func (h *holds) close() {
	h.done.Wait()
	h.release()
}
