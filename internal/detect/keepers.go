package detect

import "regexp"

// keeper is a program that changes keys, accounts or settings of a host on somebody's order although nobody logs in. One
// of its paths tells that it is there.
type keeper struct {
	name  string
	paths []string
}

// keepers are guest agents of clouds, configuration management, hosting panels, runners of build systems and Git servers.
// The paths are where their packages, installers or documentation put them.
var keepers = []keeper{
	{"the Google guest agent", []string{"/usr/bin/google_guest_agent", "/usr/bin/google_guest_agent_manager", "/usr/bin/google_accounts_daemon"}},
	{"the Azure agent", []string{"/usr/sbin/waagent", "/usr/bin/waagent"}},
	{"the agent of AWS Systems Manager", []string{"/usr/bin/amazon-ssm-agent", "/snap/amazon-ssm-agent", "/opt/aws/ssm"}},
	{"EC2 Instance Connect", []string{"/usr/share/ec2-instance-connect", "/opt/aws/bin/eic_run_authorized_keys"}},
	{"cloud-init", []string{"/usr/bin/cloud-init"}},
	{"the DigitalOcean agent", []string{"/opt/digitalocean/bin/droplet-agent"}},
	{"Alibaba Cloud Assistant", []string{"/usr/local/share/aliyun-assist", "/usr/sbin/aliyun-service"}},
	{"Tencent's automation agent", []string{"/usr/local/qcloud/tat_agent"}},
	{"the Oracle cloud agent", []string{"/usr/libexec/oracle-cloud-agent", "/snap/oracle-cloud-agent"}},
	{"the QEMU guest agent", []string{"/usr/sbin/qemu-ga", "/usr/bin/qemu-ga"}},
	{"VMware's guest tools", []string{"/usr/bin/vmtoolsd"}},
	{"ansible-pull", []string{"/usr/bin/ansible-pull", "/usr/local/bin/ansible-pull", "/opt/ansible/bin/ansible-pull"}},
	{"Puppet", []string{"/usr/bin/puppet", "/opt/puppetlabs/bin/puppet", "/opt/puppetlabs/puppet/bin/puppet"}},
	{"Chef", []string{"/usr/bin/chef-client", "/opt/chef/bin/chef-client", "/opt/cinc/bin/cinc-client"}},
	{"Salt", []string{"/usr/bin/salt-minion", "/opt/saltstack/salt/salt-minion"}},
	{"CFEngine", []string{"/var/cfengine/bin/cf-agent", "/usr/sbin/cf-agent"}},
	{"Rudder", []string{"/opt/rudder/bin/rudder"}},
	{"Landscape", []string{"/usr/bin/landscape-client"}},
	{"the JumpCloud agent", []string{"/opt/jc/bin/jumpcloud-agent", "/opt/jc"}},
	{"Fleet's agent", []string{"/opt/orbit"}},
	{"cPanel", []string{"/usr/local/cpanel"}},
	{"Plesk", []string{"/usr/local/psa", "/opt/psa"}},
	{"DirectAdmin", []string{"/usr/local/directadmin"}},
	{"CageFS", []string{"/usr/share/cagefs", "/etc/cagefs"}},
	{"ISPConfig", []string{"/usr/local/ispconfig"}},
	{"Webmin", []string{"/etc/webmin", "/usr/share/webmin", "/usr/libexec/webmin"}},
	{"Hestia", []string{"/usr/local/hestia"}},
	{"Vesta", []string{"/usr/local/vesta"}},
	{"CyberPanel", []string{"/usr/local/CyberCP"}},
	{"aaPanel", []string{"/www/server/panel"}},
	{"RunCloud", []string{"/RunCloud"}},
	{"Froxlor", []string{"/var/www/froxlor"}},
	{"Proxmox VE", []string{"/etc/pve"}},
	{"GitLab", []string{"/opt/gitlab"}},
	{"a GitLab runner", []string{"/usr/bin/gitlab-runner", "/usr/local/bin/gitlab-runner"}},
	{"a GitHub runner", []string{"/actions-runner", "/opt/actions-runner", "/home/runner/actions-runner"}},
	{"a Buildkite agent", []string{"/usr/bin/buildkite-agent"}},
	{"Jenkins", []string{"/var/lib/jenkins"}},
	{"Gitea", []string{"/usr/local/bin/gitea", "/usr/bin/gitea", "/var/lib/gitea"}},
	{"Dokku", []string{"/var/lib/dokku"}},
	{"Coolify", []string{"/data/coolify"}},
	{"CapRover", []string{"/captain"}},
}

// selfActing are words of commands and scripts that change a host by orders from elsewhere, or write login keys.
var selfActing = regexp.MustCompile(`(?i)\b(?:ansible|puppet|chef-client|cinc-client|salt-call|cf-agent|rudder|authorized_keys|ssh-import-id|ssh-copy-id|rsync|scp|sftp|lftp|rclone|unison)\b|` +
	`\bgit\b[^\n]{0,200}\b(?:pull|fetch|clone|reset|checkout)\b|\b(?:curl|wget)\b[^\n]{0,400}\|\s*(?:sudo\s+)?(?:\S*/)?(?:ba|da|z|k)?sh\b|\beval\b`)

// sessions are programs that come with a login or with a user's own manager: they change nothing by themselves.
var sessions = set("sshd", "sshd-session", "systemd", "(sd-pam)", "dbus-daemon", "bash", "sh", "dash", "zsh", "fish", "su", "sudo", "login", "tmux", "screen")
