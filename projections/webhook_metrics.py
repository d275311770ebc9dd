"""Figures of webhooks: what is due, for how long, and which endpoints are in trouble."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from psycopg import Connection
from psycopg.rows import TupleRow

_ENDPOINTS = """
SELECT state, count(*) FROM read_webhook_endpoints.endpoints GROUP BY state ORDER BY state
"""
_DUE = """
SELECT e.state, count(*) FROM webhooks.deliveries d
JOIN read_webhook_endpoints.endpoints e USING (endpoint_id)
WHERE d.state = 'due' GROUP BY e.state ORDER BY e.state
"""
# What nothing holds back: neither a pause, nor an open circuit, nor a rate, nor an older one.
_OLDEST = """
SELECT coalesce(max(extract(epoch FROM now() - d.next_at)), 0)::float8
FROM read_webhook_endpoints.endpoints e
JOIN webhooks.endpoint_states s USING (endpoint_id)
CROSS JOIN LATERAL (
    SELECT next_at FROM webhooks.deliveries
    WHERE endpoint_id = e.endpoint_id AND state = 'due' AND is_next AND next_at <= now()
      AND (leased_until IS NULL OR leased_until < now())
    ORDER BY next_at LIMIT 1
) AS d
WHERE e.state = 'active' AND s.broken_until IS NULL AND e.rate_limit_per_second IS NULL
"""
_TROUBLE = """
SELECT count(*) FILTER (WHERE failing_since IS NOT NULL),
       count(*) FILTER (WHERE broken_until IS NOT NULL),
       count(*) FILTER (WHERE reads_log_after IS NOT NULL),
       (SELECT count(*) FROM webhooks.deliveries WHERE state = 'exhausted')
FROM webhooks.endpoint_states
"""


def webhook_figures(connection: Connection[TupleRow]) -> Iterator[Metric]:
    """All of one moment."""
    for name, tells, question in (
        ("webhook_endpoints", "Webhook endpoints, by their state.", _ENDPOINTS),
        ("webhook_deliveries_due", "Deliveries due, by their endpoint's state.", _DUE),
    ):
        by_state = GaugeMetricFamily(f"daystar_{name}", tells, labels=("state",))
        for state, count in connection.execute(question).fetchall():
            by_state.add_metric([state], count)
        yield by_state
    [oldest] = connection.execute(_OLDEST).fetchone() or (0.0,)
    failing, broken, reading, exhausted = connection.execute(_TROUBLE).fetchone() or (0,) * 4
    for name, tells, value in (
        ("webhook_due_oldest_seconds", "For how long the oldest could have gone.", oldest),
        ("webhook_endpoints_failing", "Endpoints whose last attempt failed.", failing),
        ("webhook_circuits_broken", "Endpoints that are left in peace for a while.", broken),
        ("webhook_endpoints_reading", "Endpoints that are told from the log.", reading),
        ("webhook_deliveries_exhausted", "Deliveries that were given up.", exhausted),
    ):
        yield GaugeMetricFamily(f"daystar_{name}", tells, value=value)
