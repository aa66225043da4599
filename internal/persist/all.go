package persist

import (
	"slices"

	"github.com/deminer/deminer/internal/host"
)

// All is every persistence mechanism deminer knows. To add one: its file, its fixture, its line below.
func All() []Mechanism { return slices.Concat(starting(), entering()) }

// starting are schedulers, boot, services and shells.
func starting() []Mechanism {
	return []Mechanism{
		{"cron", "PL-01", "T1053.003", "jobs of all cron tables, and variables in them that load code", host.NeedFS, listCron},
		{"cron-scripts", "PL-01", "T1053.003", "scripts of cron.hourly and the like", host.NeedFS, listCronScripts},
		{"anacron", "PL-02", "T1053.003", "jobs of anacrontab", host.NeedFS, listAnacron},
		{"at", "PL-03", "T1053.002", "jobs of at and batch", host.NeedFS, listAt},
		{"other-schedulers", "PL-05", "T1053", "jobs of fcron, incron and jobber", host.NeedFS, listSchedulers},
		{"supervisors", "PL-05", "T1543", "programs that supervisord, monit and pm2 start again", host.NeedFS, listSupervisors},
		{"logrotate", "PL-05", "T1053", "scripts of logrotate", host.NeedFS, listLogrotate},
		{"power-hooks", "PL-05", "T1546", "what runs at sleep, wake, shutdown and power events", host.NeedFS, listPower},
		{"ci-jobs", "PL-05", "T1053", "jobs of build servers", host.NeedFS, listCI},
		{"systemd-timer", "PL-04", "T1053.006", "timers of the system", host.NeedFS, listTimers},
		{"systemd-unit", "PL-06", "T1543.002", "services, sockets and path units of the system", host.NeedFS, listUnits},
		{"systemd-drop-in", "PL-07", "T1543.002", "files that change units of the system", host.NeedFS, listDropIns},
		{"systemd-user", "PL-08", "T1543.002", "units of the users' managers, and users whose units start at boot", host.NeedFS, listUserUnits},
		{"systemd-generator", "PL-09", "T1543.002", "programs systemd runs to make units", host.NeedFS, listGenerators},
		{"systemd-conf", "PL-10", "T1574.006", "variables for every service", host.NeedFS, listSystemdConf},
		{"tmpfiles", "PL-10", "T1543.002", "files, links and copies made at boot", host.NeedFS, listTmpfiles},
		{"sysusers", "PL-10", "T1136.001", "accounts made at boot", host.NeedFS, listSysusers},
		{"portable", "PL-10", "T1543.002", "portable services and nspawn settings", host.NeedFS, listPortables},
		{"rc-local", "PL-11", "T1037.004", "local boot scripts, statement by statement", host.NeedFS, listRCLocal},
		{"sysv", "PL-12", "T1037.004", "start scripts of /etc/init.d and the links that start them", host.NeedFS, listSysV},
		{"inittab", "PL-13", "T1037.004", "processes of inittab", host.NeedFS, listInittab},
		{"upstart", "PL-13", "T1543", "jobs of Upstart", host.NeedFS, listUpstart},
		{"supervise", "PL-14", "T1543", "services of runit, daemontools and s6", host.NeedFS, listSupervise},
		{"dinit", "PL-14", "T1543", "services of dinit", host.NeedFS, listDinit},
		{"autostart", "PL-15", "T1547.013", "what desktops start at login", host.NeedFS, listAutostart},
		{"shell", "PL-16", "T1546.004", "start-up files of shells, and what they start, load or redefine", host.NeedFS, listShell},
		{"motd", "PL-17", "T1037.004", "scripts that make the message of the day", host.NeedFS, listMotd},
	}
}

// entering are logins, accounts, libraries, packages, devices, kernel, applications and containers.
func entering() []Mechanism {
	return []Mechanism{
		{"ssh-keys", "PL-18", "T1098.004", "keys of authorized_keys files", host.NeedFS, listSSHKeys},
		{"sshd-config", "PL-19", "T1556", "directives of sshd that let code run or people in", host.NeedFS, listSSHDConfig},
		{"ssh-client", "PL-19", "T1556", "directives of the ssh client that run something here", host.NeedFS, listSSHClient},
		{"ssh-rc", "PL-19", "T1546.004", "what a login over ssh runs and sets", host.NeedFS, listSSHRC},
		{"host-trust", "PL-19", "T1098", "other hosts whose users are let in without a password", host.NeedFS, listHostTrust},
		{"sshd-copies", "PL-19", "T1554", "links to sshd and copies of it in odd places", host.NeedFS, listSSHDCopies},
		{"pam", "PL-20", "T1556.003", "rules and modules of PAM that run, load or let in", host.NeedFS, listPAM},
		{"accounts", "PL-21", "T1136.001", "accounts that can log in or have an odd line", host.NeedFS, listAccounts},
		{"user-records", "PL-21", "T1136.001", "accounts of systemd's user database", host.NeedFS, listUserRecords},
		{"privileged-groups", "PL-21", "T1098.007", "members of groups that are as good as root", host.NeedFS, listGroups},
		{"sudoers", "PL-22", "T1548.003", "rules of sudo", host.NeedFS, listSudoers},
		{"doas", "PL-22", "T1548.003", "rules of doas", host.NeedFS, listDoas},
		{"polkit", "PL-22", "T1548", "rules of polkit", host.NeedFS, listPolkit},
		{"set-id", "PL-23", "T1548.001", "set-uid, set-gid and capability programs", host.NeedFS, listSetID},
		{"binfmt", "PL-24", "T1546", "interpreters the kernel hands files to", host.NeedFS, listBinfmt},
		{"ld-so-preload", "PL-25", "T1574.006", "libraries loaded into every program", host.NeedFS, listPreload},
		{"library-environment", "PL-26", "T1574.006", "loader variables in files of the environment", host.NeedFS, listLibraryEnv},
		{"ld-so-conf", "PL-27", "T1574.006", "directories added to the search for libraries", host.NeedFS, listLdConf},
		{"ld-so-cache", "PL-27", "T1574.006", "libraries of the linker cache in odd directories", host.NeedFS, listLdCache},
		{"loader", "PL-27", "T1574.006", "a loader that reads another preload file", host.NeedFS, listLoader},
		{"python", "PL-28", "T1546.018", "what every start of Python runs", host.NeedFS, listPython},
		{"language-environment", "PL-29", "T1546", "interpreter variables and odd search paths in files of the environment", host.NeedFS, listLanguageEnv},
		{"php", "PL-29", "T1505.003", "what PHP runs before pages, and its extensions", host.NeedFS, listPHP},
		{"server-modules", "PL-29", "T1505", "modules and commands of web, database and cache servers", host.NeedFS, listServerModules},
		{"tool-startup", "PL-29", "T1546", "what editors and language shells run at their start", host.NeedFS, listStartup},
		{"wrapped-tools", "PL-30", "T1554", "scripts and copies in the way of an admin's tools, and renamed tools", host.NeedFS, listWrapped},
		{"git", "PL-31", "T1546", "hooks and commands of git", host.NeedFS, listGit},
		{"apt", "PL-32", "T1546.016", "hooks of apt and dpkg", host.NeedFS, listApt},
		{"package-hooks", "PL-33", "T1546.016", "hooks of dnf, yum, zypper, pacman, apk and rpm", host.NeedFS, listPackageHooks},
		{"udev", "PL-34", "T1546.017", "programs that rules of udev run", host.NeedFS, listUdev},
		{"network-hooks", "PL-35", "T1546", "what runs when the network changes", host.NeedFS, listNetwork},
		{"cloud-init", "PL-35", "T1546", "what cloud-init runs", host.NeedFS, listCloudInit},
		{"dbus", "PL-36", "T1543", "services D-Bus starts", host.NeedFS, listDBus},
		{"kernel-modules", "PL-37", "T1547.006", "modules loaded at boot, and module files of no package", host.NeedFS, listModules},
		{"initramfs", "PL-38", "T1542", "what is built into the initial RAM disk", host.NeedFS, listInitramfs},
		{"boot-loader", "PL-39", "T1542.003", "words of the kernel command line, scripts of the boot loader", host.NeedFS, listBootLoader},
		{"kernel-callouts", "PL-40", "T1546", "programs the kernel starts by itself", host.NeedFS, listCallouts},
		{"pinned-bpf", "PL-41", "T1014", "pinned eBPF objects", host.NeedFS, listPinned},
		{"database", "PL-52", "T1505.001", "logins to databases without a password, dumps that plant files, plugins of no package", host.NeedFS, listDatabase},
		{"remote-tools", "PL-53", "T1219", "configuration of remote access and tunnel programs", host.NeedFS, listRemoteTools},
		{"mail", "PL-54", "T1546", "programs that mail starts", host.NeedFS, listMail},
		{"daemons", "PL-54", "T1546", "commands of network, log and monitoring daemons", host.NeedFS, listDaemons},
		{"name-services", "PL-54", "T1574.006", "libraries of nsswitch.conf", host.NeedFS, listNSSwitch},
		{"alternatives", "PL-54", "T1574", "links of update-alternatives to files of no package", host.NeedFS, listAlternatives},
		{"docker", "PC-01", "T1543.005", "containers Docker starts again", host.NeedFS, listDocker},
		{"docker-plugins", "PC-01", "T1543.005", "plugins of the docker daemon", host.NeedFS, listDockerPlugins},
		{"containerd", "PC-01", "T1543.005", "containers of containerd", host.NeedFS, listContainerd},
		{"podman", "PC-01", "T1543.005", "containers of podman", host.NeedFS, listPodman},
		{"quadlet", "PC-01", "T1543.005", "containers systemd starts from quadlet files", host.NeedFS, listQuadlet},
		{"lxc", "PC-01", "T1543.005", "containers of LXC that start at boot", host.NeedFS, listLXC},
		{"compose", "PC-01", "T1543.005", "services of compose files that are started again", host.NeedFS, listCompose},
		{"docker-daemon", "PC-02", "T1543.005", "settings of the docker daemon", host.NeedFS, listDockerDaemon},
		{"static-pods", "PC-03", "T1610", "pods a kubelet starts from files", host.NeedFS, listStaticPods},
	}
}
