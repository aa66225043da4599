package web

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/deminer/deminer/internal/auth"
)

// lasting is a connection that takes note of its deadlines, and ends as soon as something was sent.
type lasting struct {
	*httptest.ResponseRecorder
	read, write *time.Time
	end         func()
}

func (l *lasting) SetReadDeadline(t time.Time) error  { l.read = &t; return nil }
func (l *lasting) SetWriteDeadline(t time.Time) error { l.write = &t; return nil }
func (l *lasting) FlushError() error                  { l.end(); return nil }

// TestEventsLast: what bounds other requests does not end the one by which a page is told of changes.
func TestEventsLast(t *testing.T) {
	h := newHouse(t)
	b := h.person(auth.Viewer)
	at, err := url.Parse(h.ts.URL)
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	defer end()
	r := httptest.NewRequest(http.MethodGet, h.ts.URL+"/events", nil).WithContext(ctx)
	for _, c := range b.c.Jar.Cookies(at) {
		r.AddCookie(c)
	}
	w := &lasting{httptest.NewRecorder(), nil, nil, end}
	h.c.ServeHTTP(w, r)
	if w.Code != http.StatusOK || w.read == nil || !w.read.IsZero() || w.write == nil || !w.write.IsZero() {
		t.Errorf("status %d, deadlines %v and %v, want none", w.Code, w.read, w.write)
	}
}
