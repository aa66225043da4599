package bus

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/deminer/deminer"
)

// maxLines bounds what the bus says in a minute: who may connect, and even who may not, can make it speak, and each line is kept on disk.
const maxLines = 60

// lines says so many of them, and of the rest how many there were, with the first line of a later minute.
type lines struct {
	say func(string)
	now func() time.Time

	mu      sync.Mutex
	from    time.Time // when this minute began
	n, more int
}

func (l *lines) line(text string) {
	l.mu.Lock()
	now, more := l.now(), 0
	if now.Sub(l.from) >= time.Minute {
		l.from, l.n, more, l.more = now, 0, l.more, 0
	}
	l.n++
	if l.n > maxLines {
		l.more++
		l.mu.Unlock()
		return
	}
	last := l.n == maxLines
	l.mu.Unlock()
	if more > 0 {
		l.say(fmt.Sprintf("the bus: and %d more lines", more))
	}
	l.say(text)
	if last {
		l.say(fmt.Sprintf("the bus: more than %d lines in a minute; more are counted only", maxLines))
	}
}

// logger hands what NATS says that is grave to Say, the same once in a while: a server of the cluster that is away is looked for all the time.
type logger struct {
	say    func(string)
	strike func(id uint64) // is told which connection something is said against, each time

	mu   sync.Mutex
	last map[string]time.Time
}

const (
	sayAgain  = 10 * time.Minute
	maxSaying = 100
)

// against is how a line of NATS about a connection of a client begins.
var against = regexp.MustCompile(`^\S+ - cid:([0-9]{1,19})\b`)

// Noticef and the others implement the logger of NATS.
func (*logger) Noticef(string, ...any)         {}
func (*logger) Warnf(string, ...any)           {}
func (*logger) Debugf(string, ...any)          {}
func (*logger) Tracef(string, ...any)          {}
func (l *logger) Fatalf(form string, a ...any) { l.line(form, a) }
func (l *logger) Errorf(form string, a ...any) { l.line(form, a) }

func (l *logger) line(form string, a []any) {
	raw := fmt.Sprintf(form, a...)
	if m := against.FindStringSubmatch(raw); m != nil {
		if id, err := strconv.ParseUint(m[1], 10, 64); err == nil {
			l.strike(id)
		}
	}
	text := deminer.Cut("the bus: "+deminer.Safe(raw), 400)
	key := strings.Map(func(r rune) rune { // numbers of tries and of connections make no other line
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, text)
	l.mu.Lock()
	now := time.Now()
	again := now.Sub(l.last[key]) < sayAgain
	if !again {
		if l.last == nil || len(l.last) >= maxSaying {
			l.last = map[string]time.Time{}
		}
		l.last[key] = now
	}
	l.mu.Unlock()
	if !again {
		l.say(text)
	}
}
