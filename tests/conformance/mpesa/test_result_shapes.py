"""The envelope of results in every shape on record, and what a result must not be taken for."""

from __future__ import annotations

import json

import pytest

from infra.mpesa.c2b_notices import read_c2b_notice
from infra.mpesa.pulled import PulledPage, read_pull_answer
from infra.mpesa.result_views import read_paid_out, read_transaction_status
from infra.mpesa.results import read_result
from infra.mpesa.transport import Answer
from infra.mpesa.unreadable import UnreadableCallback

PAID = {
    "TransactionReceipt": "UB10000001",
    "TransactionAmount": 500,
    "TransactionCompletedDateTime": "01.02.2026 10:15:15",
}


def raw(parameters: object = None, **changes: object) -> bytes:
    result = {
        "ResultType": 0,
        "ResultCode": 0,
        "ResultDesc": "said",
        "OriginatorConversationID": "ours",
        "ConversationID": "AG_1",
        "TransactionID": "UB10000001",
        "ResultParameters": parameters,
    } | changes
    return json.dumps({"Result": result}).encode()


def listed(**changes: object) -> dict[str, object]:
    return {
        "ResultParameter": [{"Key": key, "Value": value} for key, value in (PAID | changes).items()]
    }


@pytest.mark.parametrize("code", [0, "0", " 0 "])
@pytest.mark.parametrize("result_type", [0, "0", None])
def test_a_code_may_be_a_number_or_text(code: object, result_type: object):
    told = read_result(raw(listed(), ResultCode=code, ResultType=result_type))
    assert told.succeeded
    assert read_paid_out(told).amount_cents == 50_000


@pytest.mark.parametrize("amount", [500, 500.0, "500", "500.00"])
def test_an_amount_may_be_a_number_or_text(amount: object):
    assert read_paid_out(read_result(raw(listed(TransactionAmount=amount)))).amount_cents == 50_000


@pytest.mark.parametrize(
    "changes",
    [
        {"TransactionAmount": None},
        {"TransactionAmount": 0},
        {"TransactionAmount": "many"},
        {"TransactionCompletedDateTime": "2026"},
        {"TransactionCompletedDateTime": "31.02.2026 10:15:15"},
        {"TransactionReceipt": "?"},
    ],
)
def test_paid_without_its_particulars_is_unreadable(changes: dict[str, object]):
    with pytest.raises(UnreadableCallback):
        read_paid_out(read_result(raw(listed(**changes))))


def test_the_receipt_may_stand_in_the_envelope_alone():
    told = read_result(raw(listed(TransactionReceipt=None)))
    assert read_paid_out(told).receipt_number == "UB10000001"


@pytest.mark.parametrize("placeholder", ["NLJ0000000", "", None, 7, "x"])
def test_a_placeholder_is_no_transaction(placeholder: object):
    assert read_result(raw(TransactionID=placeholder)).transaction_id is None


@pytest.mark.parametrize(
    "parameters", [None, {}, {"ResultParameter": None}, {"ResultParameter": []}]
)
def test_there_may_be_no_parameters(parameters: object):
    assert read_result(raw(parameters)).parameters == {}


def test_a_single_parameter_may_be_an_object_and_lack_its_value():
    told = read_result(raw({"ResultParameter": {"Key": "Trans Reason"}}))
    assert told.parameters == {"TransReason": (None,)}


def test_a_parameter_told_twice_is_kept_twice():
    items = [{"Key": "DebitPartyName", "Value": name} for name in ("one", "two")]
    told = read_result(raw({"ResultParameter": items}))
    assert told.parameters["DebitPartyName"] == ("one", "two")


@pytest.mark.parametrize(
    "told",
    [
        read_result(raw(ResultCode="1", ResultType=1)),
        read_result(raw(listed(), ResultType="1")),
        read_result(raw(ResultCode="1"), told_as_timeout=True),
        read_result(raw(listed()), told_as_timeout=True),
        read_result(raw(ResultCode=None), told_as_timeout=True),
        read_result(b'{"CommandID":"AccountBalance","Initiator":"testapi"}'),
        read_result(b'{"Command ID":"BusinessPayment","OriginatorConversationID":"ours"}'),
    ],
)
def test_a_timeout_is_neither_a_success_nor_a_failure(told):
    assert told.is_timeout
    assert not told.succeeded


def test_the_misspelt_id_is_read_as_well():
    body = raw(OriginatorConversationID=None, OriginatorCoversationID="ours")
    assert read_result(body).originator_conversation_id == "ours"


@pytest.mark.parametrize(
    "changes", [{"OriginatorConversationID": None}, {"ResultCode": None}, {"ResultCode": [0]}]
)
def test_a_result_of_nothing_is_unreadable(changes: dict[str, object]):
    with pytest.raises(UnreadableCallback):
        read_result(raw(listed(), **changes))


def test_several_charges_are_one_sum():
    charges = "Fee For B2C Payment|KES|22.40&Excise|KES|2.60"
    items = [
        {"Key": "TransactionStatus", "Value": "Completed"},
        {"Key": "DebitPartyCharges", "Value": charges},
    ]
    told = read_transaction_status(read_result(raw({"ResultParameter": items})))
    assert (told.charge_cents, told.receipt_number, told.amount_cents) == (2_500, None, None)


def test_one_pulled_transaction_that_makes_no_sense_hides_no_other():
    good = {
        "transactionId": "UB10000001", "trxDate": "2026-02-01 10:13:00", "msisdn": "2547****149",
        "amount": 168, "billreference": None,
    }  # fmt: skip
    body = {"ResponseCode": 1000, "Response": [[good, {**good, "amount": "?"}, 7], good]}
    page = read_pull_answer(Answer(200, json.dumps(body).encode()))
    assert isinstance(page, PulledPage)
    assert len(page.transactions) == len(page.unreadable) == 2
    assert page.told == 4
    assert page.transactions[0].payer.masked_phone == "2547****149"
    assert page.transactions[0].account_number is None


@pytest.mark.parametrize(
    ("number", "known"),
    [
        (254708374149, "phone"),
        ("0708374149", "phone"),
        ("+254708374149", "phone"),
        ("A" * 64, "phone_sha256"),
        ("2547 ***** 126", "masked_phone"),
        ("25470****149", "masked_phone"),
        ("a" * 63, None),
        ("*" * 40, None),
        ("", None),
        (None, None),
        ([], None),
    ],
)
def test_a_number_is_known_as_far_as_it_is_told(number: object, known: str | None):
    body = {
        "TransID": "ub10000001", "TransAmount": 10, "TransTime": 20260201101515,
        "BusinessShortCode": 600992, "BillRefNumber": " m001 ", "MSISDN": number,
    }  # fmt: skip
    notice = read_c2b_notice(json.dumps(body).encode())
    told = {name for name, value in vars(notice.payer).items() if value is not None}
    assert told == ({known} if known else set())
    assert (notice.receipt_number, notice.account_number) == ("UB10000001", "m001")
    assert "70837" not in repr(notice)
