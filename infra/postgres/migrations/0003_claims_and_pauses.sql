-- Who has taken up which due push: kept apart from the list of due pushes, which is folded from
-- the log alone and may be rebuilt while claims are held.
CREATE TABLE mpesa.push_claims (
    push_id     uuid        NOT NULL PRIMARY KEY,
    action      text        NOT NULL,
    since       timestamptz NOT NULL,
    attempts    integer     NOT NULL,
    next_at     timestamptz,
    lease_until timestamptz
) WITH (fillfactor = 60);
GRANT SELECT, INSERT, UPDATE, DELETE ON mpesa.push_claims TO daystar_app;

-- An administrator may hold a read model still for a while.
ALTER TABLE followers.followers DROP CONSTRAINT followers_state_check;
ALTER TABLE followers.followers ADD CONSTRAINT followers_state_check
    CHECK (state IN ('following', 'stopped', 'paused'));
