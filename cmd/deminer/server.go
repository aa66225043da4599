package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/auth"
	"github.com/deminer/deminer/internal/bus"
	"github.com/deminer/deminer/internal/host/hands"
	"github.com/deminer/deminer/internal/server"
	memory "github.com/deminer/deminer/internal/store"
	"github.com/deminer/deminer/internal/trust"
	"github.com/deminer/deminer/internal/web"
	"github.com/spf13/cobra"
)

// serving are the flags of a server.
type serving struct {
	data, listen, bus, db, cert, key, cluster, metrics string
	names, peers, agentsAt                             []string
}

func (s *serving) add(c *cobra.Command) {
	c.Flags().StringVar(&s.data, "data", "/var/lib/deminer-server", "keep keys and memory in `DIR`")
	c.Flags().StringVar(&s.db, "db", "", "keep the memory in this database: `URL` as postgres://USER@HOST/NAME (default: a file of SQLite in the data directory)")
	c.Flags().StringSliceVar(&s.names, "name", nil, "the server is found under this `NAME` or address (may be repeated; default: those of this host)")
	c.Flags().StringVar(&s.listen, "listen", ":8443", "show the console and enroll hosts at `ADDR`")
	c.Flags().StringVar(&s.bus, "bus", ":4222", "agents connect to `ADDR`")
	c.Flags().StringSliceVar(&s.agentsAt, "agents-at", nil, "tell hosts to find the bus at `HOST:PORT` (may be repeated; default: where they were enrolled, at the port of --bus)")
	c.Flags().StringVar(&s.cluster, "cluster", "", "with --db: join other servers with the same database and a copy of trust, which find this one at `ADDR`")
	c.Flags().StringSliceVar(&s.peers, "peer", nil, "with --cluster: another server at `HOST:PORT` (may be repeated)")
	c.Flags().StringVar(&s.metrics, "metrics", "", "answer Prometheus (/metrics) and health checks (/healthz) at `ADDR`, without TLS, to whoever asks")
	c.Flags().StringVar(&s.cert, "cert", "", "show browsers the certificate in `FILE`, with --key (default: one of the server's own authority)")
	c.Flags().StringVar(&s.key, "key", "", "`FILE` with the key of --cert")
}

func newServer(f *flags) *cobra.Command {
	var s serving
	c := &cobra.Command{
		Use:   "server",
		Short: "Serve the console and the agents of many hosts",
		Long: `Keeps what agents find, shows it in a console, and gives the agents the orders of people who
approved them. At its first start it makes its keys and prints a link, good once, at which the
first person makes an account. It changes nothing on any host by itself.`,
		Example: "  deminer server --data /srv/deminer --listen :8443\n  deminer server token --data /srv/deminer --hosts 20",
		Args:    args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.run(cmd, f, nil)
		},
	}
	s.add(c)
	c.AddCommand(newToken(f), newBackup(f), newUnpack(f))
	return c
}

func newUp(f *flags) *cobra.Command {
	var s serving
	c := &cobra.Command{
		Use:   "up",
		Short: "Server, console and an agent for this host, in one process",
		Long: `The same as deminer server, and deminer agent for this host beside it. Without a policy, which
the console offers, the agent watches and changes nothing.`,
		Example: "  deminer up --data /srv/deminer --listen :8443",
		Args:    args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.root != "/" {
				return fail(exitUsage, "leave out --root", "an agent watches a running system")
			}
			if os.Geteuid() != 0 {
				return fail(exitError, "run it as root; deminer server alone does not need root", "the agent for this host needs root's rights")
			}
			return s.run(cmd, f, func(ctx context.Context, h *headOffice) error { return h.agent(ctx, cmd, f) })
		},
	}
	s.add(c)
	return c
}

// headOffice is a server with all its parts.
type headOffice struct {
	opt    *serving
	data   *os.Root
	db     *memory.DB
	trust  *trust.Authority
	server *server.Server
	bus    *bus.Server
	listen net.Listener
	shown  func() (*tls.Certificate, error) // to browsers
	say    func(string)
	twice  twice
}

// Order and Revoke make it the fleet of a server.
func (h *headOffice) Order(ctx context.Context, o deminer.Order) (deminer.Reply, error) {
	return h.bus.Order(ctx, o)
}

func (h *headOffice) Revoke(host string) error {
	err := h.trust.Revoke(context.Background(), host)
	h.bus.Cut(host)
	return err
}

// run serves until it is told to end. beside runs with it.
func (s *serving) run(cmd *cobra.Command, f *flags, beside func(context.Context, *headOffice) error) (err error) {
	if err := s.check(); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(cmd.Context())
	defer stop()
	var mu sync.Mutex
	out := cmd.OutOrStdout()
	h := &headOffice{opt: s, say: func(line string) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintln(out, deminer.Safe(trimNewline(line)))
	}}
	lock, err := h.open(ctx)
	if err != nil {
		return err
	}
	defer func() {
		lock.Close()
		switch {
		case err != nil:
		case beside == nil:
			h.say("ended; start it again with the same --data")
		default:
			h.say("ended; what the agent refused is no longer refused; start it again with the same --data")
		}
	}()
	defer h.db.Close()
	people := auth.New(auth.Options{Store: h.db, Log: h.server.Audit})
	console, err := web.New(web.Options{Server: h.server, People: people, Version: version, Say: h.say})
	if err != nil {
		return fail(exitError, "", "make the console: %w", err)
	}
	var wait sync.WaitGroup
	defer wait.Wait()
	defer stop()
	running, end := context.WithCancel(context.Background()) // what is being taken is written down before the end
	wait.Go(func() { _ = h.server.Run(running) })
	defer end()
	if err := h.serveBus(); err != nil {
		return err
	}
	defer h.bus.Close()
	shut, err := h.serveConsole(console)
	if err != nil {
		return err
	}
	defer shut()
	if err := h.keepAddress(); err != nil {
		return err
	}
	silence, err := h.serveMetrics(s.metrics)
	if err != nil {
		return err
	}
	defer silence()
	if err := h.welcome(ctx, people); err != nil {
		return err
	}
	if beside == nil {
		<-ctx.Done()
		return nil
	}
	if err = beside(ctx, h); err != nil && ctx.Err() == nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// open opens keys and memory, alone.
func (h *headOffice) open(ctx context.Context) (lock *os.File, err error) {
	const hint = "give a directory that only this server writes to, with --data DIR"
	if err := os.MkdirAll(h.opt.data, 0o700); err != nil {
		return nil, fail(exitError, hint, "make the data directory %s: %w", deminer.Safe(h.opt.data), plainly(err))
	}
	if h.data, err = os.OpenRoot(h.opt.data); err != nil {
		return nil, fail(exitError, hint, "open the data directory %s: %w", deminer.Safe(h.opt.data), plainly(err))
	}
	if lock, err = h.data.OpenFile("server.lock", os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return nil, fail(exitError, hint, "open the lock of the server: %w", plainly(err))
	}
	if err := hands.Lock(lock); err != nil {
		lock.Close()
		if errors.Is(err, deminer.ErrBusy) {
			return nil, fail(exitBusy, "one is enough; end that one first, or give another directory with --data", "a server runs with %s already", deminer.Safe(h.opt.data))
		}
		return nil, fail(exitError, hint, "lock the data directory %s: %w", deminer.Safe(h.opt.data), err)
	}
	if isNew(h.data) {
		h.say(h.opt.data + " held no server: a new one was made, with new keys. If you have one already, stop this and give its --data.")
	}
	if err = h.openParts(ctx); err != nil {
		lock.Close()
		return nil, err
	}
	return lock, nil
}

// openParts opens what a server and a command beside it need.
func (h *headOffice) openParts(ctx context.Context) (err error) {
	where := h.opt.db
	if where == "" {
		path, err := filepath.Abs(filepath.Join(h.opt.data, "server.db"))
		if err != nil {
			return fail(exitError, "", "the database: %w", err)
		}
		where = "sqlite:" + path
	}
	keys, err := part(h.data, "trust")
	if err != nil {
		return err
	}
	if h.db, err = memory.Open(ctx, where); err != nil {
		return fail(exitError, "is the database there, and of this version of deminer or an older one?", "%w", err)
	}
	if h.trust, err = trust.Open(keys, h.names(), h.db.Machines(), nil); err != nil {
		return errors.Join(fail(exitError, "put a copy of the trust directory back; without it all hosts have to be enrolled anew", "%w", err), h.db.Close())
	}
	h.server = server.New(server.Options{Store: h.db, Enrolment: desk{h}, Say: h.say, Follow: true})
	return nil
}

// names are those under which the server is found.
func (h *headOffice) names() []string {
	if len(h.opt.names) > 0 {
		return h.opt.names
	}
	out := []string{"localhost", "127.0.0.1", "::1"}
	if name, err := os.Hostname(); err == nil && name != "" {
		out = append(out, strings.ToLower(name))
	}
	addrs, _ := net.InterfaceAddrs() // those that are not known are not in the certificate
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() && !slices.Contains(out, n.IP.String()) {
			out = append(out, n.IP.String())
		}
	}
	return out
}

// at is where the server is reached by others: a name of it, with the port of the console.
func (h *headOffice) at() string {
	host, port, err := net.SplitHostPort(h.opt.listen)
	if err != nil {
		return h.opt.listen
	}
	if h.listen != nil {
		_, port, _ = net.SplitHostPort(h.listen.Addr().String())
	}
	switch names := h.names(); {
	case len(h.opt.names) > 0:
		host = names[0]
	case host == "" || host == "0.0.0.0" || host == "::":
		host = names[min(3, len(names)-1)] // the name of this host
	}
	return net.JoinHostPort(host, port)
}

func (h *headOffice) serveBus() (err error) {
	var cluster *bus.Cluster
	switch {
	case h.opt.cluster != "" && h.opt.db == "":
		return fail(exitUsage, "give --db postgres://USER@HOST/NAME, the same for all", "--cluster joins servers that share one database")
	case h.opt.cluster == "" && len(h.opt.peers) > 0:
		return fail(exitUsage, "give --cluster ADDR, where the others find this one", "--peer goes with --cluster only")
	case h.opt.cluster != "":
		cluster = &bus.Cluster{Listen: h.opt.cluster, Peers: h.opt.peers, CA: h.trust.CA(), Name: trust.ServerName}
	}
	h.bus, err = bus.Serve(bus.Options{Listen: h.opt.bus, Cluster: cluster, Certificate: h.trust.Certificate, Gate: h.trust, Sign: h.trust.Sign, Say: h.say,
		Take: func(ctx context.Context, host string, m deminer.Message) error {
			err := h.server.Take(ctx, host, m)
			if errors.Is(err, server.ErrRefused) {
				err = fmt.Errorf("%w: %w", deminer.ErrRefused, err)
			}
			return err
		},
		Notice: h.notice})
	if err != nil {
		return fail(exitError, "choose another address with --bus", "%w", err)
	}
	h.server.Use(h)
	return nil
}

// notice takes who comes and goes.
func (h *headOffice) notice(n bus.Notice) {
	switch {
	case n.Up:
		h.server.Here(n.Host)
	case n.Others == 0:
		h.server.Away(n.Host, "its connection ended at "+n.Time.UTC().Format(time.RFC3339))
	}
	if !n.Up || n.Others == 0 || !h.twice.begin(n.Host) {
		return
	}
	h.twice.later(func() {
		h.twice.end(n.Host)
		if h.bus.Connections(n.Host) < 2 {
			return
		}
		const what = "two connections with the key of one host: a copied machine, or a stolen key; revoke it and enroll the host anew"
		h.say("host " + n.Host + ", last from " + n.Address + ": " + what)
		if err := h.server.Audit(context.Background(), auth.Who{Name: "server", Address: n.Address}, "key used twice", n.Host, what); err != nil {
			h.say(err.Error())
		}
	})
}

// serveConsole serves console and enrolment. shut ends it.
func (h *headOffice) serveConsole(console http.Handler) (shut func(), err error) {
	h.shown = h.trust.Certificate
	if h.opt.cert != "" || h.opt.key != "" {
		given, err := tls.LoadX509KeyPair(h.opt.cert, h.opt.key)
		if err != nil {
			return nil, fail(exitUsage, "give both --cert and --key, as PEM", "read the certificate for browsers: %w", err)
		}
		h.shown = func() (*tls.Certificate, error) { return &given, nil }
	}
	_, port, err := net.SplitHostPort(h.bus.Addr().String())
	if err != nil {
		return nil, fail(exitError, "", "the address of the bus: %w", err)
	}
	at := h.opt.agentsAt
	if len(at) == 0 {
		at = []string{":" + port}
	}
	joining := h.trust.Handler(func() []string { return at }, h.say)
	mux := http.NewServeMux()
	mux.Handle("POST "+trust.EnrollPath, joining)
	mux.Handle("POST "+trust.RenewPath, joining)
	mux.Handle("/", console)
	s := overTLS(mux, func(c *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if c.ServerName == trust.ServerName { // a host: it believes the own authority alone
			return h.trust.Certificate()
		}
		return h.shown()
	})
	if h.listen, err = net.Listen("tcp", h.opt.listen); err != nil {
		return nil, fail(exitError, "choose another address with --listen", "serve the console: %w", plainly(err))
	}
	go func() { _ = s.ServeTLS(h.listen, "", "") }() // it ends when it is closed
	return func() { _ = s.Close() }, nil
}

// overTLS makes the server of the console. It waits a while for a request and its body, not for ever: what a page is told of changes by, which
// stays open, lifts that for itself.
func overTLS(handler http.Handler, certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)) *http.Server {
	return &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10,
		ErrorLog:  log.New(silent{}, "", 0), // who scans ports would fill the log
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: certificate}}
}

// silent takes what nobody needs to read.
type silent struct{}

func (silent) Write(b []byte) (int, error) { return len(b), nil }

// welcome says where the console is, and prints the link for the first person.
func (h *headOffice) welcome(ctx context.Context, people *auth.House) error {
	h.say("deminer " + version + " serves the console at https://" + h.at() + "/ and agents at " + h.bus.Addr().String())
	link, err := people.Setup(ctx)
	if err != nil {
		return fail(exitError, "", "look for people: %w", err)
	}
	if link != "" {
		print, err := h.fingerprint()
		if err != nil {
			return fail(exitError, "", "read the certificate for browsers: %w", err)
		}
		h.say("nobody has an account yet; make yours, within a day, at https://" + h.at() + "/setup/" + link)
		h.say("a browser warns of a certificate that it does not know; go on where its SHA-256 fingerprint is " + print)
	}
	return nil
}

// desk enrolls hosts for the console.
type desk struct{ h *headOffice }

// NewToken implements server.Enrolment.
func (d desk) NewToken(ctx context.Context, note string, life time.Duration, hosts int) (secret, command string, err error) {
	text, _, err := d.h.trust.NewToken(ctx, note, "", hosts, life)
	if err != nil {
		return "", "", err
	}
	return text, "deminer enroll --server " + d.h.at() + " --token " + text, nil
}

// Tokens implements server.Enrolment.
func (d desk) Tokens(ctx context.Context) (out []server.Token, err error) {
	list, err := d.h.trust.Tokens(ctx)
	for _, t := range list {
		if left := t.Uses - t.Used; left > 0 && time.Now().Before(t.Expires) {
			out = append(out, server.Token{ID: t.ID, Note: t.By, Made: t.Made, Expires: t.Expires, Left: left})
		}
	}
	return out, err
}

// Withdraw implements server.Enrolment.
func (d desk) Withdraw(ctx context.Context, id string) error { return d.h.trust.EndToken(ctx, id) }

func newToken(f *flags) *cobra.Command {
	s := serving{}
	var hosts int
	var life time.Duration
	c := &cobra.Command{Use: "token", Short: "Make a token that hosts are enrolled with", Args: args(cobra.NoArgs),
		Long: `Prints the command that enrolls a host at the server whose data directory is given; it may run
meanwhile. The token is kept as a hash only and cannot be shown again.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			h, err := s.beside(cmd)
			if err != nil {
				return err
			}
			defer h.db.Close()
			_, command, err := desk{h}.NewToken(cmd.Context(), person(), life, hosts)
			if err != nil {
				return fail(exitUsage, "deminer server token --help shows its flags", "%w", err)
			}
			return f.told(cmd, []string{command}, "%s")
		}}
	s.add(c)
	s.hide(c)
	c.Flags().IntVar(&hosts, "hosts", 1, "it is good for `N` hosts")
	spanVar(c, span{&life, time.Minute, trust.LongestLife}, "for", time.Hour, "it is good for this `TIME`")
	return c
}

// beside opens keys and memory of a server that may run meanwhile.
func (s *serving) beside(cmd *cobra.Command) (*headOffice, error) {
	h := &headOffice{opt: s, say: func(string) {}}
	var err error
	if h.data, err = os.OpenRoot(s.data); err != nil {
		return nil, fail(exitError, "give the data directory of a server that was started once: --data DIR", "open the data directory: %w", plainly(err))
	}
	if _, err := h.data.Stat("trust"); errors.Is(err, fs.ErrNotExist) {
		return nil, fail(exitError, "deminer server --data DIR makes one", "%s is no data directory of a server", s.data)
	}
	if err := h.recall(cmd); err != nil {
		return nil, err
	}
	return h, h.openParts(cmd.Context())
}

// hide hides the flags of a command beside a server that mean something to the server alone.
func (s *serving) hide(c *cobra.Command) {
	for _, name := range []string{"cert", "key", "bus", "agents-at", "cluster", "peer", "metrics"} {
		_ = c.Flags().MarkHidden(name)
	}
}
