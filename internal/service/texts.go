package service

import (
	"fmt"
	"strings"
)

// Unit is the text of the service's unit.
//
// What systemd does by a mount namespace of the service's own (ProtectSystem, PrivateTmp, ProtectKernelLogs and their kin) is
// left out: the agent has to see the mounts of the host, and a mark on a mount of its own would see nothing of the others'.
// The kernel's log is kept from it by taking CAP_SYSLOG away instead, and what it never asks for by address families and
// system calls.
func (c Config) Unit() string {
	return strings.NewReplacer("@COMMAND@", c.command(), "@TASKS@", fmt.Sprint(c.Limits.Tasks), "@SLICE@", Slice).Replace(`[Unit]
Description=deminer agent: ends cryptomining intrusions as they happen
Documentation=man:deminer(8)
After=local-fs.target
StartLimitIntervalSec=600
StartLimitBurst=20

[Service]
Type=notify
NotifyAccess=main
ExecStart=@COMMAND@
WatchdogSec=180
TimeoutStartSec=120
TimeoutStopSec=30
Restart=always
RestartSec=2
Slice=@SLICE@
OOMScoreAdjust=-700
RuntimeDirectory=deminer
RuntimeDirectoryMode=0700
RuntimeDirectoryPreserve=restart
UMask=0077
LimitCORE=0
LimitMEMLOCK=infinity
LimitNOFILE=16384
TasksMax=@TASKS@
NoNewPrivileges=yes
CapabilityBoundingSet=CAP_BPF CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_KILL CAP_LINUX_IMMUTABLE CAP_MKNOD CAP_NET_ADMIN CAP_PERFMON CAP_SETFCAP CAP_SYS_ADMIN CAP_SYS_CHROOT CAP_SYS_PTRACE CAP_SYS_RESOURCE
RestrictAddressFamilies=AF_UNIX AF_NETLINK AF_INET AF_INET6
RestrictNamespaces=mnt net
RestrictRealtime=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=~@clock @cpu-emulation @obsolete @raw-io @reboot @swap
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
`)
}

// Slice is the text of the slice: the limits that hold whatever happens in the agent.
func (c Config) Slice() string {
	return fmt.Sprintf(`[Unit]
Description=What deminer may take from this host
Documentation=man:deminer(8)

[Slice]
CPUAccounting=yes
CPUQuota=%d%%
CPUWeight=50
MemoryAccounting=yes
MemoryHigh=%dM
MemoryMax=%dM
MemorySwapMax=0
IOAccounting=yes
IOWeight=50
TasksAccounting=yes
TasksMax=%d
`, c.Limits.CPU, c.Limits.Memory, c.Limits.MemoryMax, c.Limits.Tasks)
}

// OpenRC is a script for /etc/init.d of OpenRC.
func (c Config) OpenRC() string {
	return fmt.Sprintf(`#!/sbin/openrc-run
description="deminer agent: ends cryptomining intrusions as they happen"
supervisor=supervise-daemon
command=%q
command_args=%q
respawn_delay=2
respawn_max=20
respawn_period=600
rc_ulimit="-c 0 -n 16384"

depend() {
	need localmount
	after bootmisc
}
`, c.Binary, strings.Join(c.Args, " "))
}

// SysV is a script for /etc/init.d of System V init. It starts the agent again when it ends, as the others do.
func (c Config) SysV() string {
	return strings.NewReplacer("@COMMAND@", c.command()).Replace(`#!/bin/sh
### BEGIN INIT INFO
# Provides:          deminer-agent
# Required-Start:    $local_fs
# Required-Stop:     $local_fs
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: deminer agent
### END INIT INFO
PID=/run/deminer-agent.pid
alive() { [ -s "$PID" ] && kill -0 "$(cat "$PID")" 2>/dev/null; }
case "$1" in
start)
	alive && exit 0
	setsid /bin/sh -c 'trap "kill \$child; exit 0" TERM; while :; do @COMMAND@ & child=$!; wait $child; sleep 2; done' >/dev/null 2>&1 </dev/null &
	echo $! >"$PID"
	;;
stop)
	alive && kill "$(cat "$PID")"
	rm -f "$PID"
	;;
restart|force-reload)
	"$0" stop
	sleep 1
	exec "$0" start
	;;
status)
	alive && echo running || { echo stopped; exit 3; }
	;;
*)
	echo "usage: $0 start|stop|restart|status" >&2
	exit 2
	;;
esac
`)
}
