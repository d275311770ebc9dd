"""How a paybill confirmation is read into a command, and what its decision begins with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from uuid import UUID

from consumers.mpesa.callback_kind import CallbackKind, SetAside
from domain.identities import account_id, receipt_id, short_code_id
from domain.loans.loan import Loan
from domain.mpesa.account_numbers import (
    AccountRules,
    keys_of,
    loan_keys_of,
    normalised,
    streams_of,
)
from domain.mpesa.commands import RecordReceipt
from domain.mpesa.keys import ACCOUNT_REFERENCE, PAYER_AND_AMOUNT, payer_and_amount
from domain.mpesa.outcome import Outcome
from domain.mpesa.receipt import Channel
from domain.mpesa.stk_push import Push
from domain.store import AggregateStore, Key
from infra import clock
from infra.callbacks import StoredCallback
from infra.mpesa.c2b_notices import read_c2b_notice
from infra.mpesa.short_codes import ShortCodes


@dataclass(frozen=True)
class Paybill:
    """Reads confirmations under these rules; each names one of our short codes."""

    rules: AccountRules
    short_codes: ShortCodes

    def kind(self) -> CallbackKind:
        """The line of the table of kinds."""
        return CallbackKind(
            self.read,
            _receipt,
            _found,
            last_streams=_owners,
            keys=_keys,
            further_keys=_loan_keys,
            correlation=lambda command: receipt_id(command.receipt_number),
        )

    def read(self, callback: StoredCallback) -> RecordReceipt:
        """Raises UnreadableCallback, SetAside."""
        notice = read_c2b_notice(callback.body)
        short_code = own_short_code(
            notice.short_code, subject_id=callback.subject_id, short_codes=self.short_codes
        )
        if short_code is None:
            raise SetAside(Outcome.OTHER_SHORT_CODE)
        return RecordReceipt(
            receipt_number=notice.receipt_number,
            amount_cents=notice.amount_cents,
            paid_at=notice.paid_at,
            channel=Channel.PAYBILL,
            short_code=short_code,
            account_number=notice.account_number,
            payer=notice.payer,
            now=clock.now(),
            rules=self.rules,
        )


def own_short_code(told: str, *, subject_id: UUID, short_codes: ShortCodes) -> str | None:
    """The short code whose address was called, if it is what the notice tells of.

    A till is told of under its own number; its address was made for the store it belongs to.
    """
    if short_code_id(told) == subject_id:
        return told
    for credentials in short_codes.all().values():
        if credentials.party_b == told and short_code_id(credentials.short_code) == subject_id:
            return credentials.short_code
    return None


def _receipt(command: RecordReceipt) -> list[UUID]:
    return [receipt_id(command.receipt_number)]


def _keys(command: RecordReceipt) -> list[Key]:
    reference = normalised(command.account_number)
    keys = [Key(ACCOUNT_REFERENCE, reference)] if reference else []
    keys += keys_of(command.account_number, command.rules)
    by_payer = _payer_value(command)
    return [*keys, Key(PAYER_AND_AMOUNT, by_payer)] if by_payer else keys


def _found(command: RecordReceipt, store: AggregateStore) -> Iterator[UUID]:
    yield from _pushes(command, store)
    yield from streams_of(command.account_number, command.rules, store)


def _loan_keys(command: RecordReceipt, store: AggregateStore) -> Iterable[Key]:
    return loan_keys_of(command.account_number, command.rules, store)


def _owners(command: RecordReceipt, store: AggregateStore) -> Iterator[UUID]:
    """The members, with their accounts, of the pushes and loans that were found."""
    for stream_id in _found(command, store):
        found = store.find(Push, stream_id) or store.find(Loan, stream_id)
        if found is not None:
            yield from (UUID(found.member_id), account_id(UUID(found.member_id)))
    for key in _loan_keys(command, store):
        yield from store.lookup(key.scope, key.value)


def _pushes(command: RecordReceipt, store: AggregateStore) -> Iterator[UUID]:
    reference, by_payer = normalised(command.account_number), _payer_value(command)
    if reference:
        yield from store.lookup(ACCOUNT_REFERENCE, reference)
    if by_payer:
        yield from store.lookup(PAYER_AND_AMOUNT, by_payer)


def _payer_value(command: RecordReceipt) -> str | None:
    payer = command.payer.phone_hash
    return payer_and_amount(payer, command.amount_cents) if payer else None
