package main

import (
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"
)

// TestSlowBody: a request whose body never ends does not stand for ever.
func TestSlowBody(t *testing.T) {
	got := make(chan error, 1)
	s := overTLS(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		got <- err
	}), nil)
	if s.ReadTimeout <= 0 || s.ReadTimeout > time.Minute {
		t.Fatalf("a body may take %s", s.ReadTimeout)
	}
	s.ReadTimeout /= 100
	ts := httptest.NewUnstartedServer(nil)
	ts.Config = s
	ts.StartTLS()
	defer ts.Close()
	c, err := tls.Dial("tcp", ts.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\na"); err != nil {
		t.Fatal(err)
	}
	if err := <-got; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("reading ended with %v", err)
	}
}
