"""Bodies that make no sense: a clear 4xx each, and nothing changed."""

from __future__ import annotations

import itertools
import json
from datetime import timedelta

import pytest

from app.factory import BODY_BYTES_MAX
from app.operations.reconciliation import STATEMENT_BODY_BYTES_MAX
from domain.dates import business_day
from infra import clock
from tests.integration.http.house import assert_refused
from tests.integration.http.requests_of_every_kind import (
    COMMANDS,
    KEY_MAY_BE_LEFT_OUT,
    MONEY_COMMANDS,
)

FIELDS = {
    "register": (
        *("member_number", "first_name", "last_name", "phone", "email"),
        *("id_number", "registration_date"),
    ),
    "record": (
        *("member_id", "amount", "contribution_type", "payment_method"),
        *("payment_reference", "contribution_date"),
    ),
    "reverse": ("member_id", "reason"),
    "push": ("member_id", "amount", "payment_purpose", "phone", "loan_id"),
    "contact": ("phone", "email"),
    "suspend": ("reason",),
    "reactivate": ("reason",),
    "exit": ("reason", "exit_date"),
    "apply": (
        *("member_id", "product_id", "amount", "term_months", "purpose", "application_date"),
    ),
    "approve": ("amount", "disburse_by"),
    "refuse": ("reason",),
    "disburse": (*("payment_method", "payment_reference", "disbursement_date", "first_due_date"),),
    "repay": ("amount", "payment_method", "payment_reference", "payment_date", "settles"),
    "undo": ("reason",),
    "fee": ("amount", "reason", "due_date"),
    "restructure": ("reason", "term_months", "interest_rate", "first_due_date"),
    "write_off": ("reason",),
    "refund": (
        *("member_id", "contribution_type", "amount", "payment_method", "payment_reference"),
        "reason",
    ),
    "confirm_refund": (),
    "reject_refund": ("reason",),
    "settle": ("outcome", "evidence", "receipt_number", "completion_date"),
    "confirm_settlement": (),
    "reject_settlement": ("reason",),
    "resume": (),
    "import_statement": ("content", "short_code"),
    "propose": ("decision", "reason"),
    "confirm": (),
    "propose_resolution": ("resolution", "member_id", "payment_purpose", "note"),
    "withdraw": (),
    "reject_proposal": ("note",),
    "confirm_proposal": (),
    "retry": (),
    "subscribe": ("url", "events", "secret", "payload", "description"),
    "rotate_secret": ("secret",),
    "pause_webhook": (),
    "resume_webhook": (),
}
PAST_DAYS = (
    *(("register", "registration_date"), ("record", "contribution_date"), ("exit", "exit_date")),
    *(("apply", "application_date"), ("disburse", "disbursement_date"), ("repay", "payment_date")),
    ("settle", "completion_date"),
)
DAYS_TO_COME = (
    *(("disburse", "first_due_date"), ("fee", "due_date"), ("restructure", "first_due_date")),
)
DAYS = PAST_DAYS + DAYS_TO_COME
LEFT_OUT = {"member_number", "email", "phone", "loan_id", "settles", "interest_rate", "secret"}
OPTIONAL = {
    *(("approve", "amount"), ("approve", "disburse_by"), ("import_statement", "short_code")),
    *(("refund", "payment_reference"), ("settle", "receipt_number")),
    *(("propose_resolution", "member_id"), ("propose_resolution", "payment_purpose")),
    *(("subscribe", "payload"), ("subscribe", "description")),
} | {
    (command, field)
    for command, fields in FIELDS.items()
    for field in fields
    if field in LEFT_OUT or (command, field) in DAYS
}
NULLABLE = {
    *(("register", "email"), ("push", "phone"), ("push", "loan_id"), ("contact", "email")),
    *(("refund", "payment_reference"), ("settle", "receipt_number")),
    *(("import_statement", "short_code"), ("subscribe", "secret"), ("rotate_secret", "secret")),
    ("subscribe", "description"),
}
EVERY_FIELD = [(command, field) for command in COMMANDS for field in FIELDS[command]]
WRONG_VALUES = [
    *(0, -1, 1.5, 10**30, True, False, [], {}, ["2000.00"], {"amount": "2000.00"}),
    *("", "\x00", "one\nline", "\ud800", "x" * 10_000, float("nan"), float("-inf")),
]
NOT_JSON = [
    *(b"", b" ", b"{", b"}", b"not json", b'{"a":1,}', b"{'a':1}", b'{"a":1}x', b"\x00"),
    *(b'{"a":"\xff"}', b"\xff\xfe{\x00}\x00", b'{"a":"\xc3', b"1" * 5_000, b'{"a":-}'),
    *(b"\xef\xbb\xbf{}", '{"a":1}'.encode("utf-16-le"), '{"a":1}'.encode("utf-32-be")),
    *(b"[" * 50_000, b'{"a":' * 10_000, b'{"a":"tab\there"}'),
]
NOT_AN_OBJECT = [b"null", b"true", b"1", b'"text"', b"[]", b"[{}]", b"NaN", b"1e999"]
NOT_AN_AMOUNT = [
    *("-1.00", "-0", "0", "0.00", "0.001", "2000.005", "2000.000", "1e3", "1E3", "+2000"),
    *("100000000000.00", "9" * 400, " 2000", "2000 ", "2000\n", "2,000", "2000.", ".50"),
    *("NaN", "Infinity", "0x10", "2_000", "٢٠٠٠", "\uff12\uff10\uff10", "two thousand"),
    *(2000, 2000.0, 0.1, -5, 10**40, float("inf"), None),
]
NOT_A_DATE = [
    *("2026-02-30", "2026-13-01", "10000-01-01", "0000-01-01", "-2026-01-01", "2026-1-1"),
    *("yesterday", "2026-11-23T10:00:00", "23/11/2026", 20261123, None),
    *("20260301", "2026-W10-1", " 2026-03-01", "2026-03-01\n", "\u0662\u0660\u0662\u0666-03-01"),
]


@pytest.mark.parametrize(
    ("command", "field", "value"),
    [
        (*place, value)
        for place, value in itertools.product(EVERY_FIELD, WRONG_VALUES)
        if place[1] != "settles" or not isinstance(value, bool)
    ],
    ids=lambda value: repr(value)[:20],
)
def test_a_field_of_the_wrong_type_or_length_is_refused(premises, command, field, value):
    path, body = premises.spoiled(command, **{field: value})
    with premises.house.unchanged():
        problem = assert_refused(premises.client.post(path, body), 422, "invalid_body")
    assert set(problem["errors"]) == {field}


@pytest.mark.parametrize(
    ("command", "field"), [place for place in EVERY_FIELD if place not in NULLABLE]
)
def test_a_field_that_is_null_is_refused_where_null_means_nothing(premises, command, field):
    path, body = premises.spoiled(command, **{field: None})
    with premises.house.unchanged():
        assert_refused(premises.client.post(path, body), 422, "invalid_body")


@pytest.mark.parametrize(
    ("command", "field"), [place for place in EVERY_FIELD if place not in OPTIONAL]
)
def test_a_missing_field_is_refused_by_name(premises, command, field):
    path, body = premises.command(command)
    del body[field]
    with premises.house.unchanged():
        problem = assert_refused(premises.client.post(path, body), 422, "invalid_body")
    assert set(problem["errors"]) == {field}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    "name", ["unknown", "Amount", "member id", "", "\x00", "\ud800", "é", "_schema"]
)
def test_an_unknown_field_is_refused(premises, command, name):
    path, body = premises.spoiled(command, **{name: "1"})
    with premises.house.unchanged():
        assert_refused(premises.client.post(path, body), 422, "invalid_body")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("data", NOT_JSON, ids=lambda data: repr(data[:20]))
def test_what_is_not_json_is_refused(premises, command, data):
    path, _ = premises.command(command)
    with premises.house.unchanged():
        assert_refused(premises.client.post_bytes(path, data), 400, "malformed_json")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("data", NOT_AN_OBJECT, ids=repr)
def test_json_that_is_not_an_object_is_refused(premises, command, data):
    path, _ = premises.command(command)
    with premises.house.unchanged():
        assert_refused(premises.client.post_bytes(path, data), 422, "invalid_body")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_good_body_wrapped_in_a_list_is_refused(premises, command):
    path, body = premises.command(command)
    with premises.house.unchanged():
        assert_refused(premises.client.post(path, [body]), 422, "invalid_body")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_body_that_is_too_large_is_refused(premises, command):
    path, body = premises.command(command)
    is_statement = command == "import_statement"
    bytes_max = STATEMENT_BODY_BYTES_MAX if is_statement else BODY_BYTES_MAX
    data = json.dumps(body).encode().ljust(bytes_max + 1)
    with premises.house.unchanged():
        assert_refused(premises.client.post_bytes(path, data), 413, "body_too_large")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    "content_type",
    [
        *(None, "", "text/plain", "application/x-www-form-urlencoded", "application/jsonp"),
        *("multipart/form-data; boundary=x", "text/json", "application/merge-patch+json"),
    ],
)
def test_another_content_type_is_refused(premises, command, content_type):
    path, body = premises.command(command)
    data = json.dumps(body).encode()
    with premises.house.unchanged():
        response = premises.client.post_bytes(path, data, content_type=content_type)
        assert_refused(response, 415, "unsupported_media_type")


@pytest.mark.parametrize("command", ["record", "push", "apply", "repay", "refund"])
@pytest.mark.parametrize("amount", NOT_AN_AMOUNT, ids=lambda value: repr(value)[:20])
def test_what_is_not_an_amount_in_words_of_the_contract_is_refused(premises, command, amount):
    path, body = premises.spoiled(command, amount=amount)
    with premises.house.unchanged():
        problem = assert_refused(premises.client.post(path, body), 422, "invalid_body")
    assert set(problem["errors"]) == {"amount"}


@pytest.mark.parametrize(("command", "field"), DAYS)
@pytest.mark.parametrize("day", NOT_A_DATE, ids=repr)
def test_what_is_not_a_date_is_refused(premises, command, field, day):
    path, body = premises.spoiled(command, **{field: day})
    with premises.house.unchanged():
        assert_refused(premises.client.post(path, body), 422, "invalid_body")


@pytest.mark.parametrize(("command", "field"), DAYS_TO_COME)
@pytest.mark.parametrize("day", ["yesterday", "9999-12-31", "0001-01-01"])
def test_a_day_to_come_is_neither_past_nor_far(premises, command, field, day):
    yesterday = business_day(clock.now()) - timedelta(days=1)
    path, body = premises.spoiled(
        command, **{field: yesterday.isoformat() if day == "yesterday" else day}
    )
    with premises.house.unchanged():
        problem = assert_refused(premises.client.post(path, body), 422, "invalid_value")
    assert set(problem["errors"]) == {field}


@pytest.mark.parametrize(("command", "field"), PAST_DAYS)
@pytest.mark.parametrize("day", ["tomorrow", "9999-12-31", "1999-12-31", "0001-01-01"])
def test_a_day_out_of_range_is_refused(premises, command, field, day):
    tomorrow = business_day(clock.now()) + timedelta(days=1)
    path, body = premises.spoiled(
        command, **{field: tomorrow.isoformat() if day == "tomorrow" else day}
    )
    with premises.house.unchanged():
        problem = assert_refused(premises.client.post(path, body), 422, "invalid_value")
    assert set(problem["errors"]) == {field}


@pytest.mark.parametrize(
    ("command", "field", "value"),
    [
        ("record", "contribution_type", "weekly"),
        ("record", "contribution_type", "MONTHLY"),
        ("record", "payment_method", "cheque"),
        ("record", "payment_method", "CASH"),
        ("record", "payment_method", "opening_balance"),
        ("push", "payment_purpose", "loan"),
        ("push", "payment_purpose", " monthly"),
        ("record", "member_id", "1"),
        ("reverse", "member_id", "00000000-0000-0000-0000-00000000000"),
        ("push", "member_id", "DST202600001"),
        ("push", "member_id", "{6f1c1df2-7a3e-5d0e-9a52-0f4b3c8e2a10}"),
        ("record", "member_id", "urn:uuid:6f1c1df2-7a3e-5d0e-9a52-0f4b3c8e2a10"),
        ("reverse", "member_id", "6f1c1df27a3e5d0e9a520f4b3c8e2a10"),
        ("disburse", "payment_method", "check_off"),
        ("approve", "disburse_by", "bank"),
        ("refund", "contribution_type", "registration_fee"),
        ("refund", "payment_method", "cheque"),
        ("settle", "outcome", "perhaps"),
        ("propose_resolution", "resolution", "keep"),
        ("propose_resolution", "payment_purpose", "loan_repayment"),
        ("propose_resolution", "phone", "0712345678"),
        ("apply", "term_months", 121),
        ("restructure", "interest_rate", "100.1"),
        ("restructure", "interest_rate", "1e1"),
        ("repay", "settles", 1),
        ("subscribe", "events", ["loan.exploded"]),
        ("subscribe", "payload", "FULL"),
        ("subscribe", "masked_fields", ["phone"]),
        ("subscribe", "rate_limit_per_second", 1_001),
        ("subscribe", "begins_after", -1),
        ("rotate_secret", "overlap_seconds", 604_801),
    ],
)
def test_a_value_outside_its_list_is_refused(premises, command, field, value):
    path, body = premises.spoiled(command, **{field: value})
    with premises.house.unchanged():
        problem = assert_refused(premises.client.post(path, body), 422, "invalid_body")
    assert set(problem["errors"]) == {field}


@pytest.mark.parametrize(
    ("command", "field", "value"),
    [
        ("register", "phone", "0812345678"),
        ("register", "phone", "+1 202 555 0100"),
        ("register", "phone", "07123456789"),
        ("register", "phone", "٠٧١٢٣٤٥٦٧٨"),
        ("register", "email", "jane"),
        ("register", "email", "jane@example"),
        ("register", "email", "jane doe@example.org"),
        ("register", "id_number", "12-34-56"),
        ("register", "member_number", "DST/2026/1"),
        ("register", "first_name", "   "),
        ("register", "last_name", "   "),
        ("record", "payment_method", "mpesa"),
        ("record", "payment_reference", "   "),
        ("reverse", "reason", "   "),
        ("push", "phone", "0712 345 67"),
        ("contact", "phone", "0812345678"),
        ("contact", "email", "jane@example"),
        ("suspend", "reason", "   "),
        ("reactivate", "reason", "   "),
        ("exit", "reason", "   "),
        ("apply", "purpose", "   "),
        ("refuse", "reason", "   "),
        ("disburse", "payment_reference", "   "),
        ("repay", "payment_method", "mpesa"),
        ("push", "loan_id", "6f1c1df2-7a3e-5d0e-9a52-0f4b3c8e2a10"),
        ("refund", "payment_reference", "   "),
        ("refund", "reason", "   "),
        ("settle", "evidence", "   "),
        ("settle", "receipt_number", "SKN 81"),
        ("reject_settlement", "reason", "   "),
        ("propose_resolution", "note", "   "),
        ("reject_proposal", "note", "   "),
        ("subscribe", "url", "http://books.example/hook"),
        ("subscribe", "secret", "x" * 23),
        ("subscribe", "masked_fields", ["payout_purpose"]),
        ("subscribe", "begins_after", 10**12),
        ("rotate_secret", "secret", "whsec_not-base64"),
    ],
)
def test_a_value_the_co_operative_cannot_use_is_refused(premises, command, field, value):
    path, body = premises.spoiled(command, **{field: value})
    with premises.house.unchanged():
        problem = assert_refused(premises.client.post(path, body), 422, "invalid_value")
    assert set(problem["errors"]) == {field}


@pytest.mark.parametrize("command", MONEY_COMMANDS)
@pytest.mark.parametrize("key", [None, "", "x" * 256, "two words", "tab\there", "clé", "\x7f"])
def test_moving_money_needs_a_well_formed_idempotency_key(premises, command, key):
    path, body = premises.command(command)
    with premises.house.unchanged():
        response = premises.client.post(path, body, headers={"Idempotency-Key": key})
        assert_refused(response, 400, "idempotency_key_required")


@pytest.mark.parametrize("command", KEY_MAY_BE_LEFT_OUT)
@pytest.mark.parametrize("key", ["", "x" * 256, "two words", "clé"])
def test_where_an_idempotency_key_is_optional_it_must_still_be_well_formed(premises, command, key):
    path, body = premises.command(command)
    with premises.house.unchanged():
        response = premises.client.post(path, body, headers={"Idempotency-Key": key})
        assert_refused(response, 400, "idempotency_key_required")
