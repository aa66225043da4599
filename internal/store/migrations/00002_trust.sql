-- Which machines belong to the server, and what they may be enrolled with.

-- +goose Up
CREATE TABLE tokens (
	id TEXT PRIMARY KEY,
	hash TEXT NOT NULL UNIQUE,
	made_by TEXT NOT NULL,
	grp TEXT NOT NULL,
	made BIGINT NOT NULL,
	expires BIGINT NOT NULL,
	uses INTEGER NOT NULL,
	used INTEGER NOT NULL
);

CREATE TABLE machines (
	id TEXT PRIMARY KEY,
	key TEXT NOT NULL UNIQUE,
	name TEXT NOT NULL,
	grp TEXT NOT NULL,
	token TEXT NOT NULL,
	enrolled BIGINT NOT NULL,
	renewed BIGINT NOT NULL,
	revoked BIGINT NOT NULL
);

-- Keys that machines had: none comes back.
CREATE TABLE old_keys (
	key TEXT PRIMARY KEY,
	machine TEXT NOT NULL
);

-- +goose Down
DROP TABLE old_keys;
DROP TABLE machines;
DROP TABLE tokens;
