package agent

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/alert"
	"github.com/deminer/deminer/internal/host"
	"github.com/deminer/deminer/internal/match"
	"github.com/deminer/deminer/internal/policy"
	"github.com/deminer/deminer/internal/scan"
	"github.com/deminer/deminer/rules"
)

var shipped = sync.OnceValues(func() (*match.Set, error) { return match.Load(rules.FS) })

// world is a host that has what the test says, and notes what the agent does to it.
type world struct {
	events chan deminer.Event
	mu     sync.Mutex
	looks  []scan.Options
	report func(scan.Options) deminer.Report
	plans  []deminer.Plan
	runErr error
	policy *policy.Policy
	said   []string
	used   []Used
	usedBy func(deminer.ProcID) (time.Duration, bool)
	cpu    time.Duration // that one look costs
	spent  time.Duration
	book   Alerts
	drops  uint64 // execs, besides three
}

func (w *world) Watch(ctx context.Context, see func(deminer.Event)) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case e := <-w.events:
			see(e)
		}
	}
}

func (w *world) Drops() map[deminer.EventKind]uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return map[deminer.EventKind]uint64{"exec": 3 + w.drops}
}

func (w *world) look(_ context.Context, o scan.Options) (deminer.Report, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.looks = append(w.looks, o)
	w.spent += w.cpu
	rep := w.report(o)
	rep.Snapshot.Taken = time.Now()
	rep.Snapshot.Host = deminer.HostInfo{ID: "h", OS: "linux", Source: "live", Root: true}
	return rep, nil
}

// around counts the looks that were not at the whole host.
func (w *world) around() (out []scan.Options) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, o := range w.looks {
		if o.Around != nil {
			out = append(out, o)
		}
	}
	return out
}

func (w *world) agent(t *testing.T) *Agent {
	set, err := shipped()
	if err != nil {
		t.Fatal(err)
	}
	return New(Options{Sensors: w, Rules: set, Look: w.look, Alerts: w.book, Policy: func() *policy.Policy { return w.policy },
		Run: func(_ context.Context, p deminer.Plan) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.plans = append(w.plans, p)
			return w.runErr
		},
		Program:    func(deminer.ProcID) (host.File, error) { return nil, fs.ErrNotExist },
		Digest:     func(alert.Thing) string { return "" },
		Mechanisms: func(string) []string { return []string{"cron"} },
		Usage: func() []Used {
			w.mu.Lock()
			defer w.mu.Unlock()
			return slices.Clone(w.used)
		},
		UsedBy: w.usedBy,
		CPU: func() time.Duration {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.spent
		},
		Say: func(_ bool, line string) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.said = append(w.said, line)
		}})
}

// ran gives the plans that were run, and heard what was said.
func (w *world) ran() []deminer.Plan {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.plans)
}

func (w *world) heard() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.said)
}

func newWorld(t *testing.T) *world {
	t.Helper()
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	w := &world{events: make(chan deminer.Event), policy: &policy.Policy{}, report: func(scan.Options) deminer.Report { return deminer.Report{} }}
	w.book = &alert.Book{Dir: root, Lock: func(*os.File) error { return nil }}
	return w
}

// running runs an agent in a bubble of its own time while the test does its part.
func running(t *testing.T, w *world, do func(*Agent)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w.events = make(chan deminer.Event)
		a := w.agent(t)
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- a.Run(ctx) }()
		synctest.Wait()
		do(a)
		stop()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	})
}

var miner = deminer.ProcID{PID: 100, Start: 7}

const login = `{"id":1,"jsonrpc":"2.0","method":"login","params":{"login":"worker","pass":"x","agent":"tester/1.0"}}` + "\n"

func flow(id deminer.ProcID, data string) deminer.Event {
	return deminer.Event{Kind: deminer.EventFlow, Time: time.Now(), Proc: id, Proto: "tcp", Local: "10.0.0.1:40000", Remote: "203.0.113.7:3333", Sent: true, Data: deminer.Raw(data)}
}

// mining is a report of a proven miner that runs.
func mining(id deminer.ProcID) deminer.Report {
	art := deminer.Artifact{Kind: deminer.KindProcess, Proc: id, Name: "worker"}
	freeze := deminer.Action{Verb: deminer.VerbFreeze, Target: art}
	block := deminer.Action{Verb: deminer.VerbBlock, Target: deminer.Artifact{Kind: deminer.KindAddress, Addr: "203.0.113.7:3333"}}
	kill := deminer.Action{Verb: deminer.VerbKill, Target: art}
	f := deminer.Finding{Detector: "stratum-flow", Topic: deminer.TopicMining, Tier: deminer.Proof, Class: deminer.ByNetwork, Title: "worker logs in to a mining pool", Why: []string{"the line"}, Subject: art}
	return deminer.Report{Findings: []deminer.Finding{f}, Incidents: []deminer.Incident{{ID: "AB12", Members: []deminer.Member{
		{Artifact: art, Role: deminer.RoleRuns, Grade: deminer.Convicted, Why: []string{"proof: " + f.Title}, Findings: []int{0}, Remove: []deminer.Action{freeze, block, kill}}}}},
		Snapshot: deminer.Snapshot{Processes: []deminer.Process{{ID: id, PPID: 1, Exe: "/opt/job/worker", Comm: "worker", Argv: []string{"/opt/job/worker"}, Own: deminer.Provenance{State: deminer.Unowned}}}}}
}

// recommended is the shipped policy.
func recommended(t *testing.T) *policy.Policy {
	t.Helper()
	p, err := policy.Parse([]byte(policy.Recommended), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (w *world) alerts(t *testing.T) []alert.Alert {
	t.Helper()
	list, err := w.book.List()
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestWatchOnly: without a policy a login on the wire is looked at at once, becomes one alert with its lineage, and nothing is
// changed.
func TestWatchOnly(t *testing.T) {
	w := newWorld(t)
	w.report = func(o scan.Options) deminer.Report {
		if o.Around != nil && len(o.Around.Seen) == 0 {
			t.Error("the look does not know what was seen")
		}
		return mining(miner)
	}
	running(t, w, func(*Agent) {
		begin := time.Now()
		w.events <- flow(miner, login)
		w.events <- flow(miner, login)
		synctest.Wait()
		if d := time.Since(begin); d != 0 {
			t.Errorf("looked after %s", d)
		}
		if got := w.around(); len(got) == 0 || !slices.Contains(got[0].Around.PIDs, miner.PID) {
			t.Errorf("looked around %+v", got)
		}
		time.Sleep(5 * time.Second)
	})
	list := w.alerts(t)
	if len(list) != 1 || list[0].State != alert.Unhandled || list[0].Grade != alert.Proof || list[0].Count < 2 || len(list[0].Lineage) != 1 {
		t.Errorf("alerts: %+v", list)
	}
	if len(w.ran()) > 0 {
		t.Errorf("without a policy a plan was run: %+v", w.ran()[0])
	}
	if n := len(slices.DeleteFunc(w.heard(), func(s string) bool { return !strings.HasPrefix(s, "alert ") })); n != 1 {
		t.Errorf("said %d times: %q", n, w.heard())
	}
}

// TestQuietEvents: what is ordinary is not looked at.
func TestQuietEvents(t *testing.T) {
	w := newWorld(t)
	running(t, w, func(a *Agent) {
		for _, e := range []deminer.Event{
			{Kind: deminer.EventExec, Proc: miner, Exe: "/usr/bin/ls", Argv: []deminer.Raw{"ls", "-l"}},
			{Kind: deminer.EventExec, Proc: miner, Exe: "/usr/bin/grep", Argv: []deminer.Raw{"grep", "-r", "stratum+tcp", "/etc"}},
			{Kind: deminer.EventConnect, Proc: miner, Proto: "tcp", Remote: "203.0.113.1:443"},
			{Kind: deminer.EventFlags, Proc: miner, Code: 0x80000},
			{Kind: deminer.EventPtrace, Proc: miner, Code: 7},
			flow(miner, "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"), flow(miner, `{"jsonrpc":"2.0","method":"chat.join","params":{"name":"a"}}`),
		} {
			w.events <- e
		}
		time.Sleep(time.Minute)
		if got := w.around(); len(got) > 0 {
			t.Errorf("looked around %+v", *got[0].Around)
		}
		if c := a.Counts(); c.Events[deminer.EventExec] != 2 || c.Dropped["exec"] != 3 || c.Whole != 1 {
			t.Errorf("counts: %+v", c)
		}
	})
}

// TestTriggers: each of these is looked at, where it happened.
func TestTriggers(t *testing.T) {
	other := deminer.ProcID{PID: 9, Start: 1}
	for name, list := range map[string][]deminer.Event{
		"memfd":        {{Kind: deminer.EventExec, Proc: miner, Memfd: true, Exe: "/memfd:x"}},
		"deleted":      {{Kind: deminer.EventExec, Proc: miner, Deleted: true, Exe: "/tmp/x"}},
		"known name":   {{Kind: deminer.EventExec, Proc: miner, Exe: "/tmp/xmrig"}},
		"command line": {{Kind: deminer.EventExec, Proc: miner, Exe: "/tmp/a", Argv: []deminer.Raw{"a", "-o", "stratum+tcp://pool.supportxmr.com:3333", "--donate-level=1", "-u", "x"}}},
		"web server":   {{Kind: deminer.EventExec, Proc: other, Exe: "/usr/sbin/nginx"}, {Kind: deminer.EventExec, Proc: miner, Parent: 9, Exe: "/usr/bin/curl", Argv: []deminer.Raw{"curl", "http://x"}}},
		"its fork":     {{Kind: deminer.EventExec, Proc: other, Exe: "/usr/sbin/nginx"}, {Kind: deminer.EventFork, Proc: deminer.ProcID{PID: 10}, Parent: 9}, {Kind: deminer.EventExec, Proc: miner, Parent: 10, Exe: "/bin/sh"}},
		"code":         {{Kind: deminer.EventAnonExec, Proc: miner}},
		"module":       {{Kind: deminer.EventModule, Proc: miner, Name: "x"}},
		"cover":        {{Kind: deminer.EventMount, Proc: miner, Path: "/proc/7"}},
		"tracing":      {{Kind: deminer.EventPtrace, Proc: miner, Code: 16, Target: 8}},
		"memory":       {{Kind: deminer.EventMemWrite, Proc: miner, Target: 8}},
		"immutable":    {{Kind: deminer.EventFlags, Proc: miner, Code: 0x10}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			running(t, w, func(*Agent) {
				for _, e := range list {
					w.events <- e
				}
				time.Sleep(10 * time.Second)
				if got := w.around(); len(got) != 1 || !slices.Contains(got[0].Around.PIDs, miner.PID) {
					t.Errorf("looks: %+v", got)
				}
			})
		})
	}
	w := newWorld(t)
	running(t, w, func(*Agent) {
		for range 50 { // an editor writes in many steps
			w.events <- deminer.Event{Kind: deminer.EventFile, Op: deminer.FileWritten, Path: "/etc/cron.d/x"}
		}
		time.Sleep(10 * time.Second)
		if got := w.around(); len(got) != 1 || !slices.Equal(got[0].Around.Files, []string{"/etc/cron.d/x"}) || !slices.Equal(got[0].Around.Mechanisms, []string{"cron"}) {
			t.Errorf("looks: %+v", got)
		}
	})
}

// TestPolicy: what is proven is frozen at the first look, blocked after one at the whole host, each once, and no more is done.
func TestPolicy(t *testing.T) {
	w := newWorld(t)
	w.policy = recommended(t)
	began := false
	w.report = func(o scan.Options) deminer.Report {
		if began = began || o.Around != nil; !began {
			return deminer.Report{}
		}
		return mining(miner)
	}
	running(t, w, func(*Agent) {
		w.events <- flow(miner, login)
		synctest.Wait()
		first := w.ran()
		if len(first) != 1 || len(first[0].Steps) != 1 || first[0].Steps[0].Action.Verb != deminer.VerbFreeze {
			t.Fatalf("at once: %+v", first)
		}
		time.Sleep(10 * time.Second)
		w.events <- flow(miner, login)
		time.Sleep(10 * time.Second)
		synctest.Wait()
	})
	if len(w.ran()) != 2 || len(w.ran()[1].Steps) != 1 || w.ran()[1].Steps[0].Action.Verb != deminer.VerbBlock || w.ran()[0].ID == w.ran()[1].ID {
		t.Errorf("in all: %+v", w.ran())
	}
	list := w.alerts(t)
	if len(list) != 1 || list[0].State != alert.Blocked || len(list[0].Deeds) != 2 || !strings.Contains(list[0].Reason, "deminer undo "+w.ran()[1].ID) {
		t.Errorf("alerts: %+v", list)
	}
}

// TestBlockAgain: a block that ended by itself is made again while the miner lives, and only then.
func TestBlockAgain(t *testing.T) {
	w := newWorld(t)
	w.policy = recommended(t)
	w.report = func(scan.Options) deminer.Report { return mining(miner) }
	blocks := func() (n int) {
		for _, p := range w.ran() {
			for _, s := range p.Steps {
				if s.Action.Verb == deminer.VerbBlock {
					n++
				}
			}
		}
		return n
	}
	running(t, w, func(*Agent) {
		time.Sleep(23 * time.Hour)
		if blocks() != 1 {
			t.Fatalf("%d blocks in 23 hours", blocks())
		}
		time.Sleep(2 * time.Hour)
		if blocks() != 2 {
			t.Errorf("%d blocks in 25 hours", blocks())
		}
		w.mu.Lock()
		w.report = func(scan.Options) deminer.Report { return deminer.Report{} }
		w.mu.Unlock()
		time.Sleep(48 * time.Hour)
		if blocks() != 2 {
			t.Errorf("%d blocks, though the miner is gone", blocks())
		}
	})
}

// TestFailedSteps: a step that failed is tried again, less and less often, whatever happens meanwhile.
func TestFailedSteps(t *testing.T) {
	w := newWorld(t)
	w.policy, w.runErr = recommended(t), errors.New("the network cannot be changed")
	w.report = func(scan.Options) deminer.Report { return mining(miner) }
	running(t, w, func(*Agent) {
		for range 6 * 60 {
			w.events <- flow(miner, login)
			time.Sleep(time.Minute)
		}
	})
	// After 1, 2, 4, 8, 16, 32 minutes, then every hour; what was tried around an event and what of the whole host, each in a plan.
	if n := len(w.ran()); n < 10 || n > 30 {
		t.Errorf("%d plans in six hours", n)
	}
}

// TestTroubles: the hundredth trouble does not silence the rest for ever.
func TestTroubles(t *testing.T) {
	w := newWorld(t)
	running(t, w, func(a *Agent) {
		for i := range 300 {
			a.trouble("part "+strings.Repeat("x", i), errors.New("broken"))
		}
		if n := len(w.heard()); n != maxSaid+1 {
			t.Errorf("%d lines", n)
		}
		time.Sleep(time.Hour)
		before := len(w.heard())
		a.trouble("part", errors.New("broken"))
		if len(w.heard()) != before+1 {
			t.Errorf("nothing is said an hour later")
		}
	})
}

// TestPace: under pressure samples are taken more slowly and regular looks wait; what an event asks for does not.
func TestPace(t *testing.T) {
	w := newWorld(t)
	var samples atomic.Int64
	var may atomic.Bool
	synctest.Test(t, func(t *testing.T) {
		w.events = make(chan deminer.Event)
		a := w.agent(t)
		a.opt.Usage = func() []Used { samples.Add(1); return nil }
		a.opt.Pace = func(time.Duration) (int, bool) { return 8, may.Load() }
		ctx, stop := context.WithCancel(context.Background())
		go a.Run(ctx)
		time.Sleep(8*time.Hour + time.Second)
		synctest.Wait()
		if c := a.Counts(); c.Whole != 1 || samples.Load() != 60 {
			t.Errorf("%d looks at the whole host and %d samples in eight hours", c.Whole, samples.Load())
		}
		w.events <- flow(miner, login)
		synctest.Wait()
		if c := a.Counts(); c.Looks != 1 {
			t.Errorf("%d looks around an event", c.Looks)
		}
		may.Store(true)
		time.Sleep(2 * time.Minute)
		if c := a.Counts(); c.Whole != 2 {
			t.Errorf("%d looks at the whole host after the pressure", c.Whole)
		}
		stop()
		synctest.Wait()
	})
}

// TestOwnersWord: what the owner ignores is never acted on; while another deminer works, it is tried again.
func TestOwnersWord(t *testing.T) {
	w := newWorld(t)
	w.policy, w.runErr = recommended(t), deminer.ErrBusy
	w.report = func(scan.Options) deminer.Report { return mining(miner) }
	running(t, w, func(*Agent) {
		time.Sleep(10 * time.Second)
		list := w.alerts(t)
		if len(list) != 1 || list[0].State != alert.Unhandled {
			t.Fatalf("while another one works: %+v", list)
		}
		before := len(w.ran())
		time.Sleep(2 * time.Minute)
		if len(w.ran()) <= before {
			t.Error("it was not tried again")
		}
		if _, err := w.book.Set(list[0].ID, alert.Ignored, "me", "mine", time.Now()); err != nil {
			t.Fatal(err)
		}
		before = len(w.ran())
		w.events <- flow(miner, login)
		time.Sleep(5 * time.Minute)
		if len(w.ran()) != before {
			t.Errorf("acted on though ignored: %+v", w.ran()[before:])
		}
	})
}

// TestCloses: an alert closes by itself when its thing is gone, not while its process lives on and says nothing.
func TestCloses(t *testing.T) {
	w := newWorld(t)
	var stage atomic.Int32
	w.report = func(o scan.Options) deminer.Report {
		rep := mining(miner)
		if stage.Load() > 0 {
			rep.Incidents, rep.Findings = nil, nil
		}
		if stage.Load() > 1 {
			rep.Snapshot.Processes = nil
		}
		return rep
	}
	running(t, w, func(*Agent) {
		time.Sleep(time.Minute)
		for want := 1; want <= 2; want++ {
			stage.Store(int32(want))
			time.Sleep(7 * time.Hour) // looks at the whole host come every six
			list := w.alerts(t)
			if state := map[int]alert.State{1: alert.Unhandled, 2: alert.Handled}[want]; len(list) != 1 || list[0].State != state {
				t.Errorf("stage %d: %+v", want, list)
			}
		}
	})
}

// TestClockSetBack: what was seen before the clock was set back closes all the same, and the name of a pool is not remembered for longer.
func TestClockSetBack(t *testing.T) {
	w := newWorld(t)
	running(t, w, func(a *Agent) {
		if _, _, err := w.book.See(alert.Sighting{Key: "file:/opt/gone", Grade: alert.Proof, Topics: []deminer.Topic{deminer.TopicMining}, Title: "x", Time: time.Now().Add(72 * time.Hour)}); err != nil {
			t.Fatal(err)
		}
		addr := netip.MustParseAddr("203.0.113.9")
		a.heard.mu.Lock()
		a.heard.learn(addr, deminer.Event{Time: time.Now().Add(72 * time.Hour)})
		a.heard.mu.Unlock()
		if !a.heard.pool(addr) {
			t.Error("a pool is not known")
		}
		time.Sleep(7 * time.Hour)
		if list := w.alerts(t); len(list) != 1 || list[0].State != alert.Handled {
			t.Errorf("%+v", list)
		}
		if a.heard.pool(addr) {
			t.Error("a pool is known for hours")
		}
	})
}

// TestToldStays: what happened is not closed by a look that does not see it.
func TestToldStays(t *testing.T) {
	w := newWorld(t)
	running(t, w, func(*Agent) {
		if _, _, err := w.book.See(alert.Sighting{Key: alert.Told + "host|x", Grade: alert.Suspected, Topics: []deminer.Topic{deminer.TopicTamper}, Title: "x", Time: time.Now()}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(7 * time.Hour)
		if list := w.alerts(t); len(list) != 1 || list[0].State != alert.Unhandled {
			t.Errorf("%+v", list)
		}
	})
}

// fullDisk keeps nothing until it is told to.
type fullDisk struct {
	Alerts
	full atomic.Bool
}

func (d *fullDisk) See(s alert.Sighting) (alert.Alert, bool, error) {
	if d.full.Load() {
		return alert.Alert{}, false, errors.New("no space left on device")
	}
	return d.Alerts.See(s)
}

// TestFullDisk: what cannot be kept is told all the same, acted on all the same, and kept when there is room.
func TestFullDisk(t *testing.T) {
	w := newWorld(t)
	disk := &fullDisk{Alerts: w.book}
	disk.full.Store(true)
	w.book, w.policy = disk, recommended(t)
	w.report = func(o scan.Options) deminer.Report {
		if o.Around == nil {
			return deminer.Report{}
		}
		return mining(miner)
	}
	running(t, w, func(*Agent) {
		w.events <- flow(miner, login)
		time.Sleep(10 * time.Second)
		if !slices.ContainsFunc(w.heard(), func(s string) bool { return strings.HasPrefix(s, "alert (not kept)") }) || len(w.ran()) != 1 {
			t.Errorf("said %q, %d plans", w.heard(), len(w.ran()))
		}
		disk.full.Store(false)
		time.Sleep(2 * time.Minute)
		if list := w.alerts(t); len(list) != 1 || list[0].Grade != alert.Proof {
			t.Errorf("kept: %+v", list)
		}
	})
}

// TestFlood: triggers without end cost what the budget allows; what has no room is counted, and a login to a pool is still looked
// at at once.
func TestFlood(t *testing.T) {
	w := newWorld(t)
	w.cpu = time.Second
	running(t, w, func(a *Agent) {
		for i := range 5000 {
			w.events <- deminer.Event{Kind: deminer.EventMemWrite, Proc: deminer.ProcID{PID: 1000 + i, Start: 1}}
		}
		time.Sleep(10 * time.Minute)
		looks := len(w.around())
		// Ten seconds are saved, ten minutes give thirty more; the last look may end in debt.
		if looks == 0 || looks > 42 {
			t.Errorf("%d looks of a second each in ten minutes", looks)
		}
		if c := a.Counts(); c.Late == 0 {
			t.Error("nothing was counted as late")
		}
		begin := time.Now()
		w.events <- flow(miner, login)
		synctest.Wait()
		if got := w.around(); len(got) == looks || time.Since(begin) != 0 || !slices.Contains(got[len(got)-1].Around.PIDs, miner.PID) {
			t.Error("a login to a pool had to wait")
		}
	})
}

// TestSampler: who burns the processor without a pause is looked at, and less and less often.
func TestSampler(t *testing.T) {
	w := newWorld(t)
	running(t, w, func(*Agent) {
		for range 180 {
			w.mu.Lock()
			for _, id := range []int{100, 200} { // one of 0.9 cores, one of 0.1
				i := slices.IndexFunc(w.used, func(u Used) bool { return u.ID.PID == id })
				if i < 0 {
					w.used = append(w.used, Used{ID: deminer.ProcID{PID: id, Start: 7}})
					continue
				}
				w.used[i].CPU += map[int]time.Duration{100: 54 * time.Second, 200: 6 * time.Second}[id]
			}
			w.mu.Unlock()
			time.Sleep(time.Minute)
		}
		got := w.around()
		if len(got) < 2 || len(got) > 6 {
			t.Errorf("%d looks in three hours", len(got))
		}
		for _, o := range got {
			if !slices.Equal(o.Around.PIDs, []int{100}) || o.Window < time.Second {
				t.Errorf("looked around %+v", o)
			}
		}
	})
}

// TestPoolName: a connection to what the DNS gave for a pool is looked at with both events, whoever asked.
func TestPoolName(t *testing.T) {
	answer := "\x00\x07\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00\x04pool\x0asupportxmr\x03com\x00\x00\x01\x00\x01\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xcb\x00\x71\x08"
	w := newWorld(t)
	running(t, w, func(*Agent) {
		w.events <- deminer.Event{Kind: deminer.EventDNS, Time: time.Now(), Proc: deminer.ProcID{PID: 5}, Data: deminer.Raw(answer)}
		w.events <- deminer.Event{Kind: deminer.EventConnect, Time: time.Now(), Proc: miner, Proto: "tcp", Remote: "203.0.113.8:443"}
		synctest.Wait()
		got := w.around()
		if len(got) != 1 || !slices.ContainsFunc(got[0].Around.Seen, func(e deminer.Event) bool { return e.Kind == deminer.EventDNS }) {
			t.Errorf("looks: %+v", got)
		}
	})
}

// TestManyPools: the newest addresses of pools are known however many there were, and are told with their end.
func TestManyPools(t *testing.T) {
	h := newHearing()
	begin := time.Now()
	addr := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{203, 0, byte(i >> 8), byte(i)}) }
	for i := range 3 * maxPools {
		h.learn(addr(i), deminer.Event{Time: begin.Add(time.Duration(i) * time.Millisecond)})
	}
	if len(h.pools) != maxPools || h.pool(addr(0)) || !h.pool(addr(3*maxPools-1)) || !h.pool(addr(2*maxPools)) {
		t.Errorf("%d pools", len(h.pools))
	}
}

// TestTitle: an alert is named by what proves it, not by what was found first.
func TestTitle(t *testing.T) {
	rep := mining(miner)
	weak := deminer.Finding{Detector: "odd-place", Topic: deminer.TopicBackdoor, Tier: deminer.Strong, Title: "an odd place", Subject: rep.Findings[0].Subject}
	rep.Findings = append([]deminer.Finding{weak}, rep.Findings...)
	rep.Incidents[0].Members[0].Findings = []int{0, 1}
	got := sightings(&rep)
	if len(got) != 1 || got[0].sight.Title != rep.Findings[1].Title || len(got[0].sight.Topics) != 2 {
		t.Errorf("%+v", got)
	}
}
