-- What waits for one host is found without a look at what waits for all.

-- +goose Up
CREATE INDEX orders_waiting ON orders (host, state, made);

-- +goose Down
DROP INDEX orders_waiting;
