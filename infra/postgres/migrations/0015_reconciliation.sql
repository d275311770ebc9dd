-- Statements of the short codes, kept line by line so that they can be held against our books again,
-- and when each short code's payments are pulled next.

CREATE TABLE IF NOT EXISTS mpesa.statements (
    statement_id  uuid        NOT NULL PRIMARY KEY,
    short_code    text        NOT NULL,
    file_sha256   text        NOT NULL,
    kept_by       text        NOT NULL,
    kept_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    lines         integer     NOT NULL,
    first_at      timestamptz NOT NULL,
    last_at       timestamptz NOT NULL,
    opening_cents bigint,
    closing_cents bigint,
    due_at        timestamptz,
    attempts      integer     NOT NULL DEFAULT 0,
    note          text
);
CREATE INDEX IF NOT EXISTS statements_due ON mpesa.statements (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS statements_of_short_code ON mpesa.statements (short_code, first_at);

-- `particulars` is what tells of persons (payer, account number), encrypted; empty once forgotten.
CREATE TABLE IF NOT EXISTS mpesa.statement_lines (
    line_id        bigint      NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    statement_id   uuid        NOT NULL REFERENCES mpesa.statements,
    nth            integer     NOT NULL,
    row_number     integer     NOT NULL,
    receipt_number text        NOT NULL,
    completed_at   timestamptz NOT NULL,
    status         text        NOT NULL,
    side           text        NOT NULL,
    amount_cents   bigint      NOT NULL,
    balance_cents  bigint,
    reason_type    text        NOT NULL,
    linked_receipt text,
    particulars    bytea       NOT NULL,
    CONSTRAINT lines_once UNIQUE (statement_id, nth)
);
CREATE INDEX IF NOT EXISTS lines_by_receipt ON mpesa.statement_lines (receipt_number);
GRANT SELECT, INSERT, UPDATE ON mpesa.statements, mpesa.statement_lines TO daystar_app;

CREATE TABLE IF NOT EXISTS mpesa.pulls (
    short_code  text        NOT NULL PRIMARY KEY,
    next_at     timestamptz NOT NULL,
    pulled_at   timestamptz,
    note        text
);
GRANT SELECT, INSERT, UPDATE ON mpesa.pulls TO daystar_app;
