package incident

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/deminer/deminer"
)

// node is one thing that may be a member of an incident.
type node struct {
	ref      string
	art      deminer.Artifact
	findings []int
	proc     *deminer.Process
	foot     *deminer.Foothold
	own      deminer.Provenance
	since    time.Time
	grade    deminer.Grade
	why      []string
	tied     bool // a conviction reached it over an edge
}

// trusted reports whether a package owns the thing unchanged: such a thing is never convicted by what is around it.
func (n *node) trusted() bool {
	switch {
	case n.proc != nil:
		return n.proc.Own.Trusted() || n.proc.Kernel
	case n.foot != nil && n.foot.Line == "":
		return n.foot.Own.Trusted()
	}
	return n.own.Trusted() || n.art.Kind == deminer.KindFile && n.own.State == deminer.Owned // Owned: not compared, so not accused by what is around it
}

// replaced reports a proof that the file in the place of a packaged one is another: its package owns the name, but its
// content was not found unchanged.
func (n *node) replaced(f deminer.Finding) bool {
	return n.art.Kind == deminer.KindFile && !n.own.Trusted() && f.Class == deminer.ByTamper && f.Subject.Ref() == n.ref
}

// access are the mechanisms that let a person in rather than start a program.
var access = []string{"ssh-keys", "accounts", "sudoers", "ssh-config", "pam", "suid"}

func (n *node) role(found []deminer.Finding) deminer.Role {
	for _, i := range n.findings {
		switch f := found[i]; {
		case f.Topic == deminer.TopicRootkit && f.Subject.Ref() == n.ref && n.proc == nil:
			return deminer.RoleHides
		case f.Topic == deminer.TopicTamper && f.Subject.Ref() == n.ref && n.foot == nil:
			return deminer.RoleTamper
		case f.Topic == deminer.TopicBackdoor && n.proc == nil && n.art.Kind != deminer.KindFile:
			return deminer.RoleAccess
		}
	}
	switch n.art.Kind {
	case deminer.KindProcess, deminer.KindContainer:
		return deminer.RoleRuns
	case deminer.KindAddress:
		return deminer.RoleTalks
	case deminer.KindAccount:
		return deminer.RoleAccess
	case deminer.KindModule, deminer.KindMount:
		return deminer.RoleHides
	case deminer.KindSetting:
		return deminer.RoleTamper
	}
	if n.foot != nil {
		if n.foot.ID == "PL-18" || slices.Contains(access, n.foot.Mechanism) {
			return deminer.RoleAccess
		}
		return deminer.RoleReturns
	}
	return deminer.RoleFile
}

func (n *node) cleared(found []deminer.Finding) (out []string) {
	for _, i := range n.findings {
		out = append(out, found[i].Cleared...)
	}
	return unique(out)
}

// remove gives the recipe that takes the thing away: that of its findings, else of its foothold, else of its kind. A
// suspected thing has one, too: its owner may ask for it.
func (n *node) remove(found []deminer.Finding) []deminer.Action {
	if n.grade == deminer.Review {
		return nil
	}
	var out []deminer.Action
	for _, i := range n.findings {
		if found[i].Subject.Ref() == n.ref {
			out = append(out, found[i].Remove...)
		}
	}
	if len(out) > 0 && n.proc == nil {
		return out
	}
	if n.foot != nil && n.foot.Remove != nil { // an empty recipe says that no verb may be used, not that any may
		return append(out, n.foot.Remove...)
	}
	act := func(v deminer.Verb) deminer.Action { return deminer.Action{Verb: v, Target: n.art} }
	switch n.art.Kind {
	case deminer.KindProcess:
		return append(out, act(deminer.VerbFreeze), act(deminer.VerbKill))
	case deminer.KindFile:
		return []deminer.Action{act(deminer.VerbQuarantine)}
	case deminer.KindLine:
		return []deminer.Action{act(deminer.VerbCutLine)}
	case deminer.KindAddress:
		return []deminer.Action{act(deminer.VerbBlock)}
	case deminer.KindAccount:
		return []deminer.Action{act(deminer.VerbRemoveAccount)}
	case deminer.KindMount:
		return []deminer.Action{act(deminer.VerbUnmount)}
	case deminer.KindContainer:
		return []deminer.Action{act(deminer.VerbStopContainer)}
	}
	return nil
}

func (n *node) detail() string {
	switch {
	case n.proc != nil:
		s := deminer.Cut(strings.Join(n.proc.Argv, " "), 120)
		if n.proc.Exe != "" {
			s = deminer.Safe(n.proc.Exe) + "  " + s
		}
		if n.proc.Deleted {
			s += "  (its file is deleted)"
		}
		return fmt.Sprintf("%s  %.1f cores", s, n.proc.CPU)
	case n.foot != nil && n.foot.Command != "":
		return strings.TrimSpace(n.foot.Trigger + "  " + deminer.Cut(n.foot.Command, 120))
	case n.foot != nil:
		return n.foot.Trigger
	}
	return ""
}
