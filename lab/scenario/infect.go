//go:build linux

package scenario

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/deminer/deminer/lab/host"
)

// crontabs is where Debian's cron keeps the tables of users.
const crontabs = "/var/spool/cron/crontabs/"

// Tools are the built programs that infections need.
type Tools struct {
	Miner, Pool string // program files
	Hide        string // preload library
}

// Infect starts the pool with the scenario's second stages and does the steps in
// order on a booted host. It returns when every process that a step starts is there.
func Infect(ctx context.Context, h *host.Host, s Scenario, tools Tools) error {
	return each(ctx, h, s, tools, func(i int, step func(context.Context) error) error {
		if err := step(ctx); err != nil {
			return fmt.Errorf("%s: step %d (%s): %w", s.Name, i+1, s.Steps[i], err)
		}
		return nil
	})
}

// Attempt is Infect on a host that defends itself: a step that fails, or whose process does not come up in time, is told by its
// number and when it began, and the next one is done.
func Attempt(ctx context.Context, h *host.Host, s Scenario, tools Tools, limit time.Duration, see func(step int, begun time.Time, err error)) error {
	return each(ctx, h, s, tools, func(i int, step func(context.Context) error) error {
		one, stop := context.WithTimeout(ctx, limit)
		defer stop()
		begun := time.Now()
		err := step(one)
		see(i, begun, err)
		return ctx.Err()
	})
}

// each readies the pool and hands over the steps in order, until one is an error.
func each(ctx context.Context, h *host.Host, s Scenario, tools Tools, take func(int, func(context.Context) error) error) error {
	miner, err := os.ReadFile(tools.Miner)
	if err != nil {
		return err
	}
	lib, err := os.ReadFile(tools.Hide)
	if err != nil {
		return err
	}
	if err := serve(h, s, tools.Pool, miner); err != nil {
		return fmt.Errorf("start pool: %w", err)
	}
	for i, st := range s.Steps {
		if err := take(i, func(ctx context.Context) error { return do(ctx, h, st, miner, lib) }); err != nil {
			return err
		}
	}
	return nil
}

// serve hands out the stages and every miner file under its own base name.
func serve(h *host.Host, s Scenario, pool string, miner []byte) error {
	dir := filepath.Join(h.Dir, "stage")
	for name, text := range s.Stage {
		file := filepath.Join(dir, filepath.Clean("/"+name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "bin"), 0o755); err != nil {
		return err
	}
	for _, st := range s.Steps {
		if !st.Miner() {
			continue
		}
		b, err := Attach(miner, st.Options)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, "bin", path.Base(st.Path)), b, 0o755); err != nil {
			return err
		}
	}
	a, b := host.PoolAddr, host.PoolAddr2
	return h.InPoolNamespace("pool.log", pool,
		"-plain", a+":3333,"+a+":5555,"+a+":10128,"+b+":14444", "-tls", a+":443,"+b+":443", "-ws", a+":8443,"+b+":8080",
		"-www", a+":80,"+b+":80", "-dir", dir)
}

func do(ctx context.Context, h *host.Host, s Step, miner, lib []byte) error {
	switch s.Kind {
	case Process:
		if s.Start != "" {
			if err := start(ctx, h, s); err != nil {
				return err
			}
		}
		return await(ctx, h, s.Comm)
	case Mount:
		return cover(ctx, h, s.Comm)
	case File, Unit:
		if err := write(ctx, h, s, miner, lib); err != nil {
			return err
		}
	}
	script := s.script()
	if script == "" {
		return nil
	}
	_, err := h.Shell(ctx, script)
	return err
}

// write puts the step's file there, unless it is a copy of one on the host.
func write(ctx context.Context, h *host.Host, s Step, miner, lib []byte) error {
	b, err := []byte(s.Text), error(nil)
	switch {
	case s.Miner():
		b, err = Attach(miner, s.Options)
	case s.From == "hide":
		b, err = Hiding(lib, s.Hide)
	case s.From != "":
		_, err := h.Shell(ctx, "mkdir -p "+quote(path.Dir(s.Path))+"; cp -a -- "+quote(s.From)+" "+quote(s.Path))
		return err
	}
	if err != nil {
		return err
	}
	mode, err := strconv.ParseUint(s.Mode, 8, 32)
	if err != nil {
		return fmt.Errorf("mode %q: %w", s.Mode, err)
	}
	return h.CopyIn(ctx, b, s.Path, os.FileMode(mode))
}

// insert is a Perl program that puts a text into a file in place, so that owner, mode and inode stay.
const insert = `my ($f, $before, $after, $text) = @ARGV; open my $h, "+<", $f or die "$f: $!"; local $/; my $b = <$h>;
my $i = index $b, $before . $after; die "$f: the place is not in it\n" if $i < 0; $i += length $after;
substr($b, $i, 0) = $text; seek $h, 0, 0; truncate $h, 0; print $h $b; close $h or die "$f: $!";`

// script is what of a step a shell inside the host does.
func (s Step) script() string {
	var b strings.Builder
	add := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p := quote(s.Path)
	switch s.Kind {
	case Line, Key, Preload:
		if user, ok := strings.CutPrefix(s.Path, crontabs); ok { // as crontab(1) leaves it, so that cron looks again
			add("[ -e %s ] || install -m 600 -o %s -g crontab /dev/null %s; touch %s", p, quote(user), p, crontabs)
		}
		if s.Before != "" {
			add("sed -i %s -- %s", quote("0,/^"+s.Before+"$/s%^"+s.Before+"$%"+s.Line+"\\n"+s.Before+"%"), p)
			break
		}
		add("mkdir -p %s; printf '%%s\\n' %s >> %s", quote(path.Dir(s.Path)), quote(s.Line), p)
	case Part:
		add("perl -e %s -- %s %s %s %s", quote(insert), p, quote(s.Before), quote(s.After), quote(s.Line))
	case Account:
		add("printf '%%s\\n' %s >> /etc/passwd; printf '%%s\\n' %s >> /etc/shadow", quote(s.Passwd), quote(s.Shadow))
	case Link:
		add("mkdir -p %s; ln -sfn -- %s %s", quote(path.Dir(s.Path)), quote(s.To), p)
	case Flag:
		add("/usr/bin/chattr +%s -- %s", s.Flags, p)
	case Setting:
		add("sysctl -q -w %s=%s", quote(s.Name), quote(s.Line))
	case Run:
		add("%s", s.Sh)
	case File:
		add("chmod %s -- %s", s.Mode, p)
	}
	if s.Owner != "" {
		add("chown -h %s -- %s", s.Owner, p)
	}
	if s.Mtime != "" {
		add("touch -h -d %s -- %s", quote(s.Mtime), p)
	}
	if s.Kind == Unit {
		add("systemctl daemon-reload")
		if s.Enable {
			add("systemctl -q enable %s", quote(path.Base(s.Path)))
		}
		if s.Started {
			add("systemctl start --no-block %s", quote(path.Base(s.Path)))
		}
	}
	return b.String()
}

// start leaves the step's command running without a parent, a terminal or a pipe.
func start(ctx context.Context, h *host.Host, s Step) error {
	cmd := "setsid -f /bin/sh -c " + quote("exec "+s.Start) + " </dev/null >/dev/null 2>&1"
	if s.User != "" {
		cmd = "setsid -f runuser -u " + s.User + " -- /bin/sh -c " + quote("exec "+s.Start) + " </dev/null >/dev/null 2>&1"
	}
	_, err := h.Shell(ctx, cmd)
	return err
}

// await waits until a process of that name runs on the host.
func await(ctx context.Context, h *host.Host, comm string) error {
	for range 300 {
		for _, p := range h.Processes() {
			if p.Comm == comm {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	return fmt.Errorf("no process %q came up", comm)
}

// cover mounts an empty directory over /proc/PID of every process of that name.
func cover(ctx context.Context, h *host.Host, comm string) error {
	if err := await(ctx, h, comm); err != nil {
		return err
	}
	script := "mkdir -p /var/tmp/.empty\n"
	for _, p := range h.Processes() {
		if p.Comm == comm {
			script += fmt.Sprintf("mount --bind /var/tmp/.empty /proc/%d\n", p.Inner)
		}
	}
	_, err := h.Shell(ctx, script)
	return err
}

// quote makes one word of a shell script from any text.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
