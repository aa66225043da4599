//go:build linux

package hands

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
	"golang.org/x/sys/unix"
)

// containerd is what can be done through containerd's own socket, by its API of version 1 (github.com/containerd/containerd/api).
// A container has a task while it runs; containerd itself starts nothing again, but its restart monitor does by labels, as
// nerdctl sets them.
type containerd struct{ sockets []string }

// containerdSockets are where containerd listens: Debian's, Docker's and Red Hat's place, and k3s.
func containerdSockets() []string {
	return []string{"/run/containerd/containerd.sock", "/run/k3s/containerd/containerd.sock"}
}

// Methods and labels.
const (
	listNamespaces  = "containerd.services.namespaces.v1.Namespaces/List"
	getContainer    = "containerd.services.containers.v1.Containers/Get"
	updateContainer = "containerd.services.containers.v1.Containers/Update"
	tasksService    = "containerd.services.tasks.v1.Tasks/"
	snapshotMounts  = "containerd.services.snapshots.v1.Snapshots/Mounts"
	// restartStatus is what the restart monitor wants a task to be: "running" or "stopped".
	restartStatus = "containerd.io/restart.status"
)

// States of a task (containerd.v1.types.Status).
const (
	taskCreated = 1
	taskRunning = 2
	taskPaused  = 4
	taskPausing = 5
)

// resident is where one container was found.
type resident struct {
	socket, namespace, id string
	labels                map[string]string
	snapshotter, key      string
}

func (c *containerd) context() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), enginePatience)
}

// find looks for a container in every namespace of every containerd. An id that two of them have is refused.
func (c *containerd) find(ctx context.Context, id string) (found resident, err error) {
	n, asked := 0, 0
	for _, socket := range c.sockets {
		if _, err := os.Lstat(socket); err != nil {
			continue
		}
		asked++
		list, err := call(ctx, socket, "", listNamespaces, nil)
		if err != nil {
			return found, err
		}
		for _, ns := range list {
			inner, err := fields(ns.bytes)
			if err != nil || ns.number != 1 {
				return found, errors.Join(err, errWire)
			}
			p, err := c.get(ctx, socket, string(only(inner, 1).bytes), id)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return found, err
			}
			found = p
			n++
		}
	}
	switch {
	case asked == 0:
		return found, errors.New("no containerd listens here")
	case n == 0:
		return found, fs.ErrNotExist
	case n > 1:
		return found, fmt.Errorf("%w: %d containers have this id", deminer.ErrProtected, n)
	}
	return found, nil
}

// get reads one container: its labels, and where its file system lies.
func (c *containerd) get(ctx context.Context, socket, namespace, id string) (resident, error) {
	p := resident{socket: socket, namespace: namespace, id: id, labels: map[string]string{}}
	answer, err := call(ctx, socket, namespace, getContainer, message(nil).text(1, id))
	if err != nil {
		return p, err
	}
	list, err := fields(only(answer, 1).bytes)
	if err != nil || string(only(list, 1).bytes) != id {
		return p, errors.Join(err, errWire)
	}
	for _, f := range list {
		switch f.number {
		case 2:
			pair, err := fields(f.bytes)
			if err != nil {
				return p, err
			}
			p.labels[string(only(pair, 1).bytes)] = string(only(pair, 2).bytes)
		case 6:
			p.snapshotter = string(f.bytes)
		case 7:
			p.key = string(f.bytes)
		}
	}
	return p, nil
}

// status is the state of the task; 0 where there is none.
func (c *containerd) status(ctx context.Context, p resident) (uint64, error) {
	answer, err := call(ctx, p.socket, p.namespace, tasksService+"Get", message(nil).text(1, p.id))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	process, err := fields(only(answer, 1).bytes)
	return only(process, 4).value, err
}

// managers are the namespaces of those who start containers again by themselves: what is stopped there comes back, or is
// started by them, not by us.
var managers = map[string]string{"k8s.io": "kubelet", "moby": "docker"}

// Look implements host.Containers.
func (c *containerd) Look(id string) (host.Container, error) {
	ctx, cancel := c.context()
	defer cancel()
	p, err := c.find(ctx, id)
	if err != nil {
		return host.Container{}, err
	}
	status, err := c.status(ctx, p)
	out := host.Container{ID: id, Running: status == taskCreated || status == taskRunning || status == taskPaused || status == taskPausing,
		Paused: status == taskPaused || status == taskPausing, Manager: managers[p.namespace]}
	switch p.labels[restartStatus] {
	case "":
	case "running":
		out.Restart = "always"
	default:
		out.Restart = "no"
	}
	return out, err
}

// Restart says in the label of the restart monitor whether the container shall run. Other labels stay.
func (c *containerd) Restart(id, policy string) error {
	want := "running"
	if policy == "no" || policy == "" {
		want = "stopped"
	}
	return c.with(id, func(ctx context.Context, p resident) error {
		label := message(nil).text(1, restartStatus).text(2, want)
		container := message(nil).text(1, id).bytes(2, label)
		mask := message(nil).text(1, "labels."+restartStatus)
		_, err := call(ctx, p.socket, p.namespace, updateContainer, message(nil).bytes(1, container).bytes(2, mask))
		return err
	})
}

func (c *containerd) with(id string, do func(context.Context, resident) error) error {
	ctx, cancel := c.context()
	defer cancel()
	p, err := c.find(ctx, id)
	if err != nil {
		return err
	}
	return do(ctx, p)
}

func (c *containerd) task(ctx context.Context, p resident, verb string, more message) error {
	_, err := call(ctx, p.socket, p.namespace, tasksService+verb, append(message(nil).text(1, p.id), more...))
	return err
}

// Pause implements host.Containers.
func (c *containerd) Pause(id string, on bool) error {
	verb := "Resume"
	if on {
		verb = "Pause"
	}
	return c.with(id, func(ctx context.Context, p resident) error { return c.task(ctx, p, verb, nil) })
}

// Stop kills all processes of the task where they stand, and takes the ended task away, so that it can be started again.
// The task of a pod is taken away by its manager.
func (c *containerd) Stop(id string) error {
	return c.with(id, func(ctx context.Context, p resident) error {
		err := c.task(ctx, p, "Kill", message(nil).number(3, uint64(unix.SIGKILL)).number(4, 1))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if now, err := c.status(ctx, p); err == nil && (now == taskPaused || now == taskPausing) {
			// Some runtimes thaw what they kill; those that do not let it die so. The state below decides.
			_ = c.task(ctx, p, "Resume", nil)
		}
		for {
			switch now, err := c.status(ctx, p); {
			case err != nil:
				return err
			case now == 0:
				return nil
			case now != taskCreated && now != taskRunning && now != taskPaused && now != taskPausing:
				if managers[p.namespace] != "" {
					return nil
				}
				if err = c.task(ctx, p, "Delete", nil); errors.Is(err, fs.ErrNotExist) {
					err = nil
				}
				return err
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("stop container %q: its task does not end", id)
			case <-time.After(50 * time.Millisecond):
			}
		}
	})
}

// Start makes a task of the container again, on the same file system, and starts it. Its output goes nowhere.
func (c *containerd) Start(id string) error {
	return c.with(id, func(ctx context.Context, p resident) error {
		ask := message(nil).text(1, id)
		if p.snapshotter != "" {
			mounts, err := call(ctx, p.socket, p.namespace, snapshotMounts, message(nil).text(1, p.snapshotter).text(2, p.key))
			if err != nil {
				return fmt.Errorf("find its file system: %w", err)
			}
			for _, m := range mounts {
				if m.number == 1 {
					ask = ask.bytes(3, m.bytes)
				}
			}
		}
		if _, err := call(ctx, p.socket, p.namespace, tasksService+"Create", ask); err != nil {
			return err
		}
		return c.task(ctx, p, "Start", nil)
	})
}
