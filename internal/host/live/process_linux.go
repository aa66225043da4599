//go:build linux

package live

import (
	"strings"
	"sync/atomic"
	"time"

	"github.com/deminer/deminer"
	"golang.org/x/sys/unix"
)

// Limits on the files of one process.
const (
	maxArgs  = 64 << 10
	maxEnv   = 64 << 10
	maxMaps  = 4 << 20
	maxSmaps = 8 << 20
	// A read of smaps makes the kernel walk the page tables while the process waits for some of its own work, so it is
	// done only for processes of moderate size (a miner on a machine of eight nodes needs less), and not for many.
	maxSmapsRSS  = 32 << 30
	maxSmapsRead = 64
	// allText is what command lines and environments of all processes may take before they are cut to shortText each.
	allText   = 64 << 20
	shortText = 4 << 10
)

// budget is shared by the readers of one look.
type budget struct {
	text  atomic.Int64
	smaps atomic.Int64
}

func newBudget() *budget {
	b := &budget{}
	b.text.Store(allText)
	b.smaps.Store(maxSmapsRead)
	return b
}

// limit is what one command line or environment may take now.
func (b *budget) limit(most int) int {
	if b.text.Load() <= 0 {
		return shortText
	}
	return most
}

// reader reads processes one after the other with buffers of its own.
type reader struct {
	proc *procfs
	boot time.Time
	page uint64
	buf  []byte
	link []byte
	left *budget
}

func newReader(p *procfs, boot time.Time) *reader {
	return &reader{proc: p, boot: boot, page: uint64(unix.Getpagesize()), buf: make([]byte, 0, 64<<10), link: make([]byte, 4096), left: newBudget()}
}

// process reads all of one process. An error means that nothing could be read.
func (r *reader) process(pid int) (deminer.Process, stat, error) {
	t, err := r.proc.open(pid)
	if err != nil {
		return deminer.Process{}, stat{}, err
	}
	defer t.close()
	s, err := r.stat(t)
	if err != nil {
		return deminer.Process{}, s, err
	}
	p := r.basics(s)
	b, err := t.read("status", r.buf, 64<<10)
	if err != nil {
		p.Gone = gone(err)
		return p, s, nil
	}
	r.status(&p, parseStatus(b))
	if p.Kernel {
		return p, s, nil
	}
	r.program(t, &p)
	r.places(t, &p)
	if p.State != "Z" && p.State != "X" {
		r.memory(t, &p)
	}
	return p, s, nil
}

func (r *reader) stat(t task) (stat, error) {
	b, err := t.read("stat", r.buf, 8<<10)
	if err != nil {
		return stat{}, err
	}
	return parseStat(b)
}

func (r *reader) basics(s stat) deminer.Process {
	return deminer.Process{
		ID: deminer.ProcID{PID: s.pid, Start: s.start}, PPID: s.ppid, Session: s.session, TTY: s.tty != 0,
		Comm: s.comm, State: string(rune(s.state)), Kernel: s.flags&kernelThread != 0, NThreads: s.threads,
		CPUTime: ticks(s.cpu), Nice: s.nice, Policy: s.policy, RSS: s.pages * r.page, LoginUID: -1,
		Started: r.boot.Add(ticks(s.start)),
	}
}

// ticks turns clock ticks into a duration.
func ticks(n uint64) time.Duration { return time.Duration(n) * (time.Second / userHZ) }

func (r *reader) status(p *deminer.Process, s status) {
	p.UID, p.EUID, p.GID = s.uid, s.euid, s.gid
	p.Hugetlb, p.CapEff, p.Voluntary = s.hugetlb, s.capEff, s.voluntary
}

// program reads what was started, and how.
func (r *reader) program(t task, p *deminer.Process) {
	if b, err := t.read("cmdline", r.buf, r.left.limit(maxArgs)); err == nil {
		p.Argv = parseStrings(b)
		r.left.text.Add(-int64(len(b)))
	}
	if b, err := t.read("environ", r.buf, r.left.limit(maxEnv)); err == nil {
		p.Env = parseStrings(b)
		r.left.text.Add(-int64(len(b)))
	}
	text, err := t.link("exe", r.link)
	if err != nil {
		p.ExeErr = "read the link to the program: " + err.Error()
		return
	}
	attr, err := statAt(t.fd, "exe", 0)
	if err == nil {
		p.ExeAttr = attr
	}
	p.Exe, p.Deleted, p.Memfd = exeName(text)
	// A living file may be called "x (deleted)".
	if p.Deleted && attr.Links > 0 {
		if real, err := statAt(t.fd, "root"+text, 0); err == nil && real.Ino == attr.Ino && real.Dev == attr.Dev {
			p.Exe, p.Deleted = text, false
		}
	}
}

// places reads where the process is: directories, control group, namespaces, and how much it read and wrote.
func (r *reader) places(t task, p *deminer.Process) {
	p.Cwd, _ = t.link("cwd", r.link)
	p.Root, _ = t.link("root", r.link)
	if b, err := t.read("loginuid", r.buf, 32); err == nil {
		if n, ok := number([]byte(strings.TrimSpace(string(b)))); ok && n != 0xffffffff {
			p.LoginUID = int64(n)
		}
	}
	if b, err := t.read("io", r.buf, 4<<10); err == nil {
		c := parseIO(b)
		p.RChar, p.WChar, p.ReadBytes, p.WriteBytes = c.rchar, c.wchar, c.read, c.write
	}
	r.group(t, p)
	p.PidNS, p.MntNS, p.NetNS = r.namespace(t, "ns/pid"), r.namespace(t, "ns/mnt"), r.namespace(t, "ns/net")
}

// group reads the control group and what its name tells.
func (r *reader) group(t task, p *deminer.Process) {
	b, err := t.read("cgroup", r.buf, 64<<10)
	if err != nil {
		p.Gone = p.Gone || gone(err)
		return
	}
	g := parseCgroup(b)
	p.Cgroup, p.Unit = g.path, g.unit
	if g.container != "" && !r.onHost(t) {
		p.Container = g.container
	}
}

// onHost reports whether a process sees the root directory that deminer sees: its paths are those of the host that is looked at,
// whatever the name of its control group says of a container. Whoever may make control groups names them. What cannot be asked is
// not so.
func (r *reader) onHost(t task) bool {
	mine, err := statAt(t.fd, "root", 0)
	if err != nil {
		return false
	}
	own, err := unixStat("/")
	return err == nil && mine.Dev == own.Dev && mine.Ino == own.Ino
}

func (r *reader) namespace(t task, name string) uint64 {
	text, err := t.link(name, r.link)
	if err != nil {
		return 0
	}
	return namespaceID(text)
}

// memory reads the mappings; the costly smaps only where a region has a size that RandomX uses.
func (r *reader) memory(t task, p *deminer.Process) {
	b, err := t.read("maps", r.buf, maxMaps)
	if cap(b) > cap(r.buf) {
		r.buf = b[:0]
	}
	if err != nil || len(b) == 0 {
		return
	}
	p.Memory = parseMaps(b, p.Exe, p.NThreads)
	if !likeRandomX(p.Memory) || p.RSS > maxSmapsRSS || r.left.smaps.Add(-1) < 0 {
		return
	}
	if b, err := t.read("smaps", r.buf, maxSmaps); err == nil {
		parseSmaps(b, p.Memory)
		if cap(b) > cap(r.buf) {
			r.buf = b[:0]
		}
	}
}
