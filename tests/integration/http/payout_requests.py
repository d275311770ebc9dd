"""Good requests about money that goes out, and what they speak of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from domain.contributions.refund import RefundMethod
from domain.mpesa.payout import Payout
from tests.integration.http.house import LANES, PAYOUTS, REFUNDS, House
from tests.support import payout_states as told

REFUND_ACTS = ("refund", "confirm_refund", "reject_refund")
PAYOUT_ACTS = ("settle", "confirm_settlement", "reject_settlement", "resume")


@dataclass(frozen=True)
class MoneyOut:
    """Refunds of a saver's, payouts under review, each named for what may be done; and a lane."""

    saver_id: UUID
    refunds: dict[str, UUID]
    payouts: dict[str, UUID]
    stopped_lane: str

    @classmethod
    def of(cls, house: House) -> MoneyOut:
        saver = house.member(member_number="TAKEN06", national_id="TAKEN0006", phone="0712345676")
        house.contribution(saver, payment_reference="TAKEN-ONCE-MORE")
        refunds = {name: _refund(house, saver) for name in REFUND_ACTS[1:]}
        paid = house.member(member_number="TAKEN07", national_id="TAKEN0007", phone="0712345677")
        return cls(saver, refunds, _payouts(house, paid), _stopped_lane(house, paid))

    def commands(self, today: str) -> dict[str, tuple[str, dict[str, Any]]]:
        """Where each is posted, and its body."""
        return self._refund_commands() | self._payout_commands(today)

    def questions(self) -> Iterator[str]:
        """What can be looked at."""
        yield from (PAYOUTS, f"{PAYOUTS}/waiting", LANES)
        yield f"{PAYOUTS}/{self.payouts['settle']}"
        yield f"{REFUNDS}/{self.refunds['confirm_refund']}"

    def _refund_commands(self) -> dict[str, tuple[str, dict[str, Any]]]:
        at = {name: f"{REFUNDS}/{refund_id}" for name, refund_id in self.refunds.items()}
        return {
            "refund": (
                REFUNDS,
                {
                    "member_id": str(self.saver_id),
                    "contribution_type": "monthly",
                    "amount": "300.00",
                    "payment_method": "cash",
                    "payment_reference": "VOUCHER-17",
                    "reason": "asked for it",
                },
            ),
            "confirm_refund": (f"{at['confirm_refund']}/confirmation", {}),
            "reject_refund": (f"{at['reject_refund']}/rejection", {"reason": "not now"}),
        }

    def _payout_commands(self, today: str) -> dict[str, tuple[str, dict[str, Any]]]:
        at = {name: f"{PAYOUTS}/{payout}/settlement" for name, payout in self.payouts.items()}
        return {
            "settle": (
                at["settle"],
                {
                    "outcome": "paid",
                    "evidence": "statement of 23 November, line 41",
                    "receipt_number": "SKN81ABCDE",
                    "completion_date": today,
                },
            ),
            "confirm_settlement": (f"{at['confirm_settlement']}/confirmation", {}),
            "reject_settlement": (
                f"{at['reject_settlement']}/rejection",
                {"reason": "line 41 is another's"},
            ),
            "resume": (f"{LANES}/{self.stopped_lane}/resumption", {}),
        }


def _refund(house: House, member_id: UUID) -> UUID:
    """A refund that another has proposed, in cash."""
    return told.refund_proposed(
        house.co_operative,
        member_id,
        amount_cents=300_00,
        payment_method=RefundMethod.CASH,
        payment_reference="VOUCHER-16",
    )


def _payouts(house: House, member_id: UUID) -> dict[str, UUID]:
    """Payouts under review, with a proposal of another's where there is something to decide."""
    co_operative = house.co_operative
    found = {
        name: told.payout_in(co_operative, "review", member_id=member_id)
        for name in PAYOUT_ACTS[:3]
    }
    for name in ("confirm_settlement", "reject_settlement"):
        told.proposed(co_operative, found[name], is_paid=True)
    return found


def _stopped_lane(house: House, member_id: UUID) -> str:
    """The short code of a lane that a refused credential stopped."""
    refused = told.payout_in(house.co_operative, "accepted", member_id=member_id)
    told.result(house.co_operative, refused, "2001")
    return str(house.co_operative.load(Payout, refused).short_code)
