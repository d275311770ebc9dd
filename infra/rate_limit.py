"""How many requests a key may make in a minute, all processes together.

The budget of a key and window is one row. A process takes a slice of it and spends that without
asking again; slices shrink with what is left, so near the end each request asks. The limit is never
exceeded; a few of the last requests may be refused while another process still holds its slice.
"""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass, field
from uuid import UUID

from psycopg_pool import ConnectionPool

from infra.postgres.pool import borrowed

WINDOW_SECONDS = 60
_SLICES = 32
_BUCKETS_MAX = 10_000

_TAKE = """
INSERT INTO api.rate_windows AS known (key_id, began, taken)
SELECT %(key_id)s, to_timestamp(floor(extract(epoch FROM clock_timestamp()) / %(window)s)
                                * %(window)s), %(slice)s
ON CONFLICT (key_id, began) DO UPDATE SET taken = known.taken + excluded.taken
RETURNING taken, extract(epoch FROM began + make_interval(secs => %(window)s)
                                    - clock_timestamp())::float8
"""
_EXPIRE = "DELETE FROM api.rate_windows WHERE began < now() - interval '1 hour'"


@dataclass(frozen=True)
class Allowance:
    """What a key may still do in this window. `remaining` is what this process knows of it."""

    granted: bool
    limit: int
    remaining: int
    reset_seconds: int


@dataclass
class _Bucket:
    """One key's share in this process."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    ends_at: float = 0.0
    held: int = 0
    left_for_all: int = 0


class RateLimiter:
    """Grants requests; one for each process."""

    def __init__(self, pool: ConnectionPool, *, limit: int) -> None:
        self._pool = pool
        self._limit = limit
        self._lock = threading.Lock()
        self._buckets: dict[UUID, _Bucket] = {}

    def take(self, key_id: UUID) -> Allowance:
        """Grant one request to the key, or refuse it."""
        bucket = self._bucket(key_id)
        with bucket.lock:
            now = time.monotonic()
            if now >= bucket.ends_at:
                bucket.held, bucket.left_for_all = 0, self._limit
            if bucket.held == 0 and bucket.left_for_all > 0:
                self._take_slice(key_id, bucket)
            granted = bucket.held > 0
            if granted:
                bucket.held -= 1
            return Allowance(
                granted=granted,
                limit=self._limit,
                remaining=bucket.held + bucket.left_for_all,
                reset_seconds=max(1, math.ceil(bucket.ends_at - time.monotonic())),
            )

    def expire(self) -> int:
        """Forget windows that are over. Answers how many."""
        with borrowed(self._pool) as connection:
            return connection.execute(_EXPIRE).rowcount

    def _bucket(self, key_id: UUID) -> _Bucket:
        with self._lock:
            if len(self._buckets) >= _BUCKETS_MAX:
                self._buckets.clear()
            return self._buckets.setdefault(key_id, _Bucket())

    def _take_slice(self, key_id: UUID, bucket: _Bucket) -> None:
        wanted = max(1, bucket.left_for_all // _SLICES)
        with borrowed(self._pool) as connection:
            row = connection.execute(
                _TAKE,
                {"key_id": key_id, "window": WINDOW_SECONDS, "slice": wanted},
                prepare=True,
            ).fetchone()
        assert row is not None, "an upsert answers its row"
        taken, seconds_left = row
        bucket.held = min(wanted, max(0, self._limit - (taken - wanted)))
        bucket.left_for_all = max(0, self._limit - taken)
        bucket.ends_at = time.monotonic() + seconds_left
