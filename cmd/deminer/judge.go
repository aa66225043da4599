package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
	"github.com/deminer/deminer/internal/host/deny"
	"github.com/deminer/deminer/internal/match"
	"github.com/deminer/deminer/internal/policy"
)

// Limits of judging a program that is to begin: somebody waits.
const (
	maxJudged = 64 << 20 // bytes of one whose digest is taken; a larger one is let through
	maxProved = 16 << 20 // bytes that the rules read
	maxClean  = 16384    // contents that are remembered as clean
	maxTurns  = 8        // programs that are read at once: each takes a thread, and the agent's threads are limited
	reserve   = 200 * time.Millisecond
)

// judge says whether a content may begin to run.
type judge struct {
	rules    *match.Set
	packages host.Packages            // nil: none
	removed  func() map[string]bool   // digests that clean-ups took away
	policy   func() *policy.Policy    // in force
	told     func(*deny.Exec, string) // what is bad and not refused, as the policy says, and its path
	own      string                   // digest of this very program, which holds the rules

	glance func(pid int) (deminer.Process, error) // nil: who asks is not looked at

	turns chan struct{} // of maxTurns
	mu    sync.Mutex
	clean map[progKey]string // digest of what nothing speaks against
	bad   map[string]badness // by path: what was told of last
}

// badness is what speaks against a content.
type badness struct {
	sum, why string
	by       deminer.Process // who asked, as it was while it waited
}

// ask implements deny.Options.Judge. It may be called from several goroutines.
func (j *judge) ask(x *deny.Exec) deny.Verdict {
	pol := j.policy()
	mode := pol.Prevents(time.Now()).Program
	key := progKey{x.Attr.Dev, x.Attr.Ino, x.Attr.Size, x.Attr.Ctime}
	if mode == policy.Off || x.Attr.Size > maxJudged {
		return deny.Allow
	}
	removed := j.removed()
	j.mu.Lock()
	sum, clean := j.clean[key]
	j.mu.Unlock()
	if clean && !removed[sum] {
		return deny.Known
	}
	select {
	case j.turns <- struct{}{}:
		defer func() { <-j.turns }()
	case <-time.After(time.Until(x.Until)):
		return deny.Allow
	}
	if sum = contentSum(x.File, maxJudged); sum == "" {
		return deny.Allow
	}
	name, _ := os.Readlink("/proc/self/fd/" + strconv.Itoa(int(x.File.Fd())))
	why, whole := "", true
	if sum != j.own {
		why, whole = j.look(x, name, sum, removed)
	}
	switch {
	case why == "" && !whole:
		return deny.Allow
	case why == "":
		j.keep(key, sum)
		return deny.Known
	case allowed(pol, sum):
		return deny.Allow
	}
	var by deminer.Process
	if j.glance != nil && x.PID > 0 {
		by, _ = j.glance(x.PID)
	}
	j.mu.Lock()
	if len(j.bad) >= maxClean {
		clear(j.bad)
	}
	j.bad[name] = badness{sum, why, by}
	j.mu.Unlock()
	if mode != policy.Block {
		j.told(x, name)
		return deny.Allow
	}
	return deny.Deny
}

// look says what speaks against a content, and whether all of it could be looked at.
func (j *judge) look(x *deny.Exec, name, sum string, removed map[string]bool) (why string, whole bool) {
	intact := func() bool {
		return j.packages != nil && name != "" && j.packages.CheckContent(name, sectionOf(x.File, x.Attr.Size)).State == deminer.Intact
	}
	if removed[sum] {
		if intact() { // an owner may install what an intruder brought
			return "", true
		}
		return "its content was taken away by a clean-up", true
	}
	for _, h := range j.rules.Hash(sum) {
		if h.Strength >= match.Proof && !intact() {
			return "its content is known: " + deminer.Cut(h.What, 200), true
		}
	}
	if intact() {
		return "", true
	}
	ctx, stop := context.WithDeadline(context.Background(), x.Until.Add(-reserve))
	defer stop()
	hits, err := j.rules.File(ctx, x.File, min(x.Attr.Size, maxProved))
	for _, h := range hits {
		if h.Strength >= match.Proof && strings.HasPrefix(h.Rule, "yara/") {
			return "the rule " + deminer.Cut(h.Rule, 100) + " proves its content: " + deminer.Cut(h.What, 200), true
		}
	}
	return "", err == nil
}

func (j *judge) keep(key progKey, sum string) {
	if time.Since(key.ctime) < time.Second { // a write in the same tick of the clock would not show
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.clean) >= maxClean {
		clear(j.clean)
	}
	j.clean[key] = sum
}

// reason is what was refused at a path last, and why.
func (j *judge) reason(name string) badness {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.bad[name]
}

// allowed reports whether the owner allows a content at all: whose it is and where it lies is looked at afterwards, by the detectors.
func allowed(p *policy.Policy, sum string) bool {
	for _, e := range p.Allow {
		if strings.EqualFold(e.SHA256, sum) && time.Now().Before(e.Expires) {
			return true
		}
	}
	return false
}

// contentSum gives the SHA-256 of what holds at most limit bytes, else "".
func contentSum(f io.ReaderAt, limit int64) string {
	h := sha256.New()
	n, err := io.Copy(h, sectionOf(f, limit+1))
	if err != nil || n > limit {
		return ""
	}
	return hex.EncodeToString(h.Sum(nil))
}
