package web

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/server"
)

type handleBody struct {
	Targets   []server.Target
	Alerts    []server.Alert // the first few
	Hosts     []string       // names
	More      int
	Suspected int // of them, that no plan is made for
	Choices   []choice
	NoContent bool // none of them has a content that could be allowed
	Results   []resultRow
	Wrong     string
	Year      string
}

// choice is one way to handle alerts, in a sentence.
type choice struct {
	How, Name, Text string
	Plan            bool // it makes a plan; else a reason is asked for
	Suspected       bool // for what is only suspected, too
}

var choices = []choice{
	{"terminate", "Stop it", "End the processes and what they started. Files and whatever starts them again stay: it may come back.", true, false},
	{"quarantine", "Stop it and quarantine its file", "End the processes, and move their files to the vault, from where they can be restored.", true, false},
	{"deep", "Deep cleanup", "Everything of this incident on the host: what runs, what starts it again, keys, accounts, hiding places, files.", true, false},
	{"block", "Block the pool", "Drop what the processes send, and what is sent to their pools. The processes go on, and reach nobody.", true, true},
	{"allow", "It is ours: allow exactly this", "This content at this place raises no alert any more, for a year.", false, true},
	{"ignored", "Ignore", "The alert is closed, and it stays as it is.", false, true},
	{"handled", "I did it by hand", "The alert is closed. It opens again if it comes back.", false, true},
}

// handlePage is the side sheet in which a person chooses what is done.
func (c *Console) handlePage(w http.ResponseWriter, rq *request) error {
	b, err := c.handleBody(rq, rq.URL.Query())
	if err != nil {
		return err
	}
	return c.show(w, rq, http.StatusOK, "handle", page{Title: "Handle", Nav: "alerts", Body: b})
}

// handleBody finds the alerts that a form or an address names: "t" is HOST/ID, "all" is a choice of alerts as the list takes it.
func (c *Console) handleBody(rq *request, q url.Values) (b handleBody, err error) {
	if all := q.Get("all"); all != "" {
		choice, err := url.ParseQuery(all)
		if err != nil {
			return b, server.ErrNone
		}
		f := filter(choice)
		f.Limit = maxBatch
		list, _, err := c.opt.Server.Alerts(rq.Context(), f)
		if err != nil {
			return b, err
		}
		for i := range list {
			b.add(&list[i])
		}
	}
	named := q["t"]
	for _, t := range named[:min(len(named), maxBatch)] {
		host, id, _ := strings.Cut(t, "/")
		if slices.Contains(b.Targets, server.Target{Host: host, Alert: id}) {
			continue
		}
		a, err := c.opt.Server.Alert(rq.Context(), host, id)
		if err != nil {
			return b, err
		}
		b.add(&a)
	}
	if len(b.Targets) == 0 {
		return b, server.ErrNone
	}
	b.NoContent = true
	for _, a := range b.Alerts {
		b.NoContent = b.NoContent && a.Thing.SHA256 == ""
	}
	b.Choices, b.Year = choices, c.opt.Now().AddDate(1, 0, 0).UTC().Format(time.DateOnly)
	return b, nil
}

func (b *handleBody) add(a *server.Alert) {
	b.Targets = append(b.Targets, server.Target{Host: a.Host, Alert: a.ID})
	if !a.Convicted() {
		b.Suspected++
	}
	if !slices.Contains(b.Hosts, a.HostName) {
		b.Hosts = append(b.Hosts, a.HostName)
	}
	if len(b.Alerts) < 5 {
		b.Alerts = append(b.Alerts, *a)
	} else {
		b.More++
	}
}

// resultRow is what became of one alert that was not asked for.
type resultRow struct {
	Target server.Target
	Why    string
}

// handle begins what was chosen: a plan, that is shown and changes nothing, or the end of an alert.
func (c *Console) handle(w http.ResponseWriter, rq *request) error {
	b, err := c.handleBody(rq, rq.PostForm)
	if err != nil {
		return err
	}
	r := server.Request{How: rq.PostFormValue("how"), Targets: b.Targets, Why: strings.TrimSpace(rq.PostFormValue("why"))}
	if d := rq.PostFormValue("for"); d != "" {
		if r.For, err = time.ParseDuration(d); err != nil {
			return server.ErrRequest
		}
	}
	if d := rq.PostFormValue("expires"); d != "" {
		if r.Expires, err = time.Parse(time.DateOnly, d); err != nil {
			return server.ErrRequest
		}
	}
	group, results, err := c.opt.Server.Handle(rq.Context(), rq.who, r)
	if err != nil {
		return err
	}
	deeds := map[string]bool{}
	for _, one := range results {
		switch {
		case one.Err == nil && one.Deed != "":
			deeds[one.Deed] = true
		case one.Err != nil && !errors.Is(one.Err, server.ErrRequest) && !errors.Is(one.Err, server.ErrNone):
			return one.Err
		case one.Err != nil:
			b.Results = append(b.Results, resultRow{one.Target, reason(one.Err)})
		}
	}
	switch {
	case len(deeds) > 1 || len(deeds) == 1 && len(b.Results) > 0:
		return c.groupOf(w, rq, group, b.Results)
	case len(deeds) == 1:
		for id := range deeds {
			if rq.sheet() {
				return c.showDeed(w, rq, id)
			}
			return back(w, rq, "/deeds/"+id)
		}
	case len(b.Results) > 0:
		return c.show(w, rq, http.StatusUnprocessableEntity, "results", page{Title: "Handle", Nav: "alerts", Body: b})
	}
	t := b.Targets[0]
	if len(b.Targets) > 1 {
		return back(w, rq, "/alerts")
	}
	return back(w, rq, "/alerts/"+t.Host+"/"+t.Alert)
}

type deedBody struct {
	D      server.Deed
	Phases []phaseRows
	States map[string]server.StepState
	Final  int // steps that cannot be undone
	Failed int
	Ended  bool
	Late   bool // it waits for the agent for long
	Why    string
	Open   bool // details are open
}

type phaseRows struct {
	Phase deminer.Phase
	Steps []stepRow
}

type stepRow struct {
	deminer.Step
	State deminer.RecordState
	Note  string
	Minus []string // lines that go
	Plus  []string // lines that come
	Key   string   // of the state
}

var stepKeys = map[deminer.RecordState]string{
	"": "to be done", deminer.StateReady: "being done", deminer.StateDone: "done", deminer.StateFailed: "failed", deminer.StateSkipped: "skipped",
	deminer.StateUndoing: "being undone", deminer.StateUndone: "undone",
}

// deedBody reads a deed with its plan, step by step.
func (c *Console) deedBody(rq *request, id string) (b deedBody, err error) {
	var states []server.StepState
	if b.D, states, err = c.opt.Server.Deed(rq.Context(), id); err != nil {
		return b, err
	}
	b.States = map[string]server.StepState{}
	b.D.Done = 0
	for _, s := range states {
		b.States[s.Step] = s
		switch s.State {
		case deminer.StateDone:
			b.D.Done++
		case deminer.StateFailed:
			b.Failed++
		}
	}
	b.Late = b.D.State == server.DeedAsked && c.opt.Now().Sub(b.D.Made) > 15*time.Second
	if b.D.State == server.DeedAsked || b.D.State == server.DeedApproved {
		os, err := c.opt.Server.Orders(rq.Context(), server.OrderFilter{Host: b.D.Host, Group: b.D.Group, Waiting: true, Limit: 1})
		if err == nil && len(os) == 1 {
			b.Why = os[0].Text
		}
	}
	if b.D.Plan == nil {
		return b, nil
	}
	for _, s := range b.D.Plan.Steps {
		if !s.Undo {
			b.Final++
		}
		row := stepRow{Step: s, State: b.States[s.ID].State, Note: b.States[s.ID].Note}
		if row.Key = stepKeys[row.State]; row.Key == "" {
			row.Key = "to be done"
		}
		if v := s.Action.Verb; v == deminer.VerbCutLine || v == deminer.VerbEditLine {
			row.Minus = lines(s.Action.Target.Line)
			if v == deminer.VerbEditLine {
				row.Plus = lines(s.Action.Args["new"])
			}
		}
		if n := len(b.Phases); n == 0 || b.Phases[n-1].Phase != s.Phase {
			b.Phases = append(b.Phases, phaseRows{Phase: s.Phase})
		}
		last := &b.Phases[len(b.Phases)-1]
		last.Steps = append(last.Steps, row)
	}
	return b, nil
}

func lines(r deminer.Raw) (out []string) {
	for l := range strings.SplitSeq(string(r), "\n") {
		if len(out) == 12 {
			return append(out, "…")
		}
		out = append(out, deminer.Cut(l, 200))
	}
	return out
}

func (c *Console) deed(w http.ResponseWriter, rq *request) error {
	return c.showDeed(w, rq, rq.PathValue("id"))
}

func (c *Console) showDeed(w http.ResponseWriter, rq *request, id string) error {
	b, err := c.deedBody(rq, id)
	if err != nil {
		return err
	}
	return c.show(w, rq, http.StatusOK, "deed", page{Title: "Plan", Nav: "deeds", Body: b})
}

func (c *Console) run(w http.ResponseWriter, rq *request) error {
	id := rq.PathValue("id")
	if err := c.opt.Server.Approve(rq.Context(), rq.who, id, rq.PostFormValue("digest")); err != nil {
		return err
	}
	if rq.sheet() {
		return c.showDeed(w, rq, id)
	}
	return back(w, rq, "/deeds/"+id)
}

func (c *Console) undo(w http.ResponseWriter, rq *request) error {
	id := rq.PathValue("id")
	if err := c.opt.Server.Undo(rq.Context(), rq.who, id); err != nil {
		return err
	}
	if rq.sheet() {
		return c.showDeed(w, rq, id)
	}
	return back(w, rq, "/deeds/"+id)
}

type groupBody struct {
	ID      string
	Deeds   []deedBody
	Results []resultRow
	Ready   int
	Steps   int // of those that are ready
	Ended   int // that can be taken back
}

func (c *Console) group(w http.ResponseWriter, rq *request) error {
	return c.groupOf(w, rq, rq.PathValue("id"), nil)
}

// groupOf shows what was begun together, one plan for each host.
func (c *Console) groupOf(w http.ResponseWriter, rq *request, id string, results []resultRow) error {
	all, err := c.opt.Server.Deeds(rq.Context(), "", id, 1000)
	if err != nil {
		return err
	}
	b := groupBody{ID: id, Results: results}
	slices.SortStableFunc(all, func(x, y server.Deed) int { return strings.Compare(x.HostName, y.HostName) })
	for _, d := range all {
		one, err := c.deedBody(rq, d.ID)
		if err != nil {
			return err
		}
		if one.D.State == server.DeedReady && one.D.Steps > 0 {
			b.Ready++
			b.Steps += one.D.Steps
		}
		if (one.D.State == server.DeedDone || one.D.State == server.DeedFailed) && one.D.Digest != "" {
			b.Ended++
		}
		b.Deeds = append(b.Deeds, one)
	}
	if len(b.Deeds) == 0 && len(results) == 0 {
		return server.ErrNone
	}
	return c.show(w, rq, http.StatusOK, "group", page{Title: "Plans", Nav: "deeds", Body: b})
}

// runGroup approves the plans of a group that the person saw: each is named by its digest.
func (c *Console) runGroup(w http.ResponseWriter, rq *request) error {
	var results []resultRow
	all := rq.PostForm["digest"]
	for _, pair := range all[:min(len(all), 1000)] {
		deed, digest, _ := strings.Cut(pair, "/")
		err := c.opt.Server.Approve(rq.Context(), rq.who, deed, digest)
		switch {
		case errors.Is(err, server.ErrStale), errors.Is(err, server.ErrRequest), errors.Is(err, server.ErrNone):
			d, _, _ := c.opt.Server.Deed(rq.Context(), deed)
			results = append(results, resultRow{server.Target{Host: d.HostName}, reason(err)})
		case err != nil:
			return err
		}
	}
	if rq.sheet() {
		return c.groupOf(w, rq, rq.PathValue("id"), results)
	}
	return back(w, rq, "/groups/"+rq.PathValue("id"))
}

// undoGroup takes back what was begun together, on each host.
func (c *Console) undoGroup(w http.ResponseWriter, rq *request) error {
	id := rq.PathValue("id")
	all, err := c.opt.Server.Deeds(rq.Context(), "", id, 1000)
	if err != nil {
		return err
	}
	var results []resultRow
	for _, d := range all {
		if d.State != server.DeedDone && d.State != server.DeedFailed {
			continue
		}
		err := c.opt.Server.Undo(rq.Context(), rq.who, d.ID)
		switch {
		case errors.Is(err, server.ErrStale), errors.Is(err, server.ErrRequest):
			results = append(results, resultRow{server.Target{Host: d.HostName}, reason(err)})
		case err != nil:
			return err
		}
	}
	if rq.sheet() {
		return c.groupOf(w, rq, id, results)
	}
	return back(w, rq, "/groups/"+id)
}

type deedsBody struct {
	Deeds []server.Deed
	Busy  bool
}

func (c *Console) deeds(w http.ResponseWriter, rq *request) error {
	all, err := c.opt.Server.Deeds(rq.Context(), "", "", 100)
	if err != nil {
		return err
	}
	return c.show(w, rq, http.StatusOK, "deeds", page{Title: "Cleanups", Nav: "deeds", Live: "deeds", Body: deedsBody{Deeds: all}})
}
