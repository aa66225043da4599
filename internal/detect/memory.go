package detect

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/match"
)

// Limits of looking into processes. A miner's words lie in its small heap, so little has to be read.
const (
	suspectsQuick = 10
	suspectsFull  = 200
	memoryQuick   = 24 << 20 // bytes of one process
	memoryFull    = 512 << 20
	memoryTime    = 250 * time.Millisecond // of one process, in a quick scan
	wholeTime     = 900 * time.Millisecond // of all, in a quick scan
)

// inMemory is what one process's memory said.
type inMemory struct {
	pr      *deminer.Process
	talk    match.Exchange
	wallets []match.Wallet
	marker  string // the pool or miner word beside a wallet
	hits    []match.Hit
}

// suspicion orders processes by how much a look into their memory may bring; 0 means none.
func (p *Pass) suspicion(pr *deminer.Process) float64 {
	if packaged(pr.Own) && !deminer.RunsScripts(pr.Name()) && p.cores(pr) < 0.3 || p.inGuest(pr) || scanners[pr.Name()] && packaged(pr.Own) {
		return 0
	}
	score := min(p.cores(pr), 4)
	if score < 0.03 {
		score = 0
	}
	if p.doubtful(pr) != "" {
		score += 3
	}
	if len(pr.Hidden) > 0 {
		score += 4
	}
	if k, _ := kthreadClaim(pr); k != "" {
		score += 3
	}
	if s := shapeOf(pr); s.like(pr) {
		score += 5
	}
	if !packaged(pr.Own) && len(p.outward(pr)) > 0 {
		score += 0.5
	}
	if !packaged(pr.Own) && score == 0 && pr.Exe != "" {
		score = 0.01
	}
	if p.accused(pr.Exe) || p.accused(pr.Script()) {
		score += 2
	}
	return score
}

// scanners hold every indicator in their memory.
var scanners = set("clamd", "clamscan", "freshclam", "rkhunter", "chkrootkit", "maldet", "osqueryd", "falcon-sensor", "mdatp", "wdavdaemon", "ossec-syscheckd", "wazuh-syscheckd", "suricata", "snort", "yara", "trivy")

// suspects are the processes whose memory is worth a look, the most suspicious first.
func (p *Pass) suspects() []*deminer.Process {
	score := map[*deminer.Process]float64{}
	var list []*deminer.Process
	for _, pr := range p.subjects() {
		if s := p.suspicion(pr); s > 0 {
			score[pr] = s
			list = append(list, pr)
		}
	}
	slices.SortStableFunc(list, func(a, b *deminer.Process) int { return cmp.Compare(score[b], score[a]) })
	return list
}

func (p *Pass) pick(quick, full int) int {
	if p.Full {
		return full
	}
	return quick
}

// accused reports whether an earlier strong finding speaks of the file.
func (p *Pass) accused(name string) bool {
	if name == "" {
		return false
	}
	for _, f := range p.memo.found {
		if f.Tier != deminer.Strong && f.Tier != deminer.Proof {
			continue
		}
		for _, a := range append(f.Also, f.Subject) {
			if a.Kind == deminer.KindFile && string(a.Path) == name {
				return true
			}
		}
	}
	return false
}

// readMemory looks into the suspects once for all detectors that ask.
func (p *Pass) readMemory(ctx context.Context) []*inMemory {
	if p.memo.looked || p.Inside == nil {
		return p.memo.memory
	}
	p.memo.looked = true
	begin := time.Now()
	list := p.suspects()
	most := p.pick(suspectsQuick, suspectsFull)
	for i, pr := range list {
		if ctx.Err() != nil || i == most || !p.Full && time.Since(begin) > wholeTime {
			p.Gap(deminer.Gap{Part: "detect/memory", State: deminer.Partial, Count: len(list) - i, Why: fmt.Sprintf("the memory of the %d most suspicious processes was read, that of others was not", i)})
			break
		}
		p.memo.memory = append(p.memo.memory, p.inside(ctx, pr))
	}
	return p.memo.memory
}

// inside reads the small private mappings of one process.
func (p *Pass) inside(ctx context.Context, pr *deminer.Process) *inMemory {
	m := &inMemory{pr: pr}
	whole := ctx
	if !p.Full {
		var done context.CancelFunc
		ctx, done = context.WithTimeout(ctx, memoryTime)
		defer done()
	}
	err := p.Inside.Memory(ctx, pr.ID, int64(p.pick(memoryQuick, memoryFull)), func(r deminer.Region, _ uint64, buf []byte) bool {
		m.see(ctx, p, buf)
		return ctx.Err() == nil && !(m.talk.Proven() && len(m.wallets) > 0)
	})
	switch {
	case whole.Err() == nil && ctx.Err() != nil:
		p.Gap(deminer.Gap{Part: "detect/memory", State: deminer.Partial, What: fmt.Sprintf("%d", pr.ID.PID), Why: "there was no time in a quick scan to read all of the memory of a process"})
	case err != nil && ctx.Err() == nil:
		p.Gap(deminer.Gap{Part: "detect/memory", State: deminer.Failed, What: fmt.Sprintf("%d", pr.ID.PID), Why: err.Error()})
	}
	return m
}

func (m *inMemory) see(ctx context.Context, p *Pass, buf []byte) {
	if e, ok := match.Stratum(buf); ok {
		if m.talk.Dialect == "" {
			m.talk.Dialect = e.Dialect
		}
		if m.talk.Dialect == e.Dialect {
			m.talk.Client, m.talk.Server, m.talk.Submit = m.talk.Client || e.Client, m.talk.Server || e.Server, m.talk.Submit || e.Submit
		}
		m.talk.Login, m.talk.Agent, m.talk.Pool = cmp.Or(m.talk.Login, e.Login), cmp.Or(m.talk.Agent, e.Agent), cmp.Or(m.talk.Pool, e.Pool)
		m.talk.Excerpt = cmp.Or(m.talk.Excerpt, e.Excerpt)
	} else if e.Pool != "" {
		m.talk.Pool = cmp.Or(m.talk.Pool, e.Pool)
	}
	if len(m.wallets) < 4 {
		for _, w := range match.FindWallets(buf) {
			near := buf[max(0, w.Offset-2048):min(len(buf), w.Offset+2048)]
			if mark := minerMark(near); mark != "" && w.Checked && len(m.wallets) < 4 {
				w.Address = strings.Clone(w.Address)
				m.wallets, m.marker = append(m.wallets, w), mark
			}
		}
	}
	if p.Full && p.Rules != nil && len(m.hits) < 16 {
		m.hits = append(m.hits, p.Rules.Memory(ctx, buf)...)
	}
}

// minerMark finds a word that only miners put near a payout address.
func minerMark(b []byte) string {
	for _, w := range []string{"stratum+tcp://", "stratum+ssl://", "stratum+tls://", "stratum2+tcp://", "donate-level", `"method":"login"`, `"method": "login"`, "mining.authorize", "mining.subscribe", "eth_submitLogin", "rx/0", "randomx", `"nicehash"`, "--coin="} {
		if bytes.Contains(b, []byte(w)) {
			return w
		}
	}
	return ""
}

// stratumExchange speaks of processes whose memory holds both sides of a mining conversation. TLS does not hide it there.
func stratumExchange(ctx context.Context, p *Pass) error {
	for _, m := range p.readMemory(ctx) {
		pr := m.pr
		if m.talk.Dialect == "" {
			continue
		}
		f := deminer.Finding{
			Topic: deminer.TopicMining, Tier: deminer.Strong, Class: deminer.ByNetwork, Technique: "T1496.001", Catalogue: "NW-01",
			Title:   called(pr) + " talks to a mining pool",
			Why:     []string{"its memory holds a message of the " + string(m.talk.Dialect) + " mining protocol: " + q(m.talk.Excerpt)},
			Subject: process(pr), Time: pr.Started,
		}
		c := p.outward(pr)
		if len(c) > 0 {
			f.Why = append(f.Why, "it is connected to "+deminer.Safe(c[0].Remote))
		}
		switch {
		case m.talk.Proven() && !p.serves(pr) && p.mayMine(pr, len(c) > 0):
			f.Tier = deminer.Proof
			f.Why = append(f.Why, "both sides were seen: a login, and the work the pool gave for it")
			f.Cleared = []string{"generic JSON-RPC, a rule file or a text about mining: those do not hold a login and its answer in a process that is connected or computes"}
		case m.talk.Proven() && p.serves(pr):
			f.Title = called(pr) + " speaks a mining protocol as a server"
			f.Cleared = []string{"it accepts connections and hardly computes: a pool or a proxy, which may be the owner's"}
		case !m.talk.Client && !m.talk.Server || !p.mayMine(pr, len(c) > 0):
			f.Tier = deminer.Weak
			f.Cleared = []string{"one side only, and it neither computes nor is connected, or a package brought the program: a text about mining looks the same"}
		}
		f.Indicators = talkIndicators(m, c)
		p.Report(f)
	}
	return nil
}

// mayMine reports whether the process does what a miner must: it is connected or computes. A packaged program has to be
// an interpreter that is connected and computes; any other packaged program only holds the words.
func (p *Pass) mayMine(pr *deminer.Process, connected bool) bool {
	if packaged(pr.Own) {
		return deminer.RunsScripts(pr.Name()) && connected && p.cores(pr) >= 0.05
	}
	return connected || p.cores(pr) >= 0.05
}

// serves reports a process that listens and hardly computes.
func (p *Pass) serves(pr *deminer.Process) bool {
	for _, s := range p.memo.socks[pr.ID.PID] {
		if s.Listening() && s.Reach != "loopback" {
			return p.cores(pr) < busyCores
		}
	}
	return false
}

func talkIndicators(m *inMemory, c []*deminer.Socket) []deminer.Indicator {
	var out []deminer.Indicator
	if m.talk.Pool != "" {
		out = append(out, deminer.Indicator{Kind: "pool", Value: strings.ToLower(m.talk.Pool)})
	}
	login, _, _ := strings.Cut(m.talk.Login, ".")
	if w, ok := match.ParseWallet(login); ok {
		out = append(out, deminer.Indicator{Kind: "wallet", Value: w.Address})
	}
	for _, w := range m.wallets {
		out = append(out, deminer.Indicator{Kind: "wallet", Value: w.Address})
	}
	for _, s := range c[:min(len(c), 2)] {
		out = append(out, deminer.Indicator{Kind: "ip", Value: ip(s.Remote)})
	}
	return out
}

// walletInProcess speaks of payout addresses with a valid checksum beside a mining word in a live process.
func walletInProcess(ctx context.Context, p *Pass) error {
	for _, m := range p.readMemory(ctx) {
		pr := m.pr
		if len(m.wallets) == 0 {
			continue
		}
		w := m.wallets[0]
		f := deminer.Finding{
			Topic: deminer.TopicMining, Tier: deminer.Proof, Class: deminer.ByContent, Technique: "T1496.001", Catalogue: "NW-01",
			Title:   called(pr) + " holds a payout address of a miner",
			Why:     []string{"its memory holds the " + w.Coin + " address " + q(w.Address) + ", whose checksum is right", "beside it stands " + q(m.marker)},
			Cleared: []string{"a wallet, an exchange or a page that shows addresses: those have no mining word beside it"},
			Subject: process(pr), Time: pr.Started, Indicators: talkIndicators(m, nil),
		}
		if p.node(pr) || p.serves(pr) || packaged(pr.Own) || p.cores(pr) < 0.02 && len(p.outward(pr)) == 0 && p.doubtful(pr) == "" {
			f.Tier = deminer.Weak
			f.Cleared = []string{"it neither computes nor is connected, or it is packaged, a node, a pool or a proxy: the address is data"}
		}
		p.Report(f)
	}
	return nil
}

// memoryRules speaks of what the rules say of a suspect's memory; asked in a full scan only.
func memoryRules(ctx context.Context, p *Pass) error {
	for _, m := range p.readMemory(ctx) {
		pr := m.pr
		if h, ok := strongest(m.hits); ok && h.Strength >= match.Strong {
			f := hitFinding(h, process(pr), "the memory of "+called(pr)+" matches "+q(h.What))
			f.Time = pr.Started
			if packaged(pr.Own) && f.Tier == deminer.Proof {
				f.Tier = deminer.Strong
			}
			p.Report(f)
		}
	}
	return nil
}
