"""A database that came back from a backup: nothing lost is given out again, or sent twice."""

from __future__ import annotations

import psycopg
import pytest
from click.testing import CliRunner

from app.cli.main import daystar
from domain.mpesa.sending import StartSending
from domain.mpesa.stk_push import Push
from infra import clock
from infra.errors import InfrastructureError
from infra.event_store.epochs import (
    TAIL_COMMITS_PER_SECOND_MAX,
    TAIL_SECONDS_MIN,
    Head,
    open_epoch,
)
from infra.postgres.pool import open_pool
from projections.follower import BEYOND_THE_LOG
from projections.read_models import READ_MODELS
from projections.status import follower_status
from tests.conftest import MASTER_KEY
from tests.integration.http.house import CONTRIBUTIONS, MEMBERS, Client, assert_refused, open_house
from tests.support import payout_states as told
from tests.support.co_operative import NOW

HOUR_OF_POSITIONS = TAIL_SECONDS_MIN * TAIL_COMMITS_PER_SECOND_MAX * 1000


@pytest.fixture
def command(owner_url, tmp_path, monkeypatch):
    """`daystar` on this test's database."""
    monkeypatch.setenv("DATABASE_URL", owner_url)
    monkeypatch.setenv("DAYSTAR_MASTER_KEY", MASTER_KEY)
    monkeypatch.setenv("DAYSTAR_DATA_DIR", str(tmp_path))
    return lambda *words, answer=None: CliRunner().invoke(daystar, words, input=answer)


@pytest.fixture
def restore(command):
    return lambda *words, **options: command("restored", *words, **options)


@pytest.fixture
def reopened(owner_url, tmp_path):
    return lambda: open_house(owner_url, tmp_path)


def lose_tail(owner_url, *, after):
    """What a backup that ends here would bring back of the log. Its owner alone can do this."""
    with psycopg.connect(owner_url, autocommit=True) as owner:
        owner.execute("ALTER TABLE event_store.events DISABLE TRIGGER events_are_immutable")
        owner.execute("DELETE FROM event_store.events WHERE position > %s", (after,))
        owner.execute("ALTER TABLE event_store.events ENABLE TRIGGER events_are_immutable")


def head(house):
    return house.owner.execute("SELECT max(position) FROM event_store.events").fetchone()[0]


def status(house):
    found = follower_status(house.services.pool, READ_MODELS.values(), now=clock.now())
    return {follower.name: follower for follower in found}


def next_cursor(client, path):
    return client.get(f"{path}?per_page=1").json["pagination"]["next_cursor"]


def test_cursors_of_the_lost_tail_are_gone_and_older_and_newer_ones_work(
    owner_url, reopened, restore
):
    with reopened() as house:
        client = house.client("read_members", "read_contributions")
        members = [house.member() for _ in range(3)]
        house.follow()
        kept, kept_until = next_cursor(client, MEMBERS), head(house)
        for _ in range(2):
            house.contribution(members[0])
        house.follow()
        lost = next_cursor(client, CONTRIBUTIONS)
        lost_member = next_cursor(client, MEMBERS)
    lose_tail(owner_url, after=kept_until)
    outcome = restore("--yes")
    assert outcome.exit_code == 0, outcome.output
    with reopened() as house:
        client = Client(house.app, client.key)
        house.follow()
        for path, cursor in ((CONTRIBUTIONS, lost), (MEMBERS, lost_member)):
            refusal = client.get(f"{path}?per_page=1&cursor={cursor}")
            assert_refused(refusal, 410, "cursor_lost")
        assert len(client.get(f"{MEMBERS}?per_page=1&cursor={kept}").json["members"]) == 1
        house.contribution(members[0])
        house.contribution(members[0])
        assert head(house) > kept_until + HOUR_OF_POSITIONS
        house.follow()
        new = next_cursor(client, CONTRIBUTIONS)
        rows = client.get(f"{CONTRIBUTIONS}?per_page=1&cursor={new}").json["contributions"]
        assert len(rows) == 1


def test_read_models_that_know_more_than_the_log_stop_and_are_filled_anew(
    owner_url, reopened, command, restore
):
    with reopened() as house:
        member = house.member()
        kept_until = head(house)
        house.contribution(member)
        house.follow()
        assert house.count("read_contributions.contributions") == 1
    lose_tail(owner_url, after=kept_until)
    with reopened() as house:
        house.follow()
        assert {each.state for each in status(house).values()} == {"stopped"}
        assert {each.error for each in status(house).values()} == {BEYOND_THE_LOG}
        assert command("rebuild", "contributions").exit_code == 1
        assert BEYOND_THE_LOG in str(command("rebuild", "contributions").exception)
    outcome = restore("--yes")
    assert "read model contributions knew more than the log" in outcome.output
    with reopened() as house:
        house.follow()
        assert {each.state for each in status(house).values()} == {"following"}
        assert house.count("read_contributions.contributions") == 0
        assert house.count("read_members.members") == 1


def test_read_models_of_the_same_backup_stay_as_they_are(reopened, restore):
    with reopened() as house:
        house.member()
        house.follow()
        before = status(house)
    outcome = restore("--yes")
    assert "knew more" not in outcome.output
    with reopened() as house:
        assert status(house) == before


def test_what_may_have_been_sent_since_the_backup_is_not_sent_again(reopened, restore):
    with reopened() as house:
        shop = house.co_operative
        requested, sent = (shop.push(house.member()) for _ in range(2))
        shop.dispatch(StartSending(sent, NOW))
        accepted, paid = (shop.accepted_push(house.member()) for _ in range(2))
        shop.paid(paid)
    outcome = restore("--yes")
    assert "2 payment requests are in doubt" in outcome.output
    with reopened() as house:
        shop = house.co_operative
        states = [shop.load(Push, each).state for each in (requested, sent, accepted, paid)]
        assert states == ["in_doubt", "in_doubt", "accepted", "succeeded"]
        assert shop.dispatch(StartSending(requested, NOW)) is None
        house.follow()
        due = house.owner.execute(
            "SELECT request_id, action FROM read_mpesa_due.requests"
        ).fetchall()
        assert due == [(accepted, "query")]
        shop.paid(requested)
        assert shop.load(Push, requested).state == "succeeded"


def test_a_payout_that_may_have_left_since_the_backup_is_asked_about(reopened, restore):
    with reopened() as house:
        shop = house.co_operative
        requested, sending, paid = (
            told.payout_in(shop, where) for where in ("requested", "sending", "succeeded")
        )
    outcome = restore("--yes")
    assert "2 payouts are in doubt" in outcome.output
    with reopened() as house:
        shop = house.co_operative
        states = [told.state_of(shop, each) for each in (requested, sending, paid)]
        assert states == ["in_doubt", "in_doubt", "succeeded"]
        assert told.sending_started(shop, requested) is None


def test_it_asks_first_and_a_no_changes_nothing(reopened, restore):
    with reopened() as house:
        house.member()
        house.follow()
        with house.unchanged():
            house.services.close()
            outcome = restore(answer="n\n")
    assert outcome.exit_code == 1
    assert "Was this database just restored" in outcome.output


def test_it_refuses_while_a_process_is_connected(owner_url, reopened, restore):
    with open_pool(owner_url, size_max=1) as pool:
        pool.wait()
        outcome = restore("--yes")
    assert isinstance(outcome.exception, InfrastructureError)
    assert "Stop all its processes first" in str(outcome.exception)
    with psycopg.connect(owner_url) as owner:
        assert owner.execute("SELECT count(*) FROM event_store.epochs").fetchone() == (1,)


def test_twice_begins_two_epochs_and_harms_nothing(reopened, restore):
    with reopened() as house:
        house.member()
    assert [restore("--yes").exit_code for _ in range(2)] == [0, 0]
    with reopened() as house:
        house.member()
        house.follow()
        assert house.count("read_members.members") == 2
        assert house.count("event_store.epochs") == 3


@pytest.mark.parametrize(
    ("ago", "beyond", "expected"),
    [
        (0, 0, 7_000 + HOUR_OF_POSITIONS),
        (86_400, 0, 7_000 + 24 * HOUR_OF_POSITIONS),
        (0, 10**15, 10**15),
    ],
)
def test_the_jump_is_longer_than_any_tail_and_longer_than_what_is_remembered(
    owner_url, ago, beyond, expected
):
    with psycopg.connect(owner_url, autocommit=True) as connection:
        assert open_epoch(connection, Head(7_000, None, ago), beyond=beyond) == expected
