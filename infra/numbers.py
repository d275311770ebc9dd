"""Numbers that people use: of members and of loans. One that is drawn is never given to another."""

import psycopg
from psycopg import sql
from psycopg_pool import ConnectionPool


def next_member_number(pool: ConnectionPool, *, prefix: str, year: int) -> str:
    """The co-operative's prefix, the year, and five digits or more."""
    return f"{prefix}{year}{_drawn(pool, 'members.member_number'):05d}"


def next_loan_number(pool: ConnectionPool) -> str:
    """LOAN and six digits or more. Safaricom carries twelve characters as a reference."""
    return f"LOAN{_drawn(pool, 'loans.loan_number'):06d}"


def pass_member_numbers(owner_url: str, *, beyond: int) -> None:
    """Let the next member number be higher than one that was given elsewhere."""
    _pass_by(owner_url, "members.member_number", beyond)


def pass_loan_numbers(owner_url: str, *, beyond: int) -> None:
    """Let the next loan number be higher than one that was given elsewhere."""
    _pass_by(owner_url, "loans.loan_number", beyond)


def _pass_by(owner_url: str, sequence: str, beyond: int) -> None:
    """Only the owner may: whoever draws numbers cannot set them."""
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute(
            sql.SQL("SELECT setval({name}, greatest(last_value, {beyond})) FROM {sequence}").format(
                name=sql.Literal(sequence),
                beyond=sql.Literal(beyond),
                sequence=sql.Identifier(*sequence.split(".")),
            )
        )


def _drawn(pool: ConnectionPool, sequence: str) -> int:
    with pool.connection() as connection:
        row = connection.execute("SELECT nextval(%s::regclass)", (sequence,)).fetchone()
    assert row is not None, "a sequence answers"
    number: int = row[0]
    return number
