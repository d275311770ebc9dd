-- A push is found by its payer and amount, too: that hash is of a phone, and goes with its member.
CREATE OR REPLACE FUNCTION event_store.erase_person(person uuid, pushes uuid[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- Nobody's key is destroyed unless the log says that they were erased.
    IF NOT EXISTS (SELECT FROM event_store.events
                   WHERE stream_id = person AND topic = 'member.erased') THEN
        RAISE EXCEPTION 'this person was not erased' USING ERRCODE = 'insufficient_privilege';
    END IF;
    DELETE FROM event_store.personal_keys WHERE owner_id = person;
    DELETE FROM event_store.keys WHERE stream_id = person;
    -- A push that was under way can no longer say which phone it holds, nor whose it is.
    DELETE FROM event_store.keys
    WHERE scope IN ('push.live_phone', 'push.payer_and_amount') AND stream_id = ANY(pushes)
      AND stream_id IN (
        SELECT e.stream_id FROM event_store.events e
        WHERE e.stream_id = ANY(pushes) AND e.stream_version = 1
          AND convert_from(e.state, 'UTF8')::jsonb ->> 'member_id' = person::text);
END $$;
