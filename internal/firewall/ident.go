package firewall

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

const (
	identPrefix = "j_" // keeps jail names apart from our own chain and from nft's keywords
	identMax    = 100  // bytes before the set's suffix; the kernel takes 255
)

// ident is a jail's name as an nft identifier (nft(8), "LEXICAL CONVENTIONS"): letters,
// digits, '-' and '_' stand for themselves, any other byte is '.' and two hex digits, so two
// jails never share an identifier. A name too long for that ends in ".." and a hash.
func ident(jail string) string {
	var b strings.Builder
	for _, c := range []byte(jail) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, ".%02x", c)
		}
	}
	name := b.String()
	if len(name) > identMax {
		sum := sha256.Sum256([]byte(jail))
		name = name[:identMax-20] + ".." + hex.EncodeToString(sum[:8])
	}
	return identPrefix + name
}

// jailOf is the way back. A name that ident had to cut comes out as it stands, cut.
func jailOf(id string) (string, bool) {
	name, ours := strings.CutPrefix(id, identPrefix)
	if !ours {
		return "", false
	}
	if strings.Contains(name, "..") {
		return name, true
	}
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		if name[i] != '.' {
			b.WriteByte(name[i])
			continue
		}
		if i+3 > len(name) {
			return "", false
		}
		c, err := strconv.ParseUint(name[i+1:i+3], 16, 8)
		if err != nil {
			return "", false
		}
		b.WriteByte(byte(c))
		i += 2
	}
	return b.String(), true
}
