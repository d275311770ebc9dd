"""What M-Pesa says became of money that we send, and how far to believe it.

Codes are text, as everywhere ("0", "2001", "R000001"). A payout is final only where the code proves
it: whatever is doubtful, or unknown, is asked about (transaction status) and never sent anew. Some
failures would meet every other payout too, and repeating them locks the initiator: they stop the
lane until a person has put things right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType


class PayoutVerdict(Enum):
    """What may be concluded about the money."""

    PAID = "paid"  # it left us; of a reversal: it is back with the payer
    FAILED = "failed"  # no money moved, and none will
    FAILED_STOP = "failed_stop"  # the same, and nothing else may be sent from this short code
    AMBIGUOUS = "ambiguous"  # it may have moved: ask for the status, never send it anew

    @property
    def stops_lane(self) -> bool:
        """Whether the next payout would fail in the same way."""
        return self is PayoutVerdict.FAILED_STOP


@dataclass(frozen=True)
class PayoutResultCode:
    """One row of a table: the verdict, and the words a clerk reads."""

    verdict: PayoutVerdict
    meaning: str


def _failed(meaning: str) -> PayoutResultCode:
    return PayoutResultCode(PayoutVerdict.FAILED, meaning)


def _stopped(meaning: str) -> PayoutResultCode:
    return PayoutResultCode(PayoutVerdict.FAILED_STOP, meaning)


def _ambiguous(meaning: str) -> PayoutResultCode:
    return PayoutResultCode(PayoutVerdict.AMBIGUOUS, meaning)


# The initiator or the short code is at fault, whatever was asked for in their name.
OUR_FAULTS: Mapping[str, PayoutResultCode] = MappingProxyType(
    {
        "11": _stopped("Our account with M-Pesa is not active."),
        "18": _stopped("The initiator's credential is wrong."),
        "20": _stopped("M-Pesa does not know the initiator."),
        "21": _stopped("The initiator lacks the role for this."),
        "2001": _stopped("The initiator's name or password is wrong."),
        "2006": _stopped("Our account with M-Pesa is not active."),
        "2028": _stopped("Our short code's product does not permit this."),
        "8006": _stopped("The initiator's credential is locked."),
    }
)

PAYOUT_RESULT_CODES: Mapping[str, PayoutResultCode] = MappingProxyType(
    {
        **OUR_FAULTS,
        "0": PayoutResultCode(PayoutVerdict.PAID, "Paid."),
        "1": _failed("The Utility account holds too little."),
        "2": _failed("The amount is below the minimum."),
        "3": _failed("The amount is above the maximum."),
        "4": _failed("The receiver has reached the daily limit."),
        "7": _failed("M-Pesa does not accept the receiver."),
        "8": _failed("The receiver's account may hold no more."),
        "14": _failed("M-Pesa does not accept the receiver."),
        "15": _ambiguous("Refused as a repeat: the first one may have paid."),
        "17": _ambiguous("M-Pesa failed within, and does not say how far it came."),
        "24": _failed("Something was missing in the request."),
        "25": _failed("Something in the request was invalid."),
        "26": _ambiguous("M-Pesa was too busy to say what happened."),
        "29": _failed("M-Pesa does not know the command."),
        "2029": _ambiguous("M-Pesa could not resolve it."),
        "2040": _failed("The receiver is not registered with M-Pesa."),
        "2051": _failed("The receiver's number is invalid."),
        "SFC_IC0003": _failed("The receiver does not exist."),
    }
)

REVERSAL_RESULT_CODES: Mapping[str, PayoutResultCode] = MappingProxyType(
    {
        **OUR_FAULTS,
        "0": PayoutResultCode(PayoutVerdict.PAID, "Sent back to the payer."),
        "1": _failed("Our account holds too little."),
        # The goal is reached; whoever books it must book it once.
        "R000001": PayoutResultCode(PayoutVerdict.PAID, "It was reversed before."),
        "R000002": _failed("M-Pesa does not know the receipt, or may not reverse it."),
    }
)

# M-Pesa adds codes without notice, and an unknown code is no proof that nothing was paid.
_UNKNOWN = _ambiguous("M-Pesa gave a reason that we do not know.")

_TRANSACTION_STATUSES: Mapping[str, PayoutVerdict] = MappingProxyType(
    {"completed": PayoutVerdict.PAID, "failed": PayoutVerdict.FAILED}
)


def payout_result(code: str) -> PayoutResultCode:
    """What the code of a payout's result lets us conclude, and its words."""
    return PAYOUT_RESULT_CODES.get(code, _UNKNOWN)


def reversal_result(code: str) -> PayoutResultCode:
    """What the code of a reversal's result lets us conclude, and its words."""
    return REVERSAL_RESULT_CODES.get(code, _UNKNOWN)


def question_stops_lane(code: str) -> bool:
    """Whether the code of a failed question (status, balance) speaks against the initiator.

    It says nothing of what was asked about.
    """
    return code in OUR_FAULTS


def transaction_status_verdict(status: str) -> PayoutVerdict:
    """What the status of a transaction lets us conclude; only two of them prove anything."""
    return _TRANSACTION_STATUSES.get(status.strip().lower(), PayoutVerdict.AMBIGUOUS)
