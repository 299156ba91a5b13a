package source

import (
	"encoding/binary"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"gaol/internal/event"
)

func sized(name, value string) string {
	return name + "\n" + string(binary.LittleEndian.AppendUint64(nil, uint64(len(value)))) + value + "\n"
}

func parseWhole(pieces ...string) (list []entry, err error) {
	var p exportParser
	for _, piece := range pieces {
		if err := p.feed([]byte(piece), func(e entry) { list = append(list, e) }); err != nil {
			return list, err
		}
	}
	return list, nil
}

func TestExportBinary(t *testing.T) {
	list, err := parseWhole("__CURSOR=c1\n" + sized("MESSAGE", "a\n\nMESSAGE=forged\n") + sized("COREDUMP", "\n\n=\x00") + "_PID=1\n\n\n__CURSOR=c2\n\n")
	if err != nil || len(list) != 2 {
		t.Fatalf("%d entries (%v), expected 2", len(list), err)
	}
	if got := list[0].fields[message]; got != "a\n\nMESSAGE=forged\n" {
		t.Errorf("message is %q", got)
	}
	if list[0].fields[pid] != "1" || list[1].fields[cursor] != "c2" {
		t.Errorf("entries are %+v", list)
	}
}

func TestExportBounds(t *testing.T) {
	long := strings.Repeat("x", event.MaxLine+1)
	list, err := parseWhole("MESSAGE="+long+"\n", "_PID=1\n\n", sized("MESSAGE", long), "\n")
	if err != nil || len(list) != 2 {
		t.Fatalf("%d entries (%v), expected 2", len(list), err)
	}
	for _, e := range list {
		if len(e.fields[message]) != event.MaxLine || !e.cut {
			t.Errorf("message has %d bytes, cut %v", len(e.fields[message]), e.cut)
		}
	}
	for _, bad := range []string{strings.Repeat("N", maxFieldName+1), "=x\n", "A\n\x01\x00\x00\x00\x00\x00\x00\x00xx"} {
		if _, err := parseWhole(bad); err == nil {
			t.Errorf("%.20q is accepted", bad)
		}
	}
}

// Pieces of any size give what the whole gives.
func TestExportPieces(t *testing.T) {
	whole := "__CURSOR=c1\n" + sized("MESSAGE", "a\nb") + sized("BLOB", "") + "_PID=1\n\n__CURSOR=c2\nMESSAGE=x=y\n\n"
	want, err := parseWhole(whole)
	if err != nil || len(want) != 2 {
		t.Fatal(want, err)
	}
	for i := range len(whole) {
		for j := i; j < len(whole); j++ {
			if got, err := parseWhole(whole[:i], whole[i:j], whole[j:]); err != nil || !reflect.DeepEqual(got, want) {
				t.Fatalf("cut at %d and %d: %v (%v), expected %v", i, j, got, err, want)
			}
		}
	}
}

// FuzzExport: no input breaks the parser, makes it hold more than its bounds, or reads
// differently in pieces.
func FuzzExport(f *testing.F) {
	f.Add([]byte("__CURSOR=c\n"+sized("MESSAGE", "a\nb")+"\n"), uint64(1))
	f.Add([]byte("A\n\xff\xff\xff\xff\xff\xff\xff\xffabc"), uint64(2))
	f.Fuzz(checkExport)
}

// TestExportRandom is the same on pieces of the format put together at random.
func TestExportRandom(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	parts := []string{"MESSAGE", "_PID", "=", "\n", "\n\n", "x", "\x00", sized("MESSAGE", "a\n"), "\x02\x00\x00\x00\x00\x00\x00\x00", "__CURSOR=c\n"}
	for range 2000 {
		var b strings.Builder
		for range r.IntN(20) {
			b.WriteString(parts[r.IntN(len(parts))])
		}
		checkExport(t, []byte(b.String()), r.Uint64())
	}
}

func checkExport(t *testing.T, data []byte, seed uint64) {
	want, werr := parseWhole(string(data))
	var p exportParser
	var got []entry
	var err error
	r := rand.New(rand.NewPCG(seed, 1))
	for rest := data; len(rest) > 0 && err == nil; {
		n := 1 + r.IntN(len(rest))
		err = p.feed(rest[:n], func(e entry) { got = append(got, e) })
		rest = rest[n:]
	}
	if (err == nil) != (werr == nil) || !reflect.DeepEqual(got, want) {
		t.Fatalf("%q (seed %d) in pieces: %v (%v), expected %v (%v)", data, seed, got, err, want, werr)
	}
	for _, e := range got {
		if l := e.line(noon); len(l.Text) > event.MaxLine || strings.Contains(l.Text, "\n") && !strings.Contains(string(data), "\n") {
			t.Fatalf("%q gives the line %q", data, l.Text)
		}
	}
}
