package web

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// random is n bytes of chance as text for a URL.
func random(n int) string {
	b := make([]byte, n)
	rand.Read(b) //nolint:errcheck // crypto/rand.Read never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// minToken is the shortest token that is taken from a file: one that cannot be guessed.
const minToken = 20

// Token reads the token that opens the page. Where there is no file it is made, for its owner
// alone; a file that others may read is refused, since on loopback everybody reaches the page.
func Token(path string) (string, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return makeToken(path)
	}
	if err != nil {
		return "", &Error{"read the token of the web page: " + err.Error(), "", err}
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", &Error{fmt.Sprintf("%s has mode %04o: others can read the token of the web page", path, info.Mode().Perm()),
			"delete it and start gaol again: it makes a new one", nil}
	}
	text, err := io.ReadAll(io.LimitReader(f, 4096))
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(text))
	if len(token) < minToken {
		return "", &Error{fmt.Sprintf("%s has no token of %d characters and more", path, minToken), "delete it: gaol makes a new one", nil}
	}
	return token, nil
}

func makeToken(path string) (string, error) {
	token := random(32)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		_, err = f.WriteString(token + "\n")
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return "", &Error{"write the token of the web page: " + err.Error(), "", err}
	}
	return token, nil
}

// Password hashes: what `gaol web --hash` prints, "pbkdf2-sha256:ITERATIONS:SALT:KEY".
const (
	hashName  = "pbkdf2-sha256"
	hashSteps = 600_000 // OWASP's figure for PBKDF2 with SHA-256
	hashSize  = 32
	maxSteps  = 10_000_000
)

// Hash is a password as web_password_hash holds it.
func Hash(password string) (string, error) {
	salt := random(16)
	key, err := pbkdf2.Key(sha256.New, password, []byte(salt), hashSteps, hashSize)
	if err != nil {
		return "", fmt.Errorf("hash the password: %w", err)
	}
	return strings.Join([]string{hashName, strconv.Itoa(hashSteps), salt, base64.RawURLEncoding.EncodeToString(key)}, ":"), nil
}

// hashed is a hash that was read.
type hashed struct {
	steps     int
	salt, key []byte
}

func readHash(text string) (*hashed, error) {
	if text == "" {
		return nil, nil
	}
	parts := strings.Split(text, ":")
	wrong := &Error{"web_password_hash cannot be read", "make one with: gaol web --hash", nil}
	if len(parts) != 4 || parts[0] != hashName {
		return nil, wrong
	}
	steps, err := strconv.Atoi(parts[1])
	key, err2 := base64.RawURLEncoding.DecodeString(parts[3])
	if err != nil || err2 != nil || steps < 1 || steps > maxSteps || len(key) != hashSize {
		return nil, wrong
	}
	return &hashed{steps, []byte(parts[2]), key}, nil
}

func (h *hashed) opens(password string) bool {
	key, err := pbkdf2.Key(sha256.New, password, h.salt, h.steps, len(h.key))
	return err == nil && subtle.ConstantTimeCompare(key, h.key) == 1
}

// same compares secrets in a time that tells nothing of them.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// silent swallows what net/http says of clients: it is theirs to choose.
func silent() *log.Logger { return log.New(io.Discard, "", 0) }
