// Package jail is the fixture that breaks the table of arch_test.go.
package jail

import (
	_ "gaol/internal/engine"
	_ "gaol/internal/netlab"
)
