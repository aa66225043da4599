package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
	"github.com/deminer/deminer/internal/host/rootfs"
	"github.com/deminer/deminer/internal/match"
	"github.com/spf13/cobra"
)

// benched is what rules bench writes with --json.
type benched struct {
	Sources []deminer.RuleSource `json:"sources"` // which rules were measured
	Compile time.Duration        `json:"compile"` // from the text of all rules to a set that can be used
	Data    string               `json:"data"`    // what they were measured on: generated, or a path
	Bytes   int64                `json:"bytes"`   // of it
	Scan    time.Duration        `json:"scan"`    // for all rules together, on one processor
	Hits    int                  `json:"hits"`    // of all rules together
	Events  float64              `json:"events"`  // a second, for all Sigma rules together
	Profile match.Profile        `json:"profile"` // of each rule alone
}

// Limits of the data of a bench.
const (
	benchBytes = 64 << 20
	benchPiece = 4 << 20
	benchFiles = 20_000
)

func rulesBench(f *flags) *cobra.Command {
	var top int
	var about time.Duration
	c := &cobra.Command{
		Use: "bench [PATH]", Short: "Measure rules: compiling, scanning, and which rule costs how much", Args: args(cobra.MaximumNArgs(1)),
		Long: `Measures how long the rules in force (or only those of --rules, with --alone) take to compile, how
fast they look at files of PATH or at generated data, and what each costs alone, the slowest first.
Times are processor times (on Linux; elsewhere those of the clock): what else the machine does
hardly counts.`,
		Example: "  deminer rules bench\n  deminer rules bench /usr/bin --rules ./mine --alone --top 10",
		RunE: func(cmd *cobra.Command, a []string) error {
			if top < 0 {
				return fail(exitUsage, "0 shows all", "--top %d", top)
			}
			set, err := f.benchSet(cmd)
			if err != nil {
				return err
			}
			b := benched{Sources: set.Told(), Data: "generated"}
			var data [][]byte
			if len(a) == 1 {
				b.Data = a[0]
				if err := f.places(a); err != nil {
					return err
				}
				if data, err = readSome(cmd.Context(), f, a[0]); err != nil {
					return err
				}
			} else {
				data = generated()
			}
			if err := b.measure(cmd.Context(), set, data, about); err != nil {
				return err
			}
			if f.json {
				return f.write(cmd, b)
			}
			f.benched(cmd, &b, top)
			return nil
		},
	}
	c.Flags().IntVar(&top, "top", 20, "show this `NUMBER` of rules, 0 for all")
	spanVar(c, span{&about, time.Millisecond, time.Hour}, "about", 10*time.Second, "measure single rules for about this `TIME` in all")
	c.Flags().BoolVar(&f.alone, "alone", false, "only the rules of --rules")
	return c
}

// benchSet loads the rules to be measured.
func (f *flags) benchSet(cmd *cobra.Command) (*match.Sources, error) {
	if !f.alone {
		set, err := loadRules(f)
		if err == nil {
			warn(cmd.ErrOrStderr(), set)
		}
		return set, err
	}
	sources, err := namedRules(f, nil, false)
	if err != nil {
		return nil, err
	}
	if len(sources) == 0 {
		return nil, fail(exitUsage, "--rules DIR names them", "--alone without --rules")
	}
	return compile(sources)
}

func (b *benched) measure(ctx context.Context, set *match.Sources, data [][]byte, about time.Duration) error {
	begin := cpuTime()
	if _, err := match.Load(set.Trees()...); err != nil {
		return fail(exitError, "", "load rules: %w", err)
	}
	b.Compile = cpuTime() - begin
	begin = cpuTime()
	for _, d := range data {
		hits, err := set.File(ctx, bytes.NewReader(d), int64(len(d)))
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return fail(exitError, "", "scan: %w", err)
		}
		b.Bytes, b.Hits = b.Bytes+int64(len(d)), b.Hits+len(hits)
	}
	b.Scan = cpuTime() - begin
	events := someEvents()
	begin = cpuTime()
	b.Hits += set.Ask(events)
	b.Events = float64(len(events)) / max((cpuTime()-begin).Seconds(), 1e-9)
	var err error
	b.Profile, err = set.Measure(ctx, data, events, about, cpuTime)
	return err
}

// readSome reads files below a path, evenly: of large ones the head.
func readSome(ctx context.Context, f *flags, name string) ([][]byte, error) {
	root, err := rootfs.Open(f.root)
	if err != nil {
		return nil, fail(exitError, "", "open root %s: %w", f.root, err)
	}
	defer root.Close()
	var names []string
	if a, err := root.Stat(name); err == nil && a.IsRegular() {
		names = []string{name}
	}
	host.Walk(root, name, 64, 20_000_000, func(n string, e host.Entry) bool {
		if e.Type == deminer.Regular && len(names) < benchFiles {
			names = append(names, n)
		}
		return ctx.Err() == nil
	}, func(string, error) {})
	var out [][]byte
	left := benchBytes
	r := rand.New(rand.NewPCG(1, 2)) // the same files every time
	r.Shuffle(len(names), func(i, k int) { names[i], names[k] = names[k], names[i] })
	for _, n := range names {
		b, _ := host.ReadFile(root, n, benchPiece) // what cannot be read is left out of the sample
		if len(b) > 0 && left > 0 {
			b = b[:min(len(b), left)]
			out, left = append(out, b), left-len(b)
		}
	}
	if len(out) == 0 {
		return nil, fail(exitError, "give a path with files that can be read", "nothing to read in %s", name)
	}
	return out, ctx.Err()
}

// generated makes 16 MiB of data that look like files of a server: text of many words, programs, and packed data. It is
// the same every time.
func generated() (out [][]byte) {
	r := rand.New(rand.NewPCG(3, 4))
	words := strings.Fields("the server config error warning user root admin connect socket listen http request response header cookie session token cache memory thread process open read write close pool job queue worker login password key hash block share result method params function return include require import class public static void string int char printf malloc free strlen memcpy")
	rare := strings.Fields("curl wget base64 chmod crontab systemctl ssh-rsa eval( miner stratum xmr exec(")
	for n := range 64 {
		var b bytes.Buffer
		for b.Len() < 256<<10 {
			switch n % 4 {
			case 0, 1:
				if r.IntN(4000) == 0 { // what rules look for stands in many files, and in few places
					b.WriteString(rare[r.IntN(len(rare))])
				}
				b.WriteString(words[r.IntN(len(words))])
				b.WriteByte(" \n\t;="[r.IntN(5)])
				if r.IntN(9) == 0 {
					b.WriteString(strconv.Itoa(r.IntN(100_000)))
				}
			case 2: // code: short instructions, zeros, names
				var raw [48]byte
				for i := range raw {
					raw[i] = byte(r.Uint32() & r.Uint32())
				}
				b.Write(raw[:])
				b.WriteString(words[r.IntN(len(words))])
				b.Write(make([]byte, r.IntN(24)))
			default:
				var raw [256]byte
				for i := range raw {
					raw[i] = byte(r.Uint32())
				}
				b.Write(raw[:])
			}
		}
		head := map[int]string{0: "#!/bin/sh\n", 2: "\x7fELF\x02\x01\x01"}[n%4]
		out = append(out, append([]byte(head), b.Bytes()...))
	}
	return out
}

// someEvents makes 20,000 starts of programs as servers see them, the same every time.
func someEvents() (out []match.Event) {
	r := rand.New(rand.NewPCG(5, 6))
	images := []string{"/usr/bin/bash", "/usr/sbin/sshd", "/usr/bin/python3", "/usr/bin/curl", "/bin/ls", "/usr/bin/grep", "/usr/sbin/cron", "/usr/lib/systemd/systemd", "/usr/bin/git", "/opt/app/bin/worker"}
	args := strings.Fields("-c --config=/etc/app.conf -la /var/log/syslog -v --user www-data status restart -o /tmp/out https://example.org/file.tar.gz -e 's/a/b/' --daemon 127.0.0.1:8080 -rf /var/cache/app start nginx.service")
	for range 20_000 {
		image := images[r.IntN(len(images))]
		line := []string{filepath.Base(image)}
		for range r.IntN(6) {
			line = append(line, args[r.IntN(len(args))])
		}
		e := match.Event{Source: match.LogSource{Category: "process_creation", Product: "linux"}}
		for _, f := range [][2]string{{"Image", image}, {"ParentImage", images[r.IntN(len(images))]}, {"CommandLine", strings.Join(line, " ")}, {"CurrentDirectory", "/var/www"}, {"User", "www-data"}, {"LogonId", strconv.Itoa(r.IntN(99))}} {
			e.Fields = append(e.Fields, match.Field{Name: f[0], Value: f[1]})
		}
		out = append(out, e)
	}
	return out
}

// benched writes a bench for people.
func (f *flags) benched(cmd *cobra.Command, b *benched, top int) {
	p := f.page(cmd)
	total := 0
	var names []string
	for _, s := range b.Sources {
		total += s.Rules
		names = append(names, s.Name)
	}
	p.Headline(count(total, "rule", "rules"), strings.Join(names, ", "), true)
	p.Facts([][2]string{
		{"Compile", short(b.Compile)},
		{"Scan", fmt.Sprintf("%.0f MB/s on one processor (%.1f MB, %s), %s", float64(b.Bytes)/1e6/max(b.Scan.Seconds(), 1e-9), float64(b.Bytes)/1e6, b.Data, count(b.Hits, "hit", "hits"))},
		{"Events", fmt.Sprintf("%.0f a second", b.Events)},
	})
	fmt.Fprintln(cmd.OutOrStdout())
	f.profile(cmd, &b.Profile, top)
}

// profile writes what rules cost, the slowest first.
func (f *flags) profile(cmd *cobra.Command, p *match.Profile, top int) {
	fmt.Fprintf(cmd.OutOrStdout(), "Each rule alone, on %.1f MB in %s; time is beyond what any rule costs (%s for all)\n", float64(p.Bytes)/1e6, count(p.Pieces, "piece", "pieces"), short(p.Base))
	t := f.table(cmd, "TIME", "FOR A", "HITS", "RULE", "PLACE")
	for i, c := range p.Rules {
		if top > 0 && i >= top {
			break
		}
		each, unit := p.Per(c)
		name, place := called(match.Rule{ID: c.Rule, Format: c.Format, File: c.File}), ""
		if c.File != "" {
			place = fmt.Sprintf("%s:%d", c.File, c.Line)
		}
		if c.Shared > 0 {
			name += fmt.Sprintf(" (%d rules as one)", c.Shared)
		}
		took := short(each)
		if c.Note != "" {
			took, name = "?", name+": "+c.Note
		}
		t.row(took, unit, strconv.Itoa(c.Hits), name, place)
	}
	t.flush()
	if top > 0 && len(p.Rules) > top {
		fmt.Fprintf(cmd.OutOrStdout(), "and %d more that cost less (--top 0 shows all)\n", len(p.Rules)-top)
	}
}

// short writes a short duration in a unit that can be compared at a glance.
func short(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.3f ms", float64(d.Microseconds())/1000)
	case d < time.Second:
		return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}
