package control

import (
	"bytes"
	"encoding/hex"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// python runs a script with /usr/bin/python3, whose pickle is the oracle.
func python(t *testing.T, script, in string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", script)
	cmd.Stdin = strings.NewReader(in)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("python3 (apt-get install python3): %v\n%s", err, out)
	}
	return string(out)
}

// What a client sends, in Python and as we decode it.
var requests = []struct {
	python string
	want   any
}{
	{`["ping", 1.5]`, []any{"ping", 1.5}},
	{`["set", "sshd", "banip", "192.0.2.1", "2001:db8::1"]`, []any{"set", "sshd", "banip", "192.0.2.1", "2001:db8::1"}},
	{`[None, True, False, 0, 255, 256, 65535, 65536, -1, -2**31, 2**31, 2**40, -2**40, -2**63, 0.5]`,
		[]any{nil, true, false, int64(0), int64(255), int64(256), int64(65535), int64(65536), int64(-1), int64(-1 << 31), int64(1 << 31),
			int64(1 << 40), int64(-1 << 40), int64(-1 << 63), 0.5}},
	{`["ä€😀", "x" * 300, ""]`, []any{"ä€😀", strings.Repeat("x", 300), ""}},
	{`[(), ("a",), ("a", 1), (1, 2, 3), (1, 2, 3, 4)]`,
		[]any{Tuple{}, Tuple{"a"}, Tuple{"a", int64(1)}, Tuple{int64(1), int64(2), int64(3)}, Tuple{int64(1), int64(2), int64(3), int64(4)}}},
	{`["s", {}, {"a": ["b"], "c": {"d": 1}}, ["b", []]]`,
		[]any{"s", Dict{}, Dict{{"a", []any{"b"}}, {"c", Dict{{"d", int64(1)}}}}, []any{"b", []any{}}}},
	{`["reload", "--all", [], [["set", "j", "x", i] for i in range(2)]]`,
		[]any{"reload", "--all", []any{}, []any{[]any{"set", "j", "x", int64(0)}, []any{"set", "j", "x", int64(1)}}}},
}

func TestRequestsAsPythonWritesThem(t *testing.T) {
	var in strings.Builder
	for _, r := range requests {
		in.WriteString(r.python + "\n")
	}
	out := python(t, "import sys,pickle\nfor l in sys.stdin:\n for p in (2,3,4,5): print(pickle.dumps(eval(l), p).hex())", in.String())
	for i, line := range strings.Fields(out) {
		b, err := hex.DecodeString(line)
		if err != nil {
			t.Fatal(err)
		}
		r := requests[i/4]
		got, err := unpickle(b)
		if err != nil {
			t.Errorf("%s: %v", r.python, err)
			continue
		}
		if diff := cmp.Diff(r.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", r.python, diff)
		}
	}
}

func TestRepliesAsPythonReadsThem(t *testing.T) {
	var in, want strings.Builder
	for _, r := range requests {
		b, err := pickle(Tuple{0, r.want})
		if err != nil {
			t.Fatal(err)
		}
		in.WriteString(hex.EncodeToString(b) + " " + r.python + "\n")
		want.WriteString("True\n")
	}
	b, _ := pickle(Tuple{1, exception("ValueError", "no\n'1'")})
	in.WriteString(hex.EncodeToString(b) + " ")
	got := python(t, `import sys,pickle
for l in sys.stdin:
    h, e = l.rstrip("\n").split(" ", 1)
    v = pickle.loads(bytes.fromhex(h))
    print(repr(v) if not e else v == (0, eval(e)))`, in.String())
	if diff := cmp.Diff(want.String()+`(1, ValueError("no\n'1'"))`+"\n", got); diff != "" {
		t.Errorf("python read (-want +got):\n%s", diff)
	}
	for _, v := range []any{struct{}{}, Exception{Class: "x"}, Exception{Class: "os\nsystem.x"}} {
		if _, err := pickle(v); err == nil {
			t.Errorf("%#v was pickled", v)
		}
	}
}

func TestReadsExceptionsOfServers(t *testing.T) {
	out := python(t, `import pickle
for p in (3, 5):
    print(pickle.dumps((1, ValueError("a", 2)), p).hex())
    print(pickle.dumps((1, FileNotFoundError(2, "No")), p).hex())`, "")
	want := []any{
		Tuple{int64(1), Exception{"builtins.ValueError", []any{"a", int64(2)}}},
		Tuple{int64(1), Exception{"builtins.FileNotFoundError", []any{int64(2), "No"}}},
	}
	for i, line := range strings.Fields(out) {
		b, _ := hex.DecodeString(line)
		got, err := unpickleReply(b)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want[i%2], got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if _, err := unpickle(b); err == nil {
			t.Error("a request may hold an exception")
		}
	}
}

// bomb is a list that is 2^n values large when written out.
func bomb(n int) []byte {
	b := []byte("\x80\x04]\x94N")
	b = append(b, 'a')
	for i := range n {
		b = append(b, ']', 0x94, '(', 'h', byte(i), 'h', byte(i), 'e')
	}
	return append(b, '.')
}

func TestHostilePicklesAreInert(t *testing.T) {
	for name, p := range map[string]string{
		"os.system":         "cos\nsystem\n(S'id'\ntR.",
		"os.system proto 4": "\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02id\x85R.",
		"builtins.eval":     "\x80\x02cbuiltins\neval\nX\x01\x00\x00\x001\x85R.",
		"persistent id":     "\x80\x02X\x01\x00\x00\x00aQ.",
		"extension":         "\x80\x02\x82\x01.",
		"instance":          "(ios\nsystem\n.",
		"build":             "\x80\x02]}b.",
		"bytes":             "\x80\x04C\x01a.",
		"huge text":         "\x80\x02X\xff\xff\xff\xffa.",
		"huge number":       "\x80\x02\x8a\xff" + strings.Repeat("\x01", 255) + ".",
		"itself":            "\x80\x02]q\x00h\x00a.",
		"deep":              "\x80\x02" + strings.Repeat("]", 100_000) + strings.Repeat("a", 99_999) + ".",
		"doubling":          string(bomb(60)),
		"mark in tuple":     "\x80\x02N(\x86t.",
		"pop below mark":    "\x80\x02N(a.",
		"odd dict":          "\x80\x02}(Nu.",
		"no value":          "\x80\x02.",
		"no end":            "\x80\x02N",
		"memo missing":      "\x80\x02h\x05.",
		"append to text":    "\x80\x02X\x01\x00\x00\x00aNa.",
	} {
		if v, err := unpickle([]byte(p)); err == nil {
			t.Errorf("%s: decoded to %v", name, v)
		}
	}
}

func TestMangledPicklesNeverPanic(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var seeds [][]byte
	for _, q := range requests {
		b, err := pickle(q.want)
		if err != nil {
			t.Fatal(err)
		}
		seeds = append(seeds, b)
	}
	seeds = append(seeds, bomb(6), []byte("\x80\x05\x95\x10\x00\x00\x00\x00\x00\x00\x00]\x94(\x8c\x04ping\x94G\x00\x00\x00\x00\x00\x00\x00\x00e."))
	for range 40_000 {
		b := bytes.Clone(seeds[r.IntN(len(seeds))])
		for range 1 + r.IntN(4) {
			switch i := r.IntN(len(b)); r.IntN(3) {
			case 0:
				b[i] = byte(r.Uint32())
			case 1:
				b = b[:i+1]
			case 2:
				b = append(b[:i:i], append([]byte{"().]}aestuhqRcb\x85\x86\x87\x93"[r.IntN(19)]}, b[i:]...)...)
			}
		}
		_, _ = unpickle(b)
		_, _ = unpickleReply(b)
	}
}

func FuzzUnpickle(f *testing.F) {
	for _, q := range requests {
		if b, err := pickle(q.want); err == nil {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := unpickle(b)
		if err != nil {
			return
		}
		if _, err := pickle(v); err != nil {
			t.Errorf("decoded to what cannot be encoded: %v", err)
		}
	})
}
