package persist

import "strings"

// listInitramfs lists what is built into the initial RAM disk or runs when a kernel is installed.
func listInitramfs(l *Lister) {
	listFiles(l, []fileRule{
		{files: []string{"/etc/initramfs-tools/hooks/*", "/usr/share/initramfs-tools/hooks/*", "/etc/initramfs/post-update.d/*"}, user: "root", trigger: "the initial RAM disk is built", exec: true, script: true},
		{files: []string{"/etc/initramfs-tools/scripts/*", "/etc/initramfs-tools/scripts/*/*", "/usr/share/initramfs-tools/scripts/*/*"}, user: "root", trigger: "boot, from the initial RAM disk", script: true, unowned: true},
		{files: []string{"/usr/lib/dracut/modules.d/*/*", "/lib/dracut/modules.d/*/*"}, user: "root", trigger: "boot, from the initial RAM disk", unowned: true},
		{files: []string{"/etc/kernel/*.d/*", "/usr/lib/kernel/install.d/*", "/etc/kernel/install.d/*", "/usr/share/kernel/*.d/*"}, user: "root", trigger: "a kernel is installed or removed", exec: true, script: true},
		{files: []string{"/etc/initcpio/hooks/*", "/etc/initcpio/install/*", "/etc/mkinitfs/features.d/*"}, user: "root", trigger: "boot, from the initial RAM disk"},
	})
	listLines(l, []lineRule{
		{files: []string{"/etc/dracut.conf", "/etc/dracut.conf.d/*.conf"}, match: dracutLine, user: "root", trigger: "the initial RAM disk is built", keep: true},
		{files: []string{"/etc/mkinitcpio.conf", "/etc/mkinitcpio.conf.d/*.conf"}, match: notBare(settings("FILES", "BINARIES")), user: "root", trigger: "the initial RAM disk is built", keep: true},
	})
}

// dracutLine matches the lines of dracut.conf(5) that put files or modules in; the file is sourced by a shell, so any line
// that is no assignment runs.
func dracutLine(text string) (name, command string) {
	key, value, ok := strings.Cut(text, "=")
	key = strings.TrimSuffix(strings.TrimSpace(key), "+")
	if _, _, plain := assignment(key + "="); !ok || !plain {
		return "command", text
	}
	switch key {
	case "install_items", "install_optional_items", "add_dracutmodules", "force_add_dracutmodules", "include", "dracutbasedir", "force_drivers", "add_drivers":
		return key, strings.TrimSpace(unquote(value))
	}
	return "", ""
}

// notBare drops values that are an empty list.
func notBare(match func(string) (string, string)) func(string) (string, string) {
	return func(text string) (string, string) {
		name, value := match(text)
		if value = strings.Trim(value, "() "); value == "" {
			return "", ""
		}
		return name, value
	}
}
