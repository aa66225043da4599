//go:build linux && lab

package console

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browser is an admin before a screen.
type browser struct {
	t     *testing.T
	ctx   context.Context
	base  string // of the console: scheme, host and port
	root  string // of the host
	shots string

	mu     sync.Mutex
	faults []string // what the browser itself complains of: scripts that fail, what the page's policy forbids
}

// open starts Chromium.
func open(t *testing.T) *browser {
	t.Helper()
	link, err := url.Parse(os.Getenv(linkOf))
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{t: t, base: "https://" + link.Host, root: os.Getenv(rootOf), shots: os.Getenv(shotsOf)}
	home, err := os.MkdirTemp("", "deminer-browser-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(home) }) // a browser that is still ending may write there: that is no fault of the console
	flags := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.DisableGPU, chromedp.IgnoreCertErrors, chromedp.WindowSize(1400, 900), chromedp.UserDataDir(home),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	all, stop := chromedp.NewExecAllocator(t.Context(), flags...)
	t.Cleanup(stop)
	var end context.CancelFunc
	b.ctx, end = chromedp.NewContext(all)
	t.Cleanup(end)
	if err := chromedp.Run(b.ctx); err != nil { // the browser lives as long as the context of the first run
		t.Fatal(err)
	}
	chromedp.ListenTarget(b.ctx, func(event any) {
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			b.fault(e.ExceptionDetails.Error())
		case *log.EventEntryAdded:
			if e.Entry.Level == log.LevelError {
				b.fault(e.Entry.Text + " " + e.Entry.URL)
			}
		}
	})
	return b
}

func (b *browser) fault(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.faults = append(b.faults, text)
}

// do acts, within a time; what fails is shown with a picture.
func (b *browser) do(what string, limit time.Duration, actions ...chromedp.Action) {
	b.t.Helper()
	ctx, stop := context.WithTimeout(b.ctx, limit)
	defer stop()
	if err := chromedp.Run(ctx, actions...); err != nil {
		var text string
		failed, end := context.WithTimeout(b.ctx, soon)
		defer end()
		_ = chromedp.Run(failed, chromedp.OuterHTML("body", &text, chromedp.ByQuery))
		b.shot("failed")
		b.mu.Lock()
		defer b.mu.Unlock()
		b.t.Fatalf("%s: %v\nthe browser complains %q\nthe page says\n%.3000s", what, err, b.faults, text)
	}
	b.t.Logf("%s", what)
}

// shot keeps a picture of the page.
func (b *browser) shot(name string) {
	b.t.Helper()
	var png []byte
	ctx, stop := context.WithTimeout(b.ctx, soon)
	defer stop()
	if err := chromedp.Run(ctx, chromedp.Sleep(150*time.Millisecond), chromedp.CaptureScreenshot(&png)); err != nil {
		b.t.Fatalf("picture of %s: %v", name, err)
	}
	if err := os.WriteFile(filepath.Join(b.shots, name+".png"), png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// to goes to a page. Where the browser is still on its way to another one, which a press of a button has led to, it is asked once more.
func (b *browser) to(path string) chromedp.Action {
	return chromedp.ActionFunc(func(ctx context.Context) error {
		for {
			err := chromedp.Navigate(b.base + path).Do(ctx)
			if err == nil || !strings.Contains(err.Error(), "ERR_ABORTED") {
				return err
			}
			if err := chromedp.Sleep(300 * time.Millisecond).Do(ctx); err != nil {
				return err
			}
		}
	})
}

// text gives what stands in a part of the page.
func (b *browser) text(part string) (text string) {
	b.t.Helper()
	b.do("read "+part, time.Minute, chromedp.Text(part, &text, chromedp.ByQuery))
	return text
}

// until loads a page again and again until a part of it is there.
func (b *browser) until(what, path, part string, limit time.Duration) {
	b.t.Helper()
	for end := time.Now().Add(limit); ; {
		var there bool
		b.do("look: "+what, time.Minute, b.to(path), chromedp.Evaluate(fmt.Sprintf("document.querySelector(%q) !== null", part), &there))
		switch {
		case there:
			return
		case time.Now().After(end):
			b.shot("failed")
			b.t.Fatalf("%s: not within %s\n%.3000s", what, limit, b.text("body"))
		}
		time.Sleep(time.Second)
	}
}

// exists tells whether a file is on the host.
func (b *browser) exists(path string) bool {
	_, err := os.Lstat(filepath.Join(b.root, path))
	return err == nil
}

// expect wants a text in a part of the page.
func (b *browser) expect(part string, wants ...string) {
	b.t.Helper()
	got := b.text(part)
	for _, w := range wants {
		if !strings.Contains(got, w) {
			b.t.Errorf("%s has no %q:\n%.2000s", part, w, got)
		}
	}
}

// number gives what a script counts.
func (b *browser) number(script string) (n int) {
	b.t.Helper()
	b.do("count", soon, chromedp.Evaluate(script, &n))
	return n
}

// settle waits until the agent has looked again after a clean-up and the number of open alerts stays the same.
func (b *browser) settle() {
	b.t.Helper()
	last, calm := -1, 0
	for range 60 {
		b.do("look whether it stays clean", soon, b.to("/alerts?state=open"), chromedp.WaitVisible(`main h1`, chromedp.ByQuery))
		n := b.number(`document.querySelectorAll('table.alerts td.what a').length`)
		if calm++; n != last {
			last, calm = n, 0
		}
		if calm == 4 {
			return
		}
		time.Sleep(time.Second)
	}
	b.t.Fatal("the number of open alerts never stays the same")
}
