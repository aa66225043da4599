package server

import (
	"context"
	"slices"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/auth"
)

// Schedule is a scan that is asked for again and again.
type Schedule struct {
	ID    string
	Mode  string   // "quick", "full"
	Hosts []string // none: all that belong to the fleet then
	Every time.Duration
	Next  time.Time
	By    string // safe text
	Made  time.Time
}

// Limits of schedules.
const (
	maxSchedules = 100
	leastEvery   = time.Hour
	mostEvery    = 31 * 24 * time.Hour
)

// AddSchedule has hosts (none: all of the fleet) scanned again and again, the first time at once.
func (s *Server) AddSchedule(ctx context.Context, who auth.Who, hosts []string, mode string, every time.Duration) error {
	if err := who.May(auth.Responder); err != nil {
		return err
	}
	if mode != "quick" && mode != "full" {
		return senseless("a scan that is made again and again is quick or full")
	}
	if every < leastEvery || every > mostEvery {
		return senseless("between two scans lie between an hour and 31 days")
	}
	all, err := s.opt.Store.Schedules(ctx)
	if err != nil {
		return err
	}
	if len(all) >= maxSchedules {
		return senseless("there are %d schedules already", maxSchedules)
	}
	if err := s.allHere(ctx, hosts); err != nil {
		return err
	}
	now := s.now().Truncate(time.Millisecond)
	one := Schedule{ID: NewID(), Mode: mode, Hosts: hosts, Every: every, Next: now, By: deminer.Cut(who.Name, 80), Made: now}
	if err := s.Audit(ctx, who, "schedule", someOf(hosts), mode+" every "+every.String()); err != nil {
		return err
	}
	if err := s.opt.Store.AddSchedule(ctx, one); err != nil {
		return err
	}
	s.feed.tell("scans")
	return nil
}

// Schedules lists the scans that are asked for again and again.
func (s *Server) Schedules(ctx context.Context) ([]Schedule, error) {
	return s.opt.Store.Schedules(ctx)
}

// EndSchedule asks no more.
func (s *Server) EndSchedule(ctx context.Context, who auth.Who, id string) error {
	if err := who.May(auth.Responder); err != nil {
		return err
	}
	if err := s.Audit(ctx, who, "end schedule", deminer.Cut(id, 40), ""); err != nil {
		return err
	}
	if err := s.opt.Store.EndSchedule(ctx, id); err != nil {
		return err
	}
	s.feed.tell("scans")
	return nil
}

// scheduled asks for what is due. Of several servers with one memory one asks; what was missed while none ran is asked for once.
func (s *Server) scheduled(ctx context.Context) error {
	all, err := s.opt.Store.Schedules(ctx)
	if err != nil {
		return err
	}
	now := s.now()
	for _, one := range all {
		if now.Before(one.Next) {
			continue
		}
		next := one.Next.Add((now.Sub(one.Next)/one.Every + 1) * one.Every)
		if mine, err := s.opt.Store.TakeSchedule(ctx, one.ID, one.Next, next); err != nil || !mine {
			if err != nil {
				return err
			}
			continue
		}
		hosts, err := s.members(ctx, one.Hosts)
		if err != nil {
			return err
		}
		if len(hosts) == 0 {
			continue
		}
		who := auth.Who{Name: "schedule of " + one.By, Role: auth.Responder}
		if _, err := s.Scan(ctx, who, hosts, deminer.ScanOrder{Mode: one.Mode}); err != nil {
			return err
		}
	}
	return nil
}

// members gives the hosts of a list that belong to the fleet now; of none, all.
func (s *Server) members(ctx context.Context, list []string) (out []string, err error) {
	all, err := s.opt.Store.Hosts(ctx, true)
	for i := range all {
		if h := &all[i]; h.Revoked.IsZero() && (len(list) == 0 || slices.Contains(list, h.ID)) {
			out = append(out, h.ID)
		}
	}
	return out, err
}
