package web

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/alert"
	"github.com/deminer/deminer/internal/server"
)

type incidentsBody struct {
	List []server.Incident
	Open bool
}

func (c *Console) incidents(w http.ResponseWriter, rq *request) error {
	open := rq.URL.Query().Get("state") != "all"
	list, err := c.opt.Server.Incidents(rq.Context(), open, 100)
	if err != nil {
		return err
	}
	return c.show(w, rq, http.StatusOK, "incidents", page{Title: "Incidents", Nav: "incidents", Live: "alerts scans", Body: incidentsBody{list, open}})
}

type incidentBody struct {
	I       server.Incident
	Alerts  []server.Alert
	Hosts   drawing
	Parts   []partBody
	Ties    []server.Tie // that cross hosts
	Deeds   []server.Deed
	Rebuild []string
	All     []server.Host     // for a sweep
	Names   map[string]string // of the hosts, safe text
}

type partBody struct {
	server.Part
	Name    string
	Drawing drawing
}

// incident is one intrusion over all its hosts.
func (c *Console) incident(w http.ResponseWriter, rq *request) error {
	ctx, s := rq.Context(), c.opt.Server
	inc, err := s.Incident(ctx, rq.PathValue("id"))
	if err != nil {
		return err
	}
	b := incidentBody{I: inc, Hosts: drawHosts(&inc), Names: map[string]string{}}
	if b.Alerts, _, err = s.Alerts(ctx, server.AlertFilter{Fleet: inc.ID, Limit: 200}); err != nil {
		return err
	}
	for _, p := range inc.Hosts {
		b.Names[p.Host] = deminer.Safe(p.Name)
	}
	for i := range inc.Parts {
		p := &inc.Parts[i]
		if i < 12 {
			p.Timeline = p.Timeline[:min(len(p.Timeline), 100)]
			p.Members = p.Members[:min(len(p.Members), 200)]
			b.Parts = append(b.Parts, partBody{*p, b.Names[p.Host], drawIncident(p)})
		}
		for _, d := range p.Distrust {
			if d = deminer.Cut(d, 300); !slices.Contains(b.Rebuild, d) && len(b.Rebuild) < 20 {
				b.Rebuild = append(b.Rebuild, d)
			}
		}
	}
	for _, t := range inc.Ties {
		if t.Crosses() {
			b.Ties = append(b.Ties, t)
		}
	}
	// What a person knows by its look comes first, digests last.
	order := []string{"wallet", "pool", "url", "key", "line"}
	slices.SortStableFunc(b.Ties, func(x, y server.Tie) int {
		at := func(t server.Tie) int {
			if i := slices.Index(order, t.Kind); i >= 0 {
				return i
			}
			return len(order)
		}
		return at(x) - at(y)
	})
	all, err := s.Deeds(ctx, "", "", 200)
	if err != nil {
		return err
	}
	for _, d := range all {
		if touches(&d, b.Alerts) {
			b.Deeds = append(b.Deeds, d)
		}
	}
	return c.show(w, rq, http.StatusOK, "incident", page{Title: "Incident", Nav: "incidents", Live: "alerts deeds scans", Body: b})
}

// sweep has the chosen hosts looked at for what was convicted in an incident.
func (c *Console) sweep(w http.ResponseWriter, rq *request) error {
	hosts, err := c.chosen(rq)
	if err != nil {
		return err
	}
	if _, err := c.opt.Server.Sweep(rq.Context(), rq.who, rq.PathValue("id"), hosts); err != nil {
		return err
	}
	return back(w, rq, "/scans")
}

func touches(d *server.Deed, alerts []server.Alert) bool {
	return slices.ContainsFunc(alerts, func(a server.Alert) bool {
		return a.Host == d.Host && (len(d.Alerts) == 0 || slices.Contains(d.Alerts, a.ID))
	})
}

type hostsBody struct {
	List     []server.Host
	Total    int
	Text     string
	Standing string
	All      []server.Standing
	Counts   map[string]int
}

func (c *Console) hosts(w http.ResponseWriter, rq *request) error {
	all, err := c.opt.Server.AllHosts(rq.Context())
	if err != nil {
		return err
	}
	q := rq.URL.Query()
	b := hostsBody{Total: len(all), Text: deminer.Cut(strings.TrimSpace(q.Get("q")), 100), Standing: q.Get("standing"), All: server.Standings(), Counts: map[string]int{}}
	for _, h := range all {
		b.Counts[string(h.Standing)]++
		text := strings.ToLower(h.Name + " " + h.ID + " " + h.Agent.Host.Distro + " " + h.Agent.Host.Kernel)
		if !strings.Contains(text, strings.ToLower(b.Text)) || b.Standing != "" && string(h.Standing) != b.Standing {
			continue
		}
		b.List = append(b.List, h)
	}
	slices.SortStableFunc(b.List, func(x, y server.Host) int { return risk(&y) - risk(&x) })
	b.List = b.List[:min(len(b.List), 1000)]
	return c.show(w, rq, http.StatusOK, "hosts", page{Title: "Hosts", Nav: "hosts", Live: "hosts alerts", Body: b})
}

// risk orders hosts: those that mine first, then those with the most proven alerts.
func risk(h *server.Host) int {
	return min(h.Mining, 1000)*1_000_000 + min(h.Proven, 1000)*1000 + min(h.Open, 999)
}

type hostBody struct {
	H       server.Host
	Alerts  []server.Alert
	Total   int
	Deeds   []server.Deed
	Orders  []server.Order
	Reports []server.Report
	Kept    int
	Blocks  int
	Gone    bool
	Open    []string // the ids of its open convicted alerts
}

func (c *Console) host(w http.ResponseWriter, rq *request) error {
	ctx, s := rq.Context(), c.opt.Server
	h, err := s.OneHost(ctx, rq.PathValue("id"))
	if err != nil {
		return err
	}
	b := hostBody{H: h, Gone: h.Standing == server.Revoked}
	if b.Alerts, b.Total, err = s.Alerts(ctx, server.AlertFilter{Host: h.ID, Limit: 20}); err != nil {
		return err
	}
	for i := range b.Alerts {
		if a := &b.Alerts[i]; a.Convicted() && a.State.Open() {
			b.Open = append(b.Open, a.ID)
		}
	}
	if b.Deeds, err = s.Deeds(ctx, h.ID, "", 10); err != nil {
		return err
	}
	if b.Orders, err = s.Orders(ctx, server.OrderFilter{Host: h.ID, Limit: 15}); err != nil {
		return err
	}
	if b.Reports, err = s.Reports(ctx, h.ID, "", 10); err != nil {
		return err
	}
	kept, err := s.Vault(ctx, h.ID)
	if err != nil {
		return err
	}
	blocks, err := s.Blocks(ctx, h.ID)
	if err != nil {
		return err
	}
	b.Kept, b.Blocks = len(kept), len(blocks)
	return c.show(w, rq, http.StatusOK, "host", page{Title: "Host", Nav: "hosts", Live: "host-" + h.ID + " hosts alerts deeds orders scans", Body: b})
}

func (c *Console) revoke(w http.ResponseWriter, rq *request) error {
	if err := c.opt.Server.Revoke(rq.Context(), rq.who, rq.PathValue("id")); err != nil {
		return err
	}
	return back(w, rq, "/hosts/"+rq.PathValue("id"))
}

type scansBody struct {
	Hosts   []server.Host
	Orders  []server.Order // of scans, unended or the latest
	Reports []server.Report
	Done    int
	Unended int
	Chosen  string
	ByOrder map[string]server.Report
	Virus   []server.Alert // what is open and has a file or a process
	Plans   []server.Schedule
	Names   map[string]string
}

func (c *Console) scans(w http.ResponseWriter, rq *request) error {
	ctx, s := rq.Context(), c.opt.Server
	hosts, err := s.HostNames(ctx)
	if err != nil {
		return err
	}
	b := scansBody{Chosen: rq.URL.Query().Get("host"), ByOrder: map[string]server.Report{}}
	b.Names = map[string]string{}
	for _, h := range hosts {
		if h.Standing != server.Revoked {
			b.Hosts = append(b.Hosts, h)
			b.Names[h.ID] = deminer.Safe(h.Name)
		}
	}
	if b.Plans, err = s.Schedules(ctx); err != nil {
		return err
	}
	if b.Orders, err = s.Orders(ctx, server.OrderFilter{Kind: string(deminer.OrderScan), Limit: 200}); err != nil {
		return err
	}
	if len(b.Orders) > 0 { // progress is that of the latest scan
		group := b.Orders[0].Group
		b.Orders = slices.DeleteFunc(b.Orders, func(o server.Order) bool { return o.Group != group })
	}
	for _, o := range b.Orders {
		if o.State.Ended() {
			b.Done++
		} else {
			b.Unended++
		}
	}
	if b.Reports, err = s.Reports(ctx, "", "", 30); err != nil {
		return err
	}
	for _, r := range b.Reports {
		if r.Order != "" {
			b.ByOrder[r.Order] = r
		}
	}
	list, _, err := s.Alerts(ctx, server.AlertFilter{State: "open", Limit: 100})
	if err != nil {
		return err
	}
	for _, a := range list {
		if k := a.Thing.Artifact.Kind; k == deminer.KindFile || k == deminer.KindProcess || k == deminer.KindLine || a.Grade == alert.Proof {
			b.Virus = append(b.Virus, a)
		}
	}
	return c.show(w, rq, http.StatusOK, "scans", page{Title: "Virus detection and removal", Nav: "scans", Live: "scans orders alerts", Body: b})
}

func (c *Console) scan(w http.ResponseWriter, rq *request) error {
	scan := deminer.ScanOrder{Mode: rq.PostFormValue("mode")}
	for l := range strings.Lines(rq.PostFormValue("paths")) {
		if l = strings.TrimSpace(l); l != "" {
			scan.Paths = append(scan.Paths, deminer.Raw(l))
		}
	}
	chosen, err := c.chosen(rq)
	if err != nil {
		return err
	}
	if _, err := c.opt.Server.Scan(rq.Context(), rq.who, chosen, scan); err != nil {
		return err
	}
	return back(w, rq, "/scans")
}

// schedule has hosts scanned again and again, or ends that.
func (c *Console) schedule(w http.ResponseWriter, rq *request) error {
	if id := rq.PostFormValue("end"); id != "" {
		if err := c.opt.Server.EndSchedule(rq.Context(), rq.who, id); err != nil {
			return err
		}
		return back(w, rq, "/scans")
	}
	every, err := time.ParseDuration(rq.PostFormValue("every"))
	if err != nil {
		return fmt.Errorf("%w: choose how often", server.ErrRequest)
	}
	hosts := rq.PostForm["host"]
	if slices.Contains(hosts, "*") {
		hosts = nil // also those that come later
	}
	if err := c.opt.Server.AddSchedule(rq.Context(), rq.who, hosts, rq.PostFormValue("mode"), every); err != nil {
		return err
	}
	return back(w, rq, "/scans")
}

// chosen gives the hosts of a form; "*" is all that were not revoked.
func (c *Console) chosen(rq *request) (out []string, err error) {
	named := rq.PostForm["host"]
	if !slices.Contains(named, "*") {
		return named[:min(len(named), 100_000)], nil
	}
	all, err := c.opt.Server.HostNames(rq.Context())
	for _, h := range all {
		if h.Standing != server.Revoked {
			out = append(out, h.ID)
		}
	}
	return out, err
}

type reportBody struct {
	R          server.Report
	Incidents  []partBody
	Decide     []deminer.Finding // strong signs of no incident
	MoreDecide int
	Review     []deminer.Finding // weak ones
	MoreReview int
	Gaps       []deminer.Gap
	MoreGaps   int
}

// maxFindings is how many findings of each weight a page of a report shows.
const maxFindings = 200

// alone gives the findings of a report that belong to no incident: those that the owner has to decide about, and the weak ones.
func alone(r *deminer.Report) (decide, review []deminer.Finding) {
	used := map[int]bool{}
	for _, inc := range r.Incidents {
		for _, m := range inc.Members {
			for _, i := range m.Findings {
				used[i] = true
			}
		}
	}
	for i, f := range r.Findings {
		switch {
		case used[i]:
		case f.Tier == deminer.Proof || f.Tier == deminer.Strong:
			decide = append(decide, f)
		default:
			review = append(review, f)
		}
	}
	return decide, review
}

func (c *Console) report(w http.ResponseWriter, rq *request) error {
	r, err := c.opt.Server.Report(rq.Context(), rq.PathValue("host"), rq.PathValue("id"))
	if err != nil {
		return err
	}
	b := reportBody{R: r}
	for _, inc := range r.Body.Incidents[:min(len(r.Body.Incidents), 20)] {
		p := server.Part{Host: r.Host, Taken: r.Taken, Incident: inc}
		p.Members = p.Members[:min(len(p.Members), 200)]
		b.Incidents = append(b.Incidents, partBody{Part: p, Name: r.HostName, Drawing: drawIncident(&p)})
	}
	b.Decide, b.Review = alone(r.Body)
	if n := len(b.Decide); n > maxFindings {
		b.Decide, b.MoreDecide = b.Decide[:maxFindings], n-maxFindings
	}
	if n := len(b.Review); n > maxFindings {
		b.Review, b.MoreReview = b.Review[:maxFindings], n-maxFindings
	}
	b.Gaps = r.Body.Snapshot.Gaps
	if n := len(b.Gaps); n > 50 {
		b.Gaps, b.MoreGaps = b.Gaps[:50], n-50
	}
	return c.show(w, rq, http.StatusOK, "report", page{Title: "Scan", Nav: "scans", Body: b})
}
