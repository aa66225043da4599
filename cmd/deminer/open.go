package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/guess"
	"github.com/deminer/deminer/internal/host"
	"github.com/deminer/deminer/internal/host/live"
	"github.com/deminer/deminer/internal/host/rootfs"
	"github.com/deminer/deminer/internal/match"
	"github.com/deminer/deminer/internal/pkgdb"
	"github.com/deminer/deminer/internal/scan"
	"github.com/spf13/cobra"
)

// openHost makes the view of the running machine, or of the root given by --root.
func openHost(f *flags) (*host.Host, []deminer.Gap, error) {
	fsys, err := rootfs.Open(f.root)
	if err != nil {
		return nil, nil, fail(exitError, "give the directory where the system's / is mounted", "%w", err)
	}
	info, err := live.Info(f.root)
	if err != nil {
		return nil, nil, fail(exitError, "", "identify host: %w", err)
	}
	near := host.NewRecent(fsys)
	h := &host.Host{Info: info, FS: near}
	var gaps []deminer.Gap
	if !info.Asleep() {
		eyes := live.Open()
		h.Live, h.Inside, h.Near = eyes, eyes, eyes
		if !info.Root {
			gaps = append(gaps, deminer.Gap{Part: "rights", State: deminer.Partial, Why: "deminer does not run as root: other users' processes, sockets and files stay unseen"})
		}
	} else {
		gaps = append(gaps, deminer.Gap{Part: "processes, sockets, memory, kernel", State: deminer.Skipped, Why: "the system does not run; what lives in memory only cannot be seen"})
	}
	pkgs, err := pkgdb.Open(near)
	if err != nil {
		return h, append(gaps, deminer.Gap{Part: "packages", State: deminer.Failed, Why: err.Error()}), nil
	}
	h.Packages = pkgs
	return h, gaps, nil
}

// closeHost gives back what openHost opened.
func closeHost(h *host.Host) error {
	var failed []error
	for _, part := range []any{h.FS, h.Live} {
		if c, ok := part.(io.Closer); ok {
			failed = append(failed, c.Close())
		}
	}
	return errors.Join(failed...)
}

// look scans the host once.
func look(ctx context.Context, cmd *cobra.Command, f *flags, opt scan.Options) (*host.Host, *deminer.Report, error) {
	h, gaps, err := openHost(f)
	if err != nil {
		return nil, nil, err
	}
	if near, ok := h.FS.(*host.Recent); ok {
		defer near.Forget()
	}
	set, err := loadRules(f)
	if err != nil {
		return nil, nil, err
	}
	warn(cmd.ErrOrStderr(), set)
	bars := newProgress(cmd, f)
	opt.Progress = bars.step
	rep, err := lookAt(ctx, f, h, append(gaps, set.Gaps...), set, opt, bars.end)
	return h, rep, err
}

// lookAt scans an open host with rules that were loaded; looked is called when the look itself has ended.
func lookAt(ctx context.Context, f *flags, h *host.Host, gaps []deminer.Gap, set *match.Sources, opt scan.Options, looked func()) (*deminer.Report, error) {
	own, unreadable := written(f)
	gaps = append(gaps, unreadable...)
	opt.Version, opt.Written, opt.Sources = version, own, set.Names()
	list, err := remembered(f)
	if err != nil {
		gaps = append(gaps, deminer.Gap{Part: "who guessed passwords before", State: deminer.Failed, Why: deminer.Safe(err.Error())})
	}
	opt.Failed = guess.Logins(list, "deminer's own record")
	var memory *cache
	if opt.Mode == scan.Full {
		memory = openCache(f, build()+set.Digest())
		opt.Cache = memory
		if db, ok := h.Packages.(*pkgdb.DB); ok {
			db.Remember(memory)
		}
	}
	past := openPast(f)
	defer past.close()
	opt.Past = past.past()
	roomy(opt.Mode)
	rep, err := scan.Run(ctx, h, set.Set, opt)
	looked()
	if memory != nil { // what an interrupted scan read need not be read again, either
		if err := memory.save(err == nil); err != nil {
			gaps = append(gaps, deminer.Gap{Part: "cache", State: deminer.Failed, Why: "what was read cannot be remembered, the next full scan reads all again: " + err.Error()})
		}
	}
	if err != nil {
		return nil, err
	}
	rep.Rules = set.Told()
	rep.Snapshot.Gaps = append(append(append(gaps, past.gaps()...), unread(h)...), rep.Snapshot.Gaps...)
	return &rep, nil
}

// written lists what deminer changed here before; nothing where there is no state directory that we may read. A journal that
// cannot be read leaves the others, and a gap.
func written(f *flags) (list []deminer.Written, gaps []deminer.Gap) {
	s, err := openStore(f, false)
	if err != nil {
		return nil, nil
	}
	defer s.close()
	if list, err = s.runner.Written(); err != nil {
		gaps = append(gaps, deminer.Gap{Part: "what deminer changed here", State: deminer.Partial, Why: deminer.Safe(err.Error())})
	}
	return list, gaps
}

// build names this very program: another one may judge the same file otherwise.
func build() string {
	name, err := os.Executable()
	if err != nil {
		return version
	}
	st, err := os.Stat(name)
	if err != nil {
		return version
	}
	return fmt.Sprint(version, st.Size(), st.ModTime().UnixNano())
}

// unread is what of the package database could not be read; known only after it was asked.
func unread(h *host.Host) []deminer.Gap {
	if db, ok := h.Packages.(*pkgdb.DB); ok {
		return db.Gaps()
	}
	return nil
}

var errNoPlan = errors.New("no plan was run on this host yet")
