"""What is told of payouts: results and time-outs, answers to our questions, balances.

A time-out is stored as a kind of its own: what came to that address is believed in nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from uuid import UUID

from consumers.mpesa.callback_kind import CallbackKind
from domain.identities import account_id, short_code_id
from domain.mpesa.payout import Payout
from domain.mpesa.payout_lane import RecordBalance
from domain.mpesa.payout_results import RecordPayoutResult, RecordStatusAnswer
from domain.mpesa.payout_settling import ToldPaid
from domain.store import AggregateStore
from infra import clock
from infra.callbacks import StoredCallback
from infra.mpesa.result_views import (
    read_balances,
    read_paid_out,
    read_reversed,
    read_transaction_status,
)
from infra.mpesa.results import MpesaResult, read_result

_ReadPaid = Callable[[MpesaResult], ToldPaid]


def _paid_out(result: MpesaResult) -> ToldPaid:
    told = read_paid_out(result)
    return ToldPaid(
        source="result",
        receipt_number=told.receipt_number,
        completed_at=told.completed_at,
        amount_cents=told.amount_cents,
        utility_cents=told.utility_balance_cents,
    )


def _reversed(result: MpesaResult) -> ToldPaid:
    told = read_reversed(result)
    return ToldPaid(
        source="result",
        receipt_number=told.receipt_number,
        completed_at=told.completed_at,
        amount_cents=told.amount_cents,
        charge_cents=told.charge_cents,
    )


def _read_payout_result(
    read_paid: _ReadPaid, *, is_timeout: bool
) -> Callable[[StoredCallback], RecordPayoutResult]:
    def read(callback: StoredCallback) -> RecordPayoutResult:
        result = read_result(callback.body, told_as_timeout=is_timeout)
        return RecordPayoutResult(
            payout_id=callback.subject_id,
            result_code=result.result_code,
            result_description=result.result_description,
            originator_conversation_id=result.originator_conversation_id,
            is_timeout=result.is_timeout,
            paid=read_paid(result) if result.succeeded else None,
            now=clock.now(),
        )

    return read


def _read_status(callback: StoredCallback, *, is_timeout: bool) -> RecordStatusAnswer:
    result = read_result(callback.body, told_as_timeout=is_timeout)
    told = read_transaction_status(result) if result.succeeded else None
    return RecordStatusAnswer(
        payout_id=callback.subject_id,
        result_code=result.result_code,
        result_description=result.result_description,
        is_timeout=result.is_timeout,
        transaction_status=told.transaction_status if told else None,
        receipt_number=told.receipt_number if told else None,
        amount_cents=told.amount_cents if told else None,
        charge_cents=told.charge_cents if told else None,
        finalised_at=told.finalised_at if told else None,
        now=clock.now(),
    )


def _read_balance(callback: StoredCallback, *, is_timeout: bool) -> RecordBalance:
    result = read_result(callback.body, told_as_timeout=is_timeout)
    told = read_balances(result) if result.succeeded else None
    return RecordBalance(
        short_code_id=callback.subject_id,
        result_code=result.result_code,
        result_description=result.result_description,
        utility_cents=told.payable_cents if told else None,
        accounts={name: each.current_cents for name, each in told.accounts.items()} if told else {},
        now=clock.now(),
    )


def _payout(command: RecordPayoutResult | RecordStatusAnswer) -> list[UUID]:
    return [command.payout_id]


def _source_of_payout(
    command: RecordPayoutResult | RecordStatusAnswer, store: AggregateStore
) -> Iterable[UUID]:
    """The loan, refund or receipt it is for, the member's account, the lane."""
    payout = store.find(Payout, command.payout_id)
    if payout is None:
        return
    yield UUID(payout.source_id)
    yield short_code_id(payout.short_code)
    if payout.member_id is not None:
        yield UUID(payout.member_id)
        yield account_id(UUID(payout.member_id))


def _lane(command: RecordBalance) -> list[UUID]:
    return [command.short_code_id]


def _nothing(_command: RecordBalance, _store: AggregateStore) -> list[UUID]:
    return []


def _kinds(name: str, kind: Callable[..., CallbackKind]) -> dict[str, CallbackKind]:
    """What comes to the address of results, and to that of time-outs."""
    return {name: kind(is_timeout=False), f"{name}_timeout": kind(is_timeout=True)}


def _of_payout(read_paid: _ReadPaid, *, is_timeout: bool) -> CallbackKind:
    read = _read_payout_result(read_paid, is_timeout=is_timeout)
    return CallbackKind(read, _payout, _source_of_payout)


def _of_status(*, is_timeout: bool) -> CallbackKind:
    return CallbackKind(partial(_read_status, is_timeout=is_timeout), _payout, _source_of_payout)


def _of_balance(*, is_timeout: bool) -> CallbackKind:
    return CallbackKind(partial(_read_balance, is_timeout=is_timeout), _lane, _nothing)


PAYOUT_CALLBACK_KINDS: Mapping[str, CallbackKind] = {
    **_kinds("b2c", partial(_of_payout, _paid_out)),
    **_kinds("reversal", partial(_of_payout, _reversed)),
    **_kinds("status", _of_status),
    **_kinds("balance", _of_balance),
}
