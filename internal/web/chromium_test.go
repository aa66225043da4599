package web

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer/internal/auth"
)

// tab is a page in a real browser, which listens on a pipe (the DevTools protocol).
type tab struct {
	t       *testing.T
	to      *os.File
	got     chan message
	n       int
	session string
	errors  []string // what the browser complained about
}

type message struct {
	ID     int             `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// newTab starts a browser. Where there is none the test is passed over.
func newTab(t *testing.T) *tab {
	t.Helper()
	program, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("chromium is not here")
	}
	dir, err := os.MkdirTemp("", "deminer-browser-")
	if err != nil {
		t.Fatal(err)
	}
	in, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	from, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--user-data-dir="+dir, "--ignore-certificate-errors", "--hide-scrollbars", "--window-size=1400,1000", "--remote-debugging-pipe", "about:blank")
	cmd.ExtraFiles = []*os.File{in, out}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in.Close()
	out.Close()
	b := &tab{t: t, to: to, got: make(chan message, 1000)}
	go func() {
		r := bufio.NewReader(from)
		for {
			text, err := r.ReadBytes(0)
			if err != nil {
				close(b.got)
				return
			}
			var m message
			if json.Unmarshal(text[:len(text)-1], &m) == nil {
				b.got <- m
			}
		}
	}()
	t.Cleanup(func() {
		to.Close() // it ends by itself, and so do its children
		cmd.Wait()
		from.Close()
		for range 50 { // the last of them may still write
			if os.RemoveAll(dir) == nil {
				break
			}
			time.Sleep(50 * time.Millisecond)
		}
	})
	var made struct {
		Target  string `json:"targetId"`
		Session string `json:"sessionId"`
	}
	b.ask("Target.createTarget", map[string]any{"url": "about:blank"}, &made)
	b.ask("Target.attachToTarget", map[string]any{"targetId": made.Target, "flatten": true}, &made)
	b.session = made.Session
	for _, m := range []string{"Page.enable", "Runtime.enable", "Log.enable"} {
		b.ask(m, nil, nil)
	}
	return b
}

// ask sends a request and reads its answer; what the browser tells meanwhile is looked at for complaints.
func (b *tab) ask(method string, params, into any) {
	b.t.Helper()
	b.n++
	if params == nil {
		params = map[string]any{}
	}
	text, err := json.Marshal(map[string]any{"id": b.n, "method": method, "params": params, "sessionId": b.session})
	if err != nil {
		b.t.Fatal(err)
	}
	if b.session == "" {
		text = []byte(strings.Replace(string(text), `,"sessionId":""`, "", 1))
	}
	if _, err := b.to.Write(append(text, 0)); err != nil {
		b.t.Fatal(err)
	}
	late := time.After(30 * time.Second)
	for {
		select {
		case m, ok := <-b.got:
			switch {
			case !ok:
				b.t.Fatal("the browser ended")
			case m.Method == "Log.entryAdded" || m.Method == "Runtime.exceptionThrown":
				if text := string(m.Params); !strings.Contains(text, "ERR_INCOMPLETE_CHUNKED") && !strings.Contains(text, "ERR_CERT") {
					b.errors = append(b.errors, text)
				}
			case m.ID == b.n && m.Error != nil:
				b.t.Fatalf("%s: %s", method, m.Error.Message)
			case m.ID == b.n:
				if into != nil {
					if err := json.Unmarshal(m.Result, into); err != nil {
						b.t.Fatal(err)
					}
				}
				return
			}
		case <-late:
			b.t.Fatalf("%s: no answer", method)
		}
	}
}

// js runs a script in the page and gives its value as text.
func (b *tab) js(script string) string {
	b.t.Helper()
	var r struct {
		Result struct {
			Value any `json:"value"`
		} `json:"result"`
		Exception *struct {
			Text string `json:"text"`
		} `json:"exceptionDetails"`
	}
	b.ask("Runtime.evaluate", map[string]any{"expression": script, "returnByValue": true, "userGesture": true}, &r)
	if r.Exception != nil {
		return "" // the page is being replaced
	}
	return fmt.Sprint(r.Result.Value)
}

// until waits until a script gives true.
func (b *tab) until(what, script string) {
	b.t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if b.js(script) == "true" {
			return
		}
	}
	b.picture("failed")
	b.t.Fatalf("never happened: %s; the browser complains %q; the page says %s", what, b.errors, b.js("document.body.innerText"))
}

func (b *tab) open(url string) {
	b.t.Helper()
	b.ask("Page.navigate", map[string]any{"url": url}, nil)
	b.until("page "+url, "document.readyState === 'complete' && location.href !== 'about:blank' && !!document.querySelector('main')")
}

// click clicks what holds a text.
func (b *tab) click(selector, text string) {
	b.t.Helper()
	script := fmt.Sprintf("(() => { const e = [...document.querySelectorAll(%q)].find((e) => e.textContent.includes(%q) && e.offsetParent !== null); if (e) e.click(); return !!e; })()", selector, text)
	b.until("click "+text, script)
}

// picture keeps a picture of the page where DEMINER_PICTURES names a directory.
func (b *tab) picture(name string) {
	b.t.Helper()
	dir := os.Getenv("DEMINER_PICTURES")
	if dir == "" {
		return
	}
	var shot struct {
		Data string `json:"data"`
	}
	b.ask("Page.captureScreenshot", nil, &shot)
	png, err := base64.StdEncoding.DecodeString(shot.Data)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "line-"+name+".png"), png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// TestInBrowser goes the whole line in a real browser, as a person clicks it: from the link of the first start to the undo.
func TestInBrowser(t *testing.T) {
	b := newTab(t)
	h := newHouse(t)
	h.agents.pace = 150 * time.Millisecond
	b.open(h.ts.URL + "/setup/" + h.link)
	b.js(`document.querySelector("[name=name]").value = "ann"; for (const n of ["password", "again"]) document.querySelector("[name=" + n + "]").value = "` + password + `"`)
	b.click("button", "Begin")
	b.until("logged in", "!!document.querySelector('#rail')")
	b.until("nothing is there yet", "document.body.innerText.includes('No host has told anything yet')")
	b.picture("1-empty")
	b.until("the page is live", "!document.querySelector('#pulse').classList.contains('off')")
	h.fill() // the page shows it by itself
	b.until("who mines", "document.body.innerText.includes('2 hosts are mining now')")
	b.until("the number of alerts", "document.querySelector('#nopen').textContent === '5'")
	b.picture("2-overview")

	b.click("nav a", "Alerts")
	b.until("the list", "document.querySelectorAll('.list.alerts tbody tr').length > 4")
	b.js(`document.querySelector('input[name=t][value="h1/0000000c"]').click()`)
	if err := h.agents.tell(t.Context(), "h3", "alert", "", quiet()); err != nil { // a new alert must not undo the choice
		t.Fatal(err)
	}
	b.until("the new alert", "document.body.innerText.includes('a new thing')")
	if b.js(`document.querySelector('input[name=t][value="h1/0000000c"]').checked`) != "true" {
		t.Error("a choice was lost when the list was loaded again")
	}
	b.click(".what a", "process 24381 (kswapd0) logs in to a mining pool")
	b.until("the alert", "!!document.querySelector('#verdict')")
	b.picture("3-alert")
	b.click(".head a.button", "Handle")
	b.until("the sheet", "!document.querySelector('#sheet').hidden && document.querySelector('#sheet').innerText.includes('Deep cleanup')")
	b.picture("4-handle")
	b.click("#sheet button", "Show the plan")
	b.until("the plan", "document.querySelector('#sheet').innerText.includes('Run 7 steps on')")
	b.picture("5-plan")
	b.click("#sheet button", "Run 7 steps on")
	b.until("some steps are green", "document.querySelectorAll('#sheet .st-done').length > 1")
	b.picture("6-running")
	b.until("all steps are green", "document.querySelectorAll('#sheet .st-done').length === 7 && document.querySelector('#sheet').innerText.includes('Done: 7 of 7 steps.')")
	b.picture("7-done")
	b.click("#sheet button", "Undo")
	b.until("taken back", "document.querySelector('#sheet').innerText.includes('Taken back.')")
	b.js(`document.dispatchEvent(new KeyboardEvent("keydown", {key: "Escape", bubbles: true}))`)
	b.until("the sheet is closed", "document.querySelector('#sheet').hidden")
	for _, e := range b.errors {
		t.Errorf("the browser complains: %s", e)
	}
}

// TestPhone looks at pages as a phone shows them: nothing is wider than the screen.
func TestPhone(t *testing.T) {
	b := newTab(t)
	h := newHouse(t)
	me := h.person(auth.Admin)
	h.fill()
	token := me.token()
	ts := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Set("Cookie", sessionCookie+"="+token)
		h.c.ServeHTTP(w, r)
	}))
	defer ts.Close()
	defer ts.CloseClientConnections()
	b.ask("Emulation.setDeviceMetricsOverride", map[string]any{"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": true}, nil)
	for name, path := range map[string]string{"overview": "/", "alerts": "/alerts", "alert": "/alerts/h1/0000000a", "hosts": "/hosts", "host": "/hosts/h1", "incident": "/incidents/" + h.incident(), "scans": "/scans",
		"handle": "/handle?t=h1/0000000a", "blocks": "/blocks", "quarantine": "/quarantine", "policies": "/policies", "settings": "/settings", "people": "/settings/people", "audit": "/audit"} {
		b.open(ts.URL + path)
		if got := b.js("document.documentElement.scrollWidth"); got != "390" {
			t.Errorf("%s is %s wide on a screen of 390", path, got)
		}
		b.picture("phone-" + name)
	}
}
