package engine

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"gaol/internal/control"
	"gaol/internal/source"
)

func TestJournalFlags(t *testing.T) {
	for _, c := range []struct {
		text string
		from source.JournalOptions
		dir  string
		all  bool
	}{
		{"", source.JournalOptions{}, "", false},
		{"4", source.JournalOptions{}, "", false},
		{"5", source.JournalOptions{}, "", false},
		{"1", source.JournalOptions{}, "", true},
		{"6", source.JournalOptions{}, runtimeJournal, false},
		{"6", source.JournalOptions{Dir: "/d"}, "/d", false},
	} {
		o := c.from
		if err := setJournalFlags(&o, c.text); err != nil || o.Dir != c.dir || o.Users != c.all {
			t.Errorf("%q: %+v, %v", c.text, o, err)
		}
	}
	if err := setJournalFlags(&source.JournalOptions{}, "many"); err == nil {
		t.Error("journalflags = many was taken")
	}
}

// A log in another encoding is read as text, and what is banned for it has it as text.
func TestLogEncoding(t *testing.T) {
	r := newRunning(t)
	r.add("logencoding = latin-1\nfailregex = ^Falsches Paßwort für <F-USER>.*</F-USER> von <HOST>$\n")
	r.start()
	now := time.Now().Format("2006-01-02T15:04:05-07:00")
	for range 3 {
		f, err := os.OpenFile(r.log, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(f, "%s host sshd[1]: Falsches Pa\xdfwort f\xfcr J\xfcrgen von 203.0.113.5\n", now)
		f.Close()
	}
	r.wait("Ban 203.0.113.5")
	s := r.do(control.Status{Jail: "sshd"}).Status.Jails[0]
	if len(s.Bans) != 1 || s.Bans[0].Fields.Get("user") != "Jürgen" {
		t.Errorf("bans %+v", s.Bans)
	}
}

func TestUnknownLogEncodingBreaksTheJail(t *testing.T) {
	r := newRunning(t)
	r.write("conf/jail.local", fmt.Sprintf(sshdJail, r.log)+
		strings.Replace(fmt.Sprintf(sshdJail, r.log), "[sshd]", "[odd]", 1)+"logencoding = klingon\n")
	r.start()
	if s := r.do(control.Status{Jail: "odd"}).Status.Jails[0]; !strings.Contains(s.Problem, "jail.local:") || !strings.Contains(s.Problem, "klingon") {
		t.Errorf("problem %q", s.Problem)
	}
}
