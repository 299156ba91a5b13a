package config

import (
	"maps"
	"os"
	"slices"
	"testing"
)

// tree is a small configuration: one jail "a" of filter "f" unless a file says otherwise.
func smallTree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"fail2ban.conf":   "[Definition]\nallowipv6 = auto\n",
		"jail.conf":       "[DEFAULT]\nbackend = auto\nfilter = f\naction =\nlogpath = /etc/passwd\n[a]\nenabled = true\n",
		"filter.d/f.conf": "[Definition]\nfailregex = ^f <HOST>\n",
	})
	write(t, dir, files)
	return dir
}

// TestSmallTreesCompileAsFail2ban runs the installed client over each tree: its commands and ours
// are equal, line for line.
func TestSmallTreesCompileAsFail2ban(t *testing.T) {
	const jail = "[DEFAULT]\nbackend = auto\nfilter = f\naction =\nlogpath = /etc/passwd\n[a]\nenabled = true\n"
	trees := map[string]map[string]string{
		"order of files": {
			"jail.conf": jail, "jail.d/b.conf": "[a]\nmaxretry = 2\nusedns = no\n", "jail.d/a.conf": "[a]\nmaxretry = 1\nfindtime = 1\n",
			"jail.local": "[a]\nfindtime = 3\nbantime = 3\n", "jail.d/a.local": "[a]\nbantime = 4\n"},
		"late default loses to section": {"jail.conf": jail + "maxretry = 7\n", "jail.local": "[DEFAULT]\nmaxretry = 8\nbantime = 9\n"},
		"includes": {
			"filter.d/f.conf":  "[INCLUDES]\nbefore = b1.conf\n  b2.conf\nafter = a1.conf\n  none.conf\n[Definition]\nfailregex = f %(x)s %(y)s %(z)s\nx = f\n",
			"filter.d/b1.conf": "[INCLUDES]\nafter = b3.conf\nbefore = f.conf\n[DEFAULT]\nx = b1\ny = b1\n", "filter.d/b2.conf": "[DEFAULT]\ny = b2\n",
			"filter.d/b2.local": "[DEFAULT]\nz = b2local\n", "filter.d/b3.conf": "[DEFAULT]\nx = b3\n", "filter.d/a1.conf": "[Definition]\nx = a1\n"},
		"filter.local and filter.d/f.d": {"filter.d/f.local": "[Definition]\nfailregex = %(known/failregex)s\n  ^local <HOST>\n",
			"filter.d/f.d/1.conf": "[Definition]\nignoreregex = one\n"},
		"keys and delimiters": {"jail.conf": jail + "MaxRetry: 4\nFINDTIME=5 ; note\nignoreip =  1.1.1.1\n\t2.2.2.2, 3.3.3.3\n\n"},
		"comments (§9.16)":    {"jail.conf": jail + "failregex = ^extra <HOST> # not a comment ; but this is\n  E;F <HOST>\n  # C\n  ; D\n\n  last <HOST>\n# free\n  more <HOST>\n"},
		"percent":             {"jail.conf": jail + "datepattern = %%Y-%%m\n"},
		"section and default references": {"jail.conf": jail + "failregex = %(other/q)s %(default/bantime)s %(bantime)s\nbantime = 9\n[other]\nq = %(__name__)s\n",
			"jail.local": "[DEFAULT]\nbantime = 5\n"},
		"known keeps one level (§9.15)": {"jail.conf": jail + "maxretry = 1\nbantime = 10\n", "jail.d/a.conf": "[a]\nmaxretry = %(known/maxretry)s0\n",
			"jail.d/z.local": "[a]\nbantime = %(known/bantime)s0\n"},
		"known of the filter": {"jail.conf": jail + "failregex = %(known/failregex)s\n  ^more <HOST> <zz>\nignoreregex = %(known/zz)s\n",
			"filter.d/f.conf": "[Definition]\nfailregex = ^f <HOST> <zz>\nzz = %(yy)s\nyy = 1\n"},
		"params, Init and sections (§9.17)": {"jail.conf": jail + "filter = f[yy=\"<known/yy>+K\", _daemon=DD]\nfailregex = %(known/failregex)s\n  x <zz>\n",
			"filter.d/f.conf": "[DEFAULT]\n_daemon = D\n[Definition]\nfailregex = %(yy)s <yy> <_daemon> <x_a/q> <zz>\nzz = Z\n[x_a]\nq = %(_daemon)s <yy>\n[Init]\nyy = init\n"},
		"Init is seen by % of a jail's filter": {"filter.d/f.conf": "[Definition]\nfailregex = %(foo)s <foo>\nfoo = def\n[Init]\nfoo = init\n"},
		"nested tags":                          {"jail.conf": jail + "filter = f[mode=b]\n", "filter.d/f.conf": "[Definition]\nfailregex = <r-<mode>> <R-<Mode>> <a b> <<mode>>\nr-a = A\nr-b = <s-<mode>>\ns-b = S\nmode = a\n"},
		"brackets (§1.4)": {"jail.conf": jail + "action = act[a=1, b=\"x, ]y\", c='q \"z\"'][d=e f, e=don't, g=\"][a=2] [h=3]\n  act[name=zz]\n\tact2[name=\"a-b\"] act2[name=ab]\n",
			"action.d/act.conf": "[Definition]\nactionban = <a> <b> <c> <d> <e> <g> <h> <name> <actname>\n", "action.d/act2.conf": "[Definition]\nactionban = x\n"},
		"newline in quotes": {"jail.conf": jail + "action = act[a=\"1\n  2\", b=3]\n", "action.d/act.conf": "[Definition]\nactionban = <a>|<b>\n"},
		"conditional Init": {"jail.conf": jail + "action = act[c=1]\n",
			"action.d/act.conf": "[Definition]\nactionban = <blk> <c> <name> <timeout>\nactionunban = %(q)s\nq = <c> <port>\n[Init]\nblk = X\ntimeout = 3\n[Init?family=inet6]\nblk = Y\n"},
		"jail options reach actions": {"jail.conf": jail + "action = act\nmaxretry = 3\nignoreself = no\nport = 1\n",
			"action.d/act.conf": "[Definition]\nactionban = <logpath> <maxretry> <ignoreself> <enabled> <port> <bantime> %(maxretry)s\nlogpath = /dev/null\n"},
		"journal type":        {"jail.conf": jail + "backend = systemd[journalflags=1]\n", "filter.d/f.conf": "[Definition]\nfailregex = <l_<logtype>/r>\n[l_file]\nr = F\n[l_journal]\nr = J\n"},
		"log type of file":    {"jail.conf": jail + "backend = systemd\n", "filter.d/f.conf": "[Definition]\nlogtype = short\nfailregex = <logtype>\n"},
		"journalmatch":        {"jail.conf": jail + "journalmatch = A=1 + B=2\n  C='3 4' D=\"5\"\n"},
		"option as param":     {"jail.conf": jail + "filter = f[failregex=\"x <HOST> <q>\", q=Q, maxlines=3]\n"},
		"option in Init":      {"filter.d/f.conf": "[Definition]\nfailregex = d <HOST>\n[Init]\nfailregex = i <HOST>\nmaxlines = 2\n"},
		"empty values":        {"jail.conf": jail + "ignoreip =\nfailregex =\nprefregex =\nignorecommand =\nbantime.rndtime =\n"},
		"log paths":           {"jail.conf": jail + "logpath = /etc/pass?d head\n\n  /etc/grou[p] tail\n  /etc/none*\n"},
		"increment":           {"jail.conf": jail + "bantime.increment = Yes\nbantime.factor = 2\nbantime.multipliers = 1 2\nbantime.overalljails = 0\n"},
		"two jails, disabled": {"jail.conf": jail + "[b]\nenabled = 1\n[c]\nenabled = False\nlogpath = %(nothing)s\n[d]\nenabled = on\nmaxretry = 1\n"},
		"global": {"fail2ban.conf": "[DEFAULT]\nloglevel = INFO\n[Definition]\nallowipv6 = auto\nlogtarget = /x\ndbmaxmatches = 4\n",
			"fail2ban.local": "[Definition]\nloglevel = DEBUG\ndbpurgeage = 2d\ndbfile = None\n"},
	}
	names := slices.Sorted(maps.Keys(trees))
	var dirs []string
	for _, name := range names {
		dirs = append(dirs, smallTree(t, trees[name]))
	}
	for i, answer := range oracle(t, dirs...) {
		t.Run(names[i], func(t *testing.T) {
			got, want := shown(ours(t, dirs[i])), shown(answer)
			if len(want) == 0 {
				t.Fatal("fail2ban refuses this tree")
			}
			compare(t, got, want)
		})
	}
}

func TestDirectoryWithoutJailConfIsLayered(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"jail.local":          "[DEFAULT]\nbantime = 48h\n[sshd]\nport = 2222\n",
		"filter.d/sshd.local": "[DEFAULT]\n_daemon = mine\n",
	})
	c, problems := Load(LoadOptions{Dir: dir})
	for _, p := range problems {
		t.Error(p)
	}
	j := jailOf(t, c, "sshd")
	if j.Actions[0].Port != "2222" || j.BanTime.Hours() != 48 || j.Filter.Daemon != "mine" || j.MaxRetry != 5 {
		t.Errorf("port %q, bantime %v, _daemon %q, maxretry %d", j.Actions[0].Port, j.BanTime, j.Filter.Daemon, j.MaxRetry)
	}
	if _, err := os.Stat(dir + "/filter.d/common.conf"); err == nil {
		t.Error("the test's directory must not hold what it wants from the embedded tree")
	}
}

func TestNativeActionWithoutItsFile(t *testing.T) {
	dir := debianTree(t, map[string]string{"jail.local": "[DEFAULT]\nbanaction = gaol[blocktype=reject]\nblocktype = drop\n" +
		"[sshd]\nenabled = true\nport = ssh,2222\nprotocol = tcp,udp\n[recidive]\nenabled = true\nbanaction = gaol[type=allports]\n" +
		"[dropbear]\nenabled = true\naction = gaol\nport = 22\ncontainer = jumps\nprefix = 32/64\n"})
	c, problems := Load(LoadOptions{Dir: dir})
	for _, p := range problems {
		t.Error(p)
	}
	for jail, want := range map[string][3]string{
		"sshd": {"ssh,2222", "tcp,udp", "reject"}, "recidive": {"all", "tcp", "drop"}, "dropbear": {"22", "tcp", "drop"},
	} {
		a := jailOf(t, c, jail).Actions[0]
		if got := [3]string{a.Port, a.Protocol, a.BlockType}; got != want || !a.Native {
			t.Errorf("%s closes %q (native %v), want %q", jail, got, a.Native, want)
		}
	}
	if j := jailOf(t, c, "dropbear"); j.Container != "jumps" || j.Prefix.String() != "32/64" {
		t.Errorf("gaol's own keys are %q and %s", j.Container, j.Prefix)
	}
}

// A parameter stands for both families (the installed fail2ban keeps the file's value for inet6).
func TestParameterReplacesBothFamilies(t *testing.T) {
	files := map[string]string{
		"jail.conf": "[a]\nenabled = true\nfilter = f\nlogpath = /x\naction = act[blk=ZZ]\n" +
			"[b]\nenabled = true\nfilter = f\nlogpath = /x\naction = act[blk=ZZ, blk?family=inet6=SIX]\n",
		"action.d/act.conf": "[Definition]\nactionban = do <blk>\n[Init]\nblk = X\n[Init?family=inet6]\nblk = DROP6\n",
	}
	c, problems := Load(LoadOptions{Dir: smallTree(t, files)})
	for _, p := range problems {
		t.Error(p)
	}
	a, b := jailOf(t, c, "a").Actions[0], jailOf(t, c, "b").Actions[0]
	if _, ok := a.Props["blk?family=inet6"]; ok || a.Props["actionban"].Text() != "do ZZ" {
		t.Errorf("without a conditional: %v", a.Props)
	}
	if b.Props["blk?family=inet6"].Text() != "SIX" || b.Props["actionban"].Text() != "do <blk>" {
		t.Errorf("with a conditional: %v", b.Props)
	}
}
