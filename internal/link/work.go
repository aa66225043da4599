package link

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/state"
	"github.com/deminer/deminer/internal/trust"
)

// Limits of orders and plans that are kept.
const (
	maxOrders = 100
	maxPlans  = 50
	maxRan    = 500            // plans that were begun: they can be taken back
	planLife  = 24 * time.Hour // a plan that is older is not run any more: the host is another one by then
	maxKept   = 16 << 20
	ending    = ".json"
)

// Fate is where a plan stands in the journal of the host.
type Fate struct {
	Known       bool // it was begun once
	Interrupted bool // the last thing begun has not ended
	Undoing     bool // that is an undo
	Failed      int  // steps that failed, or could not be taken back
	Records     []deminer.Record
}

// Deeds are what an agent can do, lent by the program. Each is called by one goroutine at a time, Scan beside the others. Texts are one safe
// line that says what was done.
type Deeds struct {
	Scan func(context.Context, deminer.ScanOrder) (deminer.Report, error)
	Plan func(context.Context, deminer.PlanOrder) (deminer.Plan, error)
	// Run and Undo tell each step as it ends. They join what failed.
	Run  func(ctx context.Context, p deminer.Plan, by string, tell func(deminer.Record)) (string, error)
	Undo func(ctx context.Context, plan, by string, tell func(deminer.Record)) (string, error)
	// Fate reads the journal of a plan.
	Fate    func(plan string) (Fate, error)
	Block   func(context.Context, deminer.BlockOrder) (string, error)
	Restore func(ctx context.Context, id string) (string, error)
	Delete  func(ctx context.Context, id string) (string, error)
	State   func(o deminer.StateOrder, by string) (string, error)
	Allow   func(o deminer.AllowOrder, by string) (string, error)
	Policy  func(o deminer.PolicyOrder, by string) (string, error)
	Vault   func() ([]deminer.Kept, error)
	Blocks  func() ([]deminer.Blocked, error)
}

// kept is an order on disk, from when it was taken until the server will know how it ended.
type keptOrder struct {
	Wire  []byte    `json:"wire"`
	Begun time.Time `json:"begun,omitzero"`
	Done  string    `json:"done"` // id of the message that will tell how it ended: told twice, it counts once
}

// keptPlan is a plan that was made for an order. It can be run once.
type keptPlan struct {
	Plan  deminer.Plan `json:"plan"`
	Order string       `json:"order"`
}

// job is an order that is to be carried out.
type job struct {
	order deminer.Order
	kept  keptOrder
}

// work takes orders and carries them out.
type work struct {
	link *Link
	dir  *os.Root

	mu    sync.Mutex
	count int
	lanes map[bool]chan job // true: scans, which change nothing and may take long
	left  []job             // of before the agent ended
}

// openWork reads which orders were taken and not ended.
func openWork(l *Link, dir *os.Root) (*work, error) {
	w := &work{link: l, dir: dir, lanes: map[bool]chan job{true: make(chan job, maxOrders), false: make(chan job, maxOrders)}}
	all, err := fs.ReadDir(dir.FS(), ".")
	if err != nil {
		return nil, fmt.Errorf("read the orders: %w", err)
	}
	for _, e := range all {
		id, ok := strings.CutSuffix(e.Name(), ending)
		if !ok || !deminer.IsID(id) {
			continue
		}
		one, err := w.read(id)
		if passing(err) {
			l.opt.Say(true, "an order that was taken before cannot be read now and waits until the agent is started anew: "+deminer.Safe(err.Error()))
			continue
		}
		if err != nil {
			l.opt.Say(true, "an order that was taken before cannot be read and is dropped: "+deminer.Safe(err.Error()))
			w.forget(id)
			continue
		}
		w.left = append(w.left, one)
	}
	slices.SortFunc(w.left, func(a, b job) int { return a.order.Made.Compare(b.order.Made) })
	w.left = w.left[:min(len(w.left), maxOrders)]
	w.count = len(w.left)
	return w, nil
}

func (w *work) read(id string) (j job, err error) {
	text, err := state.Read(w.dir, id+ending, 4*deminer.MaxMessage)
	if err == nil {
		err = json.Unmarshal(text, &j.kept)
	}
	if err != nil {
		return j, err
	}
	// Checked as if it came now: if the agent ended before its id was kept, that is done by it.
	if j.order, err = w.link.opt.Check.Check(j.kept.Wire, nil); err != nil && !errors.Is(err, trust.ErrSeen) {
		return j, err
	}
	if j.order.ID != id || !deminer.IsID(j.kept.Done) {
		return j, errors.New("it is not what was written")
	}
	return j, nil
}

// take takes note of an order: it is on disk before the answer goes out.
func (w *work) take(wire []byte) deminer.Reply {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.count >= maxOrders {
		return deminer.Reply{Why: fmt.Sprintf("%d orders wait already", w.count), Again: true}
	}
	j := job{kept: keptOrder{Wire: wire, Done: deminer.NewID(w.link.opt.Now())}}
	kept := false
	order, err := w.link.opt.Check.Check(wire, func(o deminer.Order) (err error) {
		j.order = o
		err = w.keep(j)
		kept = err == nil
		return err
	})
	switch {
	case errors.Is(err, trust.ErrSeen):
		w.link.opt.Say(false, "an order came again and is not carried out again: "+order.ID)
		return deminer.Reply{OK: true, Why: "it was taken before and is not carried out again"}
	case err != nil && j.order.ID != "": // it is one, and the disk is at fault
		if kept {
			w.forget(j.order.ID)
		}
		w.link.opt.Say(true, "an order could not be kept: "+deminer.Safe(err.Error()))
		return deminer.Reply{Why: "the agent could not keep it: " + deminer.Cut(deminer.Safe(err.Error()), 200), Again: true}
	case err != nil:
		w.link.opt.Say(true, deminer.Cut("an order was refused: "+deminer.Safe(err.Error()), 400))
		return deminer.Reply{Why: deminer.Cut(deminer.Safe(err.Error()), 300)}
	}
	w.count++
	w.link.opt.Say(false, deminer.Cut(fmt.Sprintf("order %s of %s: %s", j.order.ID, deminer.Safe(j.order.By), j.order.Kind), 300))
	w.lanes[j.order.Kind == deminer.OrderScan] <- j
	return deminer.Reply{OK: true}
}

func (w *work) keep(j job) error {
	text, err := json.Marshal(j.kept)
	if err != nil {
		return err
	}
	return state.Replace(w.dir, j.order.ID+ending, text)
}

func (w *work) forget(id string) {
	if err := w.dir.Remove(id + ending); err != nil && !errors.Is(err, fs.ErrNotExist) {
		w.link.opt.Say(true, "forget an order: "+deminer.Safe(err.Error()))
	}
}

// run carries out orders until ctx ends.
func (w *work) run(ctx context.Context) {
	for _, j := range w.left {
		w.resume(ctx, j)
	}
	w.left = nil
	var wait sync.WaitGroup
	for _, lane := range w.lanes {
		wait.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case j := <-lane:
					w.do(ctx, j)
				}
			}
		})
	}
	wait.Wait()
}

// resume tells what became of an order of before the agent ended. One that was not begun is carried out now.
func (w *work) resume(ctx context.Context, j job) {
	if j.kept.Begun.IsZero() {
		if w.link.opt.Now().Before(j.order.Expires) {
			w.lanes[j.order.Kind == deminer.OrderScan] <- j
			return
		}
		w.end(ctx, j, deminer.Done{Text: "the agent was away until it had expired; nothing was done"})
		return
	}
	if j.order.Run == nil {
		w.end(ctx, j, deminer.Done{Text: "the agent ended in the middle of it; ask for it again"})
		return
	}
	done := deminer.Done{Plan: j.order.Run.Plan}
	f, err := w.link.opt.Deeds.Fate(done.Plan)
	undo := j.order.Kind == deminer.OrderUndo
	for _, r := range f.Records {
		w.record(j.order.ID, r)
	}
	switch {
	case err != nil:
		done.Text = "the agent ended in the middle of it, and its journal cannot be read: " + deminer.Cut(deminer.Safe(err.Error()), 300)
	case !f.Known, undo && !f.Undoing:
		done.Text = "the agent ended before it had begun; nothing was done"
	case f.Interrupted:
		done.Text = "the agent ended in the middle of it; undo takes back what was done, deminer resume on the host goes on"
	case f.Failed > 0:
		done.Text = fmt.Sprintf("%d steps failed", f.Failed)
	default:
		done.OK, done.Text = true, "done, before the agent was started anew"
	}
	w.end(ctx, j, done)
}

// do carries out one order.
func (w *work) do(ctx context.Context, j job) {
	if !w.link.opt.Now().Before(j.order.Expires.Add(time.Hour)) { // it waited behind others; clocks may differ
		w.end(ctx, j, deminer.Done{Text: "it had expired before its turn came; nothing was done"})
		return
	}
	j.kept.Begun = w.link.opt.Now().UTC()
	if err := w.keep(j); err != nil { // without it a crash would not show that it was begun
		w.end(ctx, j, deminer.Done{Text: "the agent could not keep it; nothing was done: " + deminer.Cut(deminer.Safe(err.Error()), 200)})
		return
	}
	done, err := w.carry(ctx, j.order)
	if err != nil {
		done.OK = false
		done.Text = deminer.Cut(deminer.Safe(strings.ReplaceAll(err.Error(), "\n", "; ")), 600)
	}
	if ctx.Err() != nil && err != nil { // the agent ends: the next one tells what became of it
		return
	}
	w.end(ctx, j, done)
	w.link.Changed()
}

// end tells how an order ended and forgets it. As long as that cannot be kept, it is tried again.
func (w *work) end(ctx context.Context, j job, done deminer.Done) {
	done.Text = deminer.Cut(deminer.Safe(done.Text), 1000)
	for wait := firstPause; ; wait = min(2*wait, lastPause) {
		err := w.link.tell(j.kept.Done, deminer.MessageDone, j.order.ID, done)
		if err == nil {
			break
		}
		w.link.opt.Say(true, "tell how an order ended: "+deminer.Safe(err.Error()))
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
	w.forget(j.order.ID)
	w.mu.Lock()
	w.count--
	w.mu.Unlock()
	w.link.opt.Say(!done.OK, deminer.Cut(fmt.Sprintf("order %s (%s) ended: %s", j.order.ID, j.order.Kind, done.Text), 500))
}

func (w *work) carry(ctx context.Context, o deminer.Order) (done deminer.Done, err error) {
	d := &w.link.opt.Deeds
	done.OK = true
	switch o.Kind {
	case deminer.OrderScan:
		var rep deminer.Report
		if rep, err = d.Scan(ctx, *o.Scan); err == nil {
			done.Text = "looked: " + string(rep.Verdict)
			err = w.link.Tell(deminer.MessageReport, o.ID, rep)
		}
	case deminer.OrderPlan:
		return w.plan(ctx, o)
	case deminer.OrderRun, deminer.OrderUndo:
		return w.runPlan(ctx, o)
	case deminer.OrderBlock:
		done.Text, err = d.Block(ctx, *o.Block)
	case deminer.OrderRestore:
		done.Text, err = d.Restore(ctx, o.Vault)
	case deminer.OrderDelete:
		done.Text, err = d.Delete(ctx, o.Vault)
	case deminer.OrderState:
		done.Text, err = d.State(*o.State, o.By)
	case deminer.OrderAllow:
		done.Text, err = d.Allow(*o.Allow, o.By)
	case deminer.OrderPolicy:
		done.Text, err = d.Policy(*o.Policy, o.By)
	default:
		err = fmt.Errorf("this version of deminer has no order %q", o.Kind)
	}
	return done, err
}

// plan makes a plan, keeps it, and tells it.
func (w *work) plan(ctx context.Context, o deminer.Order) (done deminer.Done, err error) {
	p, err := w.link.opt.Deeds.Plan(ctx, *o.Plan)
	if err != nil {
		return done, err
	}
	done = deminer.Done{OK: true, Plan: p.ID, Text: fmt.Sprintf("a plan of %d steps", len(p.Steps))}
	if err := w.keepPlan(keptPlan{p, o.ID}); err != nil {
		return done, fmt.Errorf("keep the plan: %w", err)
	}
	return done, w.link.Tell(deminer.MessagePlan, o.ID, p)
}

// planName is the file of a plan: an id from the wire is never part of a path.
func planName(id string) string {
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:16]) + ending
}

// ran begins the name of the file of a plan that was begun.
const ran = "ran-"

func (w *work) keepPlan(k keptPlan) error {
	text, err := json.Marshal(k)
	if err != nil {
		return err
	}
	if len(text) > maxKept {
		return fmt.Errorf("it has %d bytes, at most %d", len(text), maxKept)
	}
	if err := w.tidyPlans(); err != nil {
		return err
	}
	return state.Replace(w.link.plans, planName(k.Plan.ID), text)
}

// tidyPlans takes away the oldest of too many plans. Those that were begun do not give way to those that were only looked at.
func (w *work) tidyPlans() error {
	all, err := fs.ReadDir(w.link.plans.FS(), ".")
	if err != nil {
		return err
	}
	made := func(e fs.DirEntry) time.Time {
		if st, err := e.Info(); err == nil {
			return st.ModTime()
		}
		return time.Time{}
	}
	slices.SortFunc(all, func(a, b fs.DirEntry) int { return made(a).Compare(made(b)) })
	for _, begun := range []bool{false, true} {
		limit := maxPlans
		if begun {
			limit = maxRan
		}
		list := slices.DeleteFunc(slices.Clone(all), func(e fs.DirEntry) bool { return strings.HasPrefix(e.Name(), ran) != begun })
		for _, e := range list[:max(0, len(list)-limit+1)] {
			if err := w.link.plans.Remove(e.Name()); err != nil {
				return err
			}
		}
	}
	return nil
}

// approved gives the plan of an order, if this agent made it and its content is the one that was signed.
func (w *work) approved(o *deminer.RunOrder) (deminer.Plan, error) {
	text, err := state.Read(w.link.plans, planName(o.Plan), maxKept)
	if errors.Is(err, fs.ErrNotExist) {
		text, err = state.Read(w.link.plans, ran+planName(o.Plan), maxKept)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return deminer.Plan{}, fmt.Errorf("%w: this agent made no plan %q for its server, or too long ago", deminer.ErrNotApproved, deminer.Cut(o.Plan, 60))
	}
	var k keptPlan
	if err == nil {
		err = json.Unmarshal(text, &k)
	}
	if err != nil {
		return k.Plan, fmt.Errorf("read the plan: %w", err)
	}
	if k.Plan.ID != o.Plan || o.Digest == "" || k.Plan.Digest() != o.Digest {
		return k.Plan, fmt.Errorf("%w: what was approved is not what this agent planned", deminer.ErrNotApproved)
	}
	return k.Plan, nil
}

func (w *work) runPlan(ctx context.Context, o deminer.Order) (done deminer.Done, err error) {
	done = deminer.Done{OK: true, Plan: o.Run.Plan}
	p, err := w.approved(o.Run)
	if err != nil {
		return done, err
	}
	if o.Kind == deminer.OrderUndo {
		tell, told := w.recorder(o.ID)
		defer told()
		done.Text, err = w.link.opt.Deeds.Undo(ctx, p.ID, o.By, tell)
		return done, err
	}
	switch age := w.link.opt.Now().Sub(p.Made); {
	case age > planLife:
		return done, fmt.Errorf("%w: the plan is %s old; make a new one", deminer.ErrChanged, age.Round(time.Minute))
	case len(p.Steps) == 0:
		return done, errors.New("the plan has no steps")
	}
	f, err := w.link.opt.Deeds.Fate(p.ID)
	if err != nil {
		return done, fmt.Errorf("read the journal: %w", err)
	}
	if f.Known {
		return done, fmt.Errorf("%w: the plan was run here before", fs.ErrExist)
	}
	if err := w.link.plans.Rename(planName(p.ID), ran+planName(p.ID)); err != nil && !errors.Is(err, fs.ErrNotExist) { // it was begun, and that failed
		return done, fmt.Errorf("note that the plan is begun; nothing was done: %w", err)
	}
	tell, told := w.recorder(o.ID)
	defer told()
	done.Text, err = w.link.opt.Deeds.Run(ctx, p, o.By, tell)
	return done, err
}

// recorder tells steps beside the run, which must not wait for it; told waits until all are.
func (w *work) recorder(order string) (tell func(deminer.Record), told func()) {
	list, end := make(chan deminer.Record, 1000), make(chan struct{})
	go func() {
		defer close(end)
		for r := range list {
			w.record(order, r)
		}
	}()
	return func(r deminer.Record) { list <- r }, func() { close(list); <-end }
}

// record tells a line of the journal. It bears an id that is made of it: told again after a crash, it counts once. What cannot be told now is
// in the journal, and the end of the order says how it went.
func (w *work) record(order string, r deminer.Record) {
	r.Body, r.Undo = nil, nil
	sum := sha256.Sum256(fmt.Appendf(nil, "record\x00%s\x00%d", r.Plan, r.Seq))
	if err := w.link.tell(hex.EncodeToString(sum[:16]), deminer.MessageRecord, order, deminer.PlanRecord{Plan: r.Plan, Record: r}); err != nil {
		w.link.opt.Say(true, "tell a step: "+deminer.Safe(err.Error()))
	}
}
