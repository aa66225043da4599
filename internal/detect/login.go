package detect

import (
	"context"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/deminer/deminer"
)

// loginConfig speaks of settings of sshd and PAM that let people in by a way of their own.
func loginConfig(_ context.Context, p *Pass) error {
	for _, f := range p.footholds() {
		switch f.ID {
		case "PL-19":
			p.sshSetting(f)
		case "PL-20":
			p.pamLine(f)
		}
	}
	return nil
}

func (p *Pass) sshSetting(f *deminer.Foothold) {
	words := strings.Fields(strings.ReplaceAll(string(f.Line), "=", " "))
	if len(words) < 2 {
		return
	}
	var why string
	switch strings.ToLower(words[0]) {
	case "authorizedkeyscommand", "authorizedprincipalscommand", "proxycommand", "localcommand", "forcecommand", "subsystem":
		for _, t := range p.foreignTargets(f) {
			if placeOf(t).odd() || len(cradlesIn(p.script(t))) > 0 {
				why = "it runs " + q(t) + ", which no package owns, at every login"
			}
		}
	case "authorizedkeysfile":
		for _, w := range words[1:] {
			if underAny(w, "/tmp", "/var/tmp", "/dev/shm") || placeOf(w).hidden != "" && !strings.Contains(w, ".ssh") && path.IsAbs(w) {
				why = "it takes login keys from " + q(w)
			}
		}
	case "acceptenv", "permituserenvironment":
		if strings.Contains(strings.Join(words[1:], " "), "LD_") {
			why = "it lets whoever logs in set the loader's variables"
		}
	}
	if why == "" {
		return
	}
	g := about(f, deminer.Strong, deminer.ByAccess, "a setting of ssh in "+where(f)+" lets somebody in by a way of his own", why, "the setting: "+q(f.Line))
	g.Topic, g.Technique = deminer.TopicBackdoor, "T1556"
	g.Cleared = []string{"the key commands of cloud, directory and Git services: those are packaged"}
	p.Report(p.settle(g))
}

// authFiles are the PAM files through which people log in.
var authFiles = set("common-auth", "system-auth", "password-auth", "sshd", "login", "su", "sudo", "remote", "common-account", "system-login")

func (p *Pass) pamLine(f *deminer.Foothold) {
	words := strings.Fields(string(f.Line))
	var why string
	tier := deminer.Strong
	switch {
	case len(words) >= 3 && authFiles[path.Base(string(f.Path))] && words[0] == "auth" && words[1] == "sufficient" && strings.HasSuffix(words[2], "pam_permit.so"):
		why = "it lets everybody in without a password"
	case strings.Contains(string(f.Line), "pam_exec"):
		for _, t := range p.foreignTargets(f) {
			if placeOf(t).odd() || strings.Contains(string(f.Line), "expose_authtok") {
				why = "it runs " + q(t) + " at every login"
				if strings.Contains(string(f.Line), "expose_authtok") {
					why += " and hands it the password"
				}
			}
		}
	default:
		for _, t := range p.foreignTargets(f) {
			if _, err := p.FS.Stat(t); err == nil && strings.HasSuffix(t, ".so") && placeOf(t).odd() {
				why = "it loads " + q(t) + ", which no package owns and which lies " + placeOf(t).words()
			}
		}
	}
	if why == "" {
		return
	}
	g := about(f, tier, deminer.ByAccess, "a line of PAM in "+where(f)+" lets somebody in or listens to passwords", why, "the line: "+q(f.Line))
	g.Topic, g.Technique = deminer.TopicBackdoor, "T1556.003"
	g.Distrust = "logins pass through a line of the intruder's: passwords typed here are known to him"
	p.Report(p.settle(g))
}

// Guessing: so many failures from one address within the days read make a later password login from there suspicious.
const guesses = 20

// guessed speaks of password logins from an address that failed many times: against several users, or so often that no
// person did it.
func guessed(_ context.Context, p *Pass) error {
	failed, users := map[string]int{}, map[string]map[string]bool{}
	for _, l := range p.Snapshot.Logins {
		if l.Kind == "failed" && l.From != "" {
			if users[l.From] == nil {
				users[l.From] = map[string]bool{}
			}
			users[l.From][l.User] = true
			failed[l.From] += max(l.Count, 1)
		}
	}
	told := map[string]bool{}
	for _, l := range p.Snapshot.Logins {
		n := failed[l.From]
		if l.Kind != "login" || l.Method == "publickey" || n < guesses || n < 5*guesses && len(users[l.From]) < 2 || told[l.From+" "+l.User] {
			continue
		}
		told[l.From+" "+l.User] = true
		tier := deminer.Strong
		if l.Method == "" {
			tier = deminer.Weak
		}
		p.Report(deminer.Finding{
			Topic: deminer.TopicDoor, Tier: tier, Class: deminer.ByAccess, Technique: "T1110", Catalogue: "IA-04",
			Title:   "a password of " + q(l.User) + " was guessed from " + deminer.Safe(l.From),
			Why:     []string{fmt.Sprintf("%d failed logins as %d users from %s, and one that worked at %s (%s)", n, len(users[l.From]), deminer.Safe(l.From), l.Time.UTC().Format(time.RFC3339), deminer.Safe(l.Source))},
			Cleared: []string{"a user who mistyped: so many failures are a program's"},
			Subject: deminer.Artifact{Kind: deminer.KindAddress, Addr: l.From}, Also: []deminer.Artifact{{Kind: deminer.KindAccount, Name: l.User}},
			Indicators: []deminer.Indicator{{Kind: "ip", Value: l.From}, {Kind: "account", Value: l.User}}, Time: l.Time,
			Fix: "Change the password of " + deminer.Safe(l.User) + ", then set PasswordAuthentication no in /etc/ssh/sshd_config and log in with keys only.",
		})
	}
	return nil
}
