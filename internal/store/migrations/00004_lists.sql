-- What lists of many hosts and alerts are made from without reading bodies.

-- +goose Up
ALTER TABLE hosts ADD COLUMN mode TEXT NOT NULL DEFAULT '';
ALTER TABLE alerts ADD COLUMN sha256 TEXT NOT NULL DEFAULT '';
CREATE INDEX alerts_sha256 ON alerts (sha256);
CREATE INDEX alerts_rule ON alerts (rule, open);

-- +goose Down
DROP INDEX alerts_rule;
DROP INDEX alerts_sha256;
ALTER TABLE alerts DROP COLUMN sha256;
ALTER TABLE hosts DROP COLUMN mode;
