//go:build linux

package hands

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// engine is a server on a socket that answers as Docker's API does, for one container.
type engine struct {
	running, paused bool
	policy          string
	asked           []string
}

func (e *engine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	verb, ok := strings.CutPrefix(r.URL.Path, "/containers/c1/")
	e.asked = append(e.asked, r.Method+" "+verb)
	if !ok {
		http.Error(w, `{"message":"no such container"}`, http.StatusNotFound)
		return
	}
	switch verb {
	case "json":
		fmt.Fprintf(w, `{"Id":"c1","State":{"Running":%v,"Paused":%v},"HostConfig":{"RestartPolicy":{"Name":%q,"MaximumRetryCount":3}}}`, e.running, e.paused, e.policy)
	case "update":
		var body struct{ RestartPolicy struct{ Name string } }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
		e.policy = body.RestartPolicy.Name
	case "pause":
		e.paused = true
	case "unpause":
		e.paused = false
	case "stop":
		if !e.running {
			w.WriteHeader(http.StatusNotModified)
		}
		e.running, e.paused = false, false
	case "start":
		e.running = true
	default:
		http.Error(w, "what?", http.StatusInternalServerError)
	}
}

func TestContainers(t *testing.T) {
	socket := t.TempDir() + "/d.sock"
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	e := &engine{running: true, policy: "always"}
	s := &http.Server{Handler: e}
	go func() { _ = s.Serve(l) }()
	defer s.Close()
	c := &containers{sockets: map[string]string{"docker": socket}}
	got, err := c.Look("docker", "c1")
	if want := (host.Container{ID: "c1", Running: true, Restart: "always", Retries: 3}); err != nil || got != want {
		t.Errorf("look: %+v %v, want %+v", got, err, want)
	}
	for _, err := range []error{c.Restart("docker", "c1", "no", 0), c.Pause("docker", "c1", true), c.Stop("docker", "c1"), c.Stop("docker", "c1"),
		c.Restart("docker", "c1", "always", 0), c.Start("docker", "c1"), c.Pause("docker", "c1", true), c.Pause("docker", "c1", false)} {
		if err != nil {
			t.Error(err)
		}
	}
	if !e.running || e.paused || e.policy != "always" {
		t.Errorf("in the end: %+v", e)
	}
	if !slices.Contains(e.asked, "POST stop") {
		t.Errorf("asked: %v", e.asked)
	}
	if _, err := c.Look("docker", "c2"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("unknown container: %v", err)
	}
	for _, id := range []string{"", "../x", "a/b", "a?b", ".", "a b"} {
		if _, err := c.Look("docker", id); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("id %q: %v, want ErrInvalid", id, err)
		}
	}
	if err := c.Stop("lxd", "c1"); !errors.Is(err, deminer.ErrProtected) {
		t.Errorf("another engine: %v, want ErrProtected with advice", err)
	}
}
