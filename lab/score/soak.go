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

	"github.com/deminer/deminer/internal/alert"
	"github.com/deminer/deminer/internal/policy"
	"github.com/deminer/deminer/lab/agenthost"
	"github.com/deminer/deminer/lab/benign"
	"github.com/deminer/deminer/lab/host"
)

// soaked is what the agent did on one benign host while its loads ran.
type soaked struct {
	Loads   []string      `json:"loads"`
	Ran     time.Duration `json:"ran"` // with all loads
	Deeds   []string      `json:"deeds,omitempty"`
	Proof   []string      `json:"proof,omitempty"`
	Strong  []string      `json:"strong,omitempty"`
	Suspect []string      `json:"suspect,omitempty"`
	Absent  []string      `json:"absent,omitempty"` // loads that did not run all the time
	CPU     float64       `json:"cpu"`              // of the agent, cores
	RSS     int64         `json:"rss_kib"`
	Err     string        `json:"error,omitempty"`
}

// soak runs loads, so many together on a host, with the agent on and the recommended policy.
func (l lab) soak(ctx context.Context, o options, say func(string, ...any)) (out []soaked) {
	var loads []benign.Load
	for _, one := range benign.Loads() {
		if o.loads == "all" || slices.ContainsFunc(strings.Split(o.loads, ","), func(part string) bool { return strings.Contains(one.Name, part) }) {
			loads = append(loads, one)
		}
	}
	groups := slices.Collect(slices.Chunk(loads, max(1, o.together)))
	out = make([]soaked, len(groups))
	each(ctx, len(groups), o.parallel, func(i int) {
		for _, one := range groups[i] {
			out[i].Loads = append(out[i].Loads, one.Name)
		}
		if err := l.soakHost(ctx, groups[i], o, &out[i]); err != nil {
			out[i].Err = err.Error()
		}
		say("%s: ran %s, deeds %d, proof %d, strong %d, suspect %d, %.3f cores %s", strings.Join(out[i].Loads, " + "), out[i].Ran.Round(time.Second), len(out[i].Deeds), len(out[i].Proof), len(out[i].Strong), len(out[i].Suspect), out[i].CPU, out[i].Err)
	})
	return out
}

func (l lab) soakHost(ctx context.Context, loads []benign.Load, o options, res *soaked) error {
	flavor := host.Benign
	if o.base {
		flavor = host.Base
	}
	h, err := host.Create(ctx, flavor)
	if err != nil {
		return err
	}
	if err = l.boot(ctx, h); err == nil {
		err = agenthost.Start(ctx, h, policy.Recommended)
	}
	if err == nil {
		err = l.soakLoads(ctx, h, loads, o.soak, res)
	}
	l.keep("soak-"+strings.Map(plainLetter, res.Loads[0]), "agent.log", agenthost.Said(h))
	return errors.Join(err, h.Destroy())
}

// plainLetter leaves what may stand in the name of a file.
func plainLetter(r rune) rune {
	if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
		return r
	}
	return -1
}

func (l lab) soakLoads(ctx context.Context, h *host.Host, loads []benign.Load, span time.Duration, res *soaked) error {
	for i, one := range loads {
		stop, err := startLoad(ctx, h, one, fmt.Sprintf("load%d", i), true)
		if err != nil {
			return fmt.Errorf("%s: %w", one.Name, err)
		}
		defer stop()
	}
	begin, before := time.Now(), agenthost.Of(h)
	looks, there := 0, map[string]int{}
	for time.Since(begin) < span {
		if err := pause(ctx, 5*time.Second); err != nil {
			return err
		}
		looks++
		for _, one := range loads {
			if runs(h, one.Comm) {
				there[one.Name]++
			}
		}
		res.RSS = max(res.RSS, agenthost.Of(h).RSS())
	}
	for _, one := range loads {
		if share := float64(there[one.Name]) / float64(looks); share < 0.9 {
			res.Absent = append(res.Absent, fmt.Sprintf("%s ran %.0f %% of the time", one.Name, 100*share))
		}
	}
	res.Ran = time.Since(begin)
	after := agenthost.Of(h)
	if before.PID == 0 || after.PID != before.PID {
		return fmt.Errorf("the agent ended: %s", agenthost.Said(h))
	}
	res.CPU = float64(after.Ticks-before.Ticks) / 100 / res.Ran.Seconds()
	list, err := alerts(ctx, h)
	if err != nil {
		return err
	}
	b, _ := json.MarshalIndent(list, "", " ")
	l.keep("soak-"+strings.Map(plainLetter, loads[0].Name), "alerts.json", string(b))
	for _, a := range list {
		what := a.Thing.Artifact.String() + ": " + a.Title
		to := map[alert.Grade]*[]string{alert.Proof: &res.Proof, alert.Strong: &res.Strong, alert.Suspected: &res.Suspect}[a.Grade]
		*to = append(*to, what)
		for _, d := range a.Deeds {
			res.Deeds = append(res.Deeds, what+": "+d.What)
		}
	}
	return nil
}

// faulty counts what must not be.
func (r *soaked) faulty() int {
	n := len(r.Deeds) + len(r.Proof) + len(r.Strong)
	if r.Err != "" {
		n++
	}
	return n
}

// soakTitle is the title of the section of benign loads beside the agent.
const soakTitle = "## Benign loads beside the agent"

func (s score) soaked(line func(string, ...any)) {
	line(soakTitle + "\n")
	line("Written by `lab/score -soak` on %s with deminer %s on a machine with %d CPUs, %d hosts at a time. Each row is a host of its own, where the agent watches with the recommended policy while the loads go on; one that ends is started again.\n",
		s.When.UTC().Format("2006-01-02 15:04 UTC"), s.Version, s.CPUs, max(1, s.Parallel))
	line("| Loads | Minutes | Refused or done | Alerts of grade proof | Strong | Suspected | Agent's cores | Agent's MiB |")
	line("|---|--:|--:|--:|--:|--:|--:|--:|")
	for _, r := range s.Soaked {
		line("| %s | %.1f | %d | %d | %d | %d | %.3f | %d |", strings.Join(r.Loads, "; "), r.Ran.Minutes(), len(r.Deeds), len(r.Proof), len(r.Strong), len(r.Suspect), r.CPU, r.RSS/1024)
	}
	line("")
	for _, r := range s.Soaked {
		for title, list := range map[string][]string{"not all the time": r.Absent, "done": r.Deeds, "proof": r.Proof, "strong": r.Strong, "suspected": r.Suspect} {
			for _, x := range list {
				line("- %s: %s: `%s`", r.Loads[0], title, code(x))
			}
		}
		if r.Err != "" {
			line("- %s: stopped: `%s`", r.Loads[0], code(r.Err))
		}
	}
}
