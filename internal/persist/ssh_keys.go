package persist

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"path"
	"slices"
	"strings"

	"github.com/deminer/deminer"
)

// keyPlace is one file of keys and who is let in by it.
type keyPlace struct{ name, user string }

// listSSHKeys reads the authorized_keys files of all homes, service users' too, and those that sshd_config names
// (sshd(8), AUTHORIZED_KEYS FILE FORMAT). Every key is a way in; which keys are the owner's is not decided here.
func listSSHKeys(l *Lister) {
	var found []deminer.Foothold
	users := map[string][]string{}
	for _, p := range keyPlaces(l) {
		for _, line := range l.Lines(p.name) {
			k, ok := parseKey(line.Text)
			if !ok {
				continue
			}
			f := keyFoothold(l, p, line, k)
			if f.Key != "" && p.user != "" && !slices.Contains(users[f.Key], p.user) {
				users[f.Key] = append(users[f.Key], p.user)
			}
			found = append(found, f)
		}
	}
	for _, f := range found {
		if u := users[f.Key]; len(u) > 1 {
			f.Odd = append(f.Odd, "the same key lets in "+strings.Join(u, ", "))
		}
		l.Add(f)
	}
}

func keyFoothold(l *Lister, p keyPlace, line Line, k sshKey) deminer.Foothold {
	f := deminer.Foothold{Path: deminer.Raw(p.name), Line: deminer.Raw(line.Text), LineNo: line.No, Name: k.comment,
		User: p.user, Key: k.fingerprint, Trigger: "login of " + p.user + " with this key", Odd: oddLine(line.Text),
		Targets: []string{}, Remove: []deminer.Action{l.Cut(p.name, line.Text, line.No, true)}}
	if p.user == "" {
		f.Trigger = "copied into the home of every new account"
		if !strings.HasPrefix(p.name, "/etc/skel/") {
			f.Trigger = "login with this key, by an account that is not in passwd now"
		}
	}
	if k.fingerprint == "" {
		f.Disabled, f.Odd = true, append(f.Odd, "the key cannot be decoded, so it lets nobody in")
	}
	for _, o := range k.options {
		name, value, _ := strings.Cut(o, "=")
		switch strings.ToLower(name) {
		case "command":
			f.Command, f.Targets = deminer.Raw(value), nil
		case "environment":
			f.Odd = append(f.Odd, "sets the environment variable "+value)
		case "cert-authority":
			f.Odd = append(f.Odd, "every key this authority signs is let in")
		case "tunnel", "permitopen", "permitlisten":
			f.Odd = append(f.Odd, "option "+o)
		}
	}
	return f
}

// keyPlaces are the files of keys, each file once.
func keyPlaces(l *Lister) []keyPlace {
	var out []keyPlace
	done := map[string]bool{}
	add := func(name, user string) {
		if real := l.Real(name); !done[real] && l.Exists(name) && !l.IsDir(name) {
			done[real] = true
			out = append(out, keyPlace{name, user})
		}
	}
	patterns := []string{".ssh/authorized_keys", ".ssh/authorized_keys2"}
	for _, d := range sshdDirectives(l) {
		if d.key == "authorizedkeysfile" {
			patterns = append(patterns, d.args...)
		}
	}
	for _, p := range patterns {
		if strings.HasPrefix(p, "/") && !strings.Contains(p, "%") {
			add(p, "every account")
			continue
		}
		for _, h := range l.Homes {
			add(expandKeyPath(p, h.User, h.Dir, ""), h.User)
		}
		for _, a := range l.Accounts {
			add(expandKeyPath(p, a.Name, a.Home, uidText(a.UID)), a.Name)
		}
	}
	add("/etc/dropbear/authorized_keys", "root")
	for _, name := range l.Files("/etc/ssh/authorized_keys", "/etc/ssh/keys", "/etc/ssh/authorized_keys.d") {
		add(name, strings.TrimSuffix(path.Base(name), ".pub"))
	}
	add("/etc/ssh/authorized_keys", "every account")
	return out
}

// expandKeyPath puts the tokens %h, %u, %U and %% of an AuthorizedKeysFile pattern (sshd_config(5), TOKENS).
func expandKeyPath(pattern, user, home, uid string) string {
	p := strings.NewReplacer("%%", "%", "%h", home, "%u", user, "%U", uid).Replace(pattern)
	if !strings.HasPrefix(p, "/") {
		p = home + "/" + p
	}
	return p
}

// sshKey is one line of an authorized_keys file.
type sshKey struct {
	options     []string // as written, quotes of the value taken off
	kind        string
	fingerprint string // "" where the key cannot be decoded
	comment     string
}

// parseKey reads one line; ok is false where sshd would not take it for a key line at all.
func parseKey(line string) (k sshKey, ok bool) {
	text := strings.TrimLeft(line, " \t")
	if text == "" || text[0] == '#' {
		return k, false
	}
	kind, rest := cutBlank(text)
	if !isKeyType(kind) {
		n := optionsEnd(text)
		k.options = splitOptions(text[:n])
		kind, rest = cutBlank(strings.TrimLeft(text[n:], " \t"))
	}
	if !isKeyType(kind) {
		return k, false
	}
	blob, comment := cutBlank(rest)
	k.kind, k.comment = kind, strings.TrimSpace(comment)
	k.fingerprint = fingerprint(kind, strings.TrimRight(blob, "\r"))
	return k, true
}

// fingerprint is the SHA256 form that ssh-keygen -lf prints; "" where the blob is not a key of this type.
func fingerprint(kind, blob string) string {
	raw, err := base64.StdEncoding.DecodeString(blob)
	if err != nil {
		if raw, err = base64.RawStdEncoding.DecodeString(blob); err != nil {
			return ""
		}
	}
	if len(raw) < 4 {
		return ""
	}
	n := binary.BigEndian.Uint32(raw)
	if uint64(n)+4 > uint64(len(raw)) || string(raw[4:4+n]) != kind {
		return ""
	}
	sum := sha256.Sum256(raw)
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}

// isKeyType knows the key types of OpenSSH by their form, those to come too.
func isKeyType(s string) bool {
	return strings.HasPrefix(s, "ssh-") || strings.HasPrefix(s, "ecdsa-sha2-") || strings.HasPrefix(s, "sk-ssh-") ||
		strings.HasPrefix(s, "sk-ecdsa-") || strings.HasPrefix(s, "rsa-sha2-")
}

// cutBlank splits at the first run of blanks.
func cutBlank(s string) (word, rest string) {
	i := strings.IndexAny(s, " \t")
	if i < 0 {
		return s, ""
	}
	return s[:i], strings.TrimLeft(s[i:], " \t")
}

// optionsEnd is where the options end: the first blank outside double quotes; \" inside quotes does not end them.
func optionsEnd(s string) int {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && s[i+1] == '"':
			i++
		case s[i] == '"':
			quoted = !quoted
		case !quoted && (s[i] == ' ' || s[i] == '\t'):
			return i
		}
	}
	return len(s)
}

// splitOptions cuts options at commas outside quotes and takes the quotes off.
func splitOptions(s string) []string {
	var out []string
	var cur strings.Builder
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && s[i+1] == '"':
			cur.WriteByte('"')
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == ',' && !quoted:
			out = append(out, cur.String())
			cur.Reset()
		default:
			cur.WriteByte(s[i])
		}
	}
	return append(out, cur.String())
}
