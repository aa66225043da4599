//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/deminer/deminer/lab/stratum"
	"github.com/deminer/deminer/lab/wallet"
	"golang.org/x/sys/unix"
)

// miners is how many imitations of each sort begin during a storm: those that log in to a stub pool, and those whose command line
// names a wallet and a pool. Each is a program file of its own, so each is an alert of its own, and each does nothing else but wait.
const miners = 5

// heard is how long an alert may take after the storm, until the agent's looks have caught up.
const heard = 90 * time.Second

// underStorm raises events at a rate that the agent cannot read within its contract, and looks whether it keeps it, whether what
// was dropped is counted, and whether each imitation became an alert of the grade of proof.
func (b *bench) underStorm() error {
	w, err := b.agent("storm")
	if err != nil {
		return err
	}
	stop := make(chan struct{})
	peak := make(chan float64)
	go func() {
		most := 0.0
		for {
			select {
			case <-stop:
				peak <- most
				return
			case <-time.After(100 * time.Millisecond):
				most = max(most, w.sizes("status", "VmRSS")[0])
			}
		}
	}()
	from, before := time.Now(), w.cpu()
	over := make(chan float64, 1)
	time.AfterFunc(b.storm, func() { over <- 100 * (w.cpu() - before).Seconds() / time.Since(from).Seconds() })
	r, err := b.load("storm", strconv.Itoa(b.rate), b.storm.String(), b.deminer, w.state)
	close(stop)
	most := <-peak
	if err != nil {
		return errors.Join(err, w.kill())
	}
	share := <-over
	proven, err := b.proven(w.state)
	if err != nil {
		return errors.Join(err, w.kill())
	}
	c, err := w.stop()
	if err != nil {
		return err
	}
	told, dropped := float64(c.Events["connect"]), float64(c.Dropped["connect"]+c.Dropped[""])
	fmt.Printf("storm: %.0f events in %s, %.0f a second asked for; %.0f reached the agent, %.0f were counted as dropped\n", r.Ops, b.storm, float64(b.rate), told, dropped)
	if raised := r.Ops / b.storm.Seconds(); raised < 0.95*float64(b.rate) {
		fmt.Printf("note: this machine raised no more than %.0f events a second\n", raised)
	}
	b.bound("storm: events neither told nor counted as dropped", max(0, r.Ops-told-dropped), 0, "")
	b.bound("storm: processor time", share, quota, "% of one core")
	b.bound("storm: most resident memory", most/1024, memory>>20, "MiB")
	b.bound(fmt.Sprintf("storm: of %d proofs, not told as such", 2*miners), float64(2*miners-proven), 0, "")
	return nil
}

// proven counts the imitations that are alerts of the grade of proof.
func (b *bench) proven(state string) (n int, err error) {
	out, err := exec.Command(b.deminer, "alerts", "list", "--all", "--json", "--state", state).Output()
	if err != nil {
		return 0, fmt.Errorf("list alerts: %w", err)
	}
	var list []struct {
		Grade string `json:"grade"`
		Thing struct {
			Path string `json:"path"`
		} `json:"thing"`
	}
	if err := json.Unmarshal(out, &list); err != nil {
		return 0, fmt.Errorf("list alerts: %w", err)
	}
	seen := map[string]bool{}
	for _, a := range list {
		if a.Grade == "proof" && strings.HasPrefix(filepath.Base(a.Thing.Path), imitation) {
			seen[a.Thing.Path] = true
		}
	}
	return len(seen), nil
}

// imitation begins the names of the files of imitations.
const imitation = "agentbench-imitation-"

// storm is the load: connect calls of one UDP socket, each of which is an event, at a rate for a time; the imitations begin in the
// middle of it and stay until the agent had time to look. The answer is how many events there were.
func storm(work string, arg []string) (ops float64, err error) {
	rate, err := strconv.Atoi(arg[0])
	if err != nil {
		return 0, err
	}
	length, err := time.ParseDuration(arg[1])
	if err != nil {
		return 0, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:3333")
	if err != nil {
		return 0, err
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	pool := &stratum.Pool{NewJob: 5 * time.Second}
	go func() { _ = pool.Listen(ctx, l, stratum.Plain) }() // it ends with this process
	began := make(chan error, 1)
	var list []*exec.Cmd
	time.AfterFunc(length/2, func() {
		var err error
		list, err = imitations(work)
		began <- err
	})
	raisers := runtime.NumCPU()
	each := make(chan error, raisers)
	var total atomic.Int64
	for range raisers {
		go func() { each <- connects(rate/raisers, length, &total) }()
	}
	for range raisers {
		err = errors.Join(err, <-each)
	}
	if err = errors.Join(err, <-began); err != nil {
		return 0, err
	}
	b := &bench{deminer: arg[2]}
	ops = float64(total.Load())
	for from := time.Now(); err == nil && time.Since(from) < heard; time.Sleep(2 * time.Second) {
		var n int
		if n, err = b.proven(arg[3]); n == 2*miners {
			break
		}
	}
	for _, cmd := range list {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	}
	return ops, err
}

// ahead is how much a thread that raises events is preferred to other work: the storm is to be one whatever else the machine does.
const ahead = -15

// connects raises events, and counts them.
func connects(rate int, length time.Duration, total *atomic.Int64) error {
	runtime.LockOSThread() // it ends with its thread
	if err := unix.Setpriority(unix.PRIO_PROCESS, 0, ahead); err != nil {
		return fmt.Errorf("prefer the storm to other work: %w", err)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	to := &unix.SockaddrInet4{Port: 9, Addr: [4]byte{127, 0, 0, 1}}
	from := time.Now()
	for n := 0; ; {
		since := time.Since(from)
		if since >= length {
			return nil
		}
		// At most a thousand behind one another: the clock is asked again.
		for want := min(int(since.Seconds()*float64(rate)), n+1000); n < want; n++ {
			if err := unix.Connect(fd, to); err != nil {
				return err
			}
			total.Add(1)
		}
		if float64(n) >= time.Since(from).Seconds()*float64(rate) {
			time.Sleep(100 * time.Microsecond)
		}
	}
}

// imitations starts copies of this program that do one thing each by which a miner is proven, and nothing else.
func imitations(work string) (list []*exec.Cmd, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	for i := range 2 * miners {
		name := filepath.Join(work, imitation+strconv.Itoa(i))
		if err := copyProgram(self, name); err != nil {
			return list, err
		}
		cmd := exec.Command(name, inside, "login", work)
		if i%2 == 1 {
			cmd = exec.Command(name, inside, "wait", work, "-o", "stratum+tcp://192.0.2.9:3333", "-u", wallet.Make(wallet.Mainnet, i)+".w1", "-p", "x")
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := cmd.Start(); err != nil {
			return list, err
		}
		list = append(list, cmd)
	}
	return list, nil
}

func copyProgram(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// login says what a miner says to its pool, once, and takes the answer.
func login() error {
	ctx, stop := context.WithTimeout(context.Background(), 2*heard)
	defer stop()
	c := stratum.Client{Pool: "127.0.0.1:3333", Wallet: wallet.Make(wallet.Mainnet, 7), Pass: "x", Agent: "imitation/1.0", Submit: 5 * time.Second, Timeout: 5 * time.Second}
	_, _, err := c.Session(ctx)
	return err
}
