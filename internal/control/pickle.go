package control

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// The values of fail2ban's protocol (§5.1) besides nil, bool, int64, float64 and string: lists
// are []any.
type (
	// Tuple is a Python tuple.
	Tuple []any
	// Dict is a Python dict in its order.
	Dict []Pair
	// Pair is one entry of a Dict.
	Pair struct{ Key, Value any }
	// Exception is a Python exception by name ("builtins.ValueError"). It is data: nothing is
	// ever called.
	Exception struct {
		Class string
		Args  []any
	}
)

// Bounds of a decoded value. A pickle of a few bytes can describe a value that holds itself, or
// one that is exponentially large when written out; both must cost nothing.
const (
	maxPickleDepth = 32
	maxPickleNodes = 1 << 20
)

var errPickle = errors.New("not a pickle that this protocol allows")

// node is a mutable value while a pickle is decoded: later opcodes add to lists and dicts that
// others refer to already.
type node struct {
	kind  byte // l list, d dict, t tuple, c class, e exception, v plain value
	items []*node
	plain any
}

type decoder struct {
	in     []byte
	stack  []*node
	marks  []int
	memo   map[uint32]*node
	trust  bool // replies of a server: exceptions are allowed, as data
	budget int
}

// unpickle decodes a request. The opcodes are those that a client's lists of texts and numbers
// need (§5.1); any other is an error, so that there is nothing an attacker could have called.
func unpickle(b []byte) (any, error) { return decodePickle(b, false) }

// unpickleReply decodes what a server answers: exceptions come as Exception.
func unpickleReply(b []byte) (any, error) { return decodePickle(b, true) }

func decodePickle(b []byte, reply bool) (any, error) {
	d := &decoder{in: b, memo: map[uint32]*node{}, trust: reply, budget: maxPickleNodes}
	for {
		op, err := d.take(1)
		if err != nil {
			return nil, err
		}
		if op[0] == '.' {
			n, err := d.pop()
			if err != nil {
				return nil, err
			}
			return d.value(n, 0)
		}
		if err := d.step(op[0]); err != nil {
			return nil, fmt.Errorf("opcode %#02x: %w", op[0], err)
		}
	}
}

// step carries out one opcode (Python's Lib/pickletools names them).
func (d *decoder) step(op byte) error {
	switch op {
	case 0x80: // PROTO
		_, err := d.take(1)
		return err
	case 0x95: // FRAME
		_, err := d.take(8)
		return err
	case '(': // MARK
		d.marks = append(d.marks, len(d.stack))
		return nil
	case 0x94: // MEMOIZE
		return d.memoize(uint32(len(d.memo)))
	case 'q', 'r': // BINPUT, LONG_BINPUT
		i, err := d.number(op == 'r')
		if err != nil {
			return err
		}
		return d.memoize(i)
	case 'h', 'j': // BINGET, LONG_BINGET
		i, err := d.number(op == 'j')
		if err != nil {
			return err
		}
		n := d.memo[i]
		if n == nil {
			return errPickle
		}
		d.push(n)
		return nil
	case ']', '}', ')', 'a', 'e', 's', 'u', 't', 0x85, 0x86, 0x87:
		return d.container(op)
	case 'c', 0x93, 'R', 'b':
		if d.trust {
			return d.exception(op)
		}
		return errPickle
	}
	v, err := d.scalar(op)
	if err != nil {
		return err
	}
	d.push(&node{kind: 'v', plain: v})
	return nil
}

func (d *decoder) scalar(op byte) (any, error) {
	switch op {
	case 'N':
		return nil, nil
	case 0x88, 0x89: // NEWTRUE, NEWFALSE
		return op == 0x88, nil
	case 'K': // BININT1
		b, err := d.take(1)
		return int64(at(b, 0)), err
	case 'M': // BININT2
		b, err := d.take(2)
		return int64(at(b, 0)) | int64(at(b, 1))<<8, err
	case 'J': // BININT
		b, err := d.take(4)
		if err != nil {
			return nil, err
		}
		return int64(int32(binary.LittleEndian.Uint32(b))), nil
	case 0x8a: // LONG1
		return d.long()
	case 'G': // BINFLOAT
		b, err := d.take(8)
		if err != nil {
			return nil, err
		}
		return math.Float64frombits(binary.BigEndian.Uint64(b)), nil
	case 0x8c, 'X': // SHORT_BINUNICODE, BINUNICODE
		n, err := d.number(op == 'X')
		if err != nil {
			return nil, err
		}
		b, err := d.take(int(n))
		return string(b), err
	}
	return nil, errPickle
}

// long reads LONG1: little endian, two's complement.
func (d *decoder) long() (any, error) {
	n, err := d.take(1)
	if err != nil {
		return nil, err
	}
	b, err := d.take(int(n[0]))
	if err != nil || len(b) > 8 {
		return nil, errors.Join(err, errPickle)
	}
	var v int64
	for i, c := range b {
		v |= int64(c) << (8 * i)
	}
	if len(b) > 0 {
		shift := 64 - 8*len(b)
		v = v << shift >> shift
	}
	return v, nil
}

// container carries out the opcodes of lists, dicts and tuples.
func (d *decoder) container(op byte) error {
	switch op {
	case ']', '}', ')': // EMPTY_LIST, EMPTY_DICT, EMPTY_TUPLE
		d.push(&node{kind: map[byte]byte{']': 'l', '}': 'd', ')': 't'}[op]})
		return nil
	case 'a': // APPEND
		return d.extend('l', 1)
	case 's': // SETITEM
		return d.extend('d', 2)
	case 'e', 'u', 't': // APPENDS, SETITEMS, TUPLE
		n, err := d.sinceMark()
		if err != nil {
			return err
		}
		if op == 't' {
			return d.tuple(n)
		}
		return d.extend(map[byte]byte{'e': 'l', 'u': 'd'}[op], n)
	}
	return d.tuple(int(op-0x85) + 1) // TUPLE1 ... TUPLE3
}

// exception carries out the opcodes that describe an exception in a reply.
func (d *decoder) exception(op byte) error {
	switch op {
	case 'c': // GLOBAL: two lines
		module, err1 := d.line()
		name, err2 := d.line()
		d.push(&node{kind: 'c', plain: module + "." + name})
		return errors.Join(err1, err2)
	case 0x93: // STACK_GLOBAL
		if err := d.tuple(2); err != nil {
			return err
		}
		n, err := d.pop()
		if err != nil {
			return err
		}
		module, ok1 := n.items[0].plain.(string)
		name, ok2 := n.items[1].plain.(string)
		if !ok1 || !ok2 {
			return errPickle
		}
		d.push(&node{kind: 'c', plain: module + "." + name})
		return nil
	case 'b': // BUILD: attributes, which nobody asks for
		_, err := d.pop()
		return err
	}
	args, err1 := d.pop()
	class, err2 := d.pop()
	if err1 != nil || err2 != nil || args.kind != 't' || class.kind != 'c' {
		return errPickle
	}
	// fail2ban's addresses describe themselves as the text that they are made of.
	if name := class.plain; (name == "builtins.str" || name == "__builtin__.unicode") && len(args.items) == 1 {
		d.push(args.items[0])
		return nil
	}
	d.push(&node{kind: 'e', plain: class.plain, items: args.items})
	return nil
}

func (d *decoder) push(n *node) { d.stack = append(d.stack, n) }

func (d *decoder) pop() (*node, error) {
	floor := 0
	if len(d.marks) > 0 {
		floor = d.marks[len(d.marks)-1]
	}
	if len(d.stack) <= floor {
		return nil, errPickle
	}
	n := d.stack[len(d.stack)-1]
	d.stack = d.stack[:len(d.stack)-1]
	return n, nil
}

// sinceMark is how many values lie above the last mark, which it takes away.
func (d *decoder) sinceMark() (int, error) {
	if len(d.marks) == 0 {
		return 0, errPickle
	}
	n := len(d.stack) - d.marks[len(d.marks)-1]
	d.marks = d.marks[:len(d.marks)-1]
	return n, nil
}

// top takes n values off the stack.
func (d *decoder) top(n int) ([]*node, error) {
	if n < 0 || len(d.stack) < n {
		return nil, errPickle
	}
	items := append([]*node(nil), d.stack[len(d.stack)-n:]...)
	d.stack = d.stack[:len(d.stack)-n]
	return items, nil
}

func (d *decoder) tuple(n int) error {
	items, err := d.top(n)
	if err == nil {
		d.push(&node{kind: 't', items: items})
	}
	return err
}

// extend adds the n values on top to the list or dict below them.
func (d *decoder) extend(kind byte, n int) error {
	items, err := d.top(n)
	if err != nil || len(d.stack) == 0 {
		return errPickle
	}
	to := d.stack[len(d.stack)-1]
	if to.kind != kind || kind == 'd' && n%2 != 0 {
		return errPickle
	}
	to.items = append(to.items, items...)
	return nil
}

func (d *decoder) memoize(i uint32) error {
	if len(d.stack) == 0 {
		return errPickle
	}
	d.memo[i] = d.stack[len(d.stack)-1]
	return nil
}

// number reads an unsigned number of one byte, or of four where long.
func (d *decoder) number(long bool) (uint32, error) {
	if !long {
		b, err := d.take(1)
		return uint32(at(b, 0)), err
	}
	b, err := d.take(4)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint32(b), nil
}

func (d *decoder) take(n int) ([]byte, error) {
	if n < 0 || n > len(d.in) {
		return nil, fmt.Errorf("it ends early: %w", errPickle)
	}
	b := d.in[:n]
	d.in = d.in[n:]
	return b, nil
}

func (d *decoder) line() (string, error) {
	for i, c := range d.in {
		if c == '\n' {
			b, err := d.take(i + 1)
			return string(b[:i]), err
		}
	}
	return "", errPickle
}

func at(b []byte, i int) byte {
	if i < len(b) {
		return b[i]
	}
	return 0
}

// value makes plain values of nodes, within the bounds.
func (d *decoder) value(n *node, depth int) (any, error) {
	if d.budget--; d.budget < 0 || depth > maxPickleDepth {
		return nil, fmt.Errorf("too large or too deep: %w", errPickle)
	}
	if n.kind == 'v' {
		return n.plain, nil
	}
	items := make([]any, 0, len(n.items))
	for _, i := range n.items {
		v, err := d.value(i, depth+1)
		if err != nil {
			return nil, err
		}
		items = append(items, v)
	}
	switch n.kind {
	case 'l':
		return items, nil
	case 't':
		return Tuple(items), nil
	case 'e':
		return Exception{Class: n.plain.(string), Args: items}, nil
	case 'd':
		dict := Dict{}
		for i := 0; i+1 < len(items); i += 2 {
			dict = append(dict, Pair{items[i], items[i+1]})
		}
		return dict, nil
	}
	return nil, errPickle
}
