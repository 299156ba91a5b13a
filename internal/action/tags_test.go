package action

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"gaol/internal/event"
)

// TestTagsLikeFail2ban: what the commands become, by fail2ban's class and by ours.
func TestTagsLikeFail2ban(t *testing.T) {
	const all = `x "<F-USER>" : <F-USER> : '<F-USER>' [<F-NONE>] <nope> <ip-rev>z <ip> <fid> <family> <time> <bantime> ` +
		`<bancount> <failures> <restored> <F-ID> <F-PORT> <F-IP4> <f-user> <F-User> <IP> <matches> <ipmatches> <ipfailures> ` +
		`<jail.banned> <jail.banned_total> <jail.found> <jail.found_total> <br>|<sp>|<fq-hostname>|<sh-hostname>|<timeout>|<actioncheck>|`
	for_, never := 70, -1
	data := map[string]any{"user": "bob; rm -rf /", "fid": "f i", "ip4": "198.51.100.9", "fport": "22", "failures": 3}
	static := map[string]any{"actionban": "x <a-<b>> <A> <a> <c> < d> <d e> <<b>> <two> <timeout> <name> <> <\n> <long>",
		"b": "q", "a-q": "AQ", "a": "aa", "a?family=inet6": "a6", "two": "<a> <ip>", "name": "n", "long": strings.Repeat("<a>", 30)}
	scenarios := []scenario{
		{name: "all tags", Props: map[string]any{"actionban": all}, Steps: []step{
			{Op: "ban", IP: "192.0.2.1", Data: data}, {Op: "ban", IP: "2001:db8::1", BanTime: &never, Time: 1700000000.75},
			{Op: "ban", IP: "not an address", BanTime: &for_, Restored: true}, {Op: "ban", IP: "10.0.0.0/8"},
			{Op: "ban", IP: "2001:db8::/32"}, {Op: "ban", IP: "192.0.2.2", Matches: []string{"line 1", "line 'two'"}}}},
		{name: "static tags", Props: static, Steps: []step{on("ban", "192.0.2.1"), on("ban", "2001:db8::1"), on("ban", "raw")}},
		{name: "a property named as a dynamic tag", Props: map[string]any{"actionban": "x <ip> <matches> <failures> <bantime> <time>",
			"ip": "prop", "matches": "prop", "failures": "prop", "bantime": "prop", "time?family=inet4": "prop"}, Steps: []step{on("ban", "192.0.2.1")}},
		{name: "many variables", Props: map[string]any{"actionban": "x <F-A> <F-B> <F-C> <F-D> <F-E> <F-F> <F-G> <F-H> <F-I> <F-J> <F-K> <F-A>"},
			Steps: []step{{Op: "ban", IP: "192.0.2.1", Data: map[string]any{"a": "$a", "b": "$b", "c": "$c", "d": "$d", "e": "$e", "f": "$f",
				"g": "$g", "h": "$h", "i": "$i", "j": "$j", "k": "$k"}}}},
	}
	var each []step
	for r := rune(1); r < 0x180; r++ {
		each = append(each, step{Op: "ban", IP: fmt.Sprintf("192.0.2.%d", r), Data: map[string]any{"u": "a" + string(r) + "b"}})
	}
	scenarios = append(scenarios, scenario{name: "every character", Props: map[string]any{"actionban": "x <F-U>"}, Steps: each})
	for i := range scenarios {
		scenarios[i].Jail, scenarios[i].Name = "sshd", "act"
	}
	compare(t, scenarios)
}

func TestTagsThatHoldThemselves(t *testing.T) {
	for _, props := range []map[string]string{
		{"actionban": "x <a>", "a": "<b>", "b": "<a>"},
		{"actionban": "x <a>", "a": "<a><a>"},
	} {
		if _, err := New(Spec{Jail: "sshd", Name: "act", Props: props}, Options{}); err == nil || !strings.Contains(err.Error(), "actionban") {
			t.Errorf("%v: error %v; want one that names the command", props, err)
		}
	}
}

// hostile are texts that somebody may type as a user name.
func hostile() []string {
	return []string{
		`$(touch PWNED)`, "`touch PWNED`", `"; touch PWNED; "`, `'; touch PWNED; '`, "a\ntouch PWNED\n", "a\r\ntouch PWNED",
		"a\x00; touch PWNED", "\xff\xfe; touch PWNED", "\xe0'; touch PWNED", `\"; touch PWNED`, "| touch PWNED", "&& touch PWNED",
		"> PWNED", "${IFS}touch${IFS}PWNED", "$0", "$f2bV_matches", "<F-USER>", "<br>touch PWNED", "-e", "~", "*", "a=b", "!!", "#",
		"\x1b[2J", "\u2028touch PWNED", "touch PWNED", strings.Repeat("a", 200<<10), strings.Repeat("line\n", 60<<10), "$'\\x3b'touch PWNED",
	}
}

// TestNoTextReachesAShellAsCode runs a real shell: whatever the user is called, an action must
// see that name as data and run nothing else.
func TestNoTextReachesAShellAsCode(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "out")
	a := newAction(t, map[string]string{"dir": dir, "out": out,
		"actionban": `cd <dir> && : "<F-USER>" <F-USER> '<F-USER>' x<F-USER> <matches> "<matches>" && printf %s "<F-USER>" > <out>`}, Options{})
	for i, name := range hostile() {
		b := ban(fmt.Sprintf("192.0.2.%d", i))
		b.Fields = event.Fields{{Name: "user", Value: name}}
		b.Matches = []string{"Invalid user " + name, name}
		if err := a.Ban(t.Context(), b, false); err != nil {
			t.Errorf("user %.40q: %v", name, err)
			continue
		}
		got := read(t, out)
		want := sound(name)
		if len(want) > maxValue {
			want = shorten(want, maxValue)
		}
		if got != want {
			t.Errorf("user %.40q reached the action as %.40q", name, got)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, "PWNED*")); len(left) > 0 {
			t.Fatalf("user %.40q ran as code", name)
		}
	}
}

// TestValuesFitIntoAnExec: however long the lines, sh starts.
func TestValuesFitIntoAnExec(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Repeat(rapid.SampledFrom([]string{"a", "é", "line\n", "\n", "世界 $x\n", "\xff", "b c "}).Draw(t, "unit"),
			rapid.IntRange(1, 70<<10).Draw(t, "times"))
		script := rapid.SampledFrom([]string{"true <F-A>", "true '<F-A>' <F-A> <F-B> \"<F-C>\"", strings.Repeat("<F-A> ", 90)}).Draw(t, "script")
		c := fill(": "+script, func(string) (string, bool) { return text, true })
		if len(c.Script) >= 128<<10 {
			t.Fatalf("script of %d bytes", len(c.Script))
		}
		for _, v := range c.Values {
			if len(v) > maxValue || v == "" || !utf8.ValidString(v) {
				t.Fatalf("value of %d bytes, valid %v", len(v), utf8.ValidString(v))
			}
			if !strings.HasSuffix(sound(text), v) && !strings.HasPrefix(sound(text), v) {
				t.Fatal("the value is no part of the text")
			}
		}
		if out, err := exec.CommandContext(t.Context(), "/bin/sh", append([]string{"-c", c.Script}, c.Values...)...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	})
}

func TestShorten(t *testing.T) {
	tests := []struct {
		text  string
		limit int
		want  string
	}{
		{"abc", 3, "abc"}, {"a\nbc", 3, "bc"}, {"a\nbc", 2, "bc"}, {"aa\nbb\ncc", 6, "bb\ncc"}, {"aa\nbb\ncc", 5, "bb\ncc"},
		{"aa\nbb\ncc", 4, "cc"}, {"abcdef", 4, "abcd"}, {"x\nabcdef", 4, "abcd"}, {"aéé", 4, "aé"}, {"aaaa\n", 3, "aaa"},
	}
	for _, tt := range tests {
		if got := shorten(tt.text, tt.limit); got != tt.want {
			t.Errorf("shorten(%q, %d) = %q, want %q", tt.text, tt.limit, got, tt.want)
		}
	}
}
