//go:build linux

package host

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// LAN is a network that several lab hosts share beside their own: a bridge in a namespace of its own. No route leads out of it.
type LAN struct {
	Name  string
	ports int
	runs  []*exec.Cmd
}

// LANAddr is the address of the bridge, where programs of the harness in the network are reached (a documentation block of RFC 5737).
const LANAddr = "192.0.2.1"

// NewLAN makes a network. The caller must call Destroy.
func NewLAN(ctx context.Context) (*LAN, error) {
	l := &LAN{Name: fmt.Sprintf("lablan%d", os.Getpid())}
	for _, c := range []string{"ip netns add " + l.Name, "ip -n " + l.Name + " link set lo up", "ip -n " + l.Name + " link add br0 type bridge",
		"ip -n " + l.Name + " addr add " + LANAddr + "/24 dev br0", "ip -n " + l.Name + " link set br0 up"} {
		if err := run(ctx, strings.Fields(c)...); err != nil {
			return l, err
		}
	}
	return l, nil
}

// Join puts a host into the network, under an address of it such as 192.0.2.11. It is done before the host boots.
func (l *LAN) Join(ctx context.Context, h *Host, addr string) error {
	l.ports++
	port, a := fmt.Sprintf("port%d", l.ports), h.hostNS()
	for _, c := range []string{"ip -n " + a + " link add lan0 type veth peer name " + port + " netns " + l.Name, "ip -n " + a + " addr add " + addr + "/24 dev lan0",
		"ip -n " + a + " link set lan0 up", "ip -n " + l.Name + " link set " + port + " master br0", "ip -n " + l.Name + " link set " + port + " up"} {
		if err := run(ctx, strings.Fields(c)...); err != nil {
			return err
		}
	}
	return nil
}

// Start starts a program in the network; what it says goes to a file. Destroy ends it.
func (l *LAN) Start(log string, argv ...string) error {
	f, err := os.Create(filepath.Clean(log))
	if err != nil {
		return err
	}
	defer f.Close()
	c := exec.Command("ip", append([]string{"netns", "exec", l.Name}, argv...)...)
	c.Stdout, c.Stderr = f, f
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		return fmt.Errorf("start %s: %w", argv[0], err)
	}
	l.runs = append(l.runs, c)
	return nil
}

// Destroy ends what was started in the network and takes it away.
func (l *LAN) Destroy() error {
	for _, c := range l.runs {
		_ = c.Process.Kill()
		_ = c.Wait()
	}
	return run(context.Background(), "ip", "netns", "del", l.Name)
}
