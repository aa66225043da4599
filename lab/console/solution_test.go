//go:build linux && lab

package console

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// The intrusion, as its scenario makes it.
const (
	miner = "/opt/sysetmd"
	pool  = "203.0.113.7"
)

const (
	soon = 20 * time.Second
	long = 3 * time.Minute
)

// TestBrowser is what the person does; TestSolution starts it beside the host.
func TestBrowser(t *testing.T) {
	if os.Getenv(linkOf) == "" {
		return // only TestSolution runs it
	}
	b := open(t)
	const password = "three blue herons at noon"
	b.do("the first account", soon, chromedp.Navigate(os.Getenv(linkOf)), chromedp.SendKeys(`input[name=name]`, "ops"), chromedp.SendKeys(`input[name=password]`, password),
		chromedp.SendKeys(`input[name=again]`, password), chromedp.Submit(`input[name=again]`), chromedp.WaitVisible(`#rail`))
	b.do("log out", soon, chromedp.Submit(`form[action="/logout"] button`), chromedp.WaitVisible(`form[action="/login"]`))
	b.shot("login")
	b.do("log in", soon, chromedp.SendKeys(`input[name=name]`, "ops"), chromedp.SendKeys(`input[name=password]`, password), chromedp.Submit(`input[name=password]`), chromedp.WaitVisible(`#rail`))

	begun := time.Now()
	b.until("the mining alert", "/alerts?topic=mining&grade=proof&state=open&q="+miner, `table.alerts td.what a`, long)
	b.shot("alerts-mining")
	b.do("open it", soon, chromedp.Click(`//table//td/a[starts-with(., "process") and contains(., "(sysetmd)")]`, chromedp.BySearch), chromedp.WaitVisible(`#verdict`))
	b.expect(`main`, "AI analysis", "Basic info", "At-risk assets", "Event description", "Handling suggestions", "Tracing", miner)
	b.do("its tracing", soon, chromedp.WaitReady(`#tracing svg.drawing`), chromedp.WaitReady(`#tracing ol.timeline li`))
	b.shot("alert")

	b.do("handle", soon, chromedp.Click(`.head a.button.primary.big`, chromedp.ByQuery), chromedp.WaitVisible(`#sheet form.choices`, chromedp.ByQuery))
	b.shot("handle")
	b.plan("quarantine", "plan")
	if !b.exists(miner) {
		t.Fatal("the plan alone changed the host")
	}
	b.run("terminated")
	if b.exists(miner) {
		t.Error("the miner's file is still there")
	}

	// What brings the miner back is still there and may do so at any time: all that is open is cleaned up until nothing is.
	for i := 0; ; i++ {
		b.do("look at what is open", soon, b.to("/alerts?state=open"), chromedp.WaitVisible(`main h1`, chromedp.ByQuery))
		if n := b.number(`document.querySelectorAll('table.alerts td.what a').length`); n == 0 && i > 0 {
			break
		} else if n == 0 || i == 4 {
			t.Fatalf("%d alerts are open after %d clean-ups", n, i)
		}
		b.do("handle all that is open", soon, chromedp.Click(`a[href^="/handle?all="]`, chromedp.ByQuery), chromedp.WaitVisible(`#sheet form.choices`, chromedp.ByQuery))
		b.plan("deep", "plan-deep")
		b.run("deep")
		b.settle()
	}
	t.Logf("found, ended and cleaned up %s after the first look at the alerts", time.Since(begun).Round(time.Second))
	if left := b.exists("/etc/systemd/system/sysetmd.service"); left {
		t.Error("the miner's unit is still there")
	}

	b.do("block the pool", soon, b.to("/blocks"), chromedp.SendKeys(`input[name=what][required]`, pool), chromedp.Submit(`input[name=what][required]`))
	b.until("the block", "/blocks", `td.what.mono`, long)
	b.expect(`main`, pool)

	b.do("quick scan", soon, b.to("/scans"), chromedp.Submit(`form[action="/scans"] button.primary`), chromedp.WaitReady(`main`))
	b.until("its report", "/scans", `a.tag[href^="/scans/"]`, long)
	b.do("open the report", soon, chromedp.Click(`a.tag[href^="/scans/"]`, chromedp.ByQuery), chromedp.WaitVisible(`main h1`))
	b.expect(`main h1`, "Nothing was found in what was looked at")
	b.shot("report")
	if n := strings.TrimSpace(b.text(`#nopen`)); n != "" && n != "0" {
		t.Errorf("%s alerts are still open", n)
	}

	// The first of the deep clean-ups took the unit away.
	b.do("the clean-up", soon, b.to("/deeds"), chromedp.Click(`tr:nth-last-child(2) td.what a`, chromedp.ByQuery), chromedp.WaitVisible(`form[action$="/undo"] button`, chromedp.ByQuery))
	b.do("undo", long, chromedp.Click(`form[action$="/undo"] button`, chromedp.ByQuery), chromedp.WaitVisible(`.d-undone`, chromedp.ByQuery))
	b.shot("undone")
	if !b.exists("/etc/systemd/system/sysetmd.service") {
		t.Error("the unit was not put back")
	}
	b.until("the quarantine", "/quarantine?q="+miner, `button[value=restore]`, long)
	b.do("restore", soon, chromedp.Click(`button[value=restore]`, chromedp.ByQuery), chromedp.WaitReady(`main`))
	for end := time.Now().Add(long); !b.exists(miner); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the file was not restored")
		}
	}
	b.everyPage()
	if len(b.faults) > 0 {
		t.Errorf("the browser complains:\n%s", strings.Join(b.faults, "\n"))
	}
}

// plan chooses what to do in the sheet and waits for the agent's plan.
func (b *browser) plan(how, picture string) {
	b.t.Helper()
	b.do("ask for a plan: "+how, long, chromedp.Click(`#sheet input[name=how][value=`+how+`]`), chromedp.Click(`#sheet form.choices button.primary`), chromedp.WaitVisible(`#sheet .st-planned, #sheet ol.steps`, chromedp.ByQuery),
		chromedp.WaitVisible(`#sheet button.primary.big`, chromedp.ByQuery))
	b.shot(picture)
}

// run presses the button that names the deed and waits until all of it is done.
func (b *browser) run(picture string) {
	b.t.Helper()
	b.do("run it", long, chromedp.Click(`#sheet button.primary.big`, chromedp.ByQuery), chromedp.WaitVisible(`#sheet .d-done`, chromedp.ByQuery))
	b.shot(picture)
}

// everyPage looks at each page in both languages and themes.
func (b *browser) everyPage() {
	pages := map[string]string{"overview": "/", "alerts": "/alerts?state=all", "incidents": "/incidents?state=all", "cleanups": "/deeds", "hosts": "/hosts", "scans": "/scans", "quarantine": "/quarantine",
		"blocks": "/blocks", "policies": "/policies", "settings": "/settings", "people": "/settings/people", "enroll": "/settings/enroll", "audit": "/audit"}
	for _, lang := range []string{"en", "zh"} {
		for _, theme := range []string{"light", "dark"} {
			b.prefer("lang", lang)
			b.prefer("theme", theme)
			for name, path := range pages {
				b.do(name+" "+lang+" "+theme, soon, b.to(path), chromedp.WaitVisible(`main h1`, chromedp.ByQuery))
				b.shot(name + "-" + lang + "-" + theme)
			}
		}
	}
	b.prefer("lang", "en")
	b.do("on a phone", soon, chromedp.EmulateViewport(390, 844), b.to("/alerts?state=all"), chromedp.WaitVisible(`main h1`, chromedp.ByQuery))
	b.shot("phone")
}

// prefer presses the buttons for language or theme until the page has it.
func (b *browser) prefer(what, value string) {
	b.t.Helper()
	is := map[string]string{"lang": `document.documentElement.lang.slice(0, 2)`, "theme": `document.documentElement.dataset.theme || "auto"`}[what]
	for range 4 {
		var now string
		b.do("see "+what, soon, b.to("/"), chromedp.WaitVisible(`main h1`, chromedp.ByQuery), chromedp.Evaluate(is, &now))
		if now == value {
			return
		}
		b.do("press "+what, soon, chromedp.Click(`#rail form.prefs button[name=`+what+`]`, chromedp.ByQuery), chromedp.Sleep(300*time.Millisecond), chromedp.WaitVisible(`main h1`, chromedp.ByQuery))
	}
	b.t.Fatalf("%s never becomes %s", what, value)
}
