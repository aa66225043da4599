//go:build pictures

package web

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer/internal/auth"
)

// TestPictures takes a picture of every page with a real browser, for people to look at: go test -tags pictures. DEMINER_PICTURES names a
// directory; DEMINER_PICTURES_ONLY names some of the pages.
func TestPictures(t *testing.T) {
	dir := os.Getenv("DEMINER_PICTURES")
	if dir == "" {
		t.Fatal("DEMINER_PICTURES names no directory")
	}
	h := newHouse(t)
	b := h.person(auth.Admin)
	for _, p := range []string{"/login"} {
		h.picture(t, dir, "login", p, "", []string{"en-light", "zh-dark"}, "1400,900")
	}
	session := b.token()
	h.picture(t, dir, "empty-overview", "/", session, []string{"en-light"}, "1400,900")
	h.picture(t, dir, "empty-alerts", "/alerts", session, []string{"zh-light"}, "1400,900")
	h.fill()
	form := b.form()
	b.send(http.StatusOK, "/settings/people", url.Values{"form": {form}, "do": {"invite"}, "name": {"li.wei"}, "role": {"responder"}})
	b.send(http.StatusOK, "/settings/enroll", url.Values{"form": {form}, "note": {"rack 4"}, "hosts": {"12"}, "hours": {"24"}})
	b.send(http.StatusOK, "/policies", url.Values{"form": {form}, "mode": {"alert"}, "host": {"h3"}})
	b.send(http.StatusOK, "/scans", url.Values{"form": {form}, "mode": {"quick"}, "host": {"h3", "h4"}})
	b.send(http.StatusOK, "/handle", url.Values{"form": {form}, "how": {"deep"}, "t": {"h1/0000000a"}})
	ready := h.await(b, "h1", "ready")
	h.agents.mu.Lock()
	h.agents.slow = true
	h.agents.mu.Unlock()
	b.send(http.StatusOK, "/handle", url.Values{"form": {form}, "how": {"deep"}, "t": {"h2/0000000b"}})
	pages := []struct{ name, path string }{{"overview", "/"}, {"alerts", "/alerts"}, {"alert", "/alerts/h1/0000000a"}, {"handle", "/handle?t=h1/0000000a&t=h1/0000000d"}, {"deed", "/deeds/" + ready}, {"deeds", "/deeds"},
		{"incidents", "/incidents"}, {"incident", "/incidents/" + h.incident()}, {"account", "/incidents/" + h.incident() + "/report"}, {"hosts", "/hosts"}, {"host", "/hosts/h1"}, {"scans", "/scans"}, {"quarantine", "/quarantine"}, {"blocks", "/blocks"},
		{"policies", "/policies"}, {"settings", "/settings"}, {"people", "/settings/people"}, {"tokens", "/settings/enroll"}, {"audit", "/audit?check=yes"}, {"missing", "/incidents/x"}}
	for _, p := range pages {
		if only := os.Getenv("DEMINER_PICTURES_ONLY"); only != "" && !strings.Contains(","+only+",", ","+p.name+",") {
			continue
		}
		h.picture(t, dir, p.name, p.path, session, strings.Fields(env("DEMINER_PICTURES_LOOKS", "en-light zh-dark")), env("DEMINER_PICTURES_SIZE", "1400,1100"))
	}
}

func env(name, or string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return or
}

// picture takes pictures of one page, in some languages and themes.
func (h *house) picture(t *testing.T, dir, name, path, session string, looks []string, size string) {
	t.Helper()
	for _, look := range looks {
		lang, theme, _ := strings.Cut(look, "-")
		ts := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/events" { // it never ends, and the browser waits for it
				w.WriteHeader(http.StatusNoContent)
				return
			}
			r.Header.Set("Cookie", sessionCookie+"="+session+"; "+langCookie+"="+lang+"; "+themeCookie+"="+theme)
			h.c.ServeHTTP(w, r)
		}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		cmd := exec.CommandContext(ctx, "nice", "-n", "15", "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
			"--disable-component-update", "--disable-sync", "--user-data-dir="+t.TempDir(), "--ignore-certificate-errors", "--hide-scrollbars", "--virtual-time-budget=1500", "--window-size="+size,
			"--screenshot="+filepath.Join(dir, name+"-"+look+".png"), ts.URL+path)
		out, err := cmd.CombinedOutput()
		cancel()
		ts.CloseClientConnections()
		ts.Close()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
	}
}
