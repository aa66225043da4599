//go:build linux

// Command yarabench is one side of the comparison with libyara that test/yarabench makes: it compiles a list of rule files and scans a list of data files.
//
// Usage: yarabench [-p N] [-check] RULES DATA; both are files with one path a line. It prints user CPU and wall seconds of the compilation and of the scans, bytes, files,
// peak KiB of memory, rules that matched and places of their strings. With -check it prints the rule files that compile on their own, with their number of rules.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/deminer/deminer/yara"
)

var externals = map[string]any{"filename": "", "filepath": "", "extension": "", "filetype": "", "owner": ""}

func main() {
	workers := flag.Int("p", 1, "scan so many files at a time")
	check := flag.Bool("check", false, "print the rule files that compile")
	gc := flag.Int("gc", 50, "garbage collection target in percent, as deminer sets it")
	prof := flag.String("cpuprofile", "", "write a profile of the scans")
	flag.Parse()
	debug.SetGCPercent(*gc)
	log.SetFlags(0)
	rules := lines(flag.Arg(0))
	if *check {
		checkFiles(rules)
		return
	}
	c0, w0 := cpu(), time.Now()
	r := compile(rules)
	c1, w1 := cpu(), time.Now()
	stop := profile(*prof)
	t := scan(r, lines(flag.Arg(1)), *workers)
	stop()
	fmt.Printf("%.3f %.3f %.3f %.3f %d %d %d %d %d\n", c1-c0, w1.Sub(w0).Seconds(), t.cpu, t.wall, t.bytes.Load(), t.files.Load(), peak(), t.rules.Load(), t.places.Load())
}

func lines(name string) []string {
	b, err := os.ReadFile(name)
	if err != nil {
		log.Fatal(err)
	}
	return strings.FieldsFunc(string(b), func(r rune) bool { return r == '\n' })
}

func load(names []string) []yara.Source {
	out := make([]yara.Source, len(names))
	for i, n := range names {
		b, err := os.ReadFile(n)
		if err != nil {
			log.Fatal(err)
		}
		out[i] = yara.Source{Name: n, Namespace: n, Text: string(b)}
	}
	return out
}

func compile(names []string) *yara.Rules {
	r, err := yara.Compile(yara.Options{Externals: externals}, load(names)...)
	if err != nil {
		log.Fatal(err)
	}
	return r
}

func checkFiles(names []string) {
	for _, s := range load(names) {
		r, err := yara.Compile(yara.Options{Externals: externals}, s)
		if err != nil {
			fmt.Fprintf(os.Stderr, "%.200v\n", err)
			continue
		}
		fmt.Println(len(r.List()), s.Name)
	}
}

type total struct {
	bytes, files, rules, places atomic.Int64
	cpu, wall                   float64
}

// scan reads files into memory and scans them there. With one worker the times are of the scans alone, else of all.
func scan(r *yara.Rules, names []string, workers int) *total {
	t := &total{}
	next := make(chan string)
	var group sync.WaitGroup
	c0, w0 := cpu(), time.Now()
	for range workers {
		group.Go(func() {
			var buf []byte
			for name := range next {
				buf = slurp(name, buf)
				c1, w1 := cpu(), time.Now()
				t.one(r, buf)
				if workers == 1 {
					t.cpu, t.wall = t.cpu+cpu()-c1, t.wall+time.Since(w1).Seconds()
				}
			}
		})
	}
	for _, n := range names {
		next <- n
	}
	close(next)
	group.Wait()
	if workers > 1 {
		t.cpu, t.wall = cpu()-c0, time.Since(w0).Seconds()
	}
	return t
}

func (t *total) one(r *yara.Rules, buf []byte) {
	res, err := r.Scan(context.Background(), buf, yara.ScanOptions{})
	if err != nil {
		log.Fatal(err)
	}
	t.bytes.Add(int64(len(buf)))
	t.files.Add(1)
	t.rules.Add(int64(len(res.Matches)))
	for _, m := range res.Matches {
		t.places.Add(int64(len(m.Strings)))
	}
}

func slurp(name string, buf []byte) []byte {
	f, err := os.Open(name)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		log.Fatal(err)
	}
	if int64(cap(buf)) < info.Size() {
		buf = make([]byte, info.Size())
	}
	n, err := io.ReadFull(f, buf[:info.Size()])
	if err != nil && n == 0 && info.Size() > 0 {
		log.Fatal(err)
	}
	return buf[:n]
}

// cpu gives the user seconds of this process.
func cpu() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		log.Fatal(err)
	}
	return float64(u.Utime.Sec) + float64(u.Utime.Usec)/1e6
}

// peak gives the greatest resident size of this process in KiB.
func peak() int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		log.Fatal(err)
	}
	return int64(u.Maxrss)
}
