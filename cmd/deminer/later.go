package main

import (
	"fmt"
	"slices"
	"sync"

	"github.com/deminer/deminer/internal/agent"
	"github.com/deminer/deminer/internal/alert"
)

// maxLater is how many alerts that could not be kept wait for room.
const maxLater = 1000

// laterAlerts are alerts for those who see a thing once: what the disk does not take is kept when it does. The agent's loop sees
// what it found again and has a way of its own.
type laterAlerts struct {
	agent.Alerts
	say func(grave bool, line string)

	mu   sync.Mutex
	list []alert.Sighting
	lost uint64 // there was no room in the list
}

// See counts what was seen. With an error fresh says whether it is the first time since that thing could not be kept: it must be told
// then, and only then.
func (l *laterAlerts) See(s alert.Sighting) (a alert.Alert, fresh bool, err error) {
	if a, fresh, err = l.Alerts.See(s); err == nil {
		return a, fresh, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if slices.ContainsFunc(l.list, func(o alert.Sighting) bool { return o.Key == s.Key }) {
		return a, false, err
	}
	if len(l.list) >= maxLater {
		l.lost++
		return a, true, err
	}
	l.list = append(l.list, s)
	return a, true, err
}

// again keeps what could not be kept, the oldest first, until the disk takes no more.
func (l *laterAlerts) again() {
	l.mu.Lock()
	list := l.list
	l.mu.Unlock()
	n := 0
	for ; n < len(list); n++ {
		if _, _, err := l.Alerts.See(list[n]); err != nil {
			break
		}
	}
	if n == 0 {
		return
	}
	l.mu.Lock()
	l.list = slices.Delete(l.list, 0, n) // what came meanwhile is behind them
	left, lost := len(l.list), l.lost
	if left == 0 {
		l.lost = 0
	}
	l.mu.Unlock()
	line := fmt.Sprintf("%d alerts that could not be kept are kept now", n)
	if left == 0 && lost > 0 {
		line += fmt.Sprintf("; %d more were told only", lost)
	}
	l.say(true, line)
}
