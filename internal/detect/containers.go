package detect

import (
	"context"
	"path"
	"strings"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/match"
)

// rogueContainer speaks of containers that were made to break out, to mine, or to come back.
func rogueContainer(_ context.Context, p *Pass) error {
	for i := range p.Snapshot.Containers {
		c := &p.Snapshot.Containers[i]
		cmd := strings.Join(c.Command, " ")
		subject := deminer.Artifact{Kind: deminer.KindContainer, Name: c.ID, Path: c.Path}
		report := func(tier deminer.Tier, class deminer.Class, title string, why ...string) {
			if c.Restart == "always" || c.Restart == "unless-stopped" {
				why = append(why, "its restart policy is "+c.Restart)
			}
			p.Report(deminer.Finding{
				Topic: deminer.TopicMining, Tier: tier, Class: class, Technique: "T1610", Catalogue: "PC-01", Title: title, Subject: subject, Time: c.Created,
				Why:    append([]string{"container " + q(c.Name) + " of image " + q(c.Image) + " runs " + q(cmd)}, why...),
				Remove: []deminer.Action{{Verb: deminer.VerbStopContainer, Target: subject, Args: map[string]deminer.Raw{"engine": deminer.Raw(c.Engine)}}},
				Fix:    "Close the way in first (the engine's API, or the service inside), or it comes back.",
			})
		}
		for _, r := range cradlesIn(cmd) {
			report(deminer.Strong, deminer.ByPersist, "container "+q(c.Name)+" fetches and runs foreign code", r.text)
		}
		if out := escape(c, cmd); out != "" {
			report(deminer.Strong, deminer.ByAccess, "container "+q(c.Name)+" was made to get out onto the host", out)
		}
		if p.Rules == nil {
			continue
		}
		if h, ok := strongest(append(p.Rules.Argv(c.Command), p.Rules.Named(match.KindImage, c.Image)...)); ok && h.Strength >= match.Strong {
			class := contentClass(h.Class)
			if h.Rule == "ioc/image" {
				class = deminer.ByIdentity
			}
			report(tierOf(h.Strength), class, "container "+q(c.Name)+": "+deminer.Safe(h.What), "seen: "+q(h.Excerpt))
		}
	}
	return nil
}

// escape says how a container reaches the host, or "". A bind of the host's root alone is what monitoring does; together
// with a command that changes root into it, it is a break-out.
func escape(c *deminer.Container, cmd string) string {
	root := ""
	for _, b := range c.Binds {
		src, rest, _ := strings.Cut(b, ":")
		if path.Clean(src) == "/" {
			root = path.Clean(strings.SplitN(rest, ":", 2)[0])
		}
	}
	switch {
	case root != "" && (strings.Contains(cmd, "chroot "+root) || strings.Contains(cmd, root+"/etc/cron") || strings.Contains(cmd, root+"/root/.ssh") || strings.Contains(cmd, root+"/etc/ld.so")):
		return "it has the host's root directory at " + q(root) + " and its command goes there"
	case strings.Contains(cmd, "nsenter") && c.Privileged && c.PidMode == "host":
		return "it is privileged, sees the host's processes, and its command enters them"
	}
	return ""
}
