package plan

import (
	"path"
	"slices"
	"strings"

	"github.com/deminer/deminer"
)

// merged are the directories that hold the same files under two names on most hosts.
var merged = [][2]string{{"/bin/", "/usr/bin/"}, {"/sbin/", "/usr/sbin/"}, {"/lib/", "/usr/lib/"}, {"/lib64/", "/usr/lib64/"}, {"/lib32/", "/usr/lib32/"},
	{"/var/run/", "/run/"}, {"/var/lock/", "/run/lock/"}, {"/usr/sbin/", "/usr/bin/"}}

// names lists a path and the other names it may go by.
func names(name string) []string {
	out := []string{path.Clean(name)}
	for i := 0; i < len(out) && i < 8; i++ {
		for _, m := range merged {
			for _, way := range [][2]string{m, {m[1], m[0]}} {
				rest, ok := strings.CutPrefix(out[i], way[0])
				if other := way[1] + rest; ok && !slices.Contains(out, other) {
					out = append(out, other)
				}
			}
		}
	}
	return out
}

// places are directories that belong to the system or to everybody: things in them go, they do not.
var places = []string{"/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib32", "/lib64", "/libx32", "/media", "/mnt", "/opt", "/proc", "/root", "/run", "/sbin", "/snap", "/srv", "/sys", "/tmp", "/usr", "/var",
	"/data", "/lost+found", "/etc/apt", "/etc/cron.d", "/etc/cron.hourly", "/etc/cron.daily", "/etc/cron.weekly", "/etc/cron.monthly", "/etc/default", "/etc/dpkg", "/etc/init.d", "/etc/init",
	"/etc/ld.so.conf.d", "/etc/logrotate.d", "/etc/modules-load.d", "/etc/modprobe.d", "/etc/network", "/etc/nginx", "/etc/apache2", "/etc/httpd", "/etc/pam.d", "/etc/php", "/etc/profile.d",
	"/etc/rc.d", "/etc/security", "/etc/skel", "/etc/ssh", "/etc/ssl", "/etc/pki", "/etc/sudoers.d", "/etc/sysctl.d", "/etc/systemd", "/etc/systemd/system", "/etc/systemd/user", "/etc/udev",
	"/etc/udev/rules.d", "/etc/X11", "/etc/xdg", "/etc/xdg/autostart", "/etc/docker", "/etc/kubernetes", "/etc/mysql", "/etc/postgresql", "/etc/redis",
	"/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib64", "/usr/lib32", "/usr/libexec", "/usr/local", "/usr/share", "/usr/src", "/usr/include", "/usr/games",
	"/usr/local/bin", "/usr/local/sbin", "/usr/local/lib", "/usr/local/etc", "/usr/local/share", "/usr/lib/systemd", "/usr/lib/systemd/system", "/usr/lib/modules", "/lib/modules", "/lib/systemd/system",
	"/var/backups", "/var/cache", "/var/lib", "/var/local", "/var/log", "/var/mail", "/var/opt", "/var/spool", "/var/spool/cron", "/var/spool/cron/crontabs", "/var/tmp", "/var/www", "/var/www/html", "/var/lib/dpkg",
	"/var/lib/rpm", "/var/lib/systemd", "/var/lib/deminer", "/var/empty", "/srv/www", "/dev/shm", "/dev/pts", "/run/systemd", "/run/user", "/run/lock", "/root/.ssh", "/root/.config"}

// holds says why a thing must not be moved as a whole: a place of the system, a home, or something that has in it what must stay.
func (g *guard) holds(clean string) string {
	all := names(clean)
	in := func(list []string) bool {
		return slices.ContainsFunc(all, func(n string) bool { return slices.Contains(list, n) })
	}
	around := func(name string) bool {
		return slices.ContainsFunc(names(name), func(n string) bool {
			return slices.ContainsFunc(all, func(d string) bool { return strings.HasPrefix(n, d+"/") })
		})
	}
	switch {
	case clean == "/" || in(places) || in(data):
		return "it is a directory of the system, with files of others in it"
	case slices.ContainsFunc(keep, around) || slices.ContainsFunc(data, around) || slices.ContainsFunc(places, around):
		return "it has in it what a host does not work without"
	}
	for _, a := range g.accounts {
		if home := path.Clean(a.Home); (slices.Contains(all, home) || around(home)) && !g.evicted(a) && home != "/" && !strings.HasPrefix(home, "/nonexistent") {
			return "it is, or holds, the home of account " + deminer.Safe(a.Name)
		}
	}
	for name, own := range g.trusted {
		if (own.State == deminer.Intact || own.State == deminer.Modified || own.State == deminer.Owned) && around(name) {
			return "it holds files of package " + deminer.Safe(own.Package)
		}
	}
	for _, p := range g.procs {
		if p.Exe != "" && !p.Deleted && p.Container == "" && !g.accused[p.ID] && around(p.Exe) {
			return "a program that is not accused runs from it: " + deminer.Safe(p.Exe)
		}
	}
	return ""
}

// evicted reports whether the account itself is convicted, so that its home is not an owner's. Whoever shares the home keeps it.
func (g *guard) evicted(a deminer.Account) bool {
	return g.out[a.Name] && a.UID >= 1000 && !slices.ContainsFunc(g.accounts, func(b deminer.Account) bool { return b.Home == a.Home && !g.out[b.Name] })
}
