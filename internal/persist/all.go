package persist

import "github.com/deminer/deminer/internal/host"

// All is every persistence mechanism deminer knows. To add one: its file, its fixture, its line here.
func All() []Mechanism {
	return []Mechanism{
		// Schedulers, boot, services, shell.
		{"anacron", "PL-02", "T1053.003", "jobs of anacrontab", host.NeedFS, listAnacron},

		// Login, accounts, libraries, packages, devices, kernel, applications, containers.
	}
}
