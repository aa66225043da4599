// Package service tests the agent's service, and brute force, on a lab host: go test -tags lab ./lab/service
package service
