"""The suspense desk, and pushes and callbacks that came to nothing: good requests of each kind."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from domain.identities import receipt_id
from domain.mpesa.desk import ProposeAssignment
from domain.mpesa.payer import Payer
from infra import clock
from tests.integration.http.house import SUSPENSE, House
from tests.support import push_states

DESK_ACTS = ("propose_resolution", "withdraw", "reject_proposal", "confirm_proposal")


def proposals(house: House, member_id: UUID) -> dict[str, str]:
    """For each act the address at which it may be done; the treasurer made what is withdrawn."""
    receipts = {name: _suspended(house, number) for number, name in enumerate(DESK_ACTS)}
    makers = {"withdraw": house.principal_id()}
    return {DESK_ACTS[0]: f"{SUSPENSE}/{receipts[DESK_ACTS[0]]}/proposals"} | {
        name: _proposed(house, receipts[name], member_id, makers.get(name, str(uuid4())))
        for name in DESK_ACTS[1:]
    }


def desk_commands(at: dict[str, str], member_id: UUID) -> dict[str, tuple[str, dict[str, Any]]]:
    """Where each is posted, and its body."""
    return {
        "propose_resolution": (
            at["propose_resolution"],
            {
                "resolution": "assign",
                "member_id": str(member_id),
                "payment_purpose": "share_capital",
                "note": "she has the message",
            },
        ),
        "withdraw": (f"{at['withdraw']}/withdrawal", {}),
        "reject_proposal": (f"{at['reject_proposal']}/rejection", {"note": "not hers"}),
        "confirm_proposal": (f"{at['confirm_proposal']}/confirmation", {}),
    }


def _suspended(house: House, number: int) -> UUID:
    """A receipt that found no place."""
    receipt_number = f"TAKEN{number:05d}"
    house.co_operative.told(receipt_number, "NOBODY", payer=Payer(phone="254712345670"))
    return receipt_id(receipt_number)


def _proposed(house: House, receipt: UUID, member_id: UUID, maker: str) -> str:
    """The address of a proposal that waits."""
    proposal_id = uuid4()
    house.co_operative.dispatch(
        ProposeAssignment(
            receipt_id=receipt,
            proposal_id=proposal_id,
            principal_id=maker,
            now=clock.now(),
            note="she has the message",
            member_id=member_id,
        )
    )
    return f"{SUSPENSE}/{receipt}/proposals/{proposal_id}"


def refused_push_of(house: House, member_id: UUID) -> UUID:
    """A push that Safaricom refused an hour ago."""
    push_id = house.co_operative.push(member_id, now=clock.now() - timedelta(hours=1))
    push_states.refused(house.co_operative, push_id)
    return push_id


def set_two_aside(house: House, push_id: UUID) -> None:
    """Two callbacks that nobody can read."""
    for body in (b"garbage", b"more garbage"):
        house.services.callbacks.store(
            kind="stk",
            subject_id=push_id,
            body=body,
            source_address="127.0.0.1",
            correlation_id=str(push_id),
        )
    house.services.intake().work_once()
