"""The next member number: the co-operative's prefix, the year, and five digits or more."""

from psycopg_pool import ConnectionPool


def next_member_number(pool: ConnectionPool, *, prefix: str, year: int) -> str:
    """Draw a number. One that is drawn and not used is never given to another."""
    with pool.connection() as connection:
        row = connection.execute("SELECT nextval('members.member_number')").fetchone()
    assert row is not None, "a sequence answers"
    return f"{prefix}{year}{row[0]:05d}"
