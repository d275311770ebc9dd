-- What consumers of public events have done, over Kafka or over the log alike, and how far the log
-- has been told to Kafka.

CREATE SCHEMA IF NOT EXISTS consuming;
GRANT USAGE ON SCHEMA consuming TO daystar_app;

-- `log_position` is where the consumer stands in the log. It does not move while Kafka feeds it: the
-- inbox knows what was done, whichever feed brought it. What happened up to `begins_after` is not
-- the consumer's.
CREATE TABLE IF NOT EXISTS consuming.consumers (
    name         text        NOT NULL PRIMARY KEY,
    begins_after bigint      NOT NULL,
    log_position bigint      NOT NULL,
    feed         text        NOT NULL DEFAULT 'log' CHECK (feed IN ('log', 'kafka')),
    waits_for    text,
    waits_since  timestamptz,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- The last item that was taken of each subject in each topic. Never pruned. `letter_id` is the dead
-- letter that holds up what follows.
CREATE TABLE IF NOT EXISTS consuming.inbox (
    consumer  text    NOT NULL REFERENCES consuming.consumers,
    topic     text    NOT NULL,
    subject   text    NOT NULL,
    position  bigint  NOT NULL,
    number    integer NOT NULL,
    letter_id bigint,
    PRIMARY KEY (consumer, topic, subject)
) WITH (fillfactor = 80);

-- Items as text: whoever handles them later sees what was told, word for word.
CREATE TABLE IF NOT EXISTS consuming.dead_letters (
    letter_id   bigint      NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    consumer    text        NOT NULL REFERENCES consuming.consumers,
    topic       text        NOT NULL,
    subject     text        NOT NULL,
    position    bigint      NOT NULL,
    number      integer     NOT NULL,
    item        json        NOT NULL,
    reason      text        NOT NULL,
    attempts    integer     NOT NULL DEFAULT 1,
    rejected_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    state       text        NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'replayed', 'dropped')),
    settled_at  timestamptz,
    settled_by  text,
    settled_because text
);
CREATE INDEX IF NOT EXISTS dead_letters_open
    ON consuming.dead_letters (consumer, letter_id) WHERE state = 'open';

CREATE TABLE IF NOT EXISTS consuming.parked (
    consumer  text        NOT NULL,
    topic     text        NOT NULL,
    subject   text        NOT NULL,
    position  bigint      NOT NULL,
    number    integer     NOT NULL,
    item      json        NOT NULL,
    parked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (consumer, topic, subject, position, number)
);

-- How far each partition is read, as whoever reads it says now and then.
CREATE TABLE IF NOT EXISTS consuming.partitions (
    consumer    text        NOT NULL REFERENCES consuming.consumers,
    topic       text        NOT NULL,
    partition   integer     NOT NULL,
    next_offset bigint      NOT NULL,
    end_offset  bigint      NOT NULL,
    told_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (consumer, topic, partition)
);

CREATE TABLE IF NOT EXISTS consuming.topics (
    topic      text    NOT NULL PRIMARY KEY,
    partitions integer NOT NULL CHECK (partitions > 0)
);

-- One row. Each relay that takes over begins a new term; what one of an older term saves is refused.
CREATE TABLE IF NOT EXISTS consuming.relay (
    is_the_one boolean     NOT NULL DEFAULT true PRIMARY KEY CHECK (is_the_one),
    position   bigint      NOT NULL,
    term       bigint      NOT NULL,
    taken_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    moved_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);

GRANT SELECT, INSERT, UPDATE ON consuming.consumers, consuming.inbox, consuming.dead_letters,
    consuming.partitions, consuming.topics, consuming.relay TO daystar_app;
GRANT SELECT, INSERT, DELETE ON consuming.parked TO daystar_app;
GRANT DELETE ON consuming.topics, consuming.partitions TO daystar_app;
