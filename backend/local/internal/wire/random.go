package wire

import (
	"crypto/rand"
	"encoding/hex"
	"strings"
)

// RandomHex returns n random bytes in hexadecimal.
func RandomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the program instead
	return hex.EncodeToString(b)
}

// RequestID returns a random UUID.
func RequestID() string {
	h := []byte(RandomHex(16))
	h[12] = '4'
	h[16] = "89ab"[h[16]&3]
	return strings.Join([]string{string(h[:8]), string(h[8:12]), string(h[12:16]), string(h[16:20]), string(h[20:])}, "-")
}

// KeyID returns what follows AKIA in an access key id: its alphabet is base32's.
func KeyID() string { return strings.ToUpper(rand.Text())[:11] }
