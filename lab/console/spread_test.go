//go:build linux && lab

package console

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/deminer/deminer/lab/host"
	"github.com/deminer/deminer/lab/scenario"
)

// The hosts of the network, in the order in which the intruder reaches them; the last one holds a copy that does not run.
var names = []string{"web-a", "db-b", "ci-c", "store-d"}

const dormant = "/var/tmp/.cache/xmrig"

// fleet is hosts in one network, and a server in it.
type fleet struct {
	t       *testing.T
	ctx     context.Context
	lan     *host.LAN
	hosts   []*host.Host
	program string
	tools   scenario.Tools
	dir     string
	said    string // file of what the server says
}

// TestSpread has an intruder go from host to host with a key. The server makes one incident of it, names the host where it began, a sweep
// finds a copy that does not run on a fourth host, and one click contains all of it.
func TestSpread(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatal("booting a host needs root")
	}
	ctx, stop := context.WithTimeout(t.Context(), 14*time.Minute)
	t.Cleanup(stop)
	f := newFleet(ctx, t)
	link := f.serve()
	f.enroll()
	f.intrude()
	shots := os.Getenv(shotsOf)
	if shots == "" {
		shots = t.TempDir()
	}
	browser := exec.CommandContext(ctx, "ip", "netns", "exec", f.lan.Name, os.Args[0], "-test.run=^TestFleetBrowser$", "-test.v", "-test.timeout=10m")
	browser.Env = append(os.Environ(), linkOf+"="+link, rootOf+"="+f.hosts[0].Root, shotsOf+"="+shots)
	browser.Stdout, browser.Stderr = os.Stdout, os.Stderr
	if err := browser.Run(); err != nil {
		text, _ := os.ReadFile(f.said)
		t.Fatalf("%v\nthe server says\n%s", err, text)
	}
	for i, h := range f.hosts {
		for _, p := range h.Processes() {
			if strings.HasSuffix(p.Exe, "/xmrig") {
				t.Errorf("%s: process %d still runs %s", names[i], p.PID, p.Exe)
			}
		}
	}
	if _, err := os.Lstat(filepath.Join(f.hosts[3].Root, dormant)); err == nil {
		t.Error("the copy on the fourth host is still there")
	}
}

func newFleet(ctx context.Context, t *testing.T) *fleet {
	t.Helper()
	f := &fleet{t: t, ctx: ctx, dir: t.TempDir()}
	f.program, f.said = filepath.Join(f.dir, "deminer"), filepath.Join(f.dir, "server.log")
	var err error
	if f.tools, err = scenario.Build(ctx, t.TempDir()); err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", f.program, "../../cmd/deminer")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if f.lan, err = host.NewLAN(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.lan.Destroy(); err != nil {
			t.Error(err)
		}
	})
	for i := range names {
		h, err := host.Create(ctx, host.Base)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := h.Destroy(); err != nil {
				t.Error(err)
			}
		})
		if err := f.lan.Join(ctx, h, fmt.Sprintf("192.0.2.%d", 11+i)); err != nil {
			t.Fatal(err)
		}
		f.hosts = append(f.hosts, h)
	}
	f.each(func(i int, h *host.Host) error {
		if err := h.Boot(ctx); err != nil {
			return err
		}
		return h.CopyFileIn(ctx, f.program, "/root/deminer", 0o755)
	})
	return f
}

// each does something on all hosts at once.
func (f *fleet) each(do func(int, *host.Host) error) {
	f.t.Helper()
	var wait sync.WaitGroup
	for i, h := range f.hosts {
		wait.Go(func() {
			if err := do(i, h); err != nil {
				f.t.Errorf("%s: %v", names[i], err)
			}
		})
	}
	wait.Wait()
	if f.t.Failed() {
		f.t.FailNow()
	}
}

// sh runs a script on a host.
func (f *fleet) sh(h *host.Host, script string) string {
	f.t.Helper()
	r, err := h.Exec(f.ctx, strings.NewReader(script), "/bin/sh", "-es")
	if err != nil || r.Code != 0 {
		f.t.Fatalf("%s: %v: %d %s%s", script, err, r.Code, r.Stdout, r.Stderr)
	}
	return r.Stdout
}

// await waits until a file holds a text.
func (f *fleet) await(name, text string) string {
	f.t.Helper()
	for range 900 {
		b, _ := os.ReadFile(name)
		if strings.Contains(string(b), text) {
			return string(b)
		}
		time.Sleep(100 * time.Millisecond)
	}
	b, _ := os.ReadFile(name)
	f.t.Fatalf("never says %q:\n%s", text, b)
	return ""
}

// serve starts the server in the network and gives the link for the first account.
func (f *fleet) serve() string {
	f.t.Helper()
	if err := f.lan.Start(f.said, f.program, "server", "--data", f.dir+"/data", "--listen", host.LANAddr+":8443", "--bus", host.LANAddr+":4222", "--name", host.LANAddr); err != nil {
		f.t.Fatal(err)
	}
	return setupLink.FindString(f.await(f.said, "/setup/"))
}

// enroll has every host join and its agent watch.
func (f *fleet) enroll() {
	f.t.Helper()
	token := exec.CommandContext(f.ctx, f.program, "server", "token", "--data", f.dir+"/data", "--hosts", "4", "--name", host.LANAddr, "--listen", host.LANAddr+":8443")
	text, err := token.CombinedOutput()
	if err != nil {
		f.t.Fatalf("%v: %s", err, text)
	}
	command := strings.TrimPrefix(strings.TrimSpace(string(text)), "deminer ")
	f.each(func(i int, h *host.Host) error {
		r, err := h.Exec(f.ctx, strings.NewReader("hostname "+names[i]+"\n/root/deminer "+command+"\nsetsid /root/deminer agent >/root/agent.log 2>&1 </dev/null &\n"), "/bin/sh", "-es")
		if err == nil && r.Code != 0 {
			err = fmt.Errorf("%s%s", r.Stdout, r.Stderr)
		}
		return err
	})
	for _, h := range f.hosts {
		f.await(filepath.Join(h.Root, "root/agent.log"), "connected to the server")
	}
}

// intrude goes from the first host to the third with a key that each of them trusts, mines on all of them, and leaves a copy on the fourth.
func (f *fleet) intrude() {
	f.t.Helper()
	s, err := scenario.Load("c3pool")
	if err != nil {
		f.t.Fatal(err)
	}
	f.sh(f.hosts[0], "ssh-keygen -q -t ed25519 -N '' -C admin@office -f /root/.ssh/id_ed25519")
	key := f.sh(f.hosts[0], "cat /root/.ssh/id_ed25519")
	public := f.sh(f.hosts[0], "cat /root/.ssh/id_ed25519.pub")
	for _, h := range f.hosts[1:3] {
		f.sh(h, "mkdir -p /root/.ssh; chmod 700 /root/.ssh; cat >>/root/.ssh/authorized_keys <<'K'\n"+public+"K\numask 077; cat >/root/.ssh/id_ed25519 <<'K'\n"+key+"K\n")
	}
	for i, h := range f.hosts[:3] {
		if i > 0 {
			f.sh(f.hosts[i-1], fmt.Sprintf("ssh -o StrictHostKeyChecking=no -o BatchMode=yes root@192.0.2.%d true", 11+i))
		}
		if err := scenario.Infect(f.ctx, h, s, f.tools); err != nil {
			f.t.Fatal(names[i], err)
		}
	}
	content, err := os.ReadFile(filepath.Join(f.hosts[0].Root, "root/c3pool/xmrig"))
	if err != nil {
		f.t.Fatal(err)
	}
	if err := f.hosts[3].CopyIn(f.ctx, content, dormant, 0o755); err != nil {
		f.t.Fatal(err)
	}
}

// TestFleetBrowser is what the person does; TestSpread starts it in the hosts' network.
func TestFleetBrowser(t *testing.T) {
	if os.Getenv(linkOf) == "" {
		return // only TestSpread runs it
	}
	b := open(t)
	const password = "three blue herons at noon"
	b.do("the first account", soon, chromedp.Navigate(os.Getenv(linkOf)), chromedp.SendKeys(`input[name=name]`, "ops"), chromedp.SendKeys(`input[name=password]`, password),
		chromedp.SendKeys(`input[name=again]`, password), chromedp.Submit(`input[name=again]`), chromedp.WaitVisible(`#rail`))
	b.until("one incident on three hosts", "/incidents", `a.card.incident .chip:nth-child(3)`, long)
	b.shot("spread-incidents")
	if n := b.number(`document.querySelectorAll('a.card.incident').length`); n != 1 {
		t.Errorf("%d incidents:\n%s", n, b.text("main"))
	}
	var path string
	b.do("its page", soon, chromedp.Evaluate(`document.querySelector('a.card.incident').getAttribute('href')`, &path))
	b.until("how it spread", path, `ul.ties li:nth-child(2)`, long)
	b.expect(`main table.list`, "web-a ★ it began here")
	b.expect(`main`, "from web-a to db-b", "from db-b to ci-c")
	b.shot("spread")

	b.do("sweep the fleet", soon, chromedp.Click(`form[action$="/sweep"] button`, chromedp.ByQuery), chromedp.Sleep(time.Second))
	b.until("the fourth host", path, `tr:nth-child(4) a[href^="/alerts?incident="]`, long)
	b.expect(`main table.list`, "store-d")
	b.do("contain it", soon, chromedp.Click(`.head a.button.primary.big`, chromedp.ByQuery), chromedp.WaitVisible(`#sheet form.choices`, chromedp.ByQuery))
	b.do("ask for the plans", long, chromedp.Click(`#sheet input[name=how][value=deep]`, chromedp.ByQuery), chromedp.Click(`#sheet form.choices button.primary`, chromedp.ByQuery),
		chromedp.WaitVisible(`#sheet form[id^=part-run] button`, chromedp.ByQuery), chromedp.Poll(`document.querySelector('#sheet form[id^=part-run] button').textContent.endsWith("on 4 hosts")`, nil, chromedp.WithPollingTimeout(long)))
	b.shot("spread-plans")
	b.do("run them", long, chromedp.Click(`#sheet form[id^=part-run] button`, chromedp.ByQuery), chromedp.Poll(`document.querySelectorAll('#sheet summary .d-done').length >= 4`, nil, chromedp.WithPollingTimeout(long)))
	b.shot("spread-done")
	b.until("nothing is open", "/incidents", `main .empty`, long)
	if len(b.faults) > 0 {
		t.Errorf("the browser complains:\n%s", strings.Join(b.faults, "\n"))
	}
}
