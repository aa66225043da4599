package show

import (
	"fmt"
	"strings"

	"github.com/deminer/deminer"
)

// fewFiles is how many files with hits are shown unless all is asked for.
const fewFiles = 20

// hits lists which rule hit where, file by file; all with every place, as yara -s does.
func (p Page) hits(r *deminer.Report, all bool) {
	if len(r.Hits) == 0 {
		return
	}
	rules, files := map[string]bool{}, map[deminer.Raw]bool{}
	for _, h := range r.Hits {
		rules[h.Source+h.Rule], files[h.Path] = true, true
	}
	p.line("")
	p.line("  %s hit in %s", plural(len(rules), "rule", "rules"), plural(len(files), "file", "files"))
	shown := map[deminer.Raw]bool{}
	for _, h := range r.Hits {
		if !shown[h.Path] {
			if len(shown) == fewFiles && !all {
				break
			}
			shown[h.Path] = true
			p.wrap(4, "    ", p.paint(bold, deminer.Safe(h.Path)))
		}
		p.hit(h, all)
	}
	switch more := len(files) - len(shown); {
	case more > 0:
		p.line("    %s", p.paint(dim, fmt.Sprintf("and %s (-v shows all, with offsets)", plural(more, "file more", "files more"))))
	case !all:
		p.line("    %s", p.paint(dim, "-v shows the strings that were found, with their offsets"))
	}
}

func (p Page) hit(h deminer.RuleHit, all bool) {
	name := strings.TrimPrefix(h.Rule, "yara/")
	text := deminer.Safe(name) + " · " + h.Strength
	if h.What != "" && !strings.HasPrefix(h.What, "matches the YARA rule") {
		text += " · " + deminer.Cut(h.What, 120)
	}
	if h.Source != "" && h.Source != "built-in" {
		text += " · " + p.paint(dim, deminer.Safe(h.Source))
	}
	p.wrap(8, "      - ", text)
	if !all {
		return
	}
	for _, s := range h.Strings {
		p.line("          %s", deminer.Cut(fmt.Sprintf("0x%x:%s: %s", s.Offset, s.ID, string(s.Excerpt)), max(p.width()-10, 32)))
	}
	if h.Cut {
		p.line("          %s", p.paint(dim, "and more places"))
	}
}

// rules tells which rules were in force besides the program's own, and loudly when they are too old.
func (p Page) rules(r *deminer.Report) {
	var names []string
	for _, s := range r.Rules {
		name := deminer.Safe(s.Name)
		if s.Version != "" {
			name += fmt.Sprintf(" %s (made %s ago, %.12s)", s.Version, Ago(s.Created, r.Snapshot.Taken), s.Digest)
		}
		names = append(names, name)
		if s.Expired {
			p.wrap(4, "  "+p.paint(yellow, "! "), p.paint(yellow, fmt.Sprintf("The rules of bundle %s %s expired on %s: what is newer is not known to them. deminer rules bundle update, or install a newer one.",
				deminer.Safe(s.Name), s.Version, s.Expires.Format("2006-01-02"))))
		}
	}
	if len(names) > 1 {
		p.wrap(2, "  ", p.paint(dim, "Rules: "+strings.Join(names, " · ")+"."))
	}
}
