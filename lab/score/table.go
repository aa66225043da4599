//go:build linux

package main

import (
	"fmt"
	"strings"
	"time"
)

// score is everything that one run of the program measured.
type score struct {
	When     time.Time `json:"when"`
	Version  string    `json:"version"`
	Watch    string    `json:"watch"`
	Wait     string    `json:"wait"`
	CPUs     int       `json:"cpus"`
	Parallel int       `json:"parallel"`
	Infected []result  `json:"infected"`
	Honest   []honest  `json:"honest"`
	Caught   []caught  `json:"caught,omitempty"`
	Soaked   []soaked  `json:"soaked,omitempty"`
}

// faults counts what kept the score from being perfect.
func (s score) faults() (n int) {
	for _, r := range s.Infected {
		n += r.Tally.Planted - r.Tally.Convicted + len(r.Tally.Apart) + len(r.Left) + len(r.Remains) + len(r.Business) + len(r.Returned) + len(r.Undo)
		if r.Err != "" {
			n++
		}
	}
	for _, c := range s.Caught {
		if c.Err != "" || c.Never {
			n++
		}
	}
	for i := range s.Soaked {
		n += s.Soaked[i].faulty()
	}
	for _, h := range s.Honest {
		n += len(h.Acting)
		if h.Err != "" {
			n++
		}
	}
	return n
}

// markdown writes the score as a page; every figure in it was measured in this run.
func (s score) markdown() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# Score\n")
	line("Written by `make score` on %s with deminer %s on a machine with %d CPUs, %d infected hosts at a time. Each row is a throw-away Debian 12 host with real systemd, infected with harmless imitations (`lab/scenario`). "+
		"Watch window %s; after a reboot another %s were waited.\n", s.When.UTC().Format("2006-01-02 15:04 UTC"), s.Version, s.CPUs, max(1, s.Parallel), s.Watch, s.Wait)
	if len(s.Infected) > 0 {
		s.infected(line)
	}
	if len(s.Honest) > 0 {
		s.honest(line)
	}
	return b.String()
}

func (s score) infected(line func(string, ...any)) {
	line("## Infected hosts\n")
	line("| Scenario | Planted | Found | Joined in one incident | Convicted | Left | Other remains | Business changed | Returned | Undo differs | Detect s | Contain s | Clean s | Scan CPU s | Scan MiB |")
	line("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
	for _, r := range s.Infected {
		if r.Err != "" && r.Tally.Planted == 0 {
			line("| %s | stopped, see below |||||||||||||||", r.Name)
			continue
		}
		t := r.Tally
		line("| %s | %d | %d | %d | %d | %d | %d | %d | %d | %d | %s | %s | %s | %s | %d |", r.Name, t.Planted, t.Found, t.Joined, t.Convicted,
			len(r.Left), len(r.Remains), len(r.Business), len(r.Returned), len(r.Undo), seconds(r.Detect), contain(r.Contain), seconds(r.Clean), seconds(r.CPU), r.RSS/1024)
	}
	line("\nLeft: planted artefacts after clean. Other remains: names that were not there before the infection (emptied files, directories). Business changed: the owner's files that differ from before the infection in bytes, mode, owner, attributes or flags, or database rows. " +
		"Undo differs: files that are not byte and metadata identical with the infected state. Contain: until no infected process used CPU any more.\n")
	if saved := s.planned(); len(saved) > 0 {
		line("Cleaned by a saved plan (`plan --out`, then `clean --plan`): %s. The others are cleaned by the plan that clean makes itself.\n", strings.Join(saved, ", "))
	}
	for _, r := range s.Infected {
		r.details(line)
	}
}

// planned names the scenarios that a saved plan cleaned.
func (s score) planned() (names []string) {
	for _, r := range s.Infected {
		if r.Planned != "" {
			names = append(names, r.Name)
		}
	}
	return names
}

func contain(d time.Duration) string {
	if d == 0 {
		return "never"
	}
	return seconds(d)
}

// details lists what is not perfect in a row.
func (r result) details(line func(string, ...any)) {
	parts := []struct {
		title string
		list  []string
	}{
		{"missed", r.Tally.Missed}, {"found apart", r.Tally.Apart}, {"left", r.Left}, {"other remains", r.Remains}, {"business changed", r.Business},
		{"returned", r.Returned}, {"undo differs", r.Undo}, {"refused", r.Refused}, {"said", r.Said},
	}
	shown := false
	head := func() {
		if !shown {
			line("### %s\n\nVerdict %q, %d steps, exit codes %v, directory times after undo that differ: %d.\n", r.Name, r.Verdict, r.Steps, r.Codes, r.DirTimes)
			shown = true
		}
	}
	if r.Err != "" {
		head()
		line("- stopped: `%s`", code(r.Err))
	}
	const most = 12
	for _, p := range parts {
		for i, x := range p.list {
			head()
			if i == most {
				line("- %s: %d more", p.title, len(p.list)-most)
				break
			}
			line("- %s: `%s`", p.title, code(x))
		}
	}
	if shown {
		line("")
	}
}

// code makes text fit into a code span of one line.
func code(s string) string {
	s = strings.NewReplacer("\n", " / ", "`", "'", "|", "\\|").Replace(s)
	if len(s) > 240 {
		s = s[:240] + " ..."
	}
	return s
}

func (s score) honest(line func(string, ...any)) {
	line("## Benign hosts\n")
	line("| Load | Scans | False positives of acting grade | Left to the owner | Scan s | Scan CPU s | Scan MiB |")
	line("|---|--:|--:|--:|--:|--:|--:|")
	for _, r := range s.Honest {
		line("| %s | %d | %d | %d | %s | %s | %d |", r.Name, r.Rounds, len(r.Acting), len(r.Suspect), seconds(r.Detect), seconds(r.CPU), r.RSS/1024)
	}
	line("")
	for _, r := range s.Honest {
		for _, x := range r.Acting {
			line("- %s: false positive: `%s`", r.Name, code(x))
		}
		for _, x := range r.Suspect {
			line("- %s: left to the owner: `%s`", r.Name, code(x))
		}
		if r.Err != "" {
			line("- %s: stopped: `%s`", r.Name, code(r.Err))
		}
	}
}
