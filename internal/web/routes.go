package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/deminer/deminer/internal/auth"
)

// routes is every page and everything that can be changed, with the role that it needs.
func (c *Console) routes() []route {
	return []route{
		{"GET /login", "", c.loginPage},
		{"POST /login", "", c.login},
		{"GET /setup/{token}", "", c.setupPage},
		{"POST /setup/{token}", "", c.setup},
		{"POST /prefs", "", c.prefs},
		{"POST /logout", auth.Viewer, c.logout},
		{"GET /events", auth.Viewer, c.events},

		{"GET /{$}", auth.Viewer, c.overview},
		{"GET /alerts", auth.Viewer, c.alerts},
		{"GET /alerts/{host}/{id}", auth.Viewer, c.alert},
		{"GET /handle", auth.Responder, c.handlePage},
		{"POST /handle", auth.Responder, c.handle},
		{"GET /deeds", auth.Viewer, c.deeds},
		{"GET /deeds/{id}", auth.Viewer, c.deed},
		{"POST /deeds/{id}/run", auth.Responder, c.run},
		{"POST /deeds/{id}/undo", auth.Responder, c.undo},
		{"GET /groups/{id}", auth.Viewer, c.group},
		{"POST /groups/{id}/run", auth.Responder, c.runGroup},
		{"POST /groups/{id}/undo", auth.Responder, c.undoGroup},
		{"GET /incidents", auth.Viewer, c.incidents},
		{"GET /incidents/{id}", auth.Viewer, c.incident},
		{"GET /incidents/{id}/report", auth.Viewer, c.incidentReport},
		{"POST /incidents/{id}/sweep", auth.Responder, c.sweep},
		{"GET /hosts", auth.Viewer, c.hosts},
		{"GET /hosts/{id}", auth.Viewer, c.host},
		{"POST /hosts/{id}/revoke", auth.Admin, c.revoke},
		{"GET /scans", auth.Viewer, c.scans},
		{"POST /scans", auth.Responder, c.scan},
		{"POST /schedules", auth.Responder, c.schedule},
		{"GET /scans/{host}/{id}", auth.Viewer, c.report},
		{"GET /quarantine", auth.Viewer, c.quarantine},
		{"POST /quarantine", auth.Responder, c.quarantineDo},
		{"GET /blocks", auth.Viewer, c.blocks},
		{"POST /blocks", auth.Responder, c.blocksDo},
		{"GET /blocks/export", auth.Viewer, c.export},
		{"GET /policies", auth.Viewer, c.policies},
		{"POST /policies", auth.Admin, c.policiesDo},
		{"GET /settings", auth.Viewer, c.settings},
		{"POST /settings/password", auth.Viewer, c.password},
		{"POST /settings/codes", auth.Viewer, c.codes},
		{"POST /settings/session", auth.Viewer, c.endSession},
		{"GET /settings/people", auth.Admin, c.people},
		{"POST /settings/people", auth.Admin, c.peopleDo},
		{"GET /settings/enroll", auth.Admin, c.tokens},
		{"POST /settings/enroll", auth.Admin, c.tokensDo},
		{"GET /audit", auth.Responder, c.audit},
	}
}

type loginBody struct {
	To, Name, Wrong string
	Code            bool // a code is asked for
	Until           time.Time
}

func (c *Console) loginPage(w http.ResponseWriter, rq *request) error {
	return c.show(w, rq, http.StatusOK, "login", page{Title: "Log in", Body: loginBody{To: local(rq.URL.Query().Get("to"))}})
}

func (c *Console) login(w http.ResponseWriter, rq *request) error {
	b := loginBody{To: local(rq.PostFormValue("to")), Name: rq.PostFormValue("name")}
	token, err := c.opt.People.LogIn(rq.Context(), b.Name, rq.PostFormValue("password"), rq.PostFormValue("code"), address(rq.Request), rq.UserAgent())
	var locked auth.LockedError
	status := http.StatusUnauthorized
	switch {
	case err == nil:
		setCookie(w, sessionCookie, token, 0)
		http.Redirect(w, rq.Request, b.To, http.StatusSeeOther)
		return nil
	case errors.Is(err, auth.ErrCode):
		b.Code, b.Wrong = true, "Type the code that your app shows, and the password once more."
	case errors.Is(err, auth.ErrNobody):
		b.Wrong, b.Code = "Nobody has that name, or the password or the code is wrong.", rq.PostFormValue("code") != ""
	case errors.As(err, &locked):
		status, b.Wrong, b.Until = http.StatusTooManyRequests, "Too many failed log-ins. Nothing is tried before the time is over.", locked.Until
	default:
		return err
	}
	return c.show(w, rq, status, "login", page{Title: "Log in", Body: b})
}

type setupBody struct{ Token, Name, Wrong, Detail string }

func (c *Console) setupPage(w http.ResponseWriter, rq *request) error {
	return c.show(w, rq, http.StatusOK, "setup", page{Title: "Welcome", Body: setupBody{Token: rq.PathValue("token")}})
}

func (c *Console) setup(w http.ResponseWriter, rq *request) error {
	b := setupBody{Token: rq.PathValue("token"), Name: rq.PostFormValue("name")}
	var err error
	if rq.PostFormValue("password") != rq.PostFormValue("again") {
		b.Wrong = "The two passwords are not the same."
	} else {
		var token string
		token, err = c.opt.People.Join(rq.Context(), b.Token, b.Name, rq.PostFormValue("password"), address(rq.Request), rq.UserAgent())
		if err == nil {
			setCookie(w, sessionCookie, token, 0)
			http.Redirect(w, rq.Request, "/", http.StatusSeeOther)
			return nil
		}
	}
	switch {
	case b.Wrong != "":
	case errors.Is(err, auth.ErrLink):
		b.Wrong = "This link was used, or has expired. Restart deminer to get a new one, or ask an admin."
	case errors.Is(err, auth.ErrTaken):
		b.Wrong = "That name is taken. Choose another one."
	case errors.Is(err, auth.ErrRules):
		b.Wrong = "A name has letters, digits and . _ @ -; a password has at least 12 characters and is not the name."
	default:
		return err
	}
	return c.show(w, rq, http.StatusUnprocessableEntity, "setup", page{Title: "Welcome", Body: b})
}

func (c *Console) logout(w http.ResponseWriter, rq *request) error {
	if err := c.opt.People.LogOut(rq.Context(), rq.who, rq.token); err != nil {
		return err
	}
	setCookie(w, sessionCookie, "", -1)
	http.Redirect(w, rq.Request, "/login", http.StatusSeeOther)
	return nil
}

// maxOpen is how many pages are told of changes at once; others still show what is, when they are loaded.
const maxOpen = 2000

// events tells a page what changed, for as long as it is open. It ends when the session does.
func (c *Console) events(w http.ResponseWriter, rq *request) error {
	if c.open.Add(1) > maxOpen {
		c.open.Add(-1)
		w.WriteHeader(http.StatusServiceUnavailable)
		return nil
	}
	defer c.open.Add(-1)
	out := http.NewResponseController(w)
	for _, none := range []func(time.Time) error{out.SetReadDeadline, out.SetWriteDeadline} { // what bounds other requests would end this one
		if err := none(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return err
		}
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	since := rq.Header.Get("Last-Event-ID") // of a page that lost its connection
	if since == "" {
		since = rq.URL.Query().Get("since")
	}
	sub := c.opt.Server.Subscribe(since)
	defer sub.Close()
	beat := time.NewTicker(20 * time.Second)
	defer beat.Stop()
	if _, err := fmt.Fprint(w, "retry: 3000\n\nevent: here\ndata: {}\n\n"); err != nil {
		return nil // the page is gone
	}
	for {
		if out.Flush() != nil {
			return nil
		}
		select {
		case <-rq.Context().Done():
			return nil
		case <-beat.C:
			if _, _, err := c.opt.People.Who(rq.Context(), rq.token, rq.who.Address); err != nil {
				return nil
			}
			if _, err := fmt.Fprint(w, "event: here\ndata: {}\n\n"); err != nil {
				return nil
			}
		case <-sub.C:
			topics, mark := sub.Take()
			text, err := json.Marshal(topics)
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(w, "id: %s\nevent: news\ndata: %s\n\n", mark, text); err != nil {
				return nil
			}
			// What happens at once is told at once, but not more often than a page can follow.
			select {
			case <-time.After(200 * time.Millisecond):
			case <-rq.Context().Done():
				return nil
			}
		}
	}
}
