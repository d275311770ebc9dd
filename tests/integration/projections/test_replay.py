"""Pasts: the read models as they stood, beside the live ones, and nobody's name in them."""

from __future__ import annotations

import threading

import psycopg
import pytest

from domain.members.commands import EraseMember
from infra.event_store.as_of import as_of_position
from infra.event_store.reader import LogReader
from projections.filling import RebuildStopped
from projections.read_models import READ_MODELS
from projections.replay import PASTS_MAX, Replay, ReplayRefused, kept_pasts, past_schema
from tests.support.co_operative import TODAY
from tests.support.histories import History
from tests.support.read_models import dumped
from tests.support.somebody import PERSON, dump, traces

PERSONAL = {
    "first_name",
    "last_name",
    "email",
    "phone",
    "id_number",
    "purpose",
    "checkout_request_id",
    "account_number",
    "payer_phone",
    "payer_name",
    "payer_hint",
    "proposal_phone",
    "proposal_note",
}


@pytest.fixture
def replay(owner_url, store):
    return Replay(
        owner_url,
        LogReader(store.pool, keys=None),
        READ_MODELS.values(),
        report=lambda _: None,
        cancelled=threading.Event(),
    )


def impersonal(rows):
    return [
        {column: None if column in PERSONAL else value for column, value in row.items()}
        for row in rows
    ]


def rows_of(owner_url, schema, table):
    with psycopg.connect(owner_url) as connection:
        found = connection.execute(f"SELECT to_jsonb(t) FROM {schema}.{table} AS t").fetchall()
    return sorted((row[0] for row in found), key=str)


def names(owner_url):
    with psycopg.connect(owner_url, autocommit=True) as connection:
        return [past.name for past in kept_pasts(connection)]


def schemas(owner_url):
    with psycopg.connect(owner_url) as connection:
        rows = connection.execute(
            "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'past\\_%' ORDER BY 1"
        ).fetchall()
    return [row[0] for row in rows]


def test_a_past_holds_what_the_live_read_models_held_then(replay, co_operative, owner_url):
    history = History(co_operative, 4)
    follower = co_operative.follower()
    history.begin(then=follower.catch_up)
    for _ in range(25):
        history.go_on()
    follower.catch_up()
    then = dumped(owner_url)
    as_of = as_of_position(co_operative.store.pool, co_operative.store.log.max_notification_id())
    for _ in range(15):
        history.go_on()
    follower.catch_up()
    now = dumped(owner_url)
    assert now != then
    made = replay.make("then", as_of)
    assert made == [past_schema("then", model) for model in READ_MODELS.values()]
    for model in READ_MODELS.values():
        for table in model.keys:
            found = rows_of(owner_url, past_schema("then", model), table)
            expected = sorted(impersonal(then[f"read_{model.name}.{table}"]), key=str)
            assert found == expected, table
    assert dumped(owner_url) == now, "nothing live was touched"
    with psycopg.connect(owner_url) as connection:
        [past] = kept_pasts(connection)
    assert (past.position, past.recorded_at) == (as_of.position, as_of.recorded_at)
    assert past.is_ready
    assert not past.is_lost


def test_a_past_knows_nobody_and_so_nobody_is_left_in_it(replay, co_operative, owner_url):
    fields = {"national_id" if name == "id_number" else name: PERSON[name] for name in PERSON}
    member_id = co_operative.member(**fields)
    co_operative.accepted_push(member_id)
    follower = co_operative.follower()
    follower.catch_up()
    assert traces(dump(owner_url)), "the live read models know them"
    as_of = as_of_position(co_operative.store.pool, co_operative.store.log.max_notification_id())
    replay.make("before", as_of)
    for table in ("members.members", "mpesa_transactions.transactions"):
        [row] = rows_of(owner_url, f"past_before_{table.split('.')[0]}", table.split(".")[1])
        assert row["member_id"] == str(member_id)
        assert {row[column] for column in PERSONAL & set(row)} == {None}
    co_operative.dispatch(EraseMember(member_id, "asked in writing", TODAY, unexited=True))
    follower.catch_up()
    assert traces(dump(owner_url)) == []
    replay.make("after", as_of)
    assert rows_of(owner_url, "past_after_members", "members") == rows_of(
        owner_url, "past_before_members", "members"
    )


def test_only_so_many_pasts_are_kept_and_dropping_one_makes_room(replay, co_operative, owner_url):
    co_operative.member()
    start = as_of_position(co_operative.store.pool, 0)
    kept = [f"past{number}" for number in range(PASTS_MAX)]
    for name in kept:
        replay.make(name, start)
    with pytest.raises(ReplayRefused, match="--drop"):
        replay.make("onemore", start)
    replay.drop("past1")
    assert not [schema for schema in schemas(owner_url) if schema.startswith("past_past1_")]
    replay.make("onemore", start)
    assert sorted(names(owner_url)) == sorted({*kept, "onemore"} - {"past1"})


@pytest.mark.parametrize("name", ["", "March", "a_b", "1a", "a" * 21, "a;drop", "märz"], ids=repr)
def test_a_name_that_would_not_do_is_refused(replay, store, owner_url, name):
    with pytest.raises(ReplayRefused):
        replay.make(name, as_of_position(store.pool, 0))
    assert schemas(owner_url) == []


def test_a_name_is_given_once_and_what_is_not_there_is_not_dropped(replay, store):
    replay.make("march", as_of_position(store.pool, 0))
    with pytest.raises(ReplayRefused, match="march already"):
        replay.make("march", as_of_position(store.pool, 0))
    with pytest.raises(ReplayRefused, match="no past named april"):
        replay.drop("april")


def test_a_cancelled_replay_leaves_nothing(co_operative, store, owner_url):
    co_operative.member()
    cancelled = threading.Event()
    cancelled.set()
    reader = LogReader(store.pool, keys=None)
    replay = Replay(
        owner_url, reader, READ_MODELS.values(), report=lambda _: None, cancelled=cancelled
    )
    with pytest.raises(RebuildStopped):
        replay.make("march", as_of_position(store.pool, store.log.max_notification_id()))
    assert schemas(owner_url) == []
    assert names(owner_url) == []


def test_what_a_killed_replay_left_goes_with_the_next(replay, store, owner_url):
    with psycopg.connect(owner_url, autocommit=True) as owner:
        owner.execute("INSERT INTO pasts.pasts VALUES ('half', 0, now(), now(), false)")
        owner.execute("CREATE SCHEMA past_half_members")
    replay.make("whole", as_of_position(store.pool, 0))
    assert names(owner_url) == ["whole"]
    assert not any(schema.startswith("past_half_") for schema in schemas(owner_url))


def test_two_replays_do_not_meet(replay, store, owner_url):
    with psycopg.connect(owner_url) as other:
        other.execute("SELECT pg_advisory_lock(4803225)")
        with pytest.raises(ReplayRefused, match="Another past"):
            replay.make("march", as_of_position(store.pool, 0))


def test_the_application_may_read_a_past_and_not_change_it(replay, store):
    replay.make("march", as_of_position(store.pool, 0))
    with store.pool.connection() as connection:
        assert connection.execute("SELECT count(*) FROM past_march_members.members").fetchone()
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DELETE FROM past_march_members.members")
