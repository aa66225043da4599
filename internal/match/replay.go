package match

import (
	"fmt"
	"strings"
	"time"

	"github.com/deminer/deminer/sigma"
)

// replay asks the Sigma rules, correlations too, about the events of a sample: one "Field: value" a line, in the words of Sigma; an empty line ends an event.
// Lines that begin with "@" say what an event is: @category, @product and @service instead of those of the rule, @after the time since the event before it, such as 90s.
func (s *Set) replay(b []byte, source sigma.LogSource) ([]Hit, error) {
	stream, matcher := s.sigma.NewStream(sigma.Limits{}), s.sigma.NewMatcher()
	var out []Hit
	take := func(hits []sigma.Hit) {
		for _, h := range hits {
			if h.Rule.Correlation != "" {
				out = s.sigmaHits(out, h.Rule, "")
			}
		}
	}
	now := time.Unix(0, 0)
	for text := range strings.SplitSeq(strings.ReplaceAll(string(b), "\r\n", "\n"), "\n\n") {
		ev, after, err := eventOf(text, source)
		if err != nil {
			return nil, err
		}
		now = now.Add(after)
		ev.Time = now
		for _, r := range matcher.MatchAll(&ev) {
			out = s.sigmaHits(out, r, "") // those that only feed a correlation have samples, too
		}
		take(stream.Add(&ev))
	}
	take(stream.Advance(now.AddDate(100, 0, 0))) // every window is over by then
	return out, nil
}

func eventOf(text string, source sigma.LogSource) (ev sigma.Event, after time.Duration, err error) {
	ev.Source = source
	for line := range strings.SplitSeq(text, "\n") {
		k, v, ok := strings.Cut(line, ": ")
		switch {
		case !ok:
		case k == "@category":
			ev.Source.Category = v
		case k == "@product":
			ev.Source.Product = v
		case k == "@service":
			ev.Source.Service = v
		case k == "@after":
			if after, err = time.ParseDuration(v); err != nil || after < 0 {
				return ev, 0, fmt.Errorf("@after %q is no time such as 90s", v)
			}
		default:
			ev.Fields = append(ev.Fields, sigma.Field{Name: k, Value: v})
		}
	}
	return ev, after, nil
}
