package yara

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// timeModule gives now(), the seconds since 1970.
func timeModule() *module {
	now := func(*call) value { return intValue(time.Now().Unix()) }
	return &module{root: structType(fields{"now": fn(overload{"", typInt, now})})}
}

// stringModule gives to_int, with a base if wanted, and length in bytes.
func stringModule() *module {
	length := func(c *call) value { return intValue(int64(len(c.args[0].s))) }
	return &module{root: structType(fields{
		"to_int": fn(overload{"s", typInt, toInt}, overload{"si", typInt, toInt}),
		"length": fn(overload{"s", typInt, length}),
	})}
}

// toInt reads a whole string as a number; base 0 takes it from a prefix 0x or 0. What is no number is undefined.
func toInt(c *call) value {
	base := 0
	if len(c.args) > 1 {
		base = int(c.args[1].i)
		if base != 0 && (base < 2 || base > 36) {
			return value{}
		}
	}
	s := strings.TrimLeft(c.args[0].s, " \t\n\v\f\r")
	if strings.ContainsAny(s, "_") {
		return value{}
	}
	neg := strings.HasPrefix(s, "-")
	digits := strings.TrimPrefix(strings.TrimPrefix(s, "-"), "+")
	if len(s)-len(digits) > 1 {
		return value{}
	}
	if base == 0 {
		base, digits = prefixed(digits)
	} else if base == 16 && len(digits) > 2 && strings.EqualFold(digits[:2], "0x") {
		digits = digits[2:]
	}
	if neg {
		digits = "-" + digits
	}
	n, err := strconv.ParseInt(digits, base, 64)
	if err != nil {
		return value{}
	}
	return intValue(n)
}

func prefixed(s string) (base int, digits string) {
	switch {
	case len(s) > 2 && strings.EqualFold(s[:2], "0x"):
		return 16, s[2:]
	case len(s) > 1 && s[0] == '0':
		return 8, s[1:]
	}
	return 10, s
}

// consoleModule hands messages to ScanOptions.Console. Its functions are always true.
func consoleModule() *module {
	log := func(c *call) value { return c.say(func(v value) string { return v.text() }) }
	hex := func(c *call) value { return c.say(func(v value) string { return fmt.Sprintf("0x%x", uint64(v.i)) }) }
	return &module{root: structType(fields{
		"log": fn(overload{"s", typInt, log}, overload{"i", typInt, log}, overload{"f", typInt, log},
			overload{"ss", typInt, log}, overload{"si", typInt, log}, overload{"sf", typInt, log}),
		"hex": fn(overload{"i", typInt, hex}, overload{"si", typInt, hex}),
	})}
}

func (c *call) say(show func(value) string) value {
	if to := c.s.console; to != nil {
		msg := show(c.args[len(c.args)-1])
		if len(c.args) > 1 {
			msg = c.args[0].s + msg
		}
		to(msg)
	}
	return intValue(1)
}

// text gives a value as console.log writes it; what cannot be printed in a string is escaped.
func (v value) text() string {
	switch v.kind {
	case vInt, vBool:
		return strconv.FormatInt(v.i, 10)
	case vFloat:
		return strconv.FormatFloat(v.float(), 'f', 6, 64)
	}
	var b strings.Builder
	for i := 0; i < len(v.s); i++ {
		if c := v.s[i]; c < 0x20 || c >= 0x7F {
			fmt.Fprintf(&b, "\\x%02x", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
