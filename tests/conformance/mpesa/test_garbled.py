"""Whatever is cut off, damaged or invented: unreadable, and never anything worse."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.mpesa.answers import (
    read_pull_registration,
    read_push_answer,
    read_query_answer,
    read_request_answer,
)
from infra.mpesa.c2b_notices import C2bNotice, read_c2b_notice
from infra.mpesa.callbacks import StkCallback, read_stk_callback
from infra.mpesa.outcomes import Ambiguous, NotAnswered
from infra.mpesa.pulled import read_pull_answer
from infra.mpesa.result_views import (
    read_balances,
    read_paid_out,
    read_reversed,
    read_transaction_status,
)
from infra.mpesa.results import MpesaResult, read_result, scrub_credential
from infra.mpesa.statements import read_statement
from infra.mpesa.transport import Answer
from infra.mpesa.unreadable import UnreadableCallback, UnreadableStatement
from tests.conformance.mpesa.golden import EXPECTED, body_of, names_of

RESULTS = ("payout", "status", "balance", "reversal", "other_result", "timeout")
READERS: dict[str, Callable[[bytes], object]] = {
    "callback": read_stk_callback,
    "c2b": read_c2b_notice,
    **dict.fromkeys(RESULTS, read_result),
}
VIEWS = (read_paid_out, read_transaction_status, read_balances, read_reversed)
CALLBACKS = names_of(*READERS)
CUTS, FLIPS = 40, 60


def reader_of(name: str) -> Callable[[bytes], object]:
    return READERS[EXPECTED[name]["kind"]]


def read_wholly(name: str, body: bytes) -> None:
    """Read, and look at a result in every way that there is. Raises UnreadableCallback."""
    told = reader_of(name)(body)
    assert isinstance(told, StkCallback | C2bNotice | MpesaResult)
    if isinstance(told, MpesaResult) and told.succeeded:
        for view in VIEWS:
            looked_at(view, told)


def looked_at(view: Callable[[MpesaResult], object], told: MpesaResult) -> None:
    with suppress(UnreadableCallback):
        view(told)


@pytest.mark.parametrize("name", CALLBACKS)
def test_a_body_that_was_cut_off_is_unreadable(name: str):
    body = body_of(name).rstrip()
    for length in {*range(0, len(body), max(1, len(body) // CUTS)), len(body) - 1}:
        with pytest.raises(UnreadableCallback):
            reader_of(name)(body[:length])


@pytest.mark.parametrize("name", CALLBACKS)
def test_a_damaged_body_is_read_or_unreadable(name: str):
    body, drawn = body_of(name), random.Random(name)
    for _ in range(FLIPS):
        damaged = bytearray(body)
        for _ in range(drawn.randint(1, 4)):
            damaged[drawn.randrange(len(body))] = drawn.randrange(256)
        with suppress(UnreadableCallback):
            read_wholly(name, bytes(damaged))


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff\xfe", b"null", b"[]", b"{}", b'{"Result":[]}', b'{"Result":{}}',
     b'{"Result":{"ResultCode":0}}', b'{"TransID":"UB10000001"}', b'{"CommandID":7}',
     b"[" * 60_000, b'{"Result":' * 5_000, b" " * 70_000],
)  # fmt: skip
@pytest.mark.parametrize("read", [read_result, read_c2b_notice])
def test_anything_else_is_unreadable(read, body: bytes):
    with pytest.raises(UnreadableCallback):
        read(body)


@pytest.mark.parametrize("name", names_of("push", "query", "acknowledgement", "pull"))
def test_an_answer_that_was_cut_off_proves_nothing(name: str):
    body = body_of(name).rstrip()
    for length in range(0, len(body), max(1, len(body) // CUTS)):
        answer = Answer(200, body[:length])
        assert isinstance(read_push_answer(answer), Ambiguous)
        assert isinstance(read_request_answer(answer, moves_money=True), Ambiguous)
        assert isinstance(read_pull_registration(answer), Ambiguous)
        assert isinstance(read_query_answer(answer, checkout_request_id="1"), NotAnswered)
        assert isinstance(read_pull_answer(answer), NotAnswered)


@pytest.mark.parametrize("name", names_of("statement"))
def test_a_damaged_statement_is_read_or_unreadable(name: str):
    body, drawn = body_of(name), random.Random(name)
    refused = 0
    for _ in range(10 * FLIPS):
        damaged = bytearray(body[: drawn.choice([len(body), drawn.randrange(len(body))])])
        for place in drawn.sample(range(len(damaged)), min(2, len(damaged))):
            damaged[place] = drawn.randrange(256)
        try:
            read_statement(bytes(damaged))
        except UnreadableStatement:
            refused += 1
    assert refused


# Neither the drawing nor the reading is what these tests measure.
BUSY_MACHINE = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(
    ["TransactionReceipt", "TransactionAmount", "TransactionCompletedDateTime", "AccountBalance",
     "TransactionStatus", "Amount", "ReceiptNo", "FinalisedTime", "DebitPartyCharges",
     "OriginalTransactionID", "TransCompletedTime", "Charge", "ReceiverPartyPublicName"],
)  # fmt: skip
VALUES = st.sampled_from(
    ["UB10000001", 100, "1.00", "01.02.2026 10:15:15", 20260201101515, "Completed",
     "Fee|KES|1.00", "Fee|KES|1.2.3", "Utility Account|KES|1.00|x", "a|KES|" + "9" * 40, -1],
)  # fmt: skip
PARAMETER = st.fixed_dictionaries({"Key": KEYS | JSON}, optional={"Value": VALUES | JSON})
RESULT = st.fixed_dictionaries(
    {
        "ResultCode": st.just(0) | JSON,
        "OriginatorConversationID": st.just("1-2-3") | JSON,
        "ResultParameters": st.fixed_dictionaries(
            {"ResultParameter": st.lists(PARAMETER, max_size=6) | PARAMETER | JSON}
        )
        | JSON,
    },
    optional={"ResultType": JSON, "TransactionID": st.just("UB10000001") | JSON},
)


@BUSY_MACHINE
@given(RESULT)
def test_no_near_result_raises_anything_but_unreadable(result: object):
    try:
        told = read_result(json.dumps({"Result": result}).encode())
    except UnreadableCallback:
        return
    if told.succeeded:
        for view in VIEWS:
            looked_at(view, told)


NOTICE = st.fixed_dictionaries(
    {
        "TransID": st.just("UB10000001") | JSON,
        "TransAmount": st.just("10.00") | JSON,
        "TransTime": st.just("20260201101515") | JSON,
        "BusinessShortCode": st.just("600992") | JSON,
    },
    optional={"BillRefNumber": JSON, "MSISDN": JSON, "FirstName": JSON, "TransactionType": JSON},
)


@BUSY_MACHINE
@given(NOTICE)
def test_no_near_notice_raises_anything_but_unreadable(notice: object):
    try:
        told = read_c2b_notice(json.dumps(notice).encode())
    except UnreadableCallback:
        return
    assert told.amount_cents > 0
    for text in (told.account_number, told.payer.name, told.transaction_type):
        assert text is None or "\x00" not in text
        (text or "").encode()  # no half of a surrogate pair is left in it


SECRET = "s3cret+/="


@pytest.mark.parametrize(
    "body",
    [
        f'{{"CommandID":"x","SecurityCredential":"{SECRET}"}}',
        f'{{"Result":{{"SecurityCredential" : "{SECRET}","ResultCode":1}}}}',
        f'{{"SecurityCredential":"{SECRET}',
        f'{{"SecurityCredential":"{SECRET}\\',
        f'{{"Security Credential":\n"{SECRET}"}}',
        f'{{"securityCredential":"\\"{SECRET}\\\\"}}',
        f'{{"SecurityCredential":{SECRET}}}',
        f'{{"Key":"SecurityCredential","Value":"{SECRET}"}}',
        f'[{{"SecurityCredential":"{SECRET}"}},{{"SecurityCredential":"{SECRET}"}}]',
    ],
)
def test_no_credential_outlives_the_scrubbing(body: str):
    scrubbed = scrub_credential(body.encode())
    assert SECRET.encode() not in scrubbed
    assert scrub_credential(scrubbed) == scrubbed


@pytest.mark.parametrize("name", CALLBACKS)
def test_what_holds_no_credential_is_not_touched(name: str):
    body = body_of(name)
    assert (scrub_credential(body) == body) is (b"SecurityCredential" not in body)


def test_scrubbing_a_large_body_takes_no_time():
    scrub_credential(b'"SecurityCredential":"' + b"\\" * 60_000)
    scrub_credential(b'"SecurityCredential":' * 3_000)
