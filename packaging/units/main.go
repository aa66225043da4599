// Command units writes the systemd units that packages hold to a directory: those of the agent are the ones that deminer service
// install writes, with the program where packages put it.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/deminer/deminer/internal/service"
)

// server is the unit of the server and its console. It needs no right of root: its own user, and one directory.
const server = `[Unit]
Description=deminer server: the console and the memory of a fleet
Documentation=man:deminer-server(8)
After=network-online.target
Wants=network-online.target

[Service]
ExecStart=/usr/sbin/deminer server --data /var/lib/deminer-server --listen :8443
Restart=always
RestartSec=2
DynamicUser=yes
StateDirectory=deminer-server
StateDirectoryMode=0700
UMask=0077
LimitNOFILE=65536
LimitCORE=0
NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=strict
ProtectHome=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectControlGroups=yes
ProtectClock=yes
PrivateDevices=yes
PrivateTmp=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources

[Install]
WantedBy=multi-user.target
`

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: units DIR")
		os.Exit(2)
	}
	c := service.Config{Binary: "/usr/sbin/deminer", Args: []string{"agent"}, Limits: service.Usual()}
	for name, text := range map[string]string{service.Unit: c.Unit(), service.Slice: c.Slice(), "deminer-server.service": server} {
		if err := os.WriteFile(filepath.Join(os.Args[1], name), []byte(text), 0o644); err != nil {
			fmt.Fprintln(os.Stderr, "units:", err)
			os.Exit(1)
		}
	}
}
