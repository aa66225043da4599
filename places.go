package deminer

import (
	"path"
	"slices"
	"strings"
)

// temporary are the directories that anyone may write to or that are emptied at boot: no installed program runs from them.
var temporary = []string{"/tmp", "/var/tmp", "/dev", "/run/shm", "/run/lock", "/var/lock", "/run/user", "/var/run/user", "/var/spool/cron"}

// Temporary reports whether a path lies in a place for temporary files, see hier(7).
func Temporary(name string) bool {
	return slices.ContainsFunc(temporary, func(d string) bool { return strings.HasPrefix(name, d+"/") })
}

// system are directories that belong to the system or to everybody: things in them go, they do not.
var system = strings.Fields(`/ /bin /boot /dev /etc /home /lib /lib32 /lib64 /libx32 /media /mnt /opt /proc /root /run /sbin /snap /srv /sys /tmp /usr /var
	/data /lost+found /etc/apt /etc/cron.d /etc/cron.hourly /etc/cron.daily /etc/cron.weekly /etc/cron.monthly /etc/default /etc/dpkg /etc/init.d /etc/init
	/etc/ld.so.conf.d /etc/logrotate.d /etc/modules-load.d /etc/modprobe.d /etc/network /etc/nginx /etc/apache2 /etc/httpd /etc/pam.d /etc/php /etc/profile.d
	/etc/rc.d /etc/security /etc/skel /etc/ssh /etc/ssl /etc/pki /etc/sudoers.d /etc/sysctl.d /etc/systemd /etc/systemd/system /etc/systemd/user /etc/udev
	/etc/udev/rules.d /etc/X11 /etc/xdg /etc/xdg/autostart /etc/docker /etc/kubernetes /etc/mysql /etc/postgresql /etc/redis
	/usr/bin /usr/sbin /usr/lib /usr/lib64 /usr/lib32 /usr/libexec /usr/local /usr/share /usr/src /usr/include /usr/games
	/usr/local/bin /usr/local/sbin /usr/local/lib /usr/local/etc /usr/local/share /usr/lib/systemd /usr/lib/systemd/system /usr/lib/modules /lib/modules /lib/systemd/system
	/var/backups /var/cache /var/lib /var/local /var/log /var/mail /var/opt /var/run /var/spool /var/spool/cron /var/spool/cron/crontabs /var/tmp /var/www /var/www/html /var/lib/dpkg
	/var/lib/rpm /var/lib/systemd /var/lib/deminer /var/empty /srv/www /dev/shm /dev/pts /run/systemd /run/user /run/lock /root/.ssh /root/.config`)

// SystemDir reports a directory of the system, by its cleaned path: it is never moved as a whole.
func SystemDir(dir string) bool { return slices.Contains(system, dir) }

// SystemDirs lists the directories of the system. The list must not be changed.
func SystemDirs() []string { return system }

// SharedDir reports a directory that holds everybody's files, so that lying in it together ties nothing: one of the system, a
// home, or one below the system's own that is not hidden.
func SharedDir(dir string) bool {
	if SystemDir(dir) || path.Dir(dir) == "/home" {
		return true
	}
	return !strings.Contains(dir, "/.") && slices.ContainsFunc([]string{"/usr/", "/bin/", "/sbin/", "/lib/", "/lib64/", "/etc/", "/var/spool/"}, func(d string) bool { return strings.HasPrefix(dir, d) })
}
