package yara_test

import (
	"context"
	"fmt"

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
