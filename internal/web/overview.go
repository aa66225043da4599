package web

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/server"
)

type overviewBody struct {
	Counts    server.Counts
	Mining    []server.Host
	Silent    int
	Watching  int
	Score     int
	Reasons   []reasonRow
	Incidents []server.Incident
	Alerts    []server.Alert
	Deeds     []server.Deed
	Chart     chart
	Total     int
	Mute      int               // hosts that never spoke; they are in no other number
	Suspects  []server.Report   // the latest of each host, where it leaves something for the owner to decide
	Targets   map[string]string // host -> query of its open convicted alerts
}

// reasonRow is one thing that lowers the score, with where it can be changed.
type reasonRow struct {
	Points int
	Key    string // text with one number
	N      int
	To     string
}

// overview is what is going on, most important first.
func (c *Console) overview(w http.ResponseWriter, rq *request) error {
	ctx, s := rq.Context(), c.opt.Server
	b := overviewBody{Targets: map[string]string{}}
	var err error
	if b.Counts, err = s.Counts(ctx); err != nil {
		return err
	}
	hosts, err := s.HostNames(ctx)
	if err != nil {
		return err
	}
	for _, h := range hosts {
		switch {
		case h.Standing == server.Revoked:
			continue
		case h.Standing == server.Expected: // what it would say nobody knows: it makes nothing better
			b.Mute++
			continue
		case h.Standing == server.Offline:
			b.Silent++
		case h.Standing == server.Watching:
			b.Watching++
		}
		b.Total++
		if h.Mining > 0 {
			b.Mining = append(b.Mining, h)
		}
	}
	if b.Suspects, err = suspects(ctx, s); err != nil {
		return err
	}
	if b.Incidents, err = s.Incidents(ctx, true, 6); err != nil {
		return err
	}
	if b.Alerts, _, err = s.Alerts(ctx, server.AlertFilter{State: "open", Limit: 8}); err != nil {
		return err
	}
	if b.Deeds, err = s.Deeds(ctx, "", "", 5); err != nil {
		return err
	}
	b.Score, b.Reasons = score(b.Counts, len(b.Mining), b.Silent, b.Watching, b.Total)
	b.Chart = drawChart(b.Counts.Days)
	return c.show(w, rq, http.StatusOK, "overview", page{Title: "Overview", Nav: "overview", Live: "alerts hosts deeds", Body: b})
}

// maxLately is how many reports are looked through for the latest of each host.
const maxLately = 1000

// suspects gives the latest report of each host that has one which says suspect. What was looked at below some paths alone clears no host.
func suspects(ctx context.Context, s *server.Server) (out []server.Report, err error) {
	list, err := s.Reports(ctx, "", "", maxLately)
	if err != nil {
		return nil, err
	}
	judged := map[string]bool{}
	for _, r := range list {
		if judged[r.Host] || r.Mode == "paths" && r.Verdict == deminer.VerdictClean {
			continue
		}
		judged[r.Host] = true
		if r.Verdict == deminer.VerdictSuspect {
			out = append(out, r)
		}
	}
	return out, nil
}

// score is 100 less what is known to be wrong, with the reasons; -1 where no host has told anything.
func score(n server.Counts, mining, silent, watching, hosts int) (int, []reasonRow) {
	if hosts == 0 {
		return -1, nil
	}
	var out []reasonRow
	left := 100
	take := func(count, each, most int, key, to string) {
		if count == 0 {
			return
		}
		points := min(count*each, most)
		left -= points
		out = append(out, reasonRow{points, key, count, to})
	}
	take(mining, 25, 50, "hosts that mine now: %d", "/alerts?topic=mining&state=open")
	take(n.Proven+max(0, n.Open-n.Proven-n.Suspect), 5, 30, "open alerts that are convicted: %d", "/alerts?state=open")
	take(n.Suspect, 1, 10, "open alerts that are suspected: %d", "/alerts?state=open&grade=suspected")
	take(silent, 5, 15, "hosts that are silent: %d", "/hosts?standing=offline")
	if watching > 0 {
		points := max(1, 10*watching/hosts)
		left -= points
		out = append(out, reasonRow{Points: points, Key: "hosts that only watch: %d", N: watching, To: "/policies"})
	}
	return max(0, left), out
}

// chart is a drawing of the last days.
type chart struct {
	Bars []bar
	Max  int
}

type bar struct {
	X, FoundY, FoundH, DoneY, DoneH int
	Day                             time.Time
	Found, Handled                  int
}

const chartHeight = 64

func drawChart(days []server.Day) (out chart) {
	for _, d := range days {
		out.Max = max(out.Max, d.Found, d.Handled)
	}
	for i, d := range days {
		h := func(n int) int {
			if n == 0 {
				return 0
			}
			return max(2, n*chartHeight/max(1, out.Max))
		}
		out.Bars = append(out.Bars, bar{X: i * 12, FoundY: chartHeight - h(d.Found), FoundH: h(d.Found), DoneY: chartHeight - h(d.Handled), DoneH: h(d.Handled), Day: d.Day,
			Found: d.Found, Handled: d.Handled})
	}
	return out
}

// number reads a number of a query within limits.
func number(text string, least, most int) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		return least
	}
	return max(least, min(n, most))
}

// topics are those that a list can be narrowed to.
var topics = []deminer.Topic{deminer.TopicMining, deminer.TopicReturns, deminer.TopicRootkit, deminer.TopicBackdoor, deminer.TopicWebShell,
	deminer.TopicCompanion, deminer.TopicTamper, deminer.TopicCompute}
