-- The memory of a server. Times are milliseconds since 1970 UTC, 0 is none. Texts of columns are safe texts; bodies are JSON.
-- Written so that SQLite and PostgreSQL read it alike.

-- +goose Up
CREATE TABLE hosts (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL,
	enrolled BIGINT NOT NULL,
	seen BIGINT NOT NULL,
	revoked BIGINT NOT NULL,
	told TEXT NOT NULL,
	agent TEXT NOT NULL,
	policy TEXT NOT NULL,
	vault TEXT NOT NULL,
	vault_told TEXT NOT NULL,
	blocks TEXT NOT NULL,
	blocks_told TEXT NOT NULL
);

CREATE TABLE messages (
	host TEXT NOT NULL,
	id TEXT NOT NULL,
	received BIGINT NOT NULL,
	PRIMARY KEY (host, id)
);
CREATE INDEX messages_received ON messages (received);

CREATE TABLE alerts (
	host TEXT NOT NULL,
	id TEXT NOT NULL,
	told TEXT NOT NULL,
	state TEXT NOT NULL,
	open SMALLINT NOT NULL,
	grade SMALLINT NOT NULL,
	topics TEXT NOT NULL,
	rule TEXT NOT NULL,
	fleet TEXT NOT NULL,
	ties TEXT NOT NULL,
	first BIGINT NOT NULL,
	last BIGINT NOT NULL,
	closed BIGINT NOT NULL,
	updated BIGINT NOT NULL,
	find TEXT NOT NULL,
	body TEXT NOT NULL,
	PRIMARY KEY (host, id)
);
CREATE INDEX alerts_page ON alerts (open, grade, last);
CREATE INDEX alerts_fleet ON alerts (fleet);

CREATE TABLE incidents (
	id TEXT PRIMARY KEY,
	made BIGINT NOT NULL
);

CREATE TABLE ties (
	kind TEXT NOT NULL,
	value TEXT NOT NULL,
	host TEXT NOT NULL,
	fleet TEXT NOT NULL,
	PRIMARY KEY (kind, value, host)
);
CREATE INDEX ties_fleet ON ties (fleet);

CREATE TABLE parts (
	host TEXT NOT NULL,
	id TEXT NOT NULL,
	fleet TEXT NOT NULL,
	taken BIGINT NOT NULL,
	body TEXT NOT NULL,
	PRIMARY KEY (host, id)
);
CREATE INDEX parts_fleet ON parts (fleet);

CREATE TABLE orders (
	id TEXT PRIMARY KEY,
	host TEXT NOT NULL,
	kind TEXT NOT NULL,
	grp TEXT NOT NULL,
	deed TEXT NOT NULL,
	state TEXT NOT NULL,
	text TEXT NOT NULL,
	tries BIGINT NOT NULL,
	made BIGINT NOT NULL,
	updated BIGINT NOT NULL,
	body TEXT NOT NULL
);
CREATE INDEX orders_host ON orders (host, made);
CREATE INDEX orders_state ON orders (state, made);
CREATE INDEX orders_group ON orders (grp);

CREATE TABLE deeds (
	id TEXT PRIMARY KEY,
	host TEXT NOT NULL,
	handling TEXT NOT NULL,
	alerts TEXT NOT NULL,
	grp TEXT NOT NULL,
	made_by TEXT NOT NULL,
	made BIGINT NOT NULL,
	state TEXT NOT NULL,
	text TEXT NOT NULL,
	plan TEXT NOT NULL,
	digest TEXT NOT NULL,
	steps BIGINT NOT NULL,
	approver TEXT NOT NULL,
	updated BIGINT NOT NULL,
	body TEXT NOT NULL
);
CREATE INDEX deeds_host ON deeds (host, made);
CREATE INDEX deeds_plan ON deeds (host, plan);
CREATE INDEX deeds_group ON deeds (grp);

CREATE TABLE steps (
	host TEXT NOT NULL,
	plan TEXT NOT NULL,
	step TEXT NOT NULL,
	seq BIGINT NOT NULL,
	state TEXT NOT NULL,
	note TEXT NOT NULL,
	time BIGINT NOT NULL,
	PRIMARY KEY (host, plan, step)
);

CREATE TABLE reports (
	host TEXT NOT NULL,
	id TEXT NOT NULL,
	order_id TEXT NOT NULL,
	taken BIGINT NOT NULL,
	head TEXT NOT NULL,
	body TEXT NOT NULL,
	PRIMARY KEY (host, id)
);
CREATE INDEX reports_taken ON reports (taken);
CREATE INDEX reports_order ON reports (order_id);

CREATE TABLE audit (
	seq BIGINT PRIMARY KEY,
	time BIGINT NOT NULL,
	who TEXT NOT NULL,
	address TEXT NOT NULL,
	what TEXT NOT NULL,
	target TEXT NOT NULL,
	detail TEXT NOT NULL,
	prev TEXT NOT NULL,
	sum TEXT NOT NULL
);

CREATE TABLE people (
	name TEXT PRIMARY KEY,
	role TEXT NOT NULL,
	hash TEXT NOT NULL,
	totp TEXT NOT NULL,
	totp_used BIGINT NOT NULL,
	made BIGINT NOT NULL,
	disabled BIGINT NOT NULL
);

CREATE TABLE sessions (
	hash TEXT PRIMARY KEY,
	person TEXT NOT NULL,
	made BIGINT NOT NULL,
	seen BIGINT NOT NULL,
	expires BIGINT NOT NULL,
	address TEXT NOT NULL,
	browser TEXT NOT NULL
);
CREATE INDEX sessions_person ON sessions (person);

CREATE TABLE links (
	hash TEXT PRIMARY KEY,
	person TEXT NOT NULL,
	role TEXT NOT NULL,
	expires BIGINT NOT NULL
);

CREATE TABLE guesses (
	subject TEXT PRIMARY KEY,
	failures BIGINT NOT NULL,
	until BIGINT NOT NULL,
	last BIGINT NOT NULL
);

-- +goose Down
DROP TABLE guesses;
DROP TABLE links;
DROP TABLE sessions;
DROP TABLE people;
DROP TABLE audit;
DROP TABLE reports;
DROP TABLE steps;
DROP TABLE deeds;
DROP TABLE orders;
DROP TABLE parts;
DROP TABLE ties;
DROP TABLE incidents;
DROP TABLE alerts;
DROP TABLE messages;
DROP TABLE hosts;
