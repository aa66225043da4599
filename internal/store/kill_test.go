package store

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/alert"
	"github.com/deminer/deminer/internal/server"
)

// TestKilled: a server that is killed at once while it takes alerts in has lost none that it answered for, and counts none twice when
// all of them are sent again.
func TestKilled(t *testing.T) {
	if where := os.Getenv("DEMINER_TEST_KILLED"); where != "" {
		ingest(t, where)
		return
	}
	where := "sqlite:" + filepath.Join(t.TempDir(), "x.db")
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilled$")
	cmd.Env = append(os.Environ(), "DEMINER_TEST_KILLED="+where)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	answered := map[string]bool{}
	for r := bufio.NewScanner(out); r.Scan(); {
		if id, ok := strings.CutPrefix(r.Text(), "taken "); ok {
			answered[id] = true
		}
		if len(answered) == 2000 {
			cmd.Process.Kill()
		}
	}
	cmd.Wait()
	if len(answered) < 2000 {
		t.Fatalf("only %d alerts were answered for", len(answered))
	}
	d, err := Open(t.Context(), where)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	have := func() (n int, missing int) {
		seen := map[string]bool{}
		err := each(t.Context(), d.look, "SELECT host, id FROM alerts", nil, func(scan func(...any) error) error {
			var host, id string
			err := scan(&host, &id)
			seen[host+"/"+id] = true
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		for id := range answered {
			if !seen[id] {
				missing++
			}
		}
		return len(seen), missing
	}
	if n, missing := have(); missing > 0 {
		t.Errorf("%d of %d alerts that were answered for are lost (%d are there)", missing, len(answered), n)
	}
	before, _ := have()
	w, sent := newWorld(t, d, nil), 0
	for id := range answered { // the answer may have been lost on its way, so agents send again
		host, a, _ := strings.Cut(id, "/")
		m := killMessage(host, a)
		m.Body = []byte(strings.Replace(string(m.Body), `"unhandled"`, `"handled"`, 1)) // were it taken, it would show
		if err := w.Take(t.Context(), host, m); err != nil {
			t.Fatal(err)
		}
		if got, err := d.Alert(t.Context(), host, a); err != nil || got.State != alert.Unhandled {
			t.Fatalf("a message counted twice: %s %v", got.State, err)
		}
		if sent++; sent == 100 {
			break
		}
	}
	if after, _ := have(); after != before {
		t.Errorf("sent again, %d alerts became %d", before, after)
	}
}

// killMessage is the one message of an alert.
func killMessage(host, id string) deminer.Message {
	body, _ := json.Marshal(miner(id))
	return deminer.Message{ID: fmt.Sprintf("%024x%s", len(host), id), Kind: deminer.MessageAlert, Time: time.Unix(1, 0), Body: body}
}

// ingest takes alerts in until it is killed, and says which it answered for.
func ingest(t *testing.T, where string) {
	d, err := Open(t.Context(), where)
	if err != nil {
		t.Fatal(err)
	}
	s := server.New(server.Options{Store: d})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	go s.Run(ctx)
	var out sync.Mutex
	var all sync.WaitGroup
	for h := range 50 {
		all.Go(func() {
			host := fmt.Sprintf("h%d", h)
			for i := 0; ctx.Err() == nil; i++ {
				id := fmt.Sprintf("%08x", i)
				if s.Take(ctx, host, killMessage(host, id)) != nil {
					time.Sleep(time.Millisecond)
					continue
				}
				out.Lock()
				fmt.Println("taken " + host + "/" + id)
				out.Unlock()
			}
		})
	}
	all.Wait()
}
