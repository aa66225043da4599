package plan

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/deminer/deminer"
)

// definitions are the files that make a container of Docker: without them the engine does not know it when it starts.
var definitions = []string{"config.v2.json", "hostconfig.json"}

// idle reports a path below the directory of Docker where no engine runs that would have it open: then the definition of a
// container, and directories left empty, are plain files.
func (g *guard) idle(name string) bool {
	return g.engine == 0 && strings.Contains(name+"/", "/docker/") && (slices.Contains(definitions, path.Base(name)) && path.Base(path.Dir(path.Dir(name))) == "containers" || g.empties[name])
}

// definition adds, for a convicted container whose engine does not run, the files that define it. With the engine running
// they stay: the container is stopped and its restart policy cleared.
func (g *guard) definition(m deminer.Member) (out []deminer.Action) {
	name := string(m.Artifact.Path)
	if g.engine != 0 || path.Base(name) != "hostconfig.json" || path.Base(path.Dir(path.Dir(name))) != "containers" {
		return nil
	}
	if !slices.ContainsFunc(m.Remove, func(a deminer.Action) bool { return a.Verb == deminer.VerbStopContainer }) {
		return nil
	}
	for _, d := range definitions {
		file := path.Join(path.Dir(name), d)
		out = append(out, deminer.Action{Verb: deminer.VerbQuarantine, Target: deminer.Artifact{Kind: deminer.KindFile, Path: deminer.Raw(file), Name: d}})
	}
	return out
}

// pods advises on containers that the plan stops and that kubelet will start again.
func (b *builder) pods(rep *deminer.Report) {
	for _, s := range b.plan.Steps {
		if s.Action.Verb != deminer.VerbStopContainer {
			continue
		}
		for _, c := range rep.Snapshot.Containers {
			if c.ID != s.Action.Target.Name {
				continue
			}
			pod, space := label(c, "io.kubernetes.cri.sandbox-name"), label(c, "io.kubernetes.cri.sandbox-namespace")
			if pod != "" {
				b.plan.Advice = append(b.plan.Advice, fmt.Sprintf("Container %s belongs to pod %s in namespace %s: kubelet starts it again until the pod, and what asks for it (a deployment, a daemon set, a file in /etc/kubernetes/manifests), is deleted.",
					deminer.Cut(c.ID, 12), deminer.Safe(pod), deminer.Safe(space)))
			}
		}
	}
}

func label(c deminer.Container, key string) string {
	for _, l := range c.Labels {
		if value, ok := strings.CutPrefix(l, key+"="); ok {
			return value
		}
	}
	return ""
}
