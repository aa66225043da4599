package bus

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/deminer/deminer"
	nserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// Gate says which host a key is of.
type Gate interface {
	// Admit gives the id of the host that was enrolled with a key; deminer.ErrRevoked and any other error keep it out. It is asked as a host
	// connects, by several goroutines.
	Admit(ctx context.Context, key ed25519.PublicKey) (host string, err error)
}

// Notice says that an agent came or went.
type Notice struct {
	Host    string    `json:"host"` // id, as enrolled
	Up      bool      `json:"up"`
	Address string    `json:"address"` // of the agent, as the server sees it
	Time    time.Time `json:"time"`
	// Others is how many other connections of the same host stand: a copied machine, or a stolen key.
	Others int `json:"others,omitempty"`
	// Elsewhere: it is connected to another server of the cluster; of such a one only Host and Up are known.
	Elsewhere bool `json:"elsewhere,omitempty"`
}

// Options of a server.
type Options struct {
	Listen string // HOST:PORT; port 0: any that is free
	// Certificate is asked for at each connection.
	Certificate func() (*tls.Certificate, error)
	Gate        Gate
	// Take is given each message with the host whose connection it came over. nil is the receipt: it is written down. An error that is
	// deminer.ErrRefused makes the agent drop the message, any other one send it again. It is called by several goroutines.
	Take func(ctx context.Context, host string, m deminer.Message) error
	// Sign makes what goes over the wire of an order.
	Sign func(deminer.Order) ([]byte, error)
	// Notice is told who comes and goes, and must come back soon; nil: nobody is.
	Notice func(Notice)
	// Say is told what is out of order, in one line of safe text; nil: nobody is.
	Say     func(string)
	Workers int      // how many messages are taken at once; 0: 32
	MaxConn int      // how many agents may be connected; 0: 65536
	Cluster *Cluster // nil: this server is the only one
}

// Limits of a server.
const (
	takeTime    = 30 * time.Second // for a message to be written down
	orderTime   = 15 * time.Second // for an agent to take note of an order
	maxHost     = 2                // connections of one host: the one that stands and one that has not been seen to be broken
	maxAtOnce   = 4                // messages of one host that wait or are taken: an agent sends them one after the other
	maxExcess   = 1000             // messages beyond, refused or against its rights in a minute, after which the host is cut off
	barTime     = time.Minute      // for so long
	waiting     = 4096             // messages that wait for a worker
	waitingSize = 64 << 20         // their bytes
	readyTime   = 10 * time.Second
)

// Server is the bus of one deminer server.
type Server struct {
	opt  Options
	nats *nserver.Server
	door *door
	conn *nats.Conn // as the server
	pack packer
	stop context.CancelFunc
	wait sync.WaitGroup
	jobs chan *nats.Msg
	mu   sync.Mutex
	busy map[string]int // by host
	much map[string]int // messages beyond what may be, in this minute, by host
	from time.Time      // when that minute began
	loud func(string)   // says a line that agents cannot make many of

	taken, refused, later, ordered, nobody atomic.Uint64
}

// Counts say what went over the bus of this server since it began.
type Counts struct {
	Connected int    // agents, now
	Peers     int    // other servers, now
	Taken     uint64 // messages that were written down
	Refused   uint64 // that will never be taken
	Later     uint64 // that were to be sent again
	Ordered   uint64 // orders that an agent answered
	Nobody    uint64 // orders whose agent was not there
}

// Counts gives them.
func (s *Server) Counts() Counts {
	return Counts{Connected: len(s.Connected()), Peers: s.Peers(), Taken: s.taken.Load(), Refused: s.refused.Load(), Later: s.later.Load(), Ordered: s.ordered.Load(), Nobody: s.nobody.Load()}
}

// Serve begins to listen.
func Serve(opt Options) (*Server, error) {
	if opt.Certificate == nil || opt.Gate == nil || opt.Take == nil || opt.Sign == nil {
		return nil, errors.New("serve the bus: certificate, gate, take and sign are needed")
	}
	if opt.Notice == nil {
		opt.Notice = func(Notice) {}
	}
	if opt.Say == nil {
		opt.Say = func(string) {}
	}
	if opt.Workers <= 0 {
		opt.Workers = 32
	}
	if opt.MaxConn <= 0 {
		opt.MaxConn = 1 << 16
	}
	loud := opt.Say
	opt.Say = (&lines{say: loud, now: time.Now}).line // agents make it speak
	s := &Server{opt: opt, loud: loud, jobs: make(chan *nats.Msg, opt.Workers), busy: map[string]int{}, much: map[string]int{}}
	s.door = newDoor(opt)
	s.door.notice = s.notice
	o, err := s.options()
	if err != nil {
		return nil, err
	}
	if err := free(opt.Listen); err != nil { // NATS would try for long, and not say why
		return nil, fmt.Errorf("serve the bus at %s: %w", opt.Listen, err)
	}
	if s.nats, err = nserver.NewServer(o); err != nil {
		return nil, fmt.Errorf("serve the bus: %w", err)
	}
	s.door.cut = func(id uint64) { _ = s.nats.DisconnectClientByID(id) } // one that is gone needs no cutting
	s.nats.SetLoggerV2(&logger{say: opt.Say, strike: s.strike}, false, false, false)
	s.nats.Start()
	if !s.nats.ReadyForConnections(readyTime) {
		s.nats.Shutdown()
		return nil, fmt.Errorf("serve the bus at %s: it is not ready after %s; is the address free?", opt.Listen, readyTime)
	}
	s.door.system = s.nats.SystemAccount() // there is one only now
	if err := s.join(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// free says why nobody can listen at an address.
func free(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	return l.Close()
}

// options are those of the NATS server: nothing but what agents need.
func (s *Server) options() (*nserver.Options, error) {
	host, text, err := net.SplitHostPort(s.opt.Listen)
	if err != nil {
		return nil, fmt.Errorf("serve the bus at %q: %w", s.opt.Listen, err)
	}
	port, err := strconv.Atoi(text)
	if err != nil || port < 0 || port > 65535 {
		return nil, fmt.Errorf("serve the bus at %q: give a port from 0 to 65535", s.opt.Listen)
	}
	if port == 0 {
		port = nserver.RANDOM_PORT
	}
	if host == "" {
		host = "0.0.0.0"
	}
	certificate := func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.opt.Certificate() }
	o := &nserver.Options{
		ServerName: "deminer-" + hex.EncodeToString(random(4)), Host: host, Port: port,
		TLS: true, TLSConfig: &tls.Config{MinVersion: tls.VersionTLS13, GetCertificate: certificate}, TLSHandshakeFirst: true, TLSTimeout: 20,
		AuthTimeout: 30, CustomClientAuthentication: s.door, AlwaysEnableNonce: true,
		MaxConn: s.opt.MaxConn, MaxSubs: 8, MaxPayload: deminer.MaxMessage, MaxPending: 4 * deminer.MaxMessage, MaxControlLine: 1024,
		WriteDeadline: 10 * time.Second, PingInterval: 2 * time.Minute, MaxPingsOut: 2, MaxClosedClients: 100,
		NoSigs: true, NoLog: true, NoSublistCache: true,
	}
	if s.opt.Cluster != nil {
		return o, s.opt.Cluster.join(o, s.opt.Certificate)
	}
	return o, nil
}

// join connects the server's own two lines, in this process.
func (s *Server) join() (err error) {
	own := func(user string) (*nats.Conn, error) {
		c, err := nats.Connect("", nats.InProcessServer(s.nats), nats.UserInfo(user, s.door.secret), nats.NoReconnect(), nats.Name("deminer server"),
			nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
				s.opt.Say("the bus: " + deminer.Safe(err.Error()))
			}))
		if err != nil {
			return nil, fmt.Errorf("join the own bus: %w", err)
		}
		return c, nil
	}
	watch, err := own(systemUser)
	if err != nil {
		return err
	}
	for subject, up := range map[string]bool{"$SYS.ACCOUNT.*.CONNECT": true, "$SYS.ACCOUNT.*.DISCONNECT": false} {
		if _, err := watch.Subscribe(subject, func(m *nats.Msg) { s.door.event(m.Data, up) }); err != nil {
			return fmt.Errorf("watch who connects: %w", err)
		}
	}
	if err := watch.Flush(); err != nil {
		return fmt.Errorf("watch who connects: %w", err)
	}
	if s.conn, err = own(serverUser); err != nil {
		return err
	}
	if err := s.hear(); err != nil {
		return err
	}
	var ctx context.Context
	ctx, s.stop = context.WithCancel(context.Background())
	for range s.opt.Workers {
		s.wait.Go(func() { s.work(ctx) })
	}
	sub, err := s.conn.QueueSubscribe(hostPrefix+"*.*", "server", func(m *nats.Msg) {
		host, _, ok := sender(m.Subject)
		switch {
		// An answer goes into the inbox of who sent the message: whoever names another place would have the server speak there.
		case !ok || !strings.HasPrefix(m.Reply, inboxPrefix+host+"."):
			s.opt.Say("a message of host " + deminer.Cut(deminer.Safe(host), 40) + " wants its answer elsewhere: dropped")
			s.excess(host)
		case !s.begin(host):
			s.answer(ctx, m, deminer.Reply{Why: "too many messages at once", Again: true})
			s.excess(host)
		default:
			select {
			case s.jobs <- m:
			case <-ctx.Done():
			}
		}
	})
	if err == nil {
		err = sub.SetPendingLimits(waiting, waitingSize) // beyond, agents send again
	}
	if err == nil {
		err = s.conn.Flush()
	}
	if err != nil {
		return fmt.Errorf("listen to agents: %w", err)
	}
	s.door.open()
	return nil
}

func (s *Server) work(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-s.jobs:
			host, kind, _ := sender(m.Subject)
			reply := s.take(ctx, host, kind, m)
			s.end(host)
			s.answer(ctx, m, reply)
		}
	}
}

func (s *Server) answer(ctx context.Context, m *nats.Msg, reply deminer.Reply) {
	switch {
	case reply.OK:
		s.taken.Add(1)
	case reply.Again:
		s.later.Add(1)
	default:
		s.refused.Add(1)
	}
	wire, err := json.Marshal(reply)
	if err == nil {
		err = m.Respond(wire)
	}
	if err != nil && ctx.Err() == nil {
		s.opt.Say("answer an agent: " + deminer.Safe(err.Error()))
	}
}

func (s *Server) take(ctx context.Context, host, kind string, m *nats.Msg) deminer.Reply {
	got, err := s.pack.unpackMessage(kind, m.Data)
	if err == nil {
		ctx, stop := context.WithTimeout(ctx, takeTime)
		defer stop()
		err = s.opt.Take(ctx, host, got)
	}
	if err != nil {
		s.opt.Say(deminer.Cut(fmt.Sprintf("a message of host %s was not taken: %v", host, err), 400))
	}
	if errors.Is(err, deminer.ErrRefused) { // an agent that is one sends few of them
		s.excess(host)
	}
	return replyOf(err)
}

// excess counts what a host sends beyond what an agent ever does. Who floods the bus is cut off for a while: what others send must not wait
// behind it.
func (s *Server) excess(host string) {
	s.mu.Lock()
	if now := time.Now(); now.Sub(s.from) > time.Minute {
		s.from, s.much = now, map[string]int{}
	}
	s.much[host]++
	over := s.much[host] == maxExcess
	s.mu.Unlock()
	if over {
		s.loud("host " + deminer.Cut(deminer.Safe(host), 40) + " floods the bus and is cut off for " + barTime.String())
		s.door.bar(host, time.Now().Add(barTime))
		go s.Cut(host) // not from within what NATS calls
	}
}

// strike counts what NATS says against a connection, such as that it named a subject that is not its host's.
func (s *Server) strike(id uint64) {
	if host := s.door.hostOf(id); host != "" {
		s.excess(host)
	}
}

// begin counts a message of a host that waits or is being taken; false: there are too many.
func (s *Server) begin(host string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy[host] >= maxAtOnce {
		return false
	}
	s.busy[host]++
	return true
}

func (s *Server) end(host string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy[host]--; s.busy[host] <= 0 {
		delete(s.busy, host)
	}
}

// Order signs an order, brings it to the agent of its host, and gives what that answered: with OK it has taken note of it, and messages
// will tell what became of it. deminer.ErrNobody: the agent is not connected.
func (s *Server) Order(ctx context.Context, o deminer.Order) (deminer.Reply, error) {
	if !deminer.IsID(o.Host) || !deminer.IsID(o.ID) {
		return deminer.Reply{}, errors.New("send an order: host or id is none")
	}
	signed, err := s.opt.Sign(o)
	if err != nil {
		return deminer.Reply{}, fmt.Errorf("sign an order: %w", err)
	}
	wire, err := s.pack.pack(signed)
	if err != nil {
		return deminer.Reply{}, fmt.Errorf("send an order: %w", err)
	}
	ctx, stop := context.WithTimeout(ctx, orderTime)
	defer stop()
	got, err := s.conn.RequestWithContext(ctx, orderPrefix+o.Host, wire)
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		s.nobody.Add(1)
		return deminer.Reply{}, fmt.Errorf("send an order: %w", deminer.ErrNobody)
	case err != nil:
		return deminer.Reply{}, fmt.Errorf("send an order: %w", err)
	}
	s.ordered.Add(1)
	return readReply(got.Data)
}

// Cut ends the connections of a host at once, at all servers of the cluster. Whether it may come back, the gate says.
func (s *Server) Cut(host string) {
	s.door.drop(host)
	s.say(cutSubject, host)
}

// Connected gives the hosts whose agents are connected to this server, with their address.
func (s *Server) Connected() map[string]string { return s.door.list() }

// Connections is how many connections of a host stand at this server.
func (s *Server) Connections(host string) int { return s.door.count(host) }

// Addr is where the bus listens.
func (s *Server) Addr() net.Addr { return s.nats.Addr() }

// Close ends all connections. Messages that are being taken are answered first, if that takes less than their time.
func (s *Server) Close() {
	s.door.close()
	if s.stop != nil {
		s.stop()
		s.wait.Wait()
	}
	if s.conn != nil {
		s.conn.Close()
	}
	s.nats.Shutdown()
	s.nats.WaitForShutdown()
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails, see crypto/rand
	return b
}
