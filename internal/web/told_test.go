package web

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTold: what an agent tells is given in Chinese, also within other words; what the table does not have stays as it is.
func TestTold(t *testing.T) {
	agents, err := toldTexts()
	if err != nil {
		t.Fatal(err)
	}
	zh, err := chinese()
	if err != nil {
		t.Fatal(err)
	}
	w := words{lang: mandarin, agents: agents, zh: zh}
	for en, want := range map[string]string{
		"process 7 (x y) logs in to a mining pool":          "进程 7（x y） 登录矿池",
		"proof: process 7 (x) talks to a mining pool":       "确证：进程 7（x） 与矿池通信",
		"talks to: 203.0.113.7:3333":                        "网络连接：203.0.113.7:3333",
		`"/etc/x" is forced into every program`:             `"/etc/x" 被强制加载到每个程序`,
		"kernel module {1} is hidden from /proc/modules":    "内核模块 {1} 对 /proc/modules 隐藏",
		"looked: mining":                                    "扫描结论：挖矿",
		"nobody ever said this":                             "nobody ever said this",
		strings.Repeat("proof: ", 400):                      strings.Repeat("proof: ", 400),
		"process <b> (</b>) pretends to be a kernel thread": "进程 <b>（</b>） 伪装成内核线程",
	} {
		if got := w.told(en); got != want {
			t.Errorf("%q: got %q, want %q", en, got, want)
		}
		if got := (words{lang: english, agents: agents}).told(en); got != en {
			t.Errorf("English: got %q", got)
		}
	}
}

// TestToldIsSaid: each text of the table is said by some agent, and its Chinese one names each place once.
func TestToldIsSaid(t *testing.T) {
	agents, err := toldTexts()
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, dir := range []string{"../detect", "../agent", "../incident", "../link", "../policy", "../../cmd/deminer", "../..", "../match", "../scan"} {
		names, err := filepath.Glob(dir + "/*.go")
		if err != nil || len(names) == 0 {
			t.Fatal(dir, names, err)
		}
		for _, n := range names {
			text, err := os.ReadFile(n)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(n, "_test.go") {
				all.Write(text)
			}
		}
	}
	source := all.String()
	for _, a := range agents {
		for i := 1; i <= a.places; i++ {
			if strings.Count(a.zh, "{"+itoa(i)+"}") != 1 {
				t.Errorf("%q does not name place %d once", a.zh, i)
			}
		}
		piece := strings.Trim(a.literal, " :,();")
		if words := strings.Fields(piece); len(words) > 5 { // a source may break a text up
			piece = strings.Join(words[:5], " ")
		}
		if !strings.Contains(source, piece) {
			t.Errorf("nobody says %q", a.literal)
		}
	}
}
