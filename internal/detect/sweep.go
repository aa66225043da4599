package detect

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
	"github.com/deminer/deminer/internal/match"
)

// SweepOptions say which files are looked at. The zero value sweeps the places where malware lies.
type SweepOptions struct {
	Full  bool     // everything, not only the hot places
	Paths []string // only below these, all of it; overrides Full
	// Only makes it look at what runs and is started and at these files, not at places; nil: it looks at places, too.
	Only     []string
	Cache    Cache // nil: none
	Progress func(files int)
}

// FileKey names the content of a file as long as nobody wrote to it. Ctime cannot be set back, so a changed file has
// another key.
type FileKey struct {
	Dev, Ino     uint64
	Size         int64
	Mtime, Ctime time.Time
}

// Content is what the rules said of a file's content; it can be kept and used again while the rules are the same.
type Content struct {
	Kind   string      `json:"kind"` // "elf", "script", "text", "other"
	SHA256 string      `json:"sha256,omitempty"`
	Hits   []match.Hit `json:"hits,omitempty"`
}

// Cache remembers contents between scans. It must be safe for many callers at a time, and must forget everything when the
// rules change.
type Cache interface {
	Get(FileKey) (Content, bool)
	Put(FileKey, Content)
}

// Found is one file the sweep has something to say about.
type Found struct {
	Path    string
	Attr    deminer.Attr
	Content Content
	Named   []match.Hit // rules that speak of its path
	glance  bool        // only its first bytes are looked at
}

// Files is the result of a sweep.
type Files struct {
	list  []*Found
	by    map[string]*Found
	names int
	bytes int64
}

// Looked gives how many names were seen and how many bytes were read.
func (f *Files) Looked() (files int, bytes int64) {
	if f == nil {
		return 0, 0
	}
	return f.names, f.bytes
}

// Each gives every file that rules speak of by its content, by path, until see returns false.
func (f *Files) Each(see func(path string, hits []match.Hit) bool) {
	if f == nil {
		return
	}
	for _, found := range f.list {
		if len(found.Content.Hits) > 0 && !see(found.Path, found.Content.Hits) {
			return
		}
	}
}

// At gives what was found at a path, or nil. A nil Files has nothing.
func (f *Files) At(name string) *Found {
	if f == nil {
		return nil
	}
	return f.by[name]
}

// limits of one sweep.
type limits struct {
	names   int   // names listed
	files   int   // files whose content is read
	size    int64 // largest file read in full; of a larger one the head
	bytes   int64 // bytes read in all
	depth   int
	perRoot int // names below one root, so that one large tree does not use up all
}

var (
	quickLimits = limits{names: 120_000, files: 4000, size: 16 << 20, bytes: 40 << 20, depth: 12, perRoot: 30_000}
	fullLimits  = limits{names: 20_000_000, files: 20_000_000, size: 256 << 20, bytes: 1 << 50, depth: 64, perRoot: 20_000_000}
)

// sweepWorkers is how many files are read at a time: the patient is already starving.
const sweepWorkers = 2

// Sweeper looks at files in two steps, so that the first can be done while the host's CPU use is measured.
type Sweeper struct {
	p     *Pass
	opt   SweepOptions
	lim   limits
	homes []string
	all   bool            // all names are looked at, and the order of them counts for nothing
	seen  map[string]bool // names that were asked for; not changed while a tree is walked
	// walked are the trees gone through; not changed meanwhile.
	walked map[string]bool
	own    inode        // deminer's own program, which holds every indicator
	left   atomic.Int64 // files still to be read
	room   atomic.Int64 // bytes still to be read
	short  atomic.Bool
	mu     sync.Mutex
	out    *Files
	gaps   []deminer.Gap // not told yet
	// links is what was read of files with several names, so that each is read once.
	links map[FileKey]Content
}

// maxLinks bounds how many files with several names are remembered during a sweep.
const maxLinks = 100_000

type inode struct{ dev, ino uint64 }

// Sweep looks at files: in the places, and always at what runs and what is started. FIFOs, devices and sparse files
// are left out; what is left out for its size or number is a gap. It returns when the context ends with what it has.
func Sweep(ctx context.Context, p *Pass, opt SweepOptions) *Files {
	s := NewSweeper(p, opt)
	s.Places(ctx)
	return s.Started(ctx, p)
}

// NewSweeper begins a sweep. Of the snapshot only host and accounts need be there.
func NewSweeper(p *Pass, opt SweepOptions) *Sweeper {
	p.Prepare()
	s := &Sweeper{p: p, opt: opt, lim: quickLimits, homes: p.homes(), all: opt.Full || len(opt.Paths) > 0, own: p.ownProgram(),
		seen: map[string]bool{}, walked: map[string]bool{}, out: &Files{by: map[string]*Found{}}}
	if s.all {
		s.lim = fullLimits
	}
	s.left.Store(int64(s.lim.files))
	s.room.Store(s.lim.bytes)
	return s
}

// Places looks at the places where files lie, hot ones first.
func (s *Sweeper) Places(ctx context.Context) { s.reading(ctx, s.places) }

// Started looks at what runs and what is started by the whole snapshot of p, and ends the sweep. These files have room of
// their own: full places keep none of them from being read.
func (s *Sweeper) Started(ctx context.Context, p *Pass) *Files {
	s.p = p
	if len(s.opt.Paths) == 0 {
		s.left.Store(max(s.left.Load(), maxStarted))
		s.room.Store(max(s.room.Load(), 0))
		s.reading(ctx, s.started)
	}
	if s.short.Load() {
		p.Gap(deminer.Gap{Part: "files", State: deminer.Partial, Why: fmt.Sprintf("more than %d files, %d MiB, or %d names were in the quick scan's places; a full scan reads all", s.lim.files, s.lim.bytes>>20, s.lim.names)})
	}
	slices.SortFunc(s.out.list, func(a, b *Found) int { return strings.Compare(a.Path, b.Path) })
	return s.out
}

// maxStarted is how many files that run or are started are read in any case.
const maxStarted = 4000

// reading runs a part that hands out files, and those who read them.
func (s *Sweeper) reading(ctx context.Context, part func(context.Context, func(*Found))) {
	todo := make(chan *Found, 64)
	var wait sync.WaitGroup
	for range sweepWorkers {
		wait.Go(func() {
			for f := range todo {
				s.look(ctx, f)
			}
		})
	}
	part(ctx, func(f *Found) {
		select {
		case todo <- f:
		case <-ctx.Done():
		}
	})
	close(todo)
	wait.Wait()
	// Several saw them at a time: equal hosts give equal reports.
	slices.SortFunc(s.gaps, func(a, b deminer.Gap) int { return cmp.Or(cmp.Compare(a.What, b.What), cmp.Compare(a.Why, b.Why)) })
	for _, g := range s.gaps {
		s.p.Gap(g)
	}
	s.gaps = nil
}

// keep adds a file that rules speak of by content or by name, or that other detectors ask for.
func (s *Sweeper) keep(f *Found) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch old := s.out.by[f.Path]; {
	case old == nil:
		s.out.by[f.Path] = f
		s.out.list = append(s.out.list, f)
	case old.glance && !f.glance: // it was only known to be there
		*old = *f
	}
}

func keyOf(a deminer.Attr) FileKey { return FileKey{a.Dev, a.Ino, a.Size, a.Mtime, a.Ctime} }

// cached gives what the cache knows of a file.
func (s *Sweeper) cached(a deminer.Attr) (Content, bool) {
	if s.opt.Cache == nil {
		return Content{}, false
	}
	return s.opt.Cache.Get(keyOf(a))
}

// look reads one file.
func (s *Sweeper) look(ctx context.Context, f *Found) {
	if c, ok := s.linked(f); ok {
		f.Content = c
		s.settle(f)
		return
	}
	c, n, err := s.read(ctx, f)
	s.mu.Lock()
	s.out.bytes += n
	s.mu.Unlock()
	f.Content = c
	switch {
	case errors.Is(err, host.ErrNotRegular):
	case missingOr(err):
		return
	case err != nil:
		s.gap(deminer.Failed, f.Path, err.Error())
	}
	s.settle(f)
}

// stamped is how long ago a file must have been changed for its time stamps to name its content: two writes within one
// step of a file system's clock leave the same stamps.
const stamped = 3 * time.Second

// remember puts into the cache what was read through r, if r is the file that was listed and nobody wrote to it.
func (s *Sweeper) remember(f *Found, r host.File, c Content) {
	if s.opt.Cache == nil && f.Attr.Links < 2 || f.glance || time.Since(f.Attr.Ctime) < stamped {
		return
	}
	now, err := r.Attr()
	if err != nil || keyOf(now) != keyOf(f.Attr) {
		return
	}
	if s.opt.Cache != nil {
		s.opt.Cache.Put(keyOf(f.Attr), c)
	}
	if f.Attr.Links > 1 {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.links == nil {
			s.links = map[FileKey]Content{}
		}
		if len(s.links) < maxLinks {
			s.links[keyOf(f.Attr)] = c
		}
	}
}

// linked gives what was read of a file by another of its names in this sweep. Content alone counts in it, but the digest
// is made only where the name or the content gives a reason.
func (s *Sweeper) linked(f *Found) (Content, bool) {
	if f.Attr.Links < 2 || f.glance {
		return Content{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.links[keyOf(f.Attr)]
	return c, ok && (len(f.Named) == 0 || c.Kind != "elf" || c.SHA256 != "")
}

func (s *Sweeper) settle(f *Found) {
	if len(f.Named) > 0 || asksFor(f.Path, f.Attr, f.Content) {
		s.keep(f)
	}
}

// asksFor reports whether detectors want to know of a file, by its content, rights or ending.
func asksFor(name string, a deminer.Attr, c Content) bool {
	return len(c.Hits) > 0 || a.SetID() || c.Kind == "elf" || c.Kind == "script" || webExt[strings.ToLower(path.Ext(name))]
}

func (s *Sweeper) gap(state deminer.GapState, what, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gaps = append(s.gaps, deminer.Gap{Part: "files", State: state, What: what, Why: why})
}

func (s *Sweeper) read(ctx context.Context, f *Found) (Content, int64, error) {
	r, err := s.p.FS.Open(f.Path)
	if err != nil {
		return Content{}, 0, err
	}
	defer r.Close()
	c, n, err := s.content(ctx, f, r)
	if err == nil {
		s.remember(f, r, c)
	}
	return c, n, err
}

func (s *Sweeper) content(ctx context.Context, f *Found, r host.File) (Content, int64, error) {
	size := f.Attr.Size
	if size > s.lim.size {
		s.gap(deminer.Partial, f.Path, fmt.Sprintf("only the first %d MiB were read", s.lim.size>>20))
		size = s.lim.size
	}
	head := make([]byte, min(size, 512))
	n, err := r.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return Content{}, int64(n), err
	}
	c := Content{Kind: kindOf(head[:n])}
	if f.glance || c.Kind == "other" && !s.opt.Full && len(s.opt.Paths) == 0 {
		return c, int64(n), nil
	}
	if s.p.Rules == nil {
		return c, int64(n), nil
	}
	c.Hits, err = s.p.Rules.File(ctx, r, size)
	known := s.p.Rules.Seeks() // then any file may be one that is known by its digest alone
	if err == nil && size == f.Attr.Size && (known || c.Kind == "elf" && (len(c.Hits) > 0 || len(f.Named) > 0)) {
		h := sha256.New()
		if _, err = io.Copy(h, io.NewSectionReader(r, 0, size)); err == nil {
			c.SHA256 = hex.EncodeToString(h.Sum(nil))
			c.Hits = append(c.Hits, s.p.Rules.Hash(c.SHA256)...)
		}
	}
	return c, size, err
}

// ownProgram is deminer's own program, which holds every indicator, whatever its name: the zero value where it cannot be
// seen. It is asked before processes are listed.
func (p *Pass) ownProgram() (own inode) {
	if self := p.Snapshot.Host.Self; len(self) > 0 && p.Inside != nil {
		if f, err := p.Inside.Exe(self[0]); err == nil {
			defer f.Close()
			if a, err := f.Attr(); err == nil {
				own = inode{a.Dev, a.Ino}
			}
		}
	}
	return own
}

// kindOf tells programs and text from data by the first bytes.
func kindOf(head []byte) string {
	switch {
	case bytes.HasPrefix(head, []byte("\x7fELF")):
		return "elf"
	case bytes.HasPrefix(head, []byte("#!")), bytes.HasPrefix(head, []byte("<?")), bytes.HasPrefix(head, []byte("<%")):
		return "script"
	case len(head) > 0 && textual(head):
		return "text"
	case bytes.Contains(head, []byte("<?php")):
		return "script"
	}
	return "other"
}
