-- The event store: an append-only log with one order, written by one function.

CREATE SCHEMA event_store;
GRANT USAGE ON SCHEMA event_store TO daystar_app;

-- A commit number is drawn only while the shared append lock is held (see `append`).
CREATE SEQUENCE event_store.commit_number AS bigint CACHE 1;

CREATE TABLE event_store.events (
    position       bigint      NOT NULL,
    stream_id      uuid        NOT NULL,
    stream_version bigint      NOT NULL CHECK (stream_version > 0),
    topic          text        NOT NULL,
    state          bytea       NOT NULL,
    recorded_at    timestamptz NOT NULL,
    metadata       bytea       NOT NULL,
    CONSTRAINT events_position_once PRIMARY KEY (position),
    CONSTRAINT events_version_once UNIQUE (stream_id, stream_version)
) WITH (autovacuum_vacuum_insert_scale_factor = 0.1, autovacuum_analyze_scale_factor = 0.02);
CREATE INDEX events_recorded_at ON event_store.events USING brin (recorded_at);
GRANT SELECT ON event_store.events TO daystar_app;

COMMENT ON COLUMN event_store.events.position IS
    'commit number x 1000 + index within the commit; a commit holds at most 500 events';
COMMENT ON COLUMN event_store.events.metadata IS
    'JSON bytes: actor, correlation_id, causation_id';

CREATE FUNCTION event_store.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'events are never changed or removed' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER events_are_immutable
    BEFORE UPDATE OR DELETE OR TRUNCATE ON event_store.events
    FOR EACH STATEMENT EXECUTE FUNCTION event_store.refuse_change();

-- Keyed hashes (HMAC) by which a stream is found; unique ones belong to one stream at a time.
CREATE TABLE event_store.keys (
    scope     text    NOT NULL,
    digest    bytea   NOT NULL,
    stream_id uuid    NOT NULL,
    is_unique boolean NOT NULL,
    CONSTRAINT keys_once PRIMARY KEY (scope, digest, stream_id)
);
CREATE UNIQUE INDEX keys_unique ON event_store.keys (scope, digest) WHERE is_unique;
CREATE INDEX keys_of_stream ON event_store.keys (stream_id);
GRANT SELECT ON event_store.keys TO daystar_app;

-- One encryption key a person, wrapped by the master key. Destroying the row erases the person.
CREATE TABLE event_store.personal_keys (
    owner_id    uuid  NOT NULL PRIMARY KEY,
    wrapped_key bytea NOT NULL
);
GRANT SELECT ON event_store.personal_keys TO daystar_app;

-- Snapshots only save time: any of them may be thrown away.
CREATE TABLE event_store.snapshots (
    stream_id      uuid   NOT NULL PRIMARY KEY,
    stream_version bigint NOT NULL,
    topic          text   NOT NULL,
    state          bytea  NOT NULL
);
GRANT SELECT, INSERT, UPDATE, DELETE ON event_store.snapshots TO daystar_app;

-- A restored log is a new epoch: positions of the lost tail are never given out again.
CREATE TABLE event_store.epochs (
    epoch         integer     NOT NULL PRIMARY KEY,
    begins_after  bigint      NOT NULL,
    last_restored bigint      NOT NULL,
    opened_at     timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO event_store.epochs (epoch, begins_after, last_restored) VALUES (1, 0, 0);
GRANT SELECT ON event_store.epochs TO daystar_app;

CREATE FUNCTION event_store.raise_epoch(beyond bigint) RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    head bigint;
    raised integer;
BEGIN
    -- Exclusive: no append is under way while the sequence jumps.
    PERFORM pg_advisory_xact_lock(4803221);
    SELECT coalesce(max(position), 0) INTO head FROM event_store.events;
    PERFORM setval('event_store.commit_number', greatest(head, beyond) / 1000 + 1);
    INSERT INTO event_store.epochs (epoch, begins_after, last_restored)
    SELECT max(epoch) + 1, greatest(head, beyond), head FROM event_store.epochs
    RETURNING epoch INTO raised;
    RETURN raised;
END $$;
REVOKE ALL ON FUNCTION event_store.raise_epoch FROM PUBLIC;

-- Answers given to requests that carried an Idempotency-Key; bodies are encrypted and expire.
CREATE TABLE event_store.idempotency (
    request_key  bytea       NOT NULL PRIMARY KEY,
    request_hash bytea       NOT NULL,
    claim        uuid        NOT NULL,
    claimed_at   timestamptz NOT NULL,
    status       smallint,
    body         bytea
);
CREATE INDEX idempotency_claimed_at ON event_store.idempotency (claimed_at);
GRANT SELECT, INSERT, DELETE ON event_store.idempotency TO daystar_app;
GRANT UPDATE (request_hash, claim, claimed_at) ON event_store.idempotency TO daystar_app;

-- The only way in. Writers share the lock, so none waits for another; a reader that meets a missing
-- commit number knows, by who still holds the lock, whether that commit can yet appear.
CREATE FUNCTION event_store.append(
    stream_ids       uuid[],
    stream_versions  bigint[],
    topics           text[],
    states           bytea[],
    metadata         bytea[],
    claimed_scopes   text[],
    claimed_digests  bytea[],
    claimed_streams  uuid[],
    claimed_unique   boolean[],
    released_scopes  text[],
    released_digests bytea[],
    released_streams uuid[],
    key_owners       uuid[],
    wrapped_keys     bytea[],
    idempotency_key  bytea,
    idempotency_claim uuid,
    answer_status    smallint,
    answer_body      bytea
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    first_position bigint;
    moment timestamptz;
BEGIN
    IF current_setting('synchronous_commit') = 'off' THEN
        RAISE EXCEPTION 'appends must be durable: synchronous_commit is off';
    END IF;
    IF cardinality(stream_ids) NOT BETWEEN 1 AND 500 THEN
        RAISE EXCEPTION 'a commit holds 1 to 500 events, not %', cardinality(stream_ids);
    END IF;
    PERFORM pg_advisory_xact_lock_shared(4803221);
    first_position := nextval('event_store.commit_number') * 1000;
    moment := clock_timestamp();

    INSERT INTO event_store.events
        (position, stream_id, stream_version, topic, state, recorded_at, metadata)
    SELECT first_position + e.index - 1, e.stream_id, e.stream_version, e.topic, e.state,
           moment, e.metadata
    FROM unnest(stream_ids, stream_versions, topics, states, metadata)
        WITH ORDINALITY AS e (stream_id, stream_version, topic, state, metadata, index);

    IF cardinality(released_scopes) > 0 THEN
        DELETE FROM event_store.keys k
        USING unnest(released_scopes, released_digests, released_streams)
            AS r (scope, digest, stream_id)
        WHERE k.scope = r.scope AND k.digest = r.digest AND k.stream_id = r.stream_id;
    END IF;
    IF cardinality(claimed_scopes) > 0 THEN
        INSERT INTO event_store.keys (scope, digest, stream_id, is_unique)
        SELECT * FROM unnest(claimed_scopes, claimed_digests, claimed_streams, claimed_unique);
    END IF;
    IF cardinality(key_owners) > 0 THEN
        INSERT INTO event_store.personal_keys (owner_id, wrapped_key)
        SELECT * FROM unnest(key_owners, wrapped_keys);
    END IF;
    IF idempotency_key IS NOT NULL THEN
        UPDATE event_store.idempotency i
        SET status = answer_status, body = answer_body
        WHERE i.request_key = idempotency_key AND i.claim = idempotency_claim
          AND i.status IS NULL;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'the idempotency claim has lapsed' USING ERRCODE = 'DS001';
        END IF;
    END IF;
    RETURN first_position;
END $$;
REVOKE ALL ON FUNCTION event_store.append FROM PUBLIC;
GRANT EXECUTE ON FUNCTION event_store.append TO daystar_app;
