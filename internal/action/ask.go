package action

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"time"

	"gaol/internal/event"
)

// Ask runs a command that answers with its exit status (ignorecommand, §3), the tags of b filled
// in as in an action's commands; of o only Facts is used. err tells that it gave no status: it could not be run, or its
// time was up (ErrTimeout).
func Ask(ctx context.Context, script string, b event.Ban, limit time.Duration, o Options) (status int, output string, err error) {
	a := &Action{spec: Spec{Jail: b.Jail}, opts: o}
	output, err = shell(ctx, fill(script, a.values(ctx, &b, false)), limit)
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() && !errors.Is(err, ErrTimeout) {
		return exit.ExitCode(), output, nil
	}
	return 0, output, err
}

// Fill is text, which no shell will see, with the tags of b filled in.
func Fill(ctx context.Context, text string, b event.Ban) string {
	value := (&Action{spec: Spec{Jail: b.Jail}}).values(ctx, &b, false)
	var out strings.Builder
	rest := 0
	for from := 0; ; {
		start, end, name, ok := tag(text, from)
		if !ok {
			break
		}
		from = end
		if v, known := value(name); known {
			out.WriteString(text[rest:start])
			out.WriteString(v)
			rest = end
		}
	}
	out.WriteString(text[rest:])
	return out.String()
}
