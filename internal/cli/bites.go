package cli

import (
	"context"
	"strings"

	"gaol/internal/config"
	"gaol/internal/engine"
)

// diagnose holds each jail against the kernel's rules, the containers and the logs. What could be
// found is returned also with an error.
func diagnose(ctx context.Context, conf *config.Config) ([]config.Problem, error) {
	return engine.Survey(ctx, conf)
}

func prop(a config.Action, key string) string {
	v, ok := a.Props[key]
	if !ok {
		return ""
	}
	return strings.TrimSpace(v.Text())
}
