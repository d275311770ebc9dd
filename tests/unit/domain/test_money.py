import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidInput
from domain.money import (
    AMOUNT_CENTS_MAX,
    cents_from_text,
    spoken,
    text_from_cents,
    whole_shillings_up,
)


@pytest.mark.parametrize(
    ("text", "cents"),
    [
        ("1500", 1_500_00),
        ("1500.5", 1_500_50),
        ("1500.50", 1_500_50),
        ("0.01", 1),
        ("0.1", 10),
        ("007", 7_00),
        ("99999999999.99", AMOUNT_CENTS_MAX),
    ],
)
def test_shillings_are_read_to_the_cent(text, cents):
    assert cents_from_text(text) == cents


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "0.00",
        "-1",
        "+1",
        "1.",
        ".5",
        "1.005",
        "1,500",
        "1e3",
        "1 500",
        " 1",
        "1\n",
        "KES 5",
        "NaN",
        "Infinity",
        "0x10",
        "1_000",
        "\u0661\u0665\u0660\u0660",
        "\uff11\uff15",
        "100000000000",
        "9" * 400,
    ],
)
def test_what_is_no_positive_amount_is_refused(text):
    with pytest.raises(InvalidInput) as refused:
        cents_from_text(text, field="amount")
    assert refused.value.field == "amount"
    assert refused.value.sentence.endswith(".")


@given(st.integers(1, AMOUNT_CENTS_MAX))
def test_an_amount_survives_the_wire(cents):
    assert cents_from_text(text_from_cents(cents)) == cents


@pytest.mark.parametrize(
    ("cents", "text"), [(0, "0.00"), (5, "0.05"), (-5, "-0.05"), (-1_234_56, "-1234.56")]
)
def test_the_wire_always_has_two_places(cents, text):
    assert text_from_cents(cents) == text


@given(st.integers(1, AMOUNT_CENTS_MAX))
def test_a_push_asks_for_the_fewest_shillings_that_cover_the_amount(cents):
    shillings = whole_shillings_up(cents)
    assert (shillings - 1) * 100 < cents <= shillings * 100
    assert isinstance(shillings, int)


def test_an_amount_is_spoken_with_thousands():
    assert spoken(1_234_567_05) == "KES 1,234,567.05"
