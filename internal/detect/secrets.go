package detect

import (
	"path"
	"strings"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// secretPlace is where a credential lies, below a home ("~/") or absolute.
type secretPlace struct{ name, kind, rotate string }

const (
	rotateSSH   = "Make a new key pair, replace the public key wherever it is accepted, and delete the old one there."
	rotateCloud = "Revoke the access key in the cloud console, make a new one, and look through the audit trail for its use."
	rotateToken = "Revoke the token at its service and issue a new one."
)

var secretPlaces = []secretPlace{
	{"~/.aws/credentials", "AWS access keys", rotateCloud}, {"~/.aliyun/config.json", "Alibaba Cloud access keys", rotateCloud},
	{"~/.tccli/default.credential", "Tencent Cloud access keys", rotateCloud}, {"~/.config/gcloud/credentials.db", "Google Cloud credentials", rotateCloud},
	{"~/.config/gcloud/application_default_credentials.json", "Google Cloud credentials", rotateCloud}, {"~/.azure/accessTokens.json", "Azure tokens", rotateCloud},
	{"~/.azure/msal_token_cache.json", "Azure tokens", rotateCloud}, {"~/.s3cfg", "object storage keys", rotateCloud}, {"~/.ossutilconfig", "Alibaba object storage keys", rotateCloud},
	{"~/.boto", "cloud keys", rotateCloud}, {"~/.docker/config.json", "Docker registry logins", rotateToken}, {"~/.kube/config", "Kubernetes credentials", "Issue new credentials for the cluster user; rotate the service-account tokens of this node."},
	{"/etc/kubernetes/admin.conf", "Kubernetes cluster admin", "Renew the cluster's certificates and admin credentials."}, {"/var/lib/kubelet/pki/kubelet-client-current.pem", "Kubernetes node certificate", "Rebuild the node or renew its certificate."},
	{"/etc/rancher/k3s/k3s.yaml", "Kubernetes cluster admin", "Renew the cluster's certificates."},
	{"~/.git-credentials", "Git passwords", rotateToken}, {"~/.config/gh/hosts.yml", "GitHub token", rotateToken}, {"~/.netrc", "passwords for network services", rotateToken},
	{"~/.npmrc", "npm token", rotateToken}, {"~/.pypirc", "PyPI token", rotateToken}, {"~/.vault-token", "Vault token", rotateToken}, {"~/.terraform.d/credentials.tfrc.json", "Terraform token", rotateToken},
	{"~/.my.cnf", "MySQL password", "Change the data base password."}, {"~/.pgpass", "PostgreSQL passwords", "Change the data base passwords."}, {"~/.config/rclone/rclone.conf", "storage logins", rotateToken},
	{"~/.gnupg/private-keys-v1.d", "GnuPG secret keys", "Revoke the key and make a new one, if its passphrase was typed here."}, {"~/.bash_history", "passwords typed on command lines", "Read it for passwords and tokens and change those."},
	{"/etc/shadow", "password hashes of all accounts", "Change the passwords of all accounts that can log in."}, {"/etc/ssh/ssh_host_ed25519_key", "the host's own ssh key", "Make new host keys and tell the users; a copy lets somebody pose as this host."},
	{"/etc/mysql/debian.cnf", "MySQL maintenance password", "Change the password of debian-sys-maint."}, {"/var/lib/jenkins/secrets/master.key", "Jenkins credentials", "Rotate every credential stored in Jenkins."},
	{"/etc/gitlab/gitlab-secrets.json", "GitLab secrets", "Rotate the secrets GitLab holds."}, {"/etc/gitlab-runner/config.toml", "GitLab runner token", rotateToken}, {"/root/.acme.sh", "certificate keys", "Revoke and reissue the certificates."},
	{"/etc/letsencrypt/live", "certificate keys", "Revoke and reissue the certificates."}, {"/etc/openvpn", "VPN keys", "Issue new VPN keys."}, {"/etc/wireguard", "VPN keys", "Issue new VPN keys."},
}

// maxSecrets bounds the list.
const maxSecrets = 500

// Secrets lists the credentials on the host that somebody who was root, or who ran as the user that owns them, could
// read. Their content is not read.
func Secrets(p *Pass) []deminer.Secret {
	p.Prepare()
	var out []deminer.Secret
	add := func(name, kind, why, rotate string) {
		if len(out) < maxSecrets {
			out = append(out, deminer.Secret{Path: deminer.Raw(name), Kind: kind, Why: why, Do: rotate})
		}
	}
	homes := p.homes()
	for _, s := range secretPlaces {
		if rest, ok := strings.CutPrefix(s.name, "~/"); ok {
			for _, h := range homes {
				p.secret(path.Join(h, rest), s, add)
			}
			continue
		}
		p.secret(s.name, s, add)
	}
	for _, h := range homes {
		p.sshKeys(path.Join(h, ".ssh"), add)
	}
	for _, root := range append([]string{"/opt", "/srv"}, webRoots...) {
		host.Walk(p.FS, root, 4, 20000, func(name string, e host.Entry) bool {
			switch e.Name {
			case ".env", "wp-config.php", "terraform.tfstate", "credentials.json", "database.yml", ".env.production", "settings.php":
				p.secret(name, secretPlace{name, "application passwords", "Change the passwords and keys it holds at their services."}, add)
			}
			return e.Type == deminer.Directory && !skipDirs[e.Name]
		}, func(string, error) {})
	}
	return out
}

func (p *Pass) secret(name string, s secretPlace, add func(name, kind, why, rotate string)) {
	a, err := p.FS.Stat(name)
	if err != nil || a.IsRegular() && a.Size == 0 {
		return
	}
	add(name, s.kind, readers(a), s.rotate)
}

func readers(a deminer.Attr) string {
	switch {
	case a.Mode&0o004 != 0 && a.IsRegular():
		return "every user of the host could read it"
	case a.UID == 0:
		return "root could read it"
	}
	return "its owner and root could read it"
}

// sshKeys lists private keys by their names and first bytes.
func (p *Pass) sshKeys(dir string, add func(name, kind, why, rotate string)) {
	list, err := p.FS.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range list[:min(len(list), 200)] {
		name := path.Join(dir, e.Name)
		if e.Type != deminer.Regular || strings.HasSuffix(e.Name, ".pub") || !strings.HasPrefix(p.head(name), "-----BEGIN ") {
			continue
		}
		if a, err := p.FS.Stat(name); err == nil {
			add(name, "ssh private key", readers(a), rotateSSH)
		}
	}
}
