package cli

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gaol/internal/wide"
)

// recoded is SQL Server's sample log in another encoding, as Python writes it, with a user name
// that holds the byte of a newline in front of a line that must not be one.
func recoded(t *testing.T, encoding, end string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "errorlog")
	cmd := exec.Command(python, "-c", `import sys
_, path, sample, encoding, end = sys.argv
text = open(sample, encoding="utf-8").read()
line = "2020-02-24 16:05:21.00 Logon       Login failed for user '%s'. Reason: Could not. [CLIENT: %s]\n"
text += line % ("\u0a0a" + (line % ("sa", "192.0.2.66")).rstrip() + "\u0a0a", "192.0.2.77")
open(path, "wb").write(text.replace("\n", end).encode(encoding))`, path, filepath.Join(samples, "mssql-auth"), encoding, end)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s; is fail2ban installed? scripts/packages test", err, out)
	}
	return path
}

// A log reads alike in every encoding: as in UTF-8, and as fail2ban-regex reads it in UTF-16BE,
// the one of these that it reads rightly.
func TestWideLogsReadAlike(t *testing.T) {
	plain, filter := recoded(t, "utf-8", "\n"), filepath.Join(installed, "filter.d/mssql-auth.conf")
	argv := []string{"-v", "--print-all-matched", "--print-all-missed", "-e", "utf-8", plain, filter}
	want, _ := regexUTC(t, argv)
	if !strings.Contains(want, "192.0.2.77") || strings.Contains(want, "|     192.0.2.66") {
		t.Fatalf("report of the plain log:\n%s", want)
	}
	var gaol bytes.Buffer
	if rc := Main([]string{"gaol", "test", "-c", installed, plain, filter}, strings.NewReader(""), &gaol, &gaol); rc != 0 {
		t.Fatal(gaol.String())
	}
	for _, encoding := range []string{"utf-16", "utf-16le", "utf-16be", "utf-32", "utf-32le", "utf-32be"} {
		for _, end := range []string{"\n", "\r\n"} {
			path := recoded(t, encoding, end)
			alike := strings.NewReplacer(path, plain, "encoding : "+encoding, "encoding : utf-8").Replace
			argv := []string{"-v", "--print-all-matched", "--print-all-missed", "-e", encoding, path, filter}
			got, _ := regexUTC(t, argv)
			if a, b := comparable(alike(got)), comparable(want); a != b {
				t.Errorf("%s %q: %s", encoding, end, firstDifference(a, b))
			}
			if encoding == "utf-16be" && end == "\n" {
				same(t, [][]string{argv}, nil)
			}
			var out bytes.Buffer
			rc := Main([]string{"gaol", "test", "-c", installed, "-e", encoding, path, filter}, strings.NewReader(""), &out, &out)
			if a, b := untimed(alike(out.String())), untimed(gaol.String()); rc != 0 || a != b {
				t.Errorf("gaol test, %s %q: %d, %s\nplain: %s", encoding, end, rc, a, b)
			}
		}
	}
}

// untimed is a report without the seconds that it took.
func untimed(report string) string {
	report = strings.TrimSpace(report)
	return report[:strings.LastIndexByte(report, '\n')]
}

func TestWideLinesAreBounded(t *testing.T) {
	long := strings.Repeat("x\x00", 1<<20)
	var got []string
	err := eachWideLine(strings.NewReader(long+"\n\x00a\x00\r\x00\n\x00half\n"), wide.Units{Width: 2}, func(text string) { got = append(got, text) })
	if err != nil || len(got) != 2 || got[0] != strings.Repeat("x", 64<<10) || got[1] != "a" {
		t.Errorf("%d lines, %v", len(got), err)
	}
	if err := eachLogLine(filepath.Join(t.TempDir(), "none"), true, wide.Units{Width: 2}, nil); !os.IsNotExist(err) {
		t.Errorf("error %v", err)
	}
}
