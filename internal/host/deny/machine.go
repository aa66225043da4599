package deny

// A login of a miner is recognised by a machine of one step for each byte. Its tables are made here and put into the programs of
// the kernel when they are loaded (bpf/flow.h).
//
// Proof is one JSON object, the first or a later one of a connection that begins with one, that is a call of
//
//   - mining.subscribe, mining.authorize, mining.hello, mining.submit or eth_submitLogin, whatever else it holds; or
//   - login with an object of parameters that holds login (not empty) and either a list algo of at least its bracket, or both
//     pass and agent (not empty).
//
// Alike is a call of login with login and only one of pass and agent: a program of somebody else may do that. Keys count only where
// they belong: method in the object itself, the others in an object within it. That is the rule of match.Stratum, made narrower.

// Flags: what was seen in an object.
const (
	sawLoginCall = 1 << iota
	sawLogin
	sawPass
	sawAgent
	sawAlgo
	sawMiningCall
)

// What flags are worth.
const (
	hitLike  = 1
	hitProof = 2
)

// States that the programs know by number.
const (
	stateOut  = 0 // outside of strings, nothing awaited
	stateHTTP = 1 // in the header of a request
	stateStop = 2 // it is over: what follows are WebSocket frames
)

// machine are the tables, see bpf/flow.h.
type machine struct {
	next                                 [65536]byte
	flags, depth, stay, where, keep, hit [256]byte
	run                                  [256]uint16
	states                               int
}

// calls are the methods that only miners call.
var calls = map[string]byte{"login": sawLoginCall, "mining.subscribe": sawMiningCall, "mining.authorize": sawMiningCall, "mining.hello": sawMiningCall,
	"mining.submit": sawMiningCall, "eth_submitLogin": sawMiningCall}

// newMachine makes the tables.
func newMachine() *machine {
	m := &machine{}
	for i := range 256 {
		m.stay[i], m.run[i] = 255, 0xffff
	}
	// Where flags count: calls in the object, parameters in the object within it.
	m.where[1], m.where[2] = sawLoginCall|sawMiningCall, sawLogin|sawPass|sawAgent|sawAlgo
	for d := 1; d < 256; d++ {
		m.keep[d] = 255
	}
	for f := range 256 {
		m.hit[f] = worth(byte(f))
	}
	m.json()
	m.http()
	return m
}

// worth is what a set of flags proves.
func worth(f byte) byte {
	has := func(all byte) bool { return f&all == all }
	switch {
	case has(sawMiningCall), has(sawLoginCall | sawLogin | sawAlgo), has(sawLoginCall | sawLogin | sawPass | sawAgent):
		return hitProof
	case has(sawLoginCall | sawLogin | sawPass), has(sawLoginCall | sawLogin | sawAgent):
		return hitLike
	}
	return 0
}

// like makes a state that goes where another goes.
func (m *machine) like(other byte) byte {
	if m.states == 256 {
		panic("deny: more states than the tables hold")
	}
	s := byte(m.states)
	m.states++
	copy(m.next[int(s)<<8:int(s)<<8+256], m.next[int(other)<<8:int(other)<<8+256])
	return s
}

func (m *machine) on(s byte, to byte, bytes ...byte) {
	for _, b := range bytes {
		m.next[int(s)<<8|int(b)] = to
	}
}

// all has every byte lead to one state.
func (m *machine) all(s, to byte) {
	for b := range 256 {
		m.next[int(s)<<8|b] = to
	}
}

// json makes the states that read JSON. A line feed or NUL begins anew wherever it stands.
func (m *machine) json() {
	m.states = stateStop + 1
	open, shut, list, ended, line := m.like(stateOut), m.like(stateOut), m.like(stateOut), m.like(stateOut), m.like(stateOut)
	// Depth is the number of braces, and sixteen times that of brackets: an object in a list is not an object in an object.
	const bracket = 16
	m.depth[open], m.depth[shut], m.depth[list], m.depth[ended], m.stay[line] = 1, 256-1, bracket, 256-bracket, 0
	text, escape, key := m.like(stateOut), m.like(stateOut), m.like(stateOut)
	for _, s := range []byte{stateOut, open, shut, list, ended, line} {
		m.all(s, stateOut)
		m.on(s, open, '{')
		m.on(s, shut, '}')
		m.on(s, list, '[')
		m.on(s, ended, ']')
		m.on(s, key, '"')
	}
	for _, s := range []byte{text, escape, key} { // in a string
		m.all(s, text)
	}
	for _, s := range []byte{text, key} {
		m.on(s, escape, '\\')
		m.on(s, stateOut, '"')
	}
	for _, s := range []byte{stateOut, open, shut, list, ended, line, text, escape, key} {
		m.on(s, line, '\n', 0)
	}
	value := m.like(text) // of method
	for call, flag := range calls {
		seen := m.like(stateOut)
		m.flags[seen] = flag
		m.on(m.word(value, text, call), seen, '"')
	}
	for name, flag := range map[string]byte{"method": 0, "login": sawLogin, "agent": sawAgent, "pass": sawPass, "algo": sawAlgo} {
		after, colon := m.like(stateOut), m.like(stateOut)
		m.on(m.word(key, text, name), after, '"')
		m.on(after, after, ' ', '\t', '\r')
		m.on(after, colon, ':')
		m.on(colon, colon, ' ', '\t', '\r')
		switch name {
		case "method":
			m.on(colon, value, '"')
		case "pass":
			m.flags[colon] = flag
		case "algo":
			algo := m.like(list)
			m.depth[algo], m.flags[algo] = bracket, flag
			m.on(colon, algo, '[')
		default: // a string that is not empty
			begun, full, escaped := m.like(text), m.like(text), m.like(escape)
			m.flags[full], m.flags[escaped] = flag, flag
			m.all(begun, full)
			m.on(begun, stateOut, '"')
			m.on(begun, escaped, '\\')
			m.on(begun, line, '\n', 0)
			m.on(colon, begun, '"')
		}
	}
}

// word adds a word to the tree of strings at root and gives the state behind its last letter.
func (m *machine) word(root, text byte, word string) byte {
	at := root
	for i := range len(word) {
		to := m.next[int(at)<<8|int(word[i])]
		if to == text {
			to = m.like(text)
			m.on(at, to, word[i])
		}
		at = to
	}
	return at
}

// http makes the states that look for the end of a header: an empty line.
func (m *machine) http() {
	ended, again := m.like(stateOut), m.like(stateOut)
	for _, s := range []byte{stateHTTP, ended, again} {
		m.all(s, stateHTTP)
		m.on(s, ended, '\n')
	}
	m.on(ended, again, '\r')
	m.on(ended, stateStop, '\n')
	m.on(again, stateStop, '\n')
	m.all(stateStop, stateStop)
	m.run[stateStop] = 0
}
