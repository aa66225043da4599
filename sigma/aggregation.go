package sigma

import (
	"fmt"
	"strings"
)

// aggregation says which correlation takes the place of an aggregation of Sigma 1, such as "| count(User) by Host > 5". The words begin at the "|".
func aggregation(words []word) string {
	const intro = `"|" begins an aggregation of Sigma 1, which Sigma 2 does not have: write a correlation rule with `
	function, field, group, op, count := "", "", "", "", ""
	depth := 0
	for i, w := range words[1:] {
		next := ""
		if i+2 < len(words) {
			next = words[i+2].text
		}
		switch {
		case w.text == "(":
			depth++
		case w.text == ")":
			depth--
		case function == "":
			function = strings.ToLower(w.text)
		case depth > 0 && field == "":
			field = w.text
		case strings.EqualFold(w.text, "by"):
			group = next
		case strings.Trim(w.text, "<>=") == "" && w.text != "":
			op, count = w.text, next
		}
	}
	var kind, condition string
	switch {
	case function == "near":
		return intro + "type: temporal, rules: [the rules that were near each other], group-by, timespan"
	case function == "count" && field == "":
		kind = "event_count"
	case function == "count":
		kind, condition = "value_count", "field: "+field+", "
	default:
		return intro + "type: event_count or value_count, group-by, timespan, condition"
	}
	ops := map[string]string{">": "gt", ">=": "gte", "<": "lt", "<=": "lte", "=": "eq", "==": "eq"}
	if ops[op] == "" {
		op = ">="
	}
	if count == "" {
		count = "N"
	}
	if group == "" {
		group = "FIELD"
	}
	return fmt.Sprintf("%stype: %s, rules: [this rule], group-by: [%s], timespan: (was timeframe), condition: {%s%s: %s}", intro, kind, group, condition, ops[op], count)
}
