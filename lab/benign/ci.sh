#!/bin/sh
# A build server at work: runners from archives, in no package, that build and run what they built. For a lab host only.
set -eu
[ -e /etc/deminer-lab ] || { echo 'not a lab host' >&2; exit 1; }
useradd -m -s /bin/bash gitlab-runner
install -d -o gitlab-runner /opt/actions-runner/bin /opt/actions-runner/_work/app/app/bin /opt/actions-runner/_work/_temp /home/gitlab-runner/builds/Zx1/0/shop/api
cp /usr/bin/perl /opt/actions-runner/bin/Runner.Listener
cp /usr/bin/perl /usr/local/bin/gitlab-runner
cat > /opt/actions-runner/run.pl <<'P'
# takes one job after the other: a step is a script in _temp, its program is built below _work
use strict; use warnings; my ($work, $n) = (shift, 0);
while (1) {
    my $step = "$work/_temp/" . ++$n . ".sh";
    open my $f, '>', $step or die $!;
    print $f "set -e\ncurl -fsS -o $work/_temp/page http://127.0.0.1/ || true\ncp /usr/bin/openssl $work/app/app/bin/test\nfor i in 1 2 3 4 5; do sh -c 'echo \$\$ | md5sum'; done >/dev/null\n$work/app/app/bin/test speed -seconds 3 sha256 >/dev/null 2>&1\nrm -f $work/app/app/bin/test\n";
    close $f;
    system '/bin/sh', '-e', $step;
    unlink $step;
}
P
install -d -o gitlab-runner /home/gitlab-runner/builds/Zx1/_temp /home/gitlab-runner/builds/Zx1/app/app/bin
printf '[Unit]\nDescription=GitHub Actions Runner\n[Service]\nUser=gitlab-runner\nExecStart=/opt/actions-runner/bin/Runner.Listener /opt/actions-runner/run.pl /opt/actions-runner/_work\nRestart=always\n[Install]\nWantedBy=multi-user.target\n' > /etc/systemd/system/actions.runner.service
printf '[Unit]\nDescription=GitLab Runner\n[Service]\nUser=gitlab-runner\nExecStart=/usr/local/bin/gitlab-runner /opt/actions-runner/run.pl /home/gitlab-runner/builds/Zx1\nRestart=always\n[Install]\nWantedBy=multi-user.target\n' > /etc/systemd/system/gitlab-runner.service
chown -R gitlab-runner /opt/actions-runner /home/gitlab-runner
printf '%%gitlab ALL=(ALL) NOPASSWD: /usr/bin/systemctl restart shop.service\n' > /etc/sudoers.d/gitlab
chmod 440 /etc/sudoers.d/gitlab
# the engine's socket, as a runner of containers has it open
systemd-run --quiet --unit=engine perl -MIO::Socket::UNIX -e 'unlink "/run/docker.sock"; my $l = IO::Socket::UNIX->new(Local => "/run/docker.sock", Listen => 8) or die; while (my $c = $l->accept) { close $c }'
systemctl daemon-reload
systemctl -q enable --now actions.runner.service gitlab-runner.service
