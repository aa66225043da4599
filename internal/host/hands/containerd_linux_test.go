//go:build linux

package hands

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer/internal/host"
)

// lonely starts a containerd of the test's own, with roots and a socket of its own, and gives what runs ctr against it.
func lonely(t *testing.T) (socket string, ctr func(args ...string) string) {
	t.Helper()
	for _, name := range []string{"containerd", "ctr", "runc"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Fatalf("the test needs Debian's packages containerd and runc: %v", err)
		}
	}
	dir := t.TempDir()
	socket = dir + "/c.sock"
	config := "version = 2\nroot = \"" + dir + "/root\"\nstate = \"" + dir + "/state\"\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\n address = \"" + socket + "\"\n[ttrpc]\n address = \"" + dir + "/t.sock\"\n"
	if err := os.WriteFile(dir+"/config.toml", []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(dir + "/log")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("containerd", "--config", dir+"/config.toml")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		log.Close()
		if t.Failed() {
			text, _ := os.ReadFile(dir + "/log")
			t.Logf("%s", text[max(0, len(text)-4000):])
		}
	})
	ctr = func(args ...string) string {
		t.Helper()
		out, err := exec.Command("ctr", append([]string{"--address", socket}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("ctr %s: %v: %s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	for range 300 {
		if exec.Command("ctr", "--address", socket, "version").Run() == nil {
			return socket, ctr
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("containerd does not answer")
	return "", nil
}

// bundle is a root file system with one static program that sleeps.
func bundle(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{"proc", "dev", "sys", "tmp", "etc", "run"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	src := dir + "/main.go"
	if err := os.WriteFile(src, []byte("package main\nimport \"time\"\nfunc main() { time.Sleep(time.Hour) }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "build", "-o", dir+"/sleeper", src)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, out)
	}
	return dir
}

// TestContainerd stops and starts a container of a real containerd, by its socket alone.
func TestContainerd(t *testing.T) {
	socket, ctr := lonely(t)
	root := bundle(t)
	const id = "evil-1"
	ctr("run", "-d", "--null-io", "--rootfs", "--label", restartStatus+"=running", "--label", "containerd.io/restart.policy=always", "--label", "other=kept", root, id, "/sleeper")
	ctr("-n", "k8s.io", "run", "-d", "--null-io", "--rootfs", root, "pod-1", "/sleeper")
	ctr("-n", "a", "container", "create", "--rootfs", root, "twice", "/sleeper")
	ctr("-n", "b", "container", "create", "--rootfs", root, "twice", "/sleeper")
	t.Cleanup(func() {
		for _, one := range [][]string{{"-n", "default", "task", "kill", "-a", "-s", "KILL", id}, {"-n", "k8s.io", "task", "kill", "-a", "-s", "KILL", "pod-1"}} {
			_ = exec.Command("ctr", append([]string{"--address", socket}, one...)...).Run()
		}
		time.Sleep(time.Second)
		for _, one := range [][]string{{"-n", "default", "task", "rm", id}, {"-n", "k8s.io", "task", "rm", "pod-1"}} {
			_ = exec.Command("ctr", append([]string{"--address", socket}, one...)...).Run()
		}
	})
	c := &containers{containerd: containerd{sockets: []string{"/nowhere.sock", socket}}}
	look := func(want host.Container) {
		t.Helper()
		if got, err := c.Look("containerd", want.ID); err != nil || got != want {
			t.Errorf("look: %+v %v, want %+v", got, err, want)
		}
	}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	look(host.Container{ID: id, Running: true, Restart: "always"})
	check(c.Restart("containerd", id, "no", 0))
	check(c.Pause("containerd", id, true))
	look(host.Container{ID: id, Running: true, Paused: true, Restart: "no"})
	if info := ctr("container", "info", id); !strings.Contains(info, `"`+restartStatus+`": "stopped"`) || !strings.Contains(info, `"other": "kept"`) || !strings.Contains(info, `"containerd.io/restart.policy": "always"`) {
		t.Errorf("labels: %s", info)
	}
	check(c.Stop("containerd", id))
	check(c.Stop("containerd", id))
	look(host.Container{ID: id, Restart: "no"})
	check(c.Restart("containerd", id, "always", 0))
	check(c.Start("containerd", id))
	look(host.Container{ID: id, Running: true, Restart: "always"})
	check(c.Stop("containerd", id))

	look(host.Container{ID: "pod-1", Running: true, Manager: "kubelet"})
	check(c.Stop("containerd", "pod-1"))
	look(host.Container{ID: "pod-1", Manager: "kubelet"})

	if _, err := c.Look("containerd", "none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no such container: %v", err)
	}
	if _, err := c.Look("containerd", "twice"); err == nil || !strings.Contains(err.Error(), "2 containers") {
		t.Errorf("two of one name: %v", err)
	}
}

// FuzzMessage reads what an engine may answer.
func FuzzMessage(f *testing.F) {
	f.Add([]byte(message(nil).text(1, "x").number(4, 300).bytes(2, message(nil).text(1, "k"))))
	f.Add([]byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})
	f.Add([]byte{0x0d, 1, 2, 3, 4, 0x09, 1, 2, 3, 4, 5, 6, 7, 8})
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := fields(b)
		if err != nil && !errors.Is(err, errWire) {
			t.Fatal(err)
		}
		for _, one := range list {
			if one.number < 1 || len(one.bytes) > len(b) {
				t.Fatalf("field %d of %d bytes in %d", one.number, len(one.bytes), len(b))
			}
		}
	})
}

func TestMessage(t *testing.T) {
	list, err := fields(message(nil).text(1, "a").number(4, 3).text(1, "b").number(2, 0).text(3, ""))
	if err != nil || len(list) != 3 || string(only(list, 1).bytes) != "b" || only(list, 4).value != 3 || only(list, 9).bytes != nil {
		t.Errorf("%+v %v", list, err)
	}
	for _, bad := range [][]byte{{0}, {0x0a, 5, 'x'}, {0x0b}, {0x0d, 1}, {0x08}} {
		if list, err := fields(bad); !errors.Is(err, errWire) {
			t.Errorf("% x: %v %v, want errWire", bad, list, err)
		}
	}
}
