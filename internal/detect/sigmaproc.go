package detect

import (
	"context"
	"path"
	"strings"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/match"
)

// processRule asks the Sigma rules about every process that runs, as if it had just been started. A rule made for events
// speaks of how something was started, so a hit is strong at most.
func processRule(_ context.Context, p *Pass) error {
	if p.Rules == nil {
		return nil
	}
	for _, pr := range p.subjects() {
		if len(pr.Argv) == 0 || pr.Own.Trusted() && !deminer.RunsScripts(pr.Name()) && !fetchers[pr.Name()] {
			continue
		}
		w := match.Words{"argv": strings.Join(pr.Argv, " "), "exe": pr.Exe, "cwd": pr.Cwd, "name": path.Base(pr.Exe)}
		up := p.parent(pr)
		if up != nil {
			w["parent.exe"], w["parent.argv"] = up.Exe, strings.Join(up.Argv, " ")
		}
		h, ok := strongest(p.Rules.Event(match.LinuxProcess, w))
		if !ok || h.Strength < match.Strong {
			continue
		}
		f := hitFinding(h, process(pr), "how "+called(pr)+" was started: "+deminer.Safe(h.What))
		f.Class, f.Time = startClass(h.Class), pr.Started
		if f.Tier == deminer.Proof || pr.TTY || up != nil && p.memo.self[up.ID] {
			f.Tier = lower(f.Tier)
		}
		f.Cleared = []string{"a person at a terminal: the process has none, or the sign was lowered for it"}
		p.Report(f)
	}
	return nil
}

// startClass gives a rule the class of the detector that sees the same by itself, so that one sign is never two.
func startClass(c match.Class) deminer.Class {
	switch c {
	case match.Mining:
		return deminer.ByContent
	case match.Evasion:
		return deminer.ByProvenance
	case match.Cradle, match.Persistence, match.Backdoor:
		return deminer.ByPersist
	case match.WebShell:
		return deminer.ByAccess
	}
	return deminer.ByTamper
}

// fetchers are packaged programs that intruders start as they are.
var fetchers = set("curl", "wget", "chattr", "nc", "ncat", "socat")
