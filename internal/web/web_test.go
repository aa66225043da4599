package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/alert"
	"github.com/deminer/deminer/internal/auth"
)

// await waits until a deed of a host is in a state, and gives its id.
func (h *house) await(b *browser, host, state string) string {
	h.t.Helper()
	for until := time.Now().Add(10 * time.Second); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		all, err := h.srv.Deeds(h.t.Context(), host, "", 1)
		if err != nil {
			h.t.Fatal(err)
		}
		if len(all) == 1 && string(all[0].State) == state {
			return all[0].ID
		}
	}
	h.t.Fatalf("no deed of %s is %s", host, state)
	return ""
}

func (h *house) incident() string {
	h.t.Helper()
	list, err := h.srv.Incidents(h.t.Context(), true, 10)
	if err != nil || len(list) == 0 {
		h.t.Fatal(list, err)
	}
	return list[0].ID
}

// TestLine is what a person does: set up, log in, find the alert, see the plan, run it, take it back.
func TestLine(t *testing.T) {
	h := newHouse(t)
	b := h.person(auth.Admin)
	h.fill()
	if text := b.get("/"); !strings.Contains(text, "2 hosts are mining now") || !strings.Contains(text, `href="/handle?all=topic%3dmining%26state%3dunhandled"`) {
		t.Fatalf("the overview does not say who mines: %s", text)
	}
	if text := b.get("/alerts?topic=mining"); !strings.Contains(text, "/alerts/h1/0000000a") || strings.Contains(text, "0000000c") {
		t.Fatal("the list is not narrowed to mining")
	}
	b.get("/alerts/h1/0000000a")
	b.get("/handle?t=h1/0000000a")
	if text := b.get("/handle?all=topic%3dmining%26state%3dunhandled"); !strings.Contains(text, `value="h1/0000000a"`) || !strings.Contains(text, `value="h2/0000000b"`) || strings.Contains(text, "0000000c") {
		t.Fatalf("what was chosen is not what is to be handled: %s", text)
	}
	form := b.form()
	b.send(http.StatusOK, "/handle", url.Values{"form": {form}, "how": {"deep"}, "t": {"h1/0000000a"}})
	id := h.await(b, "h1", "ready")
	text := b.get("/deeds/" + id)
	if !strings.Contains(text, "Run 7 steps on web01") || !strings.Contains(text, "1 cannot be undone") {
		t.Fatalf("the plan is not shown: %s", text)
	}
	digest := plan("h1").Digest()
	b.send(http.StatusConflict, "/deeds/"+id+"/run", url.Values{"form": {form}, "digest": {strings.Repeat("0", 64)}})
	b.send(http.StatusOK, "/deeds/"+id+"/run", url.Values{"form": {form}, "digest": {digest}})
	h.await(b, "h1", "done")
	if text := b.get("/deeds/" + id); strings.Count(text, `class="st-done"`) != 7 || !strings.Contains(text, "Undo") {
		t.Fatalf("the steps are not green: %s", text)
	}
	b.send(http.StatusOK, "/deeds/"+id+"/undo", url.Values{"form": {form}})
	h.await(b, "h1", "undone")
	b.send(http.StatusOK, "/schedules", url.Values{"form": {form}, "host": {"*"}, "mode": {"quick"}, "every": {"168h"}})
	if text := b.get("/scans"); !strings.Contains(text, "every 7 d") || !strings.Contains(text, `action="/schedules"`) {
		t.Fatalf("the schedule is not shown: %s", text)
	}
	b.send(http.StatusUnprocessableEntity, "/schedules", url.Values{"form": {form}, "mode": {"quick"}, "every": {"1s"}})
	if text := b.get("/audit?check=yes"); !strings.Contains(text, "each as it was written") {
		t.Fatal("the audit log does not hold")
	}
}

// TestPages asks for every page in both languages, by everybody who may see it.
func TestPages(t *testing.T) {
	h := newHouse(t)
	admin := h.person(auth.Admin)
	viewer := h.person(auth.Viewer)
	for _, filled := range []bool{false, true} {
		if filled {
			h.fill()
		}
		for _, lang := range []string{"en", "zh-CN"} {
			admin.lang, viewer.lang = lang, lang
			for _, p := range []string{"/", "/alerts", "/alerts?state=all&grade=proof&host=h1&q=x&page=2", "/incidents", "/incidents?state=all", "/deeds", "/hosts", "/hosts?q=web&standing=watching", "/scans", "/quarantine",
				"/blocks", "/policies", "/settings"} {
				for _, b := range []*browser{admin, viewer} {
					if text := b.get(p); strings.Contains(text, "%!") || strings.Contains(text, "ZgotmplZ") {
						t.Errorf("%s: a text is not filled in right", p)
					}
				}
			}
			for _, p := range []string{"/settings/people", "/settings/enroll", "/audit"} {
				admin.get(p)
				if status, _ := viewer.do(http.MethodGet, p, nil); status != http.StatusForbidden {
					t.Errorf("%s: a viewer gets %d", p, status)
				}
			}
			if filled {
				for _, p := range []string{"/alerts/h1/0000000a", "/alerts/h1/0000000c", "/hosts/h1", "/incidents/" + h.incident(), "/incidents/" + h.incident() + "/report", "/incidents/" + h.incident() + "/report?format=json", "/blocks/export?format=nft", "/blocks/export?format=group"} {
					viewer.get(p)
				}
			}
		}
	}
}

// TestHostileText: whatever a host calls its things, a page holds it as text.
func TestHostileText(t *testing.T) {
	h := newHouse(t)
	b := h.person(auth.Admin)
	evil := `"'><script>alert(1)</script><img src=x onerror=alert(2)>{{.}}` + "\u202e\x1b[31m"
	raw := deminer.Raw(evil)
	art := deminer.Artifact{Kind: deminer.KindProcess, Name: evil, Path: raw, Line: raw, Addr: evil}
	a := alert.Alert{ID: "0000000a", Key: evil, State: alert.Unhandled, Reason: evil, Grade: alert.Proof, Topics: []deminer.Topic{deminer.TopicMining, deminer.Topic(evil)}, Title: evil, Why: []string{evil}, Lineage: []string{evil, evil},
		Thing: alert.Thing{Artifact: art, Path: raw, SHA256: evil, Package: evil, Unit: evil, Container: evil, User: evil}, Incident: "e", Next: evil, Trigger: evil,
		Deeds: []alert.Deed{{What: evil, Plan: evil}}, History: []alert.Change{{By: evil, Why: evil, State: alert.State(evil)}}}
	rep := report(time.Now())
	inc := &rep.Incidents[0]
	inc.ID, inc.Title, inc.Distrust = "e", evil, []string{evil}
	inc.Members = []deminer.Member{{Artifact: art, Role: deminer.RoleRuns, Grade: deminer.Convicted, Why: []string{evil}, Detail: evil}, {Artifact: deminer.Artifact{Kind: deminer.KindLine, Path: raw, Line: raw}, Role: deminer.Role(evil), Grade: deminer.Convicted}}
	inc.Edges = []deminer.Edge{{From: art.Ref(), To: inc.Members[1].Artifact.Ref(), Verb: evil}}
	inc.Timeline = []deminer.Moment{{What: evil, From: evil}}
	inc.Indicators = []deminer.Indicator{{Kind: "wallet", Value: evil}}
	inc.Entries = []deminer.Entry{{What: evil, Belief: evil, Close: []string{evil}}}
	inc.Secrets = []deminer.Secret{{Path: raw, Kind: evil, Why: evil, Do: evil}}
	rep.Snapshot.Gaps = []deminer.Gap{{Part: evil, State: deminer.GapState(evil), What: evil, Why: evil}}
	for _, m := range []struct {
		kind deminer.MessageKind
		body any
	}{
		{deminer.MessageState, deminer.AgentState{Mode: "watching", Deminer: evil, Policy: evil, Lost: []string{evil}, Host: deminer.HostInfo{Name: evil, Distro: evil, Kernel: evil, Arch: evil}}},
		{deminer.MessageAlert, a}, {deminer.MessageReport, rep},
		{deminer.MessageVault, []deminer.Kept{{ID: evil, Path: raw, SHA256: evil, Plan: evil}}},
		{deminer.MessageBlocks, []deminer.Blocked{{What: evil, Plan: evil}, {What: "cgroup /" + evil, Plan: evil}, {What: "fe80::1%alert(1)", Plan: evil}}},
	} {
		if err := h.agents.tell(t.Context(), "h1", m.kind, "", m.body); err != nil {
			t.Fatal(err)
		}
	}
	h.agents.slow = true
	form := b.form()
	b.send(http.StatusOK, "/handle", url.Values{"form": {form}, "how": {"deep"}, "t": {"h1/0000000a"}})
	deeds, err := h.srv.Deeds(t.Context(), "h1", "", 1)
	if err != nil {
		t.Fatal(err)
	}
	p := deminer.Plan{ID: "p", Steps: []deminer.Step{{ID: "s1", Phase: deminer.Phase(evil), Why: []string{evil}, Risk: evil, NoUndo: evil, Action: deminer.Action{Verb: deminer.VerbCutLine, Target: art, Args: map[string]deminer.Raw{"new": raw}}},
		{ID: "s2", Action: deminer.Action{Verb: deminer.Verb(evil), Target: art}}}, Refused: []deminer.Refusal{{Artifact: art, Why: evil, Advice: evil}}, Advice: []string{evil}}
	if err := h.agents.tell(t.Context(), "h1", deminer.MessagePlan, deeds[0].ID, p); err != nil {
		t.Fatal(err)
	}
	reports, err := h.srv.Reports(t.Context(), "h1", "", 1)
	if err != nil || len(reports) != 1 {
		t.Fatal(reports, err)
	}
	for _, lang := range []string{"en", "zh"} {
		b.lang = lang
		for _, path := range []string{"/", "/alerts", "/alerts?q=" + url.QueryEscape(evil), "/alerts/h1/0000000a", "/handle?t=h1/0000000a", "/deeds", "/deeds/" + deeds[0].ID, "/groups/" + deeds[0].Group, "/incidents", "/incidents/" + h.incident(), "/incidents/" + h.incident() + "/report", "/hosts",
			"/hosts/h1", "/scans", "/scans/h1/" + reports[0].ID, "/quarantine", "/quarantine?q=" + url.QueryEscape(evil), "/blocks", "/policies", "/audit"} {
			text := b.get(path)
			for _, bad := range []string{"<script>alert", "<img src=x", "\u202e", "\x1b"} {
				if strings.Contains(text, bad) {
					t.Errorf("%s (%s) holds %q", path, lang, bad)
				}
			}
			if strings.Contains(text, " style=") || strings.Contains(text, "javascript:") {
				t.Errorf("%s has a style or a script by itself", path)
			}
		}
		for _, f := range []string{"nft", "iptables", "json", "group"} {
			if text := b.get("/blocks/export?format=" + f); strings.Contains(text, "alert") {
				t.Errorf("the export %s holds what is no address: %s", f, text)
			}
		}
	}
}

// TestRoutes: what changes something is refused to a viewer, to who is not logged in, without the token, and to another site.
func TestRoutes(t *testing.T) {
	h := newHouse(t)
	admin := h.person(auth.Admin)
	viewer := h.person(auth.Viewer)
	h.fill()
	form, none := viewer.form(), h.browser()
	own := map[string]bool{"/logout": true, "/settings/password": true, "/settings/codes": true, "/settings/session": true}
	checked := 0
	for _, r := range h.c.routes() {
		method, path, _ := strings.Cut(r.pattern, " ")
		if method != http.MethodPost || r.need == "" {
			continue
		}
		path = strings.NewReplacer("{id}", "h1", "{host}", "h1").Replace(path)
		checked++
		full := url.Values{"form": {form}, "host": {"h1"}, "how": {"deep"}, "t": {"h1/0000000a"}, "mode": {"quick"}, "what": {"192.0.2.1"}, "id": {"k1"}, "do": {"delete"}}
		if status, text := viewer.do(method, path, full); !own[path] && status != http.StatusForbidden {
			t.Errorf("%s: a viewer gets %d: %s", path, status, text)
		}
		if status, _ := admin.do(method, path, url.Values{"host": {"h1"}, "form": {form}}); status != http.StatusForbidden {
			t.Errorf("%s: the token of another session gets %d", path, status)
		}
		if status, _ := admin.do(method, path, url.Values{"host": {"h1"}}); status != http.StatusForbidden {
			t.Errorf("%s: without a token: %d", path, status)
		}
		if status, _ := none.do(method, path, full); status != http.StatusUnauthorized {
			t.Errorf("%s: nobody gets %d", path, status)
		}
		if status, _ := admin.do(method, path, url.Values{"form": {admin.form()}}, "Sec-Fetch-Site", "cross-site"); status != http.StatusForbidden {
			t.Errorf("%s: another site gets %d", path, status)
		}
		if own[path] {
			viewer = h.browser()
			viewer.send(http.StatusOK, "/login", url.Values{"name": {"viewer"}, "password": {password}})
			form = viewer.form()
		}
	}
	if checked < 15 {
		t.Fatalf("only %d routes were checked", checked)
	}
	h.agents.mu.Lock()
	defer h.agents.mu.Unlock()
	if len(h.agents.got) != 0 {
		t.Errorf("orders were given: %+v", h.agents.got)
	}
}

// TestGuessing: after some failed log-ins nothing is tried for a while, even the right password.
func TestGuessing(t *testing.T) {
	h := newHouse(t)
	h.person(auth.Admin)
	b := h.browser()
	for i := range 5 {
		want := http.StatusUnauthorized
		if status, text := b.do(http.MethodPost, "/login", url.Values{"name": {"admin"}, "password": {"wrong wrong wrong"}}); status != want {
			t.Fatalf("try %d: %d %s", i, status, text)
		}
	}
	b.send(http.StatusTooManyRequests, "/login", url.Values{"name": {"admin"}, "password": {password}})
	if status, _ := b.do(http.MethodPost, "/setup/"+strings.Repeat("A", 43), url.Values{"name": {"x"}, "password": {password}, "again": {password}}); status != http.StatusTooManyRequests {
		t.Errorf("links can be guessed meanwhile: %d", status)
	}
}

// TestCookies: the session goes over TLS alone, to no script and to no other site, and ends on the server.
func TestCookies(t *testing.T) {
	h := newHouse(t)
	h.person(auth.Admin)
	b := h.browser()
	b.c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	r, err := b.c.PostForm(h.ts.URL+"/login", url.Values{"name": {"ADMIN "}, "password": {password}, "to": {"//evil.example/"}})
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	cookies := r.Cookies()
	if len(cookies) != 1 || !cookies[0].Secure || !cookies[0].HttpOnly || cookies[0].SameSite != http.SameSiteStrictMode || !strings.HasPrefix(cookies[0].Name, "__Host-") {
		t.Fatalf("got %+v", cookies)
	}
	if to := r.Header.Get("Location"); to != "/" {
		t.Errorf("a log-in leads to %q", to)
	}
	for _, name := range []string{"Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy", "Strict-Transport-Security"} {
		if r.Header.Get(name) == "" {
			t.Errorf("no %s", name)
		}
	}
	form := b.form()
	if status, _ := b.do(http.MethodPost, "/logout", url.Values{"form": {form}}); status != http.StatusSeeOther {
		t.Fatal(status)
	}
	old := h.browser()
	u, _ := url.Parse(h.ts.URL)
	old.c.Jar.SetCookies(u, cookies)
	old.c.CheckRedirect = b.c.CheckRedirect
	if status, _ := old.do(http.MethodGet, "/alerts", nil); status != http.StatusSeeOther {
		t.Errorf("a session that was ended gets %d", status)
	}
}
