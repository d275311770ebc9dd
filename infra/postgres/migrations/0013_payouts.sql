-- Payouts are taken up as pushes are: one table of claims for all that is handed to Safaricom.
ALTER TABLE mpesa.push_claims RENAME TO request_claims;
ALTER TABLE mpesa.request_claims RENAME COLUMN push_id TO request_id;

-- When a short code's balance was last asked for, so that one sender asks for all.
CREATE TABLE mpesa.balance_questions (
    short_code text        NOT NULL PRIMARY KEY,
    asked_at   timestamptz NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON mpesa.balance_questions TO daystar_app;
