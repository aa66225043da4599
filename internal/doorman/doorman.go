// Package doorman follows the logins of a running host, has guess judge them, and has remedy block who guesses passwords, as far as
// the policy says so. Without hands it only tells.
//
// A block is a plan like any other: journaled before it is made, listed, lifted by hand or by undo, and over by itself.
package doorman

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/guess"
	"github.com/deminer/deminer/internal/host"
	"github.com/deminer/deminer/internal/logins"
)

// Limits of what is done by itself.
const (
	maxBatch   = 50               // blocks of one plan
	maxWaiting = 1000             // blocks that wait for their turn
	maxAnHour  = 2000             // blocks made in an hour: above it the logs are played with, or the host is flooded
	between    = 10 * time.Second // from plan to plan
	saveEvery  = time.Minute
	pruneEvery = time.Hour
	lookAgain  = 10 * time.Minute // own addresses, gateways and sessions
	backwards  = 24 * time.Hour   // how far back the logs are read at the start
)

// Runner runs plans; remedy.Runner is one.
type Runner interface {
	Run(ctx context.Context, p deminer.Plan, approved string, progress func(deminer.Record)) error
}

// Options are what a doorman works with.
type Options struct {
	FS   host.FS
	Info deminer.HostInfo
	// Policy gives the one in force. It is asked anew in each turn.
	Policy func() guess.Policy
	Runner Runner   // nil: nobody is blocked
	State  *os.Root // what is remembered is kept there
	// Prune, where set, is called every hour to delete the journals of blocks that ran out long ago.
	Prune func(context.Context) (int, error)
	// Addresses gives the host's own addresses; nil asks the kernel.
	Addresses func() ([]net.Addr, error)
	Now       func() time.Time // nil: the clock
}

// Doorman is not safe for several goroutines.
type Doorman struct {
	opt     Options
	watch   *guess.Watcher
	follow  *logins.Follower
	waiting []guess.Verdict
	planned time.Time
	saved   time.Time
	spared  time.Time
	pruned  time.Time
	made    []time.Time // blocks of the last hour
	policy  guess.Policy
	kept    [sha256.Size]byte // of what was written down last
}

// Open begins to follow. The error says that what was remembered could not be read; the doorman works all the same.
func Open(ctx context.Context, opt Options) (*Doorman, error) {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Addresses == nil {
		opt.Addresses = net.InterfaceAddrs
	}
	d := &Doorman{opt: opt, policy: opt.Policy(), saved: opt.Now()}
	d.watch = guess.New(d.policy)
	m, err := recall(opt.State)
	d.watch.Load(m.Sources)
	since := opt.Now().Add(-backwards)
	for _, r := range m.Sources { // what was judged before the restart is not counted twice
		if r.Last.After(since) && !r.Last.After(opt.Now()) { // what is to come was written before the clock was set back
			since = r.Last
		}
	}
	d.follow = logins.Follow(opt.FS, since, opt.Info.Zone, m.Logs)
	d.trust(ctx)
	d.spare()
	return d, err
}

// Close writes down what is to be remembered.
func (d *Doorman) Close() error {
	err := d.save()
	d.follow.Close()
	return err
}

// From names the logs that are followed; "" where there are none.
func (d *Doorman) From() string { return d.follow.From() }

// Turn does what is due, and gives what was seen since the last turn. Call it every few seconds. Of verdicts with a Ban the source
// is blocked, or will be within seconds, unless the policy only watches: then Ban is what it would have been. The error tells
// what could not be done; the rest was.
func (d *Doorman) Turn(ctx context.Context) ([]guess.Verdict, []deminer.Gap, error) {
	now := d.opt.Now()
	if p := d.opt.Policy(); !reflect.DeepEqual(p, d.policy) {
		d.policy = p
		d.watch.Follow(p)
		d.trust(ctx) // it may count other logins as guesses
		d.spare()
	} else if now.Sub(d.spared).Abs() >= lookAgain {
		d.spare()
	}
	list, gaps := d.follow.Poll(ctx)
	var out []guess.Verdict
	for _, l := range list {
		for _, v := range d.watch.See(l) {
			out = append(out, v)
			if v.Ban > 0 && v.Time.Add(v.Ban).After(now) && len(d.waiting) < maxWaiting {
				d.waiting = append(d.waiting, v)
			}
		}
	}
	err := d.block(ctx, now)
	if now.Sub(d.saved).Abs() >= saveEvery {
		d.saved = now
		err = errors.Join(err, d.save())
	}
	if d.opt.Prune != nil && now.Sub(d.pruned).Abs() >= pruneEvery {
		d.pruned = now
		_, failed := d.opt.Prune(ctx)
		err = errors.Join(err, failed)
	}
	return out, gaps, err
}

// block makes a plan of the blocks that wait. While another deminer changes the host they wait on.
func (d *Doorman) block(ctx context.Context, now time.Time) error {
	if d.opt.Runner == nil || !d.policy.Block {
		d.waiting = nil
		return nil
	}
	for len(d.made) > 0 && now.Sub(d.made[0]) > time.Hour {
		d.made = d.made[1:]
	}
	n := min(len(d.waiting), maxBatch, maxAnHour-len(d.made))
	if n == 0 || now.Sub(d.planned).Abs() < between {
		return nil
	}
	p := Plan(d.opt.Info, d.waiting[:n], now)
	if len(p.Steps) == 0 { // their time was over before their turn came
		d.waiting = d.waiting[n:]
		return nil
	}
	err := d.opt.Runner.Run(ctx, p, p.Digest(), nil)
	if errors.Is(err, deminer.ErrBusy) {
		return nil
	}
	d.planned, d.waiting = now, d.waiting[n:]
	for range p.Steps {
		d.made = append(d.made, now)
	}
	if err != nil {
		return fmt.Errorf("block who guesses passwords: %w", err)
	}
	return nil
}

// Plan blocks the sources of verdicts for what is left of their time.
func Plan(info deminer.HostInfo, list []guess.Verdict, now time.Time) deminer.Plan {
	var b [2]byte
	_, _ = rand.Read(b[:]) // it never fails
	p := deminer.Plan{ID: now.UTC().Format("20060102-150405-") + hex.EncodeToString(b[:]), Version: "1", Host: info, Made: now.UTC(), Incidents: []string{}, Purpose: deminer.ForBan}
	seen := map[netip.Prefix]bool{}
	for _, v := range list {
		left := min(v.Time.Add(v.Ban).Sub(now), v.Ban).Round(time.Second) // a time to come, of a log or of a clock set back, makes no ban longer
		if left <= 0 || seen[v.From] {
			continue
		}
		seen[v.From] = true
		target := deminer.Artifact{Kind: deminer.KindAddress, Addr: v.From.String()}
		if v.From.IsSingleIP() {
			target.Addr = v.From.Addr().String()
		}
		p.Steps = append(p.Steps, deminer.Step{ID: fmt.Sprintf("s%02d", len(p.Steps)+1), Phase: deminer.PhaseBlock, Undo: true, Why: v.Why(),
			Action: deminer.Action{Verb: deminer.VerbBlock, Target: target, Args: map[string]deminer.Raw{"from": "yes", "for": deminer.Raw(left.String())}}})
	}
	return p
}

// spare gathers who must never be blocked: whom the policy allows, the host's own addresses and gateways, and who is logged in. From
// where people logged in of late without guessing the watcher knows.
func (d *Doorman) spare() {
	d.spared = d.opt.Now()
	var s guess.Spare
	for _, p := range d.policy.Allow {
		s.Add(p, "the policy allows it")
	}
	own, _ := d.opt.Addresses() // where the kernel does not tell, loopback and the rest stay spared
	for _, a := range own {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			s.AddAddr(p.Addr(), "it is an address of this host")
		}
	}
	for _, a := range gateways(d.opt.FS) {
		s.AddAddr(a, "it is a gateway of this host")
	}
	for _, a := range logins.Sessions(d.opt.FS) {
		s.AddAddr(a, "somebody from there is logged in")
	}
	d.watch.Spare(s)
}

// trust tells the watcher of logins of late that were no guesses. Those that come it sees itself.
func (d *Doorman) trust(ctx context.Context) {
	now := d.opt.Now()
	list, _, _ := logins.Read(ctx, d.opt.FS, now.Add(-d.policy.Trust.D()), d.opt.Info.Zone)
	failed := map[netip.Prefix]int{}
	for _, l := range list {
		if p, ok := guess.SourceOf(l.From); ok && l.Kind == "failed" {
			failed[p] += max(l.Count, 1)
		}
	}
	for _, r := range d.watch.Known(now) {
		failed[r.From] = max(failed[r.From], r.Total)
	}
	for _, l := range list {
		p, ok := guess.SourceOf(l.From)
		if ok && l.Kind == "login" && (l.Method == "publickey" || failed[p] < d.policy.Right) {
			d.watch.Trust(p, l.Time)
		}
	}
}

// gateways reads the routers of the host from the kernel's tables of routes.
func gateways(fsys host.FS) (out []netip.Addr) {
	v4, _ := host.ReadFile(fsys, "/proc/net/route", 1<<20) // where there is none nothing is spared for it
	for l := range strings.Lines(string(v4)) {
		f := strings.Fields(l)
		if len(f) < 3 || len(f[2]) != 8 || f[2] == "00000000" {
			continue
		}
		if b, err := hex.DecodeString(f[2]); err == nil {
			out = append(out, netip.AddrFrom4([4]byte{b[3], b[2], b[1], b[0]})) // little endian on all systems we run on
		}
	}
	v6, _ := host.ReadFile(fsys, "/proc/net/ipv6_route", 1<<20)
	for l := range strings.Lines(string(v6)) {
		f := strings.Fields(l)
		if len(f) < 5 {
			continue
		}
		if b, err := hex.DecodeString(f[4]); err == nil && len(b) == 16 {
			if a := netip.AddrFrom16([16]byte(b)); !a.IsUnspecified() {
				out = append(out, a)
			}
		}
	}
	return out
}
