package engine

import (
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"gaol/internal/control"
)

// logons are failed logons as SQL Server writes them, in UTF-16LE.
func logons(user, addr string, n int) string {
	line := fmt.Sprintf("%s.42 Logon       Login failed for user '%s'. Reason: Could not find a login matching the name provided. [CLIENT: %s]\r\n",
		time.Now().Format(time.DateTime), user, addr)
	var b []byte
	for _, unit := range utf16.Encode([]rune(strings.Repeat(line, n))) {
		b = binary.LittleEndian.AppendUint16(b, unit)
	}
	return string(b)
}

// mssql makes the jail one of SQL Server's log, with the filter that fail2ban brings.
func (r *running) mssql(options string) {
	r.t.Helper()
	filter, err := os.ReadFile("/etc/fail2ban/filter.d/mssql-auth.conf")
	if err != nil {
		r.t.Fatalf("%v; run  scripts/packages test", err)
	}
	r.write("conf/filter.d/mssql-auth.conf", string(filter))
	r.write("conf/jail.local", strings.Replace(fmt.Sprintf(sshdJail, r.log), "filter = sshd", "filter = mssql-auth", 1)+options)
}

func (r *running) raw(text string) {
	r.t.Helper()
	f, err := os.OpenFile(r.log, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		r.t.Fatal(err)
	}
}

// SQL Server's log bans, over a kill in the middle of a character. A user name that holds
// U+0A0A and what looks like a line behind it gets nobody banned.
func TestUTF16LogBans(t *testing.T) {
	for _, encoding := range []string{"utf-16le", "utf-16", "UTF_16_LE"} {
		r := newRunning(t)
		r.mssql("logencoding = " + encoding + "\n")
		if encoding == "utf-16" {
			r.raw("\xff\xfe")
		}
		r.raw(logons("sa", "203.0.113.5", 2))
		r.start()
		r.wait("Found 203.0.113.5")
		r.wait("Found 203.0.113.5")
		third := logons("J\u00fcrgen", "203.0.113.5", 1)
		r.raw(third[:101])
		r.end()
		r.raw(third[101:])
		r.start()
		r.wait("Ban 203.0.113.5")
		s := r.do(control.Status{Jail: "sshd"}).Status.Jails[0]
		if len(s.Bans) != 1 || !strings.Contains(s.Bans[0].Matches[2], " user 'J\u00fcrgen'. ") {
			t.Errorf("%s: bans %+v", encoding, s.Bans)
		}
		line := time.Now().Format(time.DateTime) + ".42 Logon       Login failed for user 'sa'. Reason: Could not. [CLIENT: 192.0.2.9]"
		r.raw(logons("\u0a0a"+line+"\u0a0a", "203.0.113.6", 3))
		r.wait("Ban 203.0.113.6")
		if got := r.banned("sshd"); len(got) != 2 || strings.Contains(fmt.Sprint(got), "192.0.2.9") {
			t.Errorf("%s: banned %v", encoding, got)
		}
		r.end()
	}
}

// fail2ban-client's set logencoding holds for the lines that come from then on, and for those
// of findtime that could not be read before.
func TestEncodingIsSetWhileRunning(t *testing.T) {
	r := newRunning(t)
	r.mssql("")
	r.raw(logons("sa", "203.0.113.5", 2))
	r.start()
	if got := r.set("logencoding", "utf-16le"); got != "utf-16le" {
		t.Errorf("answer %v", got)
	}
	r.raw(logons("sa", "203.0.113.6", 3))
	r.wait("Ban 203.0.113.6")
}

// What a container's engine writes is no UTF-16, whatever the program wrote.
func TestFramedLogsHaveNoWideEncoding(t *testing.T) {
	r := newRunning(t)
	r.add("logencoding = utf-16\nlogformat = json-file\n")
	r.write("conf/jail.d/ok.local", strings.Replace(fmt.Sprintf(sshdJail, r.log), "[sshd]", "[fine]", 1))
	r.start()
	s := r.do(control.Status{Jail: "sshd"}).Status.Jails[0]
	if !strings.Contains(s.Problem, "jail.local:") || !strings.Contains(s.Problem, "logencoding = utf-16 is for files") {
		t.Errorf("problem %q", s.Problem)
	}
}
