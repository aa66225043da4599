package sigma

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
)

// regex compiles a regular expression, which is looked for anywhere in a value unless startswith or endswith say otherwise.
func (it *item) regex(expr string) (*node, error) {
	if len(expr) > maxRegex {
		return nil, fmt.Errorf("regular expression of more than %d bytes", maxRegex)
	}
	full := "(?" + it.flags + ":" + expr + ")"
	if it.begin && !it.end {
		full = `\A` + full
	}
	if it.end && !it.begin {
		full += `\z`
	}
	parsed, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil, regexError(expr, err)
	}
	if n := states(parsed); n > maxStates {
		return nil, fmt.Errorf("regular expression of %d states, its repetitions written out: at most %d", n, maxStates)
	}
	re, err := regexp.Compile(full)
	if err != nil {
		return nil, regexError(expr, err)
	}
	t := &test{kind: testRegex, field: it.field, expr: full, re: re}
	if parsed, err := syntax.Parse(full, syntax.Perl); err == nil {
		for _, text := range required(parsed.Simplify(), 0) {
			t.guards = append(t.guards, guard(it.field, text))
		}
	}
	return leaf(t), nil
}

// states is how many states an expression has when its repetitions are written out, up to far more than is allowed.
func states(re *syntax.Regexp) int {
	const far = 1 << 20
	n := 1
	if re.Op == syntax.OpLiteral {
		n = len(re.Rune)
	}
	for _, sub := range re.Sub {
		n = min(n+states(sub), far)
	}
	if re.Op == syntax.OpRepeat {
		n = min(n*max(1, re.Min, re.Max), far)
	}
	return n
}

// notRegular are the constructs of PCRE that no matcher in linear time can have, with their names.
var notRegular = []struct{ mark, name string }{
	{"(?=", "a look-ahead"}, {"(?!", "a negative look-ahead"}, {"(?<=", "a look-behind"}, {"(?<!", "a negative look-behind"}, {"(?>", "an atomic group"},
	{"(?|", "a branch reset"}, {"(?(", "a condition"}, {"(?R", "a recursion"}, {"(?&", "a recursion"}, {"(*", "a control verb"},
}

// regexError says what is wrong in words, with the part of the expression that the parser names.
func regexError(expr string, err error) error {
	for _, c := range notRegular {
		if strings.Contains(expr, c.mark) {
			return fmt.Errorf("regular expression has %s %s...), which Sigma does not allow and no linear matcher can do: write a second selection and join them in the condition", c.name, c.mark)
		}
	}
	var e *syntax.Error
	if !errors.As(err, &e) {
		return fmt.Errorf("regular expression: %w", err)
	}
	switch {
	case e.Code == syntax.ErrInvalidEscape && len(e.Expr) == 2 && '1' <= e.Expr[1] && e.Expr[1] <= '9':
		return fmt.Errorf("regular expression has a back-reference %s, which Sigma does not allow and no linear matcher can do", e.Expr)
	case e.Code == syntax.ErrInvalidRepeatOp && strings.HasSuffix(e.Expr, "+"):
		return fmt.Errorf("regular expression has a possessive repetition %s, which Sigma does not allow", e.Expr)
	case e.Code == syntax.ErrInvalidRepeatSize:
		return fmt.Errorf("regular expression repeats too often in %s: at most 1000 times", e.Expr)
	}
	return fmt.Errorf("regular expression: %s: %s", e.Code, e.Expr)
}

// required gives folded texts of which at least one is in everything that the expression matches; nil if no such texts are known.
func required(re *syntax.Regexp, depth int) []string {
	if depth > maxNesting {
		return nil
	}
	switch re.Op {
	case syntax.OpLiteral:
		return []string{fold(string(re.Rune))}
	case syntax.OpCapture, syntax.OpPlus:
		return required(re.Sub[0], depth+1)
	case syntax.OpRepeat:
		if re.Min > 0 {
			return required(re.Sub[0], depth+1)
		}
	case syntax.OpConcat:
		var best []string
		for _, sub := range re.Sub {
			if texts := required(sub, depth+1); better(texts, best) {
				best = texts
			}
		}
		return best
	case syntax.OpAlternate:
		var all []string
		for _, sub := range re.Sub {
			texts := required(sub, depth+1)
			if texts == nil {
				return nil
			}
			if all = append(all, texts...); len(all) > maxRequired {
				return nil
			}
		}
		return all
	}
	return nil
}

// maxRequired bounds the texts that stand for one expression.
const maxRequired = 64

// better prefers the list whose shortest text is longer.
func better(a, b []string) bool {
	if a == nil || b == nil {
		return a != nil
	}
	return shortest(a) > shortest(b)
}

func shortest(list []string) int {
	n := len(list[0])
	for _, s := range list {
		n = min(n, len(s))
	}
	return n
}

// guard makes the test for a text that must be there: a literal if it is long enough, or a look for it when it is asked for.
func guard(field, text string) *test {
	if len(text) >= minLiteral {
		return &test{kind: testLiteral, field: field, text: text}
	}
	p := pattern{{part: partMany}, {partText, text}, {part: partMany}}
	return &test{kind: testGlob, field: field, pattern: p, glob: newGlob(p)}
}
