"""A loan, from the application to the last shilling.

    pending -> approved -> active <-> defaulted -> completed
            -> declined          -> written_off
    (taken over from older books) -> active or defaulted

What came in and was charged is kept as value-dated entries; `domain.loans.standing` says how the
loan stands after them. An entry that comes late is replayed in its place, and events say what it
changed: the parts of other repayments, penalties that would not have arisen.
"""

from __future__ import annotations

from datetime import date, timedelta
from enum import StrEnum
from typing import Any

from domain.aggregate import event
from domain.loans import events, standing
from domain.loans.books import LoanBooks
from domain.loans.errors import (
    ApprovedAmountTooHigh,
    LoanNotOpen,
    NotApproved,
    NothingToRestructure,
    NotPending,
    PayoutUnderWay,
    RecoveryTooHigh,
    RepaymentAlreadyReversed,
    RepaymentBeforeDisbursement,
    RepaymentBeforeRestructure,
    RepaymentBeforeTakeOver,
    RepaymentNotFound,
)
from domain.loans.schedule import rounded, schedule
from domain.loans.standing import Entry, Line, Parts, Quote
from domain.loans.terms import PERCENT, LoanTerms
from domain.money import CENTS_PER_SHILLING

DUE_SOON_DAYS = 3
PENALTIES_AT_ONCE_MAX = 200


class LoanStatus(StrEnum):
    """Where a loan stands. The values are the accounting API's own."""

    PENDING = "pending"
    APPROVED = "approved"
    DECLINED = "declined"
    ACTIVE = "active"
    DEFAULTED = "defaulted"
    COMPLETED = "completed"
    WRITTEN_OFF = "written_off"


_OPEN = (LoanStatus.ACTIVE, LoanStatus.DEFAULTED)


class Loan(LoanBooks):
    """One loan of one member, and all that was paid on it. Amounts are cents, days ISO texts."""

    TOPIC = "loan"
    SNAPSHOT_EVERY = 50
    SNAPSHOT_VERSION = 3

    Applied = events.Applied
    Approved = events.Approved
    Declined = events.Declined
    PayoutStarted = events.PayoutStarted
    PartPaid = events.PartPaid
    PayoutFailed = events.PayoutFailed
    Disbursed = events.Disbursed
    TakenOver = events.TakenOver
    RepaymentReceived = events.RepaymentReceived
    RepaymentReversed = events.RepaymentReversed
    RepaymentsReallocated = events.RepaymentsReallocated
    PenaltyCharged = events.PenaltyCharged
    PenaltyReversed = events.PenaltyReversed
    FeeCharged = events.FeeCharged
    BecameOverdue = events.BecameOverdue
    BecameCurrent = events.BecameCurrent
    InstalmentDueSoon = events.InstalmentDueSoon
    Restructured = events.Restructured
    Completed = events.Completed
    Reopened = events.Reopened
    WrittenOff = events.WrittenOff
    RecoveryReceived = events.RecoveryReceived
    RecoveryReversed = events.RecoveryReversed

    @event(Applied)
    def __init__(
        self,
        *,
        loan_number: str,
        member_id: str,
        member_number: str,
        product_code: str,
        terms: dict[str, Any],
        amount_cents: int,
        term_months: int,
        applied_by: str = "",
        taken_over_on: str = "",
        accrues_from: str = "",
        after: dict[str, Any] | None = None,
    ) -> None:
        """Applied for; or taken over from older books, and then what follows `applied_by`."""
        self.loan_number = loan_number
        self.member_id = member_id
        self.member_number = member_number
        self.product_code = product_code
        self.amount_cents = amount_cents
        self.term_months = term_months
        self.applied_by = applied_by
        self.status: str = LoanStatus.PENDING
        self.open_books(terms)
        self.repayments: dict[str, dict[str, Any]] = {}
        self.overdue = False
        self.due_soon_told = 0
        self.recoverable_cents = 0
        self.taken_over_on = taken_over_on
        self.approved_by = ""
        self.payout: dict[str, Any] | None = None  # the one under way
        self.payouts_begun = 0
        self.paid_out_cents = 0
        self.first_due_on = ""
        self.restructured_on = ""
        if after is not None:
            self.status = LoanStatus.ACTIVE
            self.begin_lines(after, opened_on=taken_over_on, accrues_from=accrues_from)
            self.carried_cents = after["paid_cents"]

    @property
    def is_open(self) -> bool:
        """Whether it is being repaid."""
        return self.status in _OPEN

    @property
    def owed_cents(self) -> int:
        """What the member is asked for, due or not: nothing of a loan that was given up."""
        return self.balance_cents if self.is_open else 0

    @property
    def is_unsettled(self) -> bool:
        """Whether something is asked for, granted, owed, or given up and not recovered."""
        return self.takes_money or self.status in (LoanStatus.PENDING, LoanStatus.APPROVED)

    @property
    def takes_money(self) -> bool:
        """Whether money for this loan has a place on it: being repaid, or given up in part."""
        return self.is_open or self.recoverable_cents > 0

    def approve(self, *, approved_by: str, amount_cents: int, on: date) -> None:
        """Grant it, or less of it. Raises NotPending, ApprovedAmountTooHigh."""
        self._check_pending()
        if amount_cents > self.amount_cents:
            raise ApprovedAmountTooHigh
        self.trigger_event(
            self.Approved,
            member_id=self.member_id,
            amount_cents=amount_cents,
            approved_by=approved_by,
            approved_on=on.isoformat(),
        )

    @event(Approved)
    def _approved(self, *, amount_cents: int, approved_by: str) -> None:
        self.status = LoanStatus.APPROVED
        self.amount_cents = amount_cents
        self.approved_by = approved_by

    def decline(self, *, declined_by: str, reason: str, on: date) -> None:
        """Refuse it. Raises NotPending."""
        self._check_pending()
        self.trigger_event(
            self.Declined,
            member_id=self.member_id,
            declined_by=declined_by,
            reason=reason,
            declined_on=on.isoformat(),
        )

    @event(Declined)
    def _declined(self) -> None:
        self.status = LoanStatus.DECLINED

    @property
    def kept_back_cents(self) -> int:
        """What of the loan is not paid out, for fees and insurance."""
        return rounded(self.amount_cents * self.terms.upfront_percent * PERCENT)

    @property
    def unpaid_cents(self) -> int:
        """What of the loan is still to be paid out."""
        return self.amount_cents - self.kept_back_cents - self.paid_out_cents

    def check_payable(self) -> None:
        """Whether it, or the rest of it, may be paid out. Raises NotApproved, PayoutUnderWay."""
        if self.status != LoanStatus.APPROVED:
            raise NotApproved(self.status)
        if self.payout is not None:
            raise PayoutUnderWay

    def start_payout(
        self,
        *,
        payout_id: str,
        parts_cents: list[int],
        requested_by: str,
        first_due_on: str,
        on: date,
    ) -> None:
        """Let no other way of paying it out be taken. Raises NotApproved, PayoutUnderWay."""
        self.check_payable()
        rest_cents = self.unpaid_cents - sum(parts_cents)
        assert 0 <= rest_cents < CENTS_PER_SHILLING, "all of it is paid, but for the cents"
        self.trigger_event(
            self.PayoutStarted,
            member_id=self.member_id,
            payout_id=payout_id,
            number=self.payouts_begun + 1,
            amount_cents=parts_cents[0],
            parts_cents=parts_cents,
            rest_cents=rest_cents,
            paid_out_cents=self.paid_out_cents,
            requested_by=requested_by,
            first_due_on=first_due_on,
            started_on=on.isoformat(),
        )

    @event(PayoutStarted)
    def _payout_started(
        self, *, payout_id: str, number: int, amount_cents: int, first_due_on: str
    ) -> None:
        self.payout = {"id": payout_id, "amount_cents": amount_cents}
        self.payouts_begun = number
        self.first_due_on = first_due_on

    def takes_part(self, *, payout_id: str, amount_cents: int) -> bool:
        """Whether money that a payout brought the member is a part of this loan.

        One that was said to have failed may have paid all the same: then, if the loan has not been
        paid out otherwise.
        """
        if self.payout is not None:
            return bool(self.payout["id"] == payout_id)
        return self.status == LoanStatus.APPROVED and amount_cents <= self.unpaid_cents

    def note_part_paid(
        self, *, payout_id: str, amount_cents: int, payment_reference: str, on: date
    ) -> None:
        """Count what reached the member."""
        assert self.takes_part(payout_id=payout_id, amount_cents=amount_cents)
        self.trigger_event(
            self.PartPaid,
            member_id=self.member_id,
            payout_id=payout_id,
            amount_cents=amount_cents,
            payment_reference=payment_reference,
            paid_on=on.isoformat(),
            paid_out_cents=self.paid_out_cents + amount_cents,
            unpaid_cents=self.unpaid_cents - amount_cents,
        )

    @event(PartPaid)
    def _part_paid(self, *, paid_out_cents: int) -> None:
        self.payout = None
        self.paid_out_cents = paid_out_cents

    def note_payout_failed(self, *, payout_id: str, reason: str, on: date) -> bool:
        """Wait to be paid out again. Answers whether this payout was the one under way."""
        if self.payout is None or self.payout["id"] != payout_id:
            return False
        self.trigger_event(
            self.PayoutFailed,
            member_id=self.member_id,
            payout_id=payout_id,
            amount_cents=self.payout["amount_cents"],
            reason=reason,
            failed_on=on.isoformat(),
            paid_out_cents=self.paid_out_cents,
            unpaid_cents=self.unpaid_cents,
        )
        return True

    @event(PayoutFailed)
    def _payout_failed(self) -> None:
        self.payout = None

    def disburse(
        self,
        *,
        payment_method: str,
        payment_reference: str,
        on: date,
        first_due_on: date,
        to_deposits_cents: int = 0,
    ) -> None:
        """Pay it out, or the last of it, once. Raises NotApproved, PayoutUnderWay."""
        self.check_payable()
        instalments = schedule(
            self.terms,
            principal_cents=self.amount_cents,
            term_months=self.term_months,
            disbursed_on=on,
            first_due_on=first_due_on,
        )
        lines = standing.opening_lines(instalments)
        self.trigger_event(
            self.Disbursed,
            member_id=self.member_id,
            amount_cents=self.amount_cents,
            kept_back_cents=self.kept_back_cents,
            payment_method=payment_method,
            payment_reference=payment_reference,
            disbursed_on=on.isoformat(),
            instalment_cents=instalments[0].total_cents,
            ends_on=instalments[-1].due_on.isoformat(),
            after=self.after(lines),
            paid_by_mpesa_cents=self.paid_out_cents,
            to_deposits_cents=to_deposits_cents,
        )

    @event(Disbursed)
    def _disbursed(self, *, disbursed_on: str, after: dict[str, Any]) -> None:
        self.status = LoanStatus.ACTIVE
        self.begin_lines(after, opened_on=disbursed_on, accrues_from=disbursed_on)

    def receive(
        self,
        *,
        repayment_id: str,
        amount_cents: int,
        payment_method: str,
        payment_reference: str,
        paid_on: date,
        today: date,
        source_id: str | None = None,
    ) -> None:
        """Take a payment in, at its value day. One that is already here changes nothing.

        What M-Pesa tells (it has a source) is a fact: before the loan was paid out or restructured
        it counts from that day on.

        Raises:
            LoanNotOpen: nothing is due on it.
            RepaymentBeforeDisbursement, RepaymentBeforeRestructure, RepaymentBeforeTakeOver: a
                person gave an earlier day.
        """
        assert amount_cents > 0, "a repayment is above zero"
        if repayment_id in self.repayments:
            return
        self.check_open()
        effective_on = max(paid_on.isoformat(), self.opened_on)
        if source_id is None and effective_on != paid_on.isoformat():
            if self.opened_on == self.taken_over_on:
                raise RepaymentBeforeTakeOver
            raise (
                RepaymentBeforeRestructure if self.restructured_on else RepaymentBeforeDisbursement
            )
        entry = Entry(
            kind="payment", id=repayment_id, cents=amount_cents, on=effective_on, due_on=""
        )
        lines, parts = self.standing_with(entry, today)
        own_parts = parts.pop(repayment_id)
        self._restate(lines, parts)
        self.trigger_event(
            self.RepaymentReceived,
            repayment_id=repayment_id,
            member_id=self.member_id,
            amount_cents=amount_cents,
            parts=own_parts,
            payment_method=payment_method,
            payment_reference=payment_reference,
            paid_on=paid_on.isoformat(),
            effective_on=effective_on,
            source_id=source_id,
            waived_interest_cents=_interest_cents(self.lines) - _interest_cents(lines),
            after=self.after(lines),
        )
        self._note_state(today)

    @event(RepaymentReceived)
    def _received(
        self,
        *,
        repayment_id: str,
        amount_cents: int,
        parts: dict[str, int],
        payment_method: str,
        payment_reference: str,
        paid_on: str,
        effective_on: str,
        source_id: str | None,
        after: dict[str, Any],
    ) -> None:
        self.entries.append(
            Entry(kind="payment", id=repayment_id, cents=amount_cents, on=effective_on, due_on="")
        )
        self.repayments[repayment_id] = {
            "amount_cents": amount_cents,
            "method": payment_method,
            "reference": payment_reference,
            "source_id": source_id,
            "paid_on": paid_on,
            "state": "counted",
        }
        self.parts[repayment_id] = parts
        self.latest_on = max(self.latest_on, effective_on)
        self.assign(after)

    def reverse(self, *, repayment_id: str, reason: str, today: date) -> dict[str, Any]:
        """Undo a repayment, once. Answers what was undone.

        Raises:
            RepaymentNotFound, RepaymentAlreadyReversed, RepaymentBeforeRestructure, LoanNotOpen.
        """
        repayment = self.repayments.get(repayment_id)
        if repayment is None:
            raise RepaymentNotFound
        if repayment["state"] == "reversed":
            raise RepaymentAlreadyReversed
        if repayment["state"] == "settled by restructure":
            raise RepaymentBeforeRestructure
        if repayment["state"] == "recovered":
            self._reverse_recovery(repayment_id, repayment["amount_cents"], reason, today)
            return repayment
        if self.status != LoanStatus.COMPLETED:
            self.check_open()
        remaining = [entry for entry in self.entries if entry["id"] != repayment_id]
        lines, parts = self.standing_after(remaining, today)
        self._restate(lines, parts)
        self.trigger_event(
            self.RepaymentReversed,
            repayment_id=repayment_id,
            member_id=self.member_id,
            amount_cents=repayment["amount_cents"],
            reason=reason,
            reversed_on=today.isoformat(),
            after=self.after(lines),
        )
        if self.status == LoanStatus.COMPLETED and self.balance_cents:
            self.trigger_event(
                self.Reopened, member_id=self.member_id, reopened_on=today.isoformat()
            )
        self._note_state(today)
        return repayment

    @event(RepaymentReversed)
    def _reversed(self, *, repayment_id: str, after: dict[str, Any]) -> None:
        self.entries = [entry for entry in self.entries if entry["id"] != repayment_id]
        self.repayments[repayment_id]["state"] = "reversed"
        del self.parts[repayment_id]
        self.assign(after)

    @event(Reopened)
    def _reopened(self) -> None:
        self.status = LoanStatus.ACTIVE

    @event(RepaymentsReallocated)
    def _reallocated(self, *, parts: dict[str, dict[str, int]]) -> None:
        self.parts.update(parts)

    @event(PenaltyCharged)
    def _penalty_charged(self, *, charged_on: str, after: dict[str, Any]) -> None:
        self.latest_on = max(self.latest_on, charged_on)
        self.assign(after)

    @event(PenaltyReversed)
    def _penalty_reversed(self, *, after: dict[str, Any]) -> None:
        self.assign(after)

    def charge_fee(
        self, *, fee_id: str, amount_cents: int, reason: str, due_on: date, today: date
    ) -> None:
        """Charge something beside the schedule, from today on. Raises LoanNotOpen."""
        self.check_open()
        entry = Entry(
            kind="fee",
            id=fee_id,
            cents=amount_cents,
            on=today.isoformat(),
            due_on=due_on.isoformat(),
        )
        lines, parts = self.standing_with(entry, today)
        self._restate(lines, parts)
        self.trigger_event(
            self.FeeCharged,
            fee_id=fee_id,
            member_id=self.member_id,
            amount_cents=amount_cents,
            reason=reason,
            charged_on=today.isoformat(),
            due_on=due_on.isoformat(),
            after=self.after(lines),
        )
        self._note_state(today)

    @event(FeeCharged)
    def _fee_charged(
        self, *, fee_id: str, amount_cents: int, charged_on: str, due_on: str, after: dict[str, Any]
    ) -> None:
        self.entries.append(
            Entry(kind="fee", id=fee_id, cents=amount_cents, on=charged_on, due_on=due_on)
        )
        self.latest_on = max(self.latest_on, charged_on)
        self.assign(after)

    def assess(self, today: date) -> bool:
        """Say what a new day brings: penalties, lateness, an instalment that falls due soon.

        Answers whether that was all: after years without a look it goes only as far as one commit
        can carry.
        """
        if not self.is_open:
            return True
        now = self.standing()
        now.assess(today)
        days = sorted(penalty["charged_on"] for _, _, penalty in self.penalties_changed(now.lines))
        is_all = len(days) <= PENALTIES_AT_ONCE_MAX
        if not is_all:
            today = date.fromisoformat(days[PENALTIES_AT_ONCE_MAX])
            now = self.standing()
            now.assess(today)
        self._restate(now.lines, {})
        self._note_state(today)
        soon = (today + timedelta(days=DUE_SOON_DAYS)).isoformat()
        for line in self.lines:
            if line["number"] > self.due_soon_told and today.isoformat() <= line["due_on"] <= soon:
                self._tell_due_soon(line)
        return is_all

    def settlement(self, on: date, *, today: date) -> Quote:
        """What would settle the loan on a day from today on. Raises LoanNotOpen."""
        self.check_open()
        then = self.standing()
        then.assess(max(on, today))
        return then.settlement(on)

    def restructure(
        self,
        *,
        terms: LoanTerms,
        term_months: int,
        first_due_on: date,
        approved_by: str,
        reason: str,
        today: date,
    ) -> None:
        """Spread what is owed anew: principal, and what is due beside it, become the principal.

        Interest that is not due yet is dropped; the new schedule has its own.

        Raises:
            LoanNotOpen, NothingToRestructure.
        """
        self.check_open()
        self.assess(today)
        owed = self.standing().settlement(today)
        if not owed.principal_cents:
            raise NothingToRestructure
        instalments = schedule(
            terms,
            principal_cents=owed.total_cents,
            term_months=term_months,
            disbursed_on=today,
            first_due_on=first_due_on,
        )
        carried_cents = self.carried_cents + standing.paid_cents(self.lines)
        lines = standing.opening_lines(instalments)
        self.trigger_event(
            self.Restructured,
            member_id=self.member_id,
            principal_cents=owed.total_cents,
            capitalised_cents=owed.total_cents - owed.principal_cents,
            approved_by=approved_by,
            reason=reason,
            terms=terms.as_plain(),
            restructured_on=today.isoformat(),
            instalment_cents=instalments[0].total_cents,
            ends_on=instalments[-1].due_on.isoformat(),
            after=self.after(lines, carried_cents=carried_cents) | {"lines": lines},
        )
        self._note_state(today)

    @event(Restructured)
    def _restructured(
        self, *, terms: dict[str, Any], restructured_on: str, after: dict[str, Any]
    ) -> None:
        self.open_books(terms)
        self.carried_cents = after["paid_cents"]
        self.latest_on = restructured_on
        self.restructured_on = restructured_on
        self.due_soon_told = 0
        for repayment in self.repayments.values():
            if repayment["state"] == "counted":
                repayment["state"] = "settled by restructure"
        self.begin_lines(after, opened_on=restructured_on, accrues_from=restructured_on)

    def write_off(self, *, approved_by: str, reason: str, today: date) -> None:
        """Give up what is owed. Raises LoanNotOpen."""
        self.check_open()
        self.assess(today)
        self.trigger_event(
            self.WrittenOff,
            member_id=self.member_id,
            amount_cents=self.balance_cents,
            principal_cents=self.principal_cents,
            approved_by=approved_by,
            reason=reason,
            written_off_on=today.isoformat(),
            balance_change_cents=-self.balance_cents,
        )

    @event(WrittenOff)
    def _written_off(self, *, amount_cents: int) -> None:
        self.status = LoanStatus.WRITTEN_OFF
        self.recoverable_cents = amount_cents

    def recover(
        self,
        *,
        repayment_id: str,
        amount_cents: int,
        payment_method: str,
        payment_reference: str,
        paid_on: date,
        source_id: str | None = None,
    ) -> None:
        """Take in something of what was written off. Raises RecoveryTooHigh."""
        assert self.status == LoanStatus.WRITTEN_OFF, "only what was given up is recovered"
        if amount_cents > self.recoverable_cents:
            raise RecoveryTooHigh
        self.trigger_event(
            self.RecoveryReceived,
            repayment_id=repayment_id,
            member_id=self.member_id,
            amount_cents=amount_cents,
            payment_method=payment_method,
            payment_reference=payment_reference,
            paid_on=paid_on.isoformat(),
            source_id=source_id,
            recoverable_cents=self.recoverable_cents - amount_cents,
        )

    @event(RecoveryReceived)
    def _recovered(
        self,
        *,
        repayment_id: str,
        amount_cents: int,
        payment_method: str,
        payment_reference: str,
        paid_on: str,
        source_id: str | None,
        recoverable_cents: int,
    ) -> None:
        self.repayments[repayment_id] = {
            "amount_cents": amount_cents,
            "method": payment_method,
            "reference": payment_reference,
            "source_id": source_id,
            "paid_on": paid_on,
            "state": "recovered",
        }
        self.recoverable_cents = recoverable_cents

    def _reverse_recovery(
        self, repayment_id: str, amount_cents: int, reason: str, today: date
    ) -> None:
        self.trigger_event(
            self.RecoveryReversed,
            repayment_id=repayment_id,
            member_id=self.member_id,
            amount_cents=amount_cents,
            reason=reason,
            reversed_on=today.isoformat(),
            recoverable_cents=self.recoverable_cents + amount_cents,
        )

    @event(RecoveryReversed)
    def _recovery_reversed(self, *, repayment_id: str, recoverable_cents: int) -> None:
        self.repayments[repayment_id]["state"] = "reversed"
        self.recoverable_cents = recoverable_cents

    def _restate(self, lines: list[Line], parts: dict[str, Parts]) -> None:
        """Say what an entry, or a day, changed besides itself."""
        for is_new, line, penalty in self.penalties_changed(lines):
            others = [other for other in self.lines if other["number"] != line["number"]]
            self.trigger_event(
                self.PenaltyCharged if is_new else self.PenaltyReversed,
                member_id=self.member_id,
                number=line["number"],
                charged_on=penalty["charged_on"],
                amount_cents=penalty["cents"],
                after=self.after([*others, line]),
            )
        if parts:
            self.trigger_event(self.RepaymentsReallocated, member_id=self.member_id, parts=parts)

    def _note_state(self, today: date) -> None:
        """Say that the loan is completed, late or no longer late, when that is new."""
        on = today.isoformat()
        if not self.balance_cents:
            if self.is_open:
                self.trigger_event(self.Completed, member_id=self.member_id, completed_on=on)
            return
        overdue_cents = self.overdue_cents(today)
        if not overdue_cents:
            if self.overdue:
                self.trigger_event(self.BecameCurrent, member_id=self.member_id, noted_on=on)
            return
        since = standing.due_since(self.lines)
        assert since is not None, "something is late, so something is open"
        days = (today - date.fromisoformat(since)).days
        long = days > self.terms.default_after_days
        status = LoanStatus.DEFAULTED if long else LoanStatus.ACTIVE
        if not self.overdue or status != self.status:
            self.trigger_event(
                self.BecameOverdue,
                member_id=self.member_id,
                status=str(status),
                overdue_cents=overdue_cents,
                due_since=since,
                noted_on=on,
            )

    @event(BecameOverdue)
    def _became_overdue(self, *, status: str) -> None:
        self.status = status
        self.overdue = True

    @event(BecameCurrent)
    def _became_current(self) -> None:
        self.status = LoanStatus.ACTIVE
        self.overdue = False

    @event(Completed)
    def _completed(self) -> None:
        self.status = LoanStatus.COMPLETED
        self.overdue = False

    def _tell_due_soon(self, line: Line) -> None:
        open_cents = standing.open_cents(line)
        if open_cents:
            self.trigger_event(
                self.InstalmentDueSoon,
                member_id=self.member_id,
                number=line["number"],
                due_on=line["due_on"],
                amount_cents=open_cents,
            )

    @event(InstalmentDueSoon)
    def _due_soon(self, *, number: int) -> None:
        self.due_soon_told = number

    def _check_pending(self) -> None:
        if self.status != LoanStatus.PENDING:
            raise NotPending(self.status)

    def check_open(self) -> None:
        """Raises LoanNotOpen."""
        if not self.is_open:
            raise LoanNotOpen(self.status)


def _interest_cents(lines: list[Line]) -> int:
    return sum(line["interest"] for line in lines)
