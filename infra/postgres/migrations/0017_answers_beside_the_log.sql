-- What is done beside the log appends nothing; its answer is kept under its Idempotency-Key all the
-- same, in the transaction that does it. As with an append: by a claim that holds, and only once.

CREATE OR REPLACE FUNCTION event_store.keep_answer(
    idempotency_key   bytea,
    idempotency_claim uuid,
    answer_status     integer,
    answer_body       bytea
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE event_store.idempotency i
    SET status = answer_status, body = answer_body
    WHERE i.request_key = idempotency_key AND i.claim = idempotency_claim AND i.status IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the idempotency claim has lapsed' USING ERRCODE = 'DS001';
    END IF;
END $$;
REVOKE ALL ON FUNCTION event_store.keep_answer FROM PUBLIC;
GRANT EXECUTE ON FUNCTION event_store.keep_answer TO daystar_app;
