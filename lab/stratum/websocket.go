package stratum

import (
	"bufio"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// RFC 6455: the fixed GUID of the handshake, and the opcodes that the lab uses.
const (
	wsGUID   = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
	wsText   = 1
	wsClose  = 8
	wsPing   = 9
	wsPong   = 10
	wsLen16  = 126
	wsLen64  = 127
	wsMasked = 0x80
)

type wsConn struct {
	net.Conn
	r    *bufio.Reader
	mask bool // clients mask, servers do not
}

func wsAccept(key string) string {
	sum := sha1.Sum([]byte(key + wsGUID))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func clientWebSocket(raw net.Conn, u *url.URL) (Conn, error) {
	nonce := make([]byte, 16)
	rand.Read(nonce)
	key := base64.StdEncoding.EncodeToString(nonce)
	path := u.Path
	if path == "" {
		path = "/"
	}
	fmt.Fprintf(raw, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n\r\n", path, u.Host, key)
	r := bufio.NewReaderSize(raw, MaxLine)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		raw.Close()
		return nil, fmt.Errorf("read websocket answer: %w", err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get("Sec-WebSocket-Accept") != wsAccept(key) {
		raw.Close()
		return nil, fmt.Errorf("websocket refused: %s", resp.Status)
	}
	return &wsConn{Conn: raw, r: r, mask: true}, nil
}

// AcceptWebSocket answers a websocket handshake on raw and returns the message connection.
func AcceptWebSocket(raw net.Conn) (Conn, error) {
	r := bufio.NewReaderSize(raw, MaxLine)
	req, err := http.ReadRequest(r)
	if err != nil {
		return nil, fmt.Errorf("read websocket request: %w", err)
	}
	key := req.Header.Get("Sec-WebSocket-Key")
	if key == "" || !strings.EqualFold(req.Header.Get("Upgrade"), "websocket") {
		return nil, errors.New("not a websocket request")
	}
	_, err = fmt.Fprintf(raw, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", wsAccept(key))
	if err != nil {
		return nil, err
	}
	return &wsConn{Conn: raw, r: r}, nil
}

func (c *wsConn) Send(message any) error {
	b, err := json.Marshal(message)
	if err != nil {
		return fmt.Errorf("encode message: %w", err)
	}
	return c.frame(wsText, b)
}

func (c *wsConn) frame(opcode byte, b []byte) error {
	out := []byte{wsMasked | opcode}
	var maskBit byte
	if c.mask {
		maskBit = wsMasked
	}
	if len(b) < wsLen16 {
		out = append(out, maskBit|byte(len(b)))
	} else {
		out = append(out, maskBit|wsLen16)
		out = binary.BigEndian.AppendUint16(out, uint16(len(b)))
	}
	if c.mask {
		key := make([]byte, 4)
		rand.Read(key)
		out = append(out, key...)
		for i := range b {
			b[i] ^= key[i%4]
		}
	}
	_, err := c.Write(append(out, b...))
	return err
}

func (c *wsConn) Receive() ([]byte, error) {
	for {
		opcode, b, err := c.readFrame()
		if err != nil {
			return nil, err
		}
		switch opcode {
		case wsClose:
			return nil, io.EOF
		case wsPing:
			if err := c.frame(wsPong, b); err != nil {
				return nil, err
			}
		case wsText:
			return b, nil
		}
	}
}

func (c *wsConn) readFrame() (byte, []byte, error) {
	var head [2]byte
	if _, err := io.ReadFull(c.r, head[:]); err != nil {
		return 0, nil, err
	}
	size := int(head[1] &^ wsMasked)
	switch size {
	case wsLen16:
		var ext [2]byte
		if _, err := io.ReadFull(c.r, ext[:]); err != nil {
			return 0, nil, err
		}
		size = int(binary.BigEndian.Uint16(ext[:]))
	case wsLen64:
		return 0, nil, fmt.Errorf("message longer than %d bytes", MaxLine)
	}
	if size > MaxLine {
		return 0, nil, fmt.Errorf("message longer than %d bytes", MaxLine)
	}
	var key [4]byte
	if head[1]&wsMasked != 0 {
		if _, err := io.ReadFull(c.r, key[:]); err != nil {
			return 0, nil, err
		}
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(c.r, b); err != nil {
		return 0, nil, err
	}
	if head[1]&wsMasked != 0 {
		for i := range b {
			b[i] ^= key[i%4]
		}
	}
	return head[0] & 0x0f, b, nil
}
