package bus

import (
	"context"
	"crypto/ed25519"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/deminer/deminer"
	nserver "github.com/nats-io/nats-server/v2/server"
)

// The server's own two users, which exist in this process alone.
const (
	serverUser = "server"
	systemUser = "system"
)

// admitTime is how long the gate may think.
const admitTime = 10 * time.Second

// door lets agents in, with the rights of their host and no others.
type door struct {
	gate   Gate
	notice func(Notice)
	say    func(string)
	secret string // of the own users
	system *nserver.Account
	cut    func(id uint64)

	mu    sync.Mutex
	shut  bool
	live  map[string][]link    // by host
	hosts map[uint64]string    // by connection
	bars  map[string]time.Time // until when a host is kept out
}

// link is one connection of a host.
type link struct {
	id      uint64
	address string
	told    bool // that it came
}

func newDoor(opt Options) *door {
	return &door{gate: opt.Gate, notice: opt.Notice, say: opt.Say, secret: hex.EncodeToString(random(32)), shut: true,
		live: map[string][]link{}, hosts: map[uint64]string{}, bars: map[string]time.Time{}}
}

// Check implements the authentication of NATS.
func (d *door) Check(c nserver.ClientAuthentication) bool {
	o := c.GetOpts()
	if o.Username != "" {
		return d.own(c, o)
	}
	key, err := readKey(o.Nkey)
	if err != nil {
		return false
	}
	sig, err := base64.RawURLEncoding.DecodeString(o.Sig)
	if err != nil || !ed25519.Verify(key, c.GetNonce(), sig) || c.GetTLSConnectionState() == nil {
		return false
	}
	ctx, stop := context.WithTimeout(context.Background(), admitTime)
	defer stop()
	host, err := d.gate.Admit(ctx, key)
	if err == nil && !deminer.IsID(host) {
		err = errors.New("the host has no id")
	}
	if err != nil {
		d.say(deminer.Cut("an agent at "+c.RemoteAddress().String()+" was kept out: "+err.Error(), 300))
		return false
	}
	if !d.enter(host, c.GetID(), c.RemoteAddress().String()) {
		return false
	}
	// Asked once more now that the connection can be cut: a host that was revoked between the two would stay.
	if again, err := d.gate.Admit(ctx, key); err != nil || again != host {
		d.leave(c.GetID(), false)
		return false
	}
	c.RegisterUser(&nserver.User{Username: host, Permissions: rights(host)})
	return true
}

// rights are what the agent of a host may do.
func rights(host string) *nserver.Permissions {
	return &nserver.Permissions{
		Publish:   &nserver.SubjectPermission{Allow: []string{hostPrefix + host + ".*"}},
		Subscribe: &nserver.SubjectPermission{Allow: []string{orderPrefix + host, inboxPrefix + host + ".>"}},
		Response:  &nserver.ResponsePermission{MaxMsgs: 1, Expires: time.Minute},
	}
}

// own lets the server itself in.
func (d *door) own(c nserver.ClientAuthentication, o *nserver.ClientOpts) bool {
	if subtle.ConstantTimeCompare([]byte(o.Password), []byte(d.secret)) != 1 || c.GetTLSConnectionState() != nil {
		return false
	}
	switch o.Username {
	case serverUser:
		c.RegisterUser(&nserver.User{Username: serverUser})
	case systemUser:
		c.RegisterUser(&nserver.User{Username: systemUser, Account: d.system})
	default:
		return false
	}
	return true
}

// enter takes note of a connection. The oldest of too many is cut.
func (d *door) enter(host string, id uint64, address string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.shut || time.Now().Before(d.bars[host]) {
		return false
	}
	delete(d.bars, host)
	for len(d.live[host]) >= maxHost {
		old := d.live[host][0]
		d.live[host] = d.live[host][1:]
		delete(d.hosts, old.id)
		go d.cut(old.id) // not under the lock: NATS may be about to tell of it
	}
	d.live[host] = append(d.live[host], link{id: id, address: address})
	d.hosts[id] = host
	return true
}

// leave forgets a connection and tells of it, if it was told that it came.
func (d *door) leave(id uint64, tell bool) {
	d.mu.Lock()
	host, ok := d.hosts[id]
	if !ok {
		d.mu.Unlock()
		return
	}
	delete(d.hosts, id)
	var gone link
	var rest []link
	for _, l := range d.live[host] {
		if l.id == id {
			gone = l
		} else {
			rest = append(rest, l)
		}
	}
	if d.live[host] = rest; len(rest) == 0 {
		delete(d.live, host)
	}
	tell = tell && gone.told && !d.shut
	d.mu.Unlock()
	if tell {
		d.notice(Notice{Host: host, Address: gone.address, Time: time.Now(), Others: len(rest)})
	}
}

// came tells that a connection stands.
func (d *door) came(id uint64) {
	d.mu.Lock()
	host, ok := d.hosts[id]
	var n Notice
	for i := range d.live[host] {
		if l := &d.live[host][i]; l.id == id {
			l.told = true
			n = Notice{Host: host, Up: true, Address: l.address, Time: time.Now(), Others: len(d.live[host]) - 1}
		}
	}
	ok = ok && n.Host != "" && !d.shut
	d.mu.Unlock()
	if ok {
		d.notice(n)
	}
}

// event takes what NATS tells of a connection.
func (d *door) event(text []byte, up bool) {
	var e struct {
		Client struct {
			ID uint64 `json:"id"`
		} `json:"client"`
	}
	if err := json.Unmarshal(text, &e); err != nil {
		d.say("the bus: " + deminer.Safe(err.Error()))
		return
	}
	if up {
		d.came(e.Client.ID)
	} else {
		d.leave(e.Client.ID, true)
	}
}

// bar keeps a host out until a time.
func (d *door) bar(host string, until time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.bars[host] = until
}

// drop cuts all connections of a host.
func (d *door) drop(host string) {
	d.mu.Lock()
	list := append([]link(nil), d.live[host]...)
	d.mu.Unlock()
	for _, l := range list {
		d.cut(l.id)
	}
}

// hostOf gives the host of a connection, "" for one that was not let in.
func (d *door) hostOf(id uint64) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.hosts[id]
}

func (d *door) count(host string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.live[host])
}

func (d *door) list() map[string]string {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make(map[string]string, len(d.live))
	for host, links := range d.live {
		out[host] = links[len(links)-1].address
	}
	return out
}

func (d *door) open() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shut = false
}

func (d *door) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shut = true
}
