package persist

import (
	"path"
	"strings"

	"github.com/deminer/deminer"
)

// listUserRecords lists the accounts that systemd-userdbd serves from files beside passwd (nss-systemd(8), userdbctl(1)).
func listUserRecords(l *Lister) {
	for _, name := range l.Files("/etc/userdb", "/run/userdb", "/usr/lib/userdb", "/usr/local/lib/userdb", "/var/lib/systemd/home") {
		var u struct {
			UserName string   `json:"userName"`
			UID      *uint32  `json:"uid"`
			Shell    string   `json:"shell"`
			MemberOf []string `json:"memberOf"`
		}
		ext := path.Ext(name)
		if ext != ".user" && ext != ".user-privileged" && ext != ".identity" {
			continue
		}
		if err := readJSON(l, name, &u); err != nil {
			l.gap(deminer.Failed, name, err.Error())
			continue
		}
		f := deminer.Foothold{Path: deminer.Raw(name), Name: u.UserName, User: u.UserName, Trigger: "login of " + u.UserName, Targets: []string{},
			Odd: []string{"an account that passwd does not show"}}
		if u.UID != nil && *u.UID == 0 {
			f.Odd = append(f.Odd, "has uid 0: it is root under another name")
		}
		if strings.HasPrefix(u.Shell, "/") {
			f.Targets = []string{path.Clean(u.Shell)}
		}
		for _, g := range u.MemberOf[:min(len(u.MemberOf), maxTarget)] {
			f.Odd = append(f.Odd, "member of "+g)
		}
		l.Add(f)
	}
}
