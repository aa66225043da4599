package persist

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/deminer/deminer"
)

// member is one member of the outermost object of a JSON text, with its place in the text.
type member struct {
	key      string
	value    json.RawMessage
	from, to int // bytes from the key's quote to the end of the value
}

// listDockerDaemon lists the settings of daemon.json that open Docker to others or change what it runs.
func listDockerDaemon(l *Lister) {
	const name = "/etc/docker/daemon.json"
	text, ok := l.Read(name)
	if !ok {
		return
	}
	text = strings.TrimSuffix(text, "\n")
	if l.share(name, text, 1) == 0 {
		return
	}
	members, err := jsonMembers(text)
	if err != nil {
		l.gap(deminer.Failed, name, err.Error())
		return
	}
	for i, m := range members {
		odd, targets := daemonMeaning(m)
		if odd == "" {
			continue
		}
		l.Add(deminer.Foothold{Path: name, Line: deminer.Raw(text), LineNo: 1, Part: m.key, Name: m.key, User: "root", Trigger: "start of Docker",
			Targets: targets, Odd: []string{odd + ": " + deminer.Cut(string(m.value), 200)}, Remove: []deminer.Action{l.Edit(name, text, withoutMember(text, members, i), 1)}})
	}
}

// daemonMeaning says what a setting of dockerd means for who may come in and what runs; "" for all others.
func daemonMeaning(m member) (odd string, targets []string) {
	targets = []string{}
	switch m.key {
	case "hosts":
		if bytes.Contains(m.value, []byte("tcp://")) {
			return "Docker listens on the network", targets
		}
	case "registry-mirrors", "insecure-registries":
		if len(bytes.Trim(m.value, "[] \t\n\r")) > 0 {
			return "images come from other places", targets
		}
	case "runtimes", "default-runtime", "init-path", "userland-proxy-path", "containerd", "seccomp-profile":
		for part := range strings.SplitSeq(string(m.value), `"`) {
			if strings.HasPrefix(part, "/") && len(targets) < maxTarget {
				targets = append(targets, path.Clean(part))
			}
		}
		return "containers are run by another program", targets
	case "authorization-plugins", "data-root", "graph", "exec-root", "cgroup-parent":
		return "changed from the default", targets
	}
	return "", nil
}

// jsonMembers reads the members of the outermost object in order. Nested values are not read into.
func jsonMembers(text string) ([]member, error) {
	d := json.NewDecoder(strings.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, fmt.Errorf("read JSON object: %w", errorsOr(err))
	}
	var out []member
	for d.More() && len(out) < maxWords {
		before := int(d.InputOffset())
		t, err := d.Token()
		key, ok := t.(string)
		if err != nil || !ok {
			return nil, fmt.Errorf("read JSON key: %w", errorsOr(err))
		}
		m := member{key: key, from: before + max(strings.IndexByte(text[before:], '"'), 0)}
		if err := d.Decode(&m.value); err != nil {
			return nil, fmt.Errorf("read JSON value of %q: %w", deminer.Cut(key, 40), err)
		}
		m.to = int(d.InputOffset())
		out = append(out, m)
	}
	if _, err := d.Token(); err != nil {
		return nil, fmt.Errorf("read JSON object: %w", err)
	}
	return out, nil
}

// errorsOr gives an error to wrap where the JSON is well formed but of another kind.
func errorsOr(err error) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("it is not an object")
}

// withoutMember takes one member and one comma out of the text.
func withoutMember(text string, members []member, i int) string {
	switch m := members[i]; {
	case i+1 < len(members):
		return text[:m.from] + text[members[i+1].from:]
	case i > 0:
		return text[:members[i-1].to] + text[m.to:]
	default:
		return text[:m.from] + strings.TrimLeft(text[m.to:], " \t\r\n")
	}
}

// listDockerPlugins lists programs that the docker daemon talks to as plugins.
func listDockerPlugins(l *Lister) {
	listFiles(l, []fileRule{{files: []string{"/etc/docker/plugins/*", "/usr/lib/docker/plugins/*", "/usr/lib/docker/plugins/*/*"}, user: "root", trigger: "start of Docker",
		except: func(base string) bool { return !slices.Contains([]string{".json", ".spec"}, path.Ext(base)) }}})
}
