//go:build linux

// Command standin stands for the agent in tests of its service and of brute force: it keeps the contract and follows logins, and
// does nothing else. Only for lab hosts.
//
//	standin agent                     as the service starts it
//	standin guess ADDR USER N [PASS]  tries to log in by ssh N times with wrong passwords, then with PASS
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/deminer/deminer/internal/contract"
	"github.com/deminer/deminer/internal/doorman"
	"github.com/deminer/deminer/internal/guess"
	"github.com/deminer/deminer/internal/host/hands"
	"github.com/deminer/deminer/internal/host/live"
	"github.com/deminer/deminer/internal/host/rootfs"
	"github.com/deminer/deminer/internal/journal"
	"github.com/deminer/deminer/internal/remedy"
	"github.com/deminer/deminer/internal/service"
	"github.com/deminer/deminer/internal/vault"
	"github.com/deminer/deminer/lab/marker"
	"golang.org/x/crypto/ssh"
)

var version = "1"

func main() {
	var err error
	switch {
	case len(os.Args) == 2 && os.Args[1] == "agent":
		err = agent()
	case len(os.Args) >= 5 && os.Args[1] == "guess":
		err = guesses(os.Args[2], os.Args[3], os.Args[4], os.Args[5:])
	default:
		err = fmt.Errorf("usage: standin agent | guess ADDR USER N [PASS]")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "standin:", err)
		os.Exit(1)
	}
}

func agent() error {
	if err := marker.Check(marker.Path); err != nil {
		return err
	}
	n := contract.NewNotifier()
	limits, err := contract.OwnLimits()
	if err != nil {
		return err
	}
	limits.Fit()
	if err := contract.Harden(); err != nil {
		return err
	}
	fmt.Println("hardened; limits:", limits)
	d, keeper, err := open()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := n.Ready("version " + version); err != nil {
		return err
	}
	go n.Watch(ctx.Done(), func(err error) { fmt.Println(err) })
	for ctx.Err() == nil {
		n.Beat()
		list, gaps, err := d.Turn(ctx)
		for _, v := range list {
			fmt.Println("verdict:", v.Kind, v.From, v.User, v.Failures, v.Ban, v.Spared)
		}
		if len(gaps) > 0 || err != nil {
			fmt.Println("gaps:", gaps, err)
		}
		if err := keeper.Beat(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(500 * time.Millisecond):
		}
	}
	_ = n.Stopping() // systemd sees the end by itself, too
	how := contract.EndStop
	if contract.Upgrading(service.RunDir) {
		how = contract.EndUpgrade
	}
	fmt.Println("ends:", how)
	if err := d.Close(); err != nil {
		return err
	}
	return keeper.End(how)
}

func open() (*doorman.Doorman, *contract.Keeper, error) {
	fsys, err := rootfs.Open("/")
	if err != nil {
		return nil, nil, err
	}
	info, err := live.Info("/")
	if err != nil {
		return nil, nil, err
	}
	dir, err := hands.State("/", "/var/lib/deminer")
	if err != nil {
		return nil, nil, err
	}
	keeper, absent, err := contract.Begin(dir, version)
	if err != nil {
		return nil, nil, err
	}
	fmt.Printf("absent: %+v\n", absent)
	r, err := runner(dir)
	if err != nil {
		return nil, nil, err
	}
	p := guess.Usual()
	p.Block = true
	d, err := doorman.Open(context.Background(), doorman.Options{FS: fsys, Info: info, Policy: func() guess.Policy { return p }, Runner: r, State: dir})
	if err == nil {
		fmt.Println("follows", d.From())
	}
	return d, keeper, err
}

func runner(dir *os.Root) (*remedy.Runner, error) {
	r := &remedy.Runner{}
	for name, use := range map[string]func(*os.Root) error{
		"journal": func(d *os.Root) error { r.Journal = &journal.Store{Dir: d, Lock: hands.Lock}; return nil },
		"vault":   func(d *os.Root) (err error) { r.Tools.Vault, err = vault.Open(d); return err },
	} {
		if err := dir.MkdirAll(name, 0o700); err != nil {
			return nil, err
		}
		sub, err := dir.OpenRoot(name)
		if err == nil {
			err = use(sub)
		}
		if err != nil {
			return nil, err
		}
	}
	h, err := hands.Open("/", true)
	r.Tools.Hands, r.Tools.State = h, dir
	return r, err
}

// guesses tries passwords, one connection each, and says how each came out.
func guesses(addr, user, count string, right []string) error {
	n, err := strconv.Atoi(count)
	if err != nil || n > 100 {
		return fmt.Errorf("guess at most 100 times: %q", count)
	}
	try := func(password string) {
		c, err := ssh.Dial("tcp", addr, &ssh.ClientConfig{User: user, Auth: []ssh.AuthMethod{ssh.Password(password)}, Timeout: 3 * time.Second,
			HostKeyCallback: ssh.InsecureIgnoreHostKey()}) // a lab host has no key that anybody knows
		if err != nil {
			fmt.Println("no:", err)
			return
		}
		fmt.Println("in")
		c.Close()
	}
	for i := range n {
		try(fmt.Sprint("wrong", i))
	}
	for _, p := range right {
		try(p)
	}
	return nil
}
