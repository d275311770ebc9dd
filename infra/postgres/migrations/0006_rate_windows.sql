-- What each key has taken of its window's budget, all processes together. Unlogged: a crash gives
-- everybody a fresh window, and nobody waits for a disk.
CREATE UNLOGGED TABLE api.rate_windows (
    key_id uuid        NOT NULL,
    began  timestamptz NOT NULL,
    taken  bigint      NOT NULL,
    CONSTRAINT rate_windows_once PRIMARY KEY (key_id, began)
) WITH (fillfactor = 50);
GRANT SELECT, INSERT, UPDATE, DELETE ON api.rate_windows TO daystar_app;
