"""Figures for whoever watches the house, as Prometheus reads them.

They are read from the database whenever they are asked for, so every process tells the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from psycopg_pool import ConnectionPool

from infra.postgres.pool import borrowed
from projections.consuming import consumer_status, relay_status
from projections.mpesa_due import PAYOUT, PUSH
from projections.read_models import READ_MODELS
from projections.status import follower_status
from projections.webhook_metrics import webhook_figures

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
FROM read_mpesa_due.requests WHERE kind = %s GROUP BY action ORDER BY action
"""
_PAYOUTS = "SELECT status, count(*) FROM read_payouts.payouts GROUP BY status ORDER BY status"
_LANES = """
SELECT short_code, (stopped_because IS NOT NULL)::int, utility::float8,
       extract(epoch FROM now() - told_at)::float8
FROM read_payouts.lanes ORDER BY short_code
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

_Row = tuple[Any, ...]


class Figures(Collector):
    """All figures of one moment, for `prometheus_client` to write down."""

    def __init__(self, pool: ConnectionPool, *, now: Callable[[], datetime]) -> None:
        self._pool = pool
        self._now = now

    def collect(self) -> Iterator[Metric]:
        """Read them all at once, then tell them family by family."""
        with borrowed(self._pool) as connection:
            requests = connection.execute(_REQUESTS).fetchall()
            pushes = connection.execute(_PUSHES).fetchall()
            due = connection.execute(_DUE, (PUSH,)).fetchall()
            payouts = connection.execute(_PAYOUTS).fetchall()
            payouts_due = connection.execute(_DUE, (PAYOUT,)).fetchall()
            lanes = connection.execute(_LANES).fetchall()
            [waiting] = connection.execute(_WAITING).fetchall()
            [set_aside] = connection.execute(_SET_ASIDE).fetchall()
            [delay] = connection.execute(_DELAY).fetchall()
            webhooks = list(webhook_figures(connection))
        yield from _requests(requests)
        yield from self._followers()
        yield from self._consuming()
        yield from _requests_to_safaricom("pushes", "Requests to pay", pushes, due)
        yield from _requests_to_safaricom("payouts", "Payouts", payouts, payouts_due)
        yield from _lanes(lanes)
        yield from _callbacks(waiting, set_aside, delay)
        yield from webhooks

    def _consuming(self) -> Iterator[Metric]:
        relay = relay_status(self._pool, now=self._now())
        if relay is not None:
            tells = "Events that Kafka is not told of yet."
            yield _figure("relay_events_behind", tells, relay.events_behind)
            yield _figure("relay_seconds_behind", "Age of the oldest.", relay.seconds_behind)
        behind = _gauge(
            "consumer_behind", "Events, or records in Kafka, that wait for it.", "consumer", "feed"
        )
        lag = _gauge("consumer_seconds_behind", "For how long.", "consumer", "feed")
        waits = _gauge("consumer_waits_seconds", "For how long one holds it up.", "consumer")
        letters = _gauge("dead_letters", "Events that it rejected.", "consumer")
        parked = _gauge("parked", "Events that wait behind them.", "consumer")
        for consumer in consumer_status(self._pool, now=self._now()):
            behind.add_metric([consumer.name, consumer.feed], consumer.behind)
            lag.add_metric([consumer.name, consumer.feed], consumer.seconds_behind)
            waits.add_metric([consumer.name], consumer.waits_seconds)
            letters.add_metric([consumer.name], consumer.dead_letters)
            parked.add_metric([consumer.name], consumer.parked)
        yield from (behind, lag, waits, letters, parked)

    def _followers(self) -> Iterator[Metric]:
        behind = _gauge("follower_events_behind", "Events that are not folded yet.", "read_model")
        lag = _gauge("follower_seconds_behind", "Age of the oldest such event.", "read_model")
        running = _gauge(
            "follower_running", "1 while it follows; 0 stopped or paused.", "read_model"
        )
        for follower in follower_status(self._pool, READ_MODELS.values(), now=self._now()):
            behind.add_metric([follower.name], follower.events_behind)
            lag.add_metric([follower.name], follower.seconds_behind)
            running.add_metric([follower.name], int(follower.state == "following"))
        yield from (behind, lag, running)


def _gauge(name: str, tells: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"daystar_{name}", tells, labels=labels)


def _figure(name: str, tells: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"daystar_{name}", tells, value=value)


def _requests(rows: list[_Row]) -> Iterator[Metric]:
    labels = ("method", "route", "status")
    total = CounterMetricFamily("daystar_requests", "Requests answered.", labels=labels)
    seconds = HistogramMetricFamily(
        "daystar_request_seconds", "How long they took to answer.", labels=labels
    )
    for method, route, status, requests, milliseconds, *within in rows:
        told = [method, route, str(status)]
        total.add_metric(told, requests)
        buckets = [
            (f"{bound / 1000:g}", count)
            for bound, count in zip(_BOUNDS_MILLISECONDS, within, strict=True)
        ]
        seconds.add_metric(told, [*buckets, ("+Inf", requests)], sum_value=milliseconds / 1000)
    yield from (total, seconds)


def _requests_to_safaricom(
    name: str, what: str, states: list[_Row], due: list[_Row]
) -> Iterator[Metric]:
    by_state = _gauge(name, f"{what}, by their state.", "state")
    for state, count in states:
        by_state.add_metric([state], count)
    waiting = _gauge(f"{name}_due", f"{what} that wait for us, by what is due.", "action")
    oldest = _gauge(
        f"{name}_due_oldest_seconds", "For how long the oldest of them waits.", "action"
    )
    for action, count, seconds in due:
        waiting.add_metric([action], count)
        oldest.add_metric([action], seconds)
    yield from (by_state, waiting, oldest)


def _lanes(lanes: list[_Row]) -> Iterator[Metric]:
    stopped = _gauge("payout_lane_stopped", "1 while nothing leaves by it.", "short_code")
    held = _gauge("payout_float_shillings", "The utility account, as last told.", "short_code")
    age = _gauge("payout_float_age_seconds", "How long ago that was.", "short_code")
    for short_code, is_stopped, shillings, seconds in lanes:
        stopped.add_metric([short_code], is_stopped)
        if shillings is not None:
            held.add_metric([short_code], shillings)
            age.add_metric([short_code], seconds)
    yield from (stopped, held, age)


def _callbacks(waiting: _Row, set_aside: _Row, delay: _Row) -> Iterator[Metric]:
    for name, tells, value in (
        ("callbacks_waiting", "Callbacks stored and not yet interpreted.", waiting[0]),
        ("callbacks_waiting_oldest_seconds", "For how long the oldest of them waits.", waiting[1]),
        ("callbacks_set_aside", "Callbacks that wait for a person.", set_aside[0]),
        (
            "callback_delay_seconds_mean_5m",
            "From arrival to events, mean of five minutes.",
            delay[0],
        ),
        (
            "callback_delay_seconds_max_5m",
            "From arrival to events, longest of five minutes.",
            delay[1],
        ),
    ):
        yield GaugeMetricFamily(f"daystar_{name}", tells, value=value)
