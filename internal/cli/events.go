package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"gaol/internal/control"
	"gaol/internal/event"
)

// eventsCommand is `gaol events`.
func eventsCommand() *cobra.Command {
	var f clientFlags
	var ask control.Events
	c := &cobra.Command{
		Use:   "events",
		Short: "Show what happens, as it happens",
		Long: "Shows bans, unbans, repairs, jails and logs in trouble, one line each, until Ctrl-C. With\n" +
			"--json a line is a JSON object that also has the log lines of a ban. Who reads too\n" +
			"slowly is told how much it missed; no ban ever waits for it.",
		Example: "  gaol events --jail sshd\n" +
			"  gaol events --json | jq -r 'select(.what == \"ban\") | .ban.id'",
		Args: needs(),
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return showEvents(ctx, c.OutOrStdout(), f.client(), ask, f.json)
		},
	}
	f.add(c)
	f.addJSON(c)
	c.Flags().StringVar(&ask.Jail, "jail", "", "only what this jail does, and the daemon")
	return c
}

func showEvents(ctx context.Context, out io.Writer, client *control.Client, ask control.Events, asJSON bool) error {
	for h, err := range client.Events(ctx, ask) {
		if err != nil {
			return err
		}
		if err := printEvent(out, h, asJSON); err != nil {
			return err
		}
		if h.What == event.Stopping {
			return withHint(errors.New("gaol ends, and so do its events"), "when it runs again: gaol events")
		}
	}
	return nil
}

func printEvent(out io.Writer, h event.Happening, asJSON bool) error {
	if !asJSON {
		return say(out, "%s %s", showTime(h.Time), eventText(h))
	}
	var text strings.Builder
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(h); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	_, err := io.WriteString(out, escapeJSON(text.String()))
	return err
}

// eventText is a happening in one line; `say` makes attackers' text in it harmless.
func eventText(h event.Happening) string {
	parts := []string{string(h.What)}
	if h.Jail != "" {
		parts = append(parts, "["+h.Jail+"]")
	}
	if b := h.Ban; b != nil {
		parts = append(parts, b.ID)
		switch h.What {
		case event.Banned, event.Prolonged, event.Raised, event.Allowed:
			parts = append(parts, or(untilText(*b), "for ever"))
		}
		if b.Count > 0 {
			parts = append(parts, "("+plural(b.Count, "failure")+")")
		}
	}
	if h.Restored {
		parts = append(parts, "restored")
	}
	if h.DryRun {
		parts = append(parts, "dry run")
	}
	if h.What == event.Missed {
		parts = append(parts, plural(int(h.Count), "event"))
	}
	text := strings.Join(parts, " ")
	if h.Reason != "" {
		text += ": " + strings.ReplaceAll(h.Reason, "\n", "; ")
	}
	return text
}

func untilText(b event.Ban) string {
	if b.End.IsZero() {
		return ""
	}
	return "until " + showTime(b.End)
}
