from __future__ import annotations

import json
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.mpesa.callbacks import StkCallback, read_stk_callback
from infra.mpesa.unreadable import UnreadableCallback

NAMES = ("Amount", "MpesaReceiptNumber", "Balance", "TransactionDate", "PhoneNumber")
GOOD = {
    "Amount": 150,
    "MpesaReceiptNumber": "UB10000001",
    "TransactionDate": 20260201101515,
    "PhoneNumber": 254708374149,
}


def raw(items: object, *, code: str = "0") -> bytes:
    """A callback whose metadata is written out by hand, so that any number literal is possible."""
    text = items if isinstance(items, str) else json.dumps(items)
    return (
        '{"Body":{"stkCallback":{"MerchantRequestID":"1-2-3","CheckoutRequestID":"ws_CO_1",'
        f'"ResultCode":{code},"ResultDesc":"said","CallbackMetadata":{{"Item":{text}}}}}}}}}'
    ).encode()


def listed(**changes: object) -> list[dict]:
    return [{"Name": name, "Value": value} for name, value in {**GOOD, **changes}.items()]


def with_amount(literal: str) -> bytes:
    text = json.dumps(listed(Amount="@")).replace('"@"', literal)
    return raw(text)


@pytest.mark.parametrize(
    ("literal", "cents"),
    [("1", 100), ("1.00", 100), ('"300"', 30_000), ('"300.50"', 30_050), ("0.01", 1),
     ("1.5e2", 15_000), ("250000", 25_000_000), ("1.000000", 100)],
)  # fmt: skip
def test_amount_is_read_exactly_in_every_form(literal: str, cents: int):
    callback = read_stk_callback(with_amount(literal))
    assert callback.payment is not None
    assert callback.payment.amount_cents == cents


@pytest.mark.parametrize(
    "literal",
    ["0", "-1", "true", "null", "NaN", "Infinity", "1e999999", "1e99999999999999999999999",
     "1e-999999", "0.001", "1.00000000000000000000000000000000000000001", '"one"', '"NaN"', "[]",
     "{}", '""', "9" * 5_000, "100000000000", "1" + "0" * 20],
)  # fmt: skip
def test_money_without_a_sensible_amount_is_unreadable(literal: str):
    with pytest.raises(UnreadableCallback):
        read_stk_callback(with_amount(literal))


@pytest.mark.parametrize(
    "date",
    [None, True, "", "2026-02-01", 20261301101515, 20260230101515, 2026020110151, 1 << 80,
     "20260201101515Z", "٢٠٢٦٠٢٠١١٠١٥١٥", "00010101000000", "99991231235959"],
)  # fmt: skip
def test_an_impossible_date_is_unreadable(date: object):
    with pytest.raises(UnreadableCallback):
        read_stk_callback(raw(listed(TransactionDate=date)))


@pytest.mark.parametrize("missing", ["Amount", "MpesaReceiptNumber", "TransactionDate"])
def test_paid_without_its_particulars_is_unreadable(missing: str):
    items = [item for item in listed() if item["Name"] != missing]
    with pytest.raises(UnreadableCallback):
        read_stk_callback(raw(items))


@pytest.mark.parametrize("receipt", [None, 17, "", "  ", "UB1-000001", "x" * 40, "UB1\u0000000001"])
def test_a_strange_receipt_is_unreadable(receipt: object):
    with pytest.raises(UnreadableCallback):
        read_stk_callback(raw(listed(MpesaReceiptNumber=receipt)))


@pytest.mark.parametrize("phone", [None, "", "2547 ***** 126", "a" * 64, 254, True, [], {}])
def test_a_hidden_payer_is_no_obstacle(phone: object):
    callback = read_stk_callback(raw(listed(PhoneNumber=phone)))
    assert callback.payment is not None
    assert callback.payment.payer_phone is None


@pytest.mark.parametrize("phone", [254708374149, "254708374149", "+254708374149", "0708374149"])
def test_the_payer_is_read_in_one_form(phone: object):
    callback = read_stk_callback(raw(listed(PhoneNumber=phone)))
    assert callback.payment is not None
    assert callback.payment.payer_phone == "254708374149"


@pytest.mark.parametrize("code", ["0", '"0"', '" 0 "'])
def test_the_code_may_be_a_number_or_text(code: str):
    callback = read_stk_callback(raw(listed(), code=code))
    assert callback.result_code == "0"
    assert callback.payment is not None


@pytest.mark.parametrize("code", ["null", "true", "0.0", "[]", '""', "9" * 100])
def test_a_code_of_another_type_is_unreadable(code: str):
    with pytest.raises(UnreadableCallback):
        read_stk_callback(raw(listed(), code=code))


def test_the_order_of_the_items_does_not_matter():
    forwards, backwards = raw(listed()), raw(listed()[::-1])
    assert read_stk_callback(forwards) == read_stk_callback(backwards)


def test_an_item_told_twice_differently_is_unreadable():
    with pytest.raises(UnreadableCallback):
        read_stk_callback(raw([*listed(), {"Name": "Amount", "Value": 151}]))


def test_time_is_kenyan():
    callback = read_stk_callback(raw(listed()))
    assert callback.payment is not None
    assert callback.payment.paid_at.utcoffset() == timedelta(hours=3)


def test_a_failure_tells_of_no_money_even_with_metadata():
    assert read_stk_callback(raw(listed(), code="1032")).payment is None


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff\xfe", b"null", b"[]", b"{}", b'{"Body":[]}', b'{"Body":{"stkCallback":3}}',
     b"[" * 60_000, b'{"a":' * 10_000, b" " * 70_000, b"{" + b'"Body":{},' * 10],
)  # fmt: skip
def test_anything_else_is_unreadable(body: bytes):
    with pytest.raises(UnreadableCallback):
        read_stk_callback(body)


def test_a_payer_shows_in_no_repr():
    callback = read_stk_callback(raw(listed()))
    assert "708374149" not in repr(callback)


# Neither the drawing nor the reading is what these tests measure.
BUSY_MACHINE = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
ITEM = st.fixed_dictionaries({"Name": st.sampled_from(NAMES) | JSON}, optional={"Value": JSON})
NEARLY = st.fixed_dictionaries(
    {},
    optional={
        "MerchantRequestID": st.just("1-2-3") | JSON,
        "CheckoutRequestID": st.just("ws_CO_1") | JSON,
        "ResultCode": st.just(0) | JSON,
        "ResultDesc": JSON,
        "CallbackMetadata": st.fixed_dictionaries({"Item": st.lists(ITEM, max_size=6) | JSON}),
    },
)


def claim_read_or_unreadable(body: bytes) -> None:
    try:
        callback = read_stk_callback(body)
    except UnreadableCallback:
        return
    assert isinstance(callback, StkCallback)
    assert (callback.payment is not None) == (callback.result_code == "0")
    callback.result_description.encode()  # no half of a surrogate pair is left in it
    assert "\x00" not in callback.result_description


@BUSY_MACHINE
@given(st.binary(max_size=400))
def test_no_bytes_raise_anything_but_unreadable(body: bytes):
    claim_read_or_unreadable(body)


@BUSY_MACHINE
@given(JSON)
def test_no_json_raises_anything_but_unreadable(value: object):
    claim_read_or_unreadable(json.dumps(value).encode())


@BUSY_MACHINE
@given(NEARLY)
def test_no_near_callback_raises_anything_but_unreadable(value: object):
    claim_read_or_unreadable(json.dumps({"Body": {"stkCallback": value}}).encode())


@BUSY_MACHINE
@given(
    amount=st.sampled_from([150, "150.00"]) | JSON,
    receipt=st.just("UB10000001") | JSON,
    date=st.just(20260201101515) | st.integers(0, 10**15) | JSON,
    phone=JSON,
)
def test_no_particulars_raise_anything_but_unreadable(amount, receipt, date, phone):
    items = listed(
        Amount=amount, MpesaReceiptNumber=receipt, TransactionDate=date, PhoneNumber=phone
    )
    claim_read_or_unreadable(raw(items))
