//go:build linux

package deny

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host/inode"
	"golang.org/x/sys/unix"
)

// uncovered is for how long a file system that could not be covered is not tried again; settling, how long after it was covered one
// hears of programs that began before.
const (
	uncovered = time.Minute
	settling  = 5 * time.Second
)

// Began judges a program that has begun without a question of the kernel, and kills it if it is to be refused: where the kernel asks
// nobody, where its file system was not covered yet (it is from then on), or where a file in memory could not be held. It is weaker
// than a question: instructions of it have run, and of a script only the interpreter is judged. A program that was asked about costs
// one look at its file. Who is told, and of what, is as ever; see Refusal.After. It may take as long as Judge does.
func (g *Guard) Began(id deminer.ProcID, memfd bool) {
	if g.o.Judge == nil || memfd && g.Holds() {
		return
	}
	name := "/proc/" + strconv.Itoa(id.PID) + "/exe"
	var st unix.Stat_t
	if err := unix.Stat(name, &st); err != nil || identify(id.PID) != id || !memfd && g.execs != nil && g.execs.asks(name, st.Dev) {
		return
	}
	f, err := os.Open(name)
	if err != nil {
		return // it has ended
	}
	defer f.Close()
	var place unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &place); err != nil || local[int64(uint32(place.Type))] == "" {
		return
	}
	if st, err = stamp(int(f.Fd())); err != nil {
		return
	}
	x := Exec{PID: id.PID, File: f, Attr: inode.Of(&st), Until: time.Now().Add(g.o.Answer)}
	if g.o.Judge(&x) != Deny {
		return
	}
	var now unix.Stat_t
	if err := unix.Stat(name, &now); err != nil || now.Dev != st.Dev || now.Ino != st.Ino {
		return // it is another program by now, which is judged for itself
	}
	err = send(id, unix.SIGKILL)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, deminer.ErrChanged) {
		return
	}
	if err == nil {
		g.n.denied.Add(1)
	}
	if g.o.See == nil {
		return
	}
	path, _ := os.Readlink("/proc/self/fd/" + strconv.Itoa(int(f.Fd())))
	g.o.See(Refusal{After: true, Event: deminer.Event{Kind: deminer.EventExec, Sensor: deminer.SensorNone, Time: time.Now().UTC(), Proc: id, Memfd: memfd,
		Path: deminer.Raw(path[:min(len(path), deminer.MaxEventPath)]), Denied: err == nil}})
}

// asks reports whether the programs of a file system are asked about. Where they are not, it is covered by one of its files, so that
// the next is.
func (e *execs) asks(name string, dev uint64) bool {
	e.mu.Lock()
	since, covered := e.cover[dev]
	tried := time.Since(e.tried[dev]) < uncovered
	if !covered && !tried {
		if len(e.tried) >= maxMounts {
			clear(e.tried)
		}
		e.tried[dev] = time.Now()
	}
	e.mu.Unlock()
	if !covered && !tried && !inner() { // of a file system that is seen in part the rest is not ours to ask about
		_ = e.Cover(name) // what cannot be covered is judged as it begins
	}
	return covered && time.Since(since) > settling
}
