"""A payout: money we send, and everything that became of it.

It goes to a phone (B2C); or back to whoever paid, by reversing the receipt of what came in.

    requested <-> held -> sending -> accepted -> succeeded
         ^-- proven not sent --|        |-> in doubt -> succeeded | failed | review
    review -> succeeded | failed, by two persons; or by proof, where nothing was contradicted

Its own id is the OriginatorConversationID under which Safaricom knows it, for its whole life, so a
process that died sends nothing under another name (a reversal is known by the receipt it takes
back). It is sent again only where it is proven that the request never arrived; whatever is
ambiguous is asked about. A receipt number is taken from a success alone. What contradicts a settled
payout undoes nothing: two persons decide.
"""

from __future__ import annotations

from domain.aggregate import Aggregate, event
from domain.mpesa import payout_events as events
from domain.mpesa.errors import (
    NothingProposed,
    PayoutNotUnderReview,
    ProposerMayNotConfirm,
)
from domain.mpesa.payout_states import (
    NOT_PAID,
    PAID,
    SETTLED_STATES,
    UNSENT_STATES,
    HeldBecause,
    PayoutPurpose,
    PayoutState,
)


class Payout(Aggregate):
    """One sum that goes out, once. Amounts are cents, and always whole shillings."""

    TOPIC = "payout"

    Requested = events.Requested
    Held = events.Held
    Sent = events.Sent
    NotSent = events.NotSent
    Accepted = events.Accepted
    LeftInDoubt = events.LeftInDoubt
    FailureReported = events.FailureReported
    AnswerUnclear = events.AnswerUnclear
    PutUnderReview = events.PutUnderReview
    Contradicted = events.Contradicted
    SettlementProposed = events.SettlementProposed
    SettlementRejected = events.SettlementRejected
    Succeeded = events.Succeeded
    Failed = events.Failed
    ChargeBooked = events.ChargeBooked
    ChargeCorrected = events.ChargeCorrected

    @event(Requested)
    def __init__(
        self,
        *,
        purpose: str,
        source_id: str,
        member_id: str | None,
        phone: str | None,
        reverses: str | None,
        amount_cents: int,
        short_code: str,
        requested_by: str,
        approved_by: str,
        requested_at: str,
    ) -> None:
        self.purpose = purpose
        self.source_id = source_id
        self.member_id = member_id
        self.phone = phone  # None of a reversal, and once the person is erased
        self.reverses = reverses
        self.amount_cents = amount_cents
        self.short_code = short_code
        self.requested_by = requested_by
        self.approved_by = approved_by
        self.requested_at = requested_at
        self.state: str = PayoutState.REQUESTED
        self.held_because = ""
        self.attempts = 0
        self.known_as = ""  # a reversal, to Safaricom
        self.first_sent_at = ""
        self.unclear_answers = 0
        self.reported_failure: dict[str, str] | None = None
        self.is_contradicted = False
        self.proposal: dict[str, str | None] | None = None
        self.receipt_number: str | None = None
        self.source_was_told = ""
        self.charge_cents: int | None = None

    @property
    def is_reversal(self) -> bool:
        """Whether it takes back a receipt, instead of paying a phone."""
        return self.purpose == PayoutPurpose.REVERSAL

    @property
    def amount_shillings(self) -> int:
        """What the phone receives."""
        return self.amount_cents // 100

    @property
    def is_settled(self) -> bool:
        """Whether it is known, and recorded, if the money left."""
        return self.state in SETTLED_STATES

    @property
    def believes_what_is_told(self) -> bool:
        """Whether proof told now simply settles it."""
        return not self.is_settled and not self.is_contradicted

    # Before and while it is sent.

    def hold(self, *, because: HeldBecause, sentence: str, at: str, retry_at: str) -> None:
        """Say why it waits, where that is new."""
        if self.state in UNSENT_STATES and self.held_because != because:
            self.trigger_event(
                self.Held, reason=str(because), sentence=sentence, held_at=at, retry_at=retry_at
            )

    @event(Held)
    def _held(self, *, reason: str) -> None:
        self.state = PayoutState.HELD
        self.held_because = reason

    def start_sending(self, *, phone: str | None, at: str) -> bool:
        """Claim the right to send it, once for each request. Answers whether to go on."""
        if self.state not in UNSENT_STATES:
            return False
        self.trigger_event(
            self.Sent, member_id=self.member_id, phone=phone, attempt=self.attempts + 1, sent_at=at
        )
        return True

    @event(Sent)
    def _sent(self, *, phone: str | None, attempt: int, sent_at: str) -> None:
        self.state = PayoutState.SENDING
        self.held_because = ""
        self.phone = phone
        self.attempts = attempt
        self.first_sent_at = self.first_sent_at or sent_at

    def mark_not_sent(self, *, reason: str, retry_at: str) -> None:
        """Let it be sent again, under the same id."""
        if self.state == PayoutState.SENDING:
            self.trigger_event(self.NotSent, reason=reason, retry_at=retry_at)

    @event(NotSent)
    def _not_sent(self) -> None:
        self.state = PayoutState.REQUESTED

    def accept(self, *, conversation_id: str, originator_id: str, at: str) -> None:
        """Note the acknowledgement. One that comes after the outcome changes nothing."""
        handed_over = self.state in UNSENT_STATES and self.attempts > 0
        if handed_over or self.state in (PayoutState.SENDING, PayoutState.IN_DOUBT):
            self.trigger_event(
                self.Accepted,
                conversation_id=conversation_id,
                originator_conversation_id=originator_id,
                accepted_at=at,
            )

    @event(Accepted)
    def _accepted(self, *, originator_conversation_id: str) -> None:
        self.state = PayoutState.ACCEPTED
        self.known_as = originator_conversation_id

    def leave_in_doubt(self, *, result_code: str, reason: str, at: str) -> None:
        """It may have been taken, or paid: whatever says so is enough to send it no more."""
        open_states = (*UNSENT_STATES, PayoutState.SENDING, PayoutState.ACCEPTED)
        if self.state in open_states:
            self.trigger_event(
                self.LeftInDoubt, result_code=result_code, reason=reason, doubted_at=at
            )

    @event(LeftInDoubt)
    def _left_in_doubt(self) -> None:
        self.state = PayoutState.IN_DOUBT

    # What is told of it.

    def report_failure(self, *, result_code: str, reason: str, at: str) -> None:
        """Note, once, that it is told as failed; it is in doubt until another word confirms it."""
        assert self.believes_what_is_told, "a settled payout is left to persons"
        if self.reported_failure is None:
            self.trigger_event(
                self.FailureReported, result_code=result_code, reason=reason, reported_at=at
            )

    @event(FailureReported)
    def _failure_reported(self, *, result_code: str, reason: str) -> None:
        self.state = PayoutState.IN_DOUBT
        self.reported_failure = {"result_code": result_code, "reason": reason}

    def note_unclear_answer(self, *, reason: str, at: str) -> None:
        """Count an answer that told nothing."""
        if self.believes_what_is_told and self.state != PayoutState.REVIEW:
            self.trigger_event(
                self.AnswerUnclear,
                reason=reason,
                unclear_answers=self.unclear_answers + 1,
                answered_at=at,
            )

    @event(AnswerUnclear)
    def _answer_unclear(self, *, unclear_answers: int) -> None:
        self.unclear_answers = unclear_answers

    def put_under_review(self, *, reason: str, is_contradicted: bool, at: str) -> None:
        """Give it to a person."""
        is_new = self.state != PayoutState.REVIEW or is_contradicted > self.is_contradicted
        if is_new and not self.is_settled:
            self.trigger_event(
                self.PutUnderReview, reason=reason, is_contradicted=is_contradicted, reviewed_at=at
            )

    @event(PutUnderReview)
    def _under_review(self, *, is_contradicted: bool) -> None:
        self.state = PayoutState.REVIEW
        self.is_contradicted = is_contradicted

    def contradict(
        self,
        *,
        told: str,
        source: str,
        result_code: str,
        reason: str,
        receipt_number: str | None,
        at: str,
    ) -> None:
        """Note that a settled payout is told otherwise."""
        assert self.is_settled, "only what was settled can be contradicted"
        self.trigger_event(
            self.Contradicted,
            was=PAID if self.state == PayoutState.SUCCEEDED else NOT_PAID,
            told=told,
            source=source,
            result_code=result_code,
            reason=reason,
            receipt_number=receipt_number,
            told_at=at,
        )

    @event(Contradicted)
    def _contradicted(self) -> None:
        self.state = PayoutState.REVIEW
        self.is_contradicted = True

    def succeed(
        self,
        *,
        receipt_number: str | None,
        completed_at: str,
        utility_cents: int | None,
        source: str,
        settled_by: str | None,
        is_placed: bool,
    ) -> None:
        """The money left, with the receipt that proves it (a reversal may be told without)."""
        assert receipt_number or self.is_reversal, "what a phone was paid has a receipt"
        assert settled_by or self.believes_what_is_told, "a settled payout is left to persons"
        self.trigger_event(
            self.Succeeded,
            short_code=self.short_code,
            receipt_number=receipt_number,
            amount_cents=self.amount_cents,
            completed_at=completed_at,
            utility_cents=utility_cents,
            source=source,
            settled_by=settled_by,
            is_placed=is_placed,
        )

    @event(Succeeded)
    def _succeeded(self, *, receipt_number: str | None, is_placed: bool) -> None:
        self.state = PayoutState.SUCCEEDED
        self.receipt_number = receipt_number
        self.is_contradicted = False
        self.proposal = None
        if is_placed:
            self.source_was_told = PAID

    def fail(
        self,
        *,
        result_code: str,
        reason: str,
        at: str,
        source: str,
        settled_by: str | None,
        is_placed: bool,
    ) -> None:
        """The money did not leave."""
        assert settled_by or self.believes_what_is_told, "a settled payout is left to persons"
        self.trigger_event(
            self.Failed,
            result_code=result_code,
            reason=reason,
            failed_at=at,
            source=source,
            settled_by=settled_by,
            is_placed=is_placed,
        )

    @event(Failed)
    def _failed(self, *, is_placed: bool) -> None:
        self.state = PayoutState.FAILED
        self.receipt_number = None
        self.is_contradicted = False
        self.proposal = None
        if is_placed:
            self.source_was_told = NOT_PAID

    def book_charge(self, *, amount_cents: int, basis: str, at: str) -> None:
        """Note what Safaricom takes for it, or that it is another sum than was noted."""
        if self.charge_cents is None:
            if amount_cents:
                self.trigger_event(
                    self.ChargeBooked, amount_cents=amount_cents, basis=basis, booked_at=at
                )
        elif amount_cents != self.charge_cents:
            self.trigger_event(
                self.ChargeCorrected,
                amount_cents=amount_cents,
                change_cents=amount_cents - self.charge_cents,
                basis=basis,
                corrected_at=at,
            )

    @event(ChargeBooked)
    def _charge_booked(self, *, amount_cents: int) -> None:
        self.charge_cents = amount_cents

    @event(ChargeCorrected)
    def _charge_corrected(self, *, amount_cents: int) -> None:
        self.charge_cents = amount_cents

    # What persons find out.

    def propose_settlement(
        self,
        *,
        told: str,
        receipt_number: str | None,
        completed_at: str,
        evidence: str,
        by: str,
        at: str,
    ) -> None:
        """Say what became of it, in an earlier one's place. Raises PayoutNotUnderReview."""
        if self.state != PayoutState.REVIEW:
            raise PayoutNotUnderReview
        self.trigger_event(
            self.SettlementProposed,
            told=told,
            receipt_number=receipt_number,
            completed_at=completed_at,
            evidence=evidence,
            proposed_by=by,
            proposed_at=at,
        )

    @event(SettlementProposed)
    def _settlement_proposed(
        self, *, told: str, receipt_number: str | None, completed_at: str, proposed_by: str
    ) -> None:
        self.proposal = {
            "told": told,
            "receipt_number": receipt_number,
            "completed_at": completed_at,
            "by": proposed_by,
        }

    def proposal_for(self, principal_id: str) -> dict[str, str | None]:
        """What another may confirm. Raises as reject_settlement, and ProposerMayNotConfirm."""
        proposal = self._proposal()
        if proposal["by"] == principal_id:
            raise ProposerMayNotConfirm
        return proposal

    def reject_settlement(self, *, reason: str, by: str, at: str) -> None:
        """Leave it under review. Raises PayoutNotUnderReview, NothingProposed."""
        self._proposal()
        self.trigger_event(self.SettlementRejected, reason=reason, rejected_by=by, rejected_at=at)

    @event(SettlementRejected)
    def _settlement_rejected(self) -> None:
        self.proposal = None

    def _proposal(self) -> dict[str, str | None]:
        if self.state != PayoutState.REVIEW:
            raise PayoutNotUnderReview
        if self.proposal is None:
            raise NothingProposed
        return self.proposal
