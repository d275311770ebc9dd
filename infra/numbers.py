"""Numbers that people use: of members and of loans. One that is drawn is never given to another."""

from psycopg_pool import ConnectionPool


def next_member_number(pool: ConnectionPool, *, prefix: str, year: int) -> str:
    """The co-operative's prefix, the year, and five digits or more."""
    return f"{prefix}{year}{_drawn(pool, 'members.member_number'):05d}"


def next_loan_number(pool: ConnectionPool) -> str:
    """LOAN and six digits or more. Safaricom carries twelve characters as a reference."""
    return f"LOAN{_drawn(pool, 'loans.loan_number'):06d}"


def _drawn(pool: ConnectionPool, sequence: str) -> int:
    with pool.connection() as connection:
        row = connection.execute("SELECT nextval(%s::regclass)", (sequence,)).fetchone()
    assert row is not None, "a sequence answers"
    number: int = row[0]
    return number
