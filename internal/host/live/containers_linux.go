//go:build linux

package live

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"golang.org/x/sys/unix"
)

const partContainers = "live/containers"

// enginesTime bounds the talk with one engine.
const enginesTime = 5 * time.Second

// engines are the local sockets of engines that speak docker's HTTP API.
var engines = [...]struct{ engine, socket string }{
	{"docker", "/run/docker.sock"},
	{"podman", "/run/podman/podman.sock"},
}

// Containers asks the local engines over their sockets, and reads what containerd and podman keep on disk. An engine that
// would be started by the question is not asked.
func (l *Live) Containers(ctx context.Context) ([]deminer.Container, []deminer.Gap) {
	g := &gapList{part: partContainers}
	if l.proc == nil {
		g.fail("/proc", l.err)
		return nil, g.list
	}
	var out []deminer.Container
	asked := make(map[string]bool)
	for _, e := range engines {
		list, err := l.engine(ctx, e.engine, e.socket, g)
		asked[e.engine] = err == nil
		if err != nil && !errors.Is(err, unix.ENOENT) {
			g.fail(e.socket, err)
		}
		out = append(out, list...)
	}
	if !asked["podman"] {
		out = append(out, podmanDisk(g)...)
	}
	return append(out, containerdDisk(g, asked["docker"])...), g.list
}

// engine asks one engine for its containers.
func (l *Live) engine(ctx context.Context, engine, socket string, g *gapList) ([]deminer.Container, error) {
	attr, err := unixStat(socket)
	if err != nil {
		return nil, err
	}
	if attr.Type != deminer.UnixSock {
		return nil, errors.New("is no socket")
	}
	if !l.served(socket) {
		return nil, fmt.Errorf("only PID 1 or nobody listens, so asking might start %s", engine)
	}
	ctx, cancel := context.WithTimeout(ctx, enginesTime)
	defer cancel()
	transport := &http.Transport{MaxIdleConns: 1, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, socket) }}
	defer transport.CloseIdleConnections()
	return askEngine(ctx, &http.Client{Transport: transport, CheckRedirect: noRedirect}, engine, g)
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// askEngine sends the two kinds of GET, which change nothing.
func askEngine(ctx context.Context, c *http.Client, engine string, g *gapList) ([]deminer.Container, error) {
	b, err := fetch(ctx, c, "http://localhost/containers/json?all=1")
	if err != nil {
		return nil, err
	}
	list, err := parseContainerList(b)
	if err != nil && !errors.Is(err, errTooMany) {
		return nil, err
	}
	g.fail(engine, err)
	out := make([]deminer.Container, 0, len(list))
	for _, item := range list {
		d := deminer.Container{ID: item.ID, Engine: engine, Image: item.Image, Running: item.State == "running"}
		if len(item.Names) > 0 {
			d.Name = strings.TrimPrefix(item.Names[0], "/")
		}
		b, err := fetch(ctx, c, "http://localhost/containers/"+item.ID+"/json")
		if err == nil {
			var full deminer.Container
			if full, err = parseContainer(b, engine); err == nil {
				d = full
			}
		}
		g.fail(engine+" container "+item.ID, err)
		out = append(out, d)
	}
	return out, nil
}

// fetch gets one answer of limited size.
func fetch(ctx context.Context, c *http.Client, url string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	answer, err := c.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask the engine: %w", err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the engine's answer: %w", err)
	case answer.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("the engine answers with status %d", answer.StatusCode)
	case len(b) > maxAnswer:
		return nil, errTooMany
	}
	return b, nil
}

// served reports that a process other than PID 1 holds the listening socket of that name. With only PID 1 holding it a
// connection would start the engine.
func (l *Live) served(socket string) bool {
	b, err := l.proc.read("self/net/unix", nil, maxNetFile)
	if err != nil {
		return false
	}
	listening := parseUnix(b, socket)
	if len(listening) == 0 {
		return false
	}
	all, err := l.proc.pids(make([]byte, 64<<10))
	if err != nil {
		return false
	}
	left := maxFDs
	h := holder{buf: make([]byte, 16<<10), link: make([]byte, 64)}
	for _, pid := range all {
		if pid == 1 || left <= 0 {
			continue
		}
		held, _ := h.sockets(l.proc, pid, &left)
		if slices.ContainsFunc(held, func(n uint64) bool { return listening[n] }) {
			return true
		}
	}
	return false
}

// podmanDisk reads what podman keeps of root's containers.
func podmanDisk(g *gapList) []deminer.Container {
	const dir = "/var/lib/containers/storage/overlay-containers"
	b, err := readFile(dir+"/containers.json", maxAnswer)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	var list []deminer.Container
	if err == nil {
		list, err = parsePodman(b, dir)
	}
	g.fail(dir, err)
	return list
}

// containerdDisk reads the bundles of containerd's running tasks; those of docker only where docker was not asked.
func containerdDisk(g *gapList, docker bool) []deminer.Container {
	const root = "/run/containerd/io.containerd.runtime.v2.task"
	fd, err := openRetry(unix.AT_FDCWD, root, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC)
	if err != nil {
		if !errors.Is(err, unix.ENOENT) {
			g.fail(root, err)
		}
		return nil
	}
	defer unix.Close(fd)
	var out []deminer.Container
	buf := make([]byte, 32<<10)
	for _, namespace := range subdirs(fd, ".", buf) {
		if docker && namespace == "./moby" {
			continue
		}
		for _, dir := range subdirs(fd, namespace, buf) {
			id, where := dir[strings.LastIndexByte(dir, '/')+1:], root+strings.TrimPrefix(dir, ".")
			b, err := readFile(where+"/config.json", 4<<20)
			var c deminer.Container
			if err == nil {
				c, err = parseBundle(b, id, where)
			}
			if err != nil {
				g.fail("container "+strconv.Quote(id), err)
				continue
			}
			if out = append(out, c); len(out) >= maxContainers {
				g.fail(root, errTooMany)
				return out
			}
		}
	}
	return out
}
