"""When each short code's payments are pulled next: one row each, taken up by one process."""

from __future__ import annotations

from psycopg_pool import ConnectionPool

from infra.postgres.pool import borrowed

LEASE_SECONDS = 600.0

_KNOW = """
INSERT INTO mpesa.pulls (short_code, next_at) VALUES (%s, now()) ON CONFLICT DO NOTHING
"""
# Two processes meet in the row: the second sees the time that the first has set, and leaves it.
_TAKE = """
UPDATE mpesa.pulls SET next_at = now() + make_interval(secs => %s)
WHERE short_code = %s AND next_at <= now()
"""
_DONE = """
UPDATE mpesa.pulls SET pulled_at = now(), note = %s, next_at = now() + make_interval(secs => %s)
WHERE short_code = %s
"""
_LATER = """
UPDATE mpesa.pulls SET note = %s, next_at = now() + make_interval(secs => %s)
WHERE short_code = %s
"""


class PullTimes:
    """The table of when to pull."""

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool

    def take(self, short_code: str) -> bool:
        """Whether its time has come, and it is ours to do."""
        with borrowed(self._pool) as connection:
            connection.execute(_KNOW, (short_code,))
            return bool(connection.execute(_TAKE, (LEASE_SECONDS, short_code)).rowcount)

    def done(self, short_code: str, *, next_seconds: float, note: str | None) -> None:
        """It was pulled."""
        with borrowed(self._pool) as connection:
            connection.execute(_DONE, (note, next_seconds, short_code))

    def later(self, short_code: str, *, seconds: float, note: str) -> None:
        """It could not be pulled; say why, and when to try again."""
        with borrowed(self._pool) as connection:
            connection.execute(_LATER, (note, seconds, short_code))
