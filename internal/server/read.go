package server

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/alert"
)

// Limits of what one message may hold. What an honest agent sends is far below them.
const (
	maxAlert  = 256 << 10 // bytes of an alert
	maxLines  = 64        // lines of evidence, history, deeds
	maxText   = 1000      // characters of one line
	maxTopics = 16
	maxTies   = 64   // of one alert or incident
	maxParts  = 64   // incidents of a report
	maxSteps  = 5000 // of a plan
	maxThings = 5000 // in a vault, blocks
)

// read makes a delivery of a message, with every text made safe and every list bounded, or refuses it.
func (s *Server) read(host string, m deminer.Message) (*Delivery, error) {
	switch {
	case !isID(m.ID):
		return nil, refuse("message id %q", deminer.Cut(m.ID, 40))
	case m.Order != "" && !isID(m.Order):
		return nil, refuse("order id %q", deminer.Cut(m.Order, 40))
	case len(m.Body) > deminer.MaxBody: // on the wire it may be packed
		return nil, refuse("message of %d bytes, at most %d", len(m.Body), deminer.MaxBody)
	}
	d := &Delivery{Host: host, ID: m.ID, Told: s.told(host, m), Kind: m.Kind, Order: m.Order, Received: s.now()}
	var err error
	switch m.Kind {
	case deminer.MessageState:
		err = d.readState(m.Body)
	case deminer.MessageAlert:
		err = d.readAlert(m.Body)
	case deminer.MessageReport:
		d.Keep = s.opt.Keep.Reports
		err = d.readReport(m)
	case deminer.MessagePlan:
		err = d.readPlan(m.Body)
	case deminer.MessageRecord:
		err = d.readRecord(m.Body)
	case deminer.MessageDone:
		d.Done = &deminer.Done{}
		err = parse(m.Body, d.Done)
		d.Done.Text, d.Done.Plan = deminer.Cut(d.Done.Text, maxText), deminer.Cut(d.Done.Plan, 80)
	case deminer.MessageVault:
		err = parse(m.Body, &d.Vault)
		d.Vault = d.Vault[:min(len(d.Vault), maxThings)]
		for i := range d.Vault {
			k := &d.Vault[i]
			k.ID, k.SHA256, k.Plan = deminer.Cut(k.ID, 100), deminer.Cut(k.SHA256, 64), deminer.Cut(k.Plan, 80)
		}
	case deminer.MessageBlocks:
		err = parse(m.Body, &d.Blocks)
		d.Blocks = blocksOf(d.Blocks)
	default:
		return nil, refuse("message of kind %q", deminer.Cut(m.Kind, 40))
	}
	if err != nil {
		return nil, refuse("message of kind %s: %v", m.Kind, err)
	}
	return d, nil
}

// parse reads exactly one value.
func parse(body json.RawMessage, into any) error {
	if len(bytes.TrimSpace(body)) == 0 || bytes.Equal(bytes.TrimSpace(body), []byte("null")) {
		return senseless("the body is empty")
	}
	return json.Unmarshal(body, into)
}

func (d *Delivery) readState(body json.RawMessage) error {
	a := &deminer.AgentState{}
	if err := parse(body, a); err != nil {
		return err
	}
	if a.Mode != string(Watching) && a.Mode != string(Preventing) {
		return senseless("mode %q", deminer.Cut(a.Mode, 40))
	}
	h := &a.Host
	for _, t := range []*string{&h.ID, &h.Name, &h.OS, &h.Distro, &h.Kernel, &h.Arch, &h.Source, &h.Zone, &a.Deminer, &a.Digest} {
		*t = deminer.Cut(*t, 120)
	}
	a.Addresses = safeLines(a.Addresses)
	a.Policy, a.Lost, h.Like, h.Self = deminer.Cut(a.Policy, maxText), safeLines(a.Lost), safeLines(h.Like), nil
	d.Agent = a
	return nil
}

func (d *Delivery) readAlert(body json.RawMessage) error {
	if len(body) > maxAlert {
		return senseless("%d bytes, at most %d", len(body), maxAlert)
	}
	a := &alert.Alert{}
	if err := parse(body, a); err != nil {
		return err
	}
	switch {
	case len(a.ID) != 8 || !isHex(a.ID):
		return senseless("alert id %q", deminer.Cut(a.ID, 20))
	case !slices.Contains(alert.States(), a.State):
		return senseless("state %q", deminer.Cut(a.State, 20))
	case !slices.Contains(alert.Grades(), a.Grade):
		return senseless("grade %q", deminer.Cut(a.Grade, 20))
	}
	clean(a)
	d.Alert = &Alert{Alert: *a, Host: d.Host, Updated: d.Received}
	d.Ties = tiesOf(d.Host, a)
	return nil
}

// clean bounds every list and makes every text of an alert safe. What is raw stays raw: it is shown through [deminer.Safe].
func clean(a *alert.Alert) {
	a.Topics = a.Topics[:min(len(a.Topics), maxTopics)]
	for i := range a.Topics {
		a.Topics[i] = deminer.Topic(deminer.Cut(a.Topics[i], 40))
	}
	for _, t := range []*string{&a.Key, &a.Reason, &a.Title, &a.Next, &a.Trigger} {
		*t = deminer.Cut(*t, maxText)
	}
	if a.Title == "" {
		a.Title = "?"
	}
	a.Incident = deminer.Cut(a.Incident, 40)
	a.Why, a.Lineage = safeLines(a.Why), safeLines(a.Lineage)
	a.Deeds = a.Deeds[:min(len(a.Deeds), maxLines)]
	for i := range a.Deeds {
		a.Deeds[i].What, a.Deeds[i].Plan = deminer.Cut(a.Deeds[i].What, maxText), deminer.Cut(a.Deeds[i].Plan, 80)
	}
	a.History = a.History[:min(len(a.History), maxLines)]
	for i := range a.History {
		h := &a.History[i]
		h.By, h.Why, h.State = deminer.Cut(h.By, 80), deminer.Cut(h.Why, maxText), alert.State(deminer.Cut(h.State, 20))
	}
	t := &a.Thing
	for _, p := range []*string{&t.SHA256, &t.Package, &t.Unit, &t.Container, &t.User} {
		*p = deminer.Cut(*p, 200)
	}
	a.First, a.Last = sane(a.First), sane(a.Last)
	a.Count = max(1, min(a.Count, 1<<40))
}

// sane keeps a time within what can be kept and shown.
func sane(t time.Time) time.Time {
	if y := t.Year(); y < 1970 || y > 9000 {
		return time.Unix(0, 0).UTC()
	}
	return t.UTC()
}

func safeLines(in []string) []string {
	in = in[:min(len(in), maxLines)]
	for i := range in {
		in[i] = deminer.Cut(in[i], maxText)
	}
	return in
}

func (d *Delivery) readReport(m deminer.Message) error {
	r := &deminer.Report{}
	if err := parse(m.Body, r); err != nil {
		return err
	}
	r.Mode, r.Verdict = deminer.Cut(r.Mode, 20), deminer.Verdict(deminer.Cut(string(r.Verdict), 20))
	taken := sane(r.Snapshot.Taken)
	d.Report = &Report{ID: d.ID, Host: d.Host, Order: d.Order, Mode: r.Mode, Verdict: r.Verdict, Taken: taken, Elapsed: max(0, r.Elapsed),
		Looked: r.Looked, Incidents: len(r.Incidents), Findings: len(r.Findings), Gaps: len(r.Snapshot.Gaps), Visits: visitsOf(r.Snapshot.Logins)}
	for _, inc := range r.Incidents[:min(len(r.Incidents), maxParts)] {
		inc.ID, inc.Title = deminer.Cut(inc.ID, 40), deminer.Cut(inc.Title, maxText)
		inc.Since = sane(inc.Since)
		if inc.ID != "" {
			d.Parts = append(d.Parts, PartTies{Part{Host: d.Host, Taken: taken, Incident: inc}, tiesOfIncident(d.Host, &inc)})
		}
	}
	raw, err := json.Marshal(r)
	d.Raw = raw
	return err
}

func (d *Delivery) readPlan(body json.RawMessage) error {
	if d.Order == "" {
		return senseless("a plan that answers no order")
	}
	p := &deminer.Plan{}
	if err := parse(body, p); err != nil {
		return err
	}
	if p.ID == "" || len(p.ID) > 80 || deminer.Safe(p.ID) != p.ID || len(p.Steps) > maxSteps {
		return senseless("plan %q with %d steps", deminer.Cut(p.ID, 80), len(p.Steps))
	}
	if d.Digest = p.Digest(); d.Digest == "" {
		return senseless("a plan without a digest")
	}
	d.Plan = p
	raw, err := json.Marshal(p)
	d.Raw = raw
	return err
}

func (d *Delivery) readRecord(body json.RawMessage) error {
	r := &deminer.PlanRecord{}
	if err := parse(body, r); err != nil {
		return err
	}
	if r.Plan == "" || len(r.Plan) > 80 || len(r.Record.Step) > 40 {
		return senseless("record of plan %q", deminer.Cut(r.Plan, 80))
	}
	r.Plan, r.Record.Step, r.Record.Note = deminer.Safe(r.Plan), deminer.Safe(r.Record.Step), deminer.Cut(r.Record.Note, maxText)
	r.Record.State = deminer.RecordState(deminer.Cut(r.Record.State, 20))
	r.Record.Undo, r.Record.Body = nil, nil
	r.Record.Time = sane(r.Record.Time)
	d.Record = r
	return nil
}

// RuleOf names the rule that an alert is of: those of the same one have the same evidence, whatever the thing is called.
func RuleOf(a *alert.Alert) string {
	topic := ""
	if len(a.Topics) > 0 {
		topic = string(a.Topics[0])
	}
	title, _, _ := strings.Cut(a.Title, ": ")
	words := strings.Fields(strings.ToLower(title))
	for i, w := range words {
		if strings.ContainsAny(w, "0123456789/\\\"'") {
			words[i] = "#"
		}
	}
	sum := sha256.Sum256([]byte(topic + "|" + strings.Join(words, " ")))
	return hex.EncodeToString(sum[:6])
}

// tiesOf gives what ties an alert to others: the incident that its agent named, and, where it is convicted, what is the same on
// other hosts.
func tiesOf(host string, a *alert.Alert) (out []Tie) {
	if a.Incident != "" {
		out = append(out, Tie{"incident", host + "/" + a.Incident})
	}
	if !a.Grade.AtLeast(alert.Strong) {
		return out
	}
	t := &a.Thing
	if len(t.SHA256) == 64 && isHex(t.SHA256) && t.Package == "" {
		out = append(out, Tie{"sha256", t.SHA256})
	}
	if t.Artifact.Kind == deminer.KindLine && t.Artifact.Line != "" {
		out = append(out, lineTie(t.Artifact.Line))
	}
	return out
}

// maxKeyLine is how much of a line of a key file is kept: the blob of an RSA key of 4096 bits has 716 characters, and it is looked for as a whole.
const maxKeyLine = 960

// lineTie is a line of a cron table, a key file or the like, by its words.
func lineTie(line deminer.Raw) Tie {
	words := strings.Join(strings.Fields(string(line)), " ")
	limit := 160
	if strings.HasPrefix(words, "ssh-") {
		limit = maxKeyLine
	}
	if len(words) > limit+40 {
		sum := sha256.Sum256([]byte(words))
		words = words[:limit] + " …sha256:" + hex.EncodeToString(sum[:16])
	}
	return Tie{"line", deminer.Safe(words)}
}

// shared are the kinds of indicators that are an intruder's own, so that the same one on two hosts is the same intrusion.
// Addresses and families are not: strangers share them.
var shared = []string{"sha256", "wallet", "pool", "key", "url"}

func tiesOfIncident(host string, inc *deminer.Incident) []Tie {
	out := []Tie{{"incident", host + "/" + inc.ID}}
	convicted := false
	for i := range inc.Members {
		m := &inc.Members[i]
		if m.Grade != deminer.Convicted {
			continue
		}
		convicted = true
		if m.Artifact.Kind == deminer.KindLine && m.Artifact.Line != "" && m.Role != deminer.RoleTamper && len(out) < maxTies {
			out = append(out, lineTie(m.Artifact.Line))
		}
	}
	for _, n := range inc.Indicators {
		if convicted && slices.Contains(shared, n.Kind) && n.Value != "" && len(n.Value) <= 300 && len(out) < maxTies {
			out = append(out, Tie{n.Kind, deminer.Safe(n.Value)})
		}
	}
	return out
}
