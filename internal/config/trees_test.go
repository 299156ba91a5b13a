package config

import (
	"slices"
	"strings"
	"testing"
)

// moreTrees go on where those of TestSmallTreesCompileAsFail2ban stop, section by section.
func moreTrees() map[string]map[string]string {
	const jail = "[DEFAULT]\nbackend = auto\nfilter = f\naction =\nlogpath = /etc/passwd\n[a]\nenabled = true\n"
	const act = "[Definition]\nactionban = ban <ip> <name> <actname> <port> <x>\n"
	return map[string]map[string]string{
		"1.1 includes of jails nest": {"jail.conf": "[INCLUDES]\nbefore = p/one.conf\nafter = p/last.conf\n" + jail + "maxretry = 1\n",
			"p/one.conf": "[INCLUDES]\nbefore = two.conf\n[DEFAULT]\nbantime = 11\nfindtime = 11\n", "p/two.conf": "[DEFAULT]\nbantime = 12\nusedns = no\n",
			"p/last.conf": "[INCLUDES]\nbefore = one.conf\n[a]\nmaxretry = 13\n"},
		"1.1 a circle of includes": {"filter.d/f.conf": "[INCLUDES]\nbefore = g.conf\n[Definition]\nfailregex = %(p)s <HOST>\n",
			"filter.d/g.conf": "[INCLUDES]\nbefore = h.conf\nafter = g.conf\n[DEFAULT]\np = g\n", "filter.d/h.conf": "[INCLUDES]\nafter = f.conf\n[DEFAULT]\np = h\n"},
		"1.1 an include's own local": {"filter.d/f.conf": "[INCLUDES]\nbefore = common.conf\n[Definition]\nfailregex = %(p)s%(q)s <HOST>\n",
			"filter.d/common.conf": "[INCLUDES]\nafter = common.local\n[DEFAULT]\np = conf\nq = conf\n", "filter.d/common.local": "[DEFAULT]\nq = local\n"},
		"1.1 a late DEFAULT": {"jail.conf": jail + "bantime = 3\n[b]\nenabled = true\n", "jail.d/x.conf": "[DEFAULT]\nbantime = 4\nfindtime = 4\n",
			"jail.d/y.local": "[DEFAULT]\nfindtime = 5\nmaxretry = 5\n[b]\nmaxretry = 6\n"},
		"1.1 only jail.local": {"jail.conf": "", "jail.local": jail + "maxretry = 2\n"},
		"1.1 conditional sections merge": {"jail.conf": jail + "action = act\n", "action.d/act.conf": act + "[Init?family=inet4]\nx = four\n[Init]\nx = both\n",
			"action.d/act.local": "[Init?family=inet6]\nx = six\n[Init?family=inet4]\nx = 4\n"},
		"1.2 values and their lines": {"jail.conf": jail + "failregex =\n   one <HOST>\n\n      two <HOST>\n\n\n  three <HOST>\n\nmaxretry : 3\nfindtime=7\nusedns =   no   \n"},
		"1.2 notes behind values (§9.16)": {"jail.conf": jail + "ignoreregex = a;b ;c\n  d\\;e\t; f\n  g # h\nbantime = 5 ; five\n ; gone\n# gone\n;gone\nmaxretry = 6\n",
			"filter.d/f.conf": "# head\n; head\n[Definition]\n# in between\nfailregex = ^f <HOST> ; cut\n# free\n\n    # deep\n    ^g <HOST>\n"},
		"1.2 booleans and integers": {"jail.conf": jail + "maxretry = 3\nbantime.increment = 1\nignoreself = ON\n[b]\nenabled = YES\n[c]\nenabled = 2\n[d]\nenabled = tRue\nmaxretry = 04\nbantime.overalljails = off\n"},
		"1.2 case of keys":          {"jail.conf": "[DEFAULT]\nBACKEND = auto\nFilter = f\naction =\nLogPath = %(LOG)s\nlog = /etc/passwd\n[A]\nEnabled = true\nignoreregex = %(__name__)s %(Log)s\n"},
		"1.3 names and percents":    {"jail.conf": jail + "ignoreregex = %%(x)s %(__name__)s %(v)s\nv = %%a\n", "filter.d/f.conf": "[Definition]\nfailregex = %(__name__)s <HOST> 100%%\n"},
		"1.3 chains of references":  {"jail.conf": jail + "ignoreregex = %(r1)s\nr1 = %(r2)s1\nr2 = %(r3)s2\nr3 = %(r4)s3\nr4 = %(r5)s4\nr5 = 5\n"},
		"1.3 section and key": {"filter.d/f.conf": "[DEFAULT]\nd = dflt\n[Definition]\nfailregex = %(h/p)s %(h/d)s %(default/e)s <h/p> <HOST>\ne = own\nq = mine\n[h]\np = %(q)s\nq = helper\n",
			"filter.d/f.local": "[DEFAULT]\ne = E\n"},
		"1.3 action_ is extended": {"jail.conf": "[DEFAULT]\nbackend = auto\nfilter = f\nlogpath = /etc/passwd\nport = 1\nchain = C\naction_ = act[port=\"%(port)s\", chain=\"%(chain)s\"]\naction = %(action_)s\n" +
			"[a]\nenabled = true\nport = 2\naction_ = %(default/action_)s[name=%(__name__)s-tcp, protocol=\"tcp\"]\n  %(default/action_)s[name=%(__name__)s-udp, protocol=\"udp\"]\n",
			"action.d/act.conf": "[Definition]\nactionban = <name> <actname> <port> <protocol> <chain>\n[Init]\nchain = I\nprotocol = ?\n"},
		"1.3 chain of an action's own default": {"jail.conf": jail + "chain = <known/chain>\naction = act[chain=\"%(chain)s\", x=\"<known/x>+\"]\n",
			"action.d/act.conf": "[Definition]\nactionban = <chain> <x>\n[Init]\nchain = INPUT\nx = 1\n"},
		"1.3 known from local": {"filter.d/f.conf": "[Definition]\nfailregex = ^f <HOST>\n  ^g <HOST>\nignoreregex = i\nq = Q\n",
			"filter.d/f.local": "[Definition]\nfailregex = ^first <HOST>\n  %(known/failregex)s\n  ^%(known/q)s <HOST>\nq = R\nignoreregex =\n"},
		"1.3 known of the filter in a jail":     {"jail.conf": jail + "ignoreregex = %(known/ignoreregex)s\n  mine\ndatepattern = %(known/datepattern)s$\n", "filter.d/f.conf": "[Definition]\nfailregex = ^f <HOST>\nignoreregex = theirs\ndatepattern = {DATE}\n"},
		"1.4 quotes of values":                  {"jail.conf": jail + "action = act[x=\"it's\", port='say \"a\"', name=]\n  act2[x='a,b]c', port=a b  c ,]\n", "action.d/act.conf": act, "action.d/act2.conf": act},
		"1.4 the last of equal parameters wins": {"jail.conf": jail + "action = act[x=1, x=2][port=3,port=\"4\"][x=5]\n", "action.d/act.conf": act},
		"1.4 characters of keys":                {"jail.conf": jail + "action = act[a-b=1, c.d=2, E_f=3]\n", "action.d/act.conf": "[Definition]\nactionban = <a-b> <c.d> <E_f> <e_f>\n"},
		"1.4 no filter and no action":           {"jail.conf": jail + "filter =\nfailregex = ^own <HOST>\n"},
		"1.4 two actions": {"jail.conf": jail + "port = 7\naction = act[x=1]\n   act2\tact3[port=%(port)s]\n\n   act4\n", "action.d/act.conf": act, "action.d/act2.conf": act,
			"action.d/act3.conf": act, "action.d/act4.conf": act},
		"1.4 a jail's regexes replace the filter's": {"jail.conf": jail + "prefregex = ^jail <F-CONTENT>.+</F-CONTENT>$\nignoreregex = jail\ndatepattern = %%Y\nusedns = raw\njournalmatch =\n",
			"filter.d/f.conf": "[Definition]\nprefregex = ^f <F-CONTENT>.+</F-CONTENT>$\nfailregex = ^f <HOST>\nignoreregex = f\ndatepattern = {NONE}\njournalmatch = A=1\nusedns = no\n[Init]\nmaxlines = 2\n"},
		"1.4 other keys of a jail are not the filter's": {"jail.conf": jail + "mode = x\nfailregex = <mode> <zz> <HOST>\nzz = 1\nfilter = f[zz=2]\n", "filter.d/f.conf": "[Definition]\nfailregex = <mode> <zz> <HOST>\nignoreregex = <mode>\nmode = m\n"},
		"1.4 the log type is a parameter":               {"jail.conf": jail + "filter = f[logtype=zz]\nbackend = systemd\n", "filter.d/f.conf": "[Definition]\nfailregex = <logtype> <HOST>\n"},
		"1.5 where a value is from": {"jail.conf": jail + "filter = f[foo=P, only=Q]\naction = act act2[foo=P]\n", "filter.d/f.conf": "[Definition]\nfailregex = %(foo)s <foo> <only> <HOST>\nfoo = def\n[Init]\nfoo = init\nonly = init\n",
			"action.d/act.conf": "[DEFAULT]\nfoo = dflt\n[Definition]\nactionban = %(foo)s <foo>\nfoo = def\n[Init]\nfoo = init\n", "action.d/act2.conf": "[Definition]\nactionban = %(foo)s <foo>\nfoo = def\n[Init]\nfoo = init\n"},
		"1.5 what stays a tag":                     {"jail.conf": jail + "action = act[ip=1, matches=2, timeout=3, bantime=4]\n", "action.d/act.conf": "[Definition]\nactionban = <ip> <matches> <timeout> <bantime> <F-X> <nope> < a> <a <b\n"},
		"1.5 journal matches, one a line":          {"filter.d/f.conf": "[Definition]\nfailregex = ^f <HOST>\njournalmatch = _SYSTEMD_UNIT=a.service + _COMM=a\n   'A=b c'  D=\"e f\"\n\n   G=h\n"},
		"1.6 names of actions in jail a (§9.18)":   {"jail.conf": jail + "action = act[name=zz] act[name=a-bc] act[name=abc] act[name=a]\n  act[name=b, actname=own] act[actname=other]\n", "action.d/act.conf": act},
		"1.6 names of actions in jail a-b (§9.18)": {"jail.conf": strings.Replace(jail, "[a]", "[a-b]", 1) + "action = act2[name=zz]\n  act2[name=\"a-bc\"]\n  act2[name=\"a-b-tcp\"]\n  act2\n", "action.d/act2.conf": act},
		"1.6 the same action twice (§9.18)":        {"jail.conf": jail + "action = act[port=1]\n  act[port=2, actname=two]\n", "action.d/act.conf": act},
		"1.8 settings in DEFAULT and Definition":   {"fail2ban.conf": "[DEFAULT]\nloglevel = 25\nlogtarget = SYSLOG[facility=auth]\ndbpurgeage = 1h 30m\n[Definition]\nsyslogsocket = /x\ndbfile = :memory:\nallowipv6 = no\n[Thread]\nstacksize = 64\n"},
		"3 times":                                  {"jail.conf": jail + "bantime = 1d 2h 3m 4s\nfindtime = 1w\nbantime.maxtime = 2mo\nbantime.rndtime = 1.5m\nbantime.increment = true\n[b]\nenabled = true\nbantime = -1\nfindtime = 1h-1m\n"},
		"17 a parameter, Init and helper (§9.17)": {"jail.conf": jail + "filter = f2[yy=\"<known/yy>+K\", _daemon=DD]\naction = act\nfailregex = %(known/failregex)s\n  ^mine <zz> <HOST>\n", "action.d/act.conf": act,
			"filter.d/f2.conf": "[DEFAULT]\n_daemon = D\n[Definition]\nfailregex = <yy> <_daemon> <x_a/q> <zz> <HOST>\nzz = Z\n[x_a]\nq = %(_daemon)s\n[Init]\nyy = init\n"},
	}
}

// TestMoreTreesCompileAsFail2ban compares line for line and in fail2ban's order. Where a jail has
// regexes of its own fail2ban sends the filter's options in the order in which its dictionary came
// to be, which moves with each option that a jail gives; none of them depends on another, so these
// trees are compared sorted.
func TestMoreTreesCompileAsFail2ban(t *testing.T) {
	trees := moreTrees()
	var names, dirs []string
	for name, files := range trees {
		names = append(names, name)
		dirs = append(dirs, smallTree(t, files))
	}
	for i, answer := range oracle(t, dirs...) {
		t.Run(names[i], func(t *testing.T) {
			if len(answer) == 0 {
				t.Fatal("fail2ban refuses this tree")
			}
			got, want := shown(ours(t, dirs[i])), shown(answer)
			if strings.Contains(trees[names[i]]["jail.conf"], "regex =") {
				slices.Sort(got)
				slices.Sort(want)
			}
			compare(t, got, want)
		})
	}
}

// TestSoundJailsRunWhereFail2banRefuses holds the deviations of §9.15 and §1.2: fail2ban compiles
// nothing at all, gaol the jails that are sound.
func TestSoundJailsRunWhereFail2banRefuses(t *testing.T) {
	const jail = "[DEFAULT]\nbackend = auto\nfilter = f\naction =\nlogpath = /etc/passwd\n[sound]\nenabled = true\n[a]\nenabled = true\n"
	trees := map[string]map[string]string{
		"known twice (§9.15)":         {"jail.conf": jail + "bantime = 10\n", "jail.d/a.conf": "[a]\nbantime = %(known/bantime)s0\n", "jail.d/z.local": "[a]\nbantime = %(known/bantime)s0\n"},
		"known not overridden":        {"jail.conf": jail + "filter = g\n", "filter.d/g.conf": "[Definition]\nfailregex = ^g <HOST>\n", "filter.d/g.local": "[Definition]\nignoreregex = ^x%(known/failregex)s\n"},
		"a key twice":                 {"jail.conf": jail, "jail.d/x.conf": "[a]\nbantime = 1\nbantime = 2\n"},
		"a section twice":             {"jail.conf": jail, "jail.d/x.conf": "[a]\nbantime = 1\n[a]\nfindtime = 2\n"},
		"no key":                      {"jail.conf": jail, "jail.d/x.conf": "[a]\nbantime\n"},
		"a stray percent":             {"jail.conf": jail + "ignoreregex = 100% <HOST>\n"},
		"a name that is missing":      {"jail.conf": jail + "ignoreregex = %(nope)s\n"},
		"a name that is itself":       {"jail.conf": jail + "ignoreregex = %(ignoreregex)s\n"},
		"a tag that holds itself":     {"jail.conf": jail + "filter = g\n", "filter.d/g.conf": "[Definition]\nfailregex = ^g <x> <HOST>\nx = <y>\ny = <x>\n"},
		"only in Init, for an action": {"jail.conf": jail + "action = act\n", "action.d/act.conf": "[Definition]\nactionban = %(v)s\n[Init]\nv = 1\n"},
	}
	var names, dirs []string
	for name, files := range trees {
		names = append(names, name)
		dirs = append(dirs, smallTree(t, files))
	}
	for i, answer := range oracle(t, dirs...) {
		t.Run(names[i], func(t *testing.T) {
			if len(answer) != 0 {
				t.Fatalf("fail2ban takes it: %v", answer)
			}
			c, problems := Load(LoadOptions{Dir: dirs[i]})
			if jailOf(t, c, "sound").Broken {
				t.Errorf("the sound jail does not run: %v", problems)
			}
			if !slices.ContainsFunc(problems, func(p Problem) bool { return p.Severity == Error && p.Jail == "a" }) {
				t.Errorf("nothing is told of jail a: %v", problems)
			}
		})
	}
}

// TestTreesThatGaolCompilesOtherwise are the rows of the table of deviations that -d shows.
func TestTreesThatGaolCompilesOtherwise(t *testing.T) {
	const jail = "[DEFAULT]\nbackend = auto\nfilter = f\naction =\nlogpath = /etc/passwd\n[a]\nenabled = true\n"
	trees := []struct {
		name     string
		files    map[string]string
		fail2ban []string // what it sends more
		broken   string
	}{
		{"a wrong action is told and no command", map[string]string{"jail.conf": jail + "[b]\nenabled = true\naction = act[x=\"1\" 2]\n[c]\nenabled = true\naction = act[x=3]\n",
			"action.d/act.conf": "[Definition]\nactionban = <x>\n"}, []string{`["config-error" "Jail 'b' skipped`}, "b"},
		{"a blank before the bracket is in the name (§9)", map[string]string{"jail.conf": jail + "[b]\nenabled = true\naction = act [x=1]\n",
			"action.d/act.conf": "[Definition]\nactionban = <x>\n"}, []string{`["config-error" "Jail 'b' skipped`}, "b"},
		{"a stack size that is none is told", map[string]string{"fail2ban.conf": "[Definition]\nallowipv6 = no\n[Thread]\nstacksize = x\n"}, []string{`["set" "thread"`}, ""},
		{"a jail's maxlines holds", map[string]string{"jail.conf": jail + "maxlines = 4\n", "filter.d/f.conf": "[Definition]\nfailregex = ^f <HOST>\n[Init]\nmaxlines = 2\n"},
			[]string{`["set" "a" "maxlines" %!q(float64=2)]`}, ""},
		{"a number that is none breaks its jail", map[string]string{"jail.conf": jail + "[b]\nenabled = true\nmaxretry = 0x3\n"}, []string{`["add" "b"`,
			`["set" "b" "addfailregex"`, `["set" "b" "maxretry" <nil>]`, `["set" "b" "maxretry" %!q(<nil>)]`, `["set" "b" "addlogpath"`, `["start" "b"]`}, "b"},
	}
	var dirs []string
	for _, c := range trees {
		dirs = append(dirs, smallTree(t, c.files))
	}
	for i, answer := range oracle(t, dirs...) {
		c := trees[i]
		conf, problems := Load(LoadOptions{Dir: dirs[i], Version: oracleVersion(t)})
		for _, p := range problems {
			if p.Severity == Error && p.Jail != c.broken {
				t.Errorf("%s: %v", c.name, p)
			}
		}
		if c.broken != "" && !jailOf(t, conf, c.broken).Broken {
			t.Errorf("%s: jail %s is not broken", c.name, c.broken)
		}
		all := shown(answer)
		want := slices.DeleteFunc(slices.Clone(all), func(line string) bool {
			return slices.ContainsFunc(c.fail2ban, func(head string) bool { return strings.HasPrefix(line, head) })
		})
		if len(want) == len(all) {
			t.Errorf("%s: fail2ban sends none of %q; the row of deviations is stale", c.name, c.fail2ban)
		}
		got := shown(asJSON(t, Dump(conf)))
		slices.Sort(got)
		slices.Sort(want)
		compare(t, got, want)
	}
}
