package persist

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/deminer/deminer"
)

// ociSpec is the part of an OCI runtime configuration (config.json of a bundle) that matters here.
type ociSpec struct {
	Process struct {
		Args         []string
		Capabilities struct{ Bounding []string }
	}
	Mounts []struct{ Destination, Source, Type string }
	Linux  struct{ Namespaces []struct{ Type, Path string } }
	Root   struct{ Path string }
}

// listContainerd lists the containers of containerd that belong neither to Docker nor to Kubernetes, from the bundles of
// running ones; perfctl and others bring a containerd of their own. Its database of stopped ones is not read.
func listContainerd(l *Lister) {
	for _, dir := range l.Glob("/run/containerd/io.containerd.runtime.v2.task/*/*", "/run/k3s/containerd/io.containerd.runtime.v2.task/*/*") {
		space := path.Base(path.Dir(dir))
		if space == "moby" || space == "k8s.io" || !l.IsFile(dir+"/config.json") {
			continue
		}
		var spec ociSpec
		if err := readJSON(l, dir+"/config.json", &spec); err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				l.gap(deminer.Failed, dir, err.Error())
			}
			continue
		}
		h := dockerHost{}
		for _, m := range spec.Mounts {
			if m.Type == "bind" || strings.HasPrefix(m.Source, "/") {
				h.Binds = append(h.Binds, m.Source+":"+m.Destination)
			}
		}
		if len(spec.Linux.Namespaces) > 0 && !slices.ContainsFunc(spec.Linux.Namespaces, func(n struct{ Type, Path string }) bool { return n.Type == "pid" }) {
			h.PidMode = "host"
		}
		h.Privileged = slices.Contains(spec.Process.Capabilities.Bounding, "CAP_SYS_ADMIN")
		l.Add(deminer.Foothold{Path: deminer.Raw(dir + "/config.json"), Name: space + "/" + path.Base(dir), User: "root", Trigger: "runs now; containerd keeps it",
			Command: deminer.Raw(strings.Join(spec.Process.Args, " ")), Targets: []string{}, Odd: h.oddities(), Remove: []deminer.Action{stopContainer("containerd", path.Base(dir))}})
	}
	if l.Exists("/var/lib/containerd/io.containerd.metadata.v1.bolt/meta.db") {
		l.gap(deminer.Skipped, "/var/lib/containerd/io.containerd.metadata.v1.bolt/meta.db", "the database of stopped containers is not read")
	}
}

// listPodman lists the containers in the storage of podman and CRI-O. Podman starts them at boot only through a unit or
// its restart service; the policy stands in a database that is not read.
func listPodman(l *Lister) {
	files := l.Glob("/var/lib/containers/storage/overlay-containers/containers.json")
	for _, h := range l.Homes {
		files = append(files, l.Glob(escapeGlob(h.Dir)+"/.local/share/containers/storage/overlay-containers/containers.json")...)
	}
	for _, name := range files {
		var list []struct {
			ID, Image, Metadata string
			Names               []string
		}
		if err := readJSON(l, name, &list); err != nil {
			l.gap(deminer.Failed, name, err.Error())
			continue
		}
		user := ownerOf(l, name)
		if strings.HasPrefix(name, "/var/lib/") {
			user = "root"
		}
		for _, c := range list[:min(len(list), maxContainers)] {
			bundle := path.Join(path.Dir(name), c.ID, "userdata")
			f := deminer.Foothold{Path: deminer.Raw(name), Part: c.ID, Name: strings.Join(c.Names, " "), User: user,
				Trigger: "a unit or the restart service of podman starts it", Targets: []string{}, Remove: []deminer.Action{stopContainer("podman", c.ID)}}
			var spec ociSpec
			if c.ID != "" && !strings.Contains(c.ID, "/") && readJSON(l, bundle+"/config.json", &spec) == nil {
				f.Command = deminer.Raw(strings.Join(spec.Process.Args, " "))
			}
			l.Add(f)
		}
	}
}

// listQuadlet lists the containers that systemd starts from quadlet files (podman-systemd.unit(5)).
func listQuadlet(l *Lister) {
	add := func(name, user string) {
		ext := path.Ext(name)
		if !slices.Contains([]string{".container", ".kube", ".pod", ".volume", ".image", ".build"}, ext) || !l.IsFile(name) {
			return
		}
		unit := strings.TrimSuffix(path.Base(name), ext)
		switch ext {
		case ".pod", ".volume", ".image", ".build":
			unit += "-" + ext[1:]
		}
		f := deminer.Foothold{Path: deminer.Raw(name), Name: path.Base(name), User: user, Trigger: "systemd starts " + unit + ".service", Targets: []string{},
			Remove: []deminer.Action{drop(name), reload(unit + ".service")}}
		for _, line := range l.Lines(name) {
			switch key, value := keyEquals(line.Text); key {
			case "Image", "Yaml":
				f.Name += " (" + value + ")"
			case "Exec":
				f.Command = deminer.Raw(value)
			case "Volume":
				if from, _, ok := strings.Cut(value, ":"); ok {
					f.Odd = append(f.Odd, (dockerHost{Binds: []string{from}}).oddities()...)
				}
			case "PodmanArgs":
				if strings.Contains(value, "--privileged") {
					f.Odd = append(f.Odd, "privileged")
				}
			}
		}
		l.Add(f)
	}
	for _, dir := range []string{"/etc/containers/systemd", "/run/containers/systemd", "/usr/share/containers/systemd"} {
		for _, name := range l.Tree(dir, 4) {
			add(name, "root")
		}
	}
	l.InHomes(func(h Home, name string) { add(name, h.User) }, ".config/containers/systemd/*")
}
