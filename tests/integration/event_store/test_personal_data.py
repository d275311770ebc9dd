"""Personal fields are unreadable in the table, cannot be moved, and go when their key goes."""

from __future__ import annotations

from uuid import uuid4

import orjson
import psycopg
import pytest
from cryptography.exceptions import InvalidTag
from eventsourcing.persistence import StoredEvent

from domain.aggregate import NO_CLOCK
from domain.members.member import PHONE, Member
from domain.mpesa.receipt import Receipt
from domain.mpesa.stk_push import Push
from infra.event_store.mapper import PersonErased
from infra.event_store.personal_keys import PersonalKeys
from infra.event_store.reader import LogReader
from infra.event_store.unit_of_work import EventStore, UnitOfWork
from tests.support.co_operative import CAUSE, CoOperative

PERSON = {
    "first_name": "Wanjikuzzz",
    "last_name": "Kamauzzz",
    "phone": "0798765432",
    "email": "wanjikuzzz@example.org",
    "national_id": "98765432",
}
TRACES = ("anjikuzzz", "amauzzz", "98765432")  # long enough not to stand in ciphertext by chance


def stored(co_operative, stream_id, version=1):
    with co_operative.store.pool.connection() as connection:
        return connection.execute(
            "SELECT topic, state FROM event_store.events"
            " WHERE stream_id = %s AND stream_version = %s",
            (stream_id, version),
        ).fetchone()


def erased(co_operative, owner_url, member_id):
    """The person's key is destroyed, and a process starts that never saw it."""
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute(
            "DELETE FROM event_store.personal_keys WHERE owner_id = %s", (member_id,)
        )
    return CoOperative(EventStore.open(co_operative.store.pool, co_operative.store.keyring))


def test_no_personal_word_is_readable_anywhere_in_the_event_store(co_operative, owner_url):
    member = co_operative.member(**PERSON)
    co_operative.paid(co_operative.accepted_push(member))
    with psycopg.connect(owner_url) as connection:
        tables = connection.execute(
            "SELECT table_schema || '.' || table_name FROM information_schema.tables"
            " WHERE table_schema IN ('event_store', 'secrets', 'intake')"
        ).fetchall()
        for (table,) in tables:
            for (row,) in connection.execute(f"SELECT t::text FROM {table} AS t").fetchall():
                words = row + "".join(decoded_bytes(row))
                assert not [trace for trace in TRACES if trace in words], table


def decoded_bytes(row):
    for part in row.replace('"', "").replace("(", ",").replace(")", ",").split(","):
        if part.startswith(("\\x", "\\\\x")):
            yield bytes.fromhex(part.lstrip("\\")[1:]).decode("latin-1")


def test_the_same_person_written_twice_looks_different(co_operative):
    first, second = (
        orjson.loads(stored(co_operative, co_operative.member(email="same@example.org"))[1])
        for _ in range(2)
    )
    assert first["email"] != second["email"]


def test_a_field_moved_to_another_stream_is_not_read(co_operative):
    member = co_operative.member(**PERSON)
    topic, state = stored(co_operative, member)
    mapper = co_operative.store.mapper
    assert mapper.to_domain_event(StoredEvent(member, 1, topic, state)).phone == "254798765432"
    push = co_operative.push(member)
    topic, of_push = stored(co_operative, push)
    moved = orjson.loads(of_push) | {"phone": orjson.loads(state)["phone"]}
    with pytest.raises(InvalidTag):
        mapper.to_domain_event(StoredEvent(push, 1, topic, orjson.dumps(moved)))


def test_a_field_moved_to_another_name_is_not_read(co_operative):
    member = co_operative.member(**PERSON)
    topic, state = stored(co_operative, member)
    sealed = orjson.loads(state)
    swapped = sealed | {"first_name": sealed["last_name"], "last_name": sealed["first_name"]}
    with pytest.raises(InvalidTag):
        co_operative.store.mapper.to_domain_event(
            StoredEvent(member, 1, topic, orjson.dumps(swapped))
        )


def test_a_field_under_another_persons_key_is_not_read(co_operative):
    first, second = co_operative.member(), co_operative.member()
    topic, state = stored(co_operative, co_operative.push(first))
    other = orjson.dumps(orjson.loads(state) | {"member_id": str(second)})
    with pytest.raises(InvalidTag):
        co_operative.store.mapper.to_domain_event(StoredEvent(uuid4(), 1, topic, other))


def test_without_the_key_the_person_is_gone_and_the_rest_is_whole(co_operative, owner_url):
    member = co_operative.member(**PERSON)
    push = co_operative.accepted_push(member)
    co_operative.paid(push)
    before = co_operative.load(Member, member)
    afterwards = erased(co_operative, owner_url, member)
    person = afterwards.load(Member, member)
    assert [vars(person)[field] for field in PERSON] == [None] * len(PERSON)
    assert person.member_number == before.member_number
    assert person.registered_on == before.registered_on
    paid = afterwards.load(Push, push)
    assert (paid.phone, paid.checkout_request_id, paid.push_cents) == (None, None, 2_000_00)
    from_log = LogReader(
        afterwards.store.pool, PersonalKeys(afterwards.store.pool, afterwards.store.keyring)
    ).read(0)
    registered, *_ = from_log.events
    assert registered.data["phone"] is None
    assert registered.data["member_number"] == before.member_number


def test_nothing_personal_is_recorded_once_the_key_is_destroyed(co_operative, owner_url):
    member = co_operative.member(**PERSON)
    afterwards = erased(co_operative, owner_url, member)
    with pytest.raises(PersonErased):
        afterwards.push(member, phone="0711222333")


def test_a_payer_who_is_no_member_has_a_key_of_their_own(co_operative):
    unit, receipt_id = UnitOfWork(co_operative.store, CAUSE), uuid4()
    receipt = Receipt.begin(
        Receipt.Received,
        stream_id=receipt_id,
        receipt_number="SKL1A2B3C4",
        amount_cents=100_00,
        paid_at=NO_CLOCK.isoformat(),
        channel="paybill",
        member_id=None,
        payer_phone="254798765432",
        short_code="600992",
        account_number="0798765432",
        payer_name="Jane Doe",
        payer_hint=None,
    )
    unit.save(receipt)
    unit.commit()
    topic, state = stored(co_operative, receipt_id)
    assert b"798765" not in state
    event = co_operative.store.mapper.to_domain_event(StoredEvent(receipt_id, 1, topic, state))
    assert event.payer_phone == "254798765432"
    with co_operative.store.pool.connection() as connection:
        query = "SELECT count(*) FROM event_store.personal_keys WHERE owner_id = %s"
        assert connection.execute(query, (receipt_id,)).fetchone() == (1,)


def test_a_phone_is_found_only_by_those_who_have_the_index_key(co_operative):
    member = co_operative.member(**PERSON)
    unit = UnitOfWork(co_operative.store, CAUSE)
    assert unit.lookup(PHONE, "254798765432") == [member]
    assert unit.lookup(PHONE, "0798765432") == []
