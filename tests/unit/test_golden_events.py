"""Every event there ever was, as it is stored: `tests/golden/events/<topic>.v<version>.json`.

A file shows the payload with its personal fields in clear. Files are never edited: a change of an
event is a new version, a new file, and an upcaster that reads the old one.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from uuid import UUID, uuid4

import orjson
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domain.aggregate import NO_CLOCK, Aggregate, Created, Event
from domain.event_catalogue import AGGREGATES, EVENTS
from infra.event_store.mapper import key_owner, open_fields, upcast

GOLDEN = Path(__file__).parents[1] / "golden" / "events"
FROZEN_TOPICS = (
    "account.closed",
    "account.contribution-received",
    "account.contribution-reversed",
    "account.opened",
    "account.refund-held",
    "account.refund-paid",
    "account.refund-returned",
    "api-key.issued",
    "api-key.revoked",
    "api-key.rotated",
    "loan-product.defined",
    "loan-product.revised",
    "loan.applied",
    "loan.approved",
    "loan.became-current",
    "loan.became-overdue",
    "loan.completed",
    "loan.declined",
    "loan.disbursed",
    "loan.fee-charged",
    "loan.instalment-due-soon",
    "loan.part-paid",
    "loan.payout-failed",
    "loan.payout-started",
    "loan.penalty-charged",
    "loan.penalty-reversed",
    "loan.recovery-received",
    "loan.recovery-reversed",
    "loan.reopened",
    "loan.repayment-received",
    "loan.repayment-reversed",
    "loan.repayments-reallocated",
    "loan.restructured",
    "loan.taken-over",
    "loan.written-off",
    "member.contact-changed",
    "member.erased",
    "member.exited",
    "member.reactivated",
    "member.registered",
    "member.suspended",
    "payout-lane.balance-told",
    "payout-lane.opened",
    "payout-lane.resumed",
    "payout-lane.stopped",
    "payout.accepted",
    "payout.answer-unclear",
    "payout.charge-booked",
    "payout.charge-corrected",
    "payout.contradicted",
    "payout.failed",
    "payout.failure-reported",
    "payout.held",
    "payout.left-in-doubt",
    "payout.not-sent",
    "payout.put-under-review",
    "payout.requested",
    "payout.sent",
    "payout.settlement-proposed",
    "payout.settlement-rejected",
    "payout.succeeded",
    "principal.added",
    "push.accepted",
    "push.cancelled",
    "push.expired",
    "push.failed",
    "push.failure-reported",
    "push.left-in-doubt",
    "push.not-sent",
    "push.paid-receipt-awaited",
    "push.rejected",
    "push.requested",
    "push.sent",
    "push.succeeded",
    "receipt.attached-to-push",
    "receipt.placed",
    "receipt.placed-on-loan",
    "receipt.proposal-confirmed",
    "receipt.proposal-rejected",
    "receipt.proposal-withdrawn",
    "receipt.proposed",
    "receipt.received",
    "receipt.refund-finished",
    "receipt.refund-returned",
    "receipt.refund-started",
    "receipt.refund-undone",
    "receipt.released",
    "receipt.reversal-finished",
    "receipt.reversal-returned",
    "receipt.reversal-started",
    "receipt.reversal-undone",
    "receipt.suspended",
    "reconciliation-case.decision-proposed",
    "reconciliation-case.opened",
    "reconciliation-case.resolved",
    "reconciliation-run.begun",
    "reconciliation-run.compared",
    "refund.confirmed",
    "refund.paid",
    "refund.proposed",
    "refund.rejected",
    "refund.returned",
    "webhook-endpoint.changed",
    "webhook-endpoint.created",
    "webhook-endpoint.deleted",
    "webhook-endpoint.disabled",
    "webhook-endpoint.enabled",
    "webhook-endpoint.paused",
    "webhook-endpoint.resumed",
    "webhook-endpoint.secret-rotated",
)
JSON_TYPES = {
    "str": (str,),
    "str | None": (str, type(None)),
    "int": (int,),
    "int | None": (int, type(None)),
    "bool": (bool,),
    "list[str]": (list,),
    "list[int]": (list,),
    "dict[str, Any]": (dict,),
    "dict[str, int]": (dict,),
    "dict[str, str]": (dict,),
    "dict[str, dict[str, int]]": (dict,),
}
TAKEN_AFTER = {
    "account.contribution-reversed": "account.contribution-received",
    "loan.repayment-reversed": "loan.repayment-received",
    "loan.recovery-reversed": "loan.recovery-received",
    "account.refund-paid": "account.refund-held",
    "account.refund-returned": "account.refund-held",
    "receipt.refund-finished": "receipt.refund-started",
    "receipt.refund-returned": "receipt.refund-started",
    "receipt.refund-undone": "receipt.refund-started",
}
IMPLIED = ("originator_topic", "originator_id", "originator_version", "timestamp")
CASES = sorted(GOLDEN.glob("*.json"))


def class_version(topic):
    return getattr(EVENTS[topic], "class_version", 1)


def golden(path):
    """Topic, version and payload of a file, brought to the shape of today's class."""
    topic, _, version = path.stem.rpartition(".v")
    payload = json.loads(path.read_text())
    return topic, int(version), upcast(topic, payload | {"class_version": int(version)})


def event_of(topic, payload, stream_id):
    kind = EVENTS[topic]
    state = payload | {
        "originator_id": stream_id,
        "originator_version": 1,
        "timestamp": NO_CLOCK,
    }
    if issubclass(kind, Created):
        state["originator_topic"] = topic.partition(".")[0]
    return kind(**state)


def test_no_topic_was_taken_away_or_renamed():
    assert sorted(EVENTS) == sorted(FROZEN_TOPICS)


def test_each_class_knows_the_topic_it_is_catalogued_under():
    assert {topic: kind.TOPIC for topic, kind in EVENTS.items()} == {
        topic: topic for topic in EVENTS
    }
    assert {name: kind.TOPIC for name, kind in AGGREGATES.items()} == {n: n for n in AGGREGATES}


def test_each_topic_begins_with_the_name_of_its_aggregate():
    for topic, kind in EVENTS.items():
        aggregate = AGGREGATES[topic.partition(".")[0]]
        assert vars(aggregate)[kind.__name__] is kind


def test_every_event_of_every_aggregate_is_catalogued():
    declared = {
        member
        for aggregate in AGGREGATES.values()
        for member in vars(aggregate).values()
        if isinstance(member, type) and issubclass(member, Event) and hasattr(member, "TOPIC")
    }
    assert declared == set(EVENTS.values())
    assert set(AGGREGATES.values()) == set(_leaves(Aggregate))


def _leaves(kind):
    below = kind.__subclasses__()
    return [leaf for sub in below for leaf in _leaves(sub)] if below else [kind]


def test_there_is_a_file_for_each_version_there_ever_was():
    wanted = {
        f"{topic}.v{version}.json"
        for topic in EVENTS
        for version in range(1, class_version(topic) + 1)
    }
    assert {path.name for path in CASES} == wanted


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_todays_class_has_exactly_the_fields_of_its_file(path):
    topic, _, payload = golden(path)
    fields = {
        field.name: field.type
        for field in dataclasses.fields(EVENTS[topic])
        if field.name not in IMPLIED
    }
    assert list(payload) == list(fields)
    for name, value in payload.items():
        assert type(value) in JSON_TYPES[fields[name]], name


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_personal_fields_are_text_and_declared_among_the_fields(path):
    topic, version, payload = golden(path)
    kind = EVENTS[topic]
    assert set(kind.PERSONAL_FIELDS) <= payload.keys()
    told = [payload[field] for field in kind.PERSONAL_FIELDS]
    if version < class_version(topic):  # which did not know the newer ones yet
        told = [value for value in told if value is not None]
    assert all(isinstance(value, str) for value in told)
    assert not kind.KEY_OWNER_FIELD or kind.KEY_OWNER_FIELD in payload


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_it_is_stored_as_its_file_shows_and_read_back_the_same(store, path):
    topic, _, payload = golden(path)
    kind, stream_id = EVENTS[topic], uuid4()
    event = event_of(topic, payload, stream_id)
    key = AESGCM(AESGCM.generate_key(bit_length=256))
    stored, _ = store.mapper.seal(event, {key_owner(kind, payload, stream_id): key})
    state = orjson.loads(stored.state)
    assert state.pop("class_version", 1) == class_version(topic)
    assert (stored.topic, list(state)) == (topic, list(payload))
    for field in kind.PERSONAL_FIELDS:
        assert payload[field] is None or state[field] != payload[field]
    open_fields(kind, state, stream_id=stream_id, key=key)
    assert state == payload
    if not kind.PERSONAL_FIELDS:
        assert vars(store.mapper.to_domain_event(stored)) == vars(event)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_its_aggregate_still_takes_it(path):
    """Created events make an aggregate; the others are taken by one made from its created event."""
    topic, _, payload = golden(path)
    noun, stream_id = topic.partition(".")[0], UUID(int=7)
    event = event_of(topic, payload, stream_id)
    aggregate = None
    if not isinstance(event, Created):
        created = next(
            t for t, k in EVENTS.items() if issubclass(k, Created) and t.startswith(noun + ".")
        )
        _, _, first = golden(GOLDEN / f"{created}.v1.json")
        aggregate = event_of(created, first, stream_id).mutate(None)
        if topic in TAKEN_AFTER:
            _, _, before = golden(GOLDEN / f"{TAKEN_AFTER[topic]}.v1.json")
            aggregate.trigger_event(EVENTS[TAKEN_AFTER[topic]], **before)
        object.__setattr__(event, "originator_version", aggregate.version + 1)
    assert isinstance(event.mutate(aggregate), AGGREGATES[noun])
