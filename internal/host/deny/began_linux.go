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
	"github.com/deminer/deminer/internal/host/procfs"
	"golang.org/x/sys/unix"
)

// uncovered is for how long a file system that could not be covered is not tried again; settling, how long after it was covered one
// hears of programs that began before.
// beganTime is how long such a program is judged: nobody waits, but it runs.
const (
	uncovered = time.Minute
	settling  = 5 * time.Second
	beganTime = 15 * time.Second
)

// Began judges a program that has begun without a question of the kernel, and kills it if it is to be refused: where the kernel asks
// nobody, where its file system was not covered yet (it is from then on), or where a file in memory could not be held. It is weaker
// than a question: instructions of it have run, and of a script only the interpreter is judged. Whoever runs the same file and began no
// earlier is killed with it: those are the processes that it made of itself meanwhile, whoever is their parent by now. A program that was
// asked about costs one look at its file. Who is told, and of what, is as ever; see Refusal.After. It may take as long as Judge does.
//
// fs.ErrNotExist: the process had ended, or become another program, before its file could be seen; those that it left behind may run it
// still. ErrOff: the guard was closed meanwhile, and nothing was done.
func (g *Guard) Began(id deminer.ProcID, memfd bool) error {
	if g.o.Judge == nil || memfd && g.Holds() {
		return nil
	}
	var st unix.Stat_t
	if err := statExe(id.PID, &st); err != nil || identify(id.PID) != id {
		return fs.ErrNotExist
	}
	if !memfd && g.execs != nil && g.execs.asks(id.PID, st.Dev) {
		return nil
	}
	f, err := openProc(id.PID, "exe")
	if err != nil {
		return fs.ErrNotExist
	}
	defer f.Close()
	var place unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &place); err != nil || local[int64(uint32(place.Type))] == "" {
		return nil
	}
	if st, err = stamp(int(f.Fd())); err != nil {
		return nil
	}
	x := Exec{PID: id.PID, File: f, Attr: inode.Of(&st), Until: time.Now().Add(beganTime)}
	if g.o.Judge(&x) != Deny {
		return nil
	}
	g.acts.RLock() // Close waits for what is done from here on
	defer g.acts.RUnlock()
	if g.shut {
		return ErrOff
	}
	all, left := g.kill(id, &st)
	if len(all) == 0 && left == 0 {
		return nil // it has ended, or is another program by now, which is judged for itself
	}
	if len(all) > 0 {
		g.n.denied.Add(1)
	}
	if g.o.See == nil {
		return nil
	}
	path, _ := os.Readlink("/proc/self/fd/" + strconv.Itoa(int(f.Fd())))
	g.o.See(Refusal{After: true, Ended: all, Left: left, Event: deminer.Event{Kind: deminer.EventExec, Sensor: deminer.SensorNone, Time: time.Now().UTC(), Proc: id, Memfd: memfd,
		Path: deminer.Raw(path[:min(len(path), deminer.MaxEventPath)]), Denied: len(all) > 0 && left == 0}})
	return nil
}

// killTime bounds how long one program is killed again and again, by itself or while it makes more of itself.
const killTime = 2 * time.Second

// kill ends a process, and whoever runs its file and began no earlier, until nobody does. It gives who was killed, the process itself
// first, and how many could not be, or would have come after so long.
func (g *Guard) kill(id deminer.ProcID, file *unix.Stat_t) (all []deminer.ProcID, left int) {
	done := map[deminer.ProcID]bool{}
	try := func(one deminer.ProcID) {
		switch err := send(one, unix.SIGKILL); {
		case err == nil:
			done[one] = true
			all = append(all, one)
		case errors.Is(err, fs.ErrNotExist) || errors.Is(err, deminer.ErrChanged):
		default:
			left++
		}
	}
	if runs(id, file) {
		try(id)
	}
	for end := time.Now().Add(killTime); ; time.Sleep(time.Millisecond) {
		alive, fresh := false, false
		left = 0
		for _, one := range runners(id, file) {
			if alive = true; !done[one] {
				fresh = true
				try(one)
			}
		}
		if !alive {
			return all, left
		}
		if time.Now().After(end) { // who was killed and is still there is held by the kernel for a moment
			if fresh {
				left = max(left, 1)
			}
			return all, left
		}
	}
}

// runs reports whether a process runs a file.
func runs(id deminer.ProcID, file *unix.Stat_t) bool {
	var is unix.Stat_t
	return statExe(id.PID, &is) == nil && is.Dev == file.Dev && is.Ino == file.Ino && identify(id.PID) == id
}

// runners lists who runs a file and began no earlier than a process, and that process itself while it is not gone.
func runners(first deminer.ProcID, file *unix.Stat_t) (out []deminer.ProcID) {
	root, err := procfs.Root()
	if err != nil {
		return nil
	}
	fd, err := unix.Openat(root, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	dir := os.NewFile(uintptr(fd), "/proc")
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		var is unix.Stat_t
		if err != nil || pid == os.Getpid() || statExe(pid, &is) != nil || is.Dev != file.Dev || is.Ino != file.Ino {
			continue
		}
		if id := identify(pid); id.Start >= first.Start {
			out = append(out, id)
		}
	}
	return out
}

// asks reports whether the programs of a file system are asked about. Where they are not, it is covered by one of its files, so that
// the next is.
func (e *execs) asks(pid int, dev uint64) bool {
	e.mu.Lock()
	e.forget()
	c, covered := e.cover[dev]
	tried := time.Since(e.tried[dev]) < uncovered
	if !covered && !tried {
		if len(e.tried) >= maxMounts {
			clear(e.tried)
		}
		e.tried[dev] = time.Now()
	}
	e.mu.Unlock()
	if !covered && !tried && !inner() { // of a file system that is seen in part the rest is not ours to ask about
		_ = e.coverOf(pid, "exe") // what cannot be covered is judged as it begins
	}
	return covered && time.Since(c.since) > settling
}
