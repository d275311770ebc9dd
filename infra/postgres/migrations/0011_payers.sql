-- Who paid is forgotten with the member whose money it is. A receipt that came without a member
-- keeps its payer under a key of its own; once the money is a member's, erasing that member destroys
-- that key too. The log must say that it is theirs.

CREATE OR REPLACE FUNCTION event_store.erase_receipts(person uuid, receipts uuid[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM event_store.events
                   WHERE stream_id = person AND topic = 'member.erased') THEN
        RAISE EXCEPTION 'this person was not erased' USING ERRCODE = 'insufficient_privilege';
    END IF;
    DELETE FROM event_store.personal_keys
    WHERE owner_id = ANY(receipts) AND owner_id IN (
        SELECT e.stream_id FROM event_store.events e
        WHERE e.stream_id = ANY(receipts)
          AND e.topic IN ('receipt.placed', 'receipt.placed-on-loan')
          AND convert_from(e.state, 'UTF8')::jsonb ->> 'member_id' = person::text
        UNION ALL
        -- Posted under a push before its receipt came: the push says whose it is.
        SELECT e.stream_id FROM event_store.events e JOIN event_store.events p
            ON p.stream_id = (convert_from(e.state, 'UTF8')::jsonb ->> 'push_id')::uuid
        WHERE e.stream_id = ANY(receipts) AND e.topic = 'receipt.attached-to-push'
          AND p.stream_version = 1 AND p.topic = 'push.requested'
          AND convert_from(p.state, 'UTF8')::jsonb ->> 'member_id' = person::text);
END $$;
REVOKE ALL ON FUNCTION event_store.erase_receipts FROM PUBLIC;
GRANT EXECUTE ON FUNCTION event_store.erase_receipts TO daystar_app;
