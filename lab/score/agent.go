//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/alert"
	"github.com/deminer/deminer/internal/policy"
	"github.com/deminer/deminer/lab/agenthost"
	"github.com/deminer/deminer/lab/host"
	"github.com/deminer/deminer/lab/scenario"
)

// Limits of a run with the agent on the host.
const (
	stepLimit = 12 * time.Second // of one step of an infection that may be refused
	calm      = 6 * time.Second  // without processor time of any miner: it is stopped
	atMost    = 2 * time.Minute  // after the last step: what is not stopped by then is told so
	newsEnd   = 15 * time.Second // without a word from the agent: it has seen what there is
)

// act is something that the agent did, or first said, while a scenario ran.
type act struct {
	What  string        `json:"what"`
	Step  string        `json:"step"`  // the last one that had begun
	After time.Duration `json:"after"` // since that step began
}

// caught is what the agent did about one scenario.
type caught struct {
	Name   string         `json:"name"`
	First  *act           `json:"first,omitempty"` // alert of grade strong or proof
	Stop   *act           `json:"stop,omitempty"`  // the first deed
	Deeds  map[string]int `json:"deeds"`
	Failed int            `json:"failed"` // steps that the intruder could not do
	Ran    time.Duration  `json:"ran"`    // from the first miner process until none used the processor any more; 0: none ran
	Never  bool           `json:"never"`  // some used it to the end
	CPU    time.Duration  `json:"cpu"`    // of all miners together
	Logins int            `json:"logins"` // that the pool answered
	// What a scan convicts after the same scenario with an agent that changes nothing, and what that agent convicted.
	Both     int      `json:"both"`
	Scan     []string `json:"scan,omitempty"`  // only the scan
	Agent    []string `json:"agent,omitempty"` // only the agent
	Incident bool     `json:"incident"`        // each convicts in one incident, or the scan in as many
	Err      string   `json:"error,omitempty"`
}

// watched runs a scenario twice on hosts with the agent on: with the recommended policy, and without one.
func (l lab) watched(ctx context.Context, name string) (c caught) {
	c.Name, c.Deeds = name, map[string]int{}
	s, err := scenario.Load(name)
	if err == nil {
		err = errors.Join(l.withAgent(ctx, s, policy.Recommended, func(h *host.Host) error { return l.defended(ctx, h, s, &c) }),
			l.withAgent(ctx, s, "", func(h *host.Host) error { return l.observed(ctx, h, s, &c) }))
	}
	if err != nil {
		c.Err = err.Error()
	}
	return c
}

// withAgent gives a booted host with the agent watching; rules is its policy.
func (l lab) withAgent(ctx context.Context, s scenario.Scenario, rules string, run func(*host.Host) error) error {
	h, err := host.Create(ctx, host.Base)
	if err != nil {
		return err
	}
	if err = l.boot(ctx, h); err == nil && s.Before != "" {
		_, err = h.Shell(ctx, s.Before)
	}
	if err == nil {
		err = agenthost.Start(ctx, h, rules)
	}
	if err == nil {
		err = run(h)
	}
	kind := map[bool]string{true: "defended", false: "observed"}[rules != ""]
	l.keep(s.Name, kind+".log", agenthost.Said(h))
	return errors.Join(err, h.Destroy())
}

// defended infects a host whose agent acts.
func (l lab) defended(ctx context.Context, h *host.Host, s scenario.Scenario, c *caught) error {
	watching, stop := context.WithCancel(ctx)
	ran := make(chan miners, 1)
	steps, quiet := make(chan struct{}), make(chan struct{})
	go func() { ran <- watchMiners(watching, h, s, steps, quiet) }()
	var begun []time.Time
	err := scenario.Attempt(ctx, h, s, l.tools, stepLimit, func(i int, at time.Time, err error) {
		begun = append(begun, at)
		if err != nil {
			c.Failed++
		}
	})
	close(steps)
	select {
	case <-ctx.Done():
	case <-time.After(atMost):
	case <-quiet:
	}
	stop()
	m := <-ran
	c.Ran, c.Never, c.CPU = m.span(), m.busy, m.cpu
	if err != nil {
		return err
	}
	list, err := alerts(ctx, h)
	if err != nil {
		return err
	}
	b, _ := json.MarshalIndent(list, "", " ")
	l.keep(s.Name, "defended.json", string(b))
	c.acts(s, begun, list)
	text, err := h.EndPool("pool.log")
	if _, end, ok := strings.Cut(text, "logins "); err == nil && ok {
		_, err = fmt.Sscan(end, &c.Logins)
	}
	return err
}

// alerts asks deminer for all of them.
func alerts(ctx context.Context, h *host.Host) (list []alert.Alert, err error) {
	m, err := call(ctx, h, patience, "alerts", "list", "--all", "--json")
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal([]byte(m.Out), &list); err != nil {
		return nil, fmt.Errorf("alerts ended with %d: %w: %s", m.Code, err, m.Error)
	}
	return list, nil
}

// acts takes from the alerts what came first and counts the deeds.
func (c *caught) acts(s scenario.Scenario, begun []time.Time, list []alert.Alert) {
	var first, stop time.Time
	at := func(when time.Time, what string) *act {
		a := &act{What: what}
		for i, b := range begun {
			if !b.After(when) {
				a.Step, a.After = fmt.Sprintf("%d of %d: %s", i+1, len(s.Steps), s.Steps[i]), when.Sub(b)
			}
		}
		return a
	}
	plans := map[string]bool{} // one is noted at each alert that it is for
	for _, one := range list {
		if one.Grade != alert.Suspected && (first.IsZero() || one.First.Before(first)) {
			first, c.First = one.First, at(one.First, one.Title)
		}
		for _, d := range one.Deeds {
			what := deed(&one, d.What)
			if d.Plan == "" || !plans[d.Plan] {
				c.Deeds[what]++
			}
			if plans[d.Plan] = true; what != failedDeed && (stop.IsZero() || d.Time.Before(stop)) {
				stop, c.Stop = d.Time, at(d.Time, what)
			}
		}
	}
}

// failedDeed is what could not be done.
const failedDeed = "failed"

// deed puts what was done into few words. The policy refuses programs and logins.
func deed(one *alert.Alert, what string) string {
	switch {
	case strings.HasPrefix(what, "refused") && strings.HasPrefix(one.Key, alert.Told):
		return "program refused"
	case strings.HasPrefix(what, "refused"):
		return "login refused"
	case strings.HasPrefix(what, "not wholly contained"), strings.HasPrefix(what, "another deminer"):
		return failedDeed
	}
	var verbs []string
	for _, v := range []deminer.Verb{deminer.VerbFreeze, deminer.VerbBlock} {
		if strings.Contains(what, string(v)+" ") {
			verbs = append(verbs, string(v))
		}
	}
	if len(verbs) == 0 {
		return "other: " + deminer.Cut(what, 60)
	}
	return strings.Join(verbs, " and ")
}

// observed infects a host whose agent changes nothing, and scans it when the agent has nothing more to say.
func (l lab) observed(ctx context.Context, h *host.Host, s scenario.Scenario, c *caught) error {
	if err := scenario.Infect(ctx, h, s, l.tools); err != nil {
		return err
	}
	if err := errors.Join(pause(ctx, settle), agenthost.Quiet(ctx, h, newsEnd, atMost)); err != nil {
		return err
	}
	list, err := alerts(ctx, h)
	if err != nil {
		return err
	}
	programs := map[int]string{}
	for _, p := range h.Processes() {
		programs[p.Inner] = p.Exe
	}
	r, m, err := look(ctx, h)
	l.keep(s.Name, "observed-scan.json", m.Out)
	if err != nil {
		return err
	}
	b, _ := json.MarshalIndent(list, "", " ")
	l.keep(s.Name, "observed.json", string(b))
	c.compare(list, r, programs)
	return nil
}

// compare holds what the agent convicted against what the scan did.
func (c *caught) compare(list []alert.Alert, r deminer.Report, programs map[int]string) {
	agent, scan := map[string]bool{}, map[string]bool{}
	ofAgent, ofScan := map[string]bool{}, map[string]bool{}
	for _, one := range list {
		if one.Grade == alert.Suspected || !one.State.Open() || strings.HasPrefix(one.Key, alert.Told) {
			continue
		}
		agent[thing(one.Thing.Artifact, string(one.Thing.Path))] = true
		ofAgent[one.Incident] = true
	}
	for _, inc := range r.Incidents {
		for _, m := range inc.Members {
			if m.Grade == deminer.Convicted && m.Artifact.Kind != deminer.KindListener && m.Artifact.Kind != deminer.KindHost {
				scan[thing(m.Artifact, programs[m.Artifact.Proc.PID])] = true
				ofScan[inc.ID] = true
			}
		}
	}
	for key := range scan {
		if agent[key] {
			c.Both++
			continue
		}
		c.Scan = append(c.Scan, key)
	}
	for key := range agent {
		if !scan[key] {
			c.Agent = append(c.Agent, key)
		}
	}
	slices.Sort(c.Scan)
	slices.Sort(c.Agent)
	c.Incident = len(ofAgent) == len(ofScan)
}

// thing names what is convicted: a process that has a program with a file is the same thing as that.
func thing(a deminer.Artifact, exe string) string {
	exe = strings.TrimSuffix(exe, " (deleted)")
	if a.Kind == deminer.KindProcess && !strings.HasPrefix(exe, "/memfd:") {
		exe = usr(exe)
	} else {
		exe = ""
	}
	if a.Kind == deminer.KindFile {
		a.Path = deminer.Raw(usr(string(a.Path)))
	}
	return alert.KeyOf(a, exe, "")
}
