package detect

import (
	"context"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// trusted are programs and libraries through which every login and every program passes. A full scan checks every
// packaged file instead.
var trusted = []string{"/usr/sbin/sshd", "/usr/bin/ssh", "/usr/bin/sudo", "/bin/su", "/usr/bin/su", "/bin/login", "/usr/bin/login", "/usr/sbin/cron",
	"/usr/sbin/crond", "/usr/bin/bash", "/usr/bin/dash", "/usr/lib/systemd/systemd", "/usr/bin/ssh-agent", "/usr/bin/scp", "/usr/bin/pkexec"}

var trustedLibs = []string{"libc.so.6", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1", "libkeyutils.so.1", "libpam.so.0", "libpthread.so.0", "libdl.so.2",
	"security/pam_unix.so", "security/pam_deny.so", "security/pam_permit.so", "libnss_files.so.2", "libcrypt.so.1", "libsystemd.so.0"}

// modifiedPackage speaks of packaged programs and libraries whose content is not the packaged one.
func modifiedPackage(ctx context.Context, p *Pass) error {
	if p.Packages == nil {
		return nil
	}
	names := slices.Clone(trusted)
	for _, dir := range p.libDirs() {
		for _, n := range trustedLibs {
			names = append(names, path.Join(dir, n))
		}
	}
	c := comparison{p: p, done: map[string]bool{}}
	if !p.Full {
		c.all(ctx, names)
	} else {
		// Thousands of files, nearly all as they were at the last look: as many at a time as the sweep reads.
		todo := make(chan []string, 2*sweepWorkers)
		var wait sync.WaitGroup
		for range sweepWorkers {
			wait.Go(func() {
				for batch := range todo {
					c.all(ctx, batch)
				}
			})
		}
		last := ""
		p.Packages.Each(func(name, pkg string) bool {
			if pkg != last || len(names) >= maxBatch {
				todo <- names
				names, last = nil, pkg
			}
			if !underAny(name, "/etc", "/var", "/usr/share", "/boot") {
				names = append(names, name)
			}
			return ctx.Err() == nil
		})
		todo <- names
		close(todo)
		wait.Wait()
	}
	slices.SortFunc(c.changed, func(a, b changedFile) int { return strings.Compare(a.name, b.name) })
	for _, f := range c.changed {
		p.modified(f.name, f.own)
	}
	return ctx.Err()
}

// maxBatch is how many files of one package are compared by one worker at a time.
const maxBatch = 256

// comparison holds files against what their packages hold. Several may ask it at a time.
type comparison struct {
	p       *Pass
	mu      sync.Mutex
	done    map[string]bool
	changed []changedFile
}

// changedFile is a file whose content is not the packaged one.
type changedFile struct {
	name string
	own  deminer.Provenance
}

// all compares files, each once whatever names lead to it.
func (c *comparison) all(ctx context.Context, names []string) {
	dirs := realDirs{fs: c.p.FS, real: map[string]string{}}
	for _, name := range names {
		real, err := dirs.resolve(name)
		if ctx.Err() != nil || err != nil || inList(watched, path.Base(real)) || !c.first(real) {
			continue
		}
		if own := c.p.Packages.Check(ctx, real); own.State == deminer.Modified {
			c.mu.Lock()
			c.changed = append(c.changed, changedFile{real, own})
			c.mu.Unlock()
		}
	}
}

// first reports whether a file was not asked for before.
func (c *comparison) first(real string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := c.done[real]
	c.done[real] = true
	return !seen
}

// realDirs resolves the links in paths. Packages bring many files to one directory, so that a directory is resolved once.
type realDirs struct {
	fs   host.FS
	real map[string]string // directory as it is named to as it is
}

func (d *realDirs) resolve(name string) (string, error) {
	dir, base := path.Split(name)
	real, ok := d.real[dir]
	if !ok {
		real, _ = host.Resolve(d.fs, path.Clean(dir))
		d.real[dir] = real
	}
	if real != "" {
		name = path.Join(real, base)
		if a, err := d.fs.Lstat(name); err == nil && a.Type != deminer.Symlink {
			return name, nil
		}
	}
	return host.Resolve(d.fs, name)
}

// libDirs are the directories of system libraries.
func (p *Pass) libDirs() []string {
	out := []string{"/lib64", "/usr/lib64", "/lib", "/usr/lib"}
	for _, base := range []string{"/usr/lib", "/lib"} {
		list, err := p.FS.ReadDir(base)
		if err != nil {
			continue
		}
		for _, e := range list {
			if strings.Contains(e.Name, "-linux-") {
				out = append(out, path.Join(base, e.Name))
			}
		}
	}
	return out
}

func (p *Pass) modified(name string, own deminer.Provenance) {
	f := deminer.Finding{
		Topic: deminer.TopicTamper, Tier: deminer.Strong, Class: deminer.ByTamper, Technique: "T1554", Catalogue: "PL-20",
		Title:   "the packaged file " + q(name) + " was changed",
		Why:     []string{q(name) + ": " + own.String()},
		Cleared: []string{"an upgrade under way: the package database and the file disagree; look again when no package tool runs"},
		Subject: file(name),
		Remove:  []deminer.Action{{Verb: deminer.VerbRestore, Target: file(name), Args: map[string]deminer.Raw{"package": deminer.Raw(own.Package), "version": deminer.Raw(own.Version)}}},
		Fix:     "Reinstall package " + deminer.Safe(own.Package) + " from a trusted mirror; if it lets people in, change every password afterwards.",
	}
	if a, err := p.FS.Stat(name); err == nil {
		f.Time = a.Ctime
	}
	if inList(trusted, name) || strings.Contains(name, ".so") {
		f.Distrust = "the system file " + name + " is not the packaged one"
	}
	p.Report(f)
}
