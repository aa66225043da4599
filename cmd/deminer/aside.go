package main

import (
	"errors"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host/hands"
)

// aside says of an agent that no service started that it is there.
const aside = "an agent runs here, inside deminer up or started by hand"

// agentRuns says whether an agent runs on this host, whoever started it: whether somebody holds its lock.
func agentRuns(s *store) bool {
	lock, err := s.dir.Open("agent.lock")
	if err != nil {
		return false // none ever ran
	}
	defer lock.Close() // that gives it back, where nobody had it
	return errors.Is(hands.Lock(lock), deminer.ErrBusy)
}

// agentAside says whether an agent runs for the state directory.
func agentAside(f *flags) bool {
	s, err := openStore(f, false)
	if err != nil {
		return false
	}
	defer s.close()
	return agentRuns(s)
}
