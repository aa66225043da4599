package yara

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

const (
	peMaxCerts     = 16      // libyara's MAX_PE_CERTS
	peMaxSignature = 4 << 20 // bytes of one PKCS #7 structure
)

// readSignatures lists the certificates that signed the file. Nothing is verified: a field says what the file claims.
func (p *peFile) readSignatures() {
	list := &object{}
	p.o.set("signatures", list)
	at, size, ok := p.directory(4)
	if !ok {
		return
	}
	p.o.setInt("number_of_signatures", 0)
	if at == 0 || int64(at)+int64(size) > p.in.size {
		return
	}
	for off, end := int64(at), int64(at)+int64(size); off < end && p.spend(1); {
		b := p.in.bytes(off, 12)
		if b == nil {
			break
		}
		length, revision, kind := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint16(b[4:]), binary.LittleEndian.Uint16(b[6:])
		if length == 0 || revision != 0x100 && revision != 0x200 {
			break
		}
		stop := min(off+int64(length), p.in.size)
		if revision == 0x200 && kind == 2 && stop-off-8 <= peMaxSignature {
			p.signed(append([]byte(nil), p.in.bytes(off+8, int(max(0, stop-off-8)))...), list)
		}
		off = off + int64(length) + (off+int64(length))%8
	}
	p.o.setInt("number_of_signatures", int64(len(list.items)))
	p.o.setInt("is_signed", boolValue(len(list.items) > 0).i)
}

// signed reads PKCS #7 structures that stand one behind the other.
func (p *peFile) signed(b []byte, list *object) {
	for len(list.items) < peMaxCerts {
		e, rest, ok := derNext(b)
		if !ok {
			return
		}
		for depth := 0; e.full != nil && depth < peMaxCerts; depth++ {
			e = p.pkcs7(e, list)
		}
		b = rest
	}
}

// pkcs7 adds the certificates of the signers of one structure and gives the structure nested in it, if any.
func (p *peFile) pkcs7(e der, list *object) (nested der) {
	top := derList(e.body, 2)
	if len(top) < 2 || top[0].oid() != "1.2.840.113549.1.7.2" {
		return
	}
	inner, _, ok := derNext(top[1].body)
	parts := derList(inner.body, 16)
	if !ok || len(parts) < 4 {
		return
	}
	var certs []der
	for _, part := range parts[3:] {
		if part.tag == 0xa0 {
			certs = derList(part.body, 256)
		}
	}
	signers := derList(parts[len(parts)-1].body, 64)
	var found []der
	for _, s := range signers {
		c, ok := certificateOf(s, certs)
		if !ok {
			return
		}
		found = append(found, c)
	}
	for _, c := range found {
		if len(list.items) < peMaxCerts {
			list.add(certificateObject(c))
		}
	}
	if len(signers) > 0 {
		nested = nestedSignature(signers[0])
	}
	return nested
}

// certificateOf finds the certificate a signer names by issuer and serial number.
func certificateOf(signer der, certs []der) (der, bool) {
	parts := derList(signer.body, 16)
	if len(parts) < 2 {
		return der{}, false
	}
	who := derList(parts[1].body, 2)
	if len(who) < 2 {
		return der{}, false
	}
	for _, c := range certs {
		t := tbs(c)
		if len(t) >= 5 && bytes.Equal(t[2].full, who[0].full) && bytes.Equal(t[0].full, who[1].full) {
			return c, true
		}
	}
	return der{}, false
}

// tbs gives serial, algorithm, issuer, validity, subject... of a certificate.
func tbs(c der) []der {
	in, _, ok := derNext(c.body)
	if !ok {
		return nil
	}
	list := derList(in.body, 16)
	if len(list) > 0 && list[0].tag == 0xa0 {
		list = list[1:]
	}
	return list
}

func nestedSignature(signer der) der {
	for _, part := range derList(signer.body, 16) {
		if part.tag != 0xa1 {
			continue
		}
		for _, attr := range derList(part.body, 64) {
			kv := derList(attr.body, 2)
			if len(kv) == 2 && kv[0].oid() == "1.3.6.1.4.1.311.2.4.1" {
				e, _, _ := derNext(kv[1].body)
				return e
			}
		}
	}
	return der{}
}

// signatureAlgorithms are OpenSSL's long names.
var signatureAlgorithms = map[string]string{
	"1.2.840.113549.1.1.2": "md2WithRSAEncryption", "1.2.840.113549.1.1.4": "md5WithRSAEncryption", "1.2.840.113549.1.1.5": "sha1WithRSAEncryption",
	"1.2.840.113549.1.1.10": "rsassaPss", "1.2.840.113549.1.1.11": "sha256WithRSAEncryption", "1.2.840.113549.1.1.12": "sha384WithRSAEncryption",
	"1.2.840.113549.1.1.13": "sha512WithRSAEncryption", "1.2.840.113549.1.1.14": "sha224WithRSAEncryption", "1.2.840.10040.4.3": "dsaWithSHA1",
	"1.2.840.10045.4.1": "ecdsa-with-SHA1", "1.2.840.10045.4.3.2": "ecdsa-with-SHA256", "1.2.840.10045.4.3.3": "ecdsa-with-SHA384",
	"1.2.840.10045.4.3.4": "ecdsa-with-SHA512", "1.3.14.3.2.29": "sha1WithRSA", "1.3.101.112": "ED25519",
}

func certificateObject(c der) *object {
	o := newStruct()
	sum := sha1.Sum(c.full)
	o.setStr("thumbprint", hex.EncodeToString(sum[:]))
	t := tbs(c)
	o.setInt("version", 1)
	if in, _, _ := derNext(c.body); len(in.body) > 5 && in.body[0] == 0xa0 {
		o.setInt("version", int64(in.body[4])+1)
	}
	var serial []string
	for _, b := range t[0].body {
		serial = append(serial, fmt.Sprintf("%02x", b))
	}
	if len(serial) <= 64 {
		o.setStr("serial", strings.Join(serial, ":"))
	}
	if parts := derList(c.body, 3); len(parts) > 1 {
		alg, _, _ := derNext(parts[1].body)
		id := alg.oid()
		o.setStr("algorithm_oid", id)
		if name := signatureAlgorithms[id]; name != "" {
			o.setStr("algorithm", name)
		} else {
			o.setStr("algorithm", "undefined")
		}
	}
	o.setStr("issuer", oneLine(t[2]))
	o.setStr("subject", oneLine(t[4]))
	if when := derList(t[3].body, 2); len(when) == 2 {
		for i, name := range [...]string{"not_before", "not_after"} {
			if at, ok := when[i].time(); ok {
				o.setInt(name, at)
			}
		}
	}
	return o
}

// time reads UTCTime or GeneralizedTime as seconds since 1970.
func (e der) time() (int64, bool) {
	layout := map[byte]string{0x17: "060102150405Z", 0x18: "20060102150405Z"}[e.tag]
	at, err := time.Parse(layout, string(e.body))
	if layout == "" || err != nil {
		return 0, false
	}
	if e.tag == 0x17 && at.Year() < 1970 { // two digits: 70 to 99 are of the 20th century
		at = at.AddDate(100, 0, 0)
	}
	return at.Unix(), true
}

// nameParts are OpenSSL's short names of the parts of a name.
var nameParts = map[string]string{
	"2.5.4.3": "CN", "2.5.4.4": "SN", "2.5.4.5": "serialNumber", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "ST", "2.5.4.9": "street", "2.5.4.10": "O",
	"2.5.4.11": "OU", "2.5.4.12": "title", "2.5.4.13": "description", "2.5.4.15": "businessCategory", "2.5.4.17": "postalCode", "2.5.4.41": "name",
	"2.5.4.42": "GN", "2.5.4.43": "initials", "2.5.4.46": "dnQualifier", "2.5.4.97": "organizationIdentifier",
	"1.2.840.113549.1.9.1": "emailAddress", "1.2.840.113549.1.9.2": "unstructuredName", "0.9.2342.19200300.100.1.25": "DC", "0.9.2342.19200300.100.1.1": "UID",
	"1.3.6.1.4.1.311.60.2.1.1": "jurisdictionL", "1.3.6.1.4.1.311.60.2.1.2": "jurisdictionST", "1.3.6.1.4.1.311.60.2.1.3": "jurisdictionC",
}

// oneLine writes a name as "/C=US/O=..."; parts that do not fit into 255 bytes are left out.
func oneLine(name der) string {
	var b strings.Builder
	for _, set := range derList(name.body, 64) {
		for _, pair := range derList(set.body, 8) {
			kv := derList(pair.body, 2)
			if len(kv) < 2 {
				continue
			}
			id := kv[0].oid()
			if short := nameParts[id]; short != "" {
				id = short
			}
			part := "/" + id + "=" + escapedName(kv[1].body)
			if b.Len()+len(part) > 255 {
				return b.String()
			}
			b.WriteString(part)
		}
	}
	return b.String()
}

func escapedName(s []byte) string {
	var b strings.Builder
	for _, c := range s[:min(len(s), 256)] {
		if c < ' ' || c > '~' {
			fmt.Fprintf(&b, "\\x%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

func peValidOn(c *call) value {
	from, to := c.mod.fields["not_before"], c.mod.fields["not_after"]
	if from.kind != vInt || to.kind != vInt {
		return value{}
	}
	return boolInt(c.args[0].i >= from.i && c.args[0].i <= to.i)
}
