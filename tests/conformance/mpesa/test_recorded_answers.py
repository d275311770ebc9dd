"""Everything that Safaricom is known to have said, against what we must make of it."""

from __future__ import annotations

import json

import pytest

from domain.mpesa.result_codes import (
    STK_RESULT_CODES,
    Verdict,
    stk_meaning,
    stk_verdict,
)
from infra.mpesa.answers import (
    read_pull_registration,
    read_push_answer,
    read_query_answer,
    read_request_answer,
    token_was_refused,
)
from infra.mpesa.callbacks import read_stk_callback
from infra.mpesa.outcomes import (
    Accepted,
    AlreadyTaken,
    Ambiguous,
    NotAnswered,
    NotSent,
    QueryAnswer,
    Refused,
    Taken,
)
from infra.mpesa.tokens import TokenUnavailable, read_token_answer
from infra.mpesa.transport import Answer
from tests.conformance.mpesa.golden import EXPECTED, GOLDEN, body_of, names_of


def error(code: str, message: str, *, status: int) -> Answer:
    envelope = {"requestId": "1-2-3", "errorCode": code, "errorMessage": message}
    return Answer(status, json.dumps(envelope).encode())


def test_every_recorded_answer_has_an_expectation():
    recorded = {path.name for path in GOLDEN.iterdir()} - {"expectations.json"}
    assert recorded == set(EXPECTED)


@pytest.mark.parametrize("name", names_of("callback"))
def test_recorded_callback_is_understood(name: str):
    expected = EXPECTED[name]
    callback = read_stk_callback(body_of(name))
    assert callback.result_code == expected["code"]
    assert stk_verdict(callback.result_code) is Verdict(expected["verdict"])
    assert callback.checkout_request_id.startswith("ws_CO_")
    assert callback.merchant_request_id
    if expected["verdict"] != "success":
        assert callback.payment is None
        return
    assert callback.payment is not None
    assert callback.payment.receipt_number == expected["receipt"]
    assert callback.payment.amount_cents == expected["amount_cents"]
    assert callback.payment.payer_phone == expected["phone"]
    assert callback.payment.paid_at.isoformat() == expected["paid_at"]


@pytest.mark.parametrize("name", names_of("push"))
def test_recorded_answer_to_a_push_is_classified(name: str):
    expected = EXPECTED[name]
    answer = Answer(expected["status"], body_of(name))
    outcome = read_push_answer(answer)
    assert type(outcome).__name__ == expected["outcome"]
    assert token_was_refused(answer) is expected.get("token_refused", False)
    if "retry_after_seconds" in expected:
        assert outcome.retry_after_seconds >= expected["retry_after_seconds"]


@pytest.mark.parametrize("name", [name for name in EXPECTED if "as_payout" in EXPECTED[name]])
def test_recorded_error_of_a_payout_is_classified(name: str):
    """A payout is sent again only when it is proven that M-Pesa never saw it."""
    expected = EXPECTED[name]
    answer = Answer(expected["status"], body_of(name))
    outcome = read_request_answer(answer, moves_money=True)
    assert type(outcome).__name__ == expected["as_payout"]
    if isinstance(outcome, Refused):
        assert outcome.is_configuration is expected["is_configuration"]


@pytest.mark.parametrize("name", names_of("acknowledgement"))
def test_recorded_acknowledgement_is_taken(name: str):
    expected = EXPECTED[name]
    outcome = read_request_answer(Answer(expected["status"], body_of(name)), moves_money=True)
    assert outcome == Taken(expected["conversation_id"], expected["originator_conversation_id"])


@pytest.mark.parametrize(
    ("answer", "paying", "asking"),
    [
        (error("500.002.1001", "System internal error.", status=500), Ambiguous, Ambiguous),
        (error("500.003.02", "System is busy. Please try again", status=500), Ambiguous, NotSent),
        (error("500.003.02", "System is busy. Please try again", status=429), Ambiguous, NotSent),
        (error("500.003.02", "Spike Arrest Violation", status=500), NotSent, NotSent),
        (error("500.003.03", "Quota Violation", status=500), NotSent, NotSent),
        (error("500.003.1001", "Internal Server Error", status=500), Ambiguous, Ambiguous),
        (error("500.003.1001", "Urls are already registered", status=500), AlreadyTaken, None),
        (error("500.003.1001", "Duplicate notification info, SP", status=500), AlreadyTaken, None),
        (Answer(429, b""), Ambiguous, NotSent),
        (Answer(401, b""), NotSent, NotSent),
        (Answer(502, b"<html></html>"), Ambiguous, Ambiguous),
        (Answer(200, b"<html></html>"), Ambiguous, Ambiguous),
        (Answer(200, b'{"ResponseCode":"0"}'), Ambiguous, Ambiguous),
        (Answer(200, b'{"ResponseCode":"1","ConversationID":"AG_1"}'), Ambiguous, Ambiguous),
        (Answer(200, b'{"ResponseCode":0,"ConversationID":"AG_1"}'), Taken, Taken),
    ],
)
def test_what_proves_nothing_of_a_payout_is_ambiguous(answer: Answer, paying: type, asking: type):
    assert type(read_request_answer(answer, moves_money=True)) is paying
    assert type(read_request_answer(answer, moves_money=False)) is (asking or paying)


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        (b'{"ResponseRefID":"1-2","ResponseStatus":"1000"}', Taken("1-2")),
        (b'{"ResponseRefID":"1-2","Response Status":1000}', Taken("1-2")),
        (b'{"ResponseRefID":"1-2","ResponseStatus":"1001"}', AlreadyTaken()),
        (b'{"ResponseStatus":"9"}', Ambiguous("an answer with response status 9")),
    ],
)
def test_the_wish_to_pull_is_answered_in_two_spellings(body: bytes, outcome: object):
    assert read_pull_registration(Answer(200, body)) == outcome


@pytest.mark.parametrize("name", names_of("query"))
def test_recorded_answer_to_a_query_is_classified(name: str):
    expected = EXPECTED[name]
    body = body_of(name)
    asked = json.loads(body).get("CheckoutRequestID", "ws_CO_1")
    outcome = read_query_answer(Answer(expected["status"], body), checkout_request_id=asked)
    assert type(outcome).__name__ == expected["outcome"]
    if isinstance(outcome, QueryAnswer):
        assert outcome.result_code == expected["code"]


@pytest.mark.parametrize("name", names_of("token"))
def test_recorded_token_is_taken(name: str):
    body = body_of(name)
    assert read_token_answer(status=200, body=body) == EXPECTED[name]["token"]


@pytest.mark.parametrize(
    ("status", "body", "permanent"),
    [
        (400, body_of("error_invalid_auth.json"), True),
        (200, b"<html>blocked</html>", False),
        (403, b"<html>blocked</html>", False),
        (503, b"", False),
        (200, b'{"expires_in":"3599"}', False),
        (200, b'{"access_token":17}', False),
        (200, b'{"access_token":"a b"}', False),
    ],
)
def test_no_token_is_made_of_anything_else(status: int, body: bytes, permanent: bool):  # noqa: FBT001
    with pytest.raises(TokenUnavailable) as refused:
        read_token_answer(status=status, body=body)
    assert refused.value.permanent is permanent


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (error("500.001.1001", "Merchant does not exist", status=500), Refused),
        (error("500.001.1001", "[MerchantValidate] - Wrong  Credentials", status=500), Refused),
        (error("500.001.1001", "something new", status=500), Ambiguous),
        (error("500.003.1001", "Internal Server Error", status=500), Ambiguous),
        (error("500.003.02", "Spike Arrest Violation", status=500), NotSent),
        (error("500.003.02", "System is busy. Please try again", status=429), NotSent),
        (error("500.003.03", "Quota Violation", status=500), NotSent),
        (error("400.999.99", "never seen before", status=400), Refused),
        (error("400.999.99", "a gateway that contradicts itself", status=500), Ambiguous),
        (error("777", "never seen before", status=500), Ambiguous),
        (error("500.003.1001", "Internal Server Error", status=200), Ambiguous),
        (Answer(429, b"slow down"), NotSent),
        (Answer(503, b"<html></html>"), Ambiguous),
        (Answer(403, b"<html></html>"), Ambiguous),
        (Answer(302, b""), Ambiguous),
        (Answer(200, b"<html></html>"), Ambiguous),
        (Answer(200, b"[]"), Ambiguous),
        (Answer(200, b'{"ResponseCode":"0"}'), Ambiguous),
        (Answer(200, b'{"ResponseCode":"1","CheckoutRequestID":"a"}'), Ambiguous),
        (
            Answer(200, b'{"ResponseCode":0,"CheckoutRequestID":"a","MerchantRequestID":"b"}'),
            Accepted,
        ),
    ],
)
def test_push_is_repeated_only_when_proven_unsent(answer: Answer, outcome: type):
    assert type(read_push_answer(answer)) is outcome


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, b'{"ResponseCode":"0","ResultCode":"0","CheckoutRequestID":"another"}'),
        Answer(200, b'{"ResponseCode":"0","ResultCode":null}'),
        Answer(200, b'{"ResponseCode":"1","ResultCode":"0"}'),
        Answer(200, b"<html></html>"),
        Answer(503, b"<html></html>"),
        error("500.001.1001", "Wrong credentials", status=500),
        error("500.003.02", "Spike Arrest Violation", status=500),
    ],
)
def test_query_learns_nothing_from_an_unclear_answer(answer: Answer):
    assert isinstance(read_query_answer(answer, checkout_request_id="ws_CO_1"), NotAnswered)


def test_an_echoed_token_never_reaches_a_reason():
    secret = "wWAHdtiE4GCSGv2ocfzQ0WHefwAJ"
    for code in ("401.002.01", "401.003.01", "400.002.02", "400.003.02", "777"):
        outcome = read_push_answer(error(code, f"Invalid Access Token - {secret}", status=401))
        assert secret not in repr(outcome)


def test_a_refusal_names_the_field_that_was_wrong():
    outcome = read_push_answer(error("400.002.02", "Bad Request - Invalid Timestamp", status=400))
    assert isinstance(outcome, Refused)
    assert outcome.reason.endswith("Timestamp")


def test_an_unknown_result_code_must_be_verified():
    assert stk_verdict("31337") is Verdict.VERIFY
    assert stk_meaning("31337")


def test_only_zero_means_paid():
    paid = [code for code, row in STK_RESULT_CODES.items() if row.verdict is Verdict.SUCCESS]
    assert paid == ["0"]
    assert stk_verdict("00") is Verdict.VERIFY
