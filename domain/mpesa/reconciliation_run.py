"""A run: one statement, or one hour's pull, held against our books, each time something is new.

What it records is how things stand, not what the last look changed: looking again, with the same
words from Safaricom and the same books, records nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from domain.aggregate import Aggregate, Created, Event, event


@dataclass(frozen=True)
class Standing:
    """How they and we stand to each other. Cents are signed; sums and counts are by kind.

    `unexplained_cents` is their sum less ours, less what two persons have accepted.
    """

    lines: int
    agreed: int
    open_cases: Mapping[str, int]
    resolved_cases: Mapping[str, int]
    theirs_cents: Mapping[str, int]
    ours_cents: Mapping[str, int]
    unexplained_cents: int
    opening_cents: int | None = None
    came_in_cents: int | None = None
    went_out_cents: int | None = None
    closing_cents: int | None = None

    def as_plain(self) -> dict[str, object]:
        """As events keep it; what is zero in the sums and counts is left out."""
        return {
            name: {str(key): each for key, each in sorted(value.items()) if each}
            if isinstance(value, Mapping)
            else value
            for name, value in asdict(self).items()
        }


class ReconciliationRun(Aggregate):
    """All looks at one statement, or at the pull of one hour."""

    TOPIC = "reconciliation-run"

    class Begun(Created):
        """Somebody, or the clock, had this looked at for the first time."""

        TOPIC = "reconciliation-run.begun"

        short_code: str
        source: str
        subject: str
        file_sha256: str | None
        first_at: str
        last_at: str
        lines: int
        begun_by: str
        begun_at: str

    class Compared(Event):
        """They and we stand to each other like this now, which is not as it was recorded last."""

        TOPIC = "reconciliation-run.compared"

        lines: int
        agreed: int
        open_cases: dict[str, int]
        resolved_cases: dict[str, int]
        theirs_cents: dict[str, int]
        ours_cents: dict[str, int]
        unexplained_cents: int
        opening_cents: int | None
        came_in_cents: int | None
        went_out_cents: int | None
        closing_cents: int | None
        compared_by: str
        compared_at: str

    @event(Begun)
    def __init__(
        self,
        *,
        short_code: str,
        source: str,
        subject: str,
        file_sha256: str | None,
        first_at: str,
        last_at: str,
        lines: int,
        begun_by: str,
        begun_at: str,
    ) -> None:
        self.short_code = short_code
        self.source = source
        self.standing: dict[str, object] | None = None

    def compare(self, standing: Standing, *, by: str, at: str) -> None:
        """Note how it stands, where that is new."""
        plain = standing.as_plain()
        if plain != self.standing:
            self.trigger_event(self.Compared, **plain, compared_by=by, compared_at=at)

    @event(Compared)
    def _compared(
        self,
        *,
        lines: int,
        agreed: int,
        open_cases: dict[str, int],
        resolved_cases: dict[str, int],
        theirs_cents: dict[str, int],
        ours_cents: dict[str, int],
        unexplained_cents: int,
        opening_cents: int | None,
        came_in_cents: int | None,
        went_out_cents: int | None,
        closing_cents: int | None,
    ) -> None:
        self.standing = {
            "lines": lines,
            "agreed": agreed,
            "open_cases": open_cases,
            "resolved_cases": resolved_cases,
            "theirs_cents": theirs_cents,
            "ours_cents": ours_cents,
            "unexplained_cents": unexplained_cents,
            "opening_cents": opening_cents,
            "came_in_cents": came_in_cents,
            "went_out_cents": went_out_cents,
            "closing_cents": closing_cents,
        }
