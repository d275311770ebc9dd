"""Safaricom's own lists against our books: pulled, exported, imported, matched, and put right."""

from __future__ import annotations

import json
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
import requests
from click.testing import CliRunner

from app.cli.main import daystar
from consumers.mpesa.pulling import NotPulled
from domain.dates import business_day
from domain.identities import receipt_id
from domain.members.commands import EraseMember
from domain.mpesa.receipt import Receipt
from domain.mpesa.reconciliation_errors import BeforeTheseBooks
from domain.mpesa.statement import LineStatus
from infra import clock
from infra.mpesa.reconciliation_settings import ReconciliationSettings
from infra.mpesa.simulator.app import EXTENSION, create_app
from infra.mpesa.statement_reading import statement_to_import
from projections.personal_data import PersonalData
from tests.conformance.mpesa.conftest import SETTINGS, credentials_for, served, simulated_key
from tests.integration.http.house import open_house
from tests.support import payout_states as told
from tests.support.co_operative import TODAY
from tests.support.reconciling import Reconciling
from tests.support.statements import SHORT_CODE as SHORT
from tests.support.statements import Moved, balanced, newer_layout

BY = "system:test"
SHORT_CODE = SETTINGS.short_code
SOON = timedelta(minutes=6)


@pytest.fixture
def safaricom():
    app = create_app(replace(SETTINGS, private_key_pem=simulated_key()))
    with served(app) as url:
        yield url
        app.extensions[EXTENSION].stop()


@pytest.fixture
def house(owner_url, tmp_path, safaricom):
    with open_house(owner_url, tmp_path, mpesa=credentials_for(safaricom)) as opened:
        assert opened.services.keyring, "made the first time it is asked for"
        yield opened


@pytest.fixture
def command(house, monkeypatch, tmp_path):
    """`daystar reconcile ...`; a statement is given as bytes, and imported from a file."""
    monkeypatch.setattr("app.cli.administration.read_settings", lambda: house.services.settings)

    def run(*words, statement=None):
        words = list(words)
        if statement is not None:
            file = tmp_path / "statement.csv"
            file.write_bytes(statement)
            words.insert(1, str(file))
        return CliRunner().invoke(daystar, ["reconcile", *words])

    return run


def paid(safaricom, *shillings):
    """Customers pay; nobody has told us where to tell it, so we hear nothing."""
    for number, amount in enumerate(shillings):
        wanted = {
            "phone": f"25470000001{number}",
            "amount": amount,
            "account_number": f"ACCOUNT{number}",
        }
        requests.post(f"{safaricom}/simulator/payments", json=wanted, timeout=5).raise_for_status()


def statement(safaricom, **form):
    answer = requests.get(f"{safaricom}/simulator/statement", params=form, timeout=5)
    answer.raise_for_status()
    return answer.content, json.loads(answer.headers["Simulator-Broken"])


def cases(house):
    house.follow()
    rows = house.owner.execute("SELECT kind, status, ending FROM read_reconciliation.cases")
    return Counter(rows.fetchall())


def test_what_was_never_told_is_pulled_and_posted_once(house, safaricom):
    paid(safaricom, 500, 1_200, 30, 45, 2_000)
    pulling = house.services.reconciliation.pulling()
    report = pulling.pull(SHORT_CODE, by=BY, now=clock.now() + SOON)
    assert (report.standing.lines, report.standing.agreed) == (5, 5)
    assert report.standing.resolved_cases == {"only_there": 5}
    assert report.standing.theirs_cents == report.standing.ours_cents == {"payment": 3_775_00}
    assert report.standing.unexplained_cents == 0
    assert cases(house) == {("only_there", "resolved", "posted"): 5}
    for row in requests.get(f"{safaricom}/simulator/ledger", timeout=5).json():
        receipt = house.co_operative.load(Receipt, receipt_id(row["receipt"]))
        assert receipt.amount_cents == row["amount"] * 100
    events = house.count("event_store.events")
    again = pulling.pull(SHORT_CODE, by=BY, now=clock.now() + SOON)
    assert again.standing == report.standing
    assert house.count("event_store.events") == events


def test_what_was_paid_a_moment_ago_is_left_to_its_callback(house, safaricom):
    paid(safaricom, 500)
    assert house.services.reconciliation.pulling().pull(SHORT_CODE, by=BY).standing.lines == 0


def test_a_pull_that_is_not_answered_changes_nothing_and_is_tried_again(house, safaricom):
    paid(safaricom, 500)
    wanted = {"behaviour": "internal_error", "of": "pull", "default": True}
    told = requests.post(f"{safaricom}/simulator/behaviours", json=wanted, timeout=5)
    assert told.status_code == 200, told.text
    events = house.count("event_store.events")
    with pytest.raises(NotPulled):
        house.services.reconciliation.pulling().pull(SHORT_CODE, by=BY, now=clock.now() + SOON)
    assert house.count("event_store.events") == events


def test_a_pull_is_opened_once(command):
    say = ("register-pull", SHORT_CODE, "--phone", "0722000000")
    assert "opened the pull" in command(*say).output
    assert "open already" in command(*say).output


def test_the_clock_pulls_once_however_many_processes_run(house, safaricom):
    rounds = [house.services.reconciliation.round() for _ in range(3)]
    for each in rounds:
        each.work_once()
    house.follow()
    [(runs,)] = house.owner.execute("SELECT count(*) FROM read_reconciliation.runs").fetchall()
    assert runs == 1
    [(hours,)] = house.owner.execute(
        "SELECT round(extract(epoch FROM next_at - now()) / 3600) FROM mpesa.pulls"
    ).fetchall()
    assert hours == 1


@pytest.mark.parametrize("layout", ["today", "older"])
def test_a_statement_in_either_layout_brings_what_we_lack(house, safaricom, command, layout):
    paid(safaricom, 500, 1_200, 30)
    told, _ = statement(safaricom, layout=layout)
    outcome = command("import", statement=told)
    assert outcome.exit_code == 0, outcome.output
    assert "lines 3, agreed 3" in outcome.output
    assert "ties" in outcome.output
    assert "payment    theirs           1,730.00  ours           1,730.00" in outcome.output
    assert "cases open: none" in outcome.output
    assert "cases resolved: only_there 3" in outcome.output
    assert cases(house) == {("only_there", "resolved", "posted"): 3}


def test_the_same_statement_again_in_whatever_form_changes_nothing(house, safaricom, command):
    paid(safaricom, 500, 1_200)
    command("import", statement=statement(safaricom)[0])
    events = house.count("event_store.events")
    for form in ({}, {"layout": "older"}, {"dates": "iso"}, {"encoding": "cp1252"}):
        outcome = command("import", statement=statement(safaricom, **form)[0])
        assert outcome.exit_code == 0, outcome.output
        assert "imported before" in outcome.output
    assert house.count("event_store.events") == events
    assert house.count("mpesa.statements") == 1
    assert house.count("mpesa.statement_lines") == 2


@pytest.mark.parametrize(
    ("breaks", "found"),
    [
        ("duplicate,only_there", {"duplicate": 1, "only_there": 1}),
        ("duplicate,amount", {"duplicate": 1, "amount": 1, "running_balance": 1}),
        ("duplicate,status", {"duplicate": 1, "status": 1, "running_balance": 1}),
        ("duplicate,running_balance", {"duplicate": 1, "running_balance": 1}),
    ],
)
def test_what_safaricom_gets_wrong_is_found(house, safaricom, command, breaks, found):
    paid(safaricom, 500, 1_200, 30, 70)
    house.services.reconciliation.pulling().pull(SHORT_CODE, by=BY, now=clock.now() + SOON)
    told, broken = statement(safaricom, breaks=breaks)
    outcome = command("import", statement=told)
    assert outcome.exit_code == 0, outcome.output
    house.follow()
    rows = house.owner.execute(
        "SELECT kind, receipt_number FROM read_reconciliation.cases WHERE source = 'statement'"
    ).fetchall()
    assert Counter(kind for kind, _ in rows) == found
    assert broken.items() <= dict(rows).items()


def test_of_two_statements_that_contradict_each_other_each_keeps_its_cases(
    house, safaricom, command
):
    paid(safaricom, 500, 1_200, 30, 70)
    assert command("import", statement=statement(safaricom)[0]).exit_code == 0
    broken, _ = statement(safaricom, breaks="duplicate,status,running_balance")
    assert command("import", statement=broken).exit_code == 0
    before, events = cases(house), house.count("event_store.events")
    assert before["status", "open", None] == 1
    again = command("run", "--no-pull")
    assert again.exit_code == 0, again.output
    assert cases(house) == before
    assert house.count("event_store.events") == events


def test_what_waits_is_looked_at_again_each_day_until_it_agrees(house, safaricom):
    """A payout in doubt whose statement row has failed settles by its result, a day later."""
    reconciling = Reconciling(house.co_operative)
    paid_out = Moved(1, "payout", 700)
    payout_id = reconciling.payout(paid_out, in_doubt=True)
    failed = [replace(line, status=LineStatus.FAILED) for line in paid_out.lines()]
    run_id = reconciling.imported(balanced(failed), short_code=SHORT)
    clockwork = house.services.reconciliation.round()
    clockwork.work_once()
    assert cases(house) == {("status", "open", None): 1}
    told.not_paid(house.co_operative, payout_id)
    clockwork.work_once()
    assert cases(house) == {("status", "open", None): 1}, "not before its day"
    [(hours,)] = house.owner.execute(
        "SELECT round(extract(epoch FROM due_at - now()) / 3600) FROM mpesa.statements"
    ).fetchall()
    assert hours == 24
    house.owner.execute("UPDATE mpesa.statements SET due_at = now()")
    clockwork.work_once()
    assert cases(house) == {("status", "resolved", "agrees_now"): 1}
    [(due_at,)] = house.owner.execute(
        "SELECT due_at FROM mpesa.statements WHERE statement_id = %s", (run_id,)
    ).fetchall()
    assert due_at is None


def test_a_malformed_row_is_named_and_nothing_is_imported(house, safaricom, command):
    paid(safaricom, 500, 1_200, 30, 70)
    told, _ = statement(safaricom, malformed_row=7)
    with house.unchanged():
        outcome = command("import", statement=told)
    assert outcome.exit_code == 1
    assert "row 7" in outcome.output
    assert "nothing was imported" in outcome.output


@pytest.mark.parametrize(
    ("form", "words", "said"),
    [
        ({"short_code": "600111"}, (), "600111, which is not one of our short codes"),
        ({}, ("--short-code", "600111"), "600111 is not one of our short codes"),
        ({"preamble": "0"}, (), "does not say of which short code"),
    ],
)
def test_another_short_codes_statement_is_refused(house, safaricom, command, form, words, said):
    paid(safaricom, 500)
    told, _ = statement(safaricom, **form)
    with house.unchanged():
        outcome = command("import", *words, statement=told)
    assert outcome.exit_code == 1
    assert said in outcome.output


def test_a_statement_whose_money_moved_through_another_of_ours_is_refused(
    house, safaricom, command
):
    paid(safaricom, 500)
    house.services.reconciliation.pulling().pull(SHORT_CODE, by=BY, now=clock.now() + SOON)
    house.follow()
    other = replace(credentials_for(safaricom), short_code="600222", party_b="600222")
    house.services.short_codes.keep(other)
    told, _ = statement(safaricom, preamble="0")
    with house.unchanged():
        outcome = command("import", "--short-code", "600222", statement=told)
    assert outcome.exit_code == 1
    assert f"moved through our short code {SHORT_CODE}" in outcome.output


def test_what_moved_before_these_books_began_is_older_books(owner_url, tmp_path, safaricom):
    """Pulled or imported it would be posted a second time: it is among the opening balances."""
    tomorrow = business_day(clock.now()) + timedelta(days=1)
    paid(safaricom, 500)
    settings = ReconciliationSettings(since=tomorrow)
    mpesa = credentials_for(safaricom)
    with open_house(owner_url, tmp_path, mpesa=mpesa, reconciliation=settings) as house:
        report = house.services.reconciliation.pulling().pull(
            SHORT_CODE, by=BY, now=clock.now() + SOON
        )
        assert report.standing.lines == 0
        told = statement_to_import(statement(safaricom)[0])
        with pytest.raises(BeforeTheseBooks, match=f"before {tomorrow}, when these books began"):
            house.services.reconciliation.importing().check(told, short_code=None)
    unsaid = ReconciliationSettings()
    with open_house(owner_url, tmp_path, mpesa=mpesa, reconciliation=unsaid) as house:
        assert house.services.reconciliation.importing().check(told, short_code=None).lines
        yesterday = replace(told, lines=tuple(_earlier(told.lines)))
        with pytest.raises(BeforeTheseBooks):
            house.services.reconciliation.importing().check(yesterday, short_code=None)


def _earlier(lines):
    return [replace(ln, completed_at=ln.completed_at - timedelta(days=1)) for ln in lines]


def test_nobody_on_a_statement_is_kept_in_clear_and_after_a_while_not_at_all(house, command):
    moved = [Moved(number, "payment", 500) for number in range(3)]
    lines = balanced([line for each in moved for line in each.lines()])
    outcome = command("import", statement=newer_layout(lines, SHORT_CODE))
    assert outcome.exit_code == 0, outcome.output
    rows = house.owner.execute("SELECT l::text FROM mpesa.statement_lines l").fetchall()
    assert not [row for row in rows if re.search("JANE|254700000|REF00000", row[0])]
    [kept] = [house.services.reconciliation.statements.load(run) for run in _runs(house)]
    assert {line.payer.phone for line in kept.lines} == {each.phone for each in moved}
    house.owner.execute("UPDATE mpesa.statements SET kept_at = now() - interval '91 days'")
    assert house.services.reconciliation.statements.forget_persons(days=90) == 3
    [kept] = [house.services.reconciliation.statements.load(run) for run in _runs(house)]
    assert {line.payer.phone for line in kept.lines} == {None}


def test_a_person_finds_every_case_and_another_agrees(house, safaricom, command):
    """A transfer to the bank is nobody's receipt and nobody's payout."""
    moved = Moved(1, "transfer", 900)
    told = newer_layout(balanced(moved.lines()), SHORT_CODE)
    assert command("import", statement=told).exit_code == 0
    house.follow()
    listed = command("cases", "--kind", "only_there")
    assert moved.receipt_number in listed.output
    [(case_id,)] = house.owner.execute("SELECT case_id FROM read_reconciliation.cases").fetchall()
    for name in ("Jane Wanjiku", "John Kamau"):
        house.co_operative.principal(name=name)
    say = ("resolve", str(case_id))
    why = ("--reason", "the weekly transfer to our bank")
    assert command(*say, "--propose", "accept", *why, "--principal", "jane wanjiku").exit_code == 0
    herself = command(*say, "--confirm", "--principal", "Jane Wanjiku")
    assert "Another person must decide" in herself.output
    agreed = command(*say, "--confirm", "--principal", "John Kamau")
    assert agreed.output.strip() == f"{case_id} accepted"
    house.follow()
    shown = command("show", str(case_id))
    assert '"explained": "-900.00"' in shown.output
    again = command("run", "--no-pull", "--days", "366")
    assert "unexplained 0.00" in again.output
    assert "cases open: none" in again.output


def test_a_person_who_is_erased_goes_from_the_statements_too(house):
    jane, john = Moved(1, "payment", 500, told_phone="254722000001"), Moved(2, "payment", 500)
    member_id = house.member(phone=jane.phone, member_number="DST4711")
    lines = [
        replace(jane.lines()[0], account_number="DST4711R"),  # a registration fee
        *john.lines(),
    ]
    reconciling = Reconciling(house.co_operative)
    reconciling.run(balanced(lines))
    house.follow()
    person = PersonalData(house.services.pool, member_id)
    assert "mpesa.statement_lines" in person.remains()
    house.co_operative.dispatch(EraseMember(member_id, "asked in writing", TODAY, unexited=True))
    house.follow()
    person.wipe()
    assert "mpesa.statement_lines" not in person.remains()
    [kept] = [house.services.reconciliation.statements.load(run) for run in _runs(house)]
    assert [line.payer.phone for line in kept.lines] == [None, john.phone]


def test_several_who_match_the_same_statement_at_once_post_all_of_it_once(house):
    lines = balanced([ln for number in range(60) for ln in Moved(number, "payment", 10).lines()])
    several = [Reconciling(house.co_operative) for _ in range(3)]
    run_id = several[0].imported(lines)
    with ThreadPoolExecutor(3) as threads:
        reports = list(threads.map(lambda each: each.matching.match(run_id, by=BY), several))
    assert {report.standing.unexplained_cents for report in reports} == {0}
    assert cases(house) == {("only_there", "resolved", "posted"): 60}
    [(total,)] = house.owner.execute(
        "SELECT sum(amount) FROM read_mpesa_transactions.receipts"
    ).fetchall()
    assert total == 600
    again = house.count("event_store.events")
    several[0].run(lines)
    assert house.count("event_store.events") == again


def _runs(house):
    rows = house.owner.execute("SELECT statement_id FROM mpesa.statements").fetchall()
    return [row[0] for row in rows]
