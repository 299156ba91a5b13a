package action

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gaol/internal/config"
)

// newDialect is an action of our own in the way that fail2ban 1.1 writes its files: loops over
// shell variables ($chain, $proto) where 1.0 had one <chain>, parts chosen by <a-<b>>, and
// families by condition.
const newDialect = `[Definition]
type = multiport
_each-allports = for chain in $(echo '<chain>' | sed 's/,/ /g'); do for proto in $(echo '<protocol>' | sed 's/,/ /g'); do
_done-allports = done; done
_each-multiport = <_each-allports>
_done-multiport = done; done
_rule-allports = -p $proto
_rule-multiport = -p $proto --dports "$(echo '<port>' | sed s/:/-/g)"
_rule = <_rule-<type>> -j f2b-<name>
_check = { <tool> -C $chain %(_rule)s >/dev/null 2>&1; }
actionstart = <tool> -N f2b-<name>
              <_each-<type>>
              %(_check)s && <tool> -I $chain 1 <_rule>
              <_done-<type>>
actionstop = <_each-<type>>
             <tool> -D $chain <_rule>
             <_done-<type>>
             <tool> -X "f2b-<name>"
actionflush = <tool> -F f2b-<name>
actioncheck = <_each-<type>> %(_check)s; <_done-<type>>
actionban = n=<failures>; who="<F-USER>"; <tool> -A f2b-<name> -s <ip> -j <blocktype> --why "$who/${n}/<restored>/<time>/<bantime>/<fid>/<ip-rev>/<F-NONE>/<none>"
            if [ "<bantime>" -gt 0 ]; then <tool> -T $(( <bantime> / 60 )) "<family>" '<sp><br>' "<matches>"; fi
actionunban = <tool> -D f2b-<name> -s <ip> -j <blocktype>
[Init]
chain = INPUT
protocol = tcp
port = ssh
blocktype = DROP
tool = iptables <lockingopt>
lockingopt = -w
[Init?family=inet6]
tool = ip6tables <lockingopt>
`

// TestNewDialectLikeFail2ban plays files in the style of 1.1 on fail2ban's classes and ours.
func TestNewDialectLikeFail2ban(t *testing.T) {
	s := newStage(t)
	s.write(t, "action.d/new.conf", newDialect)
	s.write(t, "action.d/newer.conf", "[INCLUDES]\nbefore = new.conf\n[Definition]\nactionban = <known/actionban>\n"+
		"            <tool> -Z\nactionflush =\n[Init]\nprotocol = tcp,udp\n[Init?family=inet6]\nblocktype = REJECT\n")
	lines := []string{`Nov 14 bad "; touch /x; $chain`, "two"}
	user := map[string]string{"user": "$chain `id` \"'"}
	s.Steps = []stockStep{{Op: "start"}, {Op: "ban", IP: "192.0.2.1", Failures: 3, Matches: lines, Fields: user},
		{Op: "ban", IP: "2001:db8::1", Failures: 5, Fields: map[string]string{"user": "root"}}, {Op: "unban", IP: "2001:db8::1"},
		{Op: "ban", IP: "192.0.2.3", Failures: 2, Restored: true}, {Op: "flush"}, {Op: "stop"}}
	s.write(t, "jail.conf", strings.Join([]string{
		s.jail("plain", "new"),
		s.jail("chains", `new[chain="INPUT,FORWARD", protocol="tcp,udp", port="22:24,80", type=multiport]`),
		s.jail("all", `new[type=allports, chain='DOCKER-USER']`),
		s.jail("two", `new[name=%(__name__)s-tcp, protocol=tcp][lockingopt=""]`+"\n         new[name=two-udp, protocol=udp]\n         new[name=other, actname=mine]"),
		s.jail("newer", `newer`),
		s.jail("known", `newer[chain="<known/chain>,F2B"]`),
	}, ""))
	if n := s.compare(t); n < 60 {
		t.Errorf("%d commands were recorded", n)
	}
}

// TestOnlyIn11 holds what the installed 1.0.2 does not know (§0): a parameter of a jail stands
// for both families unless the other is given too, and <jail.name>.
func TestOnlyIn11(t *testing.T) {
	s := newStage(t)
	s.write(t, "action.d/x.conf", "[Definition]\nactionban = iptables <p> <jail.name>\nactionunban =\n[Init]\np = file4\n[Init?family=inet6]\np = file6\n")
	s.Steps = []stockStep{{Op: "ban", IP: "192.0.2.1"}, {Op: "ban", IP: "2001:db8::1"}}
	tests := []struct{ action, v4, v6 string }{
		{"x", "file4", "file6"},
		{"x[p=jail]", "jail", "jail"},
		{"x[p=jail, p?family=inet6=six]", "jail", "six"},
		{"x[p?family=inet6=six]", "file4", "six"},
		{`x[p?family=inet4="four"]`, "four", "file6"},
	}
	for _, tt := range tests {
		t.Run(tt.action, func(t *testing.T) {
			s.write(t, "jail.conf", s.jail("j", tt.action))
			conf, problems := config.Load(config.LoadOptions{Dir: s.Config})
			if len(conf.Jails) != 1 {
				t.Fatal(problems)
			}
			var got []string
			for _, step := range s.gaol(t, conf.Jails[0]) {
				got = append(got, step.Commands)
			}
			want := []string{"iptables [" + tt.v4 + "] [j]\n", "iptables [" + tt.v6 + "] [j]\n"}
			if !slices.Equal(got, want) {
				t.Error(cmp.Diff(want, got))
			}
		})
	}
}
