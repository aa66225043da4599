package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/auth"
)

// Entry is one line of the audit log. Each is chained to the one before it, so that none can be changed or taken out unseen.
type Entry struct {
	Seq    int64     `json:"seq"` // from 1
	Time   time.Time `json:"time"`
	By     string    `json:"by"`     // a person, "agent" or "server"; safe text
	From   string    `json:"from"`   // address
	What   string    `json:"what"`   // "log-in", "plan", "run", "block" ...
	On     string    `json:"on"`     // host, alert, plan or person; safe text
	Detail string    `json:"detail"` // safe text
	Prev   string    `json:"prev"`   // Sum of the entry before it, "" of the first
	Sum    string    `json:"-"`      // SHA-256 of all of the above
}

// Sealed gives the entry as it stands behind another one.
func (e Entry) Sealed(prev Entry) Entry {
	e.Seq, e.Prev = prev.Seq+1, prev.Sum
	e.Time = e.Time.UTC().Truncate(time.Millisecond)
	e.Sum = e.sum()
	return e
}

func (e Entry) sum() string {
	e.Time = e.Time.UTC()
	text, err := json.Marshal(e)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// Audit writes down who did what. An error says that it is not written: then the deed must not be done.
func (s *Server) Audit(ctx context.Context, who auth.Who, what, on, detail string) error {
	if err := s.opt.Store.Append(ctx, s.entry(who, what, on, detail)); err != nil {
		return fmt.Errorf("write to the audit log: %w", err)
	}
	s.feed.tell("audit")
	return nil
}

func (s *Server) entry(who auth.Who, what, on, detail string) Entry {
	return Entry{Time: s.now(), By: deminer.Cut(who.Name, 80), From: deminer.Cut(who.Address, 80), What: deminer.Cut(what, 40), On: deminer.Cut(on, 300),
		Detail: deminer.Cut(detail, 1000)}
}

// Log gives a page of the audit log, the latest first, of entries with a number below the one named (0: all).
func (s *Server) Log(ctx context.Context, who auth.Who, below int64, limit int) ([]Entry, error) {
	if err := who.May(auth.Responder); err != nil {
		return nil, err
	}
	return s.opt.Store.Log(ctx, below, limit)
}

// CheckLog reads the whole audit log and says how many entries it has, or which one is not as it was written.
func (s *Server) CheckLog(ctx context.Context) (entries int64, err error) {
	var next *Entry // the one behind
	for below := int64(0); ; {
		page, err := s.opt.Store.Log(ctx, below, 1000)
		if err != nil {
			return entries, err
		}
		for i := range page {
			e := page[i]
			if e.sum() != e.Sum {
				return entries, fmt.Errorf("entry %d of the audit log was changed", e.Seq)
			}
			if next != nil && (next.Prev != e.Sum || next.Seq != e.Seq+1) {
				return entries, fmt.Errorf("between the entries %d and %d of the audit log something is missing", e.Seq, next.Seq)
			}
			next, below = &e, e.Seq
			entries++
		}
		if len(page) == 0 || below <= 1 {
			break
		}
	}
	if next != nil && (next.Seq != 1 || next.Prev != "") {
		return entries, fmt.Errorf("the beginning of the audit log is missing: it begins with entry %d", next.Seq)
	}
	return entries, nil
}
