"""A member's payouts are forgotten with them: the number, and what Safaricom told of its holder."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest

from app.personal_data import PaymentsUnderWay, erase_member, export_member
from domain.members.commands import ExitMember
from domain.mpesa.payout import Payout
from infra.event_store.unit_of_work import EventStore
from tests.integration.http.house import open_house
from tests.support import payout_states as told
from tests.support.co_operative import CAUSE, TODAY, CoOperative
from tests.support.somebody import OTHER_PHONE, PERSON, dump, traces


@pytest.fixture
def house(owner_url, tmp_path):
    with open_house(owner_url, tmp_path) as opened:
        yield opened


def result(payout):
    told = {
        "TransactionReceipt": told_number(payout),
        "TransactionAmount": 1000,
        "TransactionCompletedDateTime": "23.11.2026 12:00:00",
        "ReceiverPartyPublicName": "254733915246 - Zawadixq Kiplimoxq",
        "B2CUtilityAccountAvailableFunds": 235000,
    }
    parameters = [{"Key": key, "Value": value} for key, value in told.items()]
    return json.dumps(
        {
            "Result": {
                "ResultType": 0,
                "ResultCode": 0,
                "ResultDesc": "The service request is processed successfully.",
                "OriginatorConversationID": str(payout),
                "ConversationID": "AG_20261123_1",
                "TransactionID": told_number(payout),
                "ResultParameters": {"ResultParameter": parameters},
            }
        }
    ).encode()


def told_number(payout):
    return told.receipt_number_of(payout)


def test_a_members_payouts_are_forgotten_with_them_and_not_before_they_are_settled(
    house, owner_url
):
    co_operative = house.co_operative
    member = house.member(
        first_name=PERSON["first_name"],
        last_name=PERSON["last_name"],
        phone=OTHER_PHONE,
        email=PERSON["email"],
        national_id=PERSON["id_number"],
    )
    co_operative.contribution(member, amount_cents=1_000_00)
    payout = told.refund_confirmed(co_operative, told.refund_proposed(co_operative, member))
    told.sending_started(co_operative, payout)
    house.follow()
    with pytest.raises(PaymentsUnderWay):
        erase_member(house.services, CAUSE, member_id=member, reason="asked", force=True)
    house.services.callbacks.store(
        kind="b2c",
        subject_id=payout,
        body=result(payout),
        source_address="127.0.0.1",
        correlation_id=str(uuid4()),
    )
    house.services.intake().work_once()
    house.follow()
    settled = co_operative.load(Payout, payout)
    assert (settled.state, settled.phone) == ("succeeded", "254733915246")
    [known] = [row["phone"] for row in _shown(house)]
    assert known == "254733915246"
    export = export_member(house.services, CAUSE, member_id=member)
    assert [event["topic"] for event in export["history"]["payouts"]][-2:] == [
        "payout.succeeded",
        "payout.charge-booked",
    ]
    co_operative.dispatch(ExitMember(member, "moved abroad", TODAY, TODAY))

    erase_member(house.services, CAUSE, member_id=member, reason="asked", force=False)

    assert traces(dump(owner_url)) == []
    [row] = _shown(house)
    assert (row["phone"], row["receipt_number"]) == (None, told_number(payout))
    afresh = CoOperative(EventStore.open(house.services.pool, house.services.keyring))
    assert afresh.load(Payout, payout).phone is None, "the key is gone from the database"


def _shown(house):
    return house.client("operate").get("/daystar/v1/mpesa/payouts").json["payouts"]
