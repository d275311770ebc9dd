"""Paying a loan out by M-Pesa: in one part or two, each a payout, the next once the last is paid.

The approval of the loan is the approval of its payouts. The loan counts as paid out on the day its
last part reached the member; the cents that M-Pesa cannot move go to the member's deposits then.
"""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from domain.contributions.handlers import account_of
from domain.contributions.rules import ContributionType, PaymentMethod
from domain.dates import business_day, text_from_moment
from domain.identities import contribution_id, payout_id
from domain.loans.commands import PayOutLoan
from domain.loans.errors import PayoutUnderReview, TooLittleByMpesa
from domain.loans.first_due import check_first_due, first_due
from domain.loans.loan import Loan
from domain.loans.lookup import loan_of
from domain.members.handlers import member_of
from domain.money import CENTS_PER_SHILLING
from domain.mpesa.errors import DisbursementAboveMpesaLimit
from domain.mpesa.payout import Payout
from domain.mpesa.payout_states import UNSENT_STATES, PayoutPurpose, PayoutState
from domain.mpesa.payouts import PAYOUT_SHILLINGS_MAX, PAYOUT_SHILLINGS_MIN, begin_payout
from domain.store import AggregateStore

DISBURSEMENT_SHILLINGS_MAX = 500_000
"""What a phone may receive in a day, and hold (Safaricom's limits)."""


def pay_out_loan(command: PayOutLoan, store: AggregateStore) -> Loan:
    """Begin the payouts of a loan that was approved before, or that failed to be paid out."""
    loan = loan_of(command.loan_id, store)
    if command.first_due_on is not None:
        check_first_due(command.first_due_on, business_day(command.pay_out.now))
    start_payouts(
        loan,
        short_code=command.pay_out.short_code,
        requested_by=command.principal_id,
        first_due_on=command.first_due_on,
        now=command.pay_out.now,
        store=store,
    )
    store.save(loan)
    return loan


def start_payouts(
    loan: Loan,
    *,
    short_code: str,
    requested_by: str,
    first_due_on: date | None,
    now: datetime,
    store: AggregateStore,
) -> None:
    """Begin with the first part. The loan is not saved yet.

    Raises:
        NotApproved, PayoutUnderWay, PayoutUnderReview, MemberNotActive;
        DisbursementAboveMpesaLimit, TooLittleByMpesa: it must be paid out otherwise.
    """
    loan.check_payable()
    check_no_part_under_review(loan, store)
    member_of(UUID(loan.member_id), store).check_active()
    _begin_part(
        loan,
        short_code=short_code,
        requested_by=requested_by,
        first_due_on=first_due_on.isoformat() if first_due_on else "",
        now=now,
        store=store,
    )


def parts_of(unpaid_cents: int) -> list[int]:
    """How a sum goes out by M-Pesa, in cents of whole shillings.

    Raises:
        DisbursementAboveMpesaLimit, TooLittleByMpesa.
    """
    shillings = unpaid_cents // CENTS_PER_SHILLING
    if shillings > DISBURSEMENT_SHILLINGS_MAX:
        raise DisbursementAboveMpesaLimit
    if shillings < PAYOUT_SHILLINGS_MIN:
        raise TooLittleByMpesa
    if shillings <= PAYOUT_SHILLINGS_MAX:
        return [shillings * CENTS_PER_SHILLING]
    # The last part is no smaller than M-Pesa pays.
    first = min(PAYOUT_SHILLINGS_MAX, shillings - PAYOUT_SHILLINGS_MIN)
    return [first * CENTS_PER_SHILLING, (shillings - first) * CENTS_PER_SHILLING]


def is_part_under_review(loan: Loan, store: AggregateStore) -> bool:
    """Whether it is not known of an earlier payout if it reached the member."""
    earlier = (
        store.find(Payout, payout_id(loan.id, number=number))
        for number in range(1, loan.payouts_begun + 1)
    )
    return any(each is not None and each.state == PayoutState.REVIEW for each in earlier)


def check_no_part_under_review(loan: Loan, store: AggregateStore) -> None:
    """Raises PayoutUnderReview."""
    if is_part_under_review(loan, store):
        raise PayoutUnderReview


def loan_part_paid(
    payout: Payout,
    *,
    receipt_number: str | None,
    completed_at: datetime,
    now: datetime,
    store: AggregateStore,
) -> bool:
    """Count a payout on its loan, and go on. Answers False where the loan was paid otherwise."""
    assert receipt_number is not None, "what a phone was paid has a receipt"
    loan = loan_of(UUID(payout.source_id), store)
    was_expected = loan.payout is not None and loan.payout["id"] == str(payout.id)
    if not was_expected:
        _call_off_unsent(loan, now=now, store=store)
    if not loan.takes_part(payout_id=str(payout.id), amount_cents=payout.amount_cents):
        return False
    today = business_day(now)
    day = min(business_day(completed_at), today)
    loan.note_part_paid(
        payout_id=str(payout.id),
        amount_cents=payout.amount_cents,
        payment_reference=receipt_number,
        on=day,
    )
    if loan.unpaid_cents < CENTS_PER_SHILLING:
        _disburse(loan, reference=receipt_number, on=day, today=today, store=store)
    elif was_expected:
        _begin_part(
            loan,
            short_code=payout.short_code,
            requested_by=payout.requested_by,
            first_due_on=loan.first_due_on,
            now=now,
            store=store,
        )
    store.save(loan)
    return True


def loan_part_not_paid(
    payout: Payout, *, reason: str, now: datetime, store: AggregateStore
) -> bool:
    """Let the loan wait to be paid out; or, where it counted this part, give it to the deposits.

    Answers False where there are no deposits any more.
    """
    loan = loan_of(UUID(payout.source_id), store)
    today = business_day(now)
    if loan.note_payout_failed(payout_id=str(payout.id), reason=reason, on=today):
        store.save(loan)
        return True
    return _give_to_deposits(
        loan,
        amount_cents=payout.amount_cents,
        source_id=payout.id,
        reference=loan.loan_number,
        on=today,
        store=store,
    )


def _call_off_unsent(loan: Loan, *, now: datetime, store: AggregateStore) -> None:
    """An earlier payout has paid after all: one that took its place must not leave as well."""
    if loan.payout is None:
        return
    other = store.get(Payout, UUID(loan.payout["id"]))
    if other.state not in UNSENT_STATES:
        return
    reason = "An earlier payout of this loan has paid after all."
    other.fail(
        result_code="called_off",
        reason=reason,
        at=text_from_moment(now),
        source="us",
        settled_by=None,
        is_placed=True,
    )
    store.save(other)
    loan.note_payout_failed(payout_id=str(other.id), reason=reason, on=business_day(now))


def _begin_part(
    loan: Loan,
    *,
    short_code: str,
    requested_by: str,
    first_due_on: str,
    now: datetime,
    store: AggregateStore,
) -> None:
    parts_cents = parts_of(loan.unpaid_cents)
    part_id = payout_id(loan.id, number=loan.payouts_begun + 1)
    loan.start_payout(
        payout_id=str(part_id),
        parts_cents=parts_cents,
        requested_by=requested_by,
        first_due_on=first_due_on,
        on=business_day(now),
    )
    member = member_of(UUID(loan.member_id), store)
    assert member.phone is not None, "who has a loan granted has not been erased"
    begin_payout(
        payout_id=part_id,
        purpose=PayoutPurpose.LOAN_DISBURSEMENT,
        source_id=loan.id,
        member_id=member.id,
        phone=member.phone,
        amount_cents=parts_cents[0],
        short_code=short_code,
        requested_by=requested_by,
        approved_by=loan.approved_by,
        now=now,
        store=store,
    )


def _disburse(loan: Loan, *, reference: str, on: date, today: date, store: AggregateStore) -> None:
    rest_cents = loan.unpaid_cents
    asked = date.fromisoformat(loan.first_due_on) if loan.first_due_on else None
    loan.disburse(
        payment_method=PaymentMethod.MPESA,
        payment_reference=reference,
        on=on,
        first_due_on=first_due(asked, paid_out_on=on),
        to_deposits_cents=rest_cents,
    )
    if rest_cents:
        _give_to_deposits(
            loan,
            amount_cents=rest_cents,
            source_id=loan.id,
            reference=reference,
            on=on,
            store=store,
        )
    loan.assess(today)


def _give_to_deposits(
    loan: Loan,
    *,
    amount_cents: int,
    source_id: UUID,
    reference: str,
    on: date,
    store: AggregateStore,
) -> bool:
    account = account_of(UUID(loan.member_id), store)
    if account.is_closed:
        return False
    account.receive(
        contribution_id=contribution_id(source_id=source_id, part="payout"),
        contribution_type=ContributionType.MONTHLY,
        amount_cents=amount_cents,
        payment_method=PaymentMethod.MPESA,
        payment_reference=reference,
        contributed_on=on,
        source_id=source_id,
    )
    store.save(account)
    return True
