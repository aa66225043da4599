package match

import (
	"bytes"
	"strings"
)

// Dialect of a mining protocol.
type Dialect string

// The dialects that are recognized.
const (
	CryptoNoteStratum Dialect = "cryptonote" // login, job, submit
	BitcoinStratum    Dialect = "stratum-v1" // mining.subscribe, mining.notify
	EthereumStratum   Dialect = "ethash"     // eth_submitLogin, eth_getWork
)

// Exchange is what a Stratum recognizer saw in bytes of one connection or one memory area.
type Exchange struct {
	Dialect Dialect
	Client  bool   // a client logged in or subscribed
	Server  bool   // a server answered with work
	Submit  bool   // a client handed in a share
	Login   string // wallet or account, raw
	Agent   string // user agent, raw
	Pool    string // host:port after a stratum scheme, raw
	Excerpt string
}

// Proven tells whether the conversation was seen both ways: a client that logged in and a server that gave it work. Words of the protocol alone prove nothing.
func (e Exchange) Proven() bool { return e.Client && e.Server }

const maxStratum = 16 << 20

// Stratum looks for the message shapes of mining protocols in bytes of either direction, of both, or of memory. ok is false when no message was recognized.
// Only the first 16 MiB are looked at. JSON with other methods, or with single words such as "nonce", is not recognized.
func Stratum(b []byte) (e Exchange, ok bool) {
	b = b[:min(len(b), maxStratum)]
	excerpt := ""
	for rest := b; ; {
		i := bytes.IndexByte(rest, '{')
		if i < 0 {
			break
		}
		line := rest[i:]
		if end := bytes.IndexAny(line[:min(len(line), 8192)], "\n\x00"); end >= 0 {
			line = line[:end]
		}
		line = line[:min(len(line), 8192)]
		if two := bytes.Index(line, []byte("}{")); two >= 0 {
			line = line[:two+1]
		}
		if mayBeMessage(line) {
			if m, found := message(compact(line)); found {
				e.merge(m)
				if excerpt == "" {
					excerpt = clip(string(line))
				}
			}
		}
		rest = rest[i+len(line):]
	}
	if e.Dialect == "" {
		return Exchange{}, false
	}
	e.Excerpt, e.Pool = excerpt, poolURL(b)
	return e, true
}

// mayBeMessage tells quickly whether a line holds a key that every message has.
func mayBeMessage(line []byte) bool {
	return bytes.Contains(line, []byte(`method"`)) || bytes.Contains(line, []byte(`result"`))
}

// merge joins what two messages say. Messages of different dialects do not complete each other.
func (e *Exchange) merge(m Exchange) {
	if e.Dialect != "" && e.Dialect != m.Dialect {
		return
	}
	e.Dialect = m.Dialect
	e.Client = e.Client || m.Client
	e.Server = e.Server || m.Server
	e.Submit = e.Submit || m.Submit
	if e.Login == "" {
		e.Login = m.Login
	}
	if e.Agent == "" {
		e.Agent = m.Agent
	}
}

// compact removes blanks outside of strings, so that one spelling is compared.
func compact(b []byte) string {
	out := make([]byte, 0, len(b))
	quoted := false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '\\' && i+1 < len(b):
			out = append(out, c, b[i+1])
			i++
			continue
		case c == '"':
			quoted = !quoted
		case !quoted && (c == ' ' || c == '\t' || c == '\r'):
			continue
		}
		out = append(out, b[i])
	}
	return string(out)
}

// message recognizes one JSON line.
func message(s string) (Exchange, bool) {
	method := field(s, "method")
	e := Exchange{Dialect: CryptoNoteStratum}
	switch method {
	case "login":
		e.Login, e.Agent = field(s, "login"), field(s, "agent")
		e.Client = e.Login != "" && (e.Agent != "" || strings.Contains(s, `"pass":`) || strings.Contains(s, `"algo":[`))
		return e, e.Client
	case "job":
		e.Server = isJob(s)
		return e, e.Server
	case "submit":
		e.Submit = strings.Contains(s, `"job_id":`) && len(field(s, "nonce")) == 8 && len(field(s, "result")) == 64
		return e, e.Submit
	case "":
		e.Server = isJob(s) && strings.Contains(s, `"result":{`) && strings.Contains(s, `"job":{`)
		if e.Server {
			return e, true
		}
		if work := after(s, `"result":["0x`); strings.Count(work, `"0x`) >= 2 && strings.IndexByte(work, '"') == 64 {
			return Exchange{Dialect: EthereumStratum, Server: true}, true
		}
		e.Dialect = BitcoinStratum
		e.Server = strings.Contains(s, `"result":[[["mining.`)
		return e, e.Server
	}
	if strings.HasPrefix(method, "mining.") {
		return bitcoin(s, method)
	}
	return ethash(s, method)
}

// isJob wants the three fields of a CryptoNote job with a blob of at least 76 bytes in hexadecimal.
func isJob(s string) bool {
	return len(field(s, "blob")) >= 152 && field(s, "job_id") != "" && field(s, "target") != ""
}

func bitcoin(s, method string) (Exchange, bool) {
	e := Exchange{Dialect: BitcoinStratum}
	params := after(s, `"params":[`)
	switch method {
	case "mining.subscribe", "mining.hello":
		e.Client, e.Agent = true, firstString(params)
	case "mining.authorize":
		e.Client, e.Login = true, firstString(params)
	case "mining.notify": // job id and at least seven more elements
		e.Server = strings.Count(params, ",") >= 5
	case "mining.set_difficulty", "mining.set_target", "mining.set_extranonce":
		e.Server = params != ""
	case "mining.submit":
		e.Submit, e.Login = true, firstString(params)
	default:
		return e, false
	}
	return e, e.Client || e.Server || e.Submit
}

func ethash(s, method string) (Exchange, bool) {
	e := Exchange{Dialect: EthereumStratum}
	switch method {
	case "eth_submitLogin":
		e.Client, e.Login = true, firstString(after(s, `"params":[`))
	case "eth_submitWork", "eth_submitHashrate":
		e.Submit = true
	default:
		return e, false
	}
	return e, true
}

// field gives the string value of the first such key; the line is compact.
func field(s, key string) string {
	v := after(s, `"`+key+`":`)
	if !strings.HasPrefix(v, `"`) {
		return ""
	}
	return firstString(v)
}

func after(s, mark string) string {
	if _, rest, ok := strings.Cut(s, mark); ok {
		return rest
	}
	return ""
}

func firstString(s string) string {
	if !strings.HasPrefix(s, `"`) {
		return ""
	}
	if i := strings.IndexByte(s[1:], '"'); i >= 0 {
		return s[1 : i+1]
	}
	return ""
}

// poolURL gives the host and port behind the first stratum scheme.
func poolURL(b []byte) string {
	i := bytes.Index(b, []byte("stratum"))
	for k := 0; i >= 0 && k < 1000; k++ {
		rest := b[i:min(len(b), i+300)]
		if j := bytes.Index(rest[:min(len(rest), 24)], []byte("://")); j > 0 {
			if h := hostPort(rest[j+3:]); h != "" {
				return h
			}
		}
		next := bytes.Index(b[i+1:], []byte("stratum"))
		if next < 0 {
			break
		}
		i += 1 + next
	}
	return ""
}

// hostPort gives the leading host[:port] of b, or "" if there is none.
func hostPort(b []byte) string {
	n := 0
	for n < len(b) && (alnum[b[n]] || b[n] == '.' || b[n] == '-' || b[n] == ':' || b[n] == '[' || b[n] == ']') {
		n++
	}
	h := string(b[:n])
	if !strings.Contains(h, ".") && !strings.Contains(h, ":") && h != "localhost" {
		return ""
	}
	return strings.TrimRight(h, ".:-")
}
