package store

import (
	"context"
	"fmt"
)

// Memory loads what Load would of the memory of a jail's filter.
func (s *Store) Memory(ctx context.Context, jail string) ([][]byte, error) {
	rows, err := query(ctx, s.db, scanBytes, `SELECT data FROM memory WHERE jail=? ORDER BY key`, jail)
	if err != nil {
		return nil, fmt.Errorf("load the filter's memory of jail %s: %w", jail, err)
	}
	return rows, nil
}
