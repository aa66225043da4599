package persist

import (
	"path"
	"strings"

	"github.com/deminer/deminer"
)

// remoteTool is a program that opens this host to a server elsewhere: its configuration and the settings that name the server.
type remoteTool struct {
	name  string
	files []string
	keys  []string // of the settings that name a server
}

func remoteTools() []remoteTool {
	return []remoteTool{
		{"nezha", []string{"/opt/nezha/agent/config*.y*ml", "/etc/nezha*/config*.y*ml", "/opt/nezha*/config*.y*ml"}, []string{"server"}},
		{"frpc", []string{"/etc/frp/*", "/etc/frp*.toml", "/etc/frp*.ini", "/opt/frp*/frpc.*", "/usr/local/frp*/frpc.*", "/root/frp*/frpc.*", "~/frpc.*", "~/.frp/*"}, []string{"server_addr", "serverAddr", "server_port", "serverPort"}},
		{"npc", []string{"/etc/npc/*", "/etc/nps/conf/*.conf", "/opt/npc/conf/*.conf"}, []string{"server_addr"}},
		{"cloudflared", []string{"/etc/cloudflared/*.y*ml", "~/.cloudflared/*.y*ml"}, []string{"tunnel", "hostname"}},
		{"ngrok", []string{"~/.config/ngrok/ngrok.yml", "~/.ngrok2/ngrok.yml", "/etc/ngrok*.yml"}, []string{"server_addr", "addr"}},
		{"gsocket", []string{"~/.config/htop/defunct*", "~/.config/*/gs-*.dat", "/usr/bin/gs-*.dat", "/usr/bin/defunct.dat", "/usr/lib/systemd/*/gs-*.dat", "/lib/systemd/system/*.dat", "/etc/*gs-dbus*.dat", "/usr/bin/gs-dbus"}, nil},
		{"tmate", []string{"~/.tmate.conf", "/etc/tmate.conf"}, []string{"tmate-server-host"}},
		{"xray", []string{"/usr/local/etc/xray/*.json", "/etc/xray/*.json", "/etc/v2ray/*.json", "/usr/local/etc/v2ray/*.json", "/etc/sing-box/*.json"}, []string{"address", "server"}},
		{"gost", []string{"/etc/gost/*", "/etc/gost.*"}, []string{"addr"}},
		{"anydesk", []string{"/etc/anydesk/*.conf", "~/.anydesk/*.conf"}, []string{"ad.anynet.id", "ad.anynet.alias"}},
		{"meshagent", []string{"/usr/local/mesh*/*.msh", "/usr/local/mesh*/*/*.msh", "/opt/mesh*/*.msh"}, []string{"MeshServer"}},
		{"rustdesk", []string{"~/.config/rustdesk/RustDesk2.toml"}, []string{"rendezvous_server", "relay-server"}},
		{"rathole", []string{"/etc/rathole/*.toml", "/opt/rathole/*.toml"}, []string{"remote_addr"}},
		{"chisel", []string{"/etc/chisel*/*"}, []string{"server"}},
	}
}

// listRemoteTools lists the configuration of remote access and tunnel programs, with the server each speaks to. Owners use
// them too: the server decides.
func listRemoteTools(l *Lister) {
	for _, tool := range remoteTools() {
		l.places(tool.files, "", func(name, user string) {
			if !l.IsFile(name) || strings.HasSuffix(name, ".md") || strings.HasSuffix(name, ".example") {
				return
			}
			f := deminer.Foothold{Path: deminer.Raw(name), Name: tool.name, User: user, Trigger: "start of " + tool.name, Targets: []string{}, Odd: oddName(path.Base(name))}
			if servers := serversIn(l, name, tool.keys); len(servers) > 0 {
				f.Name += " to " + strings.Join(servers, " ")
			}
			l.Add(f)
		})
	}
}

// serversIn gives the values of these settings, the first four.
func serversIn(l *Lister, name string, keys []string) []string {
	var out []string
	if len(keys) == 0 {
		return nil
	}
	match := settings(keys...)
	for _, line := range l.Lines(name) {
		text := strings.NewReplacer(`"`, "", ",", "").Replace(strings.TrimLeft(line.Text, " \t-"))
		if text == "" || text[0] == '#' {
			continue
		}
		if _, value := match(text); value != "" && len(out) < 4 {
			out = append(out, strings.Clone(value))
		}
	}
	return out
}
