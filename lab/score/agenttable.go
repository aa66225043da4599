//go:build linux

package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// withAgentOn is the title of the agent's section of the page.
const withAgentOn = "## With the agent on"

// page gives the whole page: what this run measured, and of the page before what it did not.
func (s score) page(old string) string {
	write := func(section func(func(string, ...any))) string {
		var b strings.Builder
		section(func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) })
		return b.String()
	}
	switch {
	case len(s.Caught) > 0:
		return replace(old, withAgentOn, write(s.caught))
	case len(s.Soaked) > 0:
		return replace(old, soakTitle, write(s.soaked))
	}
	page := s.markdown()
	for _, title := range []string{withAgentOn, soakTitle} {
		page = replace(page, title, part(old, title))
	}
	return page
}

// part cuts a section out of a page: from its title to the next of that rank; "" where there is none.
func part(page, title string) string {
	_, after, ok := strings.Cut(page, title+"\n")
	if !ok {
		return ""
	}
	if end := strings.Index(after, "\n## "); end >= 0 {
		after = after[:end+1]
	}
	return title + "\n" + after
}

// replace puts a section in the place of the one with this title, or at the end.
func replace(page, title, text string) string {
	if old := part(page, title); old != "" && text != "" {
		return strings.Replace(page, old, text, 1)
	}
	if page != "" && text != "" {
		page = strings.TrimRight(page, "\n") + "\n\n"
	}
	return page + text
}

// line says in one line what became of a scenario.
func (c *caught) line() string {
	out := fmt.Sprintf("%-14s ran %s cpu %s logins %d deeds %v; both %d only scan %d only agent %d %s", c.Name, c.ran(), seconds(c.CPU), c.Logins, c.Deeds, c.Both, len(c.Scan), len(c.Agent), c.Err)
	if c.Stop != nil {
		out += fmt.Sprintf("; %s at %s +%s s", c.Stop.What, c.Stop.Step, seconds(c.Stop.After))
	}
	return out
}

// ran says for how long miners used the processor.
func (c *caught) ran() string {
	switch {
	case c.Never:
		return "to the end"
	case c.Ran == 0 && c.CPU == 0:
		return "never"
	}
	return seconds(c.Ran)
}

func (a *act) cells() string {
	if a == nil {
		return "none | | "
	}
	return fmt.Sprintf("%s | %s | %.2f", code(a.What), code(a.Step), a.After.Seconds())
}

func (s score) caught(line func(string, ...any)) {
	line(withAgentOn + "\n")
	line("Written by `lab/score -agent` on %s with deminer %s on a machine with %d CPUs, %d hosts at a time. Each scenario is run twice on hosts where the agent has been watching since before the first step. "+
		"First with the recommended policy: what it did first, in which step, and how many seconds after that step began. Then without a policy, where the agent only tells: what it has convicted when it says nothing more for %s, and what a scan convicts then.\n",
		s.When.UTC().Format("2006-01-02 15:04 UTC"), s.Version, s.CPUs, max(1, s.Parallel), newsEnd)
	line("| Scenario | First act | In step | After s | All acts | Steps that failed | Miners ran s | Their CPU s | Logins answered |")
	line("|---|---|---|--:|---|--:|--:|--:|--:|")
	for _, c := range s.Caught {
		var deeds []string
		for _, what := range slices.Sorted(maps.Keys(c.Deeds)) {
			deeds = append(deeds, fmt.Sprintf("%s: %d", what, c.Deeds[what]))
		}
		line("| %s | %s | %s | %d | %s | %s | %d |", c.Name, c.Stop.cells(), strings.Join(deeds, ", "), c.Failed, c.ran(), seconds(c.CPU), c.Logins)
	}
	line("\nMiners ran: from when the first process of a miner was seen from outside until none used the processor any more; \"never\": none was seen. Logins answered: by the stub pool; those over TLS cannot be read on the way.\n")
	line("| Scenario | First alert | In step | After s | Convicted by the scan and by the agent | Only by the scan | Only by the agent | As many incidents |")
	line("|---|---|---|--:|--:|--:|--:|---|")
	for _, c := range s.Caught {
		line("| %s | %s | %d | %d | %d | %s |", c.Name, c.First.cells(), c.Both, len(c.Scan), len(c.Agent), map[bool]string{true: "yes", false: "no"}[c.Incident])
	}
	line("")
	for _, c := range s.Caught {
		for _, x := range c.Scan {
			line("- %s: only the scan convicts `%s`", c.Name, code(x))
		}
		for _, x := range c.Agent {
			line("- %s: only the agent convicts `%s`", c.Name, code(x))
		}
		if c.Err != "" {
			line("- %s: stopped: `%s`", c.Name, code(c.Err))
		}
	}
}
