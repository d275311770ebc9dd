"""How pushes are asked for and settled, and how receipts find their place.

One receipt is posted once, whoever tells of it and in whatever order: the receipt's stream id is
made from its number, and a push is posted once because both ways of posting it (by receipt, or by
query without one) claim the same unique key.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from domain.contributions.account import MemberAccount
from domain.contributions.rules import ContributionType
from domain.dates import business_day, text_from_moment
from domain.errors import InvalidInput
from domain.identities import account_id, receipt_id
from domain.loans.lookup import loan_of
from domain.members.handlers import member_of
from domain.members.member import Member
from domain.money import whole_shillings_up
from domain.mpesa.commands import RecordPushResult, RecordQueryAnswer, RequestPush
from domain.mpesa.errors import (
    AccountReferenceTaken,
    AmountAboveMpesaLimit,
    LoanOfAnotherMember,
    PaymentRequestAlreadyWaiting,
    PushNotFound,
)
from domain.mpesa.outcome import Outcome
from domain.mpesa.posting import Payment, Posted, post, posted_before, posting_key
from domain.mpesa.receipt import Receipt, SuspenseReason
from domain.mpesa.result_codes import Verdict, stk_meaning, stk_verdict
from domain.mpesa.stk_push import PAID_STATES, Push, PushPurpose, PushState
from domain.phones import normalised_phone
from domain.store import AggregateStore, Key

PUSH_SHILLINGS_MAX = 250_000  # Safaricom's limit for one transaction
ACCOUNT_REFERENCE = "push.account_reference"
LIVE_PHONE = "push.live_phone"


def request_push(command: RequestPush, store: AggregateStore) -> Push:
    """Ask for money. One live push a phone: the member could not tell two prompts apart."""
    member = member_of(command.member_id, store)
    member.check_active()
    _check_amount(command, store)
    push_shillings = whole_shillings_up(command.amount_cents)
    if push_shillings > PUSH_SHILLINGS_MAX:
        raise AmountAboveMpesaLimit
    phone = normalised_phone(command.phone) if command.phone else member.phone
    assert phone is not None, "an active member has a phone"
    push: Push = Push.begin(
        Push.Requested,
        stream_id=command.push_id,
        member_id=str(member.id),
        phone=phone,
        purpose=str(command.purpose),
        amount_cents=command.amount_cents,
        push_shillings=push_shillings,
        account_reference=command.account_reference,
        short_code=command.short_code,
        requested_at=text_from_moment(command.now),
        loan_id=str(command.loan_id) if command.loan_id else None,
    )
    store.save(
        push,
        claims=(
            Key(ACCOUNT_REFERENCE, command.account_reference, taken=AccountReferenceTaken),
            Key(LIVE_PHONE, phone, taken=PaymentRequestAlreadyWaiting),
        ),
    )
    return push


def _check_amount(command: RequestPush, store: AggregateStore) -> None:
    """The smallest amounts, and that a repayment names a loan of this member that takes money."""
    if command.purpose is not PushPurpose.LOAN_REPAYMENT:
        if command.loan_id is not None:
            raise InvalidInput("loan_id", "Only a loan repayment names a loan.")
        command.rules.check(
            contribution_type=ContributionType(command.purpose), amount_cents=command.amount_cents
        )
        return
    if command.loan_id is None:
        raise InvalidInput("loan_id", "Name the loan that is to be repaid.")
    loan = loan_of(command.loan_id, store)
    if loan.member_id != str(command.member_id):
        raise LoanOfAnotherMember
    if not loan.takes_money:
        loan.check_open()


def record_push_result(command: RecordPushResult, store: AggregateStore) -> Outcome:
    """Settle a push by what Safaricom called back. Repeats and stragglers change nothing."""
    push = _existing(command.push_id, store)
    if push.checkout_request_id not in (None, command.checkout_request_id):
        return Outcome.OTHER_CHECKOUT_REQUEST
    if stk_verdict(command.result_code) is Verdict.SUCCESS:
        return _record_receipt(push, command, store)
    return _record_failure(push, command, store)


def record_query_answer(command: RecordQueryAnswer, store: AggregateStore) -> Outcome:
    """Settle a push by the answer to our query."""
    push = _existing(command.push_id, store)
    verdict = stk_verdict(command.result_code)
    at = text_from_moment(command.now)
    if verdict is Verdict.PENDING:
        return Outcome.STILL_PENDING
    if verdict is Verdict.SUCCESS:
        return _post_without_receipt(push, command.now, store)
    if push.state in PAID_STATES:
        return Outcome.CONTRADICTS_PAYMENT
    before = push.version
    reason = stk_meaning(command.result_code)
    if verdict is Verdict.CANCELLED:
        push.cancel(result_code=command.result_code, reason=reason, at=at)
    else:
        definite = verdict is Verdict.FAILED
        push.fail(result_code=command.result_code, reason=reason, definite=definite, at=at)
    return _saved(push, store, before=before)


def release_phone(push: Push, store: AggregateStore, *, claims: tuple[Key, ...] = ()) -> None:
    """Save a push that waits on the phone no more, so that another may be asked for.

    An erased member's phone was released by the erasure.
    """
    releases = (Key(LIVE_PHONE, push.phone),) if push.phone else ()
    store.save(push, claims=claims, releases=releases)


def _record_receipt(push: Push, command: RecordPushResult, store: AggregateStore) -> Outcome:
    assert command.receipt_number is not None
    assert command.amount_cents is not None
    assert command.paid_at is not None
    if push.receipt_id == str(receipt_id(command.receipt_number)):
        return Outcome.ALREADY_KNOWN
    receipt = store.find(Receipt, receipt_id(command.receipt_number))
    if receipt is not None:
        return _attach_known_receipt(push, receipt, command, store)
    receipt = _received(push, command)
    if push.receipt_id is not None:
        receipt.suspend(SuspenseReason.PUSH_ALREADY_PAID)
        store.save(receipt)
        return Outcome.SECOND_RECEIPT
    if push.state == PushState.PAID_RECEIPT_AWAITED:
        posted_cents = min(push.posted_cents, receipt.amount_cents)
        receipt.attach_to_push(push.id, posted_cents=posted_cents)
        if receipt.unplaced_cents:
            receipt.suspend(_why_not_posted(push))
        posted = posted_before(push, store) if push.posted_cents else None
        _succeed(push, receipt, posted=posted)
    else:
        _place_or_suspend(push, receipt, command, store)
    store.save(receipt)
    release_phone(push, store)
    if receipt.amount_cents < push.posted_cents:
        return Outcome.RECEIPT_BELOW_POSTED
    return Outcome.APPLIED


def _received(push: Push, command: RecordPushResult) -> Receipt:
    assert command.receipt_number is not None
    assert command.amount_cents is not None
    assert command.paid_at is not None
    receipt: Receipt = Receipt.begin(
        Receipt.Received,
        stream_id=receipt_id(command.receipt_number),
        receipt_number=command.receipt_number,
        amount_cents=command.amount_cents,
        paid_at=text_from_moment(command.paid_at),
        channel="stk_callback",
        member_id=push.member_id,
        payer_phone=command.payer_phone,
    )
    return receipt


def _place_or_suspend(
    push: Push, receipt: Receipt, command: RecordPushResult, store: AggregateStore
) -> None:
    receipt.attach_to_push(push.id)
    account = store.find(MemberAccount, account_id(UUID(push.member_id)))
    member = store.find(Member, UUID(push.member_id))
    reason = _why_not_placed(push, command, account, member)
    if reason is not None:
        receipt.suspend(reason)
        _succeed(push, receipt, posted=None)
        return
    assert command.paid_at is not None
    payment = Payment(
        source_id=receipt.id,
        reference=receipt.receipt_number,
        paid_on=business_day(command.paid_at),
        today=business_day(command.now),
    )
    _succeed(push, receipt, posted=post(push, payment, receipt=receipt, store=store))


def _attach_known_receipt(
    push: Push, receipt: Receipt, command: RecordPushResult, store: AggregateStore
) -> Outcome:
    """The receipt was posted before we knew whose push it pays: tie them, post nothing."""
    if receipt.push_id not in (None, str(push.id)):
        return Outcome.RECEIPT_OF_ANOTHER_PUSH
    if push.receipt_id is not None:
        return Outcome.SECOND_RECEIPT
    if receipt.amount_cents != command.amount_cents:
        return Outcome.RECEIPT_WITH_OTHER_AMOUNT
    if push.state == PushState.PAID_RECEIPT_AWAITED:
        return Outcome.CONTRADICTS_PAYMENT
    receipt.attach_to_push(push.id)
    _succeed(push, receipt, posted=None if receipt.suspended_cents else Posted())
    store.save(receipt, claims=(posting_key(push),))
    release_phone(push, store)
    return Outcome.APPLIED


def _record_failure(push: Push, command: RecordPushResult, store: AggregateStore) -> Outcome:
    if push.state in PAID_STATES:
        return Outcome.CONTRADICTS_PAYMENT
    before = push.version
    at = text_from_moment(command.now)
    verdict = stk_verdict(command.result_code)
    reason = stk_meaning(command.result_code)
    if verdict is Verdict.CANCELLED:
        push.cancel(result_code=command.result_code, reason=reason, at=at)
    elif verdict is Verdict.FAILED:
        push.fail(result_code=command.result_code, reason=reason, definite=True, at=at)
    else:
        _note_checkout_request(push, command, at=at)
        push.report_failure(result_code=command.result_code, reason=reason, at=at)
        if push.version != before:
            store.save(push)
        return Outcome.APPLIED if push.version != before else Outcome.ALREADY_KNOWN
    return _saved(push, store, before=before)


def _note_checkout_request(push: Push, command: RecordPushResult, *, at: str) -> None:
    """A callback proves what a lost acknowledgement would have told, so that we can query."""
    push.accept(merchant_request_id="", checkout_request_id=command.checkout_request_id, at=at)


def _post_without_receipt(push: Push, now: datetime, store: AggregateStore) -> Outcome:
    if push.state in PAID_STATES:
        return Outcome.ALREADY_KNOWN
    if not push.believes_late_success:
        return Outcome.CONTRADICTS_PAYMENT
    if not member_of(UUID(push.member_id), store).belongs:
        push.await_receipt(posted_cents=0, at=text_from_moment(now))
        release_phone(push, store, claims=(posting_key(push),))
        return Outcome.APPLIED
    day = business_day(now)
    payment = Payment(push.id, push.account_reference, paid_on=day, today=day)
    post(push, payment, receipt=None, store=store)
    push.await_receipt(posted_cents=push.push_cents, at=text_from_moment(now))
    release_phone(push, store)
    return Outcome.APPLIED


def _why_not_posted(push: Push) -> SuspenseReason:
    """Why a part of a receipt has no place though its push was settled by query before."""
    return SuspenseReason.AMOUNT_MISMATCH if push.posted_cents else SuspenseReason.MEMBER_NOT_ACTIVE


def _why_not_placed(
    push: Push,
    command: RecordPushResult,
    account: MemberAccount | None,
    member: Member | None,
) -> SuspenseReason | None:
    if member is not None and not member.belongs:
        return SuspenseReason.MEMBER_NOT_ACTIVE
    if not push.believes_late_success:
        return SuspenseReason.PUSH_ALREADY_CLOSED
    if command.amount_cents != push.push_cents:
        return SuspenseReason.AMOUNT_MISMATCH
    if command.payer_phone not in (None, push.phone):
        return SuspenseReason.PAYER_MISMATCH
    if account is None:
        return SuspenseReason.NO_ACCOUNT
    return None


def _succeed(push: Push, receipt: Receipt, *, posted: Posted | None) -> None:
    """Tie the receipt to its push. Nothing was posted where the money is in suspense."""
    push.succeed(
        receipt_id=str(receipt.id),
        receipt_number=receipt.receipt_number,
        amount_cents=receipt.amount_cents,
        paid_at=receipt.paid_at,
        placed=posted is not None,
        contribution_ids=list(posted.contribution_ids) if posted else [],
        repayment_id=posted.repayment_id if posted else None,
    )


def _saved(push: Push, store: AggregateStore, *, before: int) -> Outcome:
    if push.version == before:
        return Outcome.ALREADY_KNOWN
    release_phone(push, store)
    return Outcome.APPLIED


def _existing(push_id: UUID, store: AggregateStore) -> Push:
    push = store.find(Push, push_id)
    if push is None:
        raise PushNotFound
    return push
