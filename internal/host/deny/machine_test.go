package deny

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/deminer/deminer/internal/match"
)

// step is what feed in bpf/flow.h does with the tables.
func (m *machine) step(text string) (hit byte) {
	var s, depth, flags byte
	for i := range len(text) {
		s = m.next[int(s)<<8|int(text[i])]
		flags |= m.flags[s] & m.where[depth]
		hit |= m.hit[flags]
		depth = (depth + m.depth[s]) & m.stay[s]
		flags &= m.keep[depth]
	}
	return hit
}

const (
	cnLogin  = `{"id":1,"jsonrpc":"2.0","method":"login","params":{"login":"WALLET.rig","pass":"x","agent":"XMRig/6.21.0 (Linux x86_64)","algo":["rx/0"]}}` + "\n"
	btcSub   = `{"id": 1, "method": "mining.subscribe", "params": ["cpuminer/2.5.1"]}` + "\n"
	btcAuth  = `{"id": 2, "method": "mining.authorize", "params": ["wallet.worker", "x"]}` + "\n"
	ethLogin = `{"id":1,"method":"eth_submitLogin","params":["0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"],"worker":"x"}` + "\n"
)

// logins are recognised; the other half of what miners say in another order or with blanks.
var logins = []string{
	cnLogin, btcSub, btcAuth, ethLogin,
	`{"method":"login","params":{"login":"W","pass":"x","agent":"a"},"id":1}`,
	`{"params": {"pass": "" , "login" : "W", "agent":"\u0061"}, "method" : "login"}`,
	`{"params":{"algo":[],"login":"\"W"},"method":"login"}`,
	`{"id":7,"method":"mining.configure","params":[["version-rolling"],{}]}` + "\n" + btcSub,
	`{"id":1,"method":"mining.hello","params":{"agent":"x"}}`,
}

// likes are calls that could be somebody else's.
var likes = []string{
	`{"method":"login","params":{"login":"bob","pass":"secret"},"id":1}` + "\n",
	`{"method":"login","params":{"login":"bob","agent":"app/1"},"id":1}` + "\n",
}

// others are JSON-RPC of other programs.
var others = []string{
	`{"jsonrpc":"2.0","method":"server.version","params":["3.3","1.4"],"id":1}` + "\n" + `{"id":1,"method":"blockchain.headers.subscribe","params":[]}` + "\n",
	`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"processId":1}}`,
	`{"jsonrpc":"2.0","id":1,"method":"login","params":{"user":"a","password":"b"}}` + "\n",
	`{"jsonrpc":"2.0","id":1,"method":"login","params":{"login":"","pass":"b","agent":"c","algo":["x"]}}` + "\n",
	`{"jsonrpc":"2.0","id":1,"method":"login"}{"login":"a","pass":"b","agent":"c"}` + "\n",
	`{"jsonrpc":"2.0","id":1,"method":"login"}` + "\n" + `{"params":{"login":"a","pass":"b","agent":"c"}}` + "\n",
	`{"text":"they sent {\"method\":\"mining.subscribe\"}"}` + "\n",
	`{"text":"\\","x":"method","y":"mining.subscribe"}` + "\n",
	`{"docs":[{"method":"mining.subscribe"}]}` + "\n",
	`{"params":{"method":"login"},"login":"a","pass":"b","agent":"c"}` + "\n",
	`{"method":"mining.subscribed","id":1}` + "\n",
	`{"method":["mining.subscribe"]}` + "\n",
	`{"jsonrpc":"2.0","id":1,"method":"eth_getWork","params":[]}` + "\n",
}

func TestMachine(t *testing.T) {
	m := newMachine()
	t.Logf("%d states", m.states)
	for want, list := range map[byte][]string{hitProof: logins, hitLike: likes, 0: others} {
		for _, text := range list {
			if got := m.step(text); got&hitProof != want&hitProof || want == 0 && got != 0 || want == hitLike && got != hitLike {
				t.Errorf("%q: %d, want %d", text, got, want)
			}
		}
	}
}

// TestMachineIsNarrower: whatever is recognised here is a client's message for the detectors, too. The texts are logins and others,
// taken apart and put together again.
func TestMachineIsNarrower(t *testing.T) {
	m := newMachine()
	r := rand.New(rand.NewPCG(1, 2))
	parts := []string{"{", "}", "[", "]", ",", ":", `"`, `\`, " ", "\n", `"method"`, `"login"`, `"pass"`, `"agent"`, `"algo"`, `"params"`, `"x"`, `""`, `"mining.subscribe"`, `:"login"`,
		`"method":"login"`, `"params":{`, `"login":"a"`, `"pass":"x"`, `"agent":"b"`, `"algo":[`, `"eth_submitLogin"`, `"method":"mining.submit"`}
	hits := 0
	for range 200_000 {
		var b strings.Builder
		b.WriteString("{")
		for range 2 + r.IntN(14) {
			b.WriteString(parts[r.IntN(len(parts))])
		}
		text := b.String()
		if strings.Count(text, `"method"`) > 1 || strings.Count(text, `"login":`) > 1 {
			continue // said twice: the detectors read the first, here each counts
		}
		got := m.step(text)
		if got&hitProof == 0 {
			continue
		}
		hits++
		if e, ok := match.Stratum([]byte(text)); !ok || !e.Client && !e.Submit {
			t.Fatalf("%q is a login here, and %+v for the detectors", text, e)
		}
	}
	if hits < 1000 {
		t.Errorf("only %d of the texts were logins: the test looks at nothing", hits)
	}
}
