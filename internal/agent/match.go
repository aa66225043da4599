package agent

import (
	"context"
	"hash/maphash"
	"net/netip"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/match"
)

// Limits of reading programs.
const (
	maxProgram = 16 << 20 // bytes of one; a miner is smaller
	maxKnown   = 8192     // programs whose content is remembered
)

// fileKey names a content as long as nobody writes to it.
type fileKey struct {
	dev, ino uint64
	size     int64
	ctime    time.Time
}

// programs remembers what was read of programs, and how command lines were judged.
type programs struct {
	bad map[fileKey]string // "": nothing speaks against it

	seed maphash.Seed
	mu   sync.Mutex                // of what follows
	seen map[deminer.FileID]string // as bad, by what events say
	args map[uint64]bool
}

func newPrograms() *programs {
	return &programs{bad: map[fileKey]string{}, seed: maphash.MakeSeed(), seen: map[deminer.FileID]string{}, args: map[uint64]bool{}}
}

// clean reports whether nothing speaks against a program that starts, by what was judged before: the same content, and the same command
// line from the same program. Most are such, and cost no more than this.
func (p *programs) clean(e *deminer.Event, parent string) bool {
	if !settled(e) {
		return false
	}
	line := p.line(e, parent)
	p.mu.Lock()
	defer p.mu.Unlock()
	why, read := p.seen[e.File]
	bad, asked := p.args[line]
	return read && asked && why == "" && !bad
}

// line stands for a command line, who started it, and the path of the program. Nobody outside can find two that share one.
func (p *programs) line(e *deminer.Event, parent string) uint64 {
	var h maphash.Hash
	h.SetSeed(p.seed)
	for _, s := range [...]string{parent, string(e.Exe)} {
		_, _ = h.WriteString(s) // never fails
		_ = h.WriteByte(0)
	}
	for _, a := range e.Argv {
		_, _ = h.WriteString(string(a))
		_ = h.WriteByte(0)
	}
	return h.Sum64()
}

// settled reports whether an event names a content: what was changed a moment ago may be changed again without a trace.
func settled(e *deminer.Event) bool {
	return e.File != (deminer.FileID{}) && e.Time.UnixNano()-e.File.Changed >= int64(time.Second)
}

// match asks the rules about each program that starts: its command line, and once about its content.
func (a *Agent) match(ctx context.Context) {
	a.heard.mu.Lock()
	a.heard.asked = a.pools
	a.heard.mu.Unlock()
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-a.execs:
			if why := a.suspect(ctx, e); why != "" {
				j := (&job{why: why, urgent: true, due: time.Now()}).of(e)
				a.queue.add(j)
			}
		}
	}
}

// suspect says why a program that started is worth a look, or "".
func (a *Agent) suspect(ctx context.Context, e *deminer.Event) string {
	if a.line(e) {
		return "a program started with a command line that the rules know"
	}
	return a.content(ctx, e)
}

// line asks about the command line. The same one is asked once.
func (a *Agent) line(e *deminer.Event) bool {
	args := make([]string, len(e.Argv))
	for i, s := range e.Argv {
		args[i] = string(s)
	}
	up := a.heard.program(e.Parent)
	key := a.files.line(e, up)
	a.files.mu.Lock()
	bad, asked := a.files.args[key]
	a.files.mu.Unlock()
	if asked {
		return bad
	}
	joined := strings.Join(args, " ")
	w := match.Words{"argv": joined, "exe": string(e.Exe), "name": path.Base(string(e.Exe))}
	if up != "" {
		w["parent.exe"] = "/" + up
	}
	for _, h := range append(a.opt.Rules.Argv(args), a.opt.Rules.Event(match.LinuxProcess, w)...) {
		bad = bad || h.Strength >= match.Strong
	}
	a.files.mu.Lock()
	defer a.files.mu.Unlock()
	if len(a.files.args) >= maxKnown {
		clear(a.files.args)
	}
	a.files.args[key] = bad
	return bad
}

// content says what speaks against the program of a process. Where the event names a content that was judged before nothing is
// opened.
func (a *Agent) content(ctx context.Context, e *deminer.Event) string {
	if !settled(e) {
		why, _, _ := a.read(ctx, e)
		return why
	}
	a.files.mu.Lock()
	why, read := a.files.seen[e.File]
	a.files.mu.Unlock()
	if read {
		return why
	}
	why, key, whole := a.read(ctx, e)
	if whole && key.ino == e.File.Ino && key.size == e.File.Size && key.ctime.UnixNano() == e.File.Changed {
		a.files.mu.Lock()
		if len(a.files.seen) >= maxKnown {
			clear(a.files.seen)
		}
		a.files.seen[e.File] = why
		a.files.mu.Unlock()
	}
	return why
}

// read reads the program of a process, if it is one that was not read before. whole: all of it was judged.
func (a *Agent) read(ctx context.Context, e *deminer.Event) (why string, key fileKey, whole bool) {
	f, err := a.opt.Program(e.Proc)
	if err != nil {
		return "", key, false // it has ended
	}
	defer f.Close()
	attr, err := f.Attr()
	if err != nil {
		return "", key, false
	}
	key = fileKey{attr.Dev, attr.Ino, attr.Size, attr.Ctime}
	if why, ok := a.files.bad[key]; ok {
		return why, key, true
	}
	hits, err := a.opt.Rules.File(ctx, f, min(attr.Size, maxProgram))
	for _, h := range hits {
		if h.Strength >= match.Strong {
			why = "a program started whose content the rules know: " + deminer.Cut(h.What, 100)
		}
	}
	if err != nil {
		return why, key, false // asked again the next time
	}
	if len(a.files.bad) >= maxKnown {
		clear(a.files.bad)
	}
	a.files.bad[key] = why
	return why, key, true
}

// pools asks about the names in an answer of the DNS, and gives its addresses if one is of a pool.
func (a *Agent) pools(data deminer.Raw) (out []netip.Addr) {
	answer, ok := match.DNS([]byte(data))
	if !ok {
		return nil
	}
	if h, hit := a.opt.Rules.Asked(answer); !hit || h.Strength < match.Weak {
		return nil
	}
	for _, one := range answer.Addrs {
		if one = one.Unmap(); !one.IsUnspecified() && !one.IsLoopback() {
			out = append(out, one)
			if a.opt.Pool != nil {
				a.opt.Pool(one, time.Now().Add(poolAge))
			}
		}
	}
	return out
}
