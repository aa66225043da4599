package server

import (
	"strconv"
	"sync"
	"time"

	"github.com/deminer/deminer"
)

// maxAhead is how far a host's clock may be ahead. Of what a host tells, the message with the greatest id counts, and ids begin with a time:
// one of a far future would be the last that the server believes of that host.
const maxAhead = 24 * time.Hour

// told is the id of a message as it counts among those of its host. One of a far future counts as of now: it silences neither what comes
// later nor a host whose clock was wrong once, for ids only grow. Of what is no later word about the same thing, as the steps of a plan, an id
// may be made of what it says, and bears no time.
func (s *Server) told(host string, m deminer.Message) string {
	now := s.now()
	switch m.Kind {
	case deminer.MessageState, deminer.MessageAlert, deminer.MessageVault, deminer.MessageBlocks:
	default:
		return m.ID
	}
	if !idTime(m.ID).After(now.Add(maxAhead)) {
		return m.ID
	}
	s.ahead.tell(host, s.opt.Say)
	return deminer.NewID(now)
}

// idTime is the time that an id of a message begins with, see [deminer.NewID].
func idTime(id string) time.Time {
	ms, err := strconv.ParseInt(id[:12], 16, 64)
	if err != nil { // isID comes first
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// ahead are the hosts of which it was said that their clocks are ahead.
type ahead struct {
	mu    sync.Mutex
	hosts map[string]bool
}

// tell says it of a host, once.
func (a *ahead) tell(host string, say func(string)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.hosts[host] {
		return
	}
	if a.hosts == nil || len(a.hosts) >= 10_000 {
		a.hosts = map[string]bool{}
	}
	a.hosts[host] = true
	say("host " + host + ": its clock is more than a day ahead of this server's, or was, or its messages are forged: they count in the order in which they come")
}
