"""Who paid is forgotten with the member whose money it is, and with nobody else."""

from __future__ import annotations

import json
import threading
from uuid import uuid4

import psycopg
import pytest

from app.personal_data import erase_member
from domain.identities import receipt_id, short_code_id
from domain.members.member import Member
from domain.mpesa import desk
from domain.mpesa.payer import Payer
from domain.mpesa.receipt import Receipt
from domain.mpesa.stk_push import PushPurpose
from infra.event_store.personal_keys import PersonalKeys
from infra.event_store.reader import LogReader
from infra.event_store.unit_of_work import EventStore, UnitOfWork
from projections.read_models import READ_MODELS
from projections.rebuild import Rebuild
from tests.integration.http.house import open_house
from tests.support.co_operative import CAUSE, NOW
from tests.support.push_states import push_in

PAYER = Payer(phone="254722915246", name="Zawadixq Payer")
FEE = PushPurpose.REGISTRATION_FEE
KEYS = "SELECT count(*) FROM event_store.personal_keys WHERE owner_id = ANY(%s)"
ROW = """
SELECT payer_phone, payer_name, payer_hint, account_number, proposal_phone, proposal_note
FROM read_mpesa_transactions.receipts WHERE receipt_number = %s
"""


@pytest.fixture
def house(owner_url, tmp_path):
    with open_house(owner_url, tmp_path) as opened:
        yield opened


def assigned(house, receipt_number, **target):
    at_the_desk = {"receipt_id": receipt_id(receipt_number), "proposal_id": uuid4(), "now": NOW}
    dispatch = house.co_operative.dispatch
    dispatch(
        desk.ProposeAssignment(
            **at_the_desk, principal_id=str(uuid4()), note="Zawadixq says so", **target
        )
    )
    checker = house.co_operative.principal()
    dispatch(desk.ConfirmProposal(**at_the_desk, principal_id=checker, pays_from=None))


def confirmed(house, receipt_number, account_number):
    """A confirmation comes through the door, twice, in other words."""
    for balance in ("1.00", "2.00"):
        body = {
            "TransactionType": "Pay Bill",
            "TransID": receipt_number,
            "TransTime": "20261123120000",
            "TransAmount": "1000.00",
            "BusinessShortCode": "174379",
            "BillRefNumber": account_number,
            "OrgAccountBalance": balance,
            "MSISDN": "254722915246",
            "FirstName": "Zawadixq",
        }
        house.services.callbacks.store(
            kind="c2b",
            subject_id=short_code_id("174379"),
            body=json.dumps(body).encode(),
            source_address="127.0.0.1",
            correlation_id="asked",
        )
        house.services.intake().work_once()


def erased(house, member_id):
    house.follow()
    erase_member(house.services, CAUSE, member_id=member_id, reason="asked", force=True)


def bodies(house):
    return house.owner.execute("SELECT body <> '' FROM intake.callbacks").fetchall()


def payer_in_the_log(house, receipt_number):
    """As a process sees it that has not read it before."""
    store = EventStore.open(house.services.pool, house.services.keyring)
    return UnitOfWork(store, CAUSE).get(Receipt, receipt_id(receipt_number)).payer_phone


def test_with_the_member_goes_who_paid_in_every_way(house):
    member, other = house.member(), house.member()
    known = house.co_operative.load(Member, member).member_number
    confirmed(house, "ZZZ0000001", f"{known}-R")
    house.co_operative.told("ZZZ0000002", "NOBODY", payer=PAYER, amount_cents=1_000_00)
    assigned(house, "ZZZ0000002", member_id=member, purpose=FEE)
    house.co_operative.told("ZZZ0000003", "ELSE", payer=PAYER, amount_cents=1_000_00)
    assigned(house, "ZZZ0000003", member_id=other, purpose=FEE)
    house.follow()
    own_keys = [receipt_id("ZZZ0000002"), receipt_id("ZZZ0000003")]
    assert house.owner.execute(KEYS, (own_keys,)).fetchone() == (2,)
    assert house.owner.execute(ROW, ("ZZZ0000001",)).fetchone()[0] == "254722915246"
    assert bodies(house) == [(True,), (True,)]

    erased(house, member)

    assert house.owner.execute(KEYS, (own_keys,)).fetchone() == (1,)
    for forgotten in ("ZZZ0000001", "ZZZ0000002"):
        assert house.owner.execute(ROW, (forgotten,)).fetchone() == (None,) * 6
        assert payer_in_the_log(house, forgotten) is None
    assert house.owner.execute(ROW, ("ZZZ0000003",)).fetchone()[0] == "254722915246"
    assert payer_in_the_log(house, "ZZZ0000003") == "254722915246"
    assert bodies(house) == [(False,), (False,)]
    services = house.services
    reader = LogReader(services.pool, PersonalKeys(services.pool, services.keyring))
    url = house.owner.info.dsn + f" password={house.owner.info.password or ''}"
    rebuild = Rebuild(
        url, reader, READ_MODELS["mpesa_transactions"], report=lambda _: None,
        cancelled=threading.Event(),
    )  # fmt: skip
    assert rebuild.run(confirm=lambda _: True).is_equal


def test_a_receipt_posted_under_a_push_before_it_came_goes_with_that_pushs_member(house):
    member = house.member()
    push = push_in(
        house.co_operative, member, "paid_receipt_awaited", purpose=FEE, amount_cents=1_000_00
    )
    house.co_operative.told("ZZZ0000004", None, payer=PAYER, amount_cents=1_000_00)
    # Another's number: a person says that it is that push's all the same.
    assigned(house, "ZZZ0000004", push_id=push)
    erased(house, member)
    assert house.owner.execute(KEYS, ([receipt_id("ZZZ0000004")],)).fetchone() == (0,)
    assert payer_in_the_log(house, "ZZZ0000004") is None


def test_no_payer_is_forgotten_of_whom_the_log_does_not_say_it(house):
    member, other = house.member(), house.member()
    house.co_operative.told("ZZZ0000005", "NOBODY", payer=PAYER, amount_cents=1_000_00)
    assigned(house, "ZZZ0000005", member_id=other, purpose=FEE)
    held = [receipt_id("ZZZ0000005")]
    forget = "SELECT event_store.erase_receipts(%s, %s)"
    with (
        house.services.pool.connection() as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(forget, (other, held))
    erased(house, member)
    with house.services.pool.connection() as connection:
        connection.execute(forget, (member, held))
    assert house.owner.execute(KEYS, (held,)).fetchone() == (1,)
