"""What M-Pesa says became of a push, and how far to believe it.

A code is text ("0", "1032", "SFC_IC0003"): callbacks carry it as a number, queries as a string, and
whoever read it has already made it one form. The sentence beside a code varies from year to year,
so nothing is ever decided by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType


class Verdict(Enum):
    """What may be concluded about the payer's money."""

    SUCCESS = "success"  # the money is ours
    FAILED = "failed"  # no money moved; a new push is safe
    CANCELLED = "cancelled"  # no money moved, because the payer said no or let the prompt pass
    VERIFY = "verify"  # it may have moved all the same: ask before pushing again
    PENDING = "pending"  # M-Pesa itself does not know yet


@dataclass(frozen=True)
class ResultCode:
    """One row of the table: the verdict, and the words a clerk reads."""

    verdict: Verdict
    meaning: str


STK_RESULT_CODES: Mapping[str, ResultCode] = MappingProxyType(
    {
        "0": ResultCode(Verdict.SUCCESS, "Paid."),
        "1": ResultCode(Verdict.FAILED, "The payer's balance is too low."),
        "2": ResultCode(Verdict.FAILED, "The amount is below the minimum."),
        "3": ResultCode(Verdict.FAILED, "The amount is above the maximum."),
        "4": ResultCode(Verdict.FAILED, "The payer has reached the daily limit."),
        "8": ResultCode(Verdict.FAILED, "Our account may hold no more."),
        "17": ResultCode(Verdict.VERIFY, "Refused as a repeat; wait two minutes, then check."),
        "26": ResultCode(Verdict.VERIFY, "M-Pesa was too busy to say what happened."),
        "1001": ResultCode(Verdict.FAILED, "The payer is in another M-Pesa session."),
        "1019": ResultCode(Verdict.VERIFY, "The request expired."),
        "1025": ResultCode(Verdict.VERIFY, "The prompt could not be sent."),
        "1031": ResultCode(Verdict.CANCELLED, "The payer cancelled."),
        "1032": ResultCode(Verdict.CANCELLED, "The payer cancelled or let the prompt pass."),
        "1036": ResultCode(Verdict.VERIFY, "The network did not confirm that the prompt arrived."),
        "1037": ResultCode(Verdict.VERIFY, "The phone was out of reach, or no PIN was entered."),
        "1101": ResultCode(Verdict.FAILED, "The text of the prompt has a wrong length."),
        "1102": ResultCode(Verdict.FAILED, "The text of the prompt has a wrong length."),
        "2001": ResultCode(Verdict.FAILED, "The PIN was wrong."),
        "2026": ResultCode(Verdict.VERIFY, "The payer's session expired."),
        "2028": ResultCode(Verdict.FAILED, "Our paybill or till is set up wrongly."),
        "4999": ResultCode(Verdict.PENDING, "M-Pesa is still working on it."),
        "8006": ResultCode(Verdict.FAILED, "The payer's PIN is locked."),
        "9999": ResultCode(Verdict.VERIFY, "The prompt could not be sent."),
        "SFC_IC0003": ResultCode(Verdict.FAILED, "Our paybill or till is set up wrongly."),
    }
)

# M-Pesa adds codes without notice, and an unknown code is no proof that nothing was paid.
_UNKNOWN = ResultCode(Verdict.VERIFY, "M-Pesa gave a reason that we do not know.")


def stk_verdict(code: str) -> Verdict:
    """What the code of a callback or a query lets us conclude."""
    return STK_RESULT_CODES.get(code, _UNKNOWN).verdict


def stk_meaning(code: str) -> str:
    """The code as a sentence for people."""
    return STK_RESULT_CODES.get(code, _UNKNOWN).meaning
