#!/bin/sh
# Deploy day: everything here was made in the last minutes by the owner, who is logged in. For a lab host only.
set -eu
[ -e /etc/deminer-lab ] || { echo 'not a lab host' >&2; exit 1; }
logger -p authpriv.info -t 'sshd[4711]' 'Accepted publickey for alice from 10.20.0.9 port 50122 ssh2: ED25519 SHA256:0000000000000000000000000000000000000000000'
for u in carol dave app; do
    useradd -m -s /bin/bash "$u"
    install -d -m 700 -o "$u" -g "$u" "/home/$u/.ssh"
    ssh-keygen -q -t ed25519 -N '' -C "root@vps" -f "/home/$u/.ssh/id_ed25519"
    cp "/home/$u/.ssh/id_ed25519.pub" "/home/$u/.ssh/authorized_keys"
    chown -R "$u:$u" "/home/$u/.ssh"
done
usermod -aG sudo carol
cat /home/carol/.ssh/id_ed25519.pub >> /root/.ssh/authorized_keys
printf 'carol ALL=(ALL) NOPASSWD:ALL\n' > /etc/sudoers.d/carol
chmod 440 /etc/sudoers.d/carol

# an unpackaged program of the owner that keeps the cores busy, as a service of its own
install -d /srv/app/bin /srv/app/.cache
cp /usr/bin/openssl /srv/app/bin/encoder
printf '[Unit]\nDescription=Nightly encoder\n[Service]\nUser=app\nExecStart=/srv/app/bin/encoder speed -multi 2 -seconds 180 sha256\nRestart=always\n[Install]\nWantedBy=multi-user.target\n' > /etc/systemd/system/encoder.service
printf '[Timer]\nOnUnitActiveSec=60\nOnBootSec=60\n[Install]\nWantedBy=timers.target\n' > /etc/systemd/system/encoder-check.timer
printf '[Service]\nType=oneshot\nExecStart=/usr/local/bin/check-encoder\n' > /etc/systemd/system/encoder-check.service
printf '#!/bin/sh\nsystemctl is-active --quiet encoder.service || systemctl restart encoder.service\n' > /usr/local/bin/check-encoder
chmod 755 /usr/local/bin/check-encoder
systemctl daemon-reload
systemctl -q enable --now encoder.service encoder-check.timer

# cron jobs, one as often as a minute, one with curl
printf '* * * * * app /usr/local/bin/check-encoder\n*/2 * * * * root curl -fsS -m 10 https://hc-ping.invalid/encoder >/dev/null 2>&1\n' > /etc/cron.d/encoder
printf '@reboot /home/dave/start.sh\n*/10 * * * * /home/dave/.local/bin/sync-assets --quiet\n' > /var/spool/cron/crontabs/dave
chmod 600 /var/spool/cron/crontabs/dave
chown dave:crontab /var/spool/cron/crontabs/dave
touch /var/spool/cron/crontabs
install -d -o dave -g dave /home/dave/.local/bin
printf '#!/bin/sh\nexit 0\n' > /home/dave/.local/bin/sync-assets
printf '#!/bin/sh\nnohup /home/dave/.local/bin/sync-assets >/dev/null 2>&1 &\n' > /home/dave/start.sh
chmod 755 /home/dave/.local/bin/sync-assets /home/dave/start.sh

# shell start, names, settings, access, protection of a file
printf 'export PATH=/home/dave/.local/bin:$PATH\n' >> /home/dave/.profile
printf '10.20.0.7 search.example.internal\n0.0.0.0 ads.example.invalid\n' >> /etc/hosts
printf 'vm.nr_hugepages = 64\nvm.swappiness = 10\n' > /etc/sysctl.d/70-encoder.conf
printf 'sshd: 192.0.2.17\n' >> /etc/hosts.allow
printf 'sshd: ALL\n' >> /etc/hosts.deny
sed -i '/COMMIT/i -A INPUT -s 192.0.2.17/32 -j ACCEPT' /etc/iptables/rules.v4
chattr +i /etc/resolv.conf

# what a deployment leaves: a script in /tmp, unpacked detection rules, miners' names in a block list
install -d /tmp/deploy/rules/yara
printf 'rule miner { strings: $a = "stratum+tcp://" $b = "xmrig" $c = "donate-level" condition: all of them }\n' > /tmp/deploy/rules/yara/miner.yar
printf '#!/bin/sh\n# blocks pools\nfor p in pool.minexmr.com xmr.pool.example; do echo "0.0.0.0 $p"; done\npkill -x xmrig || true\n' > /tmp/deploy/block-pools.sh
chmod 755 /tmp/deploy/block-pools.sh
