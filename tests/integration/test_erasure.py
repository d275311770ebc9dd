"""A person who was erased is nowhere: not in a dump of the database, not in a line we wrote."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from uuid import UUID, uuid4

import psycopg
import pytest

from domain.contributions.account import MemberAccount
from domain.contributions.rules import ContributionType
from domain.identities import account_id, receipt_id
from domain.loans.commands import DeclineLoan
from domain.members.commands import ChangeContact, EraseMember, ExitMember, SuspendMember
from domain.members.errors import MemberHasNotExited, MemberIsErased, MoneyStillHeld
from domain.members.member import NATIONAL_ID, PHONE, Member
from domain.mpesa.receipt import Receipt
from domain.mpesa.sending import RecordAcknowledgement, StartSending
from domain.mpesa.stk_push import Push, PushState
from infra.event_store.personal_keys import PersonalKeys
from infra.event_store.reader import LogReader
from infra.event_store.unit_of_work import UnitOfWork
from projections.follower import pause, resume
from projections.installation import schema_name
from projections.personal_data import PERSONAL_DATA_TABLES
from projections.read_models import READ_MODELS
from projections.rebuild import Rebuild
from tests.conftest import MASTER_KEY
from tests.integration.http.house import CONTRIBUTIONS, MEMBERS, PUSH, RECORD, REGISTER, open_house
from tests.support.co_operative import CAUSE, NOW, TODAY
from tests.support.somebody import OTHER_PHONE, PERSON, PURPOSE, SUSPENSION, dump, traces

WHY = "asked in writing"


@pytest.fixture
def house(owner_url, tmp_path):
    with open_house(owner_url, tmp_path) as opened:
        yield opened


def daystar(house, owner_url, *arguments, answer=""):
    """`daystar ...` in a process of its own."""
    environment = {
        "DATABASE_URL": owner_url,
        "DAYSTAR_ENV": "demo",
        "DAYSTAR_MASTER_KEY": MASTER_KEY,
        "DAYSTAR_DATA_DIR": str(house.services.settings.data_directory),
    }
    return subprocess.run(
        [sys.executable, "-m", "app", *arguments],
        env={**os.environ, **environment},
        input=answer,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def erased(house, owner_url, member_id):
    done = daystar(
        house, owner_url, "erase-member", str(member_id), "--reason", WHY, "--yes", "--force"
    )
    assert done.returncode == 0, done.stderr
    assert traces(done.stdout + done.stderr) == []
    return done


def callback(push_id, phone):
    told = {
        "Amount": 1000,
        "MpesaReceiptNumber": "SKL1A2B3C4",
        "TransactionDate": 20261123120000,
        "PhoneNumber": int(phone),
    }
    return json.dumps(
        {
            "Body": {
                "stkCallback": {
                    "MerchantRequestID": "merchant-1",
                    "CheckoutRequestID": f"ws_CO_{push_id.hex}",
                    "ResultCode": 0,
                    "ResultDesc": "The service request is processed successfully.",
                    "CallbackMetadata": {
                        "Item": [{"Name": name, "Value": value} for name, value in told.items()]
                    },
                }
            }
        }
    ).encode()


def whole_life(house):
    """Registered, reached otherwise, asked and paid by M-Pesa, refused a loan, suspended."""
    client = house.client("operate")
    since_long = PERSON | {"registration_date": "2020-01-15"}
    member_id = UUID(client.post(REGISTER, since_long).json["id"])
    contact = {"phone": OTHER_PHONE, "email": "other@kiplimo.example"}
    assert client.post(f"{REGISTER}/{member_id}/contact", contact).status_code == 200
    push_id = house.co_operative.accepted_push(
        member_id, purpose=ContributionType.REGISTRATION_FEE, amount_cents=1_000_00
    )
    house.services.callbacks.store(
        kind="stk",
        subject_id=push_id,
        body=callback(push_id, "254733915246"),
        source_address="127.0.0.1",
        correlation_id="told",
    )
    assert house.services.intake().work_once() == 1
    assert house.co_operative.load(Push, push_id).state == PushState.SUCCEEDED
    product = house.co_operative.product(contributed_cents_min=0)
    loan_id = house.co_operative.application(member_id, product_code=product, purpose=PURPOSE)
    decline = DeclineLoan(loan_id, house.co_operative.principal(), SUSPENSION, TODAY)
    house.co_operative.dispatch(decline)
    suspension = client.post(f"{REGISTER}/{member_id}/suspension", {"reason": SUSPENSION})
    assert suspension.status_code == 200
    house.follow()
    return member_id, push_id


def rebuilt(house, owner_url, model):
    """Rebuild a read model and answer whether it equals the live one."""
    services = house.services
    reader = LogReader(services.pool, PersonalKeys(services.pool, services.keyring))
    work = Rebuild(owner_url, reader, model, report=lambda _: None, cancelled=threading.Event())
    return work.run(confirm=lambda _: True)


def test_after_an_erasure_no_dump_and_no_log_line_tells_of_the_person(house, owner_url, capfd):
    member_id, push_id = whole_life(house)
    before = dump(owner_url)
    assert {"zawadixq", "733915246", "ws_co_"} <= set(traces(before)), "else this proves nothing"
    bystander = house.member(first_name="Bystander")
    house.follow()

    erased(house, owner_url, member_id)

    assert traces(dump(owner_url)) == []
    reader = house.client("read_members", "read_contributions", "operate")
    row = next(m for m in reader.get(MEMBERS).json["members"] if m["id"] == str(member_id))
    assert row["status"] == "inactive"
    assert {row[name] for name in ("first_name", "last_name", "email", "phone", "id_number")} == {
        None
    }
    assert row["total_contributions"] == "1000.00", "the history of the money stays"
    assert len(reader.get(f"{CONTRIBUTIONS}?member_id={member_id}").json["contributions"]) == 1
    assert reader.get(f"/daystar/v1/mpesa/transactions/{push_id}").json["phone"] is None
    assert house.co_operative.load(Member, bystander).first_name == "Bystander"
    for model in READ_MODELS.values():
        comparison = rebuilt(house, owner_url, model)
        assert comparison.is_equal, (model.name, comparison)
    house.follow()
    assert traces(dump(owner_url)) == []
    told = capfd.readouterr()
    assert traces(told.out + told.err) == []


def test_an_erasure_can_be_said_again_and_finishes_what_a_crash_left(house, owner_url):
    member_id, _ = whole_life(house)
    command = EraseMember(member_id, WHY, TODAY, unexited=True)
    house.co_operative.dispatch(command)  # and then the process dies
    assert traces(dump(owner_url)) != []
    events = house.count("event_store.events")
    erased(house, owner_url, member_id)
    erased(house, owner_url, member_id)
    assert house.count("event_store.events") == events
    assert traces(dump(owner_url)) == []


@pytest.mark.parametrize(
    ("model", "table"), [("members", "read_members.members"), ("loans", "read_loans.loans")]
)
def test_a_read_model_that_is_held_still_is_named_and_forgets_later(house, owner_url, model, table):
    member_id, _ = whole_life(house)
    pause(house.services.pool, model)
    say = ("erase-member", str(member_id), "--reason", WHY, "--yes", "--force")
    unfinished = daystar(house, owner_url, *say)
    assert unfinished.returncode == 1
    assert table in unfinished.stderr
    assert "read_mpesa_transactions" not in unfinished.stderr
    resume(house.services.pool, model)
    assert daystar(house, owner_url, *say).returncode == 0
    assert traces(dump(owner_url)) == []


def test_the_append_of_the_event_destroys_the_key_and_the_keys_that_find_the_person(house):
    member_id = house.member(phone="0722913057", national_id="39174628")
    house.co_operative.dispatch(EraseMember(member_id, WHY, TODAY, unexited=True))
    unit = UnitOfWork(house.services.store, CAUSE)
    assert unit.lookup(PHONE, "254722913057") == unit.lookup(NATIONAL_ID, "39174628") == []
    found = house.owner.execute(
        "SELECT count(*) FROM event_store.personal_keys WHERE owner_id = %s", (member_id,)
    ).fetchone()
    assert found == (0,)


def test_a_follower_that_had_the_key_in_memory_tells_nothing_afterwards(house):
    """It read the person a moment ago, and so did the process that records after the erasure."""
    co_operative = house.co_operative
    follower = co_operative.follower()
    member_id = house.member(**{k: v for k, v in PERSON.items() if k.endswith("name")})
    follower.catch_up()
    push_id = co_operative.push(member_id)
    co_operative.dispatch(StartSending(push_id, NOW))
    co_operative.dispatch(ChangeContact(member_id, phone=OTHER_PHONE, email=PERSON["email"]))
    co_operative.dispatch(EraseMember(member_id, WHY, TODAY, unexited=True))
    follower.catch_up()
    co_operative.dispatch(RecordAcknowledgement(push_id, "merchant-1", "ws_CO_1", NOW))
    follower.catch_up()
    shown = house.owner.execute(
        "SELECT t::text, m::text FROM read_mpesa_transactions.transactions t"
        " JOIN read_members.members m USING (member_id) WHERE member_id = %s",
        (member_id,),
    ).fetchone()
    assert traces("".join(shown)) == []


def test_the_application_cannot_destroy_the_key_of_somebody_who_was_not_erased(house):
    member_id = house.member()
    with (
        house.services.pool.connection() as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege, match="was not erased"),
    ):
        connection.execute("SELECT event_store.erase_person(%s, '{}')", (member_id,))


def test_only_who_has_exited_or_holds_nothing_is_erased(house):
    member_id = house.member()
    contribution_id = house.contribution(member_id)
    dispatch = house.co_operative.dispatch
    with pytest.raises(MemberHasNotExited):
        dispatch(EraseMember(member_id, WHY, TODAY))
    with pytest.raises(MoneyStillHeld):
        dispatch(EraseMember(member_id, WHY, TODAY, unexited=True))
    house.co_operative.reverse(member_id, contribution_id)
    dispatch(ExitMember(member_id, "moved abroad", TODAY, TODAY))
    assert dispatch(EraseMember(member_id, WHY, TODAY)).status == "erased"
    with pytest.raises(MemberIsErased):
        dispatch(ChangeContact(member_id, phone="0722913057", email=None))


def test_nobody_is_erased_while_a_payment_of_theirs_is_under_way(house, owner_url):
    member_id = house.member()
    house.co_operative.push(member_id)
    house.follow()
    refused = daystar(
        house, owner_url, "erase-member", str(member_id), "--reason", WHY, "--yes", "--force"
    )
    assert refused.returncode == 1
    assert "1 payment requests" in refused.stderr
    assert house.co_operative.load(Member, member_id).status == "active"


def test_an_erasure_that_is_not_confirmed_does_not_happen(house, owner_url):
    member_id = house.member()
    refused = daystar(
        house, owner_url, "erase-member", str(member_id), "--reason", WHY, "--force", answer="n\n"
    )
    assert refused.returncode == 1
    assert house.co_operative.load(Member, member_id).status == "active"


@pytest.mark.parametrize("by_query", [False, True])
@pytest.mark.parametrize("end", ["exited", "erased"])
def test_money_for_who_has_left_waits_in_suspense(house, end, by_query):
    co_operative = house.co_operative
    member_id = house.member()
    push_id = co_operative.accepted_push(member_id)
    if end == "exited":
        co_operative.dispatch(ExitMember(member_id, "moved abroad", TODAY, TODAY))
    else:
        co_operative.dispatch(EraseMember(member_id, WHY, TODAY, unexited=True))
    if by_query:
        assert co_operative.queried(push_id, "0") == "applied"
    assert co_operative.paid(push_id, payer_phone="254722913057") == "applied"
    receipt = co_operative.load(Receipt, receipt_id(push_id.hex[:10]))
    assert (receipt.amount_cents, receipt.suspended_cents) == (2_000_00, 2_000_00)
    account = co_operative.load(MemberAccount, account_id(member_id))
    assert account.contributed_cents == 0
    house.follow()
    shown = house.owner.execute(
        "SELECT reason, suspended::text FROM read_mpesa_transactions.receipts"
    ).fetchall()
    assert shown == [("member_not_active", "2000.00")]
    stopped = house.owner.execute("SELECT name FROM followers.followers WHERE state = 'stopped'")
    assert stopped.fetchall() == []


def test_money_that_reaches_a_suspended_member_is_posted(house):
    member_id = house.member()
    push_id = house.co_operative.accepted_push(member_id)
    house.co_operative.dispatch(SuspendMember(member_id, "the address is checked", TODAY))
    assert house.co_operative.paid(push_id) == "applied"
    account = house.co_operative.load(MemberAccount, account_id(member_id))
    assert account.contributed_cents == 2_000_00


def test_a_push_whose_member_was_erased_is_not_sent(house):
    member_id = house.member()
    push_id = house.co_operative.push(member_id)
    house.co_operative.dispatch(EraseMember(member_id, WHY, TODAY, unexited=True))
    # Another process, which has never had the key.
    with open_house(house.owner.info.dsn, house.services.settings.data_directory) as other:
        assert other.co_operative.dispatch(StartSending(push_id, NOW)) is None
        assert other.co_operative.load(Push, push_id).state == PushState.REJECTED


def test_what_we_hold_is_told_whole_and_after_the_erasure_without_the_person(house, owner_url):
    member_id, push_id = whole_life(house)
    account = house.co_operative.load(MemberAccount, account_id(member_id))
    house.co_operative.reverse(member_id, UUID(*account.contributions))
    told = json.loads(daystar(house, owner_url, "export-member", str(member_id)).stdout)
    assert told["profile"]["first_name"] == PERSON["first_name"]
    assert told["profile"]["phone"] == "254733915246"
    assert [event["topic"] for event in told["history"]["membership"]] == [
        "member.registered",
        "member.contact-changed",
        "member.suspended",
    ]
    assert told["history"]["membership"][0]["phone"] == "254722913057"
    assert told["history"]["membership"][2]["reason"] == SUSPENSION
    assert {event["stream_id"] for event in told["history"]["pushes"]} == {str(push_id)}
    assert told["history"]["receipts"][0]["payer_phone"] == "254733915246"
    assert told["contributions"][0]["amount"] == "1000.00"
    assert told["callbacks"][0]["callbacks"] == 1
    assert all(event["actor"] for event in told["history"]["membership"])
    assert told["history"]["account"][2]["reason"] == "typed twice"
    erased(house, owner_url, member_id)
    afterwards = daystar(house, owner_url, "export-member", str(member_id))
    assert traces(afterwards.stdout) == []
    held = json.loads(afterwards.stdout)
    assert held["profile"]["status"] == "erased"
    reasons = [event.get("reason") for event in held["history"]["membership"]]
    assert reasons == [None, None, None, WHY], "why we forgot them stays; the person is gone"
    assert held["history"]["account"][2]["reason"] == "typed twice"


def test_of_somebody_unknown_nothing_is_told(house, owner_url):
    refused = daystar(house, owner_url, "export-member", str(uuid4()))
    assert refused.returncode == 1
    assert "no member with this id" in refused.stderr


def test_every_column_that_could_tell_of_a_person_stands_in_the_one_list(house):
    told = house.owner.execute(
        "SELECT DISTINCT table_schema || '.' || table_name FROM information_schema.columns"
        " JOIN information_schema.tables USING (table_schema, table_name)"
        " WHERE table_type = 'BASE TABLE' AND table_schema !~ '^(pg_|information_schema|public)'"
        " AND column_name ~ '(^|_)(phone|email|first_name|last_name|id_number|checkout_request_id"
        "|purpose|body|wrapped_key|payer_name|payer_hint|account_number|proposal_note)$'"
    ).fetchall()
    assert {name for (name,) in told} <= set(PERSONAL_DATA_TABLES)


def test_every_read_model_that_forgets_somebody_stands_in_the_one_list():
    forgetful = {
        schema_name(model) for model in READ_MODELS.values() if "member.erased" in model.folds
    }
    assert forgetful == {
        schema
        for schema in (name.split(".")[0] for name in PERSONAL_DATA_TABLES)
        if schema.startswith("read_")
    }


def test_what_a_rebuild_left_lying_is_named(house, owner_url):
    member_id = house.member()
    left = {"old_loans_17000_1", "shadow_members"}
    for schema in (*left, "old_summary_17000_1"):
        house.owner.execute(f"CREATE SCHEMA {schema}")
    say = ("erase-member", str(member_id), "--reason", WHY, "--yes", "--force")
    unfinished = daystar(house, owner_url, *say)
    assert unfinished.returncode == 1
    assert all(schema in unfinished.stderr for schema in left), unfinished.stderr
    assert "old_summary" not in unfinished.stderr, "there is nobody in it"


def test_the_answers_given_about_the_person_are_forgotten(house, owner_url):
    client = house.client("operate")
    member_id = house.member()
    contribution = {
        "member_id": str(member_id),
        "amount": "1000.00",
        "contribution_type": "registration_fee",
        "payment_method": "cash",
        "payment_reference": "R-1",
    }
    assert client.post(RECORD, contribution).status_code == 201
    asked = {"member_id": str(house.member()), "amount": "2000.00", "payment_purpose": "monthly"}
    assert client.post(PUSH, asked).status_code == 202
    assert house.count("event_store.idempotency") == 2
    erased(house, owner_url, member_id)
    assert house.count("event_store.idempotency") == 1
