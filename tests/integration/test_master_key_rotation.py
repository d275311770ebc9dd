"""A new master key: everything old is encrypted again, and the old key then opens nothing."""

from __future__ import annotations

from uuid import uuid4

import psycopg
import pytest
from click.testing import CliRunner
from cryptography.fernet import Fernet
from psycopg import sql

from app.cli.main import daystar
from infra.keyring import MasterKeyError, new_master_key
from infra.master_key_rotation import ENCRYPTED_COLUMNS, SLICE_ROWS
from tests.conftest import MASTER_KEY
from tests.integration.http.house import MEMBERS, RECORD, Client, open_house
from tests.support.reconciling import Reconciling
from tests.support.statements import Moved, balanced

NEW_KEY = new_master_key()
FERNET_TOKENS_BEGIN_WITH = b"gAAAAA"
BYTES_COLUMNS = """
SELECT table_schema, table_name, column_name FROM information_schema.columns
WHERE data_type = 'bytea' AND table_schema NOT IN ('pg_catalog', 'information_schema')
"""


@pytest.fixture
def command(owner_url, tmp_path, monkeypatch):
    """`daystar` on this test's database, with master keys as told."""

    def run(*words, master_keys):
        monkeypatch.setenv("DATABASE_URL", owner_url)
        monkeypatch.setenv("DAYSTAR_DATA_DIR", str(tmp_path))
        monkeypatch.setenv("DAYSTAR_MASTER_KEY", master_keys)
        return CliRunner().invoke(daystar, words)

    return run


@pytest.fixture
def filled(owner_url, tmp_path):
    """A house with something in every encrypted column. Answers a client's key."""
    with open_house(owner_url, tmp_path) as house:
        client = house.client("operate", "read_members")
        member = house.member(first_name="Wanjiru")
        body = {
            "member_id": str(member),
            "amount": "500.00",
            "contribution_type": "monthly",
            "payment_method": "cash",
            "payment_reference": "R1",
        }
        assert client.post(RECORD, body).status_code == 201
        house.services.callbacks.store(
            kind="stk", subject_id=member, body=b"{}", source_address="", correlation_id="1"
        )
        house.services.callbacks.store(
            kind="stk", subject_id=uuid4(), body=b"{}", source_address="", correlation_id="wiped"
        )
        house.owner.execute("UPDATE intake.callbacks SET body = '' WHERE correlation_id = 'wiped'")
        Reconciling(house.co_operative).imported(balanced(Moved(1, "payment", 500).lines()))
        house.owner.execute(
            "INSERT INTO mpesa.access_tokens (credentials, token) VALUES ('x', %s)",
            (house.services.keyring.encrypt(b"token"),),
        )
        house.owner.execute(
            "INSERT INTO event_store.personal_keys SELECT gen_random_uuid(), wrapped_key"
            " FROM event_store.personal_keys, generate_series(1, %s)",
            (SLICE_ROWS,),
        )
    return client.key


def tokens(owner_url):
    """Whatever in the whole database looks encrypted by a master key, by its column."""
    found = {}
    with psycopg.connect(owner_url) as owner:
        for schema, table, column in owner.execute(BYTES_COLUMNS).fetchall():
            rows = owner.execute(
                sql.SQL("SELECT {1} FROM {0} WHERE substr({1}, 1, 6) = %s").format(
                    sql.Identifier(schema, table), sql.Identifier(column)
                ),
                (FERNET_TOKENS_BEGIN_WITH,),
            ).fetchall()
            if rows:
                found[f"{schema}.{table}", column] = [row[0] for row in rows]
    return found


def test_every_encrypted_column_of_the_database_is_in_the_list(filled, owner_url):
    assert set(tokens(owner_url)) == {(table, column) for table, _, column in ENCRYPTED_COLUMNS}


def test_nothing_stays_under_the_old_key_and_everything_is_read_with_the_new_one_alone(
    filled, owner_url, tmp_path, command, monkeypatch
):
    outcome = command("rotate-master-key", master_keys=f"{NEW_KEY},{MASTER_KEY}")
    assert outcome.exit_code == 0, outcome.output
    new = Fernet(NEW_KEY)
    assert all(new.decrypt(token) for found in tokens(owner_url).values() for token in found)
    assert sum(map(len, tokens(owner_url).values())) > SLICE_ROWS
    monkeypatch.setattr("tests.integration.http.house.MASTER_KEY", NEW_KEY)
    with open_house(owner_url, tmp_path) as house:
        house.follow()
        members = Client(house.app, filled).get(MEMBERS).json["members"]
        assert [member["first_name"] for member in members] == ["Wanjiru"]
        house.owner.execute("DELETE FROM intake.callbacks WHERE body = ''")
        assert [kept.body for kept in house.services.callbacks.claim(10)] == [b"{}"]
    refused = command("keys", "list", master_keys=MASTER_KEY)
    assert isinstance(refused.exception, MasterKeyError)


def test_a_second_run_changes_nothing(filled, owner_url, command):
    command("rotate-master-key", master_keys=f"{NEW_KEY},{MASTER_KEY}")
    before = tokens(owner_url)
    outcome = command("rotate-master-key", master_keys=f"{NEW_KEY},{MASTER_KEY}")
    assert outcome.exit_code == 0
    assert tokens(owner_url) == before
    assert {int(line.split()[1]) for line in outcome.output.splitlines()[:-1]} == {0}


def test_without_the_old_key_it_is_refused_and_changes_nothing(filled, owner_url, command):
    before = tokens(owner_url)
    outcome = command("rotate-master-key", master_keys=NEW_KEY)
    assert isinstance(outcome.exception, MasterKeyError)
    assert tokens(owner_url) == before
