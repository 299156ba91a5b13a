package control

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
)

// pickle encodes a value in pickle protocol 2, which every Python client reads (§5.1). Text
// that is not UTF-8 (log lines may not be) is mended: Python would refuse the whole reply.
func pickle(v any) ([]byte, error) {
	b, err := appendPickle([]byte{0x80, 2}, v)
	return append(b, '.'), err
}

func appendPickle(b []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(b, 'N'), nil
	case bool:
		if v {
			return append(b, 0x88), nil
		}
		return append(b, 0x89), nil
	case int:
		return appendInt(b, int64(v)), nil
	case int64:
		return appendInt(b, v), nil
	case uint64:
		return appendInt(b, int64(min(v, math.MaxInt64))), nil
	case float64:
		return binary.BigEndian.AppendUint64(append(b, 'G'), math.Float64bits(v)), nil
	case string:
		v = strings.ToValidUTF8(v, "\uFFFD")
		b = binary.LittleEndian.AppendUint32(append(b, 'X'), uint32(len(v)))
		return append(b, v...), nil
	case []string:
		return appendMarked(append(b, ']'), 'e', anys(v))
	case []any:
		return appendMarked(append(b, ']'), 'e', v)
	case Tuple:
		return appendMarked(b, 't', v)
	case Dict:
		var flat []any
		for _, p := range v {
			flat = append(flat, p.Key, p.Value)
		}
		return appendMarked(append(b, '}'), 'u', flat)
	case Exception:
		dot := strings.LastIndexByte(v.Class, '.')
		if dot < 0 || strings.ContainsAny(v.Class, "\r\n") {
			return b, fmt.Errorf("pickle exception of class %q: not MODULE.NAME", v.Class)
		}
		b = fmt.Appendf(append(b, 'c'), "%s\n%s\n", v.Class[:dot], v.Class[dot+1:])
		b, err := appendPickle(b, Tuple(v.Args))
		return append(b, 'R'), err
	}
	return b, fmt.Errorf("pickle a %T", v)
}

// appendMarked writes MARK, the items and the opcode that takes them.
func appendMarked(b []byte, op byte, items []any) ([]byte, error) {
	b = append(b, '(')
	var err error
	for _, one := range items {
		if b, err = appendPickle(b, one); err != nil {
			return b, err
		}
	}
	return append(b, op), nil
}

func appendInt(b []byte, v int64) []byte {
	if v == int64(int32(v)) {
		return binary.LittleEndian.AppendUint32(append(b, 'J'), uint32(v))
	}
	return binary.LittleEndian.AppendUint64(append(b, 0x8a, 8), uint64(v))
}

func anys[T any](from []T) []any {
	to := make([]any, len(from))
	for i, v := range from {
		to[i] = v
	}
	return to
}
