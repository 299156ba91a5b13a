package engine

import (
	"cmp"
	"context"
	"fmt"

	"gaol/internal/control"
)

// mostOffenders is how many a History lists where it is not told.
const mostOffenders = 10

// history carries out control.History.
func (e *engine) history(ctx context.Context, c control.History) (control.Reply, error) {
	now := e.o.Now()
	if c.Step <= 0 || !c.Since.Before(now) || now.Sub(c.Since)/c.Step >= control.MaxSteps {
		return control.Reply{}, &control.Error{Fault: control.Invalid, Msg: fmt.Sprintf("expected a time in the past and a step that goes into it %d times at most", control.MaxSteps)}
	}
	h, err := e.store.Timeline(ctx, c.Since, now, c.Step, cmp.Or(c.Most, mostOffenders))
	return control.Reply{History: &h}, err
}
