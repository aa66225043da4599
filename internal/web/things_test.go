package web

import (
	"strings"
	"testing"
)

// TestFirewall: nothing leaves in an export but addresses that a firewall may block, whatever agents call what they blocked.
func TestFirewall(t *testing.T) {
	rows := []blockRow{{What: "192.0.2.7"}, {What: "::ffff:192.0.2.8"}, {What: "[2001:db8::7]:443"}}
	for _, bad := range []string{"fe80::1%$(touch x)", "[2001:db8::9%;x]:1", "fe80::1", "127.0.0.1", "::1", "[::1]:22", "0.0.0.0", "::", "224.0.0.1", "ff02::1", "169.254.169.254", "::ffff:127.0.0.1",
		"cgroup /x", "from 198.51.100.1", "198.51.100.2; reboot"} {
		rows = append(rows, blockRow{What: bad})
	}
	for format, want := range map[string]string{
		"iptables": "# on the router or firewall in front of the hosts\niptables -A FORWARD -d 192.0.2.7 -j REJECT\niptables -A FORWARD -d 192.0.2.8 -j REJECT\n" +
			"ip6tables -A FORWARD -d 2001:db8::7 -p tcp --dport 443 -j REJECT\n",
		"nft":   "forward priority 0;\n\t\tip daddr 192.0.2.7 counter reject\n\t\tip daddr 192.0.2.8 counter reject\n\t\tip6 daddr 2001:db8::7 tcp dport 443 counter reject\n\t}\n}\n",
		"json":  "{\n  \"blocked\": [\n    \"192.0.2.7\",\n    \"192.0.2.8\",\n    \"[2001:db8::7]:443\"\n  ]\n}\n",
		"group": "2001:db8::7/128",
	} {
		text, _, err := firewall(rows, format)
		if err != nil || !strings.Contains(text, want) || format == "group" && strings.Count(text, "cidr") != 3 {
			t.Errorf("%s: %v\n%s", format, err, text)
		}
	}
}
