"""Public events: what each private event ever stored gives, held to schemas that never change."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema_rs
import orjson
import pytest
from click.testing import CliRunner

from app.cli.main import daystar
from domain.event_catalogue import EVENTS
from domain.loans.loan import LoanStatus
from infra.event_store.reader import RecordedEvent
from projections.public_events import schemas
from projections.public_events.table import NOT_TOLD, PUBLIC_EVENTS, TYPES, items_of, topics_of
from projections.public_events.topics import TOPICS, topic_of
from tests.unit.test_golden_events import GOLDEN, golden

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "projections" / "public_events" / "schemas"
OF_THE_CONTRACT = {
    *("loan.created", "loan.approved", "loan.disbursed"),
    *("repayment.received", "contribution.received", "member.created"),
}
STREAM = "6f1c1df2-7a3e-5d0e-9a52-0f4b3c8e2a99"
OPENINGS = {
    "push": "push.requested.v3",
    "receipt": "receipt.received.v1",
    "payout": "payout.requested.v1",
}
TOLD = [path for path in sorted(GOLDEN.glob("*.json")) if golden(path)[0] in PUBLIC_EVENTS]


def validator(name, version):
    schema = json.loads((KEPT / f"{name}.v{version}.json").read_text())
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True)


def items(topic, payload):
    opening = OPENINGS.get(topic.partition(".")[0])
    first = golden(GOLDEN / f"{opening}.json")[2] if opening else {}
    event = RecordedEvent(7001, STREAM, topic, payload, "2026-11-23 12:00:00.5+03")
    return orjson.loads(orjson.dumps(items_of(event, first)))


def test_of_every_private_topic_it_is_said_what_others_are_told_or_why_nothing():
    assert set(PUBLIC_EVENTS) | set(NOT_TOLD) == set(EVENTS)
    assert not set(PUBLIC_EVENTS) & set(NOT_TOLD)
    assert all(NOT_TOLD.values())


def test_every_type_has_a_topic_and_every_topic_a_type():
    assert {topic_of(name) for name in TYPES} == set(TOPICS.values())


def test_the_six_names_of_the_contract_are_kept():
    assert set(TYPES) >= OF_THE_CONTRACT
    assert all(TYPES[name].version == 1 for name in OF_THE_CONTRACT)
    every = [kind for row in PUBLIC_EVENTS.values() for kind in row.types]
    assert all(TYPES[kind.name] is kind for kind in every), "a name has one meaning"


@pytest.mark.parametrize("path", TOLD, ids=lambda path: path.stem)
def test_every_event_ever_stored_gives_items_that_fit_their_schemas(path):
    topic, _, payload = golden(path)
    told = items(topic, payload)
    assert told
    for number, item in enumerate(told):
        assert item["id"] == f"7001-{number}"
        assert item["occurred_at"] == "2026-11-23T09:00:00.500000+00:00"
        known = {(kind.name, kind.version) for kind in PUBLIC_EVENTS[topic].types}
        assert (item["type"], item["version"]) in known
        check = validator(item["type"], item["version"])
        assert [error.message for error in check.iter_errors(item)] == []
        data = item["data"]
        loan_id = data["id"] if item["type"].startswith("loan.") else data.get("loan_id")
        assert item["subject"] == (loan_id or data.get("member_id") or data["id"])


def test_a_loan_late_for_too_long_is_told_as_defaulted():
    _, _, payload = golden(GOLDEN / "loan.became-overdue.v1.json")
    [late] = items("loan.became-overdue", payload)
    [defaulted] = items("loan.became-overdue", payload | {"status": LoanStatus.DEFAULTED})
    assert (late["type"], defaulted["type"]) == ("loan.overdue", "loan.defaulted")
    check = validator("loan.defaulted", 1)
    assert check.is_valid(defaulted)
    assert not check.is_valid(late)


@pytest.mark.parametrize("path", TOLD, ids=lambda path: path.stem)
def test_no_personal_field_reason_or_person_is_ever_told(path):
    topic, _, payload = golden(path)
    person = "Zawadi-Personal-0799"
    hidden = {*EVENTS[topic].PERSONAL_FIELDS, "approved_by", "declined_by", "applied_by"}
    if not topic.startswith(("receipt.", "webhook-endpoint.")):
        hidden.add("reason")  # of these it is one of our own words
    spoiled = {name: person if name in hidden else value for name, value in payload.items()}
    text = json.dumps(items(topic, spoiled))
    assert person not in text
    for word in ('"lines"', '"after"', '"terms"', "_cents", '"phone"', '"purpose"'):
        assert word not in text


def test_types_are_found_by_the_topics_that_give_them():
    assert topics_of(frozenset({"repayment.received"})) == {
        "loan.repayment-received",
        "loan.recovery-received",
    }
    assert topics_of(frozenset(TYPES)) == set(PUBLIC_EVENTS)


def test_the_schemas_kept_here_are_those_of_the_table():
    kept, made = schemas.kept(), schemas.made()
    assert {name: kept.get(name) for name in made} == made, (
        "say `daystar public-schemas --output projections/public_events/schemas`"
    )
    for name in kept:
        kind, _, version = name.removesuffix(".json").rpartition(".v")
        assert int(version) in range(1, TYPES[kind].version + 1), "a published type stays"
    for kind in TYPES.values():
        for version in range(1, kind.version + 1):
            assert f"{kind.name}.v{version}.json" in kept


def test_a_schema_that_was_published_is_never_written_over(tmp_path):
    def export():
        return CliRunner().invoke(daystar, ["public-schemas", "--output", str(tmp_path)])

    first = export()
    assert first.exit_code == 0
    assert len(list(tmp_path.iterdir())) == len(schemas.kept())
    assert export().output == ""
    changed = tmp_path / "loan.created.v1.json"
    changed.write_text(changed.read_text().replace("A member", "Somebody"))
    with pytest.raises(schemas.SchemaChanged, match="a published schema never changes"):
        schemas.export(tmp_path)
    assert "Somebody" in changed.read_text()


def test_readme_has_the_table_of_names_that_the_code_prints():
    readme = (ROOT / "README.md").read_text()
    table = re.search(r"<!-- names begin -->\n(.*)<!-- names end -->", readme, re.DOTALL)
    assert table is not None
    printed = CliRunner().invoke(daystar, ["public-schemas", "--markdown"]).output
    assert table[1] == printed, "put in what `daystar public-schemas --markdown` prints"
