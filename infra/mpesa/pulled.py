"""The answer of the pull API: payments of the last two days that we may not have been told of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from domain.mpesa.payer import Payer
from infra.mpesa.answers import answered_object
from infra.mpesa.c2b_notices import account_number
from infra.mpesa.gateway_errors import GatewayError
from infra.mpesa.outcomes import NotAnswered
from infra.mpesa.particulars import digits, kenyan_moment, paid_cents, payer, receipt_number
from infra.mpesa.transport import Answer
from infra.mpesa.unreadable import UnreadableCallback
from infra.mpesa.wire import code_text, sentence

_FOUND, _NOTHING_FOUND = "1000", "1001"
_RETRY_SECONDS = 60.0


@dataclass(frozen=True)
class PulledTransaction:
    """One payment to the short code."""

    receipt_number: str
    amount_cents: int
    paid_at: datetime
    account_number: str | None = field(repr=False)
    payer: Payer
    transaction_type: str


@dataclass(frozen=True)
class PulledPage:
    """What was found from the offset on; the next offset is this one plus `told`."""

    transactions: tuple[PulledTransaction, ...]
    unreadable: tuple[str, ...] = ()  # why some of them make no sense; the others are good

    @property
    def told(self) -> int:
        """How many transactions the page held, readable or not. None is the end."""
        return len(self.transactions) + len(self.unreadable)


def read_pull_answer(answer: Answer) -> PulledPage | NotAnswered:
    """What was pulled. One transaction that makes no sense hides no other."""
    told = answered_object(answer)
    if isinstance(told, GatewayError):
        return NotAnswered(told.reason, told.retry_after_seconds)
    code = code_text(told.get("ResponseCode"))
    if code == _NOTHING_FOUND:
        return PulledPage(())
    listed = told.get("Response")
    if code != _FOUND or not isinstance(listed, list):
        return NotAnswered(f"an answer with response code {code}, or no list", _RETRY_SECONDS)
    return _page(listed)


def _page(listed: list[Any]) -> PulledPage:
    # Safaricom wraps the list in another one.
    flat = [item for part in listed for item in (part if isinstance(part, list) else [part])]
    transactions, unreadable = [], []
    for item in flat:
        try:
            transactions.append(_transaction(item))
        except UnreadableCallback as error:
            unreadable.append(error.reason)
    return PulledPage(tuple(transactions), tuple(unreadable))


def _transaction(told: Mapping[str, Any]) -> PulledTransaction:
    if not isinstance(told, dict):
        raise UnreadableCallback("a transaction is no object")
    return PulledTransaction(
        receipt_number=receipt_number(told.get("transactionId"), name="transactionId"),
        amount_cents=paid_cents(told.get("amount"), name="amount"),
        paid_at=_moment(told.get("trxDate")),
        account_number=account_number(told.get("billreference")),
        payer=payer(told.get("msisdn")),
        transaction_type=sentence(told.get("transactiontype"), length_max=60),
    )


def _moment(value: object) -> datetime:
    """A time such as 2026-02-01T10:13:00Z.

    What the Z means is not known. Every other time of Safaricom's is Kenya's, and the query itself
    names Kenyan times, so this one is read as Kenya's too.
    """
    text = digits(value).removesuffix("Z").replace("T", " ").partition(".")[0]
    return kenyan_moment(text, "%Y-%m-%d %H:%M:%S", name="trxDate")
