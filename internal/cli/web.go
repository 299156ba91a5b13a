package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"gaol/internal/config"
	"gaol/internal/engine"
	"gaol/internal/web"
)

// webCommand is `gaol web`: how the page is opened.
func webCommand() *cobra.Command {
	var f configFlags
	var state string
	var hash bool
	c := &cobra.Command{
		Use:   "web",
		Short: "Print the address of the web page, with its token",
		Long: "Prints the address that opens the web page and logs in. The token stands behind the #,\n" +
			"which a browser sends to nobody. The page is served where web is set in gaol.conf:\n" +
			"\n" +
			"  [Definition]\n" +
			"  web = 127.0.0.1:8480\n" +
			"\n" +
			"With --hash a password is read from standard input, and printed as web_password_hash\n" +
			"takes it.",
		Example: "  gaol web\n" +
			"  gaol web --hash",
		Args: needs(),
		RunE: func(c *cobra.Command, _ []string) error {
			if hash {
				return printHash(c.InOrStdin(), c.OutOrStdout())
			}
			conf, _ := f.load()
			return printPage(c.OutOrStdout(), conf, state)
		},
	}
	f.add(c)
	c.Flags().StringVar(&state, "state", "", "directory of the token, as `gaol run` has it (default /var/lib/gaol)")
	c.Flags().BoolVar(&hash, "hash", false, "hash a password for web_password_hash")
	return c
}

func printPage(out io.Writer, conf *config.Config, state string) error {
	w := conf.Global.Own.Web
	if w.Listen == "" {
		return withHint(errors.New("the web page is not served"), "write into gaol.local, and start gaol again:\n[Definition]\nweb = 127.0.0.1:8480")
	}
	token, err := web.Token(tokenFile(conf, state))
	if err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(w.Listen)
	if err != nil {
		return fmt.Errorf("read web: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
		if len(w.Hosts) > 0 {
			host = w.Hosts[0]
		}
	}
	scheme := "http"
	if w.Cert != "" {
		scheme = "https"
	}
	return say(out, "%s://%s/login#%s", scheme, net.JoinHostPort(host, port), token)
}

func tokenFile(conf *config.Config, state string) string {
	return or(conf.Global.Own.Web.TokenFile, filepath.Join(or(state, conf.Global.Own.State), "web.token"))
}

func printHash(in io.Reader, out io.Writer) error {
	password, err := bufio.NewReader(io.LimitReader(in, 4096)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the password: %w", err)
	}
	if password = strings.TrimRight(password, "\r\n"); len(password) < 8 {
		return withHint(errors.New("a password has 8 characters at least"), "type it behind: gaol web --hash")
	}
	text, err := web.Hash(password)
	if err != nil {
		return err
	}
	return say(out, "%s", text)
}

// services are what the configuration wants beside the jails.
func (f *runFlags) services(conf *config.Config, log *slog.Logger) []engine.Service {
	w := conf.Global.Own.Web
	if w.Listen == "" || f.dryRun && f.socket == "" { // of a dry run: the real daemon may serve it
		return nil
	}
	return []engine.Service{{Name: "the web page", Start: func(d engine.Door) (func() error, error) {
		s, err := web.Serve(d, web.Options{
			Listen: w.Listen, TokenFile: tokenFile(conf, f.state), PasswordHash: w.PasswordHash, Cert: w.Cert, Key: w.Key, Hosts: w.Hosts, GeoIP: w.GeoIP,
			Check:   f.findings,
			Refused: func(from string) { log.Warn("web page: wrong token or password from "+from, "logger", "server") },
		})
		if err != nil {
			return nil, err
		}
		log.Info("the web page is at "+s.URL()+"; its token: gaol web", "logger", "server")
		return s.Close, nil
	}}}
}

// findings are what `gaol check` finds in the configuration that the daemon runs on.
func (f *runFlags) findings(ctx context.Context) (all []web.Finding, notes []string) {
	_, problems, notes := inspect(ctx, checkFlags{configFlags: f.configFlags})
	for _, p := range problems {
		all = append(all, web.Finding{Where: p.Pos.String(), Message: p.Msg, Hint: p.Hint, Jail: p.Jail, Error: p.Severity == config.Error})
	}
	return all, notes
}
