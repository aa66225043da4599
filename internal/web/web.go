// Package web is the console: pages made by the server, that update themselves while somebody looks at them.
//
//	console, err := web.New(web.Options{Server: srv, People: people, Version: version})
//	http.Server{Handler: console, BaseContext: …, …}   // over TLS: its cookies go nowhere else
//
// An open page holds a request open (GET /events) until the context of the request ends: cancel the server's BaseContext before
// Shutdown waits for it.
//
// It needs nothing from outside: templates, one style sheet and one script are part of the program. The pages also work without
// the script. Nothing in a page is a script or a style by itself (see the policy in [headers]), and whatever came from a host passes
// [deminer.Safe] and html/template. Every page that changes something is a POST with the token of its session, and is in the table of
// [routes] with the role that it needs.
package web

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/deminer/deminer/internal/auth"
	"github.com/deminer/deminer/internal/server"
)

//go:embed tmpl/*.html static/* zh.txt told.txt
var files embed.FS

// Options are what a console is made of. Server and People are needed.
type Options struct {
	Server  *server.Server
	People  *auth.House
	Version string       // of deminer, shown at the foot
	Say     func(string) // one line of the log, safe text
	Now     func() time.Time
}

// Console serves the pages. Make one with [New].
type Console struct {
	opt    Options
	pages  map[lang]*template.Template
	static map[string]asset
	mux    *http.ServeMux
	open   atomic.Int64 // pages that hear of changes
}

// New makes a console.
func New(o Options) (*Console, error) {
	if o.Say == nil {
		o.Say = func(string) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	c := &Console{opt: o, pages: map[lang]*template.Template{}, mux: http.NewServeMux()}
	var err error
	if c.static, err = assets(); err != nil {
		return nil, err
	}
	zh, err := chinese()
	if err != nil {
		return nil, err
	}
	agents, err := toldTexts()
	if err != nil {
		return nil, err
	}
	for _, l := range langs {
		words := words{lang: l, zh: zh, agents: agents, now: o.Now}
		t := template.New("").Funcs(words.funcs()).Funcs(template.FuncMap{"static": c.staticPath})
		if c.pages[l], err = t.ParseFS(files, "tmpl/*.html"); err != nil {
			return nil, fmt.Errorf("read the templates of the console: %w", err)
		}
	}
	for _, r := range c.routes() {
		c.mux.HandleFunc(r.pattern, c.guard(r))
	}
	c.mux.HandleFunc("GET /static/{hash}/{name}", c.serveStatic)
	return c, nil
}

// ServeHTTP implements [http.Handler].
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	headers(w.Header())
	r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
	// A browser says where a request comes from; what another site sends is refused before anything looks at it.
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		http.Error(w, "refused: this request comes from another site", http.StatusForbidden)
		return
	}
	c.mux.ServeHTTP(w, r)
}

// headers are those of every answer.
func headers(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Strict-Transport-Security", "max-age=31536000")
	h.Set("Cache-Control", "no-store")
}

// route is one page, or one thing that can be changed.
type route struct {
	pattern string
	need    auth.Role // "": nobody has to be logged in
	run     func(http.ResponseWriter, *request) error
}

// request is one request with who makes it.
type request struct {
	*http.Request
	who     auth.Who
	session auth.Session
	token   string
	lang    lang
	into    string // id of the part of a page that the answer is put into; "": it is a page of its own
	mark    string // what changes after it is not in the answer
}

// guard lets nobody through without the role that a route needs, and changes nothing without the token of the session.
func (c *Console) guard(rt route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		rq := &request{Request: r, lang: chooseLang(r), into: r.Header.Get("Deminer-Into"), who: auth.Who{Address: address(r)}, mark: c.opt.Server.Mark()}
		if rt.need != "" {
			if !c.known(w, rq) {
				return
			}
			if r.Method == http.MethodPost && !auth.IsForm(rq.token, r.PostFormValue("form")) {
				c.fail(w, rq, errForm)
				return
			}
			if err := rq.who.May(rt.need); err != nil {
				c.fail(w, rq, err)
				return
			}
		}
		if err := rt.run(w, rq); err != nil {
			c.fail(w, rq, err)
		}
	}
}

var errForm = errors.New("this form is too old: go back, load the page again, and try once more")

// known finds out who is there; nobody is sent to the page to log in.
func (c *Console) known(w http.ResponseWriter, rq *request) bool {
	rq.token = cookie(rq.Request, sessionCookie)
	var err error
	if rq.who, rq.session, err = c.opt.People.Who(rq.Context(), rq.token, address(rq.Request)); err == nil {
		return true
	}
	switch {
	case !errors.Is(err, auth.ErrSession):
		c.fail(w, rq, err)
	case rq.into != "":
		w.Header().Set("Deminer-Go", "/login")
		w.WriteHeader(http.StatusUnauthorized)
	case rq.Method == http.MethodGet && rq.URL.Path != "/events":
		http.Redirect(w, rq.Request, "/login?to="+template.URLQueryEscaper(rq.URL.RequestURI()), http.StatusSeeOther)
	default:
		w.WriteHeader(http.StatusUnauthorized)
	}
	return false
}

// address is where a request comes from. What a header says of that is not asked: anybody can write it.
func address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// fail shows what went wrong and what to do, with the status that fits.
func (c *Console) fail(w http.ResponseWriter, rq *request, err error) {
	p := page{Title: "That did not work", Nav: "", Body: failure{}}
	status, f := http.StatusInternalServerError, failure{Kind: "error", Text: "Something is wrong with the server; what, is in its log. See whether it was done before you try again."}
	var locked auth.LockedError
	switch {
	case errors.Is(err, auth.ErrForbidden):
		status, f = http.StatusForbidden, failure{Kind: "forbidden", Text: "Your role does not allow that. Ask an admin."}
	case errors.Is(err, server.ErrNone), errors.Is(err, auth.ErrNobody):
		status, f = http.StatusNotFound, failure{Kind: "none", Text: "There is no such thing here, or it is gone by now."}
	case errors.Is(err, errForm):
		status, f = http.StatusForbidden, failure{Kind: "stale", Text: "This form is too old. Load the page again and try once more. Nothing was changed."}
	case errors.Is(err, server.ErrStale):
		status, f = http.StatusConflict, failure{Kind: "stale", Text: "This changed since you looked. Look at it again. Nothing was changed."}
	case errors.As(err, &locked):
		status, f = http.StatusTooManyRequests, failure{Kind: "forbidden", Text: "Too many failed log-ins. Wait a little and try again."}
	case errors.Is(err, server.ErrRequest), errors.Is(err, auth.ErrRules), errors.Is(err, auth.ErrTaken), errors.Is(err, auth.ErrLink):
		status, f = http.StatusUnprocessableEntity, failure{Kind: "stale", Text: "That cannot be done. Nothing was changed.", Detail: reason(err)}
	default:
		if rq.Context().Err() == nil {
			c.opt.Say(fmt.Sprintf("%s %s failed: %s", rq.Method, rq.URL.Path, oneLine(err)))
		}
	}
	p.Body = f
	if err := c.show(w, rq, status, "failure", p); err != nil {
		c.opt.Say("a page could not be made: " + oneLine(err))
	}
}

// failure is what the error page shows.
type failure struct{ Kind, Text, Detail string }

// reason is an error without the words that only programs need.
func reason(err error) string {
	text := err.Error()
	for _, e := range []error{server.ErrRequest, auth.ErrRules} {
		text = strings.TrimPrefix(text, e.Error()+": ")
	}
	return text
}

// page is what every template gets.
type page struct {
	Title string // a key of the table of texts
	Nav   string // which entry of the rail is meant
	Live  string // topics at which the page is loaded again
	Body  any

	Who    auth.Who
	Form   string
	Lang   lang
	Theme  string
	Self   string // path and query
	Mining int    // hosts that mine now
	Open   int    // open alerts
	Ver    string
	Mark   string // of the server, when the page was asked for
	Bare   bool   // without rail and head: nobody is logged in
}

// show writes a page, or, where only a part is asked for, what is in its main part.
func (c *Console) show(w http.ResponseWriter, rq *request, status int, name string, p page) error {
	p.Who, p.Lang, p.Theme, p.Self, p.Ver, p.Mark = rq.who, rq.lang, theme(rq.Request), rq.URL.RequestURI(), c.opt.Version, rq.mark
	p.Bare = rq.who.Name == ""
	if rq.token != "" {
		p.Form = auth.Form(rq.token)
	}
	if !p.Bare && !rq.sheet() {
		n, err := c.opt.Server.Brief(rq.Context())
		if err != nil && rq.Context().Err() == nil {
			c.opt.Say("open alerts could not be counted: " + oneLine(err))
		}
		p.Open, p.Mining = n.Open, n.Mining
	}
	var b bytes.Buffer
	t := c.pages[rq.lang]
	if rq.sheet() {
		if err := t.ExecuteTemplate(&b, name, p); err != nil {
			return fmt.Errorf("make part %s: %w", name, err)
		}
	} else {
		inner := &bytes.Buffer{}
		if err := t.ExecuteTemplate(inner, name, p); err != nil {
			return fmt.Errorf("make page %s: %w", name, err)
		}
		frame := struct {
			page
			Inner template.HTML
		}{p, template.HTML(inner.String())} // made by the line above
		if err := t.ExecuteTemplate(&b, "frame", frame); err != nil {
			return fmt.Errorf("make page %s: %w", name, err)
		}
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, err := w.Write(b.Bytes())
	if err != nil && rq.Context().Err() == nil {
		return fmt.Errorf("send a page: %w", err)
	}
	return nil
}

// sheet reports whether the answer goes into the side sheet, or replaces a part of it.
func (rq *request) sheet() bool {
	return rq.into == "sheet" || strings.HasPrefix(rq.into, "part-")
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// back sends a browser to another page after something was changed.
func back(w http.ResponseWriter, rq *request, to string) error {
	if rq.into != "" {
		w.Header().Set("Deminer-Go", to)
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	http.Redirect(w, rq.Request, to, http.StatusSeeOther)
	return nil
}
