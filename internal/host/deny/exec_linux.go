//go:build linux

package deny

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host/inode"
	"golang.org/x/sys/unix"
)

const (
	answerTime = 2 * time.Second // and at most:
	answerMost = 10 * time.Second
	maxWaiting = 512 // questions; each holds a descriptor
	rounds     = 3   // a file that changes while it is judged is judged again
)

// execs asks about programs: fanotify with permission events.
type execs struct {
	o      *Options
	n      *counters
	group  *os.File
	known  known
	queue  chan *trial
	mu     sync.Mutex
	cover  map[uint64]covered   // by device: the file systems that are marked
	ends   int                  // inotify: tells when one of them is gone; -1: nobody does
	tried  map[uint64]time.Time // device -> when it was to be covered for a program that had begun
	self   int
	closed atomic.Bool
	done   sync.WaitGroup
}

// trial is a question until it is answered.
type trial struct {
	question
	until time.Time
	timer *time.Timer
	told  atomic.Bool
}

// openExecs opens the group of questions; nothing is marked yet.
func openExecs(o *Options, n *counters) (*execs, error) {
	fd, err := unix.FanotifyInit(unix.FAN_CLASS_CONTENT|unix.FAN_CLOEXEC|unix.FAN_NONBLOCK|unix.FAN_UNLIMITED_QUEUE|unix.FAN_UNLIMITED_MARKS, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_LARGEFILE)
	if err != nil {
		return nil, fmt.Errorf("open fanotify with permission events (root, CONFIG_FANOTIFY_ACCESS_PERMISSIONS): %w", err)
	}
	ends, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		ends = -1
	}
	e := &execs{o: o, n: n, ends: ends, group: os.NewFile(uintptr(fd), "fanotify"), known: known{fd: fd}, queue: make(chan *trial, maxWaiting), cover: map[uint64]covered{}, tried: map[uint64]time.Time{}, self: os.Getpid()}
	for range max(4, 2*runtime.NumCPU()) {
		e.done.Go(func() {
			for t := range e.queue {
				e.try(t)
			}
		})
	}
	e.done.Go(e.read)
	return e, nil
}

// read takes questions as they come and never waits for an answer.
func (e *execs) read() {
	defer close(e.queue)
	buf := make([]byte, 4096)
	for {
		n, err := e.group.Read(buf)
		switch {
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN):
			continue
		case e.closed.Load():
			return
		case err != nil:
			// The kernel could not open one of the files for us and has refused that program; the next may be well.
			e.n.failed.Add(1)
			time.Sleep(time.Millisecond)
			continue
		}
		parseQuestions(buf[:n], e.take)
	}
}

// take sees to that a question is answered in time, whatever happens to it.
func (e *execs) take(q question) {
	switch {
	case q.fd < 0:
		return
	case q.mask&unix.FAN_OPEN_EXEC_PERM == 0: // a known file was written to
		e.known.forget(q.fd)
		unix.Close(q.fd)
		return
	}
	e.n.asked.Add(1)
	t := &trial{question: q, until: time.Now().Add(e.o.Answer)}
	if q.pid == e.self || q.pid <= 0 { // whoever judges must not wait for himself; who has no number here is outside of this container
		e.end(t, unix.FAN_ALLOW)
		return
	}
	t.timer = time.AfterFunc(e.o.Answer, func() {
		if e.tell(t, unix.FAN_ALLOW) {
			e.n.late.Add(1)
		}
	})
	select {
	case e.queue <- t:
	default:
		e.n.crowded.Add(1)
		e.end(t, unix.FAN_ALLOW)
	}
}

// tell answers once; whether it was this answer that counted.
func (e *execs) tell(t *trial, response uint32) bool {
	if t.told.Swap(true) {
		return false
	}
	if _, err := e.group.Write(answer(t.fd, response)); err != nil {
		e.n.failed.Add(1)
		return false
	}
	return true
}

// end answers and gives the descriptor back: not before, as the kernel knows the question by its number.
func (e *execs) end(t *trial, response uint32) bool {
	counted := e.tell(t, response)
	if t.timer != nil {
		t.timer.Stop()
	}
	unix.Close(t.fd)
	return counted
}

// try has a program judged.
func (e *execs) try(t *trial) {
	x := Exec{PID: t.pid, Until: t.until, File: os.NewFile(uintptr(t.fd), "program")}
	verdict := e.judge(&x, t.fd)
	var name string
	if verdict == Deny {
		name, _ = os.Readlink("/proc/self/fd/" + strconv.Itoa(t.fd))
	}
	response := uint32(unix.FAN_ALLOW)
	if verdict == Deny {
		response = unix.FAN_DENY
	}
	counted := e.tell(t, response)
	t.timer.Stop()
	x.File.Close()
	if verdict == Deny {
		e.report(t.pid, name, counted)
	}
}

// judge asks until the file stays the same while it is judged. What is to be known is made known before the file is looked at
// once more: a change after that look ends it.
func (e *execs) judge(x *Exec, fd int) Verdict {
	for range rounds {
		was, err := stamp(fd)
		if err != nil {
			return Allow
		}
		x.Attr = inode.Of(&was)
		v := e.o.Judge(x)
		if v == Known {
			e.known.add(fd)
		}
		is, err := stamp(fd)
		if err == nil && is.Ctim == was.Ctim && is.Mtim == was.Mtim && is.Size == was.Size {
			return v
		}
		if v == Known {
			e.known.forget(fd)
		}
		if v == Deny {
			return Deny
		}
	}
	if e.o.Lenient {
		return Allow
	}
	e.n.changed.Add(1)
	return Deny
}

func stamp(fd int) (st unix.Stat_t, err error) {
	err = unix.Fstat(fd, &st)
	return st, err
}

// report tells of a refusal, or of one that came too late.
func (e *execs) report(pid int, name string, counted bool) {
	if counted {
		e.n.denied.Add(1)
	}
	if e.o.See == nil {
		return
	}
	path := name[:min(len(name), deminer.MaxEventPath)]
	e.o.See(Refusal{Event: deminer.Event{Kind: deminer.EventExec, Sensor: deminer.SensorFanotify, Time: time.Now().UTC(), Proc: identify(pid), Path: deminer.Raw(path), Denied: counted}})
}

func (e *execs) close() error {
	e.mu.Lock() // nobody marks by the number of a group that is closed: it may be another's by then
	e.closed.Store(true)
	err := e.group.Close() // the kernel lets through whoever still waits
	if e.ends >= 0 {
		err = errors.Join(err, unix.Close(e.ends))
		e.ends = -1
	}
	e.mu.Unlock()
	e.done.Wait()
	return err
}
