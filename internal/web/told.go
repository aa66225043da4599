package web

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/deminer/deminer"
)

// toldText is one text that agents tell, with its Chinese one.
type toldText struct {
	literal string // its longest piece that is always there: looked for first
	pattern *regexp.Regexp
	zh      string
	places  int
}

// maxTold is how long a text is that is looked up; a longer one is shown as it was told.
const maxTold = 600

// toldTexts reads the table of what agents tell.
func toldTexts() (out []toldText, err error) {
	text, err := files.ReadFile("told.txt")
	if err != nil {
		return nil, fmt.Errorf("read what agents tell: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		en, zh, ok := strings.Cut(line, "\t")
		if !ok || zh == "" {
			return nil, fmt.Errorf("read what agents tell: line %q", line)
		}
		t := toldText{zh: zh}
		pieces := strings.Split(en, "{}")
		t.places = len(pieces) - 1
		for i, p := range pieces {
			if len(p) > len(t.literal) {
				t.literal = p
			}
			pieces[i] = regexp.QuoteMeta(p)
		}
		if t.pattern, err = regexp.Compile("^" + strings.Join(pieces, "(.+?)") + "$"); err != nil {
			return nil, fmt.Errorf("read what agents tell: %w", err)
		}
		out = append(out, t)
	}
	return out, nil
}

// told gives a text of an agent in the language, where the table has it; what it is filled with is looked up as well. The result is
// text, as what came in: it is not HTML.
func (w words) told(s any) string { return w.toldDeep(deminer.Safe(fmt.Sprint(s)), 3) }

func (w words) toldDeep(text string, depth int) string {
	if w.lang != mandarin || depth == 0 || len(text) > maxTold {
		return text
	}
	if zh, ok := w.zh[text]; ok {
		return zh
	}
	for i := range w.agents {
		t := &w.agents[i]
		if !strings.Contains(text, t.literal) {
			continue
		}
		m := t.pattern.FindStringSubmatch(text)
		if m == nil {
			continue
		}
		var pairs []string
		for i, arg := range m[1:] {
			pairs = append(pairs, "{"+strconv.Itoa(i+1)+"}", w.toldDeep(arg, depth-1))
		}
		return strings.NewReplacer(pairs...).Replace(t.zh)
	}
	return text
}
