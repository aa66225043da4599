package yara_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/deminer/deminer/yara"
)

func Example() {
	rules, err := yara.Compile(yara.Options{}, yara.Source{Name: "demo.yar", Text: `
rule shell_script : demo {
    strings: $run = /curl [^|]+\| ?sh/
    condition: uint16be(0) == 0x2321 and $run
}`})
	if err != nil {
		fmt.Println(err)
		return
	}
	res, err := rules.Scan(context.Background(), []byte("#!/bin/sh\ncurl example.org | sh\n"), yara.ScanOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, m := range res.Matches {
		fmt.Println(m.Rule, m.Tags, m.Strings[0].ID, m.Strings[0].Offset, string(m.Strings[0].Excerpt))
	}
	// Output: shell_script [demo] $run 10 curl example.org | sh
}

// A module's fields are used like those of libyara; console tells values while a rule is written.
func Example_module() {
	rules, err := yara.Compile(yara.Options{}, yara.Source{Name: "demo.yar", Text: `
import "math"
import "console"
rule even { condition: console.log("entropy: ", math.entropy(0, filesize)) and filesize < 1KB }`})
	if err != nil {
		fmt.Println(err)
		return
	}
	res, err := rules.Scan(context.Background(), []byte("abcdabcdabcdabcd"), yara.ScanOptions{Console: func(s string) { fmt.Println(s) }})
	fmt.Println(res.Matches[0].Rule, err)
	// Output:
	// entropy: 2.000000
	// even <nil>
}

// A set is compiled once, saved, and loaded where it is needed.
func ExampleLoad() {
	rules, err := yara.Compile(yara.Options{}, yara.Source{Name: "demo.yar", Text: `rule some { condition: filesize > 0 }`})
	if err != nil {
		fmt.Println(err)
		return
	}
	var file bytes.Buffer
	if err := rules.Save(&file); err != nil {
		fmt.Println(err)
		return
	}
	loaded, err := yara.Load(&file)
	fmt.Println(loaded.List()[0].Rule, err)
	_, err = yara.Load(strings.NewReader("something else"))
	fmt.Println(err)
	// Output:
	// some <nil>
	// load rules: not a saved set of rules
}
