package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os/user"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/alert"
	"github.com/deminer/deminer/internal/host/hands"
	"github.com/deminer/deminer/internal/policy"
	"github.com/deminer/deminer/internal/show"
	kept "github.com/deminer/deminer/internal/state"
	"github.com/spf13/cobra"
)

// openAlerts opens the book of alerts in the state directory.
func openAlerts(s *store) (*alert.Book, error) {
	dir, err := part(s.dir, "alerts")
	if err != nil {
		return nil, err
	}
	return &alert.Book{Dir: dir, Lock: hands.Lock}, nil
}

// alertsOf lists the alerts; none where the agent never ran. Where some can be read,
// those that cannot be read are told on standard error.
func alertsOf(cmd *cobra.Command, f *flags) ([]alert.Alert, error) {
	s, err := openStore(f, false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer s.close()
	book, err := openAlerts(s)
	if err != nil {
		return nil, err
	}
	list, err := book.List()
	if err != nil {
		bad := fail(exitError, "the agent puts damaged alerts aside when it starts", "%w", err)
		if len(list) == 0 {
			return nil, bad
		}
		tell(cmd.ErrOrStderr(), codedOf(bad))
	}
	return list, nil
}

func newAlerts(f *flags) *cobra.Command {
	c := &cobra.Command{Use: "alerts", Short: "List and handle what the agent found",
		Long: `The agent makes one alert of each thing, counted however often it is seen. An alert closes by itself
when a look at the whole host does not find the thing any more.

States: unhandled; handling (a plan runs); blocked (contained, still there); handled; ignored;
whitelisted (allowed, exactly this).`}
	return group(c, alertsList(f), alertsShow(f), alertsSet(f, "handle", alert.Handled, "Note that you took care of it; it opens again when it comes back"),
		alertsSet(f, "ignore", alert.Ignored, "Hear no more of it; nothing is done about it, either"), alertsAllow(f))
}

func alertsList(f *flags) *cobra.Command {
	var all bool
	c := &cobra.Command{Use: "list", Short: "List the alerts", Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := alertsOf(cmd, f)
			if err != nil {
				return err
			}
			shown := []alert.Alert{}
			open := 0
			for _, a := range list {
				if a.State.Open() {
					open++
				}
				if all || a.State.Open() {
					shown = append(shown, a)
				}
			}
			if f.json {
				return f.write(cmd, shown)
			}
			if len(list) == 0 {
				next := "the agent (deminer service install) makes them"
				if agentAside(f) {
					next = aside
				}
				fmt.Fprintln(cmd.OutOrStdout(), "there are no alerts; "+next)
				return nil
			}
			if len(shown) == 0 {
				fmt.Fprintf(cmd.OutOrStdout(), "no open alerts; %d closed (--all shows them)\n", len(list))
				return nil
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
			fmt.Fprintln(w, "ALERT\tSTATE\tGRADE\tLAST\tSEEN\tINCIDENT\tWHAT")
			for _, a := range shown {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s ago\t%d\t%s\t%s\n", a.ID, a.State, a.Grade, show.Ago(a.Last, time.Now()), a.Count, deminer.Cut(a.Incident, 8), deminer.Cut(a.Title, 80))
			}
			if err := w.Flush(); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "\n%d open; next: deminer alerts show ALERT, deminer plan\n", open)
			return nil
		}}
	c.Flags().BoolVar(&all, "all", false, "closed ones, too")
	return c
}

// withAlert opens the book and finds an alert.
func withAlert(f *flags, id string, do func(*store, *alert.Book, alert.Alert) error) error {
	s, err := openStore(f, false)
	if errors.Is(err, fs.ErrNotExist) {
		return fail(exitError, "the agent (deminer service install) makes them", "there are no alerts")
	}
	if err != nil {
		return err
	}
	defer s.close()
	book, err := openAlerts(s)
	if err != nil {
		return err
	}
	a, err := book.Get(id)
	if err != nil {
		return fail(exitError, "deminer alerts list --all shows them", "%w", err)
	}
	return do(s, book, a)
}

func alertsShow(f *flags) *cobra.Command {
	return &cobra.Command{Use: "show ALERT", Short: "Show one alert: evidence, lineage, what was done, what is next", Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, id []string) error {
			return withAlert(f, id[0], func(_ *store, _ *alert.Book, a alert.Alert) error {
				if f.json {
					return f.write(cmd, a)
				}
				f.page(cmd).Alert(&a)
				return nil
			})
		}}
}

func alertsSet(f *flags, name string, to alert.State, short string) *cobra.Command {
	var reason string
	c := &cobra.Command{Use: name + " ALERT...", Short: short, Args: args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, ids []string) error {
			var done []string
			var failed []error
			for _, id := range ids {
				if err := withAlert(f, id, func(_ *store, b *alert.Book, a alert.Alert) error {
					_, err := b.Set(a.ID, to, person(), reason, time.Now())
					return err
				}); err != nil {
					failed = append(failed, err)
					continue
				}
				done = append(done, id)
			}
			if err := f.told(cmd, done, "alert %s is "+string(to)); err != nil {
				return err
			}
			return several(cmd, failed)
		}}
	c.Flags().StringVar(&reason, "reason", "by hand", "why, in `WORDS`")
	return c
}

// person names who calls.
func person() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "operator"
}

func alertsAllow(f *flags) *cobra.Command {
	var reason string
	var long time.Duration
	c := &cobra.Command{Use: "allow ALERT", Short: "Allow exactly this: its content with its path, unit, container and user", Args: args(cobra.ExactArgs(1)),
		Long: `Writes an entry of the allow list: the SHA-256 of the content together with its path, unit,
container and user. Another content under the same name is an alert again, and so is this one
after the time.`,
		RunE: func(cmd *cobra.Command, id []string) error {
			if strings.TrimSpace(reason) == "" {
				return fail(exitUsage, "such as --reason 'our cluster, ticket 4711'", "an entry needs a reason")
			}
			return withAlert(f, id[0], func(s *store, b *alert.Book, a alert.Alert) error {
				if a.Thing.SHA256 == "" {
					return fail(exitError, "deminer alerts ignore hides it", "alert %s is about something without a content that could be named; it cannot be allowed", a.ID)
				}
				e := policy.Entry{SHA256: a.Thing.SHA256, Path: string(a.Thing.Path), Unit: a.Thing.Unit, Container: a.Thing.Container, User: a.Thing.User,
					Reason: reason, Expires: time.Now().Add(long).UTC().Truncate(time.Second)}
				if err := allow(s, b, e); err != nil {
					return fail(exitError, "nothing was changed", "allow: %w", err)
				}
				if _, err := b.Set(a.ID, alert.Whitelisted, person(), "allowed until "+e.Expires.Format(time.DateOnly)+": "+reason, time.Now()); err != nil {
					return fail(exitError, "", "%w", err)
				}
				return f.told(cmd, []string{a.ID}, "alert %s is allowed until "+e.Expires.Format(time.DateOnly))
			})
		}}
	c.Flags().StringVar(&reason, "reason", "", "why it is yours, in `WORDS`")
	spanVar(c, span{&long, time.Hour, 400 * 24 * time.Hour}, "for", 90*24*time.Hour, "for this `TIME`")
	return c
}

// allow adds an entry to the allow list; those that have expired go.
func allow(s *store, b *alert.Book, e policy.Entry) error {
	if len(e.Reason) > policy.MaxReason {
		return fmt.Errorf("the reason has %d bytes, at most %d", len(e.Reason), policy.MaxReason)
	}
	return b.Alone(func() error {
		text, err := kept.Read(s.dir, allowFile, policy.MaxFile)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		list, err := policy.ParseAllow(text, time.Now())
		if err != nil {
			return err
		}
		if err := e.Check(time.Now()); err != nil {
			return err
		}
		next := []policy.Entry{e}
		for _, old := range list {
			if time.Now().Before(old.Expires) {
				next = append(next, old)
			}
		}
		if text, err = policy.FormatAllow(next); err != nil {
			return err
		}
		return kept.Replace(s.dir, allowFile, text)
	})
}
