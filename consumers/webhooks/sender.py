"""Sending deliveries: claim, sign, send, record. Any number of processes may.

Threads hide how long strangers take. Each endpoint has its room among them: little until it has
answered well, least while it fails, so those that hang can never take all of them.
"""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from uuid import UUID

import psycopg
import structlog
from psycopg_pool import ConnectionPool, PoolTimeout

from consumers.webhooks.body import body_of
from consumers.webhooks.claiming import ClaimedDelivery, DueDeliveries
from consumers.webhooks.recording import Attempt, record
from consumers.webhooks.retry_schedule import PAUSES_SECONDS, pause_seconds
from consumers.webhooks.room import EndpointRooms
from domain.webhooks.endpoint import DisableReason
from infra import clock
from infra.gathering import Gathering
from infra.webhooks.courier import Answer, Courier, Failure
from infra.webhooks.signatures import signed_headers

THREADS = 48
CLAIMED_MAX = 2 * THREADS  # what waits for a thread waits a moment; who hangs cannot take them all
POLL_SECONDS_BUSY = 0.04  # a little patience claims more at once, and that costs far less
POLL_SECONDS_IDLE = 0.2
POLL_GROWTH = 1.3
SWITCH_SECONDS = 0.0005  # whoever has an answer from the database waits for few other threads
RETRY_SECONDS = 1.0
RECORD_ATTEMPTS_MAX = 20
GONE = 410
_HEADERS = {"Content-Type": "application/json", "User-Agent": "Daystar-Webhooks/1"}

OpenSecrets = Callable[[Sequence[UUID]], tuple[bytes, ...]]
Disable = Callable[[UUID, DisableReason], None]

_log = structlog.get_logger()


class WebhookSender:
    """Sends due deliveries to their endpoints."""

    def __init__(
        self,
        pool: ConnectionPool,
        courier: Courier,
        open_secrets: OpenSecrets,
        *,
        disable: Disable,
        pauses: tuple[float, ...] = PAUSES_SECONDS,
        chance: random.Random | None = None,
    ) -> None:
        self._pool = pool
        self._courier = courier
        self._open_secrets = open_secrets
        self._disable = disable
        self._pauses = pauses
        self._chance = chance or random.Random()  # noqa: S311 - spreads load, keeps no secret
        self._due = DueDeliveries(pool)
        self._rooms = EndpointRooms()
        self._gathering: Gathering[Attempt] = Gathering(self._record)
        self._failing: set[UUID] = set()

    def run(self, stop: threading.Event) -> None:
        """Send until told to stop; what is under way is finished first."""
        sys.setswitchinterval(SWITCH_SECONDS)
        with ThreadPoolExecutor(THREADS, thread_name_prefix="deliver") as threads:
            pause = POLL_SECONDS_BUSY
            while not stop.wait(pause):
                try:
                    claimed = self._claim()
                except (psycopg.OperationalError, PoolTimeout) as error:
                    _log.warning("database_away", error=type(error).__name__)
                    pause = RETRY_SECONDS
                    continue
                for delivery in claimed:
                    threads.submit(self._deliver_guarded, delivery)
                pause = (
                    POLL_SECONDS_BUSY if claimed else min(pause * POLL_GROWTH, POLL_SECONDS_IDLE)
                )

    def work_once(self) -> int:
        """Send what is due now, one after another. Answers how many."""
        claimed = self._claim()
        for delivery in claimed:
            self._deliver(delivery)
        return len(claimed)

    def _claim(self) -> list[ClaimedDelivery]:
        free = CLAIMED_MAX - self._rooms.taken
        if free <= 0:
            return []
        claimed = self._due.claim(min(free, THREADS), self._rooms.left())
        for delivery in claimed:
            self._rooms.enter(delivery.endpoint_id)
        return claimed

    def _deliver_guarded(self, delivery: ClaimedDelivery) -> None:
        try:
            self._deliver(delivery)
        except (psycopg.OperationalError, PoolTimeout) as error:
            # The lease runs out, and it is sent again under the same id.
            _log.warning("delivery_not_recorded", error=type(error).__name__)
        except Exception:  # noqa: BLE001 - the edge of a loop: one delivery holds up no other
            _log.exception("delivery_failed", delivery=str(delivery.delivery_id))

    def _deliver(self, delivery: ClaimedDelivery) -> None:
        is_delivered = False
        try:
            secrets = self._open_secrets(delivery.secret_ids)
            if not secrets:
                self._due.release(delivery.delivery_id)  # it was just deleted
                return
            attempt = self._try(delivery, secrets)
            is_delivered = attempt.is_delivered
            self._write(attempt)
            self._disable_if_needed(attempt)
        finally:
            self._rooms.leave(delivery.endpoint_id, went_well=is_delivered)

    def _try(self, delivery: ClaimedDelivery, secrets: tuple[bytes, ...]) -> Attempt:
        body = body_of(
            delivery.item,
            endpoint_id=delivery.endpoint_id,
            sequence=delivery.sequence,
            payload=delivery.payload,
            masked_fields=delivery.masked_fields,
        )
        started_at = clock.now()
        headers = signed_headers(
            secrets,
            webhook_id=str(delivery.delivery_id),
            timestamp=int(started_at.timestamp()),
            event=delivery.type,
            body=body,
        )
        began = time.perf_counter()
        came = self._courier.post(delivery.url, headers=_HEADERS | headers, body=body)
        latency_ms = round((time.perf_counter() - began) * 1000)
        return self._attempt(delivery, came, started_at, latency_ms)

    def _attempt(
        self,
        delivery: ClaimedDelivery,
        came: Answer | Failure,
        started_at: datetime,
        latency_ms: int,
    ) -> Attempt:
        is_delivered = isinstance(came, Answer) and 200 <= came.status < 300
        pause = pause_seconds(
            came,
            tried=delivery.tried + 1,
            now=started_at,
            chance=self._chance,
            pauses=self._pauses,
        )
        return Attempt(
            delivery_id=delivery.delivery_id,
            endpoint_id=delivery.endpoint_id,
            started_at=started_at,
            latency_ms=latency_ms,
            status=came.status if isinstance(came, Answer) else None,
            outcome=_outcome(came, is_delivered=is_delivered),
            excerpt=came.excerpt if isinstance(came, Answer) else "",
            is_delivered=is_delivered,
            pause_seconds=None if is_delivered or delivery.tries_once else pause,
        )

    def _write(self, attempt: Attempt) -> None:
        """Told once it is known: a database that is away is waited for."""
        for _ in range(RECORD_ATTEMPTS_MAX):
            try:
                self._gathering.add(attempt)
            except (psycopg.OperationalError, PoolTimeout) as error:
                _log.warning("database_away", error=type(error).__name__)
                time.sleep(RETRY_SECONDS)
            except psycopg.Error as error:
                _log.warning("attempts_recorded_singly", error=type(error).__name__)
                return self._record([attempt])
            else:
                return None
        return self._record([attempt])

    def _record(self, attempts: list[Attempt]) -> None:
        verdict = record(self._pool, attempts)
        self._failing.update(verdict.failing_for_days)
        for delivery_id in verdict.exhausted:
            _log.warning("delivery_exhausted", delivery=str(delivery_id))

    def _disable_if_needed(self, attempt: Attempt) -> None:
        if attempt.status == GONE:
            self._disable(attempt.endpoint_id, DisableReason.GONE)
        elif attempt.endpoint_id in self._failing:
            self._failing.discard(attempt.endpoint_id)
            self._disable(attempt.endpoint_id, DisableReason.FAILING)


def _outcome(came: Answer | Failure, *, is_delivered: bool) -> str:
    if isinstance(came, Failure):
        return str(came)
    return "delivered" if is_delivered else "refused"
