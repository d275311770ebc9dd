"""How pushes are asked for and settled.

What a receipt does to a push stands in `receipts.py`: a push's callback is one of the channels that
tell of receipts.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from domain.contributions.rules import ContributionRules, ContributionType
from domain.dates import business_day, text_from_moment
from domain.errors import InvalidInput
from domain.loans.lookup import loan_of
from domain.members.handlers import member_of
from domain.money import whole_shillings_up
from domain.mpesa.commands import (
    RecordPushResult,
    RecordQueryAnswer,
    RequestPush,
    RetryPush,
    ToldReceipt,
)
from domain.mpesa.errors import (
    AmountAboveMpesaLimit,
    AskedAMomentAgo,
    AskedTooOften,
    CannotAskAgain,
    LoanOfAnotherMember,
    PushNotFound,
)
from domain.mpesa.keys import (
    live_phone_key,
    payer_key,
    posting_key,
    reference_key,
    release_phone,
    retry_key,
)
from domain.mpesa.outcome import Outcome
from domain.mpesa.payer import Payer
from domain.mpesa.posting import Destination, Payment, post
from domain.mpesa.receipt import Channel
from domain.mpesa.receipts import settle_push
from domain.mpesa.result_codes import Verdict, stk_meaning, stk_verdict
from domain.mpesa.stk_push import PAID_STATES, Push, PushPurpose, PushState
from domain.phones import normalised_phone
from domain.store import AggregateStore, Key

PUSH_SHILLINGS_MAX = 250_000  # Safaricom's limit for one transaction
TRIES_MAX = 3
MAY_BE_ASKED_AGAIN = frozenset(
    {PushState.REJECTED, PushState.FAILED, PushState.CANCELLED, PushState.EXPIRED}
)
SAME_AMOUNT_AFTER = timedelta(minutes=2)  # sooner M-Pesa refuses it as a repeat (code 17)


def request_push(command: RequestPush, store: AggregateStore) -> Push:
    """Ask for money. One live push a phone: the member could not tell two prompts apart."""
    return _ask(command, store)


def retry_push(command: RetryPush, store: AggregateStore) -> Push:
    """Ask again what came to nothing, as a push of its own that is linked to the other.

    Raises:
        CannotAskAgain: it is under way, in doubt, or paid.
        AskedTooOften, AskedAMomentAgo, AskedAgainAlready: beyond the limits.
    """
    before = push_of(command.retry_of, store)
    if before.state not in MAY_BE_ASKED_AGAIN or before.phone is None:
        raise CannotAskAgain
    if before.try_number >= TRIES_MAX:
        raise AskedTooOften
    if command.now < datetime.fromisoformat(before.asked_at) + SAME_AMOUNT_AFTER:
        raise AskedAMomentAgo
    again = RequestPush(
        push_id=command.push_id,
        member_id=UUID(before.member_id),
        phone=before.phone,
        purpose=PushPurpose(before.purpose),
        amount_cents=before.amount_cents,
        account_reference=command.account_reference,
        short_code=before.short_code,
        now=command.now,
        rules=command.rules,
        loan_id=UUID(before.loan_id) if before.loan_id else None,
    )
    return _ask(again, store, before=before)


def _ask(command: RequestPush, store: AggregateStore, *, before: Push | None = None) -> Push:
    member = member_of(command.member_id, store)
    member.check_active()
    _check_amount(command, command.rules, store)
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
        retry_of=str(before.id) if before else None,
        try_number=before.try_number + 1 if before else 1,
    )
    claims: list[Key] = [reference_key(command.account_reference), live_phone_key(phone)]
    by_payer = payer_key(push)
    claims += [by_payer] if by_payer else []
    claims += [retry_key(before)] if before else []
    store.save(push, claims=tuple(claims))
    return push


def _check_amount(command: RequestPush, rules: ContributionRules, store: AggregateStore) -> None:
    """The smallest amounts, and that a repayment names a loan of this member that takes money."""
    if command.purpose is not PushPurpose.LOAN_REPAYMENT:
        if command.loan_id is not None:
            raise InvalidInput("loan_id", "Only a loan repayment names a loan.")
        rules.check(
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
    push = push_of(command.push_id, store)
    if push.checkout_request_id not in (None, command.checkout_request_id):
        return Outcome.OTHER_CHECKOUT_REQUEST
    if stk_verdict(command.result_code) is Verdict.SUCCESS:
        return settle_push(push, _told(push, command), store)
    return _record_failure(push, command, store)


def _told(push: Push, command: RecordPushResult) -> ToldReceipt:
    assert command.receipt_number is not None
    assert command.amount_cents is not None
    assert command.paid_at is not None
    return ToldReceipt(
        receipt_number=command.receipt_number,
        amount_cents=command.amount_cents,
        paid_at=command.paid_at,
        channel=Channel.STK_CALLBACK,
        short_code=push.short_code,
        account_number=None,
        payer=Payer(phone=command.payer_phone),
        now=command.now,
    )


def record_query_answer(command: RecordQueryAnswer, store: AggregateStore) -> Outcome:
    """Settle a push by the answer to our query."""
    push = push_of(command.push_id, store)
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
    payment = Payment(push.id, push.account_reference, push.push_cents, paid_on=day, today=day)
    destination = Destination.of_push(push)
    post(destination, payment, receipt=None, store=store, claims=(posting_key(push),))
    push.await_receipt(posted_cents=push.push_cents, at=text_from_moment(now))
    release_phone(push, store)
    return Outcome.APPLIED


def _saved(push: Push, store: AggregateStore, *, before: int) -> Outcome:
    if push.version == before:
        return Outcome.ALREADY_KNOWN
    release_phone(push, store)
    return Outcome.APPLIED


def push_of(push_id: UUID, store: AggregateStore) -> Push:
    """The push as it stands. Raises PushNotFound."""
    push = store.find(Push, push_id)
    if push is None:
        raise PushNotFound
    return push
