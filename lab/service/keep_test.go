//go:build linux && lab

package service

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/deminer/deminer/lab/host"
	"github.com/deminer/deminer/lab/scenario"
	"github.com/deminer/deminer/lab/wallet"
)

// used prints how much processor time the processes of the unit use in a second, in ticks.
const used = `sum() { for p in $(cat $(find /sys/fs/cgroup -path '*worker.service/cgroup.procs' | head -n 1)); do cut -d' ' -f14,15 /proc/$p/stat; done | awk '{n += $1 + $2} END {print n+0}'; }
a=$(sum); sleep 1; b=$(sum); echo "used $((b - a))"`

// TestAgentIsReplaced: what an agent stopped, blocked and refuses outlives its kill with -9 and its renewal, is taken over once by the next,
// and can be taken back by it. While it is renewed no login passes; programs are refused again when the next watches.
func TestAgentIsReplaced(t *testing.T) {
	h, standin := boot(t)
	sh(t, h, `mkdir -p /etc/deminer /run/deminer /root/rules
cp /bin/bash /opt/worker2; mount -t tmpfs t /mnt; mkdir /mnt/bpf /mnt/cgroup; mount --rbind /sys/fs/cgroup /mnt/cgroup; mount --rbind /mnt /sys/fs; mount -t bpf bpf /sys/fs/bpf
printf 'version: 1\nrespond: {freeze: proof, block: proof, block_for: 24h}\nclasses: {mining: block}\nprevent: {program: block, login: block}\nguessing: block\n' > /etc/deminer/policy.yaml
printf 'rule own { meta: strength = "proof" class = "mining" what = "a mark of ours" strings: $a = "MARK-OF-OURS" condition: $a }\n' > /root/rules/own.yar
printf '#!/bin/sh\n# MARK-OF-OURS\necho ran\n' > /opt/bad; chmod 755 /opt/bad
echo alice:right | chpasswd; printf 'PasswordAuthentication yes\nMaxStartups 100\n' > /etc/ssh/sshd_config.d/00-lab.conf; systemctl restart ssh`)
	pool := build(t, "./lab/pool", "pool")
	if err := h.InPoolNamespace("pool.log", pool, "-plain", host.PoolAddr+":3333,"+host.PoolAddr2+":3333"); err != nil {
		t.Fatal(err)
	}
	start := func() {
		t.Helper()
		sh(t, h, "setsid /root/deminer agent --rules /root/rules > /root/log 2>&1 < /dev/null & echo $! > /root/pid")
		waitFor(t, h, "cat /root/log", " watches; ")
		waitFor(t, h, "/opt/bad 2>&1", "not permitted")
	}
	const login = `exec 3<>/dev/tcp/` + host.PoolAddr2 + `/3333; printf "{\"id\":1,\"jsonrpc\":\"2.0\",\"method\":\"login\",\"params\":{\"login\":\"worker\",\"pass\":\"x\",\"agent\":\"tester/1.0\"}}\n" >&3; `
	program, err := os.ReadFile(build(t, "./lab/miner", "miner"))
	if err != nil {
		t.Fatal(err)
	}
	program, err = scenario.Attach(program, map[string]any{"cpu": map[string]any{"threads": 1}, "randomx": map[string]any{"mode": "none"},
		"pools": []any{map[string]any{"url": host.PoolAddr + ":3333", "user": wallet.Make(wallet.Mainnet, 3), "pass": "x"}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.CopyIn(t.Context(), program, "/opt/miner", 0o755); err != nil {
		t.Fatal(err)
	}
	start()
	defer func() { t.Log(sh(t, h, "cat /root/log; /root/deminer block list")) }()
	sh(t, h, `systemd-run --quiet --unit worker /opt/miner`)
	waitFor(t, h, "cat /root/log", "contained by itself: freeze process")
	waitFor(t, h, "/root/deminer block list", host.PoolAddr)
	out, err := exec.Command("ip", "netns", "exec", h.PoolNamespace(), standin, "guess", host.HostAddr+":22", "alice", "11").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	waitFor(t, h, "/root/deminer block list", "from "+host.PoolAddr)
	inForce := func(when string) {
		t.Helper()
		wants(t, when, sh(t, h, used), "used 0\n")
		list := sh(t, h, "/root/deminer block list")
		wants(t, when, list, "from "+host.PoolAddr)
		if n := strings.Count(list, "from "+host.PoolAddr); n != 1 {
			t.Errorf("%s: %d bans\n%s", when, n, list)
		}
	}
	inForce("while it runs")
	blocks := sh(t, h, "/root/deminer block list | wc -l")

	sh(t, h, "kill -9 $(cat /root/pid); while kill -0 $(cat /root/pid) 2> /dev/null; do sleep 0.2; done")
	inForce("killed")
	wants(t, "killed: programs do not wait for it", sh(t, h, "/opt/bad"), "ran")
	start()
	waitFor(t, h, "/root/deminer alerts list", "killed, or it crashed")
	inForce("the next after a kill")
	if got := sh(t, h, "/root/deminer block list | wc -l"); got != blocks {
		t.Errorf("%s blocks, %s before", got, blocks)
	}

	// It is renewed while a bad program and a login are tried again and again. From now on it only refuses: else the second pool, at
	// another address, is blocked, too.
	wants(t, "the second pool answers", sh(t, h, "sed -i '/^classes/d; /^prevent/d' /etc/deminer/policy.yaml; sleep 6; systemd-run --quiet --pipe --wait --collect /opt/worker2 -c '"+login+"read -t 4 line <&3 && echo \"$line\"'"), "{")
	sh(t, h, `printf 'prevent: {program: block, login: block}\n' >> /etc/deminer/policy.yaml; sleep 6
cat > /root/try <<'EOF'
while [ ! -e /root/enough ]; do
  [ "$(/opt/bad 2> /dev/null)" = ran ] && cut -d' ' -f1 /proc/uptime >> /root/ran
  sleep 0.05
done
EOF
cat > /root/log-in <<'EOF'
while [ ! -e /root/enough ]; do
  timeout 2 /opt/worker2 -c '`+login+`read -t 1 line <&3 && echo $line' >> /root/answers 2> /dev/null
done
EOF
rm -f /root/ran /root/answers
systemd-run --quiet sh /root/try; systemd-run --quiet sh /root/log-in`) // as services: what is started from outside is in no control group of the host
	sh(t, h, "touch /run/deminer/handover; sleep 2; kill $(cat /root/pid); while kill -0 $(cat /root/pid) 2> /dev/null; do sleep 0.1; done")
	start()
	sh(t, h, "rm /run/deminer/handover; sleep 2; touch /root/enough; sleep 2")
	inForce("renewed")
	if got := sh(t, h, "cat /root/answers"); got != "" {
		t.Errorf("the pool answered while it was renewed: %s", got)
	}
	gap := sh(t, h, "awk 'NR == 1 {a = $1} {b = $1} END {print b - a}' /root/ran")
	t.Logf("programs were not refused for %s s while it was renewed", strings.TrimSpace(gap))
	wants(t, "no longer than the next needs to watch", sh(t, h, "awk -v gap="+strings.TrimSpace(gap)+" 'BEGIN {print (gap < 60) ? \"short\" : \"long\"}'"), "short")

	sh(t, h, "kill $(cat /root/pid); while kill -0 $(cat /root/pid) 2> /dev/null; do sleep 0.2; done")
	wants(t, "ended", sh(t, h, "/opt/bad; ls /sys/fs/bpf/deminer 2>&1"), "ran", "No such file")
	inForce("ended")
	sh(t, h, "for p in $(ls /var/lib/deminer/journal | sed 's/[.]jsonl$//' | sort -r); do /root/deminer undo $p --yes; done > /root/undone 2>&1")
	if got := sh(t, h, used); !strings.Contains(got, "used ") || strings.Contains(got, "used 0\n") {
		t.Errorf("not let go: %s\n%s", got, sh(t, h, "cat /root/undone"))
	}
	wants(t, "nothing is left", sh(t, h, "/root/deminer block list"), "nothing is blocked")
}
