#!/bin/sh
# A hosting panel's stack in no package: its own PHP with a busy pool, its own cron lines, pages and settings. For a lab host only.
set -eu
[ -e /etc/deminer-lab ] || { echo 'not a lab host' >&2; exit 1; }
install -d /www/server/php/74/sbin /www/server/php/74/etc /www/server/panel/script /www/server/cron /www/wwwroot/shop /www/backup
cp /usr/bin/perl /www/server/php/74/sbin/php-fpm
cat > /www/server/php/74/etc/fpm.pl <<'P'
# a master and workers that are busy with pages
use strict; use warnings; my $n = 0;
for (1 .. 3) {
    next if fork;
    $0 = 'php-fpm: pool www';
    while (1) { for (1 .. 300000) { $n = ($n * 31 + $_) % 4294967291 } select undef, undef, undef, 0.02 }
}
$0 = 'php-fpm: master process (/www/server/php/74/etc/php-fpm.conf)';
sleep 5 while 1;
P
printf '[global]\n[www]\nlisten = /tmp/php-cgi-74.sock\n' > /www/server/php/74/etc/php-fpm.conf
printf '<?php\nrequire __DIR__ . "/app.php";\n$_GET["page"] = basename($_GET["page"] ?? "home");\nrun($_GET["page"]);\n' > /www/wwwroot/shop/index.php
printf '<?php\nfunction run($p) { echo htmlspecialchars($p); }\n' > /www/wwwroot/shop/app.php
printf 'open_basedir=/www/wwwroot/shop:/tmp/\n' > /www/wwwroot/shop/.user.ini
chattr +i /www/wwwroot/shop/.user.ini
printf '#!/bin/bash\nPATH=/bin:/sbin:/usr/bin:/usr/sbin:/usr/local/bin:~/bin\nexport PATH\nfind /www/backup -mtime +7 -delete; tar -czf /www/backup/shop.tgz -C /www/wwwroot shop && logger -t panel done\n' > /www/server/cron/8c3f
chmod 700 /www/server/cron/8c3f
printf '30 1 * * * /www/server/cron/8c3f >> /www/server/cron/8c3f.log 2>&1\n*/5 * * * * cd /www/server/panel && curl -fsS -m 5 http://127.0.0.1/ >/dev/null; sleep 1\n' >> /var/spool/cron/crontabs/root
chmod 600 /var/spool/cron/crontabs/root
touch /var/spool/cron/crontabs
printf '#!/bin/bash\n### BEGIN INIT INFO\n# Provides: bt\n# Required-Start: $network\n# Required-Stop:\n# Default-Start: 2 3 4 5\n# Default-Stop:\n### END INIT INFO\ncase "$1" in\nstart) /www/server/php/74/sbin/php-fpm /www/server/php/74/etc/fpm.pl >/dev/null 2>&1 & ;;\nesac\n' > /etc/init.d/bt
chmod 755 /etc/init.d/bt
systemctl daemon-reload
systemctl start bt
