-- Requests counted for ever, all processes together; written with the usage log. Unlogged: whoever
-- reads counters expects them to begin anew after a crash.
CREATE UNLOGGED TABLE api.request_totals (
    method       text             NOT NULL,
    endpoint     text             NOT NULL,
    status       smallint         NOT NULL,
    requests     bigint           NOT NULL,
    milliseconds double precision NOT NULL,
    within_5     bigint           NOT NULL,
    within_25    bigint           NOT NULL,
    within_100   bigint           NOT NULL,
    within_500   bigint           NOT NULL,
    within_2500  bigint           NOT NULL,
    CONSTRAINT request_totals_once PRIMARY KEY (method, endpoint, status)
) WITH (fillfactor = 50);
GRANT SELECT, INSERT, UPDATE, DELETE ON api.request_totals TO daystar_app;
