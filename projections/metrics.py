"""Figures for whoever watches the house, as Prometheus reads them. Every process tells the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from psycopg_pool import ConnectionPool

from infra.postgres.pool import borrowed
from projections.read_models import READ_MODELS
from projections.status import follower_status

_BOUNDS_MILLISECONDS = (5, 25, 100, 500, 2500)
_REQUESTS = """
SELECT method, endpoint, status, requests, milliseconds,
       within_5, within_25, within_100, within_500, within_2500
FROM api.request_totals ORDER BY method, endpoint, status
"""
_PUSHES = """
SELECT status, count(*) FROM read_mpesa_transactions.transactions GROUP BY status ORDER BY status
"""
_DUE = """
SELECT action, count(*), extract(epoch FROM greatest(now() - min(since), interval '0'))::float8
FROM read_mpesa_due.pushes GROUP BY action ORDER BY action
"""
_WAITING = """
SELECT count(*), coalesce(extract(epoch FROM now() - min(received_at)), 0)::float8
FROM intake.callbacks WHERE state = 'waiting'
"""
_SET_ASIDE = "SELECT count(*) FROM intake.callbacks WHERE state = 'set_aside'"
_DELAY = """
SELECT coalesce(avg(extract(epoch FROM settled_at - received_at)), 0)::float8,
       coalesce(max(extract(epoch FROM settled_at - received_at)), 0)::float8
FROM intake.callbacks WHERE state = 'done' AND settled_at > now() - interval '5 minutes'
"""

Sample = tuple[str, dict[str, str], float]


def metrics_text(pool: ConnectionPool, *, now: datetime) -> str:
    """All figures, in the text format 0.0.4."""
    lines: list[str] = []
    told: set[str] = set()
    for family, kind, samples in _families(pool, now):
        for name, labels, value in samples:
            if family not in told:
                told.add(family)
                lines.append(f"# TYPE {family} {kind}")
            shown = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
            lines.append(f"{name}{{{shown}}} {value!r}" if shown else f"{name} {value!r}")
    return "\n".join(lines) + "\n"


def _families(pool: ConnectionPool, now: datetime) -> Iterator[tuple[str, str, Iterable[Sample]]]:
    with borrowed(pool) as connection:
        requests = connection.execute(_REQUESTS).fetchall()
        pushes = connection.execute(_PUSHES).fetchall()
        due = connection.execute(_DUE).fetchall()
        [waiting] = connection.execute(_WAITING).fetchall()
        [set_aside] = connection.execute(_SET_ASIDE).fetchall()
        [delay] = connection.execute(_DELAY).fetchall()
    named = [({"method": r[0], "route": r[1], "status": str(r[2])}, r[3:]) for r in requests]
    name = "daystar_requests_total"
    yield name, "counter", [(name, labels, row[0]) for labels, row in named]
    yield "daystar_request_seconds", "histogram", list(_latencies(named))
    followers = follower_status(pool, READ_MODELS.values(), now=now)
    lags: dict[str, list[tuple[str, float]]] = {
        "daystar_follower_events_behind": [(f.name, f.events_behind) for f in followers],
        "daystar_follower_seconds_behind": [(f.name, f.seconds_behind) for f in followers],
        "daystar_follower_running": [(f.name, int(f.state == "following")) for f in followers],
    }
    for name, values in lags.items():
        yield name, "gauge", [(name, {"read_model": model}, value) for model, value in values]
    name = "daystar_pushes"
    yield name, "gauge", [(name, {"state": row[0]}, row[1]) for row in pushes]
    name = "daystar_pushes_due"
    yield name, "gauge", [(name, {"action": row[0]}, row[1]) for row in due]
    name = "daystar_pushes_due_oldest_seconds"
    yield name, "gauge", [(name, {"action": row[0]}, row[2]) for row in due]
    for name, value in {
        "daystar_callbacks_waiting": waiting[0],
        "daystar_callbacks_waiting_oldest_seconds": waiting[1],
        "daystar_callbacks_set_aside": set_aside[0],
        "daystar_callback_delay_seconds_mean_5m": delay[0],
        "daystar_callback_delay_seconds_max_5m": delay[1],
    }.items():
        yield name, "gauge", [(name, {}, value)]


def _latencies(named: list[tuple[dict[str, str], tuple[float, ...]]]) -> Iterator[Sample]:
    for labels, (requests, milliseconds, *within) in named:
        for bound, count in zip(_BOUNDS_MILLISECONDS, within, strict=True):
            yield "daystar_request_seconds_bucket", labels | {"le": f"{bound / 1000:g}"}, count
        yield "daystar_request_seconds_bucket", labels | {"le": "+Inf"}, requests
        yield "daystar_request_seconds_sum", labels, milliseconds / 1000
        yield "daystar_request_seconds_count", labels, requests


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
