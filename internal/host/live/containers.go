package live

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/deminer/deminer"
)

// Limits on what an engine may tell.
const (
	maxContainers = 2000
	maxAnswer     = 16 << 20
)

// engineItem is the part deminer reads of an element of docker's GET /containers/json.
type engineItem struct {
	ID    string `json:"Id"`
	Names []string
	Image string
	State string
}

// parseContainerList reads the answer to GET /containers/json?all=1.
func parseContainerList(b []byte) ([]engineItem, error) {
	var list []engineItem
	if err := json.Unmarshal(b, &list); err != nil {
		return nil, fmt.Errorf("read the list of containers: %w", err)
	}
	// The id becomes part of a request.
	list = slices.DeleteFunc(list, func(i engineItem) bool { return len(i.ID) > 128 || !isHex(i.ID) })
	if len(list) > maxContainers {
		return list[:maxContainers], errTooMany
	}
	return list, nil
}

// engineDetail is the part deminer reads of docker's GET /containers/ID/json.
type engineDetail struct {
	ID      string `json:"Id"`
	Name    string
	Created string
	Path    string
	Args    []string
	State   struct{ Running bool }
	Config  struct {
		Image  string
		Labels map[string]string
	}
	HostConfig struct {
		Binds         []string
		NetworkMode   string
		PidMode       string
		Privileged    bool
		CapAdd        []string
		RestartPolicy struct {
			Name              string
			MaximumRetryCount int
		}
	}
	Mounts         []struct{ Type, Source, Destination string }
	ResolvConfPath string
	GraphDriver    struct{ Data map[string]string }
}

// parseContainer reads the answer to GET /containers/ID/json.
func parseContainer(b []byte, engine string) (deminer.Container, error) {
	var d engineDetail
	if err := json.Unmarshal(b, &d); err != nil {
		return deminer.Container{}, fmt.Errorf("read a container: %w", err)
	}
	c := deminer.Container{
		ID: d.ID, Engine: engine, Name: strings.TrimPrefix(d.Name, "/"), Image: d.Config.Image,
		Running: d.State.Running, Restart: d.HostConfig.RestartPolicy.Name, Privileged: d.HostConfig.Privileged,
		PidMode: d.HostConfig.PidMode, NetMode: d.HostConfig.NetworkMode, Binds: d.HostConfig.Binds, CapAdd: d.HostConfig.CapAdd,
		Labels: labels(d.Config.Labels), RootFS: deminer.Raw(d.GraphDriver.Data["MergedDir"]),
	}
	if d.Path != "" {
		c.Command = append([]string{d.Path}, d.Args...)
	}
	if n := d.HostConfig.RestartPolicy.MaximumRetryCount; n > 0 {
		c.Restart += ":" + strconv.Itoa(n)
	}
	for _, m := range d.Mounts {
		if bind := m.Source + ":" + m.Destination; m.Type == "bind" && !slices.ContainsFunc(c.Binds, func(b string) bool { return b == bind || strings.HasPrefix(b, bind+":") }) {
			c.Binds = append(c.Binds, bind)
		}
	}
	if path.IsAbs(d.ResolvConfPath) {
		c.Path = deminer.Raw(path.Dir(d.ResolvConfPath))
	}
	if t, err := time.Parse(time.RFC3339Nano, d.Created); err == nil {
		c.Created = t
	}
	return c, nil
}

// labels writes them as "key=value", sorted.
func labels(m map[string]string) []string {
	out := make([]string, 0, len(m))
	for k, v := range m {
		out = append(out, k+"="+v)
	}
	slices.Sort(out)
	return out
}

// parsePodman reads podman's containers.json of its storage: containers that exist, running or not.
func parsePodman(b []byte, dir string) ([]deminer.Container, error) {
	var list []struct {
		ID       string   `json:"id"`
		Names    []string `json:"names"`
		Metadata string   `json:"metadata"`
		Created  string   `json:"created"`
	}
	if err := json.Unmarshal(b, &list); err != nil {
		return nil, fmt.Errorf("read podman's list of containers: %w", err)
	}
	out := make([]deminer.Container, 0, min(len(list), maxContainers))
	for _, e := range list {
		if len(out) == maxContainers {
			return out, errTooMany
		}
		var meta struct {
			Image string `json:"image-name"`
			Name  string `json:"name"`
		}
		c := deminer.Container{ID: e.ID, Engine: "podman"}
		if json.Unmarshal([]byte(e.Metadata), &meta) == nil {
			c.Image, c.Name = meta.Image, meta.Name
		}
		if c.Name == "" && len(e.Names) > 0 {
			c.Name = e.Names[0]
		}
		if t, err := time.Parse(time.RFC3339Nano, e.Created); err == nil {
			c.Created = t
		}
		if isHex(e.ID) {
			c.Path = deminer.Raw(dir + "/" + e.ID)
		}
		out = append(out, c)
	}
	return out, nil
}

// parseBundle reads config.json of an OCI bundle, which containerd keeps for each running task.
func parseBundle(b []byte, id, dir string) (deminer.Container, error) {
	var d struct {
		Process struct {
			Args         []string
			Capabilities struct{ Bounding []string }
		}
		Root        struct{ Path string }
		Mounts      []struct{ Destination, Type, Source string }
		Annotations map[string]string
		Linux       struct {
			Namespaces  []struct{ Type, Path string }
			MaskedPaths []string
		}
	}
	if err := json.Unmarshal(b, &d); err != nil {
		return deminer.Container{}, fmt.Errorf("read the bundle of container %q: %w", id, err)
	}
	c := deminer.Container{ID: id, Engine: "containerd", Command: d.Process.Args, Running: true, Path: deminer.Raw(dir),
		RootFS: deminer.Raw(d.Root.Path), Labels: labels(d.Annotations),
		Name: d.Annotations["io.kubernetes.cri.container-name"], Image: d.Annotations["io.kubernetes.cri.image-name"]}
	if c.RootFS != "" && !path.IsAbs(string(c.RootFS)) {
		c.RootFS = deminer.Raw(path.Join(dir, string(c.RootFS)))
	}
	for _, m := range d.Mounts {
		if m.Type == "bind" && path.IsAbs(m.Source) {
			c.Binds = append(c.Binds, m.Source+":"+m.Destination)
		}
	}
	own := make(map[string]bool)
	for _, n := range d.Linux.Namespaces {
		own[n.Type] = true
	}
	c.PidMode, c.NetMode = hostUnless(own["pid"]), hostUnless(own["network"])
	// A privileged container keeps administration of the whole system and has nothing masked.
	c.Privileged = slices.Contains(d.Process.Capabilities.Bounding, "CAP_SYS_ADMIN") && len(d.Linux.MaskedPaths) == 0
	return c, nil
}

func hostUnless(own bool) string {
	if own {
		return ""
	}
	return "host"
}
