package bus

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/deminer/deminer"
	nserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// Cluster joins servers that share one memory: agents may be connected to any of them, and each reaches all.
type Cluster struct {
	Listen string   // HOST:PORT for the others
	Peers  []string // HOST:PORT of others; each hears of the rest from those
	// CA is what the certificates of all servers come from. Whoever has one of it is a server.
	CA *x509.Certificate
	// Name is one that the certificates of all servers bear.
	Name string
}

// The subjects of the servers among themselves. No agent may use them.
const (
	cutSubject  = "deminer.servers.cut"
	hereSubject = "deminer.servers.here"
)

// join adds a cluster to the options of NATS.
func (c *Cluster) join(o *nserver.Options, certificate func() (*tls.Certificate, error)) error {
	host, text, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return fmt.Errorf("join the other servers at %q: %w", c.Listen, err)
	}
	port, err := strconv.Atoi(text)
	if err != nil || port < 0 || port > 65535 || c.CA == nil || c.Name == "" {
		return fmt.Errorf("join the other servers at %q: give a port, the authority, and the name in its certificates", c.Listen)
	}
	if port == 0 {
		port = nserver.RANDOM_PORT
	}
	for _, p := range c.Peers {
		if _, _, err := net.SplitHostPort(p); err != nil {
			return fmt.Errorf("join the server at %q: %w", deminer.Safe(p), err)
		}
		o.Routes = append(o.Routes, &url.URL{Scheme: "nats", Host: p})
	}
	pool := x509.NewCertPool()
	pool.AddCert(c.CA)
	o.Cluster = nserver.ClusterOpts{Name: "deminer", Host: host, Port: port, TLSTimeout: 10, AuthTimeout: 15, ConnectRetries: 1 << 30, ConnectBackoff: true,
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: pool, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert, ServerName: c.Name,
			GetCertificate:       func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return certificate() },
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return certificate() }}}
	return nil
}

// hear listens to what the other servers say.
func (s *Server) hear() error {
	var failed []error
	for subject, do := range map[string]func(host string){
		cutSubject:  s.door.drop,
		hereSubject: func(host string) { s.opt.Notice(Notice{Host: host, Up: true, Elsewhere: true}) },
	} {
		_, err := s.conn.Subscribe(subject, func(m *nats.Msg) {
			if host := string(m.Data); deminer.IsID(host) {
				do(host)
			}
		})
		failed = append(failed, err)
	}
	if err := errors.Join(failed...); err != nil {
		return fmt.Errorf("listen to the other servers: %w", err)
	}
	return nil
}

// say tells the other servers something of a host. Who does not hear it now is not connected now, and learns it from the common memory.
func (s *Server) say(subject, host string) {
	if s.opt.Cluster == nil {
		return
	}
	if err := s.conn.Publish(subject, []byte(host)); err != nil {
		s.opt.Say("tell the other servers: " + deminer.Safe(err.Error()))
	}
}

// notice passes on who came and went: one that is connected to another server has not gone.
func (s *Server) notice(n Notice) {
	if n.Up {
		s.say(hereSubject, n.Host)
	} else if s.opt.Cluster != nil && s.nats.GlobalAccount().SubscriptionInterest(orderPrefix+n.Host) {
		return
	}
	s.opt.Notice(n)
}

// ClusterAddr is where the other servers find this one; "" without a cluster.
func (s *Server) ClusterAddr() string {
	if a := s.nats.ClusterAddr(); a != nil {
		return a.String()
	}
	return ""
}

// Peers is how many other servers are joined to this one now.
func (s *Server) Peers() int {
	names := map[string]bool{}
	routes, err := s.nats.Routez(nil)
	if err != nil {
		return 0
	}
	for _, r := range routes.Routes {
		if r.RemoteID != "" && !strings.EqualFold(r.RemoteID, s.nats.ID()) {
			names[r.RemoteID] = true
		}
	}
	return len(names)
}
