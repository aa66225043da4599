package persist

import (
	"path"
	"strings"

	"github.com/deminer/deminer"
)

// listStaticPods lists the manifests a kubelet or k3s runs by itself from a directory, and the settings of the kubelet that
// name such a place.
func listStaticPods(l *Lister) {
	dirs := []string{"/etc/kubernetes/manifests", "/var/lib/rancher/k3s/server/manifests", "/var/lib/rancher/k3s/agent/pod-manifests", "/var/lib/rancher/rke2/server/manifests",
		"/var/lib/rancher/rke2/agent/pod-manifests", "/var/lib/k0s/manifests", "/var/snap/microk8s/current/args/manifests"}
	for _, name := range l.Glob("/var/lib/kubelet/config.yaml", "/etc/kubernetes/kubelet*.y*ml", "/etc/kubernetes/kubelet/*.json", "/etc/kubernetes/kubelet/*.yaml") {
		for _, line := range l.Lines(name) {
			key, value := keyValue(strings.Trim(strings.TrimSpace(line.Text), `",`))
			key, value = strings.Trim(key, `"`), strings.Trim(value, `", `)
			switch {
			case key == "staticPodPath" && strings.HasPrefix(value, "/"):
				dirs = append(dirs, path.Clean(value))
			case key == "staticPodURL" && value != "":
				l.Add(deminer.Foothold{Path: deminer.Raw(name), Line: deminer.Raw(line.Text), LineNo: line.No, Name: key, User: "root", Trigger: "the kubelet fetches pods from there",
					Targets: []string{}, Odd: append(oddLine(line.Text), "pods come from "+value)})
			}
		}
	}
	for _, dir := range l.firstAll(dirs) {
		for _, name := range l.Tree(dir, 2) {
			switch path.Ext(name) {
			case ".yaml", ".yml", ".json", ".manifest", "":
				podManifest(l, name)
			}
		}
	}
}

// podManifest lists one file; image and host rights are read from its lines.
func podManifest(l *Lister, name string) {
	f := deminer.Foothold{Path: deminer.Raw(name), Name: path.Base(name), User: "root", Trigger: "the kubelet starts it whenever it runs", Targets: []string{}}
	for _, line := range l.Lines(name) {
		key, value := keyValue(strings.TrimLeft(strings.TrimSpace(line.Text), "- "))
		odd := ""
		switch key {
		case "image":
			odd = "image " + value
		case "hostPID", "hostNetwork", "privileged":
			if value == "true" {
				odd = key
			}
		case "path":
			if value == "/" {
				odd = "the host's / is mounted"
			}
		}
		if odd != "" && len(f.Odd) < 16 {
			f.Odd = append(f.Odd, strings.Clone(odd))
		}
	}
	l.Add(f)
}
