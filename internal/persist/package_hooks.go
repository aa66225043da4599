package persist

import "strings"

// listPackageHooks lists what the package managers other than apt run around their work: plugins, actions, hooks.
func listPackageHooks(l *Lister) {
	listFiles(l, []fileRule{
		{files: []string{"/usr/lib/python*/site-packages/dnf-plugins/*.py", "/usr/lib/yum-plugins/*.py", "/usr/lib64/libdnf5/plugins/*.so", "/usr/lib/libdnf5/plugins/*.so"}, user: "root", trigger: "every run of dnf or yum"},
		{files: []string{"/usr/lib64/rpm-plugins/*.so", "/usr/lib/rpm-plugins/*.so"}, user: "root", trigger: "every run of rpm"},
		{files: []string{"/usr/lib/zypp/plugins/*/*", "/etc/zypp/plugins/*", "/usr/lib/zypper/commands/*"}, user: "root", trigger: "every run of zypper", exec: true},
		{files: []string{"/etc/apk/commit_hooks.d/*", "/lib/apk/exec/*"}, user: "root", trigger: "every run of apk", exec: true},
		{files: []string{"/var/lib/snapd/hooks/*", "/etc/xbps.d/hooks/*", "/etc/portage/bashrc", "/etc/portage/postsync.d/*"}, user: "root", trigger: "every run of the package manager"},
	})
	listLines(l, []lineRule{
		{files: []string{"/etc/dnf/libdnf5-plugins/actions.d/*.actions"}, match: fieldCommand(5), user: "root", trigger: "every run of dnf"},
		{files: []string{"/etc/dnf/plugins/post-transaction-actions.d/*.action", "/etc/dnf/plugins/pre-transaction-actions.d/*.action", "/etc/yum/post-actions/*.action"},
			match: fieldCommand(3), user: "root", trigger: "every run of dnf or yum"},
		{files: []string{"/etc/pacman.d/hooks/*.hook", "/usr/share/libalpm/hooks/*.hook"}, match: settings("Exec"), user: "root", trigger: "every run of pacman", keep: true},
		{files: []string{"/etc/pacman.conf"}, match: settings("XferCommand", "HookDir"), user: "root", trigger: "every run of pacman", keep: true},
		{files: []string{"/etc/dnf/dnf.conf", "/etc/yum.conf"}, match: settings("pluginpath"), user: "root", trigger: "every run of dnf or yum", keep: true},
		{files: []string{"/etc/rpm/macros", "/etc/rpm/macros.*", "~/.rpmmacros"}, match: contains("%__transaction_", "%(", "%{lua:"), user: "root", trigger: "every run of rpm", keep: true},
	})
}

// fieldCommand matches lines of n fields with colons between, the last of which is a command: "filter:state:command" of dnf,
// "hook:filter:direction:options:command" of libdnf5.
func fieldCommand(n int) func(string) (string, string) {
	return func(text string) (name, command string) {
		f := strings.SplitN(text, ":", n)
		if len(f) < n {
			return "", ""
		}
		return f[0] + ":" + f[1], f[n-1]
	}
}
