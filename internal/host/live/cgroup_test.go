package live

import (
	"strings"
	"testing"
)

func TestParseCgroup(t *testing.T) {
	id := strings.Repeat("ab12", 16)
	for _, c := range []struct{ name, text, path, unit, container string }{
		{"unified", "0::/system.slice/ssh.service\n", "/system.slice/ssh.service", "ssh.service", ""},
		{"session", "0::/user.slice/user-1000.slice/session-3.scope\n", "/user.slice/user-1000.slice/session-3.scope", "session-3.scope", ""},
		{"user unit", "0::/user.slice/user-0.slice/user@0.service/app.slice/evil.service\n", "/user.slice/user-0.slice/user@0.service/app.slice/evil.service", "user@0.service", ""},
		{"escaped", "0::/_cgroup.service\n", "/_cgroup.service", "cgroup.service", ""},
		{"docker, systemd driver", "0::/system.slice/docker-" + id + ".scope\n", "/system.slice/docker-" + id + ".scope", "docker-" + id + ".scope", id},
		{"docker, v1", "12:pids:/docker/" + id + "\n1:name=systemd:/docker/" + id + "\n0::/\n", "/docker/" + id, "", id},
		{"kubelet", "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/cri-containerd-" + id + ".scope\n",
			"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/cri-containerd-" + id + ".scope", "cri-containerd-" + id + ".scope", id},
		{"containerd, cgroupfs", "0::/system.slice/containerd.service/kubepods-x.slice:cri-containerd:" + id + "\n",
			"/system.slice/containerd.service/kubepods-x.slice:cri-containerd:" + id, "containerd.service", id},
		{"podman", "0::/machine.slice/libpod-" + id + ".scope/container\n", "/machine.slice/libpod-" + id + ".scope/container", "libpod-" + id + ".scope", id},
		{"lxc", "0::/lxc.payload.web1/init.scope\n", "/lxc.payload.web1/init.scope", "", "web1"},
		{"root", "0::/\n", "/", "", ""},
		{"rubbish", "x\n::\n:\n\n", "", "", ""},
		{"not an id", "0::/system.slice/" + id[:63] + "\n", "/system.slice/" + id[:63], "", ""},
	} {
		if g := parseCgroup([]byte(c.text)); g.path != c.path || g.unit != c.unit || g.container != c.container {
			t.Errorf("%s: got %+v", c.name, g)
		}
	}
}

func FuzzCgroup(f *testing.F) {
	f.Add([]byte("0::/system.slice/docker-" + strings.Repeat("ab12", 16) + ".scope\n"))
	f.Add([]byte("1:name=systemd:/lxc/x\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if g := parseCgroup(b); len(g.path)+len(g.unit)+len(g.container) > 3*len(b) {
			t.Errorf("got %+v", g)
		}
	})
}
