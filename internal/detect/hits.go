package detect

import (
	"strings"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/match"
)

// tierOf translates a rule's weight.
func tierOf(s match.Strength) deminer.Tier {
	switch s {
	case match.Proof:
		return deminer.Proof
	case match.Strong:
		return deminer.Strong
	}
	return deminer.Weak
}

// topicOf and classOf translate a rule's kind.
func topicOf(c match.Class) deminer.Topic {
	switch c {
	case match.Mining:
		return deminer.TopicMining
	case match.Persistence, match.Cradle:
		return deminer.TopicReturns
	case match.Rootkit:
		return deminer.TopicRootkit
	case match.WebShell:
		return deminer.TopicWebShell
	case match.Companion:
		return deminer.TopicCompanion
	case match.Evasion:
		return deminer.TopicTamper
	}
	return deminer.TopicBackdoor
}

// strongest picks the weightiest hit.
func strongest(hits []match.Hit) (best match.Hit, ok bool) {
	for _, h := range hits {
		if !ok || h.Strength > best.Strength {
			best, ok = h, true
		}
	}
	return best, ok
}

// contentClass: what fetches and runs code is the same sign wherever it is read, in the entry, in the script it starts or
// on a command line; a second reading must not make two signs of it.
func contentClass(c match.Class) deminer.Class {
	switch c {
	case match.Cradle, match.Persistence, match.Backdoor:
		return deminer.ByPersist
	}
	return deminer.ByContent
}

// hitFinding starts a finding from a rule's hit.
func hitFinding(h match.Hit, subject deminer.Artifact, title string) deminer.Finding {
	f := deminer.Finding{
		Topic: topicOf(h.Class), Tier: tierOf(h.Strength), Class: contentClass(h.Class), Title: title,
		Why: []string{deminer.Safe(h.What) + " (rule " + deminer.Safe(h.Rule) + ")"}, Subject: subject,
	}
	if h.Excerpt != "" {
		f.Why = append(f.Why, "seen: "+q(h.Excerpt))
	}
	if h.Family != "" {
		f.Why = append(f.Why, "resembles "+deminer.Safe(h.Family))
	}
	f.Indicators = hitIndicators([]match.Hit{h})
	return f
}

// hitIndicators collects what hits name.
func hitIndicators(hits []match.Hit) []deminer.Indicator {
	var out []deminer.Indicator
	add := func(kind, value string) {
		if value != "" {
			out = append(out, deminer.Indicator{Kind: kind, Value: value})
		}
	}
	for _, h := range hits {
		if h.Strength < match.Weak && h.Rule != "text/wallet" {
			continue
		}
		add("family", h.Family)
		add("pool", strings.ToLower(h.Meta["pool"]))
		add("wallet", h.Meta["wallet"])
		add("url", h.Meta["url"])
		if h.Rule == "text/wallet" {
			add("wallet", h.Excerpt)
		}
		if h.Rule == "ioc/hash" {
			add("sha256", h.Meta["value"])
		}
	}
	return out
}

// lower takes one tier off.
func lower(t deminer.Tier) deminer.Tier {
	switch t {
	case deminer.Proof:
		return deminer.Strong
	case deminer.Strong:
		return deminer.Weak
	}
	return t
}
