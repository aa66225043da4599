//go:build linux && lab

package fleet

import (
	"context"
	"crypto/tls"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer/lab/host"
	"github.com/deminer/deminer/lab/scenario"
	"golang.org/x/sys/unix"
)

// boot gives an infected host with deminer in it.
func boot(t *testing.T) *host.Host {
	t.Helper()
	dir := t.TempDir()
	bin := filepath.Join(dir, "deminer")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", bin, "github.com/deminer/deminer/cmd/deminer")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	h, err := host.Create(t.Context(), host.Base)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Destroy(); err != nil {
			t.Error(err)
		}
	})
	s, err := scenario.Load("aliyunduns")
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Boot(t.Context()); err != nil {
		t.Fatal(err)
	}
	tools, err := scenario.Build(t.Context(), h.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := scenario.Infect(t.Context(), h, s, tools); err != nil {
		t.Fatal(err)
	}
	if err := h.CopyFileIn(t.Context(), bin, "/root/deminer", 0o755); err != nil {
		t.Fatal(err)
	}
	return h
}

// sh runs a script inside and gives all that it says.
func sh(t *testing.T, h *host.Host, script string) string {
	t.Helper()
	r, err := h.Exec(t.Context(), strings.NewReader(script), "/bin/bash", "-s")
	if err != nil {
		t.Fatal(err)
	}
	return string(r.Stdout) + string(r.Stderr)
}

// until runs a script inside until what it says fits.
func until(t *testing.T, h *host.Host, script, want string) string {
	t.Helper()
	got := ""
	for range 240 {
		if got = sh(t, h, script); strings.Contains(got, want) {
			return got
		}
		time.Sleep(250 * time.Millisecond)
	}
	t.Fatalf("%s never said %q: %s", script, want, got)
	return ""
}

// person is somebody with a browser in the namespace beside the host.
type person struct {
	t    *testing.T
	http *http.Client
	base string
}

// newPerson follows the link that the server printed.
func newPerson(t *testing.T, h *host.Host, said string) *person {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	space := "/run/netns/" + h.PoolNamespace()
	p := &person{t: t, base: "https://" + host.HostAddr + ":8443", http: &http.Client{Jar: jar, Timeout: 30 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return dialIn(ctx, space, network, addr)
		}}}}
	link := regexp.MustCompile(`/setup/[A-Za-z0-9_-]+`).FindString(said)
	if link == "" {
		t.Fatalf("no link: %s", said)
	}
	p.post(link, url.Values{"name": {"ann"}, "password": {"correct horse battery"}, "again": {"correct horse battery"}})
	if page := p.get("/"); !strings.Contains(page, "Log out") {
		t.Fatalf("not logged in: %s", text(page))
	}
	return p
}

// dialIn dials from within a network namespace. The thread that went there ends.
func dialIn(ctx context.Context, space, network, addr string) (net.Conn, error) {
	type result struct {
		c   net.Conn
		err error
	}
	out := make(chan result, 1)
	go func() {
		runtime.LockOSThread()
		f, err := os.Open(space)
		if err == nil {
			err = unix.Setns(int(f.Fd()), unix.CLONE_NEWNET)
			f.Close()
		}
		var c net.Conn
		if err == nil {
			var raw int
			raw, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			if err == nil {
				c, err = connect(raw, addr)
			}
		}
		out <- result{c, err}
	}()
	select {
	case r := <-out:
		return r.c, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func connect(raw int, addr string) (net.Conn, error) {
	at, err := net.ResolveTCPAddr("tcp4", addr)
	if err != nil {
		return nil, err
	}
	if err := unix.Connect(raw, &unix.SockaddrInet4{Port: at.Port, Addr: [4]byte(at.IP.To4())}); err != nil {
		unix.Close(raw)
		return nil, err
	}
	f := os.NewFile(uintptr(raw), "socket")
	defer f.Close()
	return net.FileConn(f)
}

func (p *person) do(r *http.Request) string {
	p.t.Helper()
	resp, err := p.http.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 400 {
		p.t.Fatalf("%s %s: %s %v %s", r.Method, r.URL.Path, resp.Status, err, text(string(body)))
	}
	return resp.Request.URL.Path + "\n" + string(body)
}

func (p *person) get(path string) string {
	p.t.Helper()
	r, err := http.NewRequest(http.MethodGet, p.base+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	return p.do(r)
}

func (p *person) post(path string, form url.Values) string {
	p.t.Helper()
	r, err := http.NewRequest(http.MethodPost, p.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", p.base)
	return p.do(r)
}

var tags = regexp.MustCompile(`(?s)<(script|style|svg).*?</(script|style|svg)>|<[^>]+>`)

// text is what is read of a page.
func text(page string) string {
	return strings.Join(strings.Fields(html.UnescapeString(tags.ReplaceAllString(page, " "))), " ")
}

// value is that of a hidden field.
func value(t *testing.T, page, name string) string {
	t.Helper()
	m := regexp.MustCompile(`name="` + name + `" value="([^"]+)"`).FindStringSubmatch(page)
	if m == nil {
		t.Fatalf("no field %s: %.2000s", name, text(page))
	}
	return html.UnescapeString(m[1])
}

// alert finds an open alert by its title: HOST/ID.
func (p *person) alert(title string) string {
	p.t.Helper()
	for range 120 {
		for _, m := range regexp.MustCompile(`(?s)href="/alerts/([0-9a-f]+/[0-9a-f]+)"[^>]*>(.*?)</a>`).FindAllStringSubmatch(p.get("/alerts?state=open"), -1) {
			if strings.Contains(text(m[2]), title) {
				return m[1]
			}
		}
		time.Sleep(250 * time.Millisecond)
	}
	p.t.Fatalf("no alert %q", title)
	return ""
}

// open counts the open alerts.
func (p *person) open() int {
	return len(regexp.MustCompile(`href="/alerts/[0-9a-f]+/[0-9a-f]+"`).FindAllString(p.get("/alerts?state=open"), -1))
}

// handle asks for a plan and waits for it: the deed.
func (p *person) handle(how, target string) string {
	p.t.Helper()
	page := p.get("/handle?t=" + url.QueryEscape(target))
	page = p.post("/handle", url.Values{"form": {value(p.t, page, "form")}, "how": {how}, "t": {target}, "for": {"24h"}})
	m := regexp.MustCompile(`part-([0-9a-f]{32})`).FindStringSubmatch(page)
	if m == nil {
		p.t.Fatalf("no plan was asked for: %s", text(page))
	}
	p.wait(m[1], "Run ")
	return m[1]
}

// wait waits until the page of a deed says something.
func (p *person) wait(deed string, some ...string) string {
	p.t.Helper()
	said := ""
	for range 480 {
		said = text(p.get("/deeds/" + deed))
		for _, want := range some {
			if strings.Contains(said, want) {
				return said
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	p.t.Fatalf("the deed never said %q: %s", some, said)
	return ""
}

// press approves a plan or takes it back.
func (p *person) press(deed, what string) {
	p.t.Helper()
	page := p.get("/deeds/" + deed)
	form := url.Values{"form": {value(p.t, page, "form")}}
	if what == "run" {
		form.Set("digest", value(p.t, page, "digest"))
	}
	p.post("/deeds/"+deed+"/"+what, form)
}

const miners = "ps ax -o args | grep -c -e '[x]mrig' -e '[A]liyunDuns'"

// TestUp ends the intrusion by what a person clicks, takes it back, and puts a file back.
func TestUp(t *testing.T) {
	h := boot(t)
	begin := time.Now()
	sh(t, h, "cd /root; setsid ./deminer up --data /srv/dm >up.log 2>&1 </dev/null &")
	p := newPerson(t, h, until(t, h, "cat /root/up.log", "/setup/"))
	t.Logf("the console is there after %s", time.Since(begin).Round(time.Millisecond))
	xmrig := p.alert("(xmrig) talks to a mining pool")
	t.Logf("the miner is an alert after %s", time.Since(begin).Round(time.Millisecond))
	if got := sh(t, h, miners); strings.TrimSpace(got) == "0" {
		t.Fatal("nothing was to be changed, and no miner runs")
	}
	begin = time.Now()
	p.press(p.run("quarantine", xmrig), "undo") // a killed process stays dead
	one := p.alert("(sysetmd) talks to a mining pool")
	p.run("block", one)
	if got := text(p.get("/blocks")); !strings.Contains(got, host.PoolAddr) {
		t.Errorf("blocks: %s", got)
	}
	page := p.get("/scans")
	p.post("/scans", url.Values{"form": {value(t, page, "form")}, "mode": {"quick"}, "host": {strings.Split(one, "/")[0]}})
	deed := p.run("deep", one)
	for end := time.Now().Add(time.Minute); p.open() > 0; time.Sleep(250 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d alerts are still open: %s", p.open(), text(p.get("/alerts?state=open")))
		}
	}
	t.Logf("clean, with no open alert, after %s", time.Since(begin).Round(time.Millisecond))
	if got := sh(t, h, miners+"; ls /opt/sysetmd /root/xmrig-6.21.1 2>&1"); !strings.HasPrefix(got, "0\n") || strings.Count(got, "No such file") != 2 {
		t.Errorf("left: %s", got)
	}
	if got := text(p.get("/quarantine")); !strings.Contains(got, "/opt/sysetmd") {
		t.Errorf("quarantine: %s", got)
	}
	p.press(deed, "undo")
	p.wait(deed, "Taken back")
	if got := sh(t, h, "ls /opt/sysetmd; crontab -l | wc -l"); !strings.HasPrefix(got, "/opt/sysetmd\n1") {
		t.Errorf("taken back: %s", got)
	}
}

// run has a plan made and approves it.
func (p *person) run(how, target string) string {
	p.t.Helper()
	deed := p.handle(how, target)
	p.press(deed, "run")
	if said := p.wait(deed, "✓ Done", "Ended with failures"); !strings.Contains(said, "✓ Done") {
		p.t.Fatalf("%s: %s", how, said)
	}
	return deed
}

// TestKilled kills the server while alerts come, the agent while its spool is full, and the agent in the middle of a plan.
func TestKilled(t *testing.T) {
	h := boot(t)
	const (
		serve = "cd /root; setsid ./deminer server --data /srv/dm >srv.log 2>&1 </dev/null & "
		watch = "cd /root; setsid ./deminer agent >>agent.log 2>&1 </dev/null & "
		spool = "ls /var/lib/deminer/link/spool | wc -l"
	)
	killed := func(what string) string { return "kill -9 $(pgrep -f '^./deminer " + what + "'); " }
	sh(t, h, serve)
	until(t, h, "cat /root/srv.log", "/setup/")
	token := strings.Fields(sh(t, h, "/root/deminer server token --data /srv/dm"))
	if got := sh(t, h, "/root/deminer enroll --server 127.0.0.1:8443 --token "+token[len(token)-1]); !strings.Contains(got, "enrolled as") {
		t.Fatal(got)
	}
	sh(t, h, watch)
	until(t, h, "/root/deminer alerts list", "talks to a mining pool")
	sh(t, h, killed("server")+"sleep 1; /root/deminer alerts ignore $(/root/deminer alerts list | awk '/\\(xmrig\\) talks to/{print $1}')")
	if got := until(t, h, spool+"; ls /var/lib/deminer/link/spool", "alert"); strings.HasPrefix(got, "0") {
		t.Errorf("nothing waits while the server is away: %s", got)
	}
	sh(t, h, killed("agent")+watch)
	sh(t, h, "sleep 5; "+serve)
	said := until(t, h, "cat /root/srv.log", "/setup/")
	until(t, h, spool, "0\n")
	p := newPerson(t, h, said)
	count := len(regexp.MustCompile(`href="/alerts/[0-9a-f]+/[0-9a-f]+"`).FindAllString(p.get("/alerts?state=all"), -1))
	if want := strings.TrimSpace(sh(t, h, "ls /var/lib/deminer/alerts/*.json | wc -l")); fmt.Sprint(count) != want {
		t.Errorf("the server has %d alerts, the host %s", count, want)
	}
	deed := p.handle("deep", p.alert("(sysetmd) talks to a mining pool"))
	sh(t, h, "( while ! [ -s \"$(ls /var/lib/deminer/journal/2* 2>/dev/null | head -1)\" ]; do :; done; "+killed("agent")+") >/dev/null 2>&1 &")
	p.press(deed, "run")
	until(t, h, "pgrep -f '^./deminer agent' || echo gone", "gone")
	sh(t, h, watch)
	if said := p.wait(deed, "the agent ended in the middle"); strings.Contains(said, "✓ Done") {
		t.Errorf("an interrupted plan counts as done: %s", said)
	}
	if got := strings.TrimSpace(sh(t, h, "ls /var/lib/deminer/journal/*.jsonl | wc -l")); got != "1" {
		t.Errorf("%s journals, want that the plan was begun once", got)
	}
	p.press(deed, "undo")
	p.wait(deed, "Taken back")
	if got := sh(t, h, miners); strings.HasPrefix(got, "0") {
		t.Error("taken back, and no miner goes on")
	}
}
