package web

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/alert"
	"github.com/deminer/deminer/internal/server"
)

const (
	perPage   = 50
	maxBatch  = 1000 // alerts that are handled at once
	maxChoice = 500  // hosts that can be chosen from a list; more are searched for
)

type alertsBody struct {
	Filter     server.AlertFilter
	Groups     []alertGroup
	Total      int
	From, To   int
	Prev, Next string
	Any        bool // a filter is set
	Hosts      []server.Host
	Topics     []deminer.Topic
	Grades     []alert.Grade
	States     []alert.State
	All        int    // of the rule that is filtered by
	Batch      int    // of them, that can be handled at once
	Query      string // that chose them, for all at once
	NoHost     bool
}

// alertGroup is alerts of one incident, or ("") of none.
type alertGroup struct {
	Fleet  string
	Title  string
	Alerts []server.Alert
}

// alerts lists alerts, those of one incident together, so that many of them read as one story.
func (c *Console) alerts(w http.ResponseWriter, rq *request) error {
	q := rq.URL.Query()
	f := filter(q)
	number := number(q.Get("page"), 1, 10000)
	f.Limit, f.Offset = perPage, (number-1)*perPage
	list, total, err := c.opt.Server.Alerts(rq.Context(), f)
	if err != nil {
		return err
	}
	hosts, err := c.opt.Server.HostNames(rq.Context())
	if err != nil {
		return err
	}
	hosts = hosts[:min(len(hosts), maxChoice)]
	b := alertsBody{Filter: f, Total: total, From: f.Offset + 1, To: f.Offset + len(list), Hosts: hosts, Topics: topics, Grades: alert.Grades(), States: alert.States(),
		NoHost: len(hosts) == 0, Batch: min(total, maxBatch)}
	b.Any = f.Topic+f.Grade+f.Host+f.Text+f.Rule+f.Fleet != "" || f.State != "open"
	place := map[string]int{}
	for _, a := range list {
		i, ok := place[a.Fleet]
		if !ok {
			i = len(b.Groups)
			place[a.Fleet] = i
			b.Groups = append(b.Groups, alertGroup{Fleet: a.Fleet, Title: a.Title})
		}
		b.Groups[i].Alerts = append(b.Groups[i].Alerts, a)
	}
	at := func(n int) string {
		q.Set("page", strings.TrimSpace(itoa(n)))
		return "/alerts?" + q.Encode()
	}
	if number > 1 {
		b.Prev = at(number - 1)
	}
	if b.To < total {
		b.Next = at(number + 1)
	}
	q.Del("page")
	b.Query = q.Encode()
	return c.show(w, rq, http.StatusOK, "alerts", page{Title: "Alerts", Nav: "alerts", Live: "alerts", Body: b})
}

// filter reads a choice of alerts; what is not a known word chooses nothing in particular.
func filter(q url.Values) server.AlertFilter {
	get := func(k string) string { return deminer.Cut(strings.TrimSpace(q.Get(k)), 200) }
	f := server.AlertFilter{Host: get("host"), Fleet: get("incident"), Text: get("q"), Rule: get("rule")}
	if t := get("topic"); slices.Contains(topics, deminer.Topic(t)) {
		f.Topic = t
	}
	if g := get("grade"); slices.Contains(alert.Grades(), alert.Grade(g)) {
		f.Grade = g
	}
	switch s := get("state"); {
	case s == "all":
	case s == "" || s == "open":
		f.State = "open"
	case s == "closed" || slices.Contains(alert.States(), alert.State(s)):
		f.State = s
	}
	return f
}

type alertBody struct {
	A         server.Alert
	Host      server.Host
	Verdict   verdict
	Tree      drawing
	Others    []server.Alert
	Incident  *server.Incident
	Secrets   []deminer.Secret
	Entries   []deminer.Entry
	Moments   []moment
	Deeds     []server.Deed
	Rule      string
	SameRule  int
	SameThing int // hosts with the same content
	Advice    []string
	Evidence  []string // the first lines
	More      int      // lines of evidence that stand below
}

// alert is one alert with all that is known of it.
func (c *Console) alert(w http.ResponseWriter, rq *request) error {
	ctx, s := rq.Context(), c.opt.Server
	host, id := rq.PathValue("host"), rq.PathValue("id")
	a, err := s.Alert(ctx, host, id)
	if err != nil {
		return err
	}
	b := alertBody{A: a, Rule: server.RuleOf(&a.Alert)}
	if b.Host, err = s.OneHost(ctx, host); err != nil && !server.IsNone(err) {
		return err
	}
	if b.Others, _, err = s.Alerts(ctx, server.AlertFilter{Host: host, Limit: 20}); err != nil {
		return err
	}
	b.Others = slices.DeleteFunc(b.Others, func(o server.Alert) bool { return o.ID == a.ID })
	if _, b.SameRule, err = s.Alerts(ctx, server.AlertFilter{Rule: b.Rule, State: "open", Limit: -1}); err != nil {
		return err
	}
	if a.Thing.SHA256 != "" {
		same, _, err := s.Alerts(ctx, server.AlertFilter{SHA256: a.Thing.SHA256, Limit: 1000})
		if err != nil {
			return err
		}
		on := map[string]bool{}
		for i := range same {
			on[same[i].Host] = true
		}
		b.SameThing = len(on)
	}
	if a.Fleet != "" {
		if err := b.incident(ctx, s, host); err != nil {
			return err
		}
	}
	all, err := s.Deeds(ctx, host, "", 50)
	if err != nil {
		return err
	}
	for _, d := range all {
		if len(d.Alerts) == 0 || slices.Contains(d.Alerts, id) {
			b.Deeds = append(b.Deeds, d)
		}
	}
	b.Verdict, b.Advice = judge(&a, b.SameThing), advise(&a)
	b.Evidence = a.Why[:min(len(a.Why), maxEvidence)]
	b.More = len(a.Why) - len(b.Evidence)
	b.Tree = drawLineage(a.Lineage)
	b.Moments = momentsOf(&a, b.Incident, b.Deeds)
	return c.show(w, rq, http.StatusOK, "alert", page{Title: a.Title, Nav: "alerts", Live: "alert-" + host + "-" + id + " deeds", Body: b})
}
