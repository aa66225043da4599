package persist

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// maxContainers bounds the containers of one engine.
const maxContainers = 5000

// dockerConfig is the part of a container's config.v2.json that matters here.
type dockerConfig struct {
	ID, Name, Path, Image string
	Args                  []string
	State                 struct{ Running, Paused bool }
	Config                struct {
		Image  string
		Labels map[string]string
		User   string
	}
}

// dockerHost is the part of hostconfig.json that matters here.
type dockerHost struct {
	Binds         []string
	NetworkMode   string
	PidMode       string
	Privileged    bool
	CapAdd        []string
	RestartPolicy struct{ Name string }
	Mounts        []struct{ Type, Source, Target string }
}

// listDocker lists the containers Docker would start again by itself, from the files of its state directory.
func listDocker(l *Lister) {
	for _, root := range dockerRoots(l) {
		for i, e := range l.Dir(root + "/containers") {
			if i >= maxContainers {
				l.gap(deminer.Partial, root+"/containers", fmt.Sprintf("more than %d containers", maxContainers))
				break
			}
			if e.Type == deminer.Directory {
				dockerContainer(l, path.Join(root, "containers", e.Name))
			}
		}
		if l.Exists(root + "/swarm/state.json") {
			l.gap(deminer.Skipped, root+"/swarm", "the services of a swarm, which start containers again, are kept encrypted")
		}
	}
}

// dockerRoots are the state directories of Docker: the usual ones, and the one daemon.json names.
func dockerRoots(l *Lister) []string {
	out := []string{"/var/lib/docker", "/var/snap/docker/common/var-lib-docker"}
	if text, ok := l.Read("/etc/docker/daemon.json"); ok {
		var conf struct {
			Root  string `json:"data-root"`
			Graph string `json:"graph"`
		}
		if json.Unmarshal([]byte(text), &conf) == nil {
			for _, d := range []string{conf.Root, conf.Graph} {
				if strings.HasPrefix(d, "/") {
					out = append(out, path.Clean(d))
				}
			}
		}
	}
	for _, h := range l.Homes {
		out = append(out, h.Dir+"/.local/share/docker")
	}
	return l.firstAll(out)
}

func dockerContainer(l *Lister, dir string) {
	var c dockerConfig
	var h dockerHost
	for name, into := range map[string]any{"config.v2.json": &c, "hostconfig.json": &h} {
		if err := readJSON(l, path.Join(dir, name), into); err != nil && !errors.Is(err, fs.ErrNotExist) {
			l.gap(deminer.Failed, dir, err.Error())
		}
	}
	if h.RestartPolicy.Name == "" || h.RestartPolicy.Name == "no" {
		return
	}
	id := c.ID
	if id == "" {
		id = path.Base(dir)
	}
	f := deminer.Foothold{Path: deminer.Raw(dir + "/hostconfig.json"), Name: strings.TrimPrefix(c.Name, "/") + " (" + c.Config.Image + ")", User: c.Config.User,
		Trigger: "start of Docker, restart policy " + h.RestartPolicy.Name, Command: deminer.Raw(strings.Join(append([]string{c.Path}, c.Args...), " ")),
		Targets: []string{}, Odd: h.oddities(), Remove: []deminer.Action{stopContainer("docker", id)}}
	for _, file := range strings.Split(c.Config.Labels["com.docker.compose.project.config_files"], ",") {
		if strings.HasPrefix(file, "/") && len(f.Targets) < maxTarget {
			f.Targets = append(f.Targets, path.Clean(file))
		}
	}
	l.Add(f)
}

// oddities names what gives a container the host's rights.
func (h dockerHost) oddities() []string {
	var odd []string
	if h.Privileged {
		odd = append(odd, "privileged")
	}
	if h.PidMode == "host" {
		odd = append(odd, "sees the host's processes")
	}
	if h.NetworkMode == "host" {
		odd = append(odd, "uses the host's network")
	}
	for _, m := range h.Mounts {
		if m.Type == "bind" {
			h.Binds = append(h.Binds, m.Source+":"+m.Target)
		}
	}
	for _, b := range h.Binds[:min(len(h.Binds), maxTarget)] {
		from, _, _ := strings.Cut(b, ":")
		if from == "/" || below(from, []string{"/etc", "/root", "/var/run/docker.sock", "/run/docker.sock", "/proc", "/usr", "/boot", "/var/spool/cron"}) {
			odd = append(odd, "the host's "+from+" is mounted")
		}
	}
	for _, c := range h.CapAdd[:min(len(h.CapAdd), maxTarget)] {
		odd = append(odd, "capability "+c)
	}
	return odd
}

// readJSON reads a JSON file of at most 1 MiB.
func readJSON(l *Lister, name string, into any) error {
	b, err := host.ReadFile(l.Host.FS, name, maxFile)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("read %q: %w", name, err)
	}
	return nil
}

// stopContainer stops a container and clears its restart policy.
func stopContainer(engine, id string) deminer.Action {
	return deminer.Action{Verb: deminer.VerbStopContainer, Target: deminer.Artifact{Kind: deminer.KindContainer, Name: id},
		Args: map[string]deminer.Raw{"engine": deminer.Raw(engine)}}
}
