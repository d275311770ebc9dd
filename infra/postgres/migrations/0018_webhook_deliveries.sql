-- What is told to webhook endpoints: each item once, a delivery for each endpoint it is for, and every
-- attempt at one. Kept beside the log; whatever is missing can be read from it again.

CREATE SCHEMA IF NOT EXISTS webhooks;
GRANT USAGE ON SCHEMA webhooks TO daystar_app;

-- The same id each time, whoever makes it and over whichever feed the item comes: a version 8 UUID
-- of the endpoint and the item (RFC 9562, appendix B.2).
CREATE OR REPLACE FUNCTION webhooks.delivery_id(endpoint uuid, item text) RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT left(overlay(overlay(
        encode(sha256(uuid_send(endpoint) || item::bytea), 'hex')
        PLACING '8' FROM 13 FOR 1) PLACING '8' FROM 17 FOR 1), 32)::uuid
$$;

-- An item as the feeds tell it, to the letter.
CREATE TABLE IF NOT EXISTS webhooks.items (
    item_id     text        NOT NULL PRIMARY KEY,
    type        text        NOT NULL,
    subject     text        NOT NULL,
    position    bigint      NOT NULL,
    occurred_at timestamptz NOT NULL,
    item        json        NOT NULL,
    kept_at     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS items_by_moment ON webhooks.items (occurred_at);
GRANT SELECT, INSERT, DELETE ON webhooks.items TO daystar_app;

-- How far each endpoint is. Whoever numbers, orders or judges deliveries of an endpoint holds its row
-- FOR UPDATE; several rows are locked in the order of their ids.
--   reads_log_after: its deliveries are being written from the log after this position, by a loop of
--                    their own; what comes over the feed is left to that loop until it has caught up.
--   paced_until:     nothing is sent before: its rate limit.
--   failing_since:   only failures since then.
--   window_*:        the breaker's count of tries; broken_until: the breaker is open, and one delivery
--                    tries it then.
CREATE TABLE IF NOT EXISTS webhooks.endpoint_states (
    endpoint_id       uuid        NOT NULL PRIMARY KEY,
    last_sequence     bigint      NOT NULL DEFAULT 0,
    reads_log_after   bigint,
    paced_until       timestamptz,
    failing_since     timestamptz,
    last_failed_at    timestamptz,
    window_began_at   timestamptz,
    window_tries      integer     NOT NULL DEFAULT 0,
    window_failures   integer     NOT NULL DEFAULT 0,
    broken_until      timestamptz,
    broken_seconds    integer     NOT NULL DEFAULT 0
) WITH (fillfactor = 30);
GRANT SELECT, INSERT, UPDATE, DELETE ON webhooks.endpoint_states TO daystar_app;

-- One item for one endpoint. `sequence` counts an endpoint's deliveries without a hole; a test has
-- none. `is_next`: the oldest of its subject at its endpoint that is still due; only that one may go.
-- The schedule began after `attempts_before` attempts; `tries_once`: somebody asked for one more.
CREATE TABLE IF NOT EXISTS webhooks.deliveries (
    delivery_id     uuid        NOT NULL PRIMARY KEY,
    endpoint_id     uuid        NOT NULL,
    sequence        bigint,
    item_id         text        NOT NULL,
    type            text        NOT NULL,
    subject         text        NOT NULL,
    position        bigint      NOT NULL,
    state           text        NOT NULL DEFAULT 'due'
                    CHECK (state IN ('due', 'delivered', 'exhausted', 'cancelled')),
    is_next         boolean     NOT NULL,
    attempts        integer     NOT NULL DEFAULT 0,
    attempts_before integer     NOT NULL DEFAULT 0,
    tries_once      boolean     NOT NULL DEFAULT false,
    next_at         timestamptz NOT NULL DEFAULT now(),
    leased_until    timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    delivered_at    timestamptz,
    finished_at     timestamptz
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
CREATE UNIQUE INDEX IF NOT EXISTS deliveries_numbered
    ON webhooks.deliveries (endpoint_id, sequence) WHERE sequence IS NOT NULL;
CREATE INDEX IF NOT EXISTS deliveries_to_send
    ON webhooks.deliveries (endpoint_id, next_at) WHERE state = 'due' AND is_next;
CREATE UNIQUE INDEX IF NOT EXISTS deliveries_one_next
    ON webhooks.deliveries (endpoint_id, subject) WHERE state = 'due' AND is_next;
CREATE INDEX IF NOT EXISTS deliveries_waiting
    ON webhooks.deliveries (endpoint_id, subject, sequence) WHERE state = 'due';
CREATE INDEX IF NOT EXISTS deliveries_exhausted
    ON webhooks.deliveries (endpoint_id, finished_at) WHERE state = 'exhausted';
CREATE INDEX IF NOT EXISTS deliveries_by_age ON webhooks.deliveries USING brin (created_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON webhooks.deliveries TO daystar_app;

-- Every attempt. `status` is the answer's, if there was one; `excerpt` its first 1,024 bytes.
CREATE TABLE IF NOT EXISTS webhooks.attempts (
    delivery_id uuid        NOT NULL,
    number      integer     NOT NULL,
    started_at  timestamptz NOT NULL,
    latency_ms  integer     NOT NULL,
    status      smallint,
    outcome     text        NOT NULL,
    excerpt     text        NOT NULL DEFAULT '',
    PRIMARY KEY (delivery_id, number)
);
GRANT SELECT, INSERT, DELETE ON webhooks.attempts TO daystar_app;

-- What an endpoint was told of one business day: `totals` by type, and the SHA-256 of the delivered
-- ids in the order of their sequence, each followed by a line feed.
CREATE TABLE IF NOT EXISTS webhooks.digests (
    endpoint_id uuid        NOT NULL,
    day         date        NOT NULL,
    deliveries  integer     NOT NULL,
    delivered   integer     NOT NULL,
    totals      jsonb       NOT NULL,
    ids_sha256  text        NOT NULL,
    made_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (endpoint_id, day)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON webhooks.digests TO daystar_app;
