package persist

import "github.com/deminer/deminer/internal/host"

// All is every persistence mechanism deminer knows. To add one: its file, its fixture, its line here.
func All() []Mechanism {
	return []Mechanism{
		// Schedulers, boot, services, shell.
		{"cron", "PL-01", "T1053.003", "jobs of all cron tables, and variables in them that load code", host.NeedFS, listCron},
		{"cron-scripts", "PL-01", "T1053.003", "scripts of cron.hourly and the like", host.NeedFS, listCronScripts},
		{"anacron", "PL-02", "T1053.003", "jobs of anacrontab", host.NeedFS, listAnacron},
		{"systemd-timer", "PL-04", "T1053.006", "timers of the system", host.NeedFS, listTimers},
		{"systemd-unit", "PL-06", "T1543.002", "services, sockets and path units of the system", host.NeedFS, listUnits},
		{"systemd-drop-in", "PL-07", "T1543.002", "files that change units of the system", host.NeedFS, listDropIns},

		// Login, accounts, libraries, packages, devices, kernel, applications, containers.
		{"ssh-keys", "PL-18", "T1098.004", "keys of authorized_keys files", host.NeedFS, listSSHKeys},
		{"sshd-config", "PL-19", "T1556", "directives of sshd that let code run or people in", host.NeedFS, listSSHDConfig},
		{"ssh-client", "PL-19", "T1556", "directives of the ssh client that run something here", host.NeedFS, listSSHClient},
		{"ssh-rc", "PL-19", "T1546.004", "what a login over ssh runs and sets", host.NeedFS, listSSHRC},
		{"sshd-copies", "PL-19", "T1554", "links to sshd and copies of it in odd places", host.NeedFS, listSSHDCopies},
		{"pam", "PL-20", "T1556.003", "rules and modules of PAM that run, load or let in", host.NeedFS, listPAM},
		{"accounts", "PL-21", "T1136.001", "accounts that can log in or have an odd line", host.NeedFS, listAccounts},
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
		{"wrapped-tools", "PL-30", "T1554", "scripts and copies in the way of an admin's tools, and renamed tools", host.NeedFS, listWrapped},
	}
}
