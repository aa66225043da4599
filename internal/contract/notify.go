package contract

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"sync/atomic"
	"time"
)

// Notifier talks to the service manager that started this process (sd_notify(3)). Without one, all it is told goes nowhere.
// It may be used from several goroutines.
type Notifier struct {
	addr  string
	every time.Duration // how often the watchdog wants to be fed; 0: there is none
	beat  atomic.Int64  // when the loop last turned, nanoseconds of the monotonic clock
	begin time.Time
}

// NewNotifier takes the address of the manager out of the environment, so that nothing started later has it.
func NewNotifier() *Notifier {
	n := &Notifier{addr: os.Getenv("NOTIFY_SOCKET"), begin: time.Now()}
	usec, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64)
	pid := os.Getenv("WATCHDOG_PID")
	if err == nil && usec > 0 && (pid == "" || pid == strconv.Itoa(os.Getpid())) {
		n.every = time.Duration(usec) * time.Microsecond
	}
	for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
		_ = os.Unsetenv(name) // only a name that is no name fails
	}
	return n
}

// Managed reports whether a service manager listens.
func (n *Notifier) Managed() bool { return n.addr != "" }

// Watchdog is how long the loop may stand still before the manager ends the process; 0: for ever.
func (n *Notifier) Watchdog() time.Duration { return n.every }

// Ready says that the agent watches from now on.
func (n *Notifier) Ready(status string) error { return n.say("READY=1\nSTATUS=" + line(status)) }

// Stopping says that the agent is on its way out.
func (n *Notifier) Stopping() error { return n.say("STOPPING=1") }

// Status tells a line that systemctl status shows.
func (n *Notifier) Status(status string) error { return n.say("STATUS=" + line(status)) }

func line(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c < ' ' || c == 0x7f {
			b[i] = ' '
		}
	}
	return string(b[:min(len(b), 200)])
}

func (n *Notifier) say(what string) error {
	if n.addr == "" {
		return nil
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: n.addr, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("talk to the service manager: %w", err)
	}
	_, err = c.Write([]byte(what))
	if end := c.Close(); err == nil {
		err = end
	}
	if err != nil {
		return fmt.Errorf("talk to the service manager: %w", err)
	}
	return nil
}

// Beat says that the loop of the agent turned. Whatever decides must call it from that very loop, not from a timer beside it:
// a loop that hangs must not be fed.
func (n *Notifier) Beat() { n.beat.Store(int64(time.Since(n.begin)) + 1) }

// Fed gives the time since the last beat; ok is false where there was none yet.
func (n *Notifier) Fed() (since time.Duration, ok bool) {
	at := n.beat.Load()
	return time.Since(n.begin) - time.Duration(at-1), at > 0
}

// Watch feeds the watchdog until done is closed, four times in its time, as long as the last beat is no older than half of
// it. It returns at once where there is no watchdog. failed hears what could not be said, and may be nil.
func (n *Notifier) Watch(done <-chan struct{}, failed func(error)) {
	if n.every == 0 || n.addr == "" {
		return
	}
	tick := time.NewTicker(n.every / 4)
	defer tick.Stop()
	for {
		if since, ok := n.Fed(); ok && since <= n.every/2 {
			if err := n.say("WATCHDOG=1"); err != nil && failed != nil {
				failed(err)
			}
		}
		select {
		case <-done:
			return
		case <-tick.C:
		}
	}
}
