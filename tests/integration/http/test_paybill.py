"""Payments to the paybill: stored before they are read, placed once, never turned away by us."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import uuid4

import pytest

from domain.identities import account_id, receipt_id, short_code_id
from domain.members.commands import ExitMember
from domain.members.member import Member
from domain.mpesa.receipt import Receipt
from domain.mpesa.stk_push import Push, PushState
from infra import clock
from infra.callbacks import BODY_BYTES_MAX
from infra.mpesa.settings import PaybillSettings, Validation
from tests.integration.http.house import Client, assert_refused, open_house
from tests.integration.http.recording import WITHOUT_LENGTH
from tests.support.co_operative import TODAY
from tests.support.push_states import account

SHORT_CODE = "174379"  # the simulator's
TOLD = {
    "TransactionType": "Pay Bill",
    "TransID": "TK60708BHZ",
    "TransTime": "20251106230212",
    "TransAmount": "2000.00",
    "BusinessShortCode": SHORT_CODE,
    "BillRefNumber": "",
    "InvoiceNumber": "",
    "OrgAccountBalance": "41880264.80",
    "ThirdPartyTransID": "",
    "MSISDN": "2547 ***** 126",
    "FirstName": "NICHOLAS",
    "MiddleName": "",
    "LastName": "SONGOK",
}
ACCEPTED = {"ResultCode": "0", "ResultDesc": "Accepted"}


@pytest.fixture
def safaricom(house):
    """Has no key. The house's own secrets are made before it knocks."""
    assert house.services.keyring is not None
    return Client(house.app, None)


@pytest.fixture
def refusing(owner_url, tmp_path):
    """A house that refuses what would go to suspense."""
    paybill = PaybillSettings(validation=Validation.REFUSE)
    with open_house(owner_url, tmp_path, paybill=paybill) as opened:
        yield opened


def address(house, part="confirmation", short_code=SHORT_CODE):
    url = house.services.paybill_url(short_code, part)
    return url.removeprefix(house.services.settings.public_url)


def told(**fields):
    return TOLD | fields


def worked(house):
    while house.services.intake().work_once():
        pass


def stored(house):
    return house.owner.execute(
        "SELECT kind, subject_id, state, note, correlation_id, deliveries FROM intake.callbacks"
        " ORDER BY callback_id"
    ).fetchall()


def test_a_confirmation_is_stored_before_it_is_understood_and_then_placed(house, safaricom):
    member = house.member()
    known = house.co_operative.load(Member, member).member_number
    body = told(BillRefNumber=f"{known.lower()} ")
    response = safaricom.post(address(house), body)
    assert (response.status_code, response.json) == (
        200,
        {"ResultCode": 0, "ResultDesc": "Success"},
    )
    [(kind, subject, state, note, _, _)] = stored(house)
    assert (kind, subject, state, note) == ("c2b", short_code_id(SHORT_CODE), "waiting", None)
    worked(house)
    [(_, _, state, note, correlation, _)] = stored(house)
    receipt = receipt_id("TK60708BHZ")
    assert (state, note, correlation) == ("done", "applied", str(receipt))
    assert account(house.co_operative, member).contributed_cents == 2_000_00
    told_by = house.owner.execute(
        "SELECT DISTINCT convert_from(metadata, 'UTF8')::json ->> 'correlation_id'"
        " FROM event_store.events WHERE stream_id = ANY(%s) AND stream_version > 1",
        ([receipt, account_id(member)],),
    ).fetchall()
    assert told_by == [(str(receipt),)]


def test_told_again_and_again_by_many_at_once_it_is_placed_once(house, safaricom):
    member = house.member()
    known = house.co_operative.load(Member, member).member_number
    path = address(house)
    bodies = [
        json.dumps(told(BillRefNumber=known, OrgAccountBalance=f"{number}.00")).encode()
        for number in range(4)
    ]
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda body: safaricom.post_bytes(path, body), bodies * 3))
        assert {answer.status_code for answer in answers} == {200}
        list(threads.map(lambda _: worked(house), range(3)))
    assert [(row[2], row[5]) for row in stored(house)] == [("done", 3)] * 4
    assert account(house.co_operative, member).contributed_cents == 2_000_00


def test_a_batch_of_many_kinds_of_accounts_is_decided_in_one_append(house, safaricom):
    members = [house.member() for _ in range(5)]
    numbers = [house.co_operative.load(Member, member).member_number for member in members]
    push = house.co_operative.accepted_push(members[0], now=clock.now())
    reference = house.co_operative.load(Push, push).account_reference
    typed = [*numbers, f"{numbers[1]}-S", reference, "NOBODY", ""]
    for number, account_number in enumerate(typed):
        body = told(BillRefNumber=account_number, TransID=f"UK6070{number:04d}", MSISDN="")
        safaricom.post(address(house), body)
    commits = house.count("(SELECT DISTINCT position / 1000 FROM event_store.events) AS c")
    assert house.services.intake().work_once() == len(typed)
    after = house.count("(SELECT DISTINCT position / 1000 FROM event_store.events) AS c")
    assert after == commits + 1
    assert [row[3] for row in stored(house)] == ["applied"] * len(typed)
    assert house.co_operative.load(Push, push).state == PushState.SUCCEEDED
    placed = [account(house.co_operative, member).contributed_cents for member in members]
    assert placed == [4_000_00, 4_000_00, 2_000_00, 2_000_00, 2_000_00]


def test_a_notice_of_another_short_code_is_set_aside(house, safaricom):
    safaricom.post(address(house), told(BusinessShortCode="600000"))
    worked(house)
    [(_, _, state, note, _, _)] = stored(house)
    assert (state, note) == ("set_aside", "tells_of_another_short_code")
    assert house.count("event_store.events") == 0


def test_a_till_is_told_of_under_its_own_number(house, safaricom):
    kept = house.services.short_codes.of(SHORT_CODE)
    till = replace(
        kept,
        name="till",
        short_code="600584",
        party_b="5001234",
        transaction_type="CustomerBuyGoodsOnline",
    )
    house.services.short_codes.keep(till)
    safaricom.post(address(house, short_code="600584"), told(BusinessShortCode="5001234"))
    worked(house)
    receipt = house.co_operative.load(Receipt, receipt_id("TK60708BHZ"))
    assert (receipt.short_code, receipt.suspended_cents) == ("600584", 2_000_00)


@pytest.mark.parametrize("part", ["confirmation", "validation"])
@pytest.mark.parametrize("token", ["x", "0" * 64, "é" * 32])
def test_a_token_we_did_not_make_leads_nowhere(house, safaricom, part, token):
    with house.unchanged():
        response = safaricom.post(f"/hooks/c2b/{token}/{part}", TOLD)
        assert_refused(response, 404, "rest_no_route")


def test_a_token_of_a_push_is_none_of_the_paybill(house, safaricom):
    token = house.services.keyring.callback_token("stk", short_code_id(SHORT_CODE))
    with house.unchanged():
        for path in (f"/hooks/c2b/{token}/confirmation", f"/hooks/c2b/{token}/other"):
            assert_refused(safaricom.post(path, TOLD), 404, "rest_no_route")


@pytest.mark.parametrize("part", ["confirmation", "validation"])
def test_a_body_that_is_too_large_is_not_taken(house, safaricom, part):
    with house.unchanged():
        response = safaricom.post_bytes(address(house, part), b"x" * (BODY_BYTES_MAX + 1))
        assert_refused(response, 413, "body_too_large")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"TransID":"x"}', b"\xff", b"[" * 60_000])
def test_garbage_is_kept_and_set_aside(house, safaricom, body):
    assert safaricom.post_bytes(address(house), body).status_code == 200
    worked(house)
    [(_, _, state, note, _, _)] = stored(house)
    assert state == "set_aside"
    assert note.startswith("unreadable: ")


def test_the_fast_lane_answers_as_the_application_does(house, safaricom):
    """The same callback, once without the length that the fast lane wants."""
    path, body = address(house), json.dumps(TOLD).encode()
    fast = safaricom.post_bytes(path, body)
    slow = safaricom.post_bytes(path, body, environ_overrides=WITHOUT_LENGTH)
    assert (fast.status_code, fast.data) == (slow.status_code, slow.data)
    assert dict(fast.headers) == dict(slow.headers)
    house.services.usage.flush()
    [(requests,)] = house.owner.execute(
        "SELECT requests FROM api.request_totals WHERE endpoint = '/hooks/c2b/<token>/confirmation'"
    ).fetchall()
    assert requests == 2


# Validation.


def test_unless_told_otherwise_every_payment_may_come(house, safaricom):
    with house.unchanged():
        for body in (TOLD, {}, told(BillRefNumber="NOBODY"), told(BusinessShortCode="600000")):
            response = safaricom.post(address(house, "validation"), body)
            assert (response.status_code, response.json) == (200, ACCEPTED)


def test_a_payer_is_told_what_would_find_no_place(refusing):
    safaricom = Client(refusing.app, None)
    member, gone = refusing.member(phone="0712345670"), refusing.member()
    push = refusing.co_operative.accepted_push(member)
    reference = refusing.co_operative.load(Push, push).account_reference
    known, left = (
        refusing.co_operative.load(Member, each).member_number for each in (member, gone)
    )
    refusing.co_operative.dispatch(ExitMember(gone, "moved abroad", TODAY, TODAY))
    for _ in range(2):
        refusing.member(phone="0711222333")
    path = address(refusing, "validation")

    def answered(**fields):
        return safaricom.post(path, told(**fields)).json["ResultCode"]

    with refusing.unchanged():
        for good in (known, f"{known}-S", "0712 345670", reference, "", "  "):
            assert answered(BillRefNumber=good, OrgAccountBalance="") == "0"
        assert answered(BillRefNumber="NOBODY") == "C2B00012"
        assert answered(BillRefNumber="0711222333") == "C2B00012"
        assert answered(BillRefNumber=left) == "C2B00016"
        assert answered(BillRefNumber=known, TransAmount="10.50") == "C2B00013"
        assert answered(BillRefNumber=known, TransAmount="250001") == "C2B00013"
        assert answered(BillRefNumber=known, BusinessShortCode="600000") == "C2B00015"
    refused = safaricom.post(path, told(BillRefNumber="NOBODY")).json
    assert refused == {"ResultCode": "C2B00012", "ResultDesc": "Rejected"}


def test_what_we_cannot_read_or_look_up_is_let_through(refusing):
    safaricom = Client(refusing.app, None)
    path = address(refusing, "validation")
    with refusing.unchanged():
        assert safaricom.post_bytes(path, b"garbage").json == ACCEPTED
    refusing.owner.execute("ALTER TABLE event_store.keys RENAME TO keys_away")
    try:
        assert safaricom.post(path, told(BillRefNumber="NOBODY")).json == ACCEPTED
    finally:
        refusing.owner.execute("ALTER TABLE event_store.keys_away RENAME TO keys")


def test_a_validation_waits_for_no_lock_of_ours(refusing):
    """Held up for good by another session, the answer still comes within a second."""
    safaricom = Client(refusing.app, None)
    path = address(refusing, "validation")
    assert safaricom.post(path, told(BillRefNumber="NOBODY")).json != ACCEPTED
    with refusing.owner.transaction():
        refusing.owner.execute("LOCK TABLE event_store.keys IN ACCESS EXCLUSIVE MODE")
        asked_at = clock.now()
        assert safaricom.post(path, told(BillRefNumber=f"N{uuid4().hex[:6]}")).json == ACCEPTED
        assert (clock.now() - asked_at).total_seconds() < 1
