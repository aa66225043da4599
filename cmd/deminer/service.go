package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/contract"
	"github.com/deminer/deminer/internal/host"
	"github.com/deminer/deminer/internal/service"
	"github.com/deminer/deminer/internal/show"
	"github.com/spf13/cobra"
)

func newService(f *flags) *cobra.Command {
	c := &cobra.Command{Use: "service", Short: "Install, renew or remove the agent as a service of this host",
		Long: `The agent as a service of systemd: a program, a unit, a slice with hard limits, and a link that
starts it at boot. Every change is journaled before it is made; uninstall leaves the host as it
was, byte for byte. No program of the host is run.`}
	return group(c, serviceInstall(f), serviceUninstall(f), serviceStatus(f), serviceScript(f))
}

// serviceFlags are what install and script know.
type serviceFlags struct {
	from, use string
	limits    service.Limits
}

func (s *serviceFlags) add(c *cobra.Command) {
	s.limits = service.Usual()
	c.Flags().StringVar(&s.use, "use", "", "start the program at `PATH` where it is, instead of a copy at "+service.Binary)
	c.Flags().IntVar(&s.limits.CPU, "cpu", s.limits.CPU, "at most so many `PERCENT` of one core")
	c.Flags().IntVar(&s.limits.MemoryMax, "memory", s.limits.MemoryMax, "at most so many `MIB` of memory; above two thirds of it the agent is slowed down")
}

func (s *serviceFlags) config(f *flags) (service.Config, error) {
	c := service.Config{Binary: service.Binary, Args: []string{"agent"}, Limits: s.limits}
	c.Limits.Memory = c.Limits.MemoryMax * 2 / 3
	if s.use != "" {
		c.Binary = s.use
	}
	if f.state != "" {
		abs, err := filepath.Abs(f.state)
		if err != nil {
			return c, fail(exitError, "", "state directory: %w", err)
		}
		c.Args = append(c.Args, "--state="+abs)
	}
	if err := c.Check(); err != nil {
		return c, fail(exitUsage, "deminer service install --help shows the flags", "%w", err)
	}
	return c, nil
}

func serviceInstall(f *flags) *cobra.Command {
	var s serviceFlags
	c := &cobra.Command{
		Use: "install", Short: "Install the agent, or renew it in place", Args: args(cobra.NoArgs),
		Long: `Puts the program, its unit and its limits in place, and starts the agent. Called again it changes
only what differs: a new version takes over from the old one, and what the old one enforces stays
in force meanwhile.`,
		Example: "  deminer service install\n  deminer service install --cpu 25 --memory 256\n  deminer service install --use /opt/deminer/deminer",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := s.config(f)
			if err != nil {
				return err
			}
			return f.installService(cmd, cfg, s.from)
		},
	}
	s.add(c)
	c.Flags().StringVar(&s.from, "from", "", "install the program in `FILE` (default: this one)")
	return c
}

// serviceHost opens the host and the state directory for a change of the service.
func serviceHost(f *flags) (*store, *host.Host, error) {
	if f.root != "/" {
		return nil, nil, fail(exitUsage, "leave out --root", "a service is installed on the running host only")
	}
	if os.Geteuid() != 0 {
		return nil, nil, fail(exitError, "run deminer as root (sudo); nothing was changed", "only root installs services")
	}
	s, err := openStore(f, true)
	if err != nil {
		return nil, nil, err
	}
	h, err := s.reach(f)
	return s, h, err
}

func (f *flags) installService(cmd *cobra.Command, cfg service.Config, from string) error {
	s, h, err := serviceHost(f)
	if err != nil {
		return err
	}
	defer s.close()
	units := s.runner.Tools.Hands.Units
	if units == nil || !units.Running() {
		return noSystemd(h)
	}
	src, err := source(h, cfg, from)
	if err != nil {
		return err
	}
	found, err := foundService(h, units, cfg)
	if err != nil {
		return err
	}
	steps := service.Steps(cfg, src, found)
	if len(steps) == 0 {
		return f.said(cmd, serviceDone{Done: "nothing to do: the agent is installed as it should be, and runs"})
	}
	p := deminer.Plan{ID: planID(), Version: "1", Host: h.Info, Made: time.Now().UTC(), Incidents: []string{}, Steps: steps, Purpose: deminer.ForService}
	end, err := contract.Announce(service.RunDir)
	if err != nil {
		return fail(exitError, "nothing was changed", "%w", err)
	}
	err = s.runner.Run(cmd.Context(), p, p.Digest(), ticker(cmd, f, &p, show.Deed))
	err = errors.Join(err, end())
	return f.serviceEnd(cmd, p.ID, err, "the agent is installed and runs")
}

// noSystemd says precisely what a person has to do where there is no systemd.
func noSystemd(h *host.Host) error {
	kind, after := "sysv", "update-rc.d deminer-agent defaults (Debian) or chkconfig --add deminer-agent, then /etc/init.d/deminer-agent start"
	if _, err := h.FS.Stat("/sbin/openrc-run"); err == nil {
		kind, after = "openrc", "rc-update add deminer-agent default, then rc-service deminer-agent start"
	}
	if _, err := h.FS.Stat("/etc/init.d"); err != nil {
		return fail(exitError, "let whatever starts programs here run, as root: deminer agent", "systemd does not run here, and there is no /etc/init.d; nothing was changed")
	}
	return fail(exitError, "as root: deminer service script "+kind+" > /etc/init.d/deminer-agent; chmod 755 /etc/init.d/deminer-agent; "+after,
		"systemd does not run here; nothing was changed")
}

// source finds the program to be installed and what it holds.
func source(h *host.Host, cfg service.Config, from string) (service.Source, error) {
	if cfg.Binary != service.Binary {
		return service.Source{Path: cfg.Binary}, rootOnly(h.FS, cfg.Binary)
	}
	if from == "" {
		self, err := os.Executable()
		if err != nil {
			return service.Source{}, fail(exitError, "give it with --from FILE; nothing was changed", "find this program: %w", err)
		}
		from = self
	}
	from, err := filepath.Abs(from)
	if err == nil {
		from, err = filepath.EvalSymlinks(from)
	}
	if err != nil {
		return service.Source{}, fail(exitError, "nothing was changed", "find the program: %w", err)
	}
	sum, err := digestOf(h, from)
	if err != nil {
		return service.Source{}, fail(exitError, "nothing was changed", "read the program: %w", err)
	}
	return service.Source{Path: from, SHA256: sum}, nil
}

// rootOnly refuses a program that somebody but root could put another in the place of: the service would run it as root. A link
// on the way is refused, too: what it leads to has a way of its own.
func rootOnly(fsys host.FS, name string) error {
	for p := name; ; p = path.Dir(p) {
		a, err := fsys.Lstat(p)
		if err != nil {
			return fail(exitError, "nothing was changed", "look at %s: %w", p, err)
		}
		if a.Type == deminer.Symlink {
			return fail(exitUsage, "give the path to which it leads; nothing was changed", "%s is a link", deminer.Safe(p))
		}
		sticky := a.Type == deminer.Directory && a.Mode&0o1000 != 0 // others cannot rename what is root's in it
		if a.UID != 0 || a.Mode&0o022 != 0 && !sticky {
			return fail(exitError, "chown root and chmod go-w it, or let deminer service install copy the program to "+service.Binary,
				"%s can be changed by others than root; nothing was changed", deminer.Safe(p))
		}
		if p == "/" {
			return nil
		}
	}
}

func digestOf(h *host.Host, name string) (string, error) {
	r, err := h.FS.Open(name)
	if err != nil {
		return "", err
	}
	defer r.Close()
	a, err := r.Attr()
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(r, 0, a.Size)); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// foundService looks at what stands on the host already.
func foundService(h *host.Host, units host.Units, cfg service.Config) (service.Found, error) {
	var out service.Found
	var err error
	for _, t := range []struct {
		name string
		to   *string
	}{{service.UnitPath, &out.Unit}, {service.SlicePath, &out.Slice}} {
		b, fail := host.ReadFile(h.FS, t.name, 64<<10)
		*t.to = string(b)
		err = errors.Join(err, present(fail))
	}
	out.Binary, _ = digestOf(h, cfg.Binary) // what cannot be read is written anew, or says so then
	if a, fail := h.FS.Stat(service.WantsPath); fail == nil {
		out.Wanted = a.Type == deminer.Symlink || a.IsRegular()
	} else {
		err = errors.Join(err, present(fail))
	}
	u, fail := units.State(service.Unit)
	out.Runs = u.Active == "active" || u.Active == "activating" || u.Active == "reloading"
	if err = errors.Join(err, fail); err != nil {
		return out, unseen(err)
	}
	return out, nil
}

func unseen(err error) error {
	return fail(exitError, "nothing was changed", "look at the service: %w", err)
}

// present leaves out the error that only says that something is not there.
func present(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// serviceDone is what install and uninstall give with --json.
type serviceDone struct {
	Plan   string   `json:"plan,omitempty"`   // id of the plan that did it; undo takes it
	Done   string   `json:"done,omitempty"`   // what was done, in words; absent where something failed
	Failed []string `json:"failed,omitempty"` // safe text
}

func (f *flags) said(cmd *cobra.Command, d serviceDone) error {
	if f.json {
		return f.write(cmd, d)
	}
	_, err := fmt.Fprintln(cmd.OutOrStdout(), d.Done)
	return err
}

// serviceEnd tells how a change of the service ended.
func (f *flags) serviceEnd(cmd *cobra.Command, plan string, err error, done string) error {
	if errors.Is(err, deminer.ErrBusy) {
		return err
	}
	if errors.Is(err, context.Canceled) {
		return fail(exitError, "deminer resume "+plan+" goes on, deminer service uninstall takes back what was done", "stopped in the middle")
	}
	d := serviceDone{Plan: plan, Done: done, Failed: lines(err)}
	if err == nil {
		return f.said(cmd, d)
	}
	d.Done = ""
	if f.json {
		return errors.Join(f.write(cmd, d), exit(exitPartly))
	}
	for _, l := range d.Failed {
		fmt.Fprintf(cmd.ErrOrStderr(), "deminer: %s\n", l)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "  deminer service uninstall takes back what was done; systemctl status %s and journalctl -u %s say more\n", service.Unit, service.Unit)
	return exit(exitPartly)
}

// purposed are the plans run here for a purpose that changed something and were not taken back, the newest first.
func (s *store) purposed(p deminer.Purpose) (out []string, err error) {
	ids, err := s.runner.Journal.Plans()
	if err != nil {
		return nil, fail(exitError, "", "list journals: %w", err)
	}
	slices.Sort(ids)
	for _, id := range slices.Backward(ids) {
		st, err := s.runner.Status(id)
		if err != nil {
			continue // doctor names it; a plan that cannot be read cannot be taken back
		}
		if st.Plan.Purpose == p && (st.Done > 0 || st.Kept > 0 || st.Interrupted) {
			out = append(out, id)
		}
	}
	return out, nil
}
