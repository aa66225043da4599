package plan

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer"
)

// boxed is a host where a convicted miner runs in a unit of its own.
func boxed(group string, more ...deminer.Process) *deminer.Report {
	r := report(member(proc(66), deminer.VerbFreeze, deminer.VerbKill))
	for i := range r.Snapshot.Processes {
		switch p := &r.Snapshot.Processes[i]; p.ID.PID {
		case 66:
			p.Cgroup = group
		case 50:
			p.Cgroup = "/user.slice/user-0.slice/session-3.scope"
		}
	}
	r.Snapshot.Processes = append(r.Snapshot.Processes, more...)
	return r
}

func groupStep(p deminer.Plan) *deminer.Step {
	i := slices.IndexFunc(p.Steps, func(s deminer.Step) bool { return s.Action.Target.Kind == deminer.KindCgroup })
	if i < 0 {
		return nil
	}
	return &p.Steps[i]
}

func TestGroupIsBlockedWhereAddressesSayTooLittle(t *testing.T) {
	const unit = "/system.slice/evil.service"
	one := deminer.Socket{Proto: "tcp", State: "established", Remote: "203.0.113.7:3333", Owners: []deminer.ProcID{{PID: 66, Start: 66}}}
	beside := deminer.Process{ID: deminer.ProcID{PID: 70, Start: 70}, Exe: "/opt/shop", Cgroup: unit + "/sub"}
	child := deminer.Process{ID: deminer.ProcID{PID: 71, Start: 71}, PPID: 66, Exe: "/tmp/.x/kswapd0", Cgroup: unit}

	r := boxed(unit)
	s := groupStep(Make(r, Options{BlockFor: time.Hour}, now))
	if s == nil || s.Phase != deminer.PhaseBlock || s.Action.Args["members"] != "66@66" || s.Action.Args["for"] != "1h0m0s" || !s.Undo || s.Risk == "" || len(s.Why) == 0 {
		t.Fatalf("no known address: %+v", s)
	}
	many := boxed(unit)
	for i := range manyPeers {
		next := one
		next.Remote = "203.0.113." + string(rune('1'+i)) + ":443"
		many.Snapshot.Sockets = append(many.Snapshot.Sockets, next)
	}
	if groupStep(Make(many, Options{}, now)) == nil {
		t.Error("many addresses: no block")
	}
	known := boxed(unit)
	known.Snapshot.Sockets = []deminer.Socket{one}
	kin := boxed(unit, child)
	kin.Incidents[0].Members = append(kin.Incidents[0].Members, member(proc(71), deminer.VerbKill), member(file("/tmp/.x/kswapd0"), deminer.VerbQuarantine))
	if s := groupStep(Make(kin, Options{}, now)); s == nil || s.Action.Args["members"] != "66@66 71@71" || !slices.Equal(s.For, []string{proc(66).Ref(), proc(71).Ref()}) {
		t.Errorf("two convicted: %+v", s)
	}
	never := map[string]*deminer.Report{
		"one known address":      known,
		"somebody else below":    boxed(unit, beside),
		"a child nobody accuses": boxed(unit, child),
		"the root":               boxed("/"),
		"no group":               boxed(""),
		"a slice":                boxed("/system.slice"),
		"a user's manager":       boxed("/user.slice/user-0.slice/user@0.service"),
		"PID 1's":                boxed("/init.scope"),
		"the operator's":         boxed("/user.slice/user-0.slice/session-3.scope"),
	}
	for name, r := range never {
		if s := groupStep(Make(r, Options{}, now)); s != nil {
			t.Errorf("%s: blocked: %+v", name, s.Action)
		}
	}
	asleep := boxed(unit)
	asleep.Snapshot.Host.Source = "root"
	if s := groupStep(Make(asleep, Options{}, now)); s != nil {
		t.Errorf("a sleeping host: %+v", s.Action)
	}
}

func TestGroupsOfForgedPlansAreRefused(t *testing.T) {
	for _, name := range []string{"/", "", "/system.slice", "/init.scope", "x", "/a/../b", "/user.slice/user-0.slice/user@0.service"} {
		a := deminer.Artifact{Kind: deminer.KindCgroup, Name: name}
		p := deminer.Plan{Host: deminer.HostInfo{Source: "live"}, Steps: []deminer.Step{{ID: "s01", Action: deminer.Action{Verb: deminer.VerbBlock, Target: a}}}}
		if err := Check(p); err == nil {
			t.Errorf("block of %q passes", name)
		}
	}
	p := Make(boxed("/system.slice/evil.service"), Options{}, now)
	if err := Check(p); err != nil {
		t.Errorf("its own plan: %v", err)
	}
	if lines, err := Firewall(p, "nft"); err != nil || strings.Contains(strings.Join(lines, ""), "evil") {
		t.Errorf("exported: %v %v", lines, err)
	}
}
