package web

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/alert"
	"github.com/deminer/deminer/internal/server"
)

func itoa(n int) string { return strconv.Itoa(n) }

// verdict is the written judgement of an alert: made of its evidence alone, by nobody outside.
type verdict struct {
	Short string // key: one sentence, for a list
	Lines []line
}

// maxEvidence is how many lines of evidence stand in the verdict; all of them stand below it.
const maxEvidence = 5

// line is one sentence with what it is filled with.
type line struct {
	Key  string
	Args []any
	Sign string // "+" speaks against it, "-" speaks for its being the owner's, "" neither
}

// shortVerdict is the sentence that stands in lists.
func shortVerdict(a *server.Alert) string {
	mining := a.Is(deminer.TopicMining)
	switch {
	case a.State == alert.Whitelisted:
		return "Allowed: its owner knows it."
	case a.State == alert.Handled:
		return "Over: it is gone."
	case a.State == alert.Blocked && mining:
		return "A miner, contained: it cannot go on, and is still there."
	case a.State == alert.Blocked:
		return "Contained: it cannot go on, and is still there."
	case a.Grade == alert.Proof && mining:
		switch a.Thing.Artifact.Kind {
		case deminer.KindProcess:
			return "A miner. That is proven: this is no business program."
		case deminer.KindAddress:
			return "A miner here talks to it. That is proven."
		}
		return "It belongs to a miner. That is proven."
	case a.Grade == alert.Proof:
		return "An intruder's. That is proven."
	case a.Grade == alert.Strong && mining:
		return "Very likely a miner: independent strong signs agree."
	case a.Grade == alert.Strong:
		return "Very likely an intruder's: independent strong signs agree."
	}
	return "One strong sign. Only its owner can tell."
}

// judge writes the verdict: what speaks against it, what for its being the owner's, and how sure that is.
func judge(a *server.Alert, hosts int) (v verdict) {
	v.Short = shortVerdict(a)
	t := &a.Thing
	add := func(sign, key string, args ...any) { v.Lines = append(v.Lines, line{key, args, sign}) }
	switch {
	case t.Package != "":
		add("-", "It came with the package %s. A package is not replaced without trace: look whether the file is still as packaged.", t.Package)
	case t.Path != "":
		add("+", "No package owns it: it did not come with the system.")
	}
	switch path := string(t.Path); {
	case hidden(path):
		add("+", "Its path has a hidden name in it: %s", deminer.Safe(path))
	case temporary(path):
		add("+", "It lies where anybody may write: %s", deminer.Safe(path))
	}
	if t.Unit != "" {
		add("", "It runs in the unit %s.", t.Unit)
	}
	if t.Container != "" {
		add("", "It runs in the container %s.", t.Container)
	}
	if hosts > 1 {
		add("", "The same content was found on %d hosts. Where it is not a program of yours, the intruder spread it.", hosts)
	}
	if a.Count > 1 {
		add("", "It was seen %d times: it is no passing thing.", a.Count)
	}
	for _, h := range a.History {
		if h.Why == "it came back" {
			add("+", "It came back after it was gone: something starts it again. Deep cleanup looks for what.")
			break
		}
	}
	return v
}

func hidden(path string) bool {
	for i := 1; i < len(path); i++ {
		if path[i] == '.' && path[i-1] == '/' && i+1 < len(path) && path[i+1] != '/' {
			return true
		}
	}
	return false
}

func temporary(path string) bool {
	for _, p := range []string{"/tmp/", "/var/tmp/", "/dev/shm/", "/run/user/"} {
		if len(path) > len(p) && path[:len(p)] == p {
			return true
		}
	}
	return false
}

// advise gives the next steps, the best first.
func advise(a *server.Alert) []string {
	switch {
	case !a.State.Open():
		return []string{"Nothing is to be done. If it comes back, this alert opens again by itself."}
	case !a.Convicted():
		return []string{"Ask who owns it. If it is yours, allow exactly this. If nobody knows it, look at its lineage and at the other alerts of this host.",
			"Until then block what it sends, if that does no harm: a block can be lifted."}
	case a.Is(deminer.TopicMining), a.Is(deminer.TopicCompanion):
		return []string{"Deep cleanup: it ends this, takes away what starts it again, and keeps every file in quarantine. You see each step before it is made.",
			"Then close the way in that stands under incident, and rotate the credentials that could be read.",
			"Watch whether it stays away: the agent tells when something comes back."}
	case a.Is(deminer.TopicReturns), a.Is(deminer.TopicBackdoor):
		return []string{"Deep cleanup: what is started by this is ended first, then this is taken away, line by line.",
			"Then close the way in that stands under incident, and rotate the credentials that could be read."}
	}
	return []string{"Look at the evidence and at the incident that it belongs to. Deep cleanup shows every step before it is made."}
}

// moment is one line of a time line.
type moment struct {
	Time time.Time
	Key  string // translated where the table has it
	Args []any
	From string
	Kind string // "seen", "deed", "state", "past"
}

func momentsOf(a *server.Alert, inc *server.Incident, deeds []server.Deed) (out []moment) {
	out = append(out, moment{Time: a.First, Key: "seen first", Kind: "seen"})
	if a.Last.After(a.First) {
		out = append(out, moment{Time: a.Last, Key: "seen last", Kind: "seen"})
	}
	for _, h := range a.History {
		if h.Why == "seen" {
			continue
		}
		out = append(out, moment{Time: h.Time, Key: "%s by %s: %s", Args: []any{string(h.State), person(h.By), h.Why}, Kind: "state"})
	}
	for _, d := range a.Deeds {
		out = append(out, moment{Time: d.Time, Key: d.What, Kind: "deed"})
	}
	for _, d := range deeds {
		out = append(out, moment{Time: d.Updated, Key: "plan %s by %s: %s", Args: []any{handlingName(d.Handling), person(d.By), string(d.State)}, Kind: "deed"})
	}
	if inc != nil {
		for _, p := range inc.Parts {
			if p.Host != a.Host {
				continue
			}
			for _, m := range p.Timeline[:min(len(p.Timeline), 60)] {
				out = append(out, moment{Time: m.Time, Key: deminer.Cut(m.What, 300), From: deminer.Cut(m.From, 60), Kind: "past"})
			}
		}
	}
	slices.SortStableFunc(out, func(x, y moment) int { return cmp.Compare(x.Time.Unix(), y.Time.Unix()) })
	return out
}

// incident adds what the incident of an alert tells of its host.
func (b *alertBody) incident(ctx context.Context, s *server.Server, host string) error {
	inc, err := s.Incident(ctx, b.A.Fleet)
	if server.IsNone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	b.Incident = &inc
	for _, p := range inc.Parts {
		if p.Host == host {
			b.Secrets = append(b.Secrets, p.Secrets[:min(len(p.Secrets), 50)]...)
			b.Entries = append(b.Entries, p.Entries[:min(len(p.Entries), 10)]...)
		}
	}
	return nil
}

// handlingName is the key of a choice's name.
func handlingName(h deminer.Handling) string {
	for _, c := range choices {
		if c.How == string(h) {
			return c.Name
		}
	}
	return string(h)
}
