"""The answer to a request is stored by the very append that acts, or not at all."""

from __future__ import annotations

from uuid import uuid4

import psycopg
import pytest

from domain.contributions.account import MemberAccount
from domain.identities import account_id
from infra.event_store import dispatch as dispatching
from infra.event_store.errors import (
    IdempotencyClaimLapsed,
)
from infra.idempotency import Claim, IdempotencyKeys, KeyInFlight, KeyUsedForOtherBody, Replay
from tests.support.co_operative import CAUSE
from tests.support.commits import contribution


@pytest.fixture
def keys(pool, keyring):
    return IdempotencyKeys(pool, keyring)


def dispatch_answered(co_operative, keys, claim, command):
    return dispatching.dispatch(
        co_operative.store,
        command,
        CAUSE,
        answer=lambda _: keys.answer(claim, status=201, body=b'{"id":1}'),
    )


def test_the_answer_is_stored_with_what_was_done(co_operative, keys):
    member = co_operative.member()
    claim = keys.claim(scope="s", key="k", body="b")
    assert isinstance(claim, Claim)
    dispatch_answered(co_operative, keys, claim, contribution(member))
    assert keys.claim(scope="s", key="k", body="b") == Replay(201, b'{"id":1}')
    with pytest.raises(KeyUsedForOtherBody):
        keys.claim(scope="s", key="k", body="other")
    assert isinstance(keys.claim(scope="another caller", key="k", body="other"), Claim)


def test_what_is_refused_leaves_no_answer(co_operative, keys):
    claim = keys.claim(scope="s", key="k", body="b")
    with pytest.raises(Exception, match="no member"):
        dispatch_answered(co_operative, keys, claim, contribution(uuid4()))
    with pytest.raises(KeyInFlight):
        keys.claim(scope="s", key="k", body="b")
    keys.release(claim)
    assert isinstance(keys.claim(scope="s", key="k", body="b"), Claim)


def test_a_lapsed_claim_is_refused_with_all_it_would_have_done(co_operative, keys, pool, owner_url):
    member = co_operative.member()
    lapsed = keys.claim(scope="s", key="k", body="b")
    with pool.connection() as connection:
        connection.execute(
            "UPDATE event_store.idempotency SET claimed_at = now() - interval '10 minutes'"
        )
    anew = keys.claim(scope="s", key="k", body="b")
    assert isinstance(anew, Claim)
    with pytest.raises(IdempotencyClaimLapsed):
        dispatch_answered(co_operative, keys, lapsed, contribution(member))
    assert co_operative.load(MemberAccount, account_id(member)).contributed_cents == 0
    dispatch_answered(co_operative, keys, anew, contribution(member))
    assert co_operative.load(MemberAccount, account_id(member)).contributed_cents == 1_000_00


def test_releasing_does_not_take_away_an_answer(co_operative, keys):
    claim = keys.claim(scope="s", key="k", body="b")
    dispatch_answered(co_operative, keys, claim, contribution(co_operative.member()))
    keys.release(claim)
    assert isinstance(keys.claim(scope="s", key="k", body="b"), Replay)


def test_an_answer_is_encrypted(co_operative, keys, pool):
    claim = keys.claim(scope="s", key="k", body="b")
    dispatch_answered(co_operative, keys, claim, contribution(co_operative.member()))
    with pool.connection() as connection:
        (body,) = connection.execute("SELECT body FROM event_store.idempotency").fetchone()
    assert b'"id"' not in bytes(body)


def test_what_is_done_beside_the_log_keeps_its_answer_in_its_own_transaction(pool, keys):
    claim = keys.claim(scope="s", key="k", body="b")
    with pool.connection() as connection, connection.transaction():
        keys.keep(connection, claim, status=202, body=b"{}")
        raise psycopg.Rollback
    with pytest.raises(KeyInFlight):
        keys.claim(scope="s", key="k", body="b")
    with pool.connection() as connection, connection.transaction():
        keys.keep(connection, claim, status=202, body=b"{}")
    assert keys.claim(scope="s", key="k", body="b") == Replay(202, b"{}")


def test_an_answer_is_kept_once_and_under_a_claim_that_holds(pool, keys):
    claim = keys.claim(scope="s", key="k", body="b")
    stranger = Claim(claim.request_key, uuid4())
    with pytest.raises(IdempotencyClaimLapsed), pool.connection() as connection:
        keys.keep(connection, stranger, status=202, body=b"{}")
    with pool.connection() as connection:
        keys.keep(connection, claim, status=202, body=b"{}")
    with pytest.raises(IdempotencyClaimLapsed), pool.connection() as connection:
        keys.keep(connection, claim, status=500, body=b"another")
    assert keys.claim(scope="s", key="k", body="b") == Replay(202, b"{}")
