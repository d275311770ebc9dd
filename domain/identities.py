"""Stream ids that the world itself determines: a fact told twice meets itself in the store."""

from __future__ import annotations

from functools import lru_cache
from uuid import UUID, uuid5

_DAYSTAR = UUID("6f1c1df2-7a3e-5d0e-9a52-0f4b3c8e2a10")  # this project's own namespace, for ever


@lru_cache(maxsize=4096)  # a decision asks for the same ids several times
def _named(name: str) -> UUID:
    return uuid5(_DAYSTAR, name)


def account_id(member_id: UUID) -> UUID:
    """The stream of a member's account: one for each member."""
    return _named(f"account/{member_id}")


def receipt_id(receipt_number: str) -> UUID:
    """The stream of an M-Pesa receipt: one for each receipt number, whoever told us of it."""
    return _named(f"mpesa-receipt/{receipt_number.strip().upper()}")


def contribution_id(*, source_id: UUID, part: str = "") -> UUID:
    """The contribution that a receipt or a push pays. `part` tells parts of one apart."""
    return _named(f"contribution/{source_id}/{part}")


def loan_product_id(code: str) -> UUID:
    """The stream of a loan product: one for each code."""
    return _named(f"loan-product/{code}")


def repayment_id(*, source_id: UUID, part: str = "") -> UUID:
    """The repayment that a receipt or a push pays. `part` tells parts of one apart."""
    return _named(f"repayment/{source_id}/{part}" if part else f"repayment/{source_id}")


def refund_id(proposal_id: UUID) -> UUID:
    """The payout that gives money in suspense back: one for each proposal that was confirmed."""
    return _named(f"mpesa-refund/{proposal_id}")


def short_code_id(short_code: str) -> UUID:
    """One of the co-operative's paybills or tills: the subject of what is told of it as a whole."""
    return _named(f"mpesa-short-code/{short_code}")


def reversal_id(receipt_number: str) -> UUID:
    """The reversal of a receipt: one for each."""
    return _named(f"mpesa-reversal/{receipt_number.strip().upper()}")


def payout_id(source_id: UUID, *, number: int) -> UUID:
    """The nth payout for one loan or refund: known again by whoever asks for it again."""
    return _named(f"payout/{source_id}/{number}")


def reconciliation_run_id(short_code: str, source: str, subject: str) -> UUID:
    """The stream of all comparisons of one statement, or of one hour's pull."""
    return _named(f"reconciliation-run/{short_code}/{source}/{subject}")


def reconciliation_case_id(short_code: str, kind: str, key: str) -> UUID:
    """The case of one difference: found again, it is the same one."""
    return _named(f"reconciliation-case/{short_code}/{kind}/{key}")
