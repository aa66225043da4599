package show

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/deminer/deminer"
)

// Report writes a scan's result: verdict, incidents, what is for the owner to review, what was not looked at (with verbose or
// gaps all of it), next step.
func (p Page) Report(r *deminer.Report, verbose, gaps bool) {
	p.line("")
	p.verdict(r)
	for i := range r.Incidents {
		p.line("")
		p.incident(r, &r.Incidents[i], verbose)
	}
	p.hits(r, verbose)
	p.review(r, verbose)
	p.line("")
	p.Gaps(r.Snapshot.Gaps, verbose || gaps)
	p.wrap(2, "  ", p.paint(dim, looked(r)))
	p.rules(r)
	p.next(r, verbose)
}

func (p Page) verdict(r *deminer.Report) {
	dot, code, text := "●", red, "THIS HOST IS MINING FOR SOMEONE ELSE"
	switch r.Verdict {
	case deminer.VerdictIntrude:
		text = "THIS HOST HAS BEEN BROKEN INTO; no miner runs at the moment"
	case deminer.VerdictSuspect:
		code, text = yellow, "Something here needs the owner's eye; nothing is proven"
	case deminer.VerdictClean:
		code, text = green, "Nothing found in what was looked at"
		if blind(r.Snapshot.Host) {
			code, text = yellow, "Nothing found in the little that can be seen without root"
		}
	case deminer.VerdictMining:
		if r.Snapshot.Host.Asleep() {
			text = "THIS SYSTEM MINES FOR SOMEONE ELSE when it runs"
		}
	}
	if !p.Color {
		dot = "*"
	}
	p.line("  %s %s", p.paint(code, dot), p.paint(code, text))
	if s := proofs(r); s != "" {
		p.wrap(4, "    ", s)
	}
}

// proofs sums up the strongest evidence of a report in one line.
func proofs(r *deminer.Report) string {
	var titles []string
	for _, tier := range []deminer.Tier{deminer.Proof, deminer.Strong} {
		for _, f := range r.Findings {
			if f.Tier == tier && f.Topic == deminer.TopicMining && len(titles) < 3 && !slices.Contains(titles, f.Title) {
				titles = append(titles, f.Title)
			}
		}
		if len(titles) > 0 {
			return string(tier) + ": " + strings.Join(titles, "; ")
		}
	}
	return ""
}

var headings = []struct {
	role  deminer.Role
	label string
}{
	{deminer.RoleRuns, "Running"}, {deminer.RoleReturns, "Returns"}, {deminer.RoleAccess, "Access"}, {deminer.RoleHides, "Hides"},
	{deminer.RoleFile, "Files"}, {deminer.RoleTamper, "Touched"}, {deminer.RoleTalks, "Talks to"},
}

func (p Page) incident(r *deminer.Report, inc *deminer.Incident, verbose bool) {
	head := []string{deminer.Safe(r.Snapshot.Host.Name), "incident " + inc.ID}
	if !inc.Since.IsZero() {
		head = append(head, fmt.Sprintf("since %s (%s)", inc.Since.UTC().Format("2006-01-02 15:04 MST"), Ago(inc.Since, r.Snapshot.Taken)))
	}
	if inc.Cores >= 0.05 {
		head = append(head, fmt.Sprintf("about %.1f of %d cores", inc.Cores, r.Snapshot.Host.CPUs))
	}
	for _, i := range inc.Indicators {
		if i.Kind == "wallet" {
			head = append(head, "pays wallet "+short(i.Value))
			break
		}
	}
	if len(inc.Families) > 0 {
		head = append(head, "resembles "+deminer.Cut(strings.Join(inc.Families, ", "), 60))
	}
	p.wrap(2, "  ", p.paint(bold, strings.Join(head, " · ")))
	p.line("")
	for _, h := range headings {
		p.members(inc, h.role, h.label, verbose)
	}
	p.entries(inc, verbose)
	if len(inc.Secrets) > 0 {
		p.wrap(12, "  Secrets   ", fmt.Sprintf("%s the intruder could read must be rotated: %s", plural(len(inc.Secrets), "credential", "credentials"), secrets(inc, verbose)))
	}
	for _, d := range inc.Distrust {
		p.wrap(12, "  "+p.paint(red, "Rebuild")+"   ", "This system can no longer be trusted: "+deminer.Safe(d))
	}
	if verbose {
		p.timeline(inc)
	}
}

func (p Page) members(inc *deminer.Incident, role deminer.Role, label string, verbose bool) {
	const few = 8
	n, more := 0, 0
	for i := range inc.Members {
		m := &inc.Members[i]
		if m.Role != role || m.Grade == deminer.Review && !verbose {
			continue
		}
		if n++; n > few && !verbose {
			more++
			continue
		}
		text := keys(m.Artifact.String())
		if d := detail(m); d != "" {
			text += " · " + p.paint(dim, d)
		}
		if m.Grade != deminer.Convicted {
			text = p.paint(yellow, "? ") + text
		}
		p.wrap(12, "  "+fmt.Sprintf("%-10s", label), text)
		label = ""
		if verbose {
			p.line("%14s%s", "", p.paint(dim, deminer.Handle(m.Artifact.Ref())+"  "+grades[m.Grade]))
			for _, w := range m.Why {
				p.wrap(16, strings.Repeat(" ", 14)+"- ", Plain(w))
			}
			for _, c := range m.Cleared {
				p.wrap(16, strings.Repeat(" ", 14)+"  ", p.paint(dim, "tested: "+deminer.Safe(c)))
			}
		}
	}
	if more > 0 {
		p.line("%12s%s", "", p.paint(dim, fmt.Sprintf("and %d more (deminer scan -v)", more)))
	}
}

// grades says in words what each grade means for a plan.
var grades = map[deminer.Grade]string{
	deminer.Convicted: "in the plan, unless you --skip it",
	deminer.Suspected: "not in the plan, unless you add it with --also",
	deminer.Review:    "for you to look at",
}

// Plain puts a reason of a verdict in the words of a person who does not know the model.
func Plain(why string) string {
	if rest, ok := strings.CutPrefix(why, "tied: "); ok {
		return "because " + rest
	}
	return why
}

// detail is the detail of a member without what its line says already.
func detail(m *deminer.Member) string {
	line := deminer.Safe(m.Artifact.Line)
	var parts []string
	for part := range strings.SplitSeq(m.Detail, "  ") {
		part = strings.TrimSpace(part)
		first, rest, _ := strings.Cut(part, " ")
		last := len(parts) - 1
		switch {
		case part == "" || part == "0.0 cores" || m.Artifact.Kind == deminer.KindLine && strings.Contains(line, strings.TrimSuffix(part, "…")):
		case last >= 0 && (first == parts[last] || first == path.Base(parts[last])): // argv begins with the program just named
			parts[last] = strings.TrimSpace(parts[last] + " " + rest)
		default:
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, " · ")
}

// key is the body of an SSH key as it stands in a file.
var key = regexp.MustCompile(`AAAA[A-Za-z0-9+/=]{30,}`)

// keys shortens SSH keys: their end tells them apart, and what follows them is the comment a person looks for.
func keys(text string) string {
	return key.ReplaceAllStringFunc(text, func(k string) string { return "AAAA…" + k[len(k)-8:] })
}

func (p Page) entries(inc *deminer.Incident, verbose bool) {
	for i, e := range inc.Entries {
		if i > 1 && !verbose {
			break
		}
		label := "  Came in   "
		if i > 0 {
			label = "            "
		}
		p.wrap(12, label, p.paint(yellow, e.Belief+":")+" "+e.What)
		if verbose {
			for _, w := range e.Why {
				p.wrap(16, strings.Repeat(" ", 14)+"- ", w)
			}
		}
	}
}

func (p Page) timeline(inc *deminer.Incident) {
	if len(inc.Timeline) == 0 {
		return
	}
	p.line("\n  Time line")
	for _, m := range inc.Timeline {
		p.wrap(26, "    "+m.Time.UTC().Format("2006-01-02 15:04:05")+"   ", keys(m.What)+" "+p.paint(dim, "("+m.From+")"))
	}
}

func secrets(inc *deminer.Incident, all bool) string {
	var out []string
	for i, s := range inc.Secrets {
		if i == 4 && !all {
			out = append(out, "…")
			break
		}
		out = append(out, deminer.Safe(s.Path))
	}
	return strings.Join(out, ", ")
}

// review lists what speaks of no incident: strong signs that stand alone, then, folded, the weak ones.
func (p Page) review(r *deminer.Report, verbose bool) {
	used := map[int]bool{}
	for _, inc := range r.Incidents {
		for _, m := range inc.Members {
			for _, f := range m.Findings {
				used[f] = true
			}
		}
	}
	var strong, weak []deminer.Finding
	for i, f := range r.Findings {
		switch {
		case used[i] || f.Topic == deminer.TopicDoor && len(r.Incidents) > 0 && !verbose:
		case f.Tier == deminer.Proof || f.Tier == deminer.Strong, f.Topic == deminer.TopicBackdoor && f.Class == deminer.ByProvenance && len(r.Incidents) > 0:
			// What may have come with the intrusion and lets somebody in is named, however weak the sign.
			strong = append(strong, f)
		default:
			weak = append(weak, f)
		}
	}
	if len(strong) > 0 {
		p.line("\n  For the owner to decide (one sign alone proves nothing):")
		like := map[string]int{}
		for _, f := range strong {
			if like[f.Detector]++; verbose || like[f.Detector] <= 3 {
				p.finding(f, verbose)
			}
		}
		for _, f := range strong {
			if n := like[f.Detector]; n > 3 && !verbose {
				p.line("    - %s", p.paint(dim, fmt.Sprintf("and %d more like it: %s (deminer scan -v)", n-3, f.Detector)))
				like[f.Detector] = 0
			}
		}
	}
	switch {
	case len(weak) > 0 && verbose:
		p.line("\n  For the owner to review:")
		for _, f := range weak {
			p.finding(f, true)
		}
	case len(weak) > 0:
		p.line("\n  %s for the owner to review (deminer scan -v)", plural(len(weak), "thing", "things"))
	}
}

func (p Page) finding(f deminer.Finding, verbose bool) {
	p.wrap(6, "    - ", f.Title)
	if !verbose {
		return
	}
	for _, w := range f.Why {
		p.wrap(10, "        - ", w)
	}
	for _, c := range f.Cleared {
		p.wrap(10, "          ", p.paint(dim, "tested: "+c))
	}
	if f.Fix != "" {
		p.wrap(10, "        → ", f.Fix)
	}
}

func looked(r *deminer.Report) string {
	l := r.Looked
	return fmt.Sprintf("Looked at %s, %s, %s, %s (%.1f MB) with %s in %s, %s.",
		plural(l.Processes, "process", "processes"), plural(l.Sockets, "socket", "sockets"), plural(l.Footholds, "foothold", "footholds"),
		plural(l.Files, "file", "files"), float64(l.Bytes)/1e6, plural(l.Rules, "rule", "rules"), Seconds(r.Elapsed), extent(r))
}

// extent says what kind of look it was, and at which system.
func extent(r *deminer.Report) string {
	system := "this host"
	if dir, ok := strings.CutPrefix(r.Snapshot.Host.Source, "root:"); ok {
		system = "the system at " + deminer.Safe(dir)
	}
	if r.Mode == "paths" {
		return "a scan of the paths given, on " + system
	}
	return "a " + deminer.Safe(r.Mode) + " scan of " + system
}

// blind reports whether deminer ran without the rights to see a running host whole.
func blind(h deminer.HostInfo) bool { return !h.Root && !h.Asleep() }

// Below is the --root flag that a next command needs to look at the same system; "" for the running one.
func Below(h deminer.HostInfo) string {
	if dir, ok := strings.CutPrefix(h.Source, "root:"); ok {
		return " --root " + deminer.Safe(dir)
	}
	return ""
}

func (p Page) next(r *deminer.Report, verbose bool) {
	p.line("")
	root := Below(r.Snapshot.Host)
	switch {
	case len(r.Incidents) > 0:
		p.line("  %s  deminer plan%s        shows every change before it is made", p.paint(bold, "Next:"), root)
	case blind(r.Snapshot.Host):
		p.line("  %s  run deminer as root (sudo): without, other users' processes and files stay unseen", p.paint(bold, "Next:"))
	case r.Verdict == deminer.VerdictSuspect && !verbose:
		p.line("  %s  deminer scan -v%s     shows the evidence and what was tested", p.paint(bold, "Next:"), root)
	case r.Mode != "full":
		p.line("  %s  deminer scan --full%s looks at every file", p.paint(bold, "More:"), root)
	}
}

func short(s string) string {
	if len(s) <= 16 {
		return deminer.Safe(s)
	}
	return deminer.Safe(s[:5]) + "…" + deminer.Safe(s[len(s)-4:])
}

// Moment writes the time as the page does.
func Moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") }
