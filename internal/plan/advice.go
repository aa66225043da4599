package plan

import (
	"fmt"
	"strings"

	"github.com/deminer/deminer"
)

// advice lists what only a person can do, most important first.
func advice(inc deminer.Incident) (out []string) {
	if len(inc.Distrust) > 0 {
		out = append(out, "This system can no longer be trusted and should be rebuilt from a clean image: "+strings.Join(inc.Distrust, "; ")+
			". What follows contains the intrusion until then.")
	}
	for _, e := range inc.Entries {
		for _, c := range e.Close {
			out = append(out, fmt.Sprintf("Close the way in (%s): %s: %s", e.Belief, e.What, c))
		}
	}
	if n := len(inc.Secrets); n > 0 {
		out = append(out, fmt.Sprintf("Rotate what the intruder could read (%d):", n))
		for _, s := range inc.Secrets {
			out = append(out, fmt.Sprintf("  %s (%s): %s", deminer.Safe(s.Path), s.Kind, s.Do))
		}
	}
	return append(out, "Look at the other servers of the same network: miners spread.")
}

// risk says what could go wrong for the owner with this step; "" where nothing is known to.
func risk(a deminer.Action, m deminer.Member) string {
	switch a.Verb {
	case deminer.VerbKill:
		return "what the process has not saved is lost"
	case deminer.VerbBlock:
		if a.Target.Kind == deminer.KindCgroup {
			return "whatever is started in this control group while the block lasts cannot reach the network"
		}
		return "other programs on this host that need this address cannot reach it while the block lasts"
	case deminer.VerbRemoveAccount, deminer.VerbLock:
		return "nobody can log in as " + deminer.Safe(a.Target.Name) + " any more"
	case deminer.VerbStopContainer:
		return "the container's service stops"
	case deminer.VerbRestore:
		return "a local change to the packaged file is replaced; the changed one stays in the vault"
	}
	if m.Artifact.Mechanism == "ssh-keys" {
		return "whoever holds this key cannot log in with it any more"
	}
	return ""
}

// Firewall gives the plan's blocks as rules for a security group or an external firewall, in the given form: "text",
// "iptables", "nft" or "aws". Unknown forms are an error.
func Firewall(p deminer.Plan, form string) ([]string, error) {
	var out []string
	for _, s := range p.Steps {
		if s.Action.Verb != deminer.VerbBlock || s.Action.Target.Kind == deminer.KindCgroup {
			continue
		}
		ip, port := split(s.Action.Target.Addr)
		line, err := rule(form, ip, port)
		if err != nil {
			return nil, err
		}
		out = append(out, line)
	}
	return out, nil
}

func rule(form, ip, port string) (string, error) {
	bits, family := "/32", "ip"
	if strings.Contains(ip, ":") {
		bits, family = "/128", "ip6"
	}
	if port == "" {
		return anyPort(form, ip, bits, family)
	}
	switch form {
	case "text":
		return fmt.Sprintf("deny egress tcp to %s%s port %s", ip, bits, port), nil
	case "iptables":
		tool := map[string]string{"ip": "iptables", "ip6": "ip6tables"}[family]
		return fmt.Sprintf("%s -I OUTPUT -p tcp -d %s%s --dport %s -j REJECT", tool, ip, bits, port), nil
	case "nft":
		return fmt.Sprintf("add rule inet filter output %s daddr %s tcp dport %s reject", family, ip, port), nil
	case "aws":
		return fmt.Sprintf(`{"RuleAction":"deny","Egress":true,"Protocol":"6","CidrBlock":%q,"PortRange":{"From":%s,"To":%s}}`, ip+bits, port, port), nil
	}
	return "", fmt.Errorf("unknown firewall form %q: use text, iptables, nft or aws", form)
}

// anyPort is a rule for an address as a whole.
func anyPort(form, ip, bits, family string) (string, error) {
	switch form {
	case "text":
		return fmt.Sprintf("deny egress to %s%s", ip, bits), nil
	case "iptables":
		tool := map[string]string{"ip": "iptables", "ip6": "ip6tables"}[family]
		return fmt.Sprintf("%s -I OUTPUT -d %s%s -j REJECT", tool, ip, bits), nil
	case "nft":
		return fmt.Sprintf("add rule inet filter output %s daddr %s reject", family, ip), nil
	case "aws":
		return fmt.Sprintf(`{"RuleAction":"deny","Egress":true,"Protocol":"-1","CidrBlock":%q}`, ip+bits), nil
	}
	return "", fmt.Errorf("unknown firewall form %q: use text, iptables, nft or aws", form)
}
