// Command fleetbench connects many agents to a server of deminer's and measures what that costs the server. They are enrolled and
// connected by the code of a real agent, over TLS; each tells how it stands about once a minute, as an idle agent does.
//
//	deminer server --data DIR &
//	fleetbench -token "$(deminer server token --data DIR --hosts 10000)" -hosts 10000 -pid $! -dir /dev/shm/bench
//
// The directory keeps the enrolments: a second call with the same one needs no token.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/bus"
	"github.com/deminer/deminer/internal/trust"
)

var (
	token  = flag.String("token", "", "what deminer server token printed")
	server = flag.String("server", "127.0.0.1:8443", "where hosts are enrolled")
	hosts  = flag.Int("hosts", 1000, "how many agents")
	pid    = flag.Int("pid", 0, "process of the server, of which memory and processor time are read")
	dir    = flag.String("dir", "", "where the enrolments are kept")
	long   = flag.Duration("for", 2*time.Minute, "how long the idle fleet is measured")
	storm  = flag.Duration("alerts", 0, "then, for so long, each agent sends alerts as fast as they are taken")
	at     = flag.Int("at-once", 32, "how many are enrolled and connected at once")
)

// host is one agent.
type host struct {
	id   *trust.Identity
	line *bus.Line
	up   atomic.Bool
}

func main() {
	flag.Parse()
	if *dir == "" {
		log.Fatal("give a directory: -dir")
	}
	fleet := make([]*host, *hosts)
	before := read(*pid)
	begin := time.Now()
	each(func(n int) {
		id, err := enroll(n)
		if err != nil {
			log.Fatalf("enroll %d: %v", n, err)
		}
		fleet[n] = &host{id: id}
	})
	fmt.Printf("%d hosts are enrolled after %s\n", *hosts, time.Since(begin).Round(time.Millisecond))
	enrolled := read(*pid)
	begin = time.Now()
	each(func(n int) { connect(fleet[n]) })
	for n := range fleet {
		for !fleet[n].up.Load() {
			time.Sleep(10 * time.Millisecond)
		}
	}
	fmt.Printf("%d agents are connected after %s\n", *hosts, time.Since(begin).Round(time.Millisecond))
	var sent, failed atomic.Int64
	ctx, stop := context.WithCancel(context.Background())
	var wait sync.WaitGroup
	for _, h := range fleet {
		wait.Go(func() { idle(ctx, h, &sent, &failed) })
	}
	time.Sleep(90 * time.Second) // the cost of connecting is over
	first := read(*pid)
	sent.Store(0)
	time.Sleep(*long)
	last := read(*pid)
	cpu := last.cpu - first.cpu
	fmt.Printf("idle for %s: %d states taken, %d not\n", *long, sent.Load(), failed.Load())
	fmt.Printf("memory of the server: %.1f MB before, %.1f MB enrolled, %.1f MB with %d idle agents: %.4f MB for each\n", before.rss, enrolled.rss, last.rss, *hosts, (last.rss-enrolled.rss)/float64(*hosts))
	fmt.Printf("processor: %.2f s in %s, %.2f %% of a core, %.2f %% for 1,000 agents\n", cpu.Seconds(), *long, 100*cpu.Seconds()/long.Seconds(), 100*cpu.Seconds()/long.Seconds()*1000/float64(*hosts))
	stop()
	wait.Wait()
	if *storm > 0 {
		alerts(fleet)
	}
}

// each does something for each host, several at once.
func each(do func(n int)) {
	var wait sync.WaitGroup
	next := atomic.Int64{}
	for range *at {
		wait.Go(func() {
			for n := int(next.Add(1)) - 1; n < *hosts; n = int(next.Add(1)) - 1 {
				do(n)
			}
		})
	}
	wait.Wait()
}

func enroll(n int) (*trust.Identity, error) {
	name := filepath.Join(*dir, fmt.Sprintf("%06d", n))
	if err := os.MkdirAll(name, 0o700); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	if id, err := trust.Load(root); err == nil {
		return id, nil
	}
	words := strings.Fields(*token) // the command that is printed, or the token alone
	if len(words) == 0 {
		return nil, fmt.Errorf("it has no enrolment, and there is no -token")
	}
	return trust.Enroll(context.Background(), root, *server, words[len(words)-1], fmt.Sprintf("host-%06d", n), time.Now())
}

func connect(h *host) {
	var err error
	h.line, err = bus.Open(bus.LineOptions{Servers: h.id.Bus, Host: h.id.Host, Key: h.id.Key(), TLS: h.id.TLS(),
		Take:   func(context.Context, []byte) deminer.Reply { return deminer.Reply{OK: true} },
		Change: func(up bool, _ error) { h.up.Store(up) }})
	if err != nil {
		log.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); !h.up.Load() && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
}

// idle tells how an agent stands about once a minute.
func idle(ctx context.Context, h *host, sent, failed *atomic.Int64) {
	for wait := rand.N(time.Minute); ; wait = 45*time.Second + rand.N(30*time.Second) {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		body, err := json.Marshal(deminer.AgentState{Host: deminer.HostInfo{ID: h.id.Host, Name: "host", OS: "linux"}, Deminer: "bench", Mode: "watching", Policy: "no policy: everything is an alert, nothing is changed"})
		if err != nil {
			log.Fatal(err)
		}
		send(ctx, h, deminer.MessageState, body, sent, failed)
	}
}

func send(ctx context.Context, h *host, kind deminer.MessageKind, body json.RawMessage, sent, failed *atomic.Int64) time.Duration {
	ctx, stop := context.WithTimeout(ctx, time.Minute)
	defer stop()
	begin := time.Now()
	r, err := h.line.Send(ctx, deminer.Message{ID: deminer.NewID(begin), Kind: kind, Time: begin.UTC(), Body: body})
	if err == nil && r.OK {
		sent.Add(1)
		return time.Since(begin)
	}
	if failed.Add(1) == 1 {
		log.Printf("not taken: %+v %v", r, err)
	}
	return 0
}

// alerts has each agent send alerts one after the other.
func alerts(fleet []*host) {
	var sent, failed atomic.Int64
	var mu sync.Mutex
	var times []time.Duration
	ctx, stop := context.WithTimeout(context.Background(), *storm)
	defer stop()
	first := read(*pid)
	var wait sync.WaitGroup
	for n, h := range fleet {
		wait.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				body := fmt.Appendf(nil, `{"id":"%08x","key":"file:/tmp/x%d","state":"unhandled","grade":"proof","topics":["mining"],"title":"a miner runs","why":["it speaks Stratum"],"thing":{"artifact":{"kind":"file","path":"/tmp/x%d"},"path":"/tmp/x%d","sha256":"%064x"},"first":"2026-01-01T00:00:00Z","last":"2026-01-01T00:00:00Z","count":1}`, i, i, i, i, n%100)
				if d := send(ctx, h, deminer.MessageAlert, body, &sent, &failed); d > 0 && i%10 == 0 {
					mu.Lock()
					times = append(times, d)
					mu.Unlock()
				}
			}
		})
	}
	wait.Wait()
	slices.Sort(times)
	last := read(*pid)
	fmt.Printf("alerts: %d written down in %s, %.0f a second; %d not taken", sent.Load(), *storm, float64(sent.Load())/storm.Seconds(), failed.Load())
	if len(times) > 0 {
		fmt.Printf("; until written down: half within %s, 99 of 100 within %s", times[len(times)/2].Round(time.Millisecond), times[len(times)*99/100].Round(time.Millisecond))
	}
	fmt.Printf("; processor %.2f s, memory %.1f MB\n", (last.cpu - first.cpu).Seconds(), last.rss)
}

// usage is what a process takes.
type usage struct {
	rss float64 // MB
	cpu time.Duration
}

func read(pid int) (u usage) {
	if pid == 0 {
		return u
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		log.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			u.rss = kb / 1000
		}
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		log.Fatal(err)
	}
	f := strings.Fields(string(stat)[strings.LastIndexByte(string(stat), ')')+1:])
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	u.cpu = time.Duration(user+system) * 10 * time.Millisecond
	return u
}
