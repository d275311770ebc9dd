-- Which session claimed an Idempotency-Key: with that session gone, nobody is working on it. Where it
-- is not known (a claim older than this), any session's presence holds it until it lapses.
ALTER TABLE event_store.idempotency ADD COLUMN claimed_by integer;
GRANT UPDATE (claimed_by) ON event_store.idempotency TO daystar_app;
