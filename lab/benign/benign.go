//go:build linux

// Package benign lists honest loads that look like mining from afar: they keep cores
// busy for long, with flat threads, large memory or much traffic. Deminer must never
// want to act on one of them.
package benign

import _ "embed"

// deploy makes accounts, keys, cron jobs, services and settings of an owner who is at work right now.
//
//go:embed deploy.sh
var deploy string

//go:embed shared.sh
var shared string

//go:embed admins.sh
var admins string

// Work gives the script of what owners did in the last minutes, for infected hosts, too: "shared" or "admins"; "" for
// another name.
func Work(name string) string { return map[string]string{"shared": shared, "admins": admins}[name] }

// ci makes a build server: runners in no package that build, run what they built, and start many short processes.
//
//go:embed ci.sh
var ci string

// panel makes a hosting panel's own stack in no package, with a busy pool of workers.
//
//go:embed panel.sh
var panel string

// Load is one honest program started on a booted host of flavor Benign.
type Load struct {
	Name  string
	Setup string // shell, run first and waited for; may be empty
	Start string // shell command left running for about a minute or more
	User  string // who runs it; "" = root
	Comm  string // process name to wait for
}

// Loads are the loads, in the order of a score. "idle" runs nothing but the services.
func Loads() []Load {
	return []Load{
		{Name: "idle: nginx, PostgreSQL, Redis, cron with curl, admin keys", Comm: "nginx"},
		{Name: "openssl speed", Start: "openssl speed -multi 2 -seconds 120 sha256", Comm: "openssl", User: "deploy"},
		{Name: "xz -T0", Start: "sh -c 'head -c 2G /dev/urandom | xz -T0 -9 > /dev/null'", Comm: "xz", User: "deploy"},
		{Name: "7z b", Start: "7z b 40 -mmt2", Comm: "7z", User: "deploy"},
		{Name: "go build", Start: "env HOME=/var/tmp/gohome GOCACHE=/var/tmp/gocache GOFLAGS=-p=2 go build -a std", Setup: "install -d -o deploy /var/tmp/gohome /var/tmp/gocache", Comm: "go", User: "deploy"},
		{Name: "stress-ng --cpu", Start: "stress-ng --cpu 2 --timeout 120", Comm: "stress-ng", User: "deploy"},
		{Name: "stress-ng --matrix --vm", Start: "stress-ng --matrix 1 --vm 1 --vm-bytes 512M --vm-keep --timeout 120", Comm: "stress-ng", User: "deploy"},
		{Name: "ffmpeg", Start: "ffmpeg -nostdin -loglevel quiet -re -f lavfi -i testsrc2=size=1280x720:rate=60 -t 300 -c:v libx264 -preset slow -f null -", Comm: "ffmpeg", User: "deploy"},
		{Name: "pgbench", Setup: "runuser -u postgres -- createdb bench 2>/dev/null || true; runuser -u postgres -- pgbench -q -i -s 5 bench 2>/dev/null", Start: "/usr/lib/postgresql/15/bin/pgbench -c 4 -j 2 -T 120 -S bench", Comm: "pgbench", User: "postgres"},
		{Name: "redis-benchmark", Start: "redis-benchmark -q -n 100000000 -c 20 -t get,set", Comm: "redis-benchmark", User: "deploy"},
		{Name: "large-page JVM, 3 GB pre-touched", Start: "sh -c 'rm -f /var/tmp/shop.jks; exec java -Xms3g -Xmx3g -XX:+UseLargePages -XX:+AlwaysPreTouch -m java.base/sun.security.tools.keytool.Main -genkeypair -keyalg RSA -keysize 16384 -alias shop -dname CN=shop -storepass changeit -keystore /var/tmp/shop.jks'", Comm: "java", User: "deploy"},
		{Name: "deploy day: accounts, keys, jobs, services made minutes ago", Setup: deploy, Comm: "encoder"},
		{Name: "shared hosting: six sites, their programs and jobs, a panel", Setup: shared, Comm: "nginx"},
		{Name: "two admins at work: accounts, keys, jobs, wrapped commands", Setup: admins, Comm: "nginx"},
		{Name: "build server: runners that build and run what they built", Setup: ci, Comm: "gitlab-runner"},
		{Name: "hosting panel: its own PHP pool in no package", Setup: panel, Comm: "php-fpm: pool w"},
	}
}
