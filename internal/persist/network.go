package persist

import "strings"

// listNetwork lists what runs when the network changes: dispatchers, ifupdown, DHCP and PPP hooks, VPN scripts.
func listNetwork(l *Lister) {
	script := func(trigger string, exec bool, files ...string) fileRule {
		return fileRule{files: files, user: "root", trigger: trigger, exec: exec, script: true, except: notRun}
	}
	const link = "a network connection goes up or down"
	listFiles(l, []fileRule{
		script(link, true, "/etc/NetworkManager/dispatcher.d/*", "/etc/NetworkManager/dispatcher.d/*.d/*", "/usr/lib/NetworkManager/dispatcher.d/*", "/usr/lib/NetworkManager/dispatcher.d/*.d/*"),
		script(link, true, "/etc/networkd-dispatcher/*.d/*", "/usr/lib/networkd-dispatcher/*.d/*"),
		script(link, true, "/etc/network/if-*.d/*", "/etc/sysconfig/network-scripts/ifup-local", "/etc/sysconfig/network-scripts/ifdown-local", "/sbin/ifup-local", "/etc/sysconfig/network/scripts/*", "/etc/sysconfig/network/if-*.d/*"),
		script("a DHCP lease comes or goes", false, "/etc/dhcp/dhclient-*-hooks.d/*", "/etc/dhcp/dhclient-*-hooks", "/etc/dhclient-*-hooks", "/etc/dhcp/dhclient.d/*.sh", "/etc/dhcpcd.*-hook", "/usr/lib/dhcpcd/dhcpcd-hooks/*",
			"/lib/dhcpcd/dhcpcd-hooks/*", "/etc/udhcpc/*", "/usr/share/udhcpc/*"),
		script("a PPP link goes up or down", true, "/etc/ppp/ip-up", "/etc/ppp/ip-down", "/etc/ppp/ip-pre-up", "/etc/ppp/ipv6-up", "/etc/ppp/ipv6-down", "/etc/ppp/*.d/*"),
	})
	listLines(l, []lineRule{
		{files: []string{"/etc/network/interfaces", "/etc/network/interfaces.d/*"}, match: settings("up", "pre-up", "post-up", "down", "pre-down", "post-down"), user: "root", trigger: link, join: `\`, keep: true},
		{files: []string{"/etc/wireguard/*.conf"}, match: settings("PostUp", "PreUp", "PostDown", "PreDown"), user: "root", trigger: link, keep: true},
		{files: []string{"/etc/openvpn/*.conf", "/etc/openvpn/*/*.conf", "/etc/openvpn/*.ovpn"},
			match: settings("up", "down", "route-up", "route-pre-down", "ipchange", "tls-verify", "auth-user-pass-verify", "client-connect", "client-disconnect", "learn-address", "plugin"), user: "root", trigger: link, comment: "#;", keep: true},
		{files: []string{"/etc/sysconfig/network-scripts/ifcfg-*", "/etc/sysconfig/network/ifcfg-*"}, match: ifcfgRuns, user: "root", trigger: link, keep: true},
		{files: []string{"/etc/dhcp/dhclient.conf", "/etc/dhclient.conf"}, match: settings("script"), user: "root", trigger: "a DHCP lease comes or goes", keep: true},
		{files: []string{"/etc/dhcpcd.conf"}, match: settings("script"), user: "root", trigger: "a DHCP lease comes or goes", keep: true},
	})
}

// notRun knows the names run-parts and the dispatchers skip.
func notRun(base string) bool {
	return base == "README" || strings.HasSuffix(base, "~") || strings.HasSuffix(base, ".dpkg-old") || strings.HasSuffix(base, ".rpmsave") || strings.HasSuffix(base, ".md")
}

// ifcfgRuns matches lines of an ifcfg file that do more than set a variable: the file is sourced by a shell, and
// "NAME=x command" runs the command.
func ifcfgRuns(text string) (name, command string) {
	key, value, ok := assignment(text)
	if !ok {
		return "command", text
	}
	if strings.Contains(value, "$(") || strings.Contains(value, "`") || strings.Contains(value, ";") {
		return key, value
	}
	if _, rest := cutBlank(value); rest != "" && value[0] != '"' && value[0] != '\'' && rest[0] != '#' {
		return key, rest
	}
	return "", ""
}
