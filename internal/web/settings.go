package web

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/auth"
	"github.com/deminer/deminer/internal/server"
)

type policiesBody struct {
	Hosts []server.Host
	Modes []mode
	Text  string // of the recommended policy
}

// mode is one policy to choose.
type mode struct{ How, Name, Text string }

var modes = []mode{
	{"off", "Off", "The agent watches and tells. Nothing is refused, nothing is changed by itself."},
	{"alert", "Alert", "As off, and what would be refused is told, too. Use it to see what blocking would do."},
	{"block", "Block", "What is proven is refused and stopped: known miners do not start, what was cleaned does not come back. Nothing is deleted by itself."},
}

func (c *Console) policies(w http.ResponseWriter, rq *request) error {
	hosts, err := c.opt.Server.AllHosts(rq.Context())
	if err != nil {
		return err
	}
	b := policiesBody{Modes: modes}
	for _, h := range hosts {
		if h.Standing != server.Revoked {
			b.Hosts = append(b.Hosts, h)
		}
	}
	if b.Text, err = server.PolicyText("block"); err != nil {
		return err
	}
	return c.show(w, rq, http.StatusOK, "policies", page{Title: "Policies", Nav: "policies", Live: "hosts orders", Body: b})
}

func (c *Console) policiesDo(w http.ResponseWriter, rq *request) error {
	hosts, err := c.chosen(rq)
	if err != nil {
		return err
	}
	if err := c.opt.Server.SetPolicy(rq.Context(), rq.who, hosts, rq.PostFormValue("mode"), rq.PostFormValue("text")); err != nil {
		return err
	}
	return back(w, rq, "/policies")
}

type settingsBody struct {
	Sessions []auth.Session
	This     string
	Codes    bool
	Secret   string // that is offered
	Address  string
}

func (c *Console) settings(w http.ResponseWriter, rq *request) error {
	all, err := c.opt.People.Sessions(rq.Context(), rq.who.Name)
	if err != nil {
		return err
	}
	b := settingsBody{Sessions: all, This: rq.session.Hash}
	if b.Codes, err = c.opt.People.HasCodes(rq.Context(), rq.who); err != nil {
		return err
	}
	if !b.Codes {
		b.Secret, b.Address = auth.NewCodes(rq.who)
	}
	return c.show(w, rq, http.StatusOK, "settings", page{Title: "Your account", Nav: "settings", Body: b})
}

func (c *Console) password(w http.ResponseWriter, rq *request) error {
	if rq.PostFormValue("password") != rq.PostFormValue("again") {
		return errors.Join(auth.ErrRules, errors.New("the two passwords are not the same"))
	}
	if err := c.opt.People.SetPassword(rq.Context(), rq.who, rq.token, rq.PostFormValue("old"), rq.PostFormValue("password")); err != nil {
		return err
	}
	return back(w, rq, "/settings")
}

func (c *Console) codes(w http.ResponseWriter, rq *request) error {
	if err := c.opt.People.UseCodes(rq.Context(), rq.who, rq.PostFormValue("secret"), rq.PostFormValue("code")); err != nil {
		return err
	}
	return back(w, rq, "/settings")
}

func (c *Console) endSession(w http.ResponseWriter, rq *request) error {
	if err := c.opt.People.End(rq.Context(), rq.who, rq.who.Name, rq.PostFormValue("hash")); err != nil {
		return err
	}
	return back(w, rq, "/settings")
}

type peopleBody struct {
	All   []auth.Person
	Roles []auth.Role
	Link  string // of an invitation that was just made
	For   string
}

func (c *Console) people(w http.ResponseWriter, rq *request) error {
	return c.showPeople(w, rq, "", "")
}

func (c *Console) showPeople(w http.ResponseWriter, rq *request, link, name string) error {
	all, err := c.opt.People.All(rq.Context(), rq.who)
	if err != nil {
		return err
	}
	return c.show(w, rq, http.StatusOK, "people", page{Title: "People", Nav: "settings", Body: peopleBody{all, auth.Roles(), link, name}})
}

func (c *Console) peopleDo(w http.ResponseWriter, rq *request) error {
	name, role := rq.PostFormValue("name"), auth.Role(rq.PostFormValue("role"))
	switch rq.PostFormValue("do") {
	case "invite":
		token, err := c.opt.People.Invite(rq.Context(), rq.who, name, role)
		if err != nil {
			return err
		}
		return c.showPeople(w, rq, "https://"+rq.Host+"/setup/"+token, name)
	case "change":
		if err := c.opt.People.Change(rq.Context(), rq.who, name, role, rq.PostFormValue("locked") == "yes"); err != nil {
			return err
		}
	case "end":
		if err := c.opt.People.End(rq.Context(), rq.who, name, ""); err != nil {
			return err
		}
	default:
		return server.ErrNone
	}
	return back(w, rq, "/settings/people")
}

type tokensBody struct {
	Here    bool // this server enrolls hosts
	List    []server.Token
	Secret  string
	Command string
}

func (c *Console) tokens(w http.ResponseWriter, rq *request) error {
	return c.showTokens(w, rq, "", "")
}

func (c *Console) showTokens(w http.ResponseWriter, rq *request, secret, command string) error {
	e, err := c.opt.Server.Tokens(rq.who)
	if err != nil {
		return err
	}
	b := tokensBody{Here: e != nil, Secret: secret, Command: command}
	if e != nil {
		if b.List, err = e.Tokens(rq.Context()); err != nil {
			return err
		}
	}
	return c.show(w, rq, http.StatusOK, "tokens", page{Title: "Add hosts", Nav: "settings", Body: b})
}

func (c *Console) tokensDo(w http.ResponseWriter, rq *request) error {
	e, err := c.opt.Server.Tokens(rq.who)
	if err != nil {
		return err
	}
	if e == nil {
		return server.ErrNone
	}
	ctx := rq.Context()
	if id := rq.PostFormValue("withdraw"); id != "" {
		if err := c.opt.Server.Audit(ctx, rq.who, "withdraw token", deminer.Cut(id, 80), ""); err != nil {
			return err
		}
		if err := e.Withdraw(ctx, id); err != nil {
			return err
		}
		return back(w, rq, "/settings/enroll")
	}
	life := time.Duration(number(rq.PostFormValue("hours"), 1, 24*30)) * time.Hour
	hosts := number(rq.PostFormValue("hosts"), 1, 10000)
	note := deminer.Cut(strings.TrimSpace(rq.PostFormValue("note")), 100)
	if err := c.opt.Server.Audit(ctx, rq.who, "make token", note, life.String()+", hosts: "+itoa(hosts)); err != nil {
		return err
	}
	secret, command, err := e.NewToken(ctx, note, life, hosts)
	if err != nil {
		return err
	}
	return c.showTokens(w, rq, secret, command)
}

type auditBody struct {
	List  []server.Entry
	Next  int64
	Check string // what a check said
	Bad   bool
	Count int64
}

func (c *Console) audit(w http.ResponseWriter, rq *request) error {
	below := int64(number(rq.URL.Query().Get("below"), 0, 1<<40))
	list, err := c.opt.Server.Log(rq.Context(), rq.who, below, 100)
	if err != nil {
		return err
	}
	b := auditBody{List: list}
	if n := len(list); n == 100 && list[n-1].Seq > 1 {
		b.Next = list[n-1].Seq
	}
	if rq.URL.Query().Get("check") == "yes" {
		if b.Count, err = c.opt.Server.CheckLog(rq.Context()); err != nil {
			b.Check, b.Bad = deminer.Safe(err.Error()), true
		}
	}
	return c.show(w, rq, http.StatusOK, "audit", page{Title: "Audit", Nav: "audit", Body: b})
}
