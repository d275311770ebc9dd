-- A moment is found in the log by the ranges of this index. New ranges are noted as soon as they are
-- full, not when the next vacuum comes by: a range that is not noted is looked through.
ALTER INDEX event_store.events_recorded_at SET (autosummarize = on);

-- Read models as of a moment, made by `daystar replay` in schemas of their own (past_NAME_MODEL).
CREATE SCHEMA pasts;
GRANT USAGE ON SCHEMA pasts TO daystar_app;
CREATE TABLE pasts.pasts (
    name        text        NOT NULL PRIMARY KEY CHECK (name ~ '^[a-z][a-z0-9]{0,19}$'),
    position    bigint      NOT NULL,
    recorded_at timestamptz NOT NULL,
    made_at     timestamptz NOT NULL DEFAULT now(),
    is_ready    boolean     NOT NULL DEFAULT false
);
GRANT SELECT ON pasts.pasts TO daystar_app;
