"""What the co-operative's rules forbid: 404 or 409 in a sentence for a clerk, nothing changed."""

from __future__ import annotations

from uuid import uuid4

import pytest

from tests.integration.http.house import (
    ALL_PERMISSIONS,
    PUSH,
    RECORD,
    REGISTER,
    assert_refused,
    open_house,
)
from tests.integration.http.requests_of_every_kind import (
    COMMANDS,
    NAMING_A_MEMBER,
    STATUS_OF,
    Premises,
)


@pytest.fixture
def own_premises(house):
    """Premises that a test may change."""
    return Premises.of(house)


@pytest.mark.parametrize("command", NAMING_A_MEMBER)
def test_an_unknown_member_is_not_found(premises, command):
    path, body = premises.spoiled(command, member_id=str(uuid4()))
    with premises.house.unchanged():
        assert_refused(premises.client.post(path, body), 404, "member_not_found")


@pytest.mark.parametrize("command", NAMING_A_MEMBER)
def test_the_id_of_something_else_is_no_member(premises, command):
    path, body = premises.spoiled(command, member_id=str(premises.transaction_id))
    with premises.house.unchanged():
        assert_refused(premises.client.post(path, body), 404, "member_not_found")


def test_an_unknown_contribution_is_not_found(premises):
    _, body = premises.command("reverse")
    with premises.house.unchanged():
        response = premises.client.post(f"{RECORD}/{uuid4()}/reversal", body)
        assert_refused(response, 404, "contribution_not_found")


def test_a_contribution_of_another_member_is_not_found(own_premises):
    stranger = own_premises.house.member()
    path, body = own_premises.spoiled("reverse", member_id=str(stranger))
    with own_premises.house.unchanged():
        assert_refused(own_premises.client.post(path, body), 404, "contribution_not_found")


@pytest.mark.parametrize("what", ["nothing", "member_id", "contribution_id"])
def test_an_unknown_transaction_is_not_found(premises, what):
    transaction_id = getattr(premises, what, uuid4())
    with premises.house.unchanged():
        response = premises.client.get(f"/daystar/v1/mpesa/transactions/{transaction_id}")
        assert_refused(response, 404, "transaction_not_found")


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("member_number", "TAKEN01", "member_number_taken"),
        ("member_number", " taken01 ", "member_number_taken"),
        ("id_number", "TAKEN0001", "national_id_taken"),
        ("id_number", "taken0001", "national_id_taken"),
    ],
)
def test_what_belongs_to_another_member_is_refused(premises, field, value, code):
    path, body = premises.spoiled("register", **{field: value})
    with premises.house.unchanged():
        assert_refused(premises.client.post(path, body), 409, code)


def test_a_reference_that_has_paid_is_refused_the_second_time(premises):
    path, body = premises.spoiled("record", payment_reference=" taken-reference ")
    with premises.house.unchanged():
        assert_refused(premises.client.post(path, body), 409, "payment_reference_already_used")


@pytest.mark.parametrize(
    ("path", "field", "kind", "amount", "said"),
    [
        (RECORD, "contribution_type", "monthly", "499.99", "KES 500.00"),
        (RECORD, "contribution_type", "share_capital", "999.99", "KES 1,000.00"),
        (RECORD, "contribution_type", "registration_fee", "0.01", "KES 1,000.00"),
        (PUSH, "payment_purpose", "monthly", "499", "KES 500.00"),
        (PUSH, "payment_purpose", "share_capital", "999.9", "KES 1,000.00"),
    ],
)
def test_an_amount_below_the_minimum_is_refused(premises, path, field, kind, amount, said):
    command = "record" if path == RECORD else "push"
    _, body = premises.spoiled(command, amount=amount, **{field: kind})
    with premises.house.unchanged():
        problem = assert_refused(premises.client.post(path, body), 409, "amount_below_minimum")
    assert said in problem["message"]


@pytest.mark.parametrize("amount", ["250000.01", "250001", "99999999999.99"])
def test_more_than_mpesa_moves_at_once_is_refused(premises, amount):
    path, body = premises.spoiled("push", amount=amount)
    with premises.house.unchanged():
        assert_refused(premises.client.post(path, body), 409, "amount_above_mpesa_limit")


@pytest.mark.parametrize("phone", [None, "0712345678", "+254 712 345 678"])
def test_a_phone_that_is_being_asked_is_not_asked_again(premises, phone):
    path, body = premises.spoiled("push", phone=phone)
    with premises.house.unchanged():
        assert_refused(premises.client.post(path, body), 409, "payment_request_waiting")


def test_a_contribution_is_not_reversed_twice(own_premises):
    path, body = own_premises.command("reverse")
    assert own_premises.client.post(path, body).status_code == 201
    with own_premises.house.unchanged():
        response = own_premises.client.post(path, body)
        assert_refused(response, 409, "contribution_already_reversed")


def test_without_mpesa_credentials_nobody_is_asked_to_pay(owner_url, tmp_path):
    with open_house(owner_url, tmp_path, mpesa=None) as house:
        premises = Premises.of(house)
        path, body = premises.command("push")
        with house.unchanged():
            assert_refused(premises.client.post(path, body), 409, "mpesa_not_configured")


@pytest.mark.parametrize("command", COMMANDS)
def test_the_same_request_unspoiled_is_accepted(own_premises, command):
    """Without this, every refusal in these files might have another cause than the one named."""
    path, body = own_premises.command(command)
    events = own_premises.house.count("event_store.events")
    response = own_premises.client.post(path, body)
    assert response.status_code == STATUS_OF[command], response.text
    assert own_premises.house.count("event_store.events") > events


def test_amounts_and_days_at_the_very_edge_are_accepted(own_premises):
    client = own_premises.client
    for number, fields in enumerate(
        [
            {"amount": "500"},
            {"amount": "500.0"},
            {"amount": "99999999999.99"},
            {"contribution_date": "2000-01-01"},
        ]
    ):
        path, body = own_premises.spoiled("record", payment_reference=f"EDGE-{number}", **fields)
        assert client.post(path, body).status_code == 201
    path, body = own_premises.spoiled("push", amount="250000.00")
    assert client.post(path, body).status_code == 202


def test_a_member_may_be_registered_with_the_required_fields_alone(own_premises):
    _, body = own_premises.command("register")
    for optional in ("member_number", "email", "registration_date"):
        del body[optional]
    response = own_premises.client.post(REGISTER, body, headers={"Idempotency-Key": None})
    assert response.status_code == 201
    assert response.json["member_number"].startswith("DST")


def test_a_key_that_only_reads_cannot_move_money(own_premises):
    others = (permission for permission in ALL_PERMISSIONS if permission != "operate")
    reader = own_premises.house.client(*others)
    path, body = own_premises.command("record")
    with own_premises.house.unchanged():
        assert_refused(reader.post(path, body), 403, "insufficient_permission")
