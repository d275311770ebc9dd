"""Bringing a database forward: twice, at once, changed behind our back, without the rights."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg import sql

from infra.postgres.migrate import APPLICATION_ROLE, MigrationError, migrate, migration_files
from infra.postgres.pool import application_url
from projections.installation import install_read_models
from projections.read_models import READ_MODELS

LOGIN = "daystar_test_login"


def test_each_file_runs_once(databases):
    url = databases.empty()
    assert migrate(url) == [name for name, _ in migration_files()]
    assert migrate(url) == []


def test_eight_at_once_run_each_file_once(databases):
    url = databases.empty()
    with ThreadPoolExecutor(8) as threads:
        applied = list(threads.map(migrate, [url] * 8))
    assert sorted(name for names in applied for name in names) == sorted(
        name for name, _ in migration_files()
    )


def test_read_models_are_installed_once_by_eight_at_once(databases):
    url = databases.empty()
    migrate(url)
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: install_read_models(url, READ_MODELS.values()), range(8)))
    assert sorted(name for names in made for name in names) == sorted(READ_MODELS)


def test_a_file_changed_after_it_was_applied_is_refused(databases):
    url = databases.empty()
    migrate(url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("UPDATE daystar_migrations SET sha256 = 'other' WHERE name LIKE '0001%'")
    with pytest.raises(MigrationError, match=r"0001_event_store\.sql was changed"):
        migrate(url)


def test_files_run_in_the_order_of_their_numbers():
    names = [name for name, _ in migration_files()]
    assert names == sorted(names)
    assert names[0].startswith("0001_")


@pytest.fixture
def login_without_rights(databases):
    """A login that owns its database and may create no roles."""
    url = databases.empty()
    name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {LOGIN} LOGIN NOCREATEROLE PASSWORD 'test'")
        connection.execute(
            sql.SQL("ALTER DATABASE {} OWNER TO {}").format(
                sql.Identifier(name), sql.Identifier(LOGIN)
            )
        )
    yield psycopg.conninfo.make_conninfo(url, user=LOGIN, password="test")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"REASSIGN OWNED BY {LOGIN} TO CURRENT_USER")
        connection.execute(f"DROP OWNED BY {LOGIN}")
        connection.execute(f"DROP ROLE {LOGIN}")


def test_a_login_that_may_not_make_the_role_is_told_what_to_ask_for(login_without_rights):
    with pytest.raises(MigrationError, match=f"CREATE ROLE {APPLICATION_ROLE} LOGIN") as refused:
        migrate(login_without_rights)
    assert f"GRANT {APPLICATION_ROLE} TO" in str(refused.value)


def test_such_a_login_migrates_once_it_was_granted_the_role(login_without_rights, databases):
    with psycopg.connect(databases.url("postgres"), autocommit=True) as connection:
        connection.execute(f"GRANT {APPLICATION_ROLE} TO {LOGIN}")
    assert migrate(login_without_rights) == [name for name, _ in migration_files()]
    assert install_read_models(login_without_rights, READ_MODELS.values()) == list(READ_MODELS)


def test_a_login_that_made_the_role_itself_may_act_as_it(login_without_rights, databases):
    """From PostgreSQL 16 on, this is what CREATE ROLE gives its maker, and all it gives."""
    with psycopg.connect(databases.url("postgres"), autocommit=True) as connection:
        if connection.info.server_version < 160_000:
            pytest.skip("before PostgreSQL 16, who makes a role is granted nothing by that")
        connection.execute(
            f"GRANT {APPLICATION_ROLE} TO {LOGIN} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE"
        )
    migrate(login_without_rights)
    url = application_url(login_without_rights, statement_timeout_milliseconds=5_000)
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT current_user").fetchone() == (APPLICATION_ROLE,)
