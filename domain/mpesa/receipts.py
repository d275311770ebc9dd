"""How receipts find their place, whoever tells of them and in whatever order.

One receipt is posted once: its stream id is made from its number, and a push is posted once because
both ways of posting it (by receipt, or by query without one) claim the same unique key. So the same
money, told by a push's callback, a paybill confirmation, a pull and a statement, in any order and
any number of times, meets itself.

A receipt is a push's if its callback says so, or if it carries the push's account reference. Else
the account number tells whose it is. Only where that leads nowhere (a till has none) it may be the
one push of its payer and amount within ten minutes.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID

from domain.contributions.account import MemberAccount
from domain.dates import business_day, text_from_moment
from domain.identities import account_id, receipt_id
from domain.members.member import Member
from domain.mpesa.account_numbers import destination_of, normalised
from domain.mpesa.commands import RecordReceipt, ToldReceipt
from domain.mpesa.keys import (
    ACCOUNT_REFERENCE,
    PAYER_AND_AMOUNT,
    payer_and_amount,
    posting_key,
    release_phone,
)
from domain.mpesa.outcome import Outcome
from domain.mpesa.posting import Destination, Payment, Posted, post, posted_before
from domain.mpesa.receipt import Receipt, SuspenseReason
from domain.mpesa.stk_push import Push, PushState
from domain.store import AggregateStore

PUSH_ANSWERED_WITHIN = timedelta(minutes=10)
CLOCKS_APART = timedelta(minutes=1)  # between M-Pesa's clock and ours
_LEADS_NOWHERE = (SuspenseReason.ACCOUNT_NUMBER_MISSING, SuspenseReason.ACCOUNT_NUMBER_UNKNOWN)


def record_receipt(command: RecordReceipt, store: AggregateStore) -> Outcome:
    """Take in money that a paybill confirmation, a pull or a statement tells of."""
    receipt = store.find(Receipt, receipt_id(command.receipt_number))
    push = push_by_reference(command.account_number, store)
    if push is not None and (receipt is None or receipt.push_id is None):
        return settle_push(push, command, store)
    if receipt is not None:
        same = receipt.amount_cents == command.amount_cents
        return Outcome.ALREADY_KNOWN if same else Outcome.RECEIPT_WITH_OTHER_AMOUNT
    found = destination_of(command.account_number, command.rules, store)
    if found in _LEADS_NOWHERE:
        pushes = list(pushes_perhaps_paid(command, store))
        if len(pushes) == 1:
            return settle_push(pushes[0], command, store)
        found = SuspenseReason.SEVERAL_PUSHES if pushes else found
    if isinstance(found, Destination):
        _place(found, command, store)
    else:
        receipt = _received(command, member_id=None)
        receipt.suspend(found)
        store.save(receipt)
    return Outcome.APPLIED


def push_by_reference(account_number: str | None, store: AggregateStore) -> Push | None:
    """The push whose account reference this is."""
    reference = normalised(account_number)
    found = store.lookup(ACCOUNT_REFERENCE, reference) if reference else []
    return store.find(Push, found[0]) if found else None


def pushes_perhaps_paid(told: ToldReceipt, store: AggregateStore) -> Iterator[Push]:
    """The pushes of the same payer and amount, within ten minutes, whose receipt is still to come.

    A number that was told masked finds none.
    """
    payer = told.payer.phone_hash
    if payer is None:
        return
    for push_id in store.lookup(PAYER_AND_AMOUNT, payer_and_amount(payer, told.amount_cents)):
        push = store.find(Push, push_id)
        if push is not None and push.receipt_id is None and push.believes_late_success:
            asked_at = datetime.fromisoformat(push.requested_at)
            in_time = asked_at - CLOCKS_APART <= told.paid_at <= asked_at + PUSH_ANSWERED_WITHIN
            if in_time and told.short_code in (None, push.short_code):
                yield push


def settle_push(push: Push, told: ToldReceipt, store: AggregateStore) -> Outcome:
    """Take in the receipt of a push, whichever channel tells of it."""
    receipt = store.find(Receipt, receipt_id(told.receipt_number))
    if push.receipt_id == str(receipt_id(told.receipt_number)):
        # Looked for a moment before the push was read, the receipt may not have been there yet.
        same = receipt is None or receipt.amount_cents == told.amount_cents
        return Outcome.ALREADY_KNOWN if same else Outcome.RECEIPT_WITH_OTHER_AMOUNT
    if receipt is not None:
        return _settle_with_known(push, receipt, told, store)
    receipt = _received(told, member_id=push.member_id)
    if push.receipt_id is not None:
        receipt.suspend(SuspenseReason.PUSH_ALREADY_PAID)
        store.save(receipt)
        return Outcome.SECOND_RECEIPT
    return settle(push, receipt, told, store)


def settle(push: Push, receipt: Receipt, told: ToldReceipt, store: AggregateStore) -> Outcome:
    """Tie a push to its receipt, none of whose money has a place yet, and place it."""
    if push.state == PushState.PAID_RECEIPT_AWAITED:
        receipt.attach_to_push(
            push.id,
            member_id=push.member_id,
            posted_cents=min(push.posted_cents, receipt.unplaced_cents),
        )
        if receipt.unplaced_cents:
            receipt.suspend(_why_not_posted(push))
        posted = posted_before(push, store) if push.posted_cents else None
        succeed(push, receipt, posted=posted)
    else:
        _place_for_push(push, receipt, told, store)
    store.save(receipt)
    release_phone(push, store)
    if receipt.amount_cents < push.posted_cents:
        return Outcome.RECEIPT_BELOW_POSTED
    return Outcome.APPLIED


def _settle_with_known(
    push: Push, receipt: Receipt, told: ToldReceipt, store: AggregateStore
) -> Outcome:
    """The receipt came before we knew whose push it pays.

    What waits in suspense untouched now has its place. Else the money has found one, or somebody
    is about to say where it goes: the two are tied, and nothing is posted.
    """
    if receipt.push_id not in (None, str(push.id)):
        return Outcome.RECEIPT_OF_ANOTHER_PUSH
    if push.receipt_id is not None:
        return Outcome.SECOND_RECEIPT
    if receipt.amount_cents != told.amount_cents:
        return Outcome.RECEIPT_WITH_OTHER_AMOUNT
    if receipt.is_untouched:
        receipt.release(amount_cents=receipt.suspended_cents, because="push_found")
        return settle(push, receipt, told, store)
    if push.state == PushState.PAID_RECEIPT_AWAITED and push.posted_cents:
        return Outcome.POSTED_APART
    claims = () if push.state == PushState.PAID_RECEIPT_AWAITED else (posting_key(push),)
    receipt.attach_to_push(push.id, member_id=push.member_id)
    succeed(push, receipt, posted=None if receipt.suspended_cents else Posted())
    store.save(receipt)
    release_phone(push, store, claims=claims)
    return Outcome.APPLIED


def _received(told: ToldReceipt, *, member_id: str | None) -> Receipt:
    receipt: Receipt = Receipt.begin(
        Receipt.Received,
        stream_id=receipt_id(told.receipt_number),
        receipt_number=told.receipt_number,
        amount_cents=told.amount_cents,
        paid_at=text_from_moment(told.paid_at),
        channel=str(told.channel),
        member_id=member_id,
        payer_phone=told.payer.phone,
        short_code=told.short_code,
        account_number=told.account_number,
        payer_name=told.payer.name,
        payer_hint=told.payer.hint,
    )
    return receipt


def _place(destination: Destination, told: RecordReceipt, store: AggregateStore) -> None:
    receipt = _received(told, member_id=str(destination.member_id))
    post(destination, payment_of(receipt, told), receipt=receipt, store=store)
    store.save(receipt)


def _place_for_push(push: Push, receipt: Receipt, told: ToldReceipt, store: AggregateStore) -> None:
    receipt.attach_to_push(push.id, member_id=push.member_id)
    reason = _why_not_placed(push, told, store)
    if reason is not None:
        receipt.suspend(reason)
        succeed(push, receipt, posted=None)
        return
    posted = post(
        Destination.of_push(push),
        payment_of(receipt, told),
        receipt=receipt,
        store=store,
        claims=(posting_key(push),),
    )
    succeed(push, receipt, posted=posted)


def payment_of(receipt: Receipt, told: ToldReceipt) -> Payment:
    """The payment that a receipt is, on the day it was paid."""
    return Payment(
        source_id=receipt.id,
        reference=receipt.receipt_number,
        amount_cents=receipt.unplaced_cents,
        paid_on=business_day(told.paid_at),
        today=business_day(told.now),
    )


def _why_not_posted(push: Push) -> SuspenseReason:
    """Why a part of a receipt has no place though its push was settled by query before."""
    return SuspenseReason.AMOUNT_MISMATCH if push.posted_cents else SuspenseReason.MEMBER_NOT_ACTIVE


def _why_not_placed(push: Push, told: ToldReceipt, store: AggregateStore) -> SuspenseReason | None:
    member = store.find(Member, UUID(push.member_id))
    if member is not None and not member.belongs:
        return SuspenseReason.MEMBER_NOT_ACTIVE
    if not push.believes_late_success:
        return SuspenseReason.PUSH_ALREADY_CLOSED
    if told.amount_cents != push.push_cents:
        return SuspenseReason.AMOUNT_MISMATCH
    if not told.payer.may_be(push.phone):
        return SuspenseReason.PAYER_MISMATCH
    if store.find(MemberAccount, account_id(UUID(push.member_id))) is None:
        return SuspenseReason.NO_ACCOUNT
    return None


def succeed(push: Push, receipt: Receipt, *, posted: Posted | None) -> None:
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
