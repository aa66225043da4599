//go:build linux

package hands

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// containers is host.Containers over the Docker API, which podman speaks too, and over containerd's.
type containers struct {
	sockets    map[string]string
	containerd containerd
}

func newContainers() *containers {
	return &containers{containerd: containerd{sockets: containerdSockets()}, sockets: map[string]string{"docker": "/run/docker.sock", "podman": "/run/podman/podman.sock"}}
}

// Limits of talking to an engine: an answer, and how long a container may take to stop.
const (
	maxAnswer      = 4 << 20
	enginePatience = 60 * time.Second
	stopSeconds    = "10"
)

// Look implements host.Containers.
func (c *containers) Look(engine, id string) (host.Container, error) {
	if engine == engineContainerd {
		if err := checkID("look at", id); err != nil {
			return host.Container{}, err
		}
		got, err := c.containerd.Look(id)
		return got, about("look at", id, err)
	}
	var got struct {
		ID    string `json:"Id"`
		State struct {
			Running, Paused bool
		}
		HostConfig struct {
			RestartPolicy struct {
				Name              string
				MaximumRetryCount int
			}
		}
	}
	body, err := c.ask(engine, http.MethodGet, id, "json", nil, nil)
	if err != nil {
		return host.Container{}, err
	}
	if err := json.Unmarshal(body, &got); err != nil {
		return host.Container{}, fmt.Errorf("look at container %q: %w", id, err)
	}
	policy := got.HostConfig.RestartPolicy
	return host.Container{ID: got.ID, Running: got.State.Running, Paused: got.State.Paused, Restart: policy.Name, Retries: policy.MaximumRetryCount}, nil
}

// Restart implements host.Containers.
func (c *containers) Restart(engine, id, policy string, retries int) error {
	if engine == engineContainerd {
		return about("change", id, c.containerd.Restart(id, policy))
	}
	if policy != "on-failure" {
		retries = 0
	}
	_, err := c.ask(engine, http.MethodPost, id, "update", nil, map[string]any{
		"RestartPolicy": map[string]any{"Name": policy, "MaximumRetryCount": retries}})
	return err
}

// Pause implements host.Containers.
func (c *containers) Pause(engine, id string, on bool) error {
	if engine == engineContainerd {
		return about("pause", id, c.containerd.Pause(id, on))
	}
	verb := "unpause"
	if on {
		verb = "pause"
	}
	_, err := c.ask(engine, http.MethodPost, id, verb, nil, nil)
	return err
}

// Stop implements host.Containers. Docker kills a paused container's processes where they stand.
func (c *containers) Stop(engine, id string) error {
	if engine == engineContainerd {
		return about("stop", id, c.containerd.Stop(id))
	}
	_, err := c.ask(engine, http.MethodPost, id, "stop", url.Values{"t": {stopSeconds}}, nil)
	return err
}

// Start implements host.Containers.
func (c *containers) Start(engine, id string) error {
	if engine == engineContainerd {
		return about("start", id, c.containerd.Start(id))
	}
	_, err := c.ask(engine, http.MethodPost, id, "start", nil, nil)
	return err
}

// engineContainerd is the engine that speaks no HTTP.
const engineContainerd = "containerd"

// about names the container an error is of.
func about(verb, id string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s container %q: %w", verb, deminer.Safe(id), err)
}

// checkID refuses what is no name of a container: it becomes part of a request.
func checkID(verb, id string) error {
	if id == "" || len(id) > 128 || strings.Trim(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") != "" || strings.HasPrefix(id, ".") {
		return about(verb, id, fmt.Errorf("%w: not the name of a container", fs.ErrInvalid))
	}
	return nil
}

// ask makes one request about a container. 304 is "it is so already".
func (c *containers) ask(engine, method, id, verb string, query url.Values, body any) ([]byte, error) {
	if engine == "" {
		engine = "docker"
	}
	socket, ok := c.sockets[engine]
	if !ok {
		return nil, fmt.Errorf("%s container %q: %w: deminer does not stop containers of engine %q; stop it where it is scheduled",
			verb, deminer.Safe(id), deminer.ErrProtected, deminer.Safe(engine))
	}
	if err := checkID(verb, id); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), enginePatience)
	defer cancel()
	answer, err := send(ctx, socket, method, "http://engine/containers/"+id+"/"+verb+"?"+query.Encode(), body)
	if err != nil {
		return nil, fmt.Errorf("%s container %q: %w", verb, id, err)
	}
	return answer, nil
}

func send(ctx context.Context, socket, method, address string, body any) ([]byte, error) {
	var payload io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		payload = strings.NewReader(string(text))
	}
	req, err := http.NewRequestWithContext(ctx, method, address, payload)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	switch {
	case resp.StatusCode == http.StatusNotFound:
		return nil, fs.ErrNotExist
	case resp.StatusCode == http.StatusNotModified:
		return nil, nil
	case resp.StatusCode >= 300:
		return nil, errors.New(deminer.Cut(fmt.Sprintf("the engine answers %d: %s", resp.StatusCode, answer), 300))
	}
	return answer, err
}
