"""Webhooks: a hundred endpoints, of which ten hang or fail; the others must not feel it.

The whole way: contributions are recorded at a steady rate, `follow` and `consume webhooks` make a
hundred deliveries of each, and `send webhooks` processes send them to receivers that listen on a
port for each endpoint. A delivery's time runs from the moment before its event is appended until
its receiver has it whole.
"""

from __future__ import annotations

import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_network
from multiprocessing import get_context
from pathlib import Path
from uuid import UUID, uuid4

from app.wiring import Services
from domain.contributions.commands import RecordContribution
from domain.contributions.rules import ContributionRules, ContributionType, PaymentMethod
from domain.dates import business_day
from domain.webhooks.commands import CreateWebhookEndpoint
from domain.webhooks.endpoint import Payload
from infra import clock
from infra.event_store.dispatch import dispatch
from infra.webhooks.courier import Answer, Courier
from infra.webhooks.endpoint_secrets import new_secret
from tests.benchmarks.callbacks import counted
from tests.benchmarks.figures import Figure
from tests.benchmarks.house import CAUSE, make_members, processes
from tests.benchmarks.receivers import Arrivals, Receivers

ENDPOINTS = 100
HANGING = 5
FAILING = 5
SENDERS = 2
MEMBERS = 500
EVENTS_A_SECOND = 12.0  # each a delivery to every endpoint: 1,080 a second to the healthy ones
WINDOWS = 3
WINDOW_SECONDS = 15.0
WARM_UP_SECONDS = 10.0
DRAIN_SECONDS_MAX = 20.0
TARGET_A_SECOND = 1_000
TARGET_P99_MILLISECONDS = 500.0
BARE_SECONDS = 5.0

_TOLD_BY_THE_FEED = "SELECT count(*) FROM webhooks.endpoint_states WHERE reads_log_after IS NULL"
BARE_THREADS = 8


def measure(services: Services, *, port: int, data_directory: Path) -> list[Figure]:
    """How many a second reach the healthy, how late, and what the bare client does."""
    os.environ["DAYSTAR_WEBHOOKS_NETWORKS"] = "127.0.0.1/32"
    members = make_members(services, MEMBERS)
    with Receivers(healthy=ENDPOINTS - HANGING - FAILING, hanging=HANGING, failing=FAILING) as them:
        bare = _bare(them.healthy_ports)
        for number in them.ports:
            _make_endpoint(services, number)
        commands = [["web"], ["follow"], ["consume", "webhooks"]]
        commands += [["send", "webhooks"]] * SENDERS
        with processes(port, commands, data_directory=data_directory):
            _await_endpoints(services)
            recorded = _record(services, members)
            arrivals = them.arrivals(
                at_least=len(recorded) * len(them.healthy_ports), within=DRAIN_SECONDS_MAX
            )
    return _figures(recorded, arrivals, bare, receivers=len(them.healthy_ports))


def _make_endpoint(services: Services, port: int) -> None:
    secret_id = uuid4()
    services.endpoint_secrets.keep(secret_id, new_secret())
    dispatch(
        services.store,
        CreateWebhookEndpoint(
            endpoint_id=uuid4(),
            principal_id=str(uuid4()),
            key_id=uuid4(),
            webhooks_max=ENDPOINTS,
            url=f"http://127.0.0.1:{port}/hook",
            http_allowed=True,
            types=("contribution.received",),
            payload=Payload.FULL,
            masked_fields=(),
            rate_limit_per_second=None,
            description=None,
            begins_after=None,
            secret_id=secret_id,
            now=clock.now(),
        ),
        CAUSE,
    )


def _await_endpoints(services: Services) -> None:
    """Wait until every endpoint is told by the feed."""
    while counted(services, _TOLD_BY_THE_FEED) < ENDPOINTS:
        time.sleep(0.05)


def _record(services: Services, members: list[UUID]) -> dict[str, float]:
    """Contributions at a steady rate. Answers when each was begun, by its id."""
    begun: dict[str, float] = {}
    began = time.monotonic()
    seconds = WARM_UP_SECONDS + WINDOWS * WINDOW_SECONDS
    for number in range(int(seconds * EVENTS_A_SECOND)):
        time.sleep(max(0.0, began + number / EVENTS_A_SECOND - time.monotonic()))
        contribution_id = uuid4()
        begun[str(contribution_id)] = time.monotonic()
        today = business_day(clock.now())
        dispatch(
            services.store,
            RecordContribution(
                contribution_id=contribution_id,
                member_id=members[number % len(members)],
                contribution_type=ContributionType.MONTHLY,
                amount_cents=2_000_00,
                payment_method=PaymentMethod.CHECK_OFF,
                payment_reference=f"BENCH-{number}",
                contributed_on=today,
                today=today,
                rules=ContributionRules(),
            ),
            CAUSE,
        )
    return begun


def _figures(
    recorded: dict[str, float], arrivals: Arrivals, bare: float, *, receivers: int
) -> list[Figure]:
    assert len(arrivals) == len(recorded) * receivers, "each healthy endpoint got each event once"
    began = min(recorded.values()) + WARM_UP_SECONDS
    rates, delays = [], []
    for number in range(WINDOWS):
        begin = began + number * WINDOW_SECONDS
        end = begin + WINDOW_SECONDS
        rates.append(sum(begin <= at < end for _, at in arrivals) / WINDOW_SECONDS)
        late = sorted(at - recorded[each] for each, at in arrivals if begin <= recorded[each] < end)
        delays.append(late[int(len(late) * 0.99)] * 1000)
    rate, delay = statistics.median(rates), statistics.median(delays)
    what = f"webhooks delivered/s, {HANGING + FAILING} of {ENDPOINTS} endpoints dead"
    return [
        Figure(
            f"{what} (beside: the bare HTTP client)",
            rate,
            bare,
            rate / bare,
            "1,000/s",
            rate >= TARGET_A_SECOND,
        ),
        Figure(
            "webhooks, event appended to body at a healthy endpoint, p99 ms",
            delay,
            TARGET_P99_MILLISECONDS,
            delay / TARGET_P99_MILLISECONDS,
            "below 500 ms",
            delay < TARGET_P99_MILLISECONDS,
        ),
    ]


def _bare(ports: list[int]) -> float:
    """Requests a second of as many processes that only send: the limit of what ours could do."""
    context = get_context("spawn")
    with context.Pool(SENDERS) as pool:
        return sum(pool.map(_send_bare, [ports] * SENDERS))


def _send_bare(ports: list[int]) -> float:
    courier = Courier([ip_network("127.0.0.1/32")])
    body = b'{"data":{"id":"' + b"0" * 36 + b'"},"more":"' + b"x" * 500 + b'"}'
    end = time.monotonic() + BARE_SECONDS

    def send(first: int) -> int:
        sent = 0
        while time.monotonic() < end:
            url = f"http://127.0.0.1:{ports[(first + sent) % len(ports)]}/hook"
            answered = courier.post(url, headers={"webhook-id": "bare"}, body=body)
            assert isinstance(answered, Answer), answered
            sent += 1
        return sent

    with ThreadPoolExecutor(BARE_THREADS) as threads:
        return sum(threads.map(send, range(0, BARE_THREADS * 10, 10))) / BARE_SECONDS
