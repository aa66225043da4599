package sigma

import (
	"bytes"
	"math"
	"net/netip"
	"strconv"
	"time"
)

// compareOp is a comparison of numbers.
type compareOp uint8

const (
	opEQ compareOp = iota
	opLT
	opLTE
	opGT
	opGTE
	opNEQ
)

func (op compareOp) holds(order int) bool {
	switch op {
	case opLT:
		return order < 0
	case opLTE:
		return order <= 0
	case opGT:
		return order > 0
	case opGTE:
		return order >= 0
	case opNEQ:
		return order != 0
	}
	return order == 0
}

// number is an integer, exactly, or a floating-point number.
type number struct {
	whole bool
	i     int64
	f     float64
}

// parseNumber reads a decimal integer or fraction of at most 64 bytes, or an integer in hexadecimal with 0x, as logs of Windows have them. Integers of 64 bits are exact. It does not allocate for what is no number.
func parseNumber(s string) (number, bool) {
	if len(s) == 0 || len(s) > 64 {
		return number{}, false
	}
	if len(s) > 2 && s[0] == '0' && s[1]|0x20 == 'x' {
		return hexadecimal(s[2:])
	}
	if n, ok := decimal(s); ok {
		return number{whole: true, i: n, f: float64(n)}, true
	}
	if !fraction(s) {
		return number{}, false
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsInf(f, 0) {
		return number{}, false
	}
	return number{f: f}, true
}

func hexadecimal(s string) (number, bool) {
	if len(s) > 16 {
		return number{}, false
	}
	var u uint64
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return number{}, false
		}
		u = u<<4 | uint64(c)
	}
	return number{whole: true, i: int64(u), f: float64(u)}, int64(u) >= 0
}

// fraction says whether s is a sign, digits with at most one point among them, and an exponent, of which only digits must be there.
func fraction(s string) bool {
	if s[0] == '-' || s[0] == '+' {
		s = s[1:]
	}
	digits := func() int {
		n := 0
		for n < len(s) && '0' <= s[n] && s[n] <= '9' {
			n++
		}
		s = s[n:]
		return n
	}
	n := digits()
	if s != "" && s[0] == '.' {
		s = s[1:]
		n += digits()
	}
	if n == 0 {
		return false
	}
	if s != "" && s[0]|0x20 == 'e' {
		if s = s[1:]; s != "" && (s[0] == '-' || s[0] == '+') {
			s = s[1:]
		}
		if digits() == 0 {
			return false
		}
	}
	return s == ""
}

// decimal reads a whole number that fits.
func decimal(s string) (int64, bool) {
	neg := s[0] == '-'
	if neg || s[0] == '+' {
		s = s[1:]
	}
	if len(s) == 0 || len(s) > 19 {
		return 0, false
	}
	var u uint64 // 19 digits always fit
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		u = u*10 + uint64(s[i]-'0')
	}
	n := int64(u)
	if n < 0 {
		return 0, false
	}
	if neg {
		n = -n
	}
	return n, true
}

// order compares two numbers: -1, 0 or 1.
func (a number) order(b number) int {
	if a.whole && b.whole {
		switch {
		case a.i < b.i:
			return -1
		case a.i > b.i:
			return 1
		}
		return 0
	}
	switch {
	case a.f < b.f:
		return -1
	case a.f > b.f:
		return 1
	}
	return 0
}

// timeUnit is what a time modifier takes out of a date.
type timeUnit uint8

const (
	unitMinute timeUnit = iota
	unitHour
	unitDay
	unitWeek
	unitMonth
	unitYear
)

// timeRange are the least and greatest values of the units, in their order.
var timeRange = [...][2]int64{{0, 59}, {0, 23}, {1, 31}, {1, 53}, {1, 12}, {0, 9999}}

// timePart takes a unit out of a date as it is written: "2006-01-02" or with "/", then "T" or a space and "15:04", then anything (seconds, fractions, a zone, which is not converted).
func timePart(s string, u timeUnit) (int64, bool) {
	if len(s) < 10 || s[4] != s[7] || s[4] != '-' && s[4] != '/' {
		return 0, false
	}
	year, ok1 := decimal(s[:4])
	month, ok2 := decimal(s[5:7])
	day, ok3 := decimal(s[8:10])
	if !ok1 || !ok2 || !ok3 || year < 0 || month < 1 || month > 12 || day < 1 || day > 31 {
		return 0, false
	}
	switch u {
	case unitYear:
		return year, true
	case unitMonth:
		return month, true
	case unitDay:
		return day, true
	case unitWeek:
		_, week := time.Date(int(year), time.Month(month), int(day), 0, 0, 0, 0, time.UTC).ISOWeek()
		return int64(week), true
	}
	if len(s) < 16 || s[10] != 'T' && s[10] != ' ' || s[13] != ':' {
		return 0, false
	}
	hour, ok1 := decimal(s[11:13])
	minute, ok2 := decimal(s[14:16])
	if !ok1 || !ok2 || hour < 0 || hour > 23 || minute < 0 || minute > 59 {
		return 0, false
	}
	if u == unitHour {
		return hour, true
	}
	return minute, true
}

// inNetwork says whether a text is an address of a network. An IPv4 address in IPv6 form counts as IPv4; a zone is passed over. It does not allocate for what is plainly no address.
func inNetwork(s string, network netip.Prefix) bool {
	if len(s) < 2 || len(s) > 64 {
		return false
	}
	dots, colons := 0, 0
	for i := 0; i < len(s) && s[i] != '%'; i++ {
		switch c := s[i]; {
		case c == '.':
			dots++
		case c == ':':
			colons++
		case '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f':
		default:
			return false
		}
	}
	if colons < 2 && dots != 3 {
		return false
	}
	a, err := netip.ParseAddr(s)
	return err == nil && network.Contains(a.WithZone("").Unmap())
}

// refers compares two fields.
func refers(t *test, a, b []byte) bool {
	switch {
	case t.begin && t.end:
		return bytes.Contains(a, b)
	case t.begin:
		return bytes.HasPrefix(a, b)
	case t.end:
		return bytes.HasSuffix(a, b)
	}
	return bytes.Equal(a, b)
}
