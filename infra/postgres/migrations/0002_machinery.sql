-- What the processes keep beside the log: secrets, raw callbacks, tokens, the followers' state.

CREATE SCHEMA secrets;
GRANT USAGE ON SCHEMA secrets TO daystar_app;
CREATE TABLE secrets.secrets (
    name       text        NOT NULL PRIMARY KEY,
    ciphertext bytea       NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE secrets.master_key (
    fingerprint text        NOT NULL PRIMARY KEY,
    noted_at    timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT, INSERT, UPDATE, DELETE ON secrets.secrets TO daystar_app;
GRANT SELECT, INSERT ON secrets.master_key TO daystar_app;

CREATE SCHEMA intake;
GRANT USAGE ON SCHEMA intake TO daystar_app;
-- A callback as it came, before anything interprets it. The same body again only counts.
CREATE TABLE intake.callbacks (
    callback_id    bigint      NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind           text        NOT NULL,
    subject_id     uuid        NOT NULL,
    body_mac       bytea       NOT NULL,
    body           bytea       NOT NULL,
    source_address text        NOT NULL,
    correlation_id text        NOT NULL,
    received_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    deliveries     integer     NOT NULL DEFAULT 1,
    state          text        NOT NULL DEFAULT 'waiting'
                   CHECK (state IN ('waiting', 'done', 'set_aside')),
    note           text,
    attempts       integer     NOT NULL DEFAULT 0,
    due_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    settled_at     timestamptz,
    CONSTRAINT callbacks_once UNIQUE (subject_id, kind, body_mac)
) WITH (fillfactor = 70);
CREATE INDEX callbacks_waiting ON intake.callbacks (due_at) WHERE state = 'waiting';
CREATE INDEX callbacks_set_aside ON intake.callbacks (received_at) WHERE state = 'set_aside';
GRANT SELECT, INSERT, UPDATE, DELETE ON intake.callbacks TO daystar_app;

CREATE SCHEMA mpesa;
GRANT USAGE ON SCHEMA mpesa TO daystar_app;
-- One access token for all processes: asking Safaricom for a new one ends the old.
CREATE TABLE mpesa.access_tokens (
    credentials         text        NOT NULL PRIMARY KEY,
    token               bytea,
    obtained_at         timestamptz,
    refresh_lease_until timestamptz
);
GRANT SELECT, INSERT, UPDATE, DELETE ON mpesa.access_tokens TO daystar_app;

CREATE SCHEMA followers;
GRANT USAGE ON SCHEMA followers TO daystar_app;
CREATE TABLE followers.followers (
    name           text        NOT NULL PRIMARY KEY,
    state          text        NOT NULL DEFAULT 'following'
                   CHECK (state IN ('following', 'stopped')),
    error          text,
    error_position bigint,
    stopped_at     timestamptz
);
GRANT SELECT, INSERT, UPDATE ON followers.followers TO daystar_app;

CREATE SCHEMA members;
GRANT USAGE ON SCHEMA members TO daystar_app;
CREATE SEQUENCE members.member_number AS bigint;
GRANT USAGE ON SEQUENCE members.member_number TO daystar_app;
