// Package fleet tests server, console and agent on an infected lab host: what a person clicks ends the intrusion, and what is killed in
// the middle of it neither loses nor doubles anything.
//
//	go test -tags lab -v ./lab/fleet
package fleet
