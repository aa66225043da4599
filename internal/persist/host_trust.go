package persist

// listHostTrust lists the hosts and users that rlogin, and sshd with HostbasedAuthentication, let in without a password
// (hosts.equiv(5)).
func listHostTrust(l *Lister) {
	listLines(l, []lineRule{
		{files: []string{"/etc/hosts.equiv", "/etc/ssh/shosts.equiv", "/etc/shosts.equiv"}, match: trusted, user: "every user", trigger: "login from a trusted host"},
		{files: []string{"~/.rhosts", "~/.shosts"}, match: trusted, trigger: "login from a trusted host"},
		{files: []string{"~/.k5login"}, match: trusted, trigger: "login with a Kerberos ticket"},
	})
}

// trusted matches every line but those that take trust away.
func trusted(text string) (name, command string) {
	if text[0] == '-' {
		return "", ""
	}
	return text, ""
}
