// Package sigma is an engine for Sigma rules: detection rules on events, as the Sigma specification 2 has them (rules, filters, correlations).
// It is pure Go and imports only the standard library and a YAML parser.
//
// Compile turns sources into an immutable *Rules. A Matcher asks which rules speak of one event; a Stream also follows correlations over many.
//
//	rules, err := sigma.Compile(sigma.Options{}, sigma.Source{Name: "rules.yml", Text: text})
//	m := rules.NewMatcher()
//	for _, r := range m.Match(&event) { ... }
//
// # What holds
//
//   - Text is compared without regard to case (simple case folding of Unicode, as strings.EqualFold), unless the modifier cased is there. Regular expressions regard case.
//   - A field may have several values; a test holds if it holds for one of them. A field that is absent fulfils only null and "exists: false".
//   - null means: the field is absent, or has no value. The empty text is a value, which only an empty text in a rule finds.
//   - neq is the denial of the whole line: it holds for an absent field.
//   - A regular expression is looked for anywhere in a value. It is Go's (RE2): linear in time, without look-around and back-references, which Sigma does not allow either.
//   - A keyword is looked for in every value of the event, one by one.
//   - A filter is joined to a rule by "and": to pass over events its condition reads "not selection".
//   - Rules that only feed a correlation give no hits of their own, unless it says "generate: true".
//
// # How it is fast
//
// Texts of all rules are found by one pass over each value. A rule is evaluated only if a text without which it cannot hold was found, and only if the log source of the event is one that the rule is for.
// A Matcher takes no locks and, after its first events, allocates nothing.
//
// # Hostile input
//
// Sources are hostile: their size, documents, nesting, anchors, values and expressions are bounded, and a fault names file, line, column and rule.
// Events are hostile: at most MaxValue bytes of each value are looked at, and time grows with the length of the values alone. A Stream remembers a bounded number of groups and counts those that it dropped.
package sigma
