package server

import (
	"context"
	"testing"
	"time"

	"github.com/deminer/deminer"
)

// calendar is a store of schedules and little else.
type calendar struct {
	Store
	list   []Schedule
	orders []Order
	log    []Entry
}

func (c *calendar) Schedules(context.Context) ([]Schedule, error) { return c.list, nil }

func (c *calendar) TakeSchedule(_ context.Context, id string, due, next time.Time) (bool, error) {
	for i := range c.list {
		if s := &c.list[i]; s.ID == id && s.Next.Equal(due) {
			s.Next = next
			return true, nil
		}
	}
	return false, nil
}

func (c *calendar) Hosts(context.Context, bool) ([]Host, error) {
	return []Host{{ID: "h1"}, {ID: "h2"}, {ID: "gone", Revoked: time.Unix(1, 0)}}, nil
}

func (c *calendar) Host(_ context.Context, id string) (Host, error) { return Host{ID: id}, nil }

func (c *calendar) AddOrders(_ context.Context, os []Order) error {
	c.orders = append(c.orders, os...)
	return nil
}

func (c *calendar) Append(_ context.Context, e Entry) error {
	c.log = append(c.log, e)
	return nil
}

// TestScheduled: what is due is asked of the hosts that belong to the fleet then, and what was missed for days is asked for once.
func TestScheduled(t *testing.T) {
	start := time.Unix(1_800_000_000, 0).UTC()
	now := start
	c := &calendar{list: []Schedule{{ID: "all", Mode: "quick", Every: 24 * time.Hour, Next: start, By: "ann"}, {ID: "one", Mode: "full", Hosts: []string{"h2", "gone"}, Every: 6 * time.Hour, Next: start.Add(time.Hour), By: "ann"}}}
	s := New(Options{Store: c, Now: func() time.Time { return now }})
	for _, step := range []struct {
		at   time.Duration
		want int // orders by then
	}{{0, 2}, {time.Minute, 2}, {time.Hour, 3}, {2 * time.Hour, 3}, {24 * 5 * time.Hour, 6}, {24*5*time.Hour + time.Minute, 6}} {
		now = start.Add(step.at)
		if err := s.scheduled(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(c.orders) != step.want {
			t.Errorf("after %v: %d orders, want %d", step.at, len(c.orders), step.want)
		}
	}
	for _, o := range c.orders {
		if o.Host == "gone" || o.Kind != deminer.OrderScan || o.By != "schedule of ann" {
			t.Errorf("got %+v", o)
		}
	}
	for _, one := range c.list {
		if !one.Next.After(now) || one.Next.Sub(now) > one.Every || one.Next.Sub(start)%(time.Hour) != 0 {
			t.Errorf("%s is due next at %v", one.ID, one.Next)
		}
	}
	if len(c.log) != 4 {
		t.Errorf("%d lines of the audit log, want one for each scan that was asked for", len(c.log))
	}
}
