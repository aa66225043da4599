package guess

import (
	"fmt"
	"time"

	"github.com/deminer/deminer"
)

// source names where guesses come from.
func (v Verdict) source() string {
	if v.From.IsSingleIP() {
		return v.From.Addr().String()
	}
	return v.From.String()
}

// Why is the evidence in words: what was seen, where and when; safe text.
func (v Verdict) Why() []string {
	at := func(t time.Time) string { return t.UTC().Format(time.RFC3339) }
	var out []string
	switch v.Kind {
	case Account:
		out = append(out, fmt.Sprintf("%d failed logins as %s from %d sources since %s", v.Failures, deminer.Safe(v.User), v.Sources, at(v.First)))
	case Guessed:
		out = append(out, fmt.Sprintf("%d failed logins as %d users from %s since %s, and one that worked as %s at %s (%s)", v.Failures, v.Users, v.source(), at(v.First), deminer.Safe(v.User), at(v.Time), deminer.Safe(v.Login)))
	default:
		out = append(out, fmt.Sprintf("%d failed logins as %d users from %s since %s (rule %s)", v.Failures, v.Users, v.source(), at(v.First), deminer.Safe(v.Rule)))
	}
	if v.Spared != "" {
		out = append(out, "it is not blocked: "+deminer.Safe(v.Spared))
	}
	return out
}

// Finding tells the verdict as a detector would. That somebody guesses is the weather of the Internet, a note; that a guess was
// right is how an intruder came in.
func (v Verdict) Finding() deminer.Finding {
	f := deminer.Finding{Detector: "guesses", Topic: deminer.TopicDoor, Tier: deminer.Note, Class: deminer.ByAccess, Technique: "T1110.001", Why: v.Why(), Time: v.Time,
		Subject: deminer.Artifact{Kind: deminer.KindAddress, Addr: v.source()}, Indicators: []deminer.Indicator{{Kind: "ip", Value: v.source()}}}
	user := deminer.Artifact{Kind: deminer.KindAccount, Name: v.User}
	switch v.Kind {
	case Source:
		f.Title = "passwords are guessed from " + v.source()
	case Spray:
		f.Title, f.Technique = "many accounts are tried from "+v.source(), "T1110.003"
	case Account:
		f.Title = "the password of " + deminer.Safe(v.User) + " is guessed from many addresses"
		f.Subject, f.Indicators = user, []deminer.Indicator{{Kind: "account", Value: v.User}}
	case Guessed:
		f.Title, f.Technique, f.Catalogue = "a password of "+deminer.Safe(v.User)+" was guessed from "+v.source(), "T1110", "IA-04"
		f.Tier, f.Also = deminer.Strong, []deminer.Artifact{user}
		f.Indicators = append(f.Indicators, deminer.Indicator{Kind: "account", Value: v.User})
		f.Cleared = []string{"a user who mistyped: so many failures are a program's", "a login with a key: keys are not guessed"}
		f.Fix = "Change the password of " + deminer.Safe(v.User) + ", then set PasswordAuthentication no in /etc/ssh/sshd_config and log in with keys only."
	}
	return f
}
