package main

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"time"

	"github.com/deminer/deminer/internal/trust"
	"github.com/spf13/cobra"
)

// agent enrolls this host, if it is not, and runs its agent until ctx ends.
func (h *headOffice) agent(ctx context.Context, cmd *cobra.Command, f *flags) error {
	if err := h.enrollSelf(ctx, f); err != nil {
		return err
	}
	err := runAgent(ctx, cmd, f, policyFile, nil, true)
	var c *coded
	if errors.As(err, &c) && c.code == exitBusy {
		h.say("an agent runs on this host already: it takes the enrolment up within seconds")
		return nil
	}
	return err
}

// enrollSelf enrolls this host at its own server. One that belongs to a server already stays there.
func (h *headOffice) enrollSelf(ctx context.Context, f *flags) error {
	s, err := openStore(f, true)
	if err != nil {
		return err
	}
	defer s.close()
	at, bus := near(h.listen.Addr()), near(h.bus.Addr())
	switch id, err := trust.Load(s.dir); {
	case err == nil:
		if _, err := h.db.Machines().Machine(ctx, id.Host); err != nil {
			h.say("this host is enrolled at " + id.Server + ", which is not the server in " + h.opt.data + ": its agent goes on to tell that one. " +
				"If that is your server, stop this and start it with its --data; to have this host tell the one here instead: deminer enroll --forget, then start this again")
			return nil
		}
		if err := id.Move(s.dir, at, bus); err != nil { // the addresses may be others than at the last start
			return fail(exitError, "", "enroll this host: %w", err)
		}
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return fail(exitError, "deminer enroll --forget, then start again", "%w", err)
	}
	text, _, err := h.trust.NewToken(ctx, "deminer up", "", 1, 10*time.Minute)
	if err != nil {
		return fail(exitError, "", "enroll this host: %w", err)
	}
	name, err := os.Hostname()
	if err != nil {
		return fail(exitError, "", "name of this host: %w", err)
	}
	if _, err = trust.Enroll(ctx, s.dir, at, text, name, time.Now()); err != nil {
		return fail(exitError, "start it again", "%w", err)
	}
	return nil
}

// near is an address of this server as this host itself reaches it.
func near(a net.Addr) string {
	host, port, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String()
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
