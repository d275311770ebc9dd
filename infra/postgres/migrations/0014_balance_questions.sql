-- When a short code's balance was last asked for, so that one sender asks for all.
CREATE TABLE IF NOT EXISTS mpesa.balance_questions (
    short_code text        NOT NULL PRIMARY KEY,
    asked_at   timestamptz NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON mpesa.balance_questions TO daystar_app;
