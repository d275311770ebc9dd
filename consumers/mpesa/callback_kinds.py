"""The kinds of callbacks: how each is read into a command, and what its decision begins with.

`daystar intake` decides many callbacks in one append; what their decisions begin with is loaded for
all of them at once, in three rounds: the later ones may depend on what the earlier have brought.
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from consumers.mpesa.callback_kind import CallbackKind
from consumers.mpesa.payout_callbacks import PAYOUT_CALLBACK_KINDS
from domain.identities import account_id, receipt_id
from domain.mpesa.commands import RecordPushResult
from domain.mpesa.stk_push import Push
from domain.store import AggregateStore
from infra import clock
from infra.callbacks import StoredCallback
from infra.mpesa.callbacks import read_stk_callback


def _read_push_result(callback: StoredCallback) -> RecordPushResult:
    told = read_stk_callback(callback.body)
    payment = told.payment
    return RecordPushResult(
        push_id=callback.subject_id,
        checkout_request_id=told.checkout_request_id,
        result_code=told.result_code,
        result_description=told.result_description,
        receipt_number=payment.receipt_number if payment else None,
        amount_cents=payment.amount_cents if payment else None,
        paid_at=payment.paid_at if payment else None,
        payer_phone=payment.payer_phone if payment else None,
        now=clock.now(),
    )


def _push_and_receipt(command: RecordPushResult) -> list[UUID]:
    receipts = [receipt_id(command.receipt_number)] if command.receipt_number else []
    return [command.push_id, *receipts]


def _member_of_push(command: RecordPushResult, store: AggregateStore) -> list[UUID]:
    push = store.find(Push, command.push_id)
    if push is None:
        return []
    member_id = UUID(push.member_id)
    return [member_id, account_id(member_id)]


CALLBACK_KINDS: Mapping[str, CallbackKind] = {
    "stk": CallbackKind(_read_push_result, _push_and_receipt, _member_of_push),
    **PAYOUT_CALLBACK_KINDS,
}
