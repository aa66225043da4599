package web

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"path"
	"strings"
)

// asset is a file that is served as it is.
type asset struct {
	hash, kind string
	text       []byte
}

var kinds = map[string]string{".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml", ".txt": "text/plain; charset=utf-8"}

func assets() (map[string]asset, error) {
	out := map[string]asset{}
	list, err := files.ReadDir("static")
	if err != nil {
		return nil, fmt.Errorf("list what is served: %w", err)
	}
	for _, e := range list {
		text, err := files.ReadFile("static/" + e.Name())
		if err != nil {
			return nil, fmt.Errorf("read what is served: %w", err)
		}
		sum := sha256.Sum256(text)
		out[e.Name()] = asset{hex.EncodeToString(sum[:8]), kinds[path.Ext(e.Name())], text}
	}
	return out, nil
}

// staticPath is where a file is found; it changes with the content, so a browser may keep it for good.
func (c *Console) staticPath(name string) (string, error) {
	a, ok := c.static[name]
	if !ok {
		return "", fmt.Errorf("no file %q is served", name)
	}
	return "/static/" + a.hash + "/" + name, nil
}

func (c *Console) serveStatic(w http.ResponseWriter, r *http.Request) {
	a, ok := c.static[r.PathValue("name")]
	if !ok || r.PathValue("hash") != a.hash || a.kind == "" {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", a.kind)
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	_, _ = w.Write(a.text)
}

// Names of the cookies. "__Host-" makes the browser take them over TLS alone, and for this host alone.
const (
	sessionCookie = "__Host-deminer"
	langCookie    = "__Host-lang"
	themeCookie   = "__Host-theme"
)

func cookie(r *http.Request, name string) string {
	k, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return k.Value
}

func setCookie(w http.ResponseWriter, name, value string, seconds int) {
	http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: seconds, Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode})
}

// theme is "light", "dark" or "" as the system is.
func theme(r *http.Request) string {
	if t := cookie(r, themeCookie); t == "light" || t == "dark" {
		return t
	}
	return ""
}

// chooseLang takes the language that was chosen, else one that the browser asks for.
func chooseLang(r *http.Request) lang {
	if l := lang(cookie(r, langCookie)); l == english || l == mandarin {
		return l
	}
	for one := range strings.SplitSeq(r.Header.Get("Accept-Language"), ",") {
		switch one = strings.ToLower(strings.TrimSpace(one)); {
		case strings.HasPrefix(one, "zh"):
			return mandarin
		case strings.HasPrefix(one, "en"):
			return english
		}
	}
	return english
}

// prefs sets language and theme.
func (c *Console) prefs(w http.ResponseWriter, rq *request) error {
	const year = 365 * 24 * 3600
	if l := lang(rq.PostFormValue("lang")); l == english || l == mandarin {
		setCookie(w, langCookie, string(l), year)
	}
	switch t := rq.PostFormValue("theme"); t {
	case "light", "dark":
		setCookie(w, themeCookie, t, year)
	case "auto":
		setCookie(w, themeCookie, "", -1)
	}
	http.Redirect(w, rq.Request, local(rq.PostFormValue("to")), http.StatusSeeOther)
	return nil
}

// local is a path on this host, or the first page.
func local(to string) string {
	if !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.ContainsAny(to, "\\\r\n\t") || len(to) > 2000 {
		return "/"
	}
	return to
}
