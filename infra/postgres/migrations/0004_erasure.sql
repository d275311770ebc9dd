-- Erasing a person: the append of `member.erased` destroys the person's key and the keyed hashes by
-- which they are found, in its own transaction. What the event says is done, is done.

CREATE FUNCTION event_store.erase_person(person uuid, pushes uuid[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- Nobody's key is destroyed unless the log says that they were erased.
    IF NOT EXISTS (SELECT FROM event_store.events
                   WHERE stream_id = person AND topic = 'member.erased') THEN
        RAISE EXCEPTION 'this person was not erased' USING ERRCODE = 'insufficient_privilege';
    END IF;
    DELETE FROM event_store.personal_keys WHERE owner_id = person;
    DELETE FROM event_store.keys WHERE stream_id = person;
    -- A push that was under way can no longer say which phone it holds.
    DELETE FROM event_store.keys
    WHERE scope = 'push.live_phone' AND stream_id = ANY(pushes) AND stream_id IN (
        SELECT e.stream_id FROM event_store.events e
        WHERE e.stream_id = ANY(pushes) AND e.stream_version = 1
          AND convert_from(e.state, 'UTF8')::jsonb ->> 'member_id' = person::text);
END $$;
REVOKE ALL ON FUNCTION event_store.erase_person FROM PUBLIC;
GRANT EXECUTE ON FUNCTION event_store.erase_person TO daystar_app;

CREATE FUNCTION event_store.erase_with_event() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM event_store.erase_person(NEW.stream_id, '{}');
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION event_store.erase_with_event FROM PUBLIC;
CREATE TRIGGER erasure_destroys_keys
    AFTER INSERT ON event_store.events
    FOR EACH ROW WHEN (NEW.topic = 'member.erased')
    EXECUTE FUNCTION event_store.erase_with_event();

-- Whose request it was, so that the answer can be forgotten with the person.
ALTER TABLE event_store.idempotency ADD COLUMN subject_id uuid;
CREATE INDEX idempotency_of_subject ON event_store.idempotency (subject_id)
    WHERE subject_id IS NOT NULL;
GRANT UPDATE (subject_id) ON event_store.idempotency TO daystar_app;
