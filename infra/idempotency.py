"""Idempotency-Key: the same request answered the same way, however often it is sent.

A request first claims its key, then acts; the answer is stored by the very append that acts. A
claim lapses with the database session that made it, hence with its process, or after a while; an
append that comes after its claim was given to another is refused by the database.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID, uuid4

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool

from infra.event_store.errors import IdempotencyClaimLapsed
from infra.event_store.log import CLAIM_LAPSED, Answer
from infra.keyring import Keyring

CLAIM_SECONDS = 30  # five attempts of an append, five seconds each, fit into it
KEPT_DAYS = 7

_CLAIM = """
INSERT INTO event_store.idempotency AS kept
    (request_key, request_hash, claim, claimed_at, subject_id, claimed_by)
VALUES (%s, %s, %s, now(), %s, pg_backend_pid())
ON CONFLICT (request_key) DO UPDATE
SET request_hash = excluded.request_hash, claim = excluded.claim, claimed_at = excluded.claimed_at,
    subject_id = excluded.subject_id, claimed_by = excluded.claimed_by
WHERE kept.status IS NULL
  AND (kept.claimed_at < now() - make_interval(secs => %s)
       OR NOT EXISTS (SELECT FROM pg_stat_get_activity(kept.claimed_by)))
RETURNING claim
"""
_KEPT = "SELECT request_hash, status, body FROM event_store.idempotency WHERE request_key = %s"
_KEEP = "SELECT event_store.keep_answer(%s, %s, %s, %s)"
_RELEASE = """
DELETE FROM event_store.idempotency WHERE request_key = %s AND claim = %s AND status IS NULL
"""
_EXPIRE = """
DELETE FROM event_store.idempotency WHERE claimed_at < now() - make_interval(days => %s)
"""


@dataclass(frozen=True)
class Claim:
    """The right to act for this key."""

    request_key: bytes
    claim: UUID


@dataclass(frozen=True)
class Replay:
    """The answer given before."""

    status: int
    body: bytes


class KeyInFlight(Exception):
    """A request with this key is being worked on."""


class KeyUsedForOtherBody(Exception):
    """This key came before with another body."""


class IdempotencyKeys:
    """The table of keys and answers."""

    def __init__(self, pool: ConnectionPool, keyring: Keyring) -> None:
        self._pool = pool
        self._keyring = keyring

    def claim(
        self, *, scope: str, key: str, body: str, subject_id: UUID | None = None
    ) -> Claim | Replay:
        """Claim a key within its scope (who, which method, which path).

        `subject_id` is the member the request is about: the answer is forgotten with the person.

        Raises:
            KeyInFlight: another request holds it.
            KeyUsedForOtherBody: it was used with a different body.
        """
        request_key = self._keyring.digest("idempotency.key", f"{scope}\n{key}")
        request_hash = self._keyring.digest("idempotency.body", body)
        claim = uuid4()
        with self._pool.connection() as connection:
            won = connection.execute(
                _CLAIM, (request_key, request_hash, claim, subject_id, CLAIM_SECONDS)
            ).fetchone()
            if won is not None:
                return Claim(request_key, claim)
            kept = connection.execute(_KEPT, (request_key,)).fetchone()
        if kept is None:
            raise KeyInFlight  # released this very moment: the client may simply try again
        if bytes(kept[0]) != request_hash:
            raise KeyUsedForOtherBody
        if kept[1] is None:
            raise KeyInFlight
        return Replay(kept[1], self._keyring.decrypt(bytes(kept[2])))

    def answer(self, claim: Claim, *, status: int, body: bytes) -> Answer:
        """The answer as the append stores it."""
        return Answer(claim.request_key, claim.claim, status, self._keyring.encrypt(body))

    def keep(
        self, connection: Connection[TupleRow], claim: Claim, *, status: int, body: bytes
    ) -> None:
        """Store the answer of what is done beside the log, in the transaction that does it.

        Raises:
            IdempotencyClaimLapsed: the claim was given to another; roll back.
        """
        kept = (claim.request_key, claim.claim, status, self._keyring.encrypt(body))
        try:
            connection.execute(_KEEP, kept)
        except psycopg.Error as error:
            if error.sqlstate == CLAIM_LAPSED:
                raise IdempotencyClaimLapsed from error
            raise

    def release(self, claim: Claim) -> None:
        """Nothing was done: let the key be used again."""
        with self._pool.connection() as connection:
            connection.execute(_RELEASE, (claim.request_key, claim.claim))

    def expire(self) -> int:
        """Forget answers that are too old. Answers how many."""
        with self._pool.connection() as connection:
            return connection.execute(_EXPIRE, (KEPT_DAYS,)).rowcount
