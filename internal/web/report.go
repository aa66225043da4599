package web

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/server"
)

// account is the report of an incident: what a manager, an auditor and whoever cleans up after it want to know.
type account struct {
	Made      time.Time         `json:"made"`
	Deminer   string            `json:"deminer"`
	Incident  server.Incident   `json:"incident"`
	CoreHours float64           `json:"core_hours"` // used at most, by what its agents saw
	Alerts    []server.Alert    `json:"alerts"`
	Deeds     []deedAccount     `json:"deeds"`
	Moments   []accountMoment   `json:"moments"`
	Names     map[string]string `json:"names"` // of hosts by id
	Entries   []deminer.Entry   `json:"entries,omitempty"`
	Secrets   []secretAccount   `json:"secrets,omitempty"`
	Close     []string          `json:"close,omitempty"`   // what to harden, the likeliest way in first
	Rebuild   []string          `json:"rebuild,omitempty"` // why a system should be
	Gaps      []gapAccount      `json:"gaps,omitempty"`    // what was not looked at
	Unscanned []string          `json:"unscanned,omitempty"`
	Remains   map[string]int    `json:"remains"` // open alerts by host
}

type deedAccount struct {
	Deed  server.Deed   `json:"deed"`
	Steps []stepAccount `json:"steps"`
}

type stepAccount struct {
	Action deminer.Action      `json:"action"`
	State  deminer.RecordState `json:"state"`
	Time   time.Time           `json:"time"`
	SHA256 string              `json:"sha256,omitempty"`
	Note   string              `json:"note,omitempty"`
	Key    string              `json:"-"`
}

type accountMoment struct {
	Host string    `json:"host"`
	Time time.Time `json:"time"`
	What string    `json:"what"`
	From string    `json:"from"`
}

type secretAccount struct {
	Host string `json:"host"`
	deminer.Secret
}

type gapAccount struct {
	Host string `json:"host"`
	deminer.Gap
}

// Limits of a report that people read.
const (
	maxMoments = 300
	maxGaps    = 200
	maxSecrets = 300
)

// account gathers the report of an incident.
func (c *Console) account(ctx context.Context, id string) (out account, err error) {
	s := c.opt.Server
	if out.Incident, err = s.Incident(ctx, id); err != nil {
		return out, err
	}
	out.Made, out.Deminer, out.Remains = c.opt.Now().UTC().Truncate(time.Second), c.opt.Version, map[string]int{}
	if out.Alerts, _, err = s.Alerts(ctx, server.AlertFilter{Fleet: id, Limit: 1000}); err != nil {
		return out, err
	}
	names := map[string]string{}
	out.Names = names
	for _, p := range out.Incident.Hosts {
		names[p.Host] = p.Name
		if p.Open > 0 {
			out.Remains[p.Name] = p.Open
		}
	}
	for i := range out.Incident.Parts {
		out.part(&out.Incident.Parts[i], names)
	}
	slices.SortStableFunc(out.Moments, func(x, y accountMoment) int { return x.Time.Compare(y.Time) })
	if err := out.deeds(ctx, s); err != nil {
		return out, err
	}
	return out, out.gaps(ctx, s)
}

// part adds what a report of one host says.
func (a *account) part(p *server.Part, names map[string]string) {
	name := names[p.Host]
	if hours := p.Taken.Sub(p.Since).Hours(); !p.Since.IsZero() && p.Since.Unix() > 0 && hours > 0 {
		a.CoreHours += max(0, p.Cores) * hours
	}
	for _, m := range p.Timeline {
		if len(a.Moments) < maxMoments {
			a.Moments = append(a.Moments, accountMoment{name, m.Time, deminer.Cut(m.What, 300), deminer.Cut(m.From, 60)})
		}
	}
	for _, e := range p.Entries {
		a.Entries = append(a.Entries, e)
		for _, how := range e.Close {
			if how = deminer.Cut(how, 300); !slices.Contains(a.Close, how) && len(a.Close) < 50 {
				a.Close = append(a.Close, how)
			}
		}
	}
	for _, s := range p.Secrets {
		if len(a.Secrets) < maxSecrets {
			a.Secrets = append(a.Secrets, secretAccount{name, s})
		}
	}
	for _, d := range p.Distrust {
		if d = name + ": " + deminer.Cut(d, 300); !slices.Contains(a.Rebuild, d) && len(a.Rebuild) < 50 {
			a.Rebuild = append(a.Rebuild, d)
		}
	}
}

// deeds adds what was done about it, step by step.
func (a *account) deeds(ctx context.Context, s *server.Server) error {
	all, err := s.Deeds(ctx, "", "", 500)
	if err != nil {
		return err
	}
	slices.Reverse(all)
	for _, d := range all {
		if !touches(&d, a.Alerts) || d.Approver == "" || len(a.Deeds) == 100 {
			continue // what nobody approved was not done
		}
		whole, states, err := s.Deed(ctx, d.ID)
		if err != nil {
			return err
		}
		one := deedAccount{Deed: d}
		if whole.Plan != nil {
			for _, st := range whole.Plan.Steps {
				row := stepAccount{Action: st.Action, SHA256: deminer.Cut(st.Expect.SHA256, 64)}
				for _, is := range states {
					if is.Step == st.ID {
						row.State, row.Time, row.Note = is.State, is.Time, is.Note
					}
				}
				if row.Key = stepKeys[row.State]; row.Key == "" {
					row.Key = "to be done"
				}
				one.Steps = append(one.Steps, row)
			}
		}
		a.Deeds = append(a.Deeds, one)
	}
	return nil
}

// gaps adds what the last scan of each host did not look at, and the hosts that were not scanned.
func (a *account) gaps(ctx context.Context, s *server.Server) error {
	for _, p := range a.Incident.Hosts[:min(len(a.Incident.Hosts), 50)] {
		list, err := s.Reports(ctx, p.Host, "", 1)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			a.Unscanned = append(a.Unscanned, p.Name)
			continue
		}
		r, err := s.Report(ctx, p.Host, list[0].ID)
		if err != nil {
			return err
		}
		for _, g := range r.Body.Snapshot.Gaps {
			if len(a.Gaps) < maxGaps {
				a.Gaps = append(a.Gaps, gapAccount{p.Name, g})
			}
		}
	}
	return nil
}

// incidentReport shows the report of an incident, for people to read and to print, or as JSON.
func (c *Console) incidentReport(w http.ResponseWriter, rq *request) error {
	a, err := c.account(rq.Context(), rq.PathValue("id"))
	if err != nil {
		return err
	}
	if rq.URL.Query().Get("format") != "json" {
		return c.show(w, rq, http.StatusOK, "account", page{Title: "Report of an incident", Nav: "incidents", Body: a})
	}
	text, err := json.MarshalIndent(a, "", "  ")
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Disposition", "attachment; filename=deminer-incident-"+a.Incident.ID+".json")
	_, err = w.Write(append(text, '\n'))
	return err
}
