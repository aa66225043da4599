package show

import (
	"fmt"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/alert"
)

// Alert writes one alert: what it is, what speaks for it, what was done, what is next.
func (p Page) Alert(a *alert.Alert) {
	color := yellow
	if a.Grade == alert.Proof {
		color = red
	}
	p.wrap(2, p.paint(color, "●"), p.paint(bold, deminer.Safe(a.Title)))
	var topics []string
	for _, t := range a.Topics {
		topics = append(topics, string(t))
	}
	say := func(label, text string) {
		if text != "" {
			p.wrap(12, "  "+label, deminer.Safe(text))
		}
	}
	say("Alert", a.ID+" · "+string(a.State)+" · "+string(a.Grade)+" · "+strings.Join(topics, ", "))
	say("Why so", a.Reason)
	say("Seen", a.First.UTC().Format(time.RFC3339)+" to "+a.Last.UTC().Format(time.RFC3339)+", "+times(a.Count))
	say("Because", a.Trigger)
	say("Incident", a.Incident)
	say("Where", strings.TrimSpace(string(a.Thing.Path)+" "+a.Thing.Unit+" "+a.Thing.Container))
	say("SHA-256", a.Thing.SHA256)
	list := func(label string, lines []string) {
		for _, l := range lines {
			say(label, l)
			label = ""
		}
	}
	list("Evidence", a.Why)
	list("Lineage", a.Lineage)
	for _, d := range a.Deeds {
		say("Done", d.Time.UTC().Format(time.RFC3339)+" "+d.What)
	}
	for _, c := range a.History {
		say("State", c.Time.UTC().Format(time.RFC3339)+" "+string(c.State)+" by "+c.By+": "+c.Why)
	}
	say("Next", a.Next)
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}
