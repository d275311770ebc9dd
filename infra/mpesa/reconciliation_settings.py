"""What the environment says of reconciliation: how often to pull, and from which day on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from marshmallow.validate import Range

from infra.errors import SettingsError
from infra.variables import Variables

_PULL_SECONDS = Range(0, 86_400)  # a day's pull still overlaps the one before


@dataclass(frozen=True)
class ReconciliationSettings:
    """`since` is the first day whose M-Pesa money is in these books; what was before is older's."""

    pull_seconds: int = 3_600
    since: date | None = None


def reconciliation_settings(variables: Variables) -> ReconciliationSettings:
    """How we keep up with Safaricom's books.

    Raises:
        SettingsError: the day is none.
    """
    usual = ReconciliationSettings()
    pull_seconds = variables.whole(
        "DAYSTAR_MPESA_PULL_SECONDS",
        usual.pull_seconds,
        "how often to pull what was paid in the last 48 hours; 0 for never (Safaricom must have"
        " opened the pull product)",
        within=_PULL_SECONDS,
    )
    since = variables.optional(
        "DAYSTAR_MPESA_SINCE",
        "the first day (2026-12-01) whose M-Pesa payments are in these books: what was paid before"
        " is neither pulled nor imported, as older books have it",
        otherwise="the day of the first event",
    )
    try:
        return ReconciliationSettings(pull_seconds, date.fromisoformat(since) if since else None)
    except ValueError as error:
        raise SettingsError("DAYSTAR_MPESA_SINCE: give a day such as 2026-12-01.") from error
