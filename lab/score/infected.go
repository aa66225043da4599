//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/deminer/deminer/lab/agenthost"
	"github.com/deminer/deminer/lab/host"
	"github.com/deminer/deminer/lab/manifest"
	"github.com/deminer/deminer/lab/scenario"
)

// settle is how long an infection runs before deminer looks: long enough for logins
// to the pool, shares and CPU time to be seen.
const settle = 8 * time.Second

// result is what was measured of one scenario.
type result struct {
	Name     string        `json:"name"`
	Tally    tally         `json:"tally"`
	Verdict  string        `json:"verdict"`
	Steps    int           `json:"steps"`
	Planned  string        `json:"planned,omitempty"` // id of the saved plan that clean ran
	Refused  []string      `json:"refused,omitempty"`
	Left     []string      `json:"left,omitempty"`     // artefacts after clean
	Remains  []string      `json:"remains,omitempty"`  // names that were not there before the infection
	Business []string      `json:"business,omitempty"` // names of the owner that are not as before
	Returned []string      `json:"returned,omitempty"` // artefacts after a reboot and a wait
	Undo     []string      `json:"undo,omitempty"`     // differences after undo
	DirTimes int           `json:"dir_times"`          // directories with another time after undo
	Detect   time.Duration `json:"detect"`
	Contain  time.Duration `json:"contain"` // from the start of clean until no infected process runs
	Clean    time.Duration `json:"clean"`   // from the start of clean until no artefact was left when it ended, without the watch
	CPU      time.Duration `json:"cpu"`     // of the scan
	RSS      int64         `json:"rss_kib"` // of the scan
	Codes    []int         `json:"codes"`   // exit codes of scan, plan, clean, undo
	Said     []string      `json:"said,omitempty"`
	Err      string        `json:"error,omitempty"` // the run stopped here
}

// lab is what all runs share.
type lab struct {
	tools   scenario.Tools
	deminer string
	watch   time.Duration
	wait    time.Duration // after the reboot
	dir     string        // where full reports are kept; "" = nowhere
}

func (l lab) infected(ctx context.Context, name string) (res result) {
	res.Name = name
	h, err := host.Create(ctx, host.Base)
	if err == nil {
		err = l.onInfected(ctx, h, &res)
		err = errors.Join(err, h.Destroy())
	}
	if err != nil {
		res.Err = err.Error()
	}
	return res
}

// boot brings a host with deminer on it up.
func (l lab) boot(ctx context.Context, h *host.Host) error {
	if err := h.Boot(ctx); err != nil {
		return err
	}
	if err := h.CopyFileIn(ctx, l.deminer, program, 0o755); err != nil {
		return err
	}
	return pause(ctx, 2*time.Second)
}

func (l lab) onInfected(ctx context.Context, h *host.Host, res *result) error {
	s, err := scenario.Load(res.Name)
	if err != nil {
		return err
	}
	if err := l.boot(ctx, h); err != nil {
		return err
	}
	if s.Before != "" {
		if _, err := h.Shell(ctx, s.Before); err != nil {
			return fmt.Errorf("the owner's work: %w", err)
		}
	}
	before, err := h.Snapshot(nil)
	if err != nil {
		return err
	}
	data := rows(ctx, h)
	if err := scenario.Infect(ctx, h, s, l.tools); err != nil {
		return fmt.Errorf("infect: %w", err)
	}
	if err := pause(ctx, settle); err != nil {
		return err
	}
	running := alive(h, s.Alive)
	if len(s.Alive) > 0 && len(running) < len(s.Alive) {
		return fmt.Errorf("of the owner's processes %q only %v run", s.Alive, running)
	}
	infected, err := h.Snapshot(before)
	if err != nil {
		return err
	}
	all := artefacts(h, s, before)
	if missing := absent(h, all, infected); len(missing) > 0 {
		return fmt.Errorf("the infection is not whole: %q", missing)
	}
	if err := l.detect(ctx, h, all, s.Planned, res); err != nil {
		return err
	}
	cleaned, err := l.clean(ctx, h, all, infected, res)
	if err != nil {
		return err
	}
	res.Business, res.Remains = changes(before, cleaned)
	res.Business = append(res.Business, died(running, alive(h, s.Alive))...)
	if now := rows(ctx, h); now != data {
		res.Business = append(res.Business, "rows of PostgreSQL or keys of Redis")
	}
	return l.after(ctx, h, all, infected, res)
}

// detect scans and plans. With planned the plan is saved, and it is the one that is run.
func (l lab) detect(ctx context.Context, h *host.Host, all []planted, planned bool, res *result) error {
	r, m, err := look(ctx, h)
	l.keep(res.Name, "scan.json", m.Out)
	if err != nil {
		return err
	}
	res.Tally, res.Verdict = count(all, r), string(r.Verdict)
	res.Detect, res.CPU, res.RSS, res.Codes = m.Wall, m.CPU, m.RSS, append(res.Codes, m.Code)
	p, m, err := think(ctx, h, planned)
	l.keep(res.Name, "plan.json", m.Out)
	if err != nil {
		return err
	}
	res.Steps, res.Codes = len(p.Steps), append(res.Codes, m.Code)
	if planned {
		res.Planned = p.ID
	}
	for _, x := range p.Refused {
		res.Refused = append(res.Refused, x.Artifact.String()+": "+x.Why)
	}
	return nil
}

// clean cleans while the harness watches from outside.
func (l lab) clean(ctx context.Context, h *host.Host, all []planted, infected manifest.Tree, res *result) (manifest.Tree, error) {
	begin := time.Now()
	watching, stop := context.WithCancel(ctx)
	contained := make(chan time.Duration, 1)
	go func() { contained <- watchContain(watching, h, all, begin) }()
	args := []string{"clean", "--yes", "--watch", l.watch.String(), "--json", "--quiet"}
	if res.Planned != "" {
		args = append(args, "--plan", savedPlan)
	}
	m, err := call(ctx, h, patience+l.watch, args...)
	stop()
	res.Contain = <-contained
	var said struct {
		Plan struct {
			ID string `json:"id"`
		} `json:"plan"`
		Proof struct {
			Watched time.Duration `json:"watched"`
			Back    []string      `json:"back"`
		} `json:"proof"`
	}
	if json.NewDecoder(strings.NewReader(m.Out)).Decode(&said) == nil {
		res.Returned = append(res.Returned, said.Proof.Back...) // what deminer itself says came back counts, true or not
	}
	res.Clean, res.Codes = m.Wall-said.Proof.Watched, append(res.Codes, m.Code)
	l.keep(res.Name, "clean.json", m.Out+"\n"+m.Error)
	if m.Error != "" {
		res.Said = append(res.Said, "clean: "+m.Error)
	}
	if err != nil {
		return nil, err
	}
	if res.Planned != "" && said.Plan.ID != res.Planned {
		return nil, fmt.Errorf("clean ran plan %q, not the saved one, %q", said.Plan.ID, res.Planned)
	}
	tree, err := h.Snapshot(infected)
	if err == nil {
		res.Left = still(h, all, tree)
	}
	return tree, err
}

// after reboots, waits for what may come back, and undoes.
func (l lab) after(ctx context.Context, h *host.Host, all []planted, infected manifest.Tree, res *result) error {
	if err := h.Reboot(ctx); err != nil {
		return fmt.Errorf("reboot: %w", err)
	}
	if err := pause(ctx, l.wait); err != nil {
		return err
	}
	tree, err := h.Snapshot(infected)
	if err != nil {
		return err
	}
	for _, a := range still(h, all, tree) {
		if !contains(res.Left, a) {
			res.Returned = append(res.Returned, a)
		}
	}
	m, err := call(ctx, h, patience, "undo", "--yes", "--quiet")
	res.Codes = append(res.Codes, m.Code)
	if m.Error != "" {
		res.Said = append(res.Said, "undo: "+m.Error)
	}
	if err != nil {
		return err
	}
	if tree, err = h.Snapshot(infected); err != nil {
		return err
	}
	for _, c := range manifest.Diff(infected, tree, manifest.Exact) {
		res.Undo = append(res.Undo, c.String())
	}
	res.DirTimes = len(manifest.Diff(infected, tree, manifest.Everything)) - len(res.Undo)
	return nil
}

// artefacts lists what was planted, with the processes that are there now.
func artefacts(h *host.Host, s scenario.Scenario, before manifest.Tree) []planted {
	var all []planted
	running := h.Processes()
	for _, st := range s.Steps {
		if !st.Artefact() {
			continue
		}
		p := planted{Step: st}
		if st.Kind == scenario.File {
			p.was = before[usr(st.Path)].SHA256
		}
		for _, q := range running {
			if st.Comm != "" && q.Comm == st.Comm {
				p.pids = append(p.pids, q.Inner)
			}
		}
		all = append(all, p)
	}
	return all
}

func absent(h *host.Host, all []planted, tree manifest.Tree) []string {
	have := still(h, all, tree)
	var out []string
	for _, p := range all {
		if !contains(have, p.String()) {
			out = append(out, p.String())
		}
	}
	return out
}

// changes splits what is not as before the infection: the owner's names that differ
// or are gone, and names that are new.
func changes(before, now manifest.Tree) (business, remains []string) {
	for _, c := range manifest.Diff(before, now, manifest.Bytes) {
		if _, ok := before[c.Name]; ok {
			business = append(business, c.String())
		} else {
			remains = append(remains, c.String())
		}
	}
	return business, remains
}

// watchContain returns when, since begin, none of the infected processes used CPU any
// more and none came back in the next two seconds; 0 when that never was so.
func watchContain(ctx context.Context, h *host.Host, all []planted, begin time.Time) time.Duration {
	var quiet time.Time
	last := map[int]uint64{}
	for {
		busy, now := false, map[int]uint64{}
		for _, q := range h.Processes() {
			for _, p := range all {
				if p.Kind == scenario.Process && p.Comm == q.Comm {
					now[q.PID] = q.Ticks
					if was, seen := last[q.PID]; !seen || was != q.Ticks {
						busy = true
					}
				}
			}
		}
		last = now
		switch {
		case busy:
			quiet = time.Time{}
		case quiet.IsZero():
			quiet = time.Now()
		case time.Since(quiet) > 2*time.Second:
			return quiet.Sub(begin)
		}
		if pause(ctx, 150*time.Millisecond) != nil {
			return 0
		}
	}
}

// rows sums up the data of the owner's databases.
func rows(ctx context.Context, h *host.Host) string {
	r, err := h.Shell(ctx, `cd /; runuser -u postgres -- psql -qAt shop -c 'copy (select * from orders order by id) to stdout' | /usr/bin/sha256sum
for i in 1 2 3 4 5 6 7 8 9; do redis-cli get "cart:$i"; done`)
	if err != nil {
		return err.Error()
	}
	return r.Stdout
}

// keep saves a full report for whoever wants to know why a figure is what it is.
func (l lab) keep(scenario, name, text string) {
	if l.dir != "" {
		_ = os.WriteFile(filepath.Join(l.dir, scenario+"-"+name), []byte(text), 0o644)
	}
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

func pause(ctx context.Context, d time.Duration) error { return agenthost.Pause(ctx, d) }
