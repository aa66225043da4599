package detect

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/deminer/deminer"
)

// sudoers speaks of lines that make somebody root without a password who came with the intrusion.
func sudoers(_ context.Context, p *Pass) error {
	for _, f := range p.footholds() {
		if f.ID != "PL-22" || f.Own.State == deminer.Owned && f.Line == "" {
			continue
		}
		text := string(f.Line)
		if text == "" {
			text = string(f.Command)
		}
		who := firstWord(strings.ReplaceAll(strings.TrimSpace(text), "\t", " "))
		var why []string
		free := strings.Contains(strings.ReplaceAll(text, " ", ""), "NOPASSWD:ALL")
		switch {
		case free && (who == "ALL" || closed[who]):
			why = append(why, "it makes "+q(who)+" root without a password")
		case strings.Contains(text, "env_keep") && strings.Contains(text, "LD_PRELOAD"):
			why = append(why, "it lets every user of sudo load his own library as root")
		case free && p.rogueName(who):
			why = append(why, "it makes "+q(who)+", of whom an earlier finding speaks, root without a password")
		}
		close := false
		if g, ok := p.near(f.Attr.Mtime, minutes, f.Path); ok && free && len(why) == 0 {
			why, close = append(why, "it makes "+q(who)+" root without a password, and the file was last written within "+minutes.String()+" of: "+g.Title), true
		}
		if len(why) == 0 {
			continue
		}
		g := about(f, deminer.Strong, deminer.ByAccess, "a sudo rule in "+where(f)+" makes somebody root", append(why, "the rule: "+q(text))...)
		g.Topic, g.Technique = deminer.TopicBackdoor, "T1548.003"
		g.Cleared = []string{"rules of cloud images, monitoring and deployment users: those were there before"}
		if !close { // closeness is counted once
			g = p.settle(g)
		}
		p.Report(g)
	}
	return nil
}

// rogueName reports an account of which an earlier strong finding speaks.
func (p *Pass) rogueName(name string) bool {
	for _, f := range p.memo.found {
		if f.Subject.Kind == deminer.KindAccount && f.Subject.Name == name && (f.Tier == deminer.Strong || f.Tier == deminer.Proof) {
			return true
		}
	}
	return false
}

// shells are programs that give whoever runs them set-uid the rights of their owner.
var rootShells = []string{"/bin/bash", "/bin/dash", "/bin/sh", "/bin/zsh", "/usr/bin/find", "/usr/bin/python3", "/usr/bin/perl", "/bin/busybox", "/usr/bin/vim.basic", "/usr/bin/env", "/bin/cp"}

// suidCopy speaks of set-uid files no package brought. A copy of a shell is a door for everybody.
func suidCopy(_ context.Context, p *Pass) error {
	seen := map[string]bool{}
	check := func(name string, a deminer.Attr, subject deminer.Artifact, f *deminer.Foothold) {
		if seen[name] || a.Mode&0o4000 == 0 || !a.IsRegular() || packaged(p.owner(name)) || inContainerStore(name) {
			return
		}
		seen[name] = true
		g := deminer.Finding{
			Topic: deminer.TopicBackdoor, Tier: deminer.Weak, Class: deminer.ByAccess, Technique: "T1548.001", Catalogue: "PL-23",
			Title:   q(name) + " runs with the rights of uid " + fmt.Sprint(a.UID) + " whoever starts it",
			Why:     []string{fmt.Sprintf("mode %04o, owner uid %d; no package owns it", a.Mode, a.UID)},
			Subject: subject, Time: born(a),
		}
		if like := p.copyOf(name, a.Size); like != "" {
			g.Tier = deminer.Proof
			g.Title = q(name) + " is a set-uid copy of " + like
			g.Why = append(g.Why, "its content is that of "+like+": it gives everybody a shell with these rights")
		} else if placeOf(name).odd() || strings.HasPrefix(path.Base(name), ".") {
			g.Tier = deminer.Strong
			g.Why = append(g.Why, "it lies "+placeOf(name).words())
		}
		p.Report(g)
	}
	for _, f := range p.footholds() {
		if f.ID == "PL-23" {
			check(string(f.Path), f.Attr, f.Artifact(), f)
		}
	}
	if p.Files != nil {
		for _, f := range p.Files.list {
			check(f.Path, f.Attr, file(f.Path), nil)
		}
	}
	return nil
}

func inContainerStore(name string) bool {
	return underAny(name, "/var/lib/docker", "/var/lib/containerd", "/var/lib/containers", "/var/lib/lxc", "/var/lib/lxd", "/snap", "/var/lib/snapd", "/var/lib/machines")
}

// copyOf names the packaged shell whose content the file has.
func (p *Pass) copyOf(name string, size int64) string {
	var own [32]byte
	for _, s := range rootShells {
		a, err := p.FS.Stat(s)
		if err != nil || a.Size != size || size == 0 || size > 32<<20 {
			continue
		}
		if own == [32]byte{} {
			if own, err = p.sum(name); err != nil {
				return ""
			}
		}
		if other, err := p.sum(s); err == nil && other == own {
			return s
		}
	}
	return ""
}

func (p *Pass) sum(name string) (out [32]byte, err error) {
	f, err := p.FS.Open(name)
	if err != nil {
		return out, err
	}
	defer f.Close()
	return sumOf(f)
}

// sumLimit is how many bytes of a file are summed: more than any miner is long.
const sumLimit = 64 << 20

func sumOf(r io.Reader) (out [32]byte, err error) {
	h := sha256.New()
	if _, err := io.Copy(h, io.LimitReader(r, sumLimit)); err != nil && !errors.Is(err, io.EOF) {
		return out, err
	}
	return [32]byte(h.Sum(nil)), nil
}

// errAsleep: there is no process to look into.
var errAsleep = errors.New("the host sleeps")

// binfmt speaks of file formats whose handler runs with the rights of the file it is given.
func binfmt(_ context.Context, p *Pass) error {
	for _, f := range p.footholds() {
		if f.ID != "PL-24" {
			continue
		}
		text := string(f.Line) + string(f.Command)
		flags := text[strings.LastIndexByte(strings.TrimSpace(text), ':')+1:]
		foreign := p.foreignTargets(f)
		if !strings.Contains(flags, "C") || len(foreign) == 0 {
			continue
		}
		g := about(f, deminer.Strong, deminer.ByAccess, "a file format in "+where(f)+" hands root's rights to an unpackaged program",
			"flag C: the handler runs with the rights of the program it is called for", "the handler is "+q(foreign[0])+", which no package owns")
		g.Topic = deminer.TopicBackdoor
		p.Report(g)
	}
	return nil
}
