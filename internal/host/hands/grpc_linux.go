//go:build linux

package hands

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/deminer/deminer"
)

// errWire: an answer is not what the protocol says.
var errWire = errors.New("the engine's answer is not readable")

// message writes a protobuf message, see protobuf.dev/programming-guides/encoding. Empty fields are left out, as proto3 does.
type message []byte

func (m message) number(field int, v uint64) message {
	if v == 0 {
		return m
	}
	return binary.AppendUvarint(binary.AppendUvarint(m, uint64(field)<<3), v)
}

func (m message) bytes(field int, v []byte) message {
	m = binary.AppendUvarint(m, uint64(field)<<3|2)
	return append(binary.AppendUvarint(m, uint64(len(v))), v...)
}

func (m message) text(field int, v string) message {
	if v == "" {
		return m
	}
	return m.bytes(field, []byte(v))
}

// field is one field of a message: a number, or bytes.
type field struct {
	number int
	value  uint64
	bytes  []byte
}

// maxFields bounds one message.
const maxFields = 100_000

// fields reads a message; groups, which nobody uses any more, are not known.
func fields(b []byte) (out []field, err error) {
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		if n <= 0 || tag>>3 == 0 || tag>>3 > 1<<29-1 || len(out) >= maxFields {
			return nil, errWire
		}
		b = b[n:]
		f := field{number: int(tag >> 3)}
		size := 0
		switch tag & 7 {
		case 0:
			if f.value, n = binary.Uvarint(b); n <= 0 {
				return nil, errWire
			}
			size = n
		case 1:
			size = 8
		case 5:
			size = 4
		case 2:
			long, n := binary.Uvarint(b)
			if n <= 0 || long > uint64(len(b)-n) {
				return nil, errWire
			}
			f.bytes, size = b[n:n+int(long)], n+int(long)
		default:
			return nil, errWire
		}
		if size > len(b) {
			return nil, errWire
		}
		b, out = b[size:], append(out, f)
	}
	return out, nil
}

// only gives the last value of a field, which is the one that counts.
func only(list []field, number int) (f field) {
	for _, one := range list {
		if one.number == number {
			f = one
		}
	}
	return f
}

// Codes of grpc/grpc doc/statuscodes.md that are told apart.
const (
	grpcNotFound = "5"
	grpcOK       = "0"
)

// call makes one gRPC call over a unix socket: HTTP/2 without TLS, one message each way, see grpc/grpc doc/PROTOCOL-HTTP2.md.
func call(ctx context.Context, socket, namespace, method string, ask message) ([]field, error) {
	frame := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(ask)))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://engine/"+method, bytes.NewReader(append(frame, ask...)))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("TE", "trailers")
	if namespace != "" {
		req.Header.Set("containerd-namespace", namespace)
	}
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &protocols, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}, IdleConnTimeout: time.Second}
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, err
	}
	status, why := resp.Trailer.Get("grpc-status"), resp.Trailer.Get("grpc-message")
	if status == "" {
		status, why = resp.Header.Get("grpc-status"), resp.Header.Get("grpc-message")
	}
	switch {
	case status == grpcNotFound:
		return nil, fs.ErrNotExist
	case resp.StatusCode != http.StatusOK || status != grpcOK:
		return nil, errors.New(deminer.Cut(fmt.Sprintf("the engine answers %d, status %s: %s", resp.StatusCode, status, strings.TrimSpace(why)), 300))
	}
	// One message, not packed: a byte 0, and its length.
	if len(body) < 5 || body[0] != 0 || uint64(binary.BigEndian.Uint32(body[1:5])) != uint64(len(body)-5) {
		return nil, errWire
	}
	return fields(body[5:])
}
