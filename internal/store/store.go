// Package store keeps what a server remembers in a database: SQLite in one file, or PostgreSQL, with one set of queries.
//
//	db, err := store.Open(ctx, "sqlite:/var/lib/deminer/server.db")
//	db, err := store.Open(ctx, "postgres://deminer@db.example/deminer")
//
// Open brings the schema up to date. A [DB] is the [server.Store] and the [auth.Store]: it decides nothing, it keeps what they say
// within one transaction for each change. Changes are made one at a time, also where several servers share one PostgreSQL, so both
// databases behave alike.
package store

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/deminer/deminer/internal/auth"
	"github.com/deminer/deminer/internal/server"
)

//go:embed migrations/*.sql
var migrations embed.FS

// DB is an open database.
type DB struct {
	write *sql.DB // one connection in SQLite
	look  *sql.DB
	pg    bool

	together together
}

var (
	_ server.Store = (*DB)(nil)
	_ auth.Store   = (*DB)(nil)
)

// Open opens a database, "sqlite:PATH" or a URL of PostgreSQL, and brings its schema up to date.
func Open(ctx context.Context, where string) (*DB, error) {
	d, err := open(where)
	if err != nil {
		return nil, err
	}
	if err := d.Migrate(ctx, -1); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

func open(where string) (*DB, error) {
	if path, ok := strings.CutPrefix(where, "sqlite:"); ok {
		return openLite(path)
	}
	u, err := url.Parse(where)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return nil, errors.New(`open database: give "sqlite:PATH" or "postgres://USER@HOST/NAME"`)
	}
	db, err := sql.Open("pgx", where)
	if err != nil {
		return nil, fmt.Errorf("open database at %s: %w", u.Host, err)
	}
	db.SetMaxOpenConns(16)
	db.SetMaxIdleConns(8)
	return &DB{write: db, look: db, pg: true}, nil
}

// keep makes the file of a database its owner's alone, whatever the umask is, and so those of one that was made before. What SQLite makes
// beside it gets the mode that it has.
func keep(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		if err := os.Chmod(name, 0o600); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// openLite opens a file of SQLite twice: one connection writes, several read what is committed.
func openLite(path string) (*DB, error) {
	if path == "" || strings.ContainsAny(path, "?#") {
		return nil, fmt.Errorf("open database %q: name a file", path)
	}
	if err := keep(path); err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	const both = "?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(ON)&_pragma=temp_store(MEMORY)&_pragma=cache_size(-16000)"
	write, err := sql.Open("sqlite", "file:"+path+both+"&_txlock=immediate")
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	write.SetMaxOpenConns(1)
	look, err := sql.Open("sqlite", "file:"+path+both+"&_pragma=query_only(ON)")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open database %s: %w", path, err), write.Close())
	}
	look.SetMaxOpenConns(4)
	return &DB{write: write, look: look}, nil
}

// Close closes the database.
func (d *DB) Close() error {
	if d.look == d.write {
		return d.write.Close()
	}
	return errors.Join(d.look.Close(), d.write.Close())
}

// Migrate brings the schema to a version: -1 is the newest, 0 takes everything away.
func (d *DB) Migrate(ctx context.Context, version int64) error {
	dialect := database.DialectSQLite3
	if d.pg {
		dialect = database.DialectPostgres
	}
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(dialect, d.write, sub)
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	switch {
	case version < 0:
		_, err = p.Up(ctx)
	default:
		_, err = p.DownTo(ctx, version)
	}
	if err != nil {
		return fmt.Errorf("bring the schema of the database up to date: %w", err)
	}
	return nil
}

// in runs a change as one transaction.
func (d *DB) in(ctx context.Context, change func(*sql.Tx) error) error {
	tx, err := d.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin a change of the database: %w", err)
	}
	defer tx.Rollback() // after a commit it does nothing
	if d.pg {
		// One change at a time, as in SQLite: the audit log is a chain, and incidents are joined.
		if _, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock(7305796)"); err != nil {
			return fmt.Errorf("begin a change of the database: %w", err)
		}
	}
	if err := change(tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("write to the database: %w", err)
	}
	return nil
}

func run(ctx context.Context, tx *sql.Tx, query string, args ...any) (int64, error) {
	r, err := tx.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, fmt.Errorf("change the database: %w", err)
	}
	return r.RowsAffected()
}

// asker is a database or a transaction.
type asker interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// each reads all rows of a query.
func each(ctx context.Context, q asker, query string, args []any, row func(scan func(...any) error) error) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("ask the database: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return fmt.Errorf("read from the database: %w", err)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read from the database: %w", err)
	}
	return nil
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func from(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// text is a value as JSON.
func text(v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("write as JSON: %w", err)
	}
	return string(b), nil
}

// value reads JSON that text wrote; "" is the zero value.
func value(s string, into any) error {
	if s == "" {
		return nil
	}
	return json.Unmarshal([]byte(s), into)
}

// where collects conditions.
type where struct {
	cond []string
	args []any
}

// add adds a condition whose only argument stands for each ?.
func (w *where) add(cond string, arg any) {
	w.args = append(w.args, arg)
	w.cond = append(w.cond, strings.ReplaceAll(cond, "?", fmt.Sprintf("$%d", len(w.args))))
}

func (w *where) String() string {
	if len(w.cond) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.cond, " AND ")
}

// arg adds an argument and gives its place.
func (w *where) arg(v any) string {
	w.args = append(w.args, v)
	return fmt.Sprintf("$%d", len(w.args))
}

// like makes a pattern that finds a text anywhere.
func like(s string) string {
	return "%" + strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(strings.ToLower(s)) + "%"
}
