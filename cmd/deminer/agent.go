package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/agent"
	"github.com/deminer/deminer/internal/alert"
	"github.com/deminer/deminer/internal/host"
	"github.com/deminer/deminer/internal/host/hands"
	"github.com/deminer/deminer/internal/host/live"
	"github.com/deminer/deminer/internal/match"
	"github.com/deminer/deminer/internal/scan"
	"github.com/spf13/cobra"
)

// agentKinds are what the agent wants to be told of.
var agentKinds = []deminer.EventKind{deminer.EventExec, deminer.EventFork, deminer.EventExit, deminer.EventConnect, deminer.EventFlow, deminer.EventDNS, deminer.EventFile,
	deminer.EventFlags, deminer.EventAnonExec, deminer.EventModule, deminer.EventBPF, deminer.EventMount, deminer.EventPtrace, deminer.EventMemWrite, deminer.EventSignal}

func newAgent(f *flags) *cobra.Command {
	var window time.Duration
	var file string
	var without []string
	c := &cobra.Command{
		Use:   "agent",
		Short: "Stay, see an intrusion as it happens, and do what the policy allows",
		Long: `Watches this host with the sensors of its kernel. An event only says where to look: the detectors
of deminer scan look at a small part around it. What they find is an alert, in deminer alerts and
as one line on standard output, which the system's journal takes.

Without a policy nothing is changed. deminer policy init writes the recommended one: it freezes
and blocks what is proven, and deminer undo takes that back.`,
		Example: "  deminer agent\n  deminer agent --policy ./policy.yaml",
		Args:    args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			if window > 0 {
				var stop context.CancelFunc
				ctx, stop = context.WithTimeout(ctx, window)
				defer stop()
			}
			left, err := leftOut(without)
			if err != nil {
				return err
			}
			return runAgent(ctx, cmd, f, file, left, false)
		},
	}
	c.Flags().StringVar(&file, "policy", policyFile, "do what the policy in `FILE` allows; without the file nothing is changed")
	spanVar(c, span{&window, 0, longestWatch}, "for", 0, "end after this `TIME` (default: when it is told to)")
	withoutVar(c, &without)
	return c
}

// resident is what the agent's parts share.
type resident struct {
	flags  *flags
	host   *host.Host
	again  bool // host was opened anew by look
	eyes   *live.Live
	rules  *match.Sources
	sought atomic.Pointer[match.Set] // the rules, and what the server has looked for beside them; nil: nothing
	store  *store
	policy *policyOf
	mu     sync.Mutex
	out    io.Writer
	beat   func()
	rest   rest
	hour   time.Time        // in which troubles were told
	told   map[string]bool  // which
	shared bool             // a server runs in the same process
	own    deminer.HostInfo // what does not change of host.Info, which looks replace
}

// info says which host this is.
func (r *resident) info() deminer.HostInfo { return r.own }

// runAgent watches until ctx ends. shared says that a server runs in the same process: then the agent's limits are not put in force, which are
// not meant for both.
func runAgent(ctx context.Context, cmd *cobra.Command, f *flags, file string, without []deminer.Sensor, shared bool) error {
	h, _, err := openHost(f)
	switch {
	case err != nil:
		return err
	case h.Info.Asleep():
		return fail(exitUsage, "deminer scan --root DIR looks at one that does not run", "an agent watches a running system: leave out --root")
	case !h.Info.Root:
		return fail(exitError, "run it as root", "the sensors of the kernel need root's rights")
	}
	r := &resident{flags: f, host: h, eyes: live.Open(), out: cmd.OutOrStdout(), shared: shared}
	defer r.eyes.Close()
	r.own = h.Info
	if r.store, err = openStore(f, true); err != nil {
		return err
	}
	defer r.store.close()
	lock, err := r.alone()
	if err != nil {
		return err
	}
	defer lock.Close()
	r.policy = residentPolicy(r.store, file)
	if _, err := os.Stat(file); cmd.Flags().Changed("policy") && errors.Is(err, fs.ErrNotExist) {
		r.say(false, "there is no policy "+file+": nothing is changed until there is one")
	}
	if err := r.store.arm(f, h); err != nil {
		return err
	}
	if r.rules, err = loadRules(f); err != nil {
		return err
	}
	book, err := r.book()
	if err != nil {
		return err
	}
	warnUnfinished(f, func(format string, a ...any) { r.say(true, fmt.Sprintf(format, a...)) })
	more, err := r.begin(ctx, book)
	if err != nil {
		return err
	}
	r.beat = more.notify.Beat
	s, at := sensors(ctx, h, agentKinds, without, more.guard.places())
	defer s.Close()
	unseen := lost(s.Facets())
	for _, line := range unseen {
		r.say(false, line)
	}
	defer more.tend(ctx, s.Check)()
	kept := &remember{past: more.past, usage: r.usage, drops: s.Drops, lost: map[deminer.EventKind]uint64{}}
	kept.begin(ctx, h.Live)
	r.say(false, "deminer "+version+" watches; "+r.policy.get().String())
	if err := more.notify.Ready("watching; " + r.policy.get().String()); err != nil {
		r.say(true, err.Error())
	}
	a := agent.New(agent.Options{Sensors: guarded{recorded{fed{s, more.refuse.feed}, more.past}, more.guard, more.back, more.refuse.began}, Rules: r.rules.Set, Look: r.look, Alerts: keptAlerts{book, more.past}, Beat: r.beat, Policy: r.policy.get, Run: r.run, Program: r.eyes.Exe,
		Digest: r.digest, Mechanisms: at.Mechanisms, Usage: kept.sample, UsedBy: r.eyes.UsedBy, Pace: pace, Pool: more.refuse.learn, CPU: cpuTime, Rest: r.rest.later, Say: r.say})
	err = errors.Join(r.stay(ctx, a, book, unseen), more.end())
	if f.json {
		err = errors.Join(err, f.write(cmd, a.Counts()))
	}
	if err != nil {
		return fail(exitError, "start it again; deminer doctor says which sensors work here", "watch: %w", err)
	}
	return nil
}

// stay runs the agent, and talks to the server of this host if it has one.
func (r *resident) stay(ctx context.Context, a *agent.Agent, book *alert.Book, unseen []string) error {
	leave, err := r.join(ctx, book, a, unseen)
	if err != nil {
		r.say(true, "no server is told anything: "+err.Error()) // watching goes on
		return a.Run(ctx)
	}
	defer leave()
	return a.Run(ctx)
}

// alone keeps a second agent away until the answer is closed.
func (r *resident) alone() (io.Closer, error) {
	lock, err := r.store.dir.OpenFile("agent.lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fail(exitError, "", "open the lock of the agent: %w", err)
	}
	if err := hands.Lock(lock); err != nil {
		lock.Close()
		return nil, fail(exitBusy, "one is enough", "another agent watches this host: %w", err)
	}
	return lock, nil
}

// book opens the alerts and puts damaged ones aside.
func (r *resident) book() (*alert.Book, error) {
	book, err := openAlerts(r.store)
	if err != nil {
		return nil, err
	}
	said, err := book.Tidy()
	for _, line := range said {
		r.say(true, line)
	}
	if err != nil {
		r.say(true, "the alerts could not be tidied: "+deminer.Safe(err.Error()))
	}
	if err := handOver(book); err != nil {
		r.trouble("read the alerts that an agent before left", err)
	}
	return book, nil
}

// handOver opens the alerts for which a plan ran when the agent before ended.
func handOver(book *alert.Book) error {
	list, err := book.List()
	for _, a := range list {
		if a.State == alert.Handling {
			_, failed := book.Set(a.ID, alert.Unhandled, "agent", "the agent ended while a plan for it ran: deminer doctor shows where it stands", time.Now())
			err = errors.Join(err, failed)
		}
	}
	return err
}

// look looks at the host with the rules that were loaded.
func (r *resident) look(ctx context.Context, opt scan.Options) (deminer.Report, error) {
	r.rest.busy(opt.Around == nil)
	opt.Version, opt.Sources = version, r.rules.Names()
	opt.Progress = func(scan.Stage) { r.beat() } // a look at the whole of a large host is no loop that hangs
	if own, err := r.store.runner.Written(); err == nil {
		opt.Written = own
	}
	if opt.Around == nil {
		h, _, err := openHost(r.flags) // packages are installed and removed while the agent runs
		if err != nil {
			return deminer.Report{}, err
		}
		h.Info.Self = r.host.Info.Self
		if r.again { // the first one others use, too
			if err := closeHost(r.host); err != nil {
				return deminer.Report{}, fmt.Errorf("close the host that was looked at before: %w", err)
			}
		}
		r.host, r.again = h, true
	}
	if near, ok := r.host.FS.(*host.Recent); ok {
		defer near.Forget() // what is held open keeps its file system from being unmounted
	}
	return scan.Run(ctx, r.host, r.set(), opt)
}

// run runs a plan that the policy allows.
func (r *resident) run(ctx context.Context, p deminer.Plan) error {
	return r.store.runner.Run(ctx, p, p.Digest(), nil)
}

func (r *resident) usage() []agent.Used {
	list := r.eyes.Usage()
	out := make([]agent.Used, len(list))
	for i, u := range list {
		out[i] = agent.Used{ID: u.ID, CPU: u.CPU}
	}
	return out
}

// maxDigest is how large a file may be whose SHA-256 an alert holds.
const maxDigest = 64 << 20

// digest gives the SHA-256 of what runs, or of what lies at the path.
func (r *resident) digest(t alert.Thing) string {
	var file host.File
	var err error
	switch {
	case t.Artifact.Kind == deminer.KindProcess:
		file, err = r.eyes.Exe(t.Artifact.Proc)
	case t.Artifact.Kind == deminer.KindFile || t.Artifact.Kind == deminer.KindLine:
		file, err = r.host.FS.Open(string(t.Path))
	default:
		return ""
	}
	if err != nil {
		return ""
	}
	defer file.Close()
	return contentSum(file, maxDigest)
}

// trouble says that something of the agent's own failed: the same once an hour.
func (r *resident) trouble(what string, err error) {
	line := deminer.Cut(fmt.Sprintf("%s: %v", what, err), 400)
	r.mu.Lock()
	if time.Since(r.hour) >= time.Hour || len(r.told) >= 100 {
		r.hour, r.told = time.Now(), map[string]bool{}
	}
	again := r.told[line]
	r.told[line] = true
	r.mu.Unlock()
	if !again {
		r.say(true, line)
	}
}

// say writes one line. The journal of the system takes the grave ones as such.
func (r *resident) say(grave bool, line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	mark := ""
	if os.Getenv("JOURNAL_STREAM") != "" {
		mark = map[bool]string{true: "<2>", false: "<5>"}[grave] // syslog's critical and notice, see sd-daemon(3)
	}
	fmt.Fprintf(r.out, "%s%s\n", mark, deminer.Safe(trimNewline(line)))
}
