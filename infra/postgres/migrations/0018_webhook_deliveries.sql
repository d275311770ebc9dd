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

-- What came of attempts, each of another delivery: a row for each, the delivery moved on, the next of
-- its subject let go, its endpoint judged. One call, so that the endpoints' rows are held no longer
-- than this takes; it does not wait for the disk (see consumers/webhooks/claiming.py). A pause is
-- until the next attempt, null where there is none. Whatever another process has recorded meanwhile
-- (a lease may run out): delivered is delivered. Answers the deliveries given up, and the endpoints
-- that have only failed for too long.
CREATE OR REPLACE FUNCTION webhooks.record_attempts(
    delivery_ids uuid[], endpoint_ids uuid[], started_ats timestamptz[], latencies integer[],
    statuses smallint[], outcomes text[], excerpts text[], successes boolean[],
    pauses double precision[], window_seconds integer, tries_min integer, failures_percent integer,
    broken_min integer, broken_max integer, failing_days integer,
    OUT exhausted uuid[], OUT failing uuid[]
) LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM webhooks.endpoint_states s WHERE s.endpoint_id = ANY(endpoint_ids)
    ORDER BY s.endpoint_id FOR UPDATE;

    WITH told AS (
        SELECT * FROM unnest(delivery_ids, started_ats, latencies, statuses, outcomes, excerpts,
                             successes, pauses)
        AS t (delivery_id, started_at, latency_ms, status, outcome, excerpt, is_delivered, pause)
    ), judged AS (
        SELECT t.*, CASE WHEN t.is_delivered OR d.state = 'delivered' THEN 'delivered'
                         WHEN d.state <> 'due' OR t.pause IS NOT NULL THEN d.state
                         WHEN d.delivered_at IS NOT NULL THEN 'delivered'
                         ELSE 'exhausted' END AS state
        FROM told t JOIN webhooks.deliveries d USING (delivery_id)
    ), moved AS (
        UPDATE webhooks.deliveries d
        SET attempts = d.attempts + 1, leased_until = NULL, state = j.state,
            next_at = coalesce(now() + make_interval(secs => j.pause), d.next_at),
            delivered_at = CASE WHEN j.is_delivered THEN coalesce(d.delivered_at, now())
                                ELSE d.delivered_at END,
            finished_at = CASE WHEN j.state = 'due' THEN NULL
                               ELSE coalesce(d.finished_at, now()) END
        FROM judged j WHERE d.delivery_id = j.delivery_id
        RETURNING d.delivery_id, d.state, d.attempts
    ), noted AS (
        INSERT INTO webhooks.attempts
            (delivery_id, number, started_at, latency_ms, status, outcome, excerpt)
        SELECT t.delivery_id, m.attempts, t.started_at, t.latency_ms, t.status, t.outcome,
               t.excerpt
        FROM told t JOIN moved m USING (delivery_id)
    )
    SELECT coalesce(array_agg(m.delivery_id) FILTER (WHERE m.state = 'exhausted'), '{}')
    INTO exhausted FROM moved m;

    UPDATE webhooks.deliveries d SET is_next = true
    FROM (
        SELECT DISTINCT f.endpoint_id, f.subject FROM webhooks.deliveries f
        WHERE f.delivery_id = ANY(delivery_ids) AND f.state <> 'due'
    ) AS f
    CROSS JOIN LATERAL (
        SELECT o.delivery_id FROM webhooks.deliveries o
        WHERE o.endpoint_id = f.endpoint_id AND o.subject = f.subject AND o.state = 'due'
        ORDER BY o.sequence LIMIT 1
    ) AS oldest
    WHERE d.delivery_id = oldest.delivery_id AND NOT d.is_next;

    WITH told AS (
        SELECT t.endpoint_id, count(*) AS tries, count(*) FILTER (WHERE NOT t.success) AS failures
        FROM unnest(endpoint_ids, successes) AS t (endpoint_id, success) GROUP BY t.endpoint_id
    ), counted AS (
        SELECT s.endpoint_id, t.failures = t.tries AS failed, s.broken_seconds, w.goes_on,
               t.tries + CASE WHEN w.goes_on THEN s.window_tries ELSE 0 END AS tries,
               t.failures + CASE WHEN w.goes_on THEN s.window_failures ELSE 0 END AS failures
        FROM webhooks.endpoint_states s JOIN told t USING (endpoint_id)
        CROSS JOIN LATERAL (
            SELECT s.window_began_at > now() - make_interval(secs => window_seconds) IS TRUE
            AS goes_on
        ) AS w
        WHERE t.failures > 0 OR s.failing_since IS NOT NULL OR s.broken_until IS NOT NULL
    ), judged AS (
        SELECT c.*, CASE WHEN c.failed AND (c.broken_seconds > 0 OR (
                                  c.tries >= tries_min
                                  AND c.failures * 100 >= c.tries * failures_percent))
                         THEN least(greatest(c.broken_seconds * 2, broken_min), broken_max)
                         ELSE 0 END AS breaks_for
        FROM counted c
    ), marked AS (
        UPDATE webhooks.endpoint_states s
        SET failing_since = CASE WHEN j.failed THEN coalesce(s.failing_since, now()) END,
            last_failed_at = CASE WHEN j.failed THEN now() ELSE s.last_failed_at END,
            window_began_at = CASE WHEN j.goes_on THEN s.window_began_at ELSE now() END,
            window_tries = j.tries, window_failures = j.failures, broken_seconds = j.breaks_for,
            broken_until = CASE WHEN j.breaks_for > 0
                                THEN now() + make_interval(secs => j.breaks_for) END
        FROM judged j WHERE s.endpoint_id = j.endpoint_id
        RETURNING s.endpoint_id, s.failing_since
    )
    SELECT coalesce(array_agg(m.endpoint_id), '{}') INTO failing FROM marked m
    WHERE m.failing_since < now() - make_interval(days => failing_days);

    PERFORM set_config('synchronous_commit', 'off', true);
END $$;
