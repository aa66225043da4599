package web

import (
	"fmt"
	"html/template"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/auth"
	"github.com/deminer/deminer/internal/server"
)

// lang is a language of the console.
type lang string

const (
	english  lang = "en"
	mandarin lang = "zh"
)

var langs = []lang{english, mandarin}

// words makes text in one language. The English text is the key of the table.
type words struct {
	lang   lang
	zh     map[string]string
	agents []toldText // what agents tell
	now    func() time.Time
}

// chinese reads the table: one line is the English text, a tab, and the Chinese one.
func chinese() (map[string]string, error) {
	text, err := files.ReadFile("zh.txt")
	if err != nil {
		return nil, fmt.Errorf("read the table of texts: %w", err)
	}
	out := map[string]string{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		en, zh, ok := strings.Cut(line, "\t")
		if _, twice := out[en]; !ok || twice || strings.TrimSpace(zh) == "" {
			return nil, fmt.Errorf("read the table of texts: line %q", line)
		}
		out[en] = zh
	}
	return out, nil
}

// t gives a text in the language, with its places filled.
func (w words) t(key string, args ...any) string {
	if w.lang == mandarin {
		if zh, ok := w.zh[key]; ok {
			key = zh
		}
	}
	if len(args) == 0 {
		return key
	}
	return fmt.Sprintf(key, args...)
}

// n gives the text for one or for many.
func (w words) n(n int, one, many string, args ...any) string {
	if n == 1 && w.lang == english { // Chinese has one form
		return w.t(one, args...)
	}
	return w.t(many, append([]any{n}, args...)...)
}

func (w words) funcs() template.FuncMap {
	return template.FuncMap{
		"t": w.t, "n": w.n,
		"n64":      func(n int64, key string) string { return w.t(key, n) },
		"word":     func(s any) string { return w.t(deminer.Safe(fmt.Sprint(s))) },
		"told":     w.told,
		"ctx":      w.ctx,
		"handling": w.handling,
		"thing":    w.thing,
		"fill":     func(l line) string { return w.t(l.Key, l.Args...) },
		"moment":   w.moment,
		"verdict":  func(a server.Alert) string { return w.t(shortVerdict(&a)) },
		"otp":      func(s string) template.URL { return template.URL(s) }, // made by auth alone
		"memory":   func(n uint64) string { return size(int64(min(n, 1<<62))) },
		"ago":      w.ago,
		"until":    w.until,
		"at":       w.at,
		"span":     w.span,
		"safe":     func(s any) string { return deminer.Safe(fmt.Sprint(s)) },
		"raw":      func(r deminer.Raw) string { return deminer.Safe(r) },
		"cut":      func(n int, s any) string { return deminer.Cut(fmt.Sprint(s), n) },
		"deed":     w.deed,
		"phase":    w.phase,
		"may":      func(who auth.Who, role string) bool { return who.Role.AtLeast(auth.Role(role)) },
		"dict":     dict,
		"join":     func(list []string, sep string) string { return strings.Join(list, sep) },
		"query":    url.QueryEscape,
		"size":     size,
		"short":    func(s string) string { return s[:min(len(s), 12)] },
		"lower":    strings.ToLower,
		"add":      func(a, b int) int { return a + b },
	}
}

// ctx gives a word that means something else elsewhere: the table has it as "CONTEXT|WORD".
func (w words) ctx(context string, word any) string {
	s := deminer.Safe(fmt.Sprint(word))
	if zh, ok := w.zh[context+"|"+s]; ok && w.lang == mandarin {
		return zh
	}
	return s
}

// handling names a choice of the Handle sheet.
func (w words) handling(h deminer.Handling) string {
	return w.t(deminer.Safe(handlingName(h)))
}

// person is a name, which is the same in every language.
type person string

// moment is one line of a time line in words.
func (w words) moment(m moment) string {
	if m.Kind == "past" || len(m.Args) == 0 {
		return w.told(w.t(deminer.Safe(m.Key)))
	}
	args := slices.Clone(m.Args)
	for i, a := range args {
		text := deminer.Safe(fmt.Sprint(a))
		if _, name := a.(person); !name {
			text = w.told(w.t(text))
		}
		args[i] = text
	}
	return w.t(m.Key, args...)
}

// dict makes a map of names and values, for parts that take several.
func dict(pairs ...any) (map[string]any, error) {
	out := map[string]any{}
	if len(pairs)%2 != 0 {
		return nil, fmt.Errorf("dict wants pairs")
	}
	for i := 0; i < len(pairs); i += 2 {
		out[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	return out, nil
}

// ago is a time as people say it, with the exact one to be read where the pointer rests.
func (w words) ago(t time.Time) template.HTML {
	if t.IsZero() || t.Unix() == 0 {
		return template.HTML(`<span class="dim">–</span>`)
	}
	d := w.now().Sub(t)
	text := ""
	switch {
	case d < -time.Minute:
		text = w.t("in %s", w.span(-d))
	case d < 45*time.Second:
		text = w.t("just now")
	default:
		text = w.t("%s ago", w.span(d))
	}
	u := t.UTC()
	return template.HTML(`<time datetime="` + u.Format(time.RFC3339) + `" title="` + u.Format("2006-01-02 15:04:05") + ` UTC">` + template.HTMLEscapeString(text) + `</time>`)
}

// at is a time to the second: in a time line the order of things matters, not how long ago they were.
func (w words) at(t time.Time) template.HTML {
	if t.IsZero() || t.Unix() == 0 {
		return template.HTML(`<span class="dim">–</span>`)
	}
	u := t.UTC()
	layout := "01-02 15:04:05"
	if u.Year() != w.now().UTC().Year() {
		layout = "2006-01-02 15:04"
	}
	return template.HTML(`<time datetime="` + u.Format(time.RFC3339) + `" title="` + u.Format("2006-01-02 15:04:05") + ` UTC">` + u.Format(layout) + `</time>`)
}

// until is how long something still lasts.
func (w words) until(t time.Time) template.HTML {
	if t.IsZero() {
		return template.HTML(template.HTMLEscapeString(w.t("for good")))
	}
	return w.ago(t)
}

// span is a length of time, rounded as people do.
func (w words) span(d time.Duration) string {
	switch {
	case d < time.Second:
		return w.t("%d ms", d.Milliseconds())
	case d < time.Minute:
		return w.t("%d s", int(d.Seconds()+0.5))
	case d < 90*time.Minute:
		return w.t("%d min", int(d.Minutes()+0.5))
	case d < 36*time.Hour:
		return w.t("%d h", int(d.Hours()+0.5))
	}
	return w.t("%d d", int(d.Hours()/24+0.5))
}

func size(n int64) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%d B", n)
	case n < 1<<20:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	case n < 1<<30:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
}

var phases = map[deminer.Phase]string{
	deminer.PhaseFreeze:     "Freeze: nothing can react",
	deminer.PhaseBlock:      "Block: no second stage arrives",
	deminer.PhaseUproot:     "Uproot: nothing starts it again",
	deminer.PhaseKill:       "Kill",
	deminer.PhaseQuarantine: "Quarantine: files go to the vault",
	deminer.PhaseRepair:     "Repair: what it changed is put right",
	deminer.PhaseVerify:     "Verify",
}

func (w words) phase(p deminer.Phase) string {
	if text, ok := phases[p]; ok {
		return w.t(text)
	}
	return deminer.Safe(string(p))
}

// deed says in words what a step does, as the command line does.
func (w words) deed(a deminer.Action) string {
	t := w.thing(a.Target)
	file := deminer.Safe(a.Target.Path)
	arg := func(k, or string) string {
		if v := a.Args[k]; v != "" {
			return deminer.Cut(v, 120)
		}
		return or
	}
	switch a.Verb {
	case deminer.VerbFreeze:
		return w.t("freeze %s", t)
	case deminer.VerbBlock:
		switch {
		case a.Target.Kind == deminer.KindCgroup:
			return w.t("block all that %s sends for %s", t, arg("for", "24h"))
		case a.Args["from"] == "yes":
			return w.t("block what comes from %s for %s", t, arg("for", "24h"))
		}
		return w.t("block outgoing traffic to %s for %s", t, arg("for", "24h"))
	case deminer.VerbCutLine:
		return w.t("cut from %s", file)
	case deminer.VerbEditLine:
		return w.t("change in %s", file)
	case deminer.VerbDropFile, deminer.VerbQuarantine:
		return w.t("move to the vault: %s", file)
	case deminer.VerbMaskUnit:
		return w.t("mask unit %s", deminer.Safe(a.Target.Name))
	case deminer.VerbReload:
		return w.t("make systemd read its files again and forget %s", arg("units", w.t("nothing")))
	case deminer.VerbClearFlag:
		return w.t("clear the flags %s of %s", arg("flags", ""), file)
	case deminer.VerbChmod:
		return w.t("set the mode of %s to %s", file, arg("mode", ""))
	case deminer.VerbRename:
		return w.t("move %s back to %s", file, arg("to", ""))
	case deminer.VerbCopyFile:
		return w.t("put the content of %s into %s", arg("from", ""), file)
	case deminer.VerbRestore:
		return w.t("put back %s from package %s", file, arg("package", ""))
	case deminer.VerbLock:
		return w.t("lock account %s", deminer.Safe(a.Target.Name))
	case deminer.VerbRemoveAccount:
		return w.t("remove account %s", deminer.Safe(a.Target.Name))
	case deminer.VerbUnmount:
		return w.t("take away the mount over %s", file)
	case deminer.VerbSysctl:
		return w.t("set %s to %s", deminer.Safe(a.Target.Name), arg("value", ""))
	case deminer.VerbStopContainer:
		return w.t("stop container %s", deminer.Cut(a.Target.Name, 12))
	case deminer.VerbKill:
		return w.t("end %s and what it started", t)
	}
	return deminer.Safe(string(a.Verb)) + " " + t
}

// thing names an artifact.
func (w words) thing(a deminer.Artifact) string {
	switch a.Kind {
	case deminer.KindProcess:
		return w.t("process %d %s", a.Proc.PID, deminer.Safe(a.Name))
	case deminer.KindHost:
		return w.t("this host")
	}
	return a.String()
}
