package store

import (
	"context"
	"errors"
	"fmt"
)

// ErrElsewhere: PostgreSQL has ways of its own to be copied.
var ErrElsewhere = errors.New("the database is PostgreSQL: copy it with pg_dump")

// Copy writes a file of SQLite with all that is in the database at one moment. What uses the database goes on meanwhile. The file must
// not be there. ErrElsewhere for PostgreSQL.
func (d *DB) Copy(ctx context.Context, path string) error {
	if d.pg {
		return ErrElsewhere
	}
	if _, err := d.write.ExecContext(ctx, "VACUUM INTO ?", path); err != nil {
		return fmt.Errorf("copy the database: %w", err)
	}
	return nil
}
