// Package rules is data: the indicator lists (ioc), YARA rules (yara), Sigma rules (sigma) and the samples that prove them (samples).
// match.Load compiles it; docs of the formats are in README.md beside this file.
package rules

import "embed"

// FS holds the rules that are shipped with the program, without the samples.
//
//go:embed ioc/*.txt yara/*.yar sigma/*.yml
var FS embed.FS
