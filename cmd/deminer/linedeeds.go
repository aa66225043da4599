package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/agent"
	"github.com/deminer/deminer/internal/alert"
	"github.com/deminer/deminer/internal/host"
	"github.com/deminer/deminer/internal/link"
	"github.com/deminer/deminer/internal/match"
	"github.com/deminer/deminer/internal/plan"
	"github.com/deminer/deminer/internal/policy"
	"github.com/deminer/deminer/internal/remedy"
	"github.com/deminer/deminer/internal/scan"
)

// deeds lends the link what the commands of the same names do.
func (l *line) deeds() link.Deeds {
	return link.Deeds{Scan: l.scan, Plan: l.plan, Run: l.runPlan, Undo: l.undo, Fate: l.fate, Block: l.block, Restore: l.restore, Delete: l.delete,
		State: l.setState, Allow: l.allow, Policy: l.setPolicy, Vault: l.vault, Blocks: l.blocks}
}

// look looks at the host anew, beside the agent's own looks.
func (l *line) look(ctx context.Context, opt scan.Options) (*deminer.Report, error) {
	f := l.r.flags
	h, gaps, err := openHost(f) // packages are installed and removed while the agent runs
	if err != nil {
		return nil, err
	}
	defer closeHost(h)
	h.Info.Self = l.self
	opt.Progress = func(scan.Stage) {}
	defer func() { // what a full look is given does not stay
		if os.Getenv("GOGC") == "" {
			debug.SetGCPercent(garbage)
		}
		debug.FreeOSMemory()
	}()
	return lookAt(ctx, f, h, append(gaps, l.r.rules.Gaps...), &match.Sources{Set: l.r.set(), Of: l.r.rules.Of, Gaps: l.r.rules.Gaps}, opt, func() {})
}

func (l *line) scan(ctx context.Context, o deminer.ScanOrder) (deminer.Report, error) {
	if err := l.seek(o.Look); err != nil {
		return deminer.Report{}, err
	}
	opt := scan.Options{Window: scan.DefaultWindow}
	switch scan.Mode(o.Mode) {
	case scan.Quick, scan.Full:
		opt.Mode = scan.Mode(o.Mode)
	case scan.Paths:
		opt.Mode = scan.Paths
		for _, p := range o.Paths[:min(len(o.Paths), 100)] {
			if !filepath.IsAbs(string(p)) || len(p) > 4096 {
				return deminer.Report{}, fmt.Errorf("%q is no absolute path", deminer.Cut(deminer.Safe(string(p)), 100))
			}
			opt.Paths = append(opt.Paths, filepath.Clean(string(p)))
		}
		if len(opt.Paths) == 0 {
			return deminer.Report{}, errors.New("a scan of paths names none")
		}
	default:
		return deminer.Report{}, fmt.Errorf("there is no scan %q", deminer.Cut(deminer.Safe(o.Mode), 20))
	}
	rep, err := l.look(ctx, opt)
	if err != nil {
		return deminer.Report{}, err
	}
	if opt.Mode != scan.Paths {
		l.agent.Found(*rep)
	}
	return *rep, nil
}

// phasesOf are the steps that a choice asks for; nil: all.
func phasesOf(h deminer.Handling) ([]deminer.Phase, error) {
	switch h {
	case deminer.HandleTerminate:
		return []deminer.Phase{deminer.PhaseFreeze, deminer.PhaseKill}, nil
	case deminer.HandleQuarantine:
		return []deminer.Phase{deminer.PhaseFreeze, deminer.PhaseKill, deminer.PhaseQuarantine}, nil
	case deminer.HandleBlock:
		return []deminer.Phase{deminer.PhaseBlock}, nil
	case deminer.HandleDeep:
		return nil, nil
	}
	return nil, fmt.Errorf("there is no way to handle an alert that is called %q", deminer.Cut(deminer.Safe(string(h)), 20))
}

// plan looks anew and plans what would end the things of alerts, or all that is convicted.
func (l *line) plan(ctx context.Context, o deminer.PlanOrder) (deminer.Plan, error) {
	phases, err := phasesOf(o.Handling)
	if err != nil {
		return deminer.Plan{}, err
	}
	if len(o.Alerts) == 0 && o.Handling != deminer.HandleDeep {
		return deminer.Plan{}, errors.New("no alert was named")
	}
	keys := map[string]bool{}
	for _, id := range o.Alerts {
		a, err := l.book.Get(id)
		if err != nil {
			return deminer.Plan{}, err
		}
		keys[a.Key] = true
	}
	rep, err := l.look(ctx, scan.Options{Window: scan.DefaultWindow})
	if err != nil {
		return deminer.Plan{}, err
	}
	l.agent.Found(*rep)
	opt := choice(rep, o, keys)
	if len(keys) > 0 && len(opt.Incidents) == 0 {
		return deminer.Plan{}, errors.New("what the alert speaks of is not there any more: looked at the whole host just now")
	}
	opt.Phases, opt.BlockFor = phases, min(max(0, time.Duration(o.For)), remedy.LongestBlock)
	p := plan.Make(rep, opt, time.Now())
	l.keepLine(ctx, &p)
	return p, nil
}

// choice narrows a plan to the things of alerts; keys are theirs. Deep and block mean all of their incidents: what runs is silenced by the
// addresses that belong to it, and comes back through the rest.
func choice(rep *deminer.Report, o deminer.PlanOrder, keys map[string]bool) (opt plan.Options) {
	refs := map[string]bool{}
	for key, list := range agent.Members(rep) {
		for _, ref := range list {
			refs[ref] = keys[key]
		}
	}
	for _, inc := range rep.Incidents {
		meant := false
		for _, m := range inc.Members {
			ref := m.Artifact.Ref()
			switch {
			case refs[ref]:
				meant = true
				opt.Also = append(opt.Also, ref) // a person decided about what was only suspected
			case o.Handling != deminer.HandleDeep && o.Handling != deminer.HandleBlock:
				opt.Skip = append(opt.Skip, ref)
			}
		}
		if meant {
			opt.Incidents = append(opt.Incidents, inc.ID)
		}
	}
	return opt
}

// busyFor is how long a change waits for another deminer that changes this host.
const busyFor = 2 * time.Minute

// patient tries again while another deminer is at work.
func patient(ctx context.Context, do func() error) error {
	for end := time.Now().Add(busyFor); ; {
		err := do()
		if !errors.Is(err, deminer.ErrBusy) || time.Now().After(end) || ctx.Err() != nil {
			return err
		}
		pause(ctx, busyPause)
	}
}

func (l *line) runPlan(ctx context.Context, p deminer.Plan, by string, tell func(deminer.Record)) (string, error) {
	if err := plan.Check(p); err != nil { // it was kept on disk meanwhile
		return "", err
	}
	if info := l.r.info(); p.Host.ID != info.ID || p.Host.Source != info.Source {
		return "", fmt.Errorf("%w: it was made for another host", deminer.ErrNotApproved)
	}
	ids := l.alertsOf(&p)
	for _, id := range ids {
		l.note(l.book.Set(id, alert.Handling, by, "plan "+p.ID+" runs", time.Now()))
	}
	err := patient(ctx, func() error { return l.r.store.runner.Run(ctx, p, p.Digest(), tell) })
	if errors.Is(err, context.Canceled) {
		return "", err
	}
	state, why := alert.Handled, fmt.Sprintf("plan %s of %d steps was run; undo takes it back", p.ID, len(p.Steps))
	if !slices.ContainsFunc(p.Steps, func(s deminer.Step) bool { return s.Phase != deminer.PhaseBlock && s.Phase != deminer.PhaseFreeze }) {
		state = alert.Blocked
	}
	if err != nil {
		state, why = alert.Unhandled, fmt.Sprintf("plan %s did not wholly succeed: %s", p.ID, deminer.Cut(strings.Join(lines(err), "; "), 300))
	}
	for _, id := range ids {
		l.note(l.book.Did(id, alert.Deed{Time: time.Now().UTC(), What: why, Plan: p.ID}))
		l.note(l.book.Set(id, state, by, why, time.Now()))
	}
	l.agent.LookSoon()
	return fmt.Sprintf("%d steps", len(p.Steps)), err
}

func (l *line) note(_ alert.Alert, err error) {
	if err != nil {
		l.r.trouble("note what was done", err)
	}
}

// alertsOf are the alerts about what a plan acts on.
func (l *line) alertsOf(p *deminer.Plan) (out []string) {
	refs := map[string]bool{}
	for _, s := range p.Steps {
		refs[s.Action.Target.Ref()] = true
		for _, ref := range s.For {
			refs[ref] = true
		}
		if s.Expect.Exe != "" {
			refs[deminer.Artifact{Kind: deminer.KindFile, Path: deminer.Raw(s.Expect.Exe)}.Ref()] = true
		}
	}
	list, err := l.book.List()
	if err != nil {
		l.r.trouble("read the alerts", err)
	}
	for _, a := range list {
		t := &a.Thing
		file := deminer.Artifact{Kind: deminer.KindFile, Path: t.Path}.Ref()
		if a.State.Open() && (refs[t.Artifact.Ref()] || t.Path != "" && refs[file]) {
			out = append(out, a.ID)
		}
	}
	return out
}

func (l *line) undo(ctx context.Context, id, by string, tell func(deminer.Record)) (string, error) {
	err := patient(ctx, func() error { return l.r.store.runner.Undo(ctx, id, tell) })
	var hard []error
	final := 0
	for _, one := range parts(err) {
		if errors.Is(one, deminer.ErrIrreversible) {
			final++
		} else {
			hard = append(hard, one)
		}
	}
	list, bad := l.book.List()
	if bad != nil {
		l.r.trouble("read the alerts", bad)
	}
	for _, a := range list {
		if len(hard) == 0 && slices.ContainsFunc(a.Deeds, func(d alert.Deed) bool { return d.Plan == id }) && (a.State == alert.Handled || a.State == alert.Blocked) {
			l.note(l.book.Set(a.ID, alert.Unhandled, by, "plan "+id+" was taken back", time.Now()))
		}
	}
	l.agent.LookSoon()
	if final > 0 {
		return fmt.Sprintf("taken back, but for %d steps that cannot be: a killed process stays dead", final), errors.Join(hard...)
	}
	return "taken back", errors.Join(hard...)
}

func (l *line) fate(id string) (link.Fate, error) {
	ids, err := l.r.store.runner.Journal.Plans()
	if err != nil || !slices.Contains(ids, id) {
		return link.Fate{}, err
	}
	st, err := l.r.store.runner.Status(id)
	f := link.Fate{Known: true, Interrupted: st.Interrupted, Undoing: st.Undoing, Failed: st.Failed, Records: st.Records}
	if st.Undoing {
		f.Failed = st.Kept
	}
	return f, err
}

// block drops what is sent to an address, by a plan of its own that is journaled like any, or lifts that.
func (l *line) block(ctx context.Context, o deminer.BlockOrder) (string, error) {
	if o.Lift {
		b, err := remedy.ParseBlock(strings.TrimPrefix(o.What, "cgroup "))
		if err != nil {
			return "", err
		}
		if err := patient(ctx, func() error { return l.r.store.runner.Lift(b) }); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return "", fmt.Errorf("%s is not blocked here", b)
			}
			return "", err
		}
		return b.String() + " is not blocked any more", nil
	}
	addrs, err := addressesOf(ctx, o.What)
	if err != nil {
		return "", err
	}
	long := min(max(time.Duration(o.For), 0), remedy.LongestBlock)
	p := deminer.Plan{Version: "1", Host: l.r.info(), Made: time.Now().UTC(), Incidents: []string{}, Purpose: deminer.ForBlock}
	for _, a := range addrs {
		if why := l.spared(ctx, a.Addr()); why != "" {
			return "", fmt.Errorf("%w: %s %s", deminer.ErrProtected, a.Addr(), why)
		}
		text := a.String()
		if a.Port() == 0 {
			text = a.Addr().String()
		}
		s := deminer.Step{ID: fmt.Sprintf("s%02d", len(p.Steps)+1), Phase: deminer.PhaseBlock, Undo: true, Why: []string{"somebody asked for it: " + deminer.Cut(deminer.Safe(o.What), 100)},
			Action: deminer.Action{Verb: deminer.VerbBlock, Target: deminer.Artifact{Kind: deminer.KindAddress, Addr: text}, Args: map[string]deminer.Raw{}}}
		if long > 0 {
			s.Action.Args["for"] = deminer.Raw(long.String())
		}
		if o.Keep {
			s.Action.Args["keep"] = "yes"
		}
		p.Steps = append(p.Steps, s)
	}
	var b [2]byte
	rand.Read(b[:]) // never fails, see crypto/rand
	p.ID = p.Made.Format("20060102-150405-") + hex.EncodeToString(b[:])
	if err := patient(ctx, func() error { return l.r.store.runner.Run(ctx, p, p.Digest(), nil) }); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d addresses of %s are blocked; undo of plan %s lifts that", len(addrs), deminer.Cut(deminer.Safe(o.What), 100), p.ID), nil
}

// addressesOf gives the addresses of what is to be blocked: one, with or without a port, or those of a name.
func addressesOf(ctx context.Context, what string) (out []netip.AddrPort, err error) {
	if a, err := remedy.ParseBlockAddr(what); err == nil {
		return []netip.AddrPort{a}, nil
	}
	if len(what) > 253 || strings.ContainsAny(what, "/ :") || what == "" {
		return nil, fmt.Errorf("%q is no address, address:port or name", deminer.Cut(deminer.Safe(what), 60))
	}
	ctx, stop := context.WithTimeout(ctx, 10*time.Second)
	defer stop()
	list, err := net.DefaultResolver.LookupNetIP(ctx, "ip", what)
	if err != nil {
		return nil, fmt.Errorf("the addresses of %q: %w", deminer.Cut(deminer.Safe(what), 60), err)
	}
	const most = 64
	for _, a := range list[:min(len(list), most)] {
		if port := netip.AddrPortFrom(a.Unmap(), 0); !slices.Contains(out, port) {
			out = append(out, port)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%q has no address", deminer.Cut(deminer.Safe(what), 60))
	}
	return out, nil
}

func (l *line) restore(ctx context.Context, id string) (string, error) {
	e, err := entryOf(l.r.store, id)
	if err != nil {
		return "", err
	}
	to := ""
	err = patient(ctx, func() (err error) { to, err = l.r.store.runner.Restore(e.ID, ""); return err })
	return "restored " + deminer.Safe(to), err
}

func (l *line) delete(ctx context.Context, id string) (string, error) {
	e, err := entryOf(l.r.store, id)
	if err != nil {
		return "", err
	}
	return "deleted " + e.ID, patient(ctx, func() error { return l.r.store.runner.Delete(e.ID) })
}

func (l *line) setState(o deminer.StateOrder, by string) (string, error) {
	to := alert.State(o.State)
	if to != alert.Unhandled && to != alert.Handled && to != alert.Ignored {
		return "", fmt.Errorf("a person sets an alert to %s, %s or %s", alert.Unhandled, alert.Handled, alert.Ignored)
	}
	a, err := l.book.Get(o.Alert)
	if err == nil {
		_, err = l.book.Set(a.ID, to, by, o.Why, time.Now())
	}
	return "alert " + a.ID + " is " + string(to), err
}

func (l *line) allow(o deminer.AllowOrder, by string) (string, error) {
	e := policy.Entry{SHA256: o.SHA256, Path: o.Path, Unit: o.Unit, Container: o.Container, User: o.User, Reason: o.Reason, Expires: o.Expires.UTC().Truncate(time.Second)}
	if err := allow(l.r.store, l.book, e); err != nil {
		return "", err
	}
	until := e.Expires.Format(time.DateOnly)
	if o.Alert != "" {
		a, err := l.book.Get(o.Alert)
		if err == nil {
			_, err = l.book.Set(a.ID, alert.Whitelisted, by, "allowed until "+until+": "+o.Reason, time.Now())
		}
		if err != nil {
			return "", err
		}
	}
	return "allowed until " + until, nil
}

// setPolicy puts a policy in the place of the one in force, which the agent takes up by itself. One that is wrong changes nothing.
func (l *line) setPolicy(o deminer.PolicyOrder, _ string) (string, error) {
	name := l.r.policy.file
	if o.Text == "" {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("take the policy away: %w", plainly(err))
		}
		return "no policy: nothing is changed without asking", nil
	}
	if len(o.Text) > policy.MaxFile {
		return "", fmt.Errorf("a policy has at most %d bytes", policy.MaxFile)
	}
	p, err := policy.Parse([]byte(o.Text), time.Now())
	if err != nil {
		return "", err
	}
	if err := writeWhole(name, []byte(o.Text)); err != nil {
		return "", fmt.Errorf("write the policy: %w", plainly(err))
	}
	return deminer.Safe(p.String()), nil
}

// writeWhole puts a file of mode 0600 in the place of another one: after a crash there is the old one or the new one.
func writeWhole(name string, text []byte) error {
	dir := filepath.Dir(name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	out, err := os.CreateTemp(dir, ".deminer-*")
	if err != nil {
		return err
	}
	if _, err = out.Write(text); err == nil {
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close()); err == nil {
		err = os.Rename(out.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(out.Name()))
	}
	return nil
}

func (l *line) vault() (out []deminer.Kept, err error) {
	list, err := l.r.store.vault.List()
	for _, e := range list { // what cannot be believed is left out, and told by deminer quarantine list
		out = append(out, deminer.Kept{ID: e.ID, Path: e.Path, SHA256: e.SHA256, Size: e.Size, Time: e.Added, Plan: e.Plan})
	}
	if len(out) > 0 {
		err = nil
	}
	return out, err
}

func (l *line) blocks() (out []deminer.Blocked, err error) {
	var list []host.Block
	if list, err = l.r.store.runner.Blocks(); err != nil {
		return nil, err
	}
	for _, b := range list {
		out = append(out, deminer.Blocked{What: b.String(), Expires: b.Until.UTC().Round(time.Second)})
	}
	slices.SortFunc(out, func(a, b deminer.Blocked) int { return strings.Compare(a.What, b.What) })
	return out, nil
}
