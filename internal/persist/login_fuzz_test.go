package persist

import (
	"strings"
	"testing"
)

func FuzzParseKey(f *testing.F) {
	f.Add(`from="10.0.0.0/8",command="a \"b\" c" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIf44bpsNT5zQT/CyMsrsgLfh1K9lmlyYIMOq+IWAklH x y`)
	f.Add("ssh-rsa AAAA")
	f.Add(`a="`)
	f.Fuzz(func(t *testing.T, line string) {
		k, ok := parseKey(line)
		if ok != isKeyType(k.kind) {
			t.Errorf("ok %v with type %q", ok, k.kind)
		}
		if k.fingerprint != "" && !strings.HasPrefix(k.fingerprint, "SHA256:") {
			t.Errorf("fingerprint %q", k.fingerprint)
		}
	})
}

func FuzzDirectives(f *testing.F) {
	f.Add("Port 22\nMatch User x\n ForceCommand \"a b\" # c\nAcceptEnv LD_* [a-\n")
	f.Add("ListenAddress [::1]:2222\nSubsystem\n=\n\"")
	f.Fuzz(func(t *testing.T, text string) {
		lines, _ := split(text)
		for _, d := range parseDirectives("f", lines) {
			if len(d.args) > maxWords {
				t.Errorf("%d arguments", len(d.args))
			}
			sshdMeaning(d)
		}
	})
}

func FuzzSudoers(f *testing.F) {
	f.Add("ALL ALL=(ALL:ALL) \\\n NOPASSWD: /bin/x\nDefaults env_keep+=LD_PRELOAD, secure_path=a:b\n#1 a=b")
	f.Add("\\\n\\\n\\")
	f.Fuzz(func(t *testing.T, text string) {
		lines, _ := split(text)
		total := 0
		for _, st := range statements(lines, `\`) {
			sudoRule(st.joined)
			total += strings.Count(st.text, "\n") + 1
			if !strings.Contains("\n"+text+"\n", "\n"+st.text+"\n") {
				t.Errorf("%q are not whole lines of %q", st.text, text)
			}
		}
		if total != len(lines) {
			t.Errorf("%d lines in statements, %d in the text", total, len(lines))
		}
	})
}

func FuzzAccount(f *testing.F) {
	f.Add("root:x:0:0:root:/root:/bin/bash\n::::::\na:b:c:d:e:f:g:h")
	f.Fuzz(func(t *testing.T, text string) {
		lines, _ := split(text)
		for _, line := range lines {
			if a, ok := parseAccount("f", line); ok && a.name == "" {
				t.Errorf("account without a name from %q", line.Text)
			} else {
				a.oddities([]string{"/bin/sh"})
			}
		}
		preloadLibs(text)
	})
}
