#!/bin/sh
# What the owner of a lab host runs there: all of it must survive a clean-up
# untouched. Runs once, as root, inside the new root (not booted).
set -eu
export DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin

echo 'deminer lab host, harmless imitations only' > /etc/deminer-lab
echo shop-01 > /etc/hostname
# /tmp is kept over a reboot, so that what an undo put back there can be compared
printf 'q /tmp 1777 root root -\nq /var/tmp 1777 root root -\n' > /etc/tmpfiles.d/tmp.conf
cat > /etc/hosts <<'E'
127.0.0.1 localhost
127.0.1.1 shop-01.example.internal shop-01
10.20.0.5 db.example.internal
10.20.0.6 cache.example.internal
203.0.113.80 api.payments.invalid
E
echo 'nameserver 127.0.0.1' > /etc/resolv.conf
rm -f /etc/machine-id /var/lib/dbus/machine-id
echo 6f1d2c3b4a5968778695a4b3c2d1e0f0 > /etc/machine-id

# People
for u in alice bob deploy; do useradd -m -s /bin/bash "$u"; done
usermod -aG sudo alice
for u in alice bob deploy; do
    install -d -m 700 -o "$u" -g "$u" "/home/$u/.ssh"
    ssh-keygen -q -t ed25519 -N '' -C "$u@laptop" -f "/home/$u/.ssh/id_ed25519"
    cp "/home/$u/.ssh/id_ed25519.pub" "/home/$u/.ssh/authorized_keys"
    chmod 600 "/home/$u/.ssh/authorized_keys"
    chown -R "$u:$u" "/home/$u/.ssh"
done
install -d -m 700 /root/.ssh
cat /home/alice/.ssh/id_ed25519.pub /home/bob/.ssh/id_ed25519.pub > /root/.ssh/authorized_keys
chmod 600 /root/.ssh/authorized_keys
echo 'db.example.internal ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFakeButWellFormedHostKeyForTheLabOnly0000000' > /home/bob/.ssh/known_hosts
chown bob:bob /home/bob/.ssh/known_hosts
printf '%%sudo-shop ALL=(ALL) NOPASSWD: /usr/bin/systemctl restart shop.service\ndeploy ALL=(root) NOPASSWD: /usr/bin/systemctl restart shop.service, /usr/local/bin/deploy-shop\n' > /etc/sudoers.d/deploy
chmod 440 /etc/sudoers.d/deploy

# The unpackaged business service
install -d /opt/shop/releases/2024-03-01
cat > /opt/shop/shop.pl <<'E'
# The shop's order worker: answers "ok" on 127.0.0.1:9090.
use strict; use warnings; use IO::Socket::INET;
my $l = IO::Socket::INET->new(LocalAddr => '127.0.0.1:9090', Listen => 16, ReuseAddr => 1) or die $!;
while (my $c = $l->accept) {
    while (my $line = <$c>) { last if $line =~ /^\r?\n$/ }
    print $c "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nok\n";
    close $c;
}
E
echo 'DATABASE_URL=postgres:///shop' > /opt/shop/shop.env
cat > /etc/systemd/system/shop.service <<'E'
[Unit]
Description=Shop order worker
After=network.target postgresql.service redis-server.service
[Service]
User=deploy
EnvironmentFile=/opt/shop/shop.env
ExecStart=/usr/bin/perl /opt/shop/shop.pl
Restart=always
RestartSec=2
[Install]
WantedBy=multi-user.target
E
cat > /etc/systemd/system/shop-report.service <<'E'
[Unit]
Description=Nightly shop report
[Service]
Type=oneshot
ExecStart=/usr/local/bin/shop-report
E
cat > /etc/systemd/system/shop-report.timer <<'E'
[Unit]
Description=Nightly shop report
[Timer]
OnCalendar=*-*-* 02:30:00
Persistent=true
[Install]
WantedBy=timers.target
E

# Scripts and cron jobs of the owner, among them such that fetch with curl
printf '#!/bin/sh\nset -e\ncd /opt/shop && ls releases | tail -1 > current\n' > /usr/local/bin/deploy-shop
printf '#!/bin/sh\npsql -qAt shop -c "select count(*) from orders" > /var/tmp/shop-orders.count 2>/dev/null || true\n' > /usr/local/bin/shop-report
cat > /usr/local/bin/backup-shop <<'E'
#!/bin/sh
# dump, compress, report
set -e
install -d -m 700 /var/backups/shop
su postgres -c 'pg_dump shop' | gzip > /var/backups/shop/shop.sql.gz
curl -fsS -m 10 --retry 2 https://hc-ping.invalid/1f0b2c7e-backup >/dev/null || true
E
chmod 755 /usr/local/bin/*
cat > /etc/cron.d/shop <<'E'
SHELL=/bin/sh
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
MAILTO=""
15 3 * * * root /usr/local/bin/backup-shop
*/5 * * * * deploy curl -fsS -m 10 https://hc-ping.invalid/9c4f-shop-alive >/dev/null 2>&1
E
cat > /etc/cron.d/certbot <<'E'
0 */12 * * * root test -x /usr/bin/certbot -a \! -d /run/systemd/system && perl -e 'sleep int(rand(43200))' && certbot -q renew
E
cat > /var/spool/cron/crontabs/bob <<'E'
# m h dom mon dow command
30 7 * * 1-5 /usr/bin/curl -s https://status.example.invalid/report.json -o /home/bob/report.json
@reboot /usr/bin/test -e /home/bob/.profile
E
chmod 600 /var/spool/cron/crontabs/bob; chown bob:crontab /var/spool/cron/crontabs/bob

# Web site
install -d /var/www/shop
cat > /var/www/shop/index.html <<'E'
<!doctype html><title>Shop</title><h1>Shop</h1><p>Open every day.</p>
E
printf '<?php\nrequire __DIR__ . "/lib.php";\necho shop_title($_GET["page"] ?? "home");\n' > /var/www/shop/index.php
printf '<?php\nfunction shop_title($p) { return htmlspecialchars(ucfirst($p)); }\n' > /var/www/shop/lib.php
chown -R www-data:www-data /var/www/shop
cat > /etc/nginx/sites-available/shop <<'E'
server {
    listen 80 default_server;
    root /var/www/shop;
    location /api/ { proxy_pass http://127.0.0.1:9090/; }
}
E
ln -sf ../sites-available/shop /etc/nginx/sites-enabled/shop
rm -f /etc/nginx/sites-enabled/default

# Settings and firewall of the owner
printf 'net.core.somaxconn = 1024\nnet.ipv4.tcp_keepalive_time = 300\nvm.overcommit_memory = 1\n' > /etc/sysctl.d/60-shop.conf
install -d /etc/iptables
cat > /etc/iptables/rules.v4 <<'E'
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
-A INPUT -p tcp -m multiport --dports 80,443 -j ACCEPT
-A INPUT -s 10.20.0.0/16 -p tcp -m tcp --dport 5432 -j ACCEPT
COMMIT
E
cat > /etc/nftables.conf <<'E'
#!/usr/sbin/nft -f
table inet shop {
	set trusted { type ipv4_addr; elements = { 10.20.0.5, 10.20.0.6 } }
	chain input {
		type filter hook input priority 10; policy accept;
		ip saddr @trusted counter accept
		tcp dport 9090 ip saddr != 127.0.0.1 drop
	}
}
E
printf 'sshd: 10.20.0.0/16\n' >> /etc/hosts.allow
printf 'PermitRootLogin prohibit-password\nPasswordAuthentication no\n' > /etc/ssh/sshd_config.d/10-shop.conf
sed -i 's/^# *maxmemory <bytes>/maxmemory 64mb/' /etc/redis/redis.conf

# Data
pg_ctlcluster 15 main start
su postgres -c "psql -q -c 'create role deploy login' -c 'create database shop owner deploy'"
su postgres -c "psql -q shop -c 'create table orders(id serial primary key, who text, cents int)' -c \"insert into orders(who,cents) select 'customer '||i, i*7 from generate_series(1,500) i\" -c 'grant all on orders to deploy'"
pg_ctlcluster 15 main stop
su -s /bin/sh redis -c 'redis-server --daemonize yes --dir /var/lib/redis --pidfile /tmp/redis.pid --save "" --port 6390' >/dev/null
sleep 1
for i in 1 2 3 4 5 6 7 8 9; do redis-cli -p 6390 set "cart:$i" "items $i" >/dev/null; done
redis-cli -p 6390 save >/dev/null; redis-cli -p 6390 shutdown nosave >/dev/null 2>&1 || true

# Quiet for a lab: no console logins, no waiting for a network, no package timers
systemctl mask -q console-getty.service getty@.service systemd-networkd-wait-online.service systemd-logind.service systemd-resolved.service systemd-timesyncd.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer man-db.timer 2>/dev/null || true
systemctl enable -q shop.service shop-report.timer nftables.service cron nginx redis-server postgresql ssh rsyslog atd
rm -f /etc/ssh/ssh_host_*; ssh-keygen -A >/dev/null
rm -rf /tmp/* /var/tmp/* /var/log/journal
# passwords were set long ago, too
sed -i -E 's/^([^:]*:[^:]*:)[0-9]+:/\119500:/' /etc/shadow
# everything was put there long ago, each part on a day of its own
n=0
for p in /opt/shop /usr/local/bin /etc/cron.d /etc/hosts /etc/hosts.allow /etc/sudoers.d /etc/systemd/system /var/www /home/alice /home/bob /home/deploy /root/.ssh /var/spool/cron /etc/iptables /etc/nftables.conf /etc/sysctl.d /etc/passwd /etc/shadow /etc/group /etc/gshadow /etc/redis /etc/ssh /etc/nginx /etc/tmpfiles.d /etc/postgresql; do
    n=$((n + 1))
    find "$p" -exec touch -h -d "2023-06-$((n % 28 + 1)) $((n % 24)):$((n * 7 % 60)):$((n * 13 % 60))" {} +
done
