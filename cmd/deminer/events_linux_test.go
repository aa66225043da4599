package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer"
)

// TestEventsShowsWhatHappens watches from the command line while programs start, as text and as JSON.
func TestEventsShowsWhatHappens(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatal("this test needs root")
	}
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			case <-time.After(50 * time.Millisecond):
				_ = exec.Command("/bin/true", "deminer \x1b[31mevents").Run()
			}
		}
	}()
	defer func() { close(stop); <-done }()
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"events", "--for", "2s", "--kind", "exec"}, nil, &out, &errs); code != exitClean {
		t.Fatalf("exit code %d: %s", code, errs.String())
	}
	if at, bad := wild(out.String()); bad || !strings.Contains(out.String(), `/usr/bin/true /bin/true "deminer \x1b[31mevents"`) {
		t.Errorf("raw: %q; got\n%s", at, out.String())
	}
	out.Reset()
	if code := run(t.Context(), []string{"events", "--for", "2s", "--kind", "exec", "--json"}, nil, &out, &errs); code != exitClean {
		t.Fatalf("exit code %d: %s", code, errs.String())
	}
	dec, found := json.NewDecoder(&out), uint64(0)
	for {
		var one struct {
			deminer.Event
			eventCounts
		}
		if err := dec.Decode(&one); err == io.EOF {
			t.Fatal("no counts at the end")
		} else if err != nil {
			t.Fatal(err)
		}
		if one.Facets != nil {
			if one.Seen[deminer.EventExec] != found || found == 0 || dec.More() {
				t.Errorf("%d shown, counts %+v", found, one.eventCounts)
			}
			return
		}
		found++
	}
}
