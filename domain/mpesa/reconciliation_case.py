"""A case: one difference between Safaricom's books and ours, from its discovery to its end.

Its stream is made from what the difference is about, so whoever finds it again finds this case. It
ends by what was missing being posted, by both agreeing after all, or by two persons' decision.
"""

from __future__ import annotations

from enum import StrEnum

from domain.aggregate import Aggregate, Created, Event, event
from domain.mpesa.reconciliation_errors import CaseIsResolved, NothingDecided


class Source(StrEnum):
    """Where Safaricom's side was read."""

    PULL = "pull"
    STATEMENT = "statement"


class Ending(StrEnum):
    """How a difference ended. What two persons accept stays, explained."""

    POSTED = "posted"
    SETTLED = "settled"
    CHARGE_BOOKED = "charge_booked"
    AGREES_NOW = "agrees_now"
    ACCEPTED = "accepted"


class Decision(StrEnum):
    """What persons may decide: to leave it as it is, explained, or to post it after all."""

    ACCEPT = "accept"
    POST = "post"


class ReconciliationCase(Aggregate):
    """One difference. Cents are signed: what came in is above zero."""

    TOPIC = "reconciliation-case"

    class Opened(Created):
        """They and we disagree. `effect_cents` is their sum less ours, as far as this explains."""

        TOPIC = "reconciliation-case.opened"

        short_code: str
        kind: str
        key: str
        receipt_number: str | None
        reason_type: str | None
        movement_kind: str | None
        movement_id: str | None
        their_status: str | None
        our_status: str | None
        theirs_cents: int
        ours_cents: int
        effect_cents: int
        occurred_at: str
        source: str
        run_id: str
        opened_at: str

    class DecisionProposed(Event):
        """Somebody says what is to become of it, and why; another must agree."""

        TOPIC = "reconciliation-case.decision-proposed"

        decision: str
        reason: str
        proposed_by: str
        proposed_at: str

    class Resolved(Event):
        """It is over. `explained_cents` is what goes on being a difference, and is known to be."""

        TOPIC = "reconciliation-case.resolved"

        ending: str
        reason: str
        explained_cents: int
        proposed_by: str | None
        resolved_by: str
        resolved_at: str

    @event(Opened)
    def __init__(
        self,
        *,
        short_code: str,
        kind: str,
        key: str,
        receipt_number: str | None,
        reason_type: str | None,
        movement_kind: str | None,
        movement_id: str | None,
        their_status: str | None,
        our_status: str | None,
        theirs_cents: int,
        ours_cents: int,
        effect_cents: int,
        occurred_at: str,
        source: str,
        run_id: str,
        opened_at: str,
    ) -> None:
        self.short_code = short_code
        self.kind = kind
        self.key = key
        self.receipt_number = receipt_number
        self.source = source
        self.run_id = run_id
        self.effect_cents = effect_cents
        self.theirs_cents = theirs_cents
        self.proposal: dict[str, str] | None = None
        self.ending: str | None = None
        self.explained_cents = 0

    @property
    def is_open(self) -> bool:
        """Whether it still waits for somebody, or for what will settle it."""
        return self.ending is None

    @property
    def stake_cents(self) -> int:
        """How much money a decision about it is about."""
        return max(abs(self.effect_cents), abs(self.theirs_cents))

    def propose(self, *, decision: Decision, reason: str, by: str, at: str) -> None:
        """Say what is to become of it. A later proposal takes an earlier one's place.

        Raises:
            CaseIsResolved: it is over.
        """
        if not self.is_open:
            raise CaseIsResolved
        self.trigger_event(
            self.DecisionProposed,
            decision=str(decision),
            reason=reason,
            proposed_by=by,
            proposed_at=at,
        )

    @event(DecisionProposed)
    def _proposed(self, *, decision: str, reason: str, proposed_by: str) -> None:
        self.proposal = {"decision": decision, "reason": reason, "by": proposed_by}

    def decided(self) -> dict[str, str]:
        """What waits to be confirmed. Raises CaseIsResolved, NothingDecided."""
        if not self.is_open:
            raise CaseIsResolved
        if self.proposal is None:
            raise NothingDecided
        return self.proposal

    def confirm(self, *, by: str, at: str) -> None:
        """Do as was proposed; whoever calls it has posted what is to be posted."""
        proposal = self.decided()
        is_posted = proposal["decision"] == Decision.POST
        self.trigger_event(
            self.Resolved,
            ending=str(Ending.POSTED if is_posted else Ending.ACCEPTED),
            reason=proposal["reason"],
            explained_cents=0 if is_posted else self.effect_cents,
            proposed_by=proposal["by"],
            resolved_by=by,
            resolved_at=at,
        )

    def end(self, ending: Ending, *, reason: str, by: str, at: str) -> None:
        """It ended without a decision. Where it is over already, nothing changes."""
        assert ending is not Ending.ACCEPTED, "only persons accept"
        if self.is_open:
            self.trigger_event(
                self.Resolved,
                ending=str(ending),
                reason=reason,
                explained_cents=0,
                proposed_by=None,
                resolved_by=by,
                resolved_at=at,
            )

    @event(Resolved)
    def _resolved(self, *, ending: str, explained_cents: int) -> None:
        self.ending = ending
        self.explained_cents = explained_cents
        self.proposal = None
