"""Moving in: strict files, every fault told at its place, nothing moved in by halves or twice."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from click.testing import CliRunner

from app.cli.main import daystar
from consumers.loans.daily_round import DailyRound
from domain.contributions.account import MemberAccount
from domain.dates import business_day
from domain.identities import account_id
from domain.loans.loan import Loan
from infra import clock
from infra.numbers import next_loan_number, next_member_number
from projections.installation import install_read_models
from projections.read_models import READ_MODELS
from tests.conftest import MASTER_KEY

TODAY = business_day(clock.now())
NEXT_DUE = TODAY + timedelta(days=10)
OVERDUE_SINCE = TODAY - timedelta(days=5)
LENT_ON = TODAY - timedelta(days=190)
MEMBERS = "member_number,first_name,last_name,phone,email,id_number,registration_date\n"
BALANCES = "member_number,deposits,share_capital,registration_fee\n"
LOANS = (
    "loan_number,member_number,product_code,amount,disbursement_date,term_months,paid_so_far,"
    "principal_outstanding,remaining_months,next_due_date,principal_overdue,interest_overdue,"
    "penalties_overdue,overdue_since\n"
)
JANE = "DST201900017,Jane,Quillfeather,0712345678,,23456789,2019-03-31\n"
JOHN = "DST201900018,John,Quillfeather,0712345679,john@example.org,23456780,2019-04-30\n"
IN_TIME = f"LOAN000041,DST201900017,development,120000,{LENT_ON},12,64000,60000,6,{NEXT_DUE},,,,\n"
LATE = (
    f"OLD/7,DST201900018,development,120000.00,{LENT_ON},12,54000,70000,6,{NEXT_DUE},"
    f"10000,700,214.50,{OVERDUE_SINCE}\n"
)


@pytest.fixture
def move_in(owner_url, tmp_path, monkeypatch, keyring):
    """`daystar import` of a text as a file."""
    install_read_models(owner_url, READ_MODELS.values())
    monkeypatch.setenv("DATABASE_URL", owner_url)
    monkeypatch.setenv("DAYSTAR_MASTER_KEY", MASTER_KEY)
    monkeypatch.setenv("DAYSTAR_DATA_DIR", str(tmp_path))

    def run(kind, text, *options):
        path = tmp_path / f"{kind}.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return CliRunner().invoke(daystar, ["import", kind, str(path), *options])

    return run


@pytest.fixture
def moved_in(move_in, co_operative):
    """Jane and John, and a product to take loans over under."""
    assert move_in("members", MEMBERS + JANE + JOHN).exit_code == 0
    co_operative.product("development")


def log_of(pool):
    """How much there is of everything that an append writes."""
    tables = ("event_store.events", "event_store.keys", "event_store.personal_keys")
    with pool.connection() as connection:
        return [
            connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables
        ]


def rows_of(pool, query):
    with pool.connection() as connection:
        return connection.execute(query).fetchall()


def follow(co_operative):
    co_operative.follower().catch_up()


def test_members_move_in_and_later_ones_are_numbered_beyond_them(move_in, pool, co_operative):
    outcome = move_in("members", MEMBERS + JANE + JOHN)
    assert outcome.exit_code == 0, outcome.output
    assert "2 members: 2 moved in, 0 wrong" in outcome.output
    follow(co_operative)
    found = rows_of(
        pool, "SELECT member_number, phone, registration_date::text FROM read_members.members"
    )
    assert sorted(found) == [
        ("DST201900017", "254712345678", "2019-03-31"),
        ("DST201900018", "254712345679", "2019-04-30"),
    ]
    assert next_member_number(pool, prefix="DST", year=2019) == "DST201900019"


@pytest.mark.parametrize("kind", ["members", "balances", "loans"])
def test_a_dry_run_changes_nothing(move_in, moved_in, pool, kind):
    before = log_of(pool)
    text = {
        "members": MEMBERS + JANE.replace("17", "27").replace("6789", "6700"),
        "balances": BALANCES + "DST201900017,24000,5000,1000\n",
        "loans": LOANS + IN_TIME + LATE,
    }[kind]
    outcome = move_in(kind, text, "--dry-run")
    assert outcome.exit_code == 0, outcome.output
    assert "0 wrong" in outcome.output
    assert "nothing was changed" in outcome.output
    assert log_of(pool) == before


@pytest.mark.parametrize("kind", ["members", "balances", "loans"])
def test_the_same_file_again_tells_every_row_and_changes_nothing(move_in, moved_in, pool, kind):
    text = {
        "members": MEMBERS + JANE + JOHN,
        "balances": BALANCES + "DST201900017,24000,5000,1000\nDST201900018,1,,\n",
        "loans": LOANS + IN_TIME + LATE,
    }[kind]
    if kind != "members":
        assert move_in(kind, text).exit_code == 0
    before = log_of(pool)
    for option in ((), ("--skip-bad",)):
        outcome = move_in(kind, text, *option)
        assert outcome.exit_code == (0 if option else 1)
        assert [line for line in (2, 3) if f"line {line}, " in outcome.output] == [2, 3]
        assert "0 moved in, 2 wrong" in outcome.output
    assert log_of(pool) == before


BAD_MEMBERS = {
    "member_number": ("DST201900017", "D-7"),
    "first_name": ("Jane", "J" * 61),
    "phone": ("0712345678", "0312345678"),
    "id_number": ("23456789", "23"),
    "email": (",,", ",jane at home,"),
    "registration_date": ("2019-03-31", "31/03/2019"),
}


@pytest.mark.parametrize("column", BAD_MEMBERS)
def test_a_wrong_value_is_told_by_line_and_column_and_never_shown(move_in, pool, column):
    right, wrong = BAD_MEMBERS[column]
    outcome = move_in("members", MEMBERS + JOHN + JANE.replace(right, wrong, 1))
    assert outcome.exit_code == 1
    assert f"line 3, {column}: " in outcome.output
    assert "2 members: 0 moved in, 1 wrong" in outcome.output
    for personal in ("Quillfeather", "0712345679", "234567", wrong.strip(",")):
        assert personal not in outcome.output
    assert log_of(pool)[0] == 0


def test_all_that_is_wrong_is_told_but_a_hundred_is_enough(move_in):
    worst = "D-7,,Doe,12,nobody,1,soon\n"
    outcome = move_in("members", MEMBERS + worst * 30)
    told = [line for line in outcome.output.splitlines() if line.startswith("line ")]
    assert len(told) == 100
    assert [line.split(":")[0] for line in told[:6]] == [
        "line 2, member_number",
        "line 2, first_name",
        "line 2, phone",
        "line 2, id_number",
        "line 2, registration_date",
        "line 2, email",
    ]
    assert "and 80 more" in outcome.output


def test_two_lines_with_the_same_number_are_told_before_anything_is_moved(move_in, pool):
    outcome = move_in("members", MEMBERS + JANE + JOHN.replace("00018", "00017"))
    assert "line 3, member_number: Line 2 has the same." in outcome.output
    assert log_of(pool)[0] == 0


def test_the_right_rows_move_in_without_the_wrong_ones_when_asked(move_in, pool):
    tomorrow = JANE.replace("2019-03-31", f"{TODAY + timedelta(days=1)}")
    outcome = move_in("members", MEMBERS + tomorrow + JOHN, "--skip-bad")
    assert outcome.exit_code == 0
    assert "line 2, registration_date: The day is in the future." in outcome.output
    assert "1 moved in, 1 wrong" in outcome.output
    assert log_of(pool)[0] == 2


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (MEMBERS.replace("phone", "telephone") + JANE, "columns number 4 are unknown"),
        (MEMBERS.replace("phone,", "") + JANE, "lacks phone"),
        (MEMBERS.replace("email", "phone") + JANE, "names a column twice"),
        (MEMBERS.encode() + "DST1,Zo\xeb".encode("latin-1"), "not UTF-8"),
        (MEMBERS + 'DST1,"Jane', "not CSV"),
        ("", "lacks member_number"),
    ],
)
def test_a_file_that_is_none_is_refused_whole(move_in, pool, text, sentence):
    outcome = move_in("members", text)
    assert outcome.exit_code == 1
    assert sentence in outcome.output
    assert log_of(pool)[0] == 0


def test_a_line_with_a_field_too_many_is_told(move_in):
    outcome = move_in("members", MEMBERS + JANE.replace("Jane,", "Jane,Q,"))
    assert "line 2, -: The line has 8 fields and the header 7." in outcome.output


def test_a_byte_order_mark_empty_lines_and_quotes_are_no_fault(move_in):
    text = "\ufeff" + MEMBERS + "\n" + JANE.replace("Jane", '"Jane"') + ",,,,,,\n"
    assert "1 members: 1 moved in, 0 wrong" in move_in("members", text).output


def test_balances_are_contributions_of_a_kind_of_their_own(move_in, moved_in, pool, co_operative):
    text = BALANCES + "DST201900017,24000,5000.50,1000\nDST201900018,0.00,,1\n"
    day = TODAY - timedelta(days=1)
    assert move_in("balances", text, "--as-of", day.isoformat()).exit_code == 0
    follow(co_operative)
    assert rows_of(
        pool,
        "SELECT contribution_type, amount::text, payment_method, contribution_date"
        " FROM read_contributions.contributions AS t ORDER BY t.amount",
    ) == [
        ("registration_fee", "1.00", "opening_balance", day),
        ("registration_fee", "1000.00", "opening_balance", day),
        ("share_capital", "5000.50", "opening_balance", day),
        ("monthly", "24000.00", "opening_balance", day),
    ]
    assert rows_of(
        pool,
        "SELECT total_contributions::text, share_capital::text FROM read_members.members"
        " ORDER BY member_number",
    ) == [("30000.50", "5000.50"), ("1.00", "0.00")]


def test_a_balance_undone_can_be_moved_in_again(move_in, moved_in, pool, co_operative):
    text = BALANCES + "DST201900017,24000,,\n"
    assert move_in("balances", text).exit_code == 0
    [(member_id,)] = rows_of(
        pool,
        "SELECT convert_from(state, 'UTF8')::json ->> 'member_id' FROM event_store.events"
        " WHERE topic = 'account.contribution-received'",
    )
    account = co_operative.load(MemberAccount, account_id(UUID(member_id)))
    [contribution_id] = account.contributions
    co_operative.reverse(UUID(member_id), UUID(contribution_id))
    assert move_in("balances", text.replace("24000", "23000")).exit_code == 0
    account = co_operative.load(MemberAccount, account.id)
    assert account.balances_cents["monthly"] == 23_000_00


@pytest.mark.parametrize(
    ("kind", "line", "place"),
    [
        ("balances", "DST201900019,1,1,1", "member_number"),
        ("balances", "DST201900017,,0,", "deposits"),
        ("balances", 'DST201900017,"1,000",,', "deposits"),
        ("balances", "DST201900017,-1,,", "deposits"),
        ("loans", IN_TIME.replace("development", "Development"), "product_code"),
        ("loans", IN_TIME.replace("development", "housing"), "product_code"),
        ("loans", IN_TIME.replace("00017", "00019"), "member_number"),
        ("loans", IN_TIME.replace("64000", "5"), "paid_so_far"),
        ("loans", IN_TIME.replace(",6,", ",six,"), "remaining_months"),
        ("loans", LATE.replace("10000,700", "70001,700"), "principal_overdue"),
    ],
)
def test_wrong_sums_and_loans_are_told_at_their_column(move_in, moved_in, pool, kind, line, place):
    before = log_of(pool)
    header = BALANCES if kind == "balances" else LOANS
    outcome = move_in(kind, header + line)
    assert outcome.exit_code == 1
    assert f"line 2, {place}: " in outcome.output
    assert log_of(pool) == before


def test_a_loan_taken_over_is_listed_assessed_daily_and_repaid(
    move_in, moved_in, pool, co_operative
):
    outcome = move_in("loans", LOANS + IN_TIME + LATE)
    assert outcome.exit_code == 0, outcome.output
    assert next_loan_number(pool) == "LOAN000042"
    follow(co_operative)
    listed = (
        "SELECT loan_number, status, paid_amount::text, balance::text, principal_balance::text,"
        " (SELECT sum(principal + interest + fee + penalty - principal_paid - interest_paid"
        " - fee_paid - penalty_paid) = t.balance FROM read_loans.instalments AS i"
        " WHERE i.loan_id = t.loan_id), loan_id FROM read_loans.loans AS t ORDER BY loan_number"
    )
    in_time, late = rows_of(pool, listed)
    assert in_time[:5] == ("LOAN000041", "active", "64000.00", "62117.41", "60000.00")
    assert late[:3] == ("OLD/7", "active", "54000.00")
    assert in_time[5]
    assert late[5]
    assert co_operative.load(Loan, late[6]).overdue
    rounds = DailyRound(co_operative.store, pool)
    later = NEXT_DUE + timedelta(days=40)
    assert rounds.work_once(later) == 2
    repaid = co_operative.load(Loan, in_time[6])
    assert repaid.lines[0]["penalties"]
    co_operative.repayment(in_time[6], 70_000_00, paid_on=later, today=later)
    follow(co_operative)
    [settled] = [row for row in rows_of(pool, listed) if row[0] == "LOAN000041"]
    assert settled[1] == "completed"
    assert settled[3] == "0.00"
