package match

import (
	"strings"
	"testing"
)

// The two sides of each dialect, made by hand after the public descriptions of the protocols.
const (
	cnLogin  = `{"id":1,"jsonrpc":"2.0","method":"login","params":{"login":"WALLET.rig","pass":"x","agent":"XMRig/6.21.0 (Linux x86_64)","algo":["rx/0"]}}` + "\n"
	btcSub   = `{"id": 1, "method": "mining.subscribe", "params": ["cpuminer/2.5.1"]}` + "\n"
	btcAuth  = `{"id": 2, "method": "mining.authorize", "params": ["wallet.worker", "x"]}` + "\n"
	btcWork  = `{"params": ["bf", "4d16b6f85af6e2198f44ae2a6de67f78487ae5611b77c6c0440b921e00000000", "01000000010", "ffffffff", [], "00000002", "1c2ac4af", "504e86b9", false], "id": null, "method": "mining.notify"}` + "\n"
	ethLogin = `{"id":1,"method":"eth_submitLogin","params":["0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"],"worker":"x"}` + "\n"
)

var (
	hex64  = strings.Repeat("ab", 32)
	cnJob  = `{"id":1,"jsonrpc":"2.0","error":null,"result":{"id":"a1","job":{"blob":"` + strings.Repeat("0e", 76) + `","job_id":"7","target":"b88d0600","seed_hash":"` + hex64 + `"},"status":"OK"}}` + "\n"
	cnNew  = `{"jsonrpc":"2.0","method":"job","params":{"blob":"` + strings.Repeat("0e", 76) + `","job_id":"8","target":"b88d0600"}}` + "\n"
	ethJob = `{"id":1,"jsonrpc":"2.0","result":["0x` + hex64 + `","0x` + hex64 + `","0x` + hex64 + `"]}` + "\n"
)

func TestStratum(t *testing.T) {
	for name, c := range map[string]struct {
		data           string
		dialect        Dialect
		client, server bool
		login          string
	}{
		"cryptonote both":      {cnLogin + cnJob, CryptoNoteStratum, true, true, "WALLET.rig"},
		"cryptonote new job":   {cnLogin + "\x00junk" + cnNew, CryptoNoteStratum, true, true, "WALLET.rig"},
		"cryptonote login":     {cnLogin, CryptoNoteStratum, true, false, "WALLET.rig"},
		"cryptonote job":       {cnJob, CryptoNoteStratum, false, true, ""},
		"bitcoin both":         {btcSub + btcAuth + btcWork, BitcoinStratum, true, true, "wallet.worker"},
		"bitcoin client":       {btcSub, BitcoinStratum, true, false, ""},
		"ethash both":          {ethLogin + ethJob, EthereumStratum, true, true, "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"},
		"two messages in line": {strings.TrimSpace(cnLogin) + cnJob, CryptoNoteStratum, true, true, "WALLET.rig"},
	} {
		e, ok := Stratum([]byte(c.data))
		if !ok || e.Dialect != c.dialect || e.Client != c.client || e.Server != c.server || e.Login != c.login || e.Proven() != (c.client && c.server) {
			t.Errorf("%s: %+v %v", name, e, ok)
		}
	}
	e, _ := Stratum([]byte("-o stratum+ssl://pool.example.net:443 \n" + cnLogin))
	if e.Pool != "pool.example.net:443" || !strings.HasPrefix(e.Agent, "XMRig/") {
		t.Errorf("pool and agent: %+v", e)
	}
}

// TestStratumGuards: JSON-RPC of other programs, and pages that speak of Stratum.
func TestStratumGuards(t *testing.T) {
	for name, data := range map[string]string{
		"electrum":      `{"jsonrpc":"2.0","method":"server.version","params":["3.3","1.4"],"id":1}` + "\n" + `{"id":1,"method":"blockchain.headers.subscribe","params":[]}`,
		"lsp":           `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"processId":1}}`,
		"web login":     `{"jsonrpc":"2.0","id":1,"method":"login","params":{"user":"a","password":"b"}}`,
		"node rpc":      `{"jsonrpc":"2.0","id":1,"method":"eth_getWork","params":[]}`,
		"job queue":     `{"method":"job","params":{"job_id":"1","target":"a","blob":"short"}}`,
		"nginx":         "location /stratum { proxy_pass http://127.0.0.1; }",
		"words":         `{"nonce":"x","difficulty":3,"target":"y","job_id":"z"}`,
		"object answer": `{"id":1,"result":["0x1","0x2"]}`,
	} {
		if e, ok := Stratum([]byte(data)); ok {
			t.Errorf("%s: %+v", name, e)
		}
	}
	e, ok := Stratum([]byte(btcSub + cnJob))
	if ok && e.Proven() {
		t.Errorf("messages of two dialects complete each other: %+v", e)
	}
}
