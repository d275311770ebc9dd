-- Who uses the API, how, and when last. Routes only: a path or a query may hold a person or a secret.

CREATE SCHEMA api;
GRANT USAGE ON SCHEMA api TO daystar_app;
CREATE TABLE api.usage (
    occurred_at  timestamptz NOT NULL,
    key_id       uuid,
    address      inet,
    method       text        NOT NULL,
    endpoint     text,
    status       smallint    NOT NULL,
    milliseconds real        NOT NULL
);
CREATE INDEX usage_occurred_at ON api.usage (occurred_at);
GRANT SELECT, INSERT, DELETE ON api.usage TO daystar_app;

CREATE TABLE api.key_uses (
    key_id       uuid        NOT NULL PRIMARY KEY,
    last_used_at timestamptz NOT NULL,
    address      inet
) WITH (fillfactor = 50);
GRANT SELECT, INSERT, UPDATE, DELETE ON api.key_uses TO daystar_app;

-- What has been dealt with is forgotten after a while.
CREATE INDEX callbacks_done ON intake.callbacks (settled_at) WHERE state = 'done';
