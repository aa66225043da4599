package detect

import (
	"context"
	"fmt"
	"path"
	"time"

	"github.com/deminer/deminer"
)

// nest speaks of programs that lie beside what an accused entry starts, in a directory that was made for both, and are
// started by an entry beside the accused one: all of one user's and made within minutes. Such a program may do nothing at
// the moment of a look: it pauses, or is being started again. An owner's program would have to have come with its entry
// and its directory in the very minutes of the intrusion, into the same two places. What accuses must have been made so: an
// owner's entry or program that the intruder changed later says nothing of what was set up with it.
func nest(_ context.Context, p *Pass) error {
	guilty := p.guilty()
	entries := p.footholds()
	told := map[string]bool{}
	for _, e := range entries {
		if !guilty[e.Artifact().Ref()] || e.Line != "" {
			continue
		}
		for _, g := range p.foreignTargets(e) {
			for _, f := range entries {
				if f.Line != "" || guilty[f.Artifact().Ref()] || path.Dir(string(f.Path)) != path.Dir(string(e.Path)) {
					continue
				}
				for _, t := range p.foreignTargets(f) {
					if path.Dir(t) == path.Dir(g) && t != g && !told[t] && !p.accused(t) {
						told[t] = p.sibling(e, f, g, t)
					}
				}
			}
		}
	}
	return nil
}

// sibling reports t, started by f, if it came together with g, started by the accused e.
func (p *Pass) sibling(e, f *deminer.Foothold, g, t string) bool {
	dir := path.Dir(t)
	if deminer.SharedDir(dir) {
		return false
	}
	place, err1 := p.FS.Lstat(dir)
	first, err2 := p.FS.Lstat(g)
	second, err3 := p.FS.Lstat(t)
	if err1 != nil || err2 != nil || err3 != nil || !second.IsRegular() || !second.Executable() || changedLater(e.Attr) || changedLater(first) {
		return false
	}
	from, to := second.Btime, second.Btime
	for _, a := range []deminer.Attr{place, first, second, e.Attr, f.Attr} {
		if a.Btime.IsZero() || a.UID != second.UID {
			return false
		}
		if a.Btime.Before(from) {
			from = a.Btime
		}
		if a.Btime.After(to) {
			to = a.Btime
		}
	}
	if to.Sub(from) > kitWindow || p.restored(e.Attr, f.Attr, first, second) {
		return false
	}
	h := deminer.Finding{
		Topic: deminer.TopicMining, Tier: deminer.Proof, Class: deminer.ByProvenance, Technique: f.Technique, Catalogue: "EX-05",
		Title: q(t) + " came with the intrusion: it lies beside what an accused entry starts, and an entry beside that one starts it",
		Why: []string{fmt.Sprintf("%s starts %s and is accused; %s starts %s", q(e.Path), q(g), q(f.Path), q(t)),
			fmt.Sprintf("both entries, both programs and %s belong to user %d and were made within %s, from %s on", q(dir), second.UID, to.Sub(from).Round(time.Second), from.UTC().Format(time.RFC3339))},
		Cleared: []string{"a program of the owner's: it would have come with its entry and its directory in the minutes of the intrusion"},
		Subject: file(t), Also: []deminer.Artifact{f.Artifact()}, Time: second.Btime,
	}
	if p.memo.runs[t] != nil {
		h.Tier = deminer.Strong
		h.Cleared = append(h.Cleared, "it runs, and nothing in what it does is a miner's: it is acted on only with another sign")
	}
	p.Report(h)
	return true
}
