-- Scans that are asked for again and again.

-- +goose Up
CREATE TABLE schedules (
	id TEXT PRIMARY KEY,
	mode TEXT NOT NULL,
	hosts TEXT NOT NULL,
	every BIGINT NOT NULL,
	next BIGINT NOT NULL,
	made_by TEXT NOT NULL,
	made BIGINT NOT NULL
);

-- +goose Down
DROP TABLE schedules;
