-- Loan numbers, and how far the day's look at the loans has come.

CREATE SCHEMA IF NOT EXISTS loans;
GRANT USAGE ON SCHEMA loans TO daystar_app;

CREATE SEQUENCE IF NOT EXISTS loans.loan_number AS bigint;
GRANT USAGE ON SEQUENCE loans.loan_number TO daystar_app;

CREATE TABLE IF NOT EXISTS loans.daily_round (
    only_one  boolean NOT NULL PRIMARY KEY DEFAULT true CHECK (only_one),
    day       date    NOT NULL,
    last_seen uuid    NOT NULL,
    is_over   boolean NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON loans.daily_round TO daystar_app;
