//go:build linux && lab

package service

import (
	"strings"
	"testing"

	"github.com/deminer/deminer/lab/host"
)

// TestAgentRefuses: where the policy says so, a program that a rule proves to be bad does not begin, and a login never comes
// to a pool; both are told with who did it, and are over when the agent has gone.
func TestAgentRefuses(t *testing.T) {
	h, _ := boot(t)
	sh(t, h, `mkdir -p /etc/deminer /root/rules
cp /bin/bash /opt/worker
printf 'version: 1\nprevent: {program: block, login: block}\n' > /etc/deminer/policy.yaml
printf 'rule own { meta: strength = "proof" class = "mining" what = "a mark of ours" strings: $a = "MARK-OF-OURS" condition: $a }\n' > /root/rules/own.yar
printf '#!/bin/sh\n# MARK-OF-OURS\necho ran\n' > /opt/bad; printf '#!/bin/sh\necho ran\n' > /opt/good; chmod 755 /opt/bad /opt/good`)
	pool := build(t, "./lab/pool", "pool")
	if err := h.InPoolNamespace("pool.log", pool, "-plain", host.PoolAddr+":3333"); err != nil {
		t.Fatal(err)
	}
	const login = `systemd-run --quiet --pipe --wait --collect /opt/worker -c 'exec 3<>/dev/tcp/` + host.PoolAddr + `/3333; printf "{\"id\":1,\"jsonrpc\":\"2.0\",\"method\":\"login\",\"params\":{\"login\":\"worker\",\"pass\":\"x\",\"agent\":\"tester/1.0\"}}\n" >&3; read -t 20 line <&3; echo "answer: ${line:0:8}"'`
	wants(t, "before", sh(t, h, "/opt/bad; "+login), "ran", "answer: {")
	sh(t, h, "setsid /root/deminer agent --rules /root/rules > /root/log 2>&1 < /dev/null & echo $! > /root/pid")
	waitFor(t, h, "cat /root/log", "watches")
	waitFor(t, h, "/opt/bad 2>&1", "not permitted")
	wants(t, "a good one", sh(t, h, "/opt/good"), "ran")
	if got := sh(t, h, "/opt/bad; echo code $?"); strings.Contains(got, "ran") || !strings.Contains(got, "code 126") {
		t.Errorf("a bad one: %s", got)
	}
	waitFor(t, h, "/root/deminer alerts list --json", "a program whose content is known to be bad was refused")
	wants(t, "why", sh(t, h, "/root/deminer alerts list --json"), "/opt/bad: the rule yara/own proves its content: a mark of ours; asked for by sh")
	sh(t, h, "("+login+") > /root/answer 2>&1 &")
	waitFor(t, h, "/root/deminer alerts list --json", "a login to a mining pool was refused")
	if got := sh(t, h, "cat /root/answer"); strings.Contains(got, "{") {
		t.Errorf("the pool answered: %s", got)
	}
	sh(t, h, "kill $(cat /root/pid); while kill -0 $(cat /root/pid) 2> /dev/null; do sleep 0.2; done")
	wants(t, "after", sh(t, h, "/opt/bad; ls /sys/fs/bpf/deminer 2>&1"), "ran", "No such file")
	t.Log(sh(t, h, "cat /root/log"))
}
