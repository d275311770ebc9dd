"""What can go wrong when appending.

Contention             somebody else moved the stream, or took the key, first: load again and retry
StreamExists           the stream one wanted to begin is already there: the fact is known
KeyTaken               a unique key belongs to a stream already, perhaps this very one
IdempotencyClaimLapsed the request took so long that its Idempotency-Key was given to another
"""

from __future__ import annotations

from uuid import UUID

from infra.errors import InfrastructureError


class Contention(InfrastructureError):
    """Another writer was faster, again and again. Please try once more."""

    def __init__(self) -> None:
        super().__init__("Another writer was faster, again and again. Please try once more.")


class StreamExists(Contention):
    """The stream that was to begin exists already."""

    def __init__(self, stream_id: UUID) -> None:
        super().__init__()
        self.stream_id = stream_id


class KeyTaken(Contention):
    """A key that was to be claimed belongs to a stream already."""


class IdempotencyClaimLapsed(InfrastructureError):
    """The request took too long; its Idempotency-Key was claimed anew."""


class LogNotSafe(InfrastructureError):
    """The server is set up in a way that could lose or hide events."""
