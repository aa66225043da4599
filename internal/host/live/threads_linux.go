//go:build linux

package live

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/deminer/deminer"
	"golang.org/x/sys/unix"
)

// stat1 reads only the stat of a process.
func (r *reader) stat1(pid int) (stat, error) {
	if r.proc.private {
		b, err := r.proc.read(strconv.Itoa(pid)+"/stat", r.buf, 8<<10)
		if err != nil {
			return stat{}, err
		}
		return parseStat(b)
	}
	t, err := r.proc.open(pid)
	if err != nil {
		return stat{}, err
	}
	defer t.close()
	return r.stat(t)
}

// threadIDs lists the threads of a process, as many as may still be read in this look.
func (s *sampler) threadIDs(t task) (int, []int) {
	dir, err := openRetry(t.fd, "task", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC)
	if err != nil {
		return -1, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	ids, err := pids(dir, make([]byte, 16<<10), s.left)
	if errors.Is(err, errTooMany) {
		s.gaps = append(s.gaps, deminer.Gap{Part: partProc, State: deminer.Partial, What: "threads of process " + strconv.Itoa(t.pid),
			Why: "more than " + strconv.Itoa(allThreads) + " threads of busy processes"})
	}
	s.left -= len(ids)
	return dir, ids
}

// threadTimes takes the CPU time of each thread of a process, in ticks.
func (s *sampler) threadTimes(r *reader, pid int) map[int]uint64 {
	out := make(map[int]uint64)
	t, err := r.proc.open(pid)
	if err != nil {
		return out
	}
	defer t.close()
	dir, ids := s.threadIDs(t)
	if dir < 0 {
		return out
	}
	defer unix.Close(dir)
	for _, id := range ids {
		b, err := readAt(dir, strconv.Itoa(id)+"/stat", r.buf, 8<<10)
		if err != nil {
			continue
		}
		if st, err := parseStat(b); err == nil {
			out[id] = st.cpu
		}
	}
	return out
}

// threads fills in those threads that used the CPU. before holds their ticks at the first look; where it is nil the
// process was not thought busy then, and its figure is shared out by each thread's time since start.
func (s *sampler) threads(r *reader, p *deminer.Process, before map[int]uint64, window time.Duration) {
	t, err := r.proc.open(p.ID.PID)
	if err != nil {
		return
	}
	defer t.close()
	dir, ids := s.threadIDs(t)
	if dir < 0 {
		return
	}
	defer unix.Close(dir)
	all := make([]deminer.Thread, 0, len(ids))
	var voluntary uint64
	for _, id := range ids {
		th, ok := r.thread(dir, id)
		if !ok {
			continue
		}
		voluntary += th.Voluntary
		if before != nil && window > 0 {
			th.CPU = max(0, (th.CPUTime-ticks(before[id])).Seconds()/window.Seconds())
		}
		all = append(all, th)
	}
	p.Voluntary = max(p.Voluntary, voluntary)
	if before == nil {
		shareOut(all, p.CPU)
	}
	p.Threads = busiest(all)
}

// thread reads one thread.
func (r *reader) thread(dir, id int) (deminer.Thread, bool) {
	name := strconv.Itoa(id)
	b, err := readAt(dir, name+"/stat", r.buf, 8<<10)
	if err != nil {
		return deminer.Thread{}, false
	}
	st, err := parseStat(b)
	if err != nil {
		return deminer.Thread{}, false
	}
	th := deminer.Thread{TID: id, Comm: st.comm, CPUTime: ticks(st.cpu)}
	if b, err := readAt(dir, name+"/status", r.buf, 64<<10); err == nil {
		th.Voluntary = parseStatus(b).voluntary
	}
	return th, true
}

// shareOut gives each thread its part of the process's cores by its CPU time.
func shareOut(all []deminer.Thread, cores float64) {
	var sum time.Duration
	for _, th := range all {
		sum += th.CPUTime
	}
	for i := range all {
		if sum > 0 {
			all[i].CPU = cores * float64(all[i].CPUTime) / float64(sum)
		}
	}
}

// busiest keeps the threads that used CPU in the window or at least a second in all.
func busiest(all []deminer.Thread) []deminer.Thread {
	all = slices.DeleteFunc(all, func(t deminer.Thread) bool { return t.CPU == 0 && t.CPUTime < time.Second })
	if len(all) > maxThreads {
		slices.SortFunc(all, func(a, b deminer.Thread) int {
			return cmp.Or(cmp.Compare(b.CPU, a.CPU), cmp.Compare(b.CPUTime, a.CPUTime), cmp.Compare(a.TID, b.TID))
		})
		all = all[:maxThreads]
	}
	return all
}
