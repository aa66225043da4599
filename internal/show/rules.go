package show

import (
	"fmt"
	"time"

	"github.com/deminer/deminer"
)

// RuleSource says of one set of rules which it is, how large and how old. The answer is safe.
func RuleSource(s deminer.RuleSource, now time.Time) string {
	text := fmt.Sprintf("%s: %s, %.12s", deminer.Safe(s.Name), plural(s.Rules, "rule", "rules"), s.Digest)
	if s.Version == "" {
		return text
	}
	text = fmt.Sprintf("%s %s (%s): %s, %.12s, made %s ago, key %s", deminer.Safe(s.Name), s.Version, s.Kind, plural(s.Rules, "rule", "rules"), s.Digest, Ago(s.Created, now), s.Key)
	if s.Expired {
		return text + "; EXPIRED on " + s.Expires.Format(time.DateOnly)
	}
	return text + "; good until " + s.Expires.Format(time.DateOnly)
}
