import pytest

from domain.errors import InvalidInput
from domain.phones import normalised_phone


@pytest.mark.parametrize(
    ("written", "phone"),
    [
        ("0712345678", "254712345678"),
        ("0112345678", "254112345678"),
        ("712345678", "254712345678"),
        ("112345678", "254112345678"),
        ("254712345678", "254712345678"),
        ("+254712345678", "254712345678"),
        ("+254112345678", "254112345678"),
        (" 0712 345 678 ", "254712345678"),
        ("+254 712-345-678", "254712345678"),
        ("(0712) 345678", "254712345678"),
    ],
)
def test_every_way_of_writing_it_is_one_number(written, phone):
    assert normalised_phone(written) == phone


@pytest.mark.parametrize(
    "written",
    [
        "",
        "0812345678",
        "0612345678",
        "071234567",
        "07123456789",
        "2540712345678",
        "00254712345678",
        "+255712345678",
        "++254712345678",
        "0712345678\n",
        "0712\t345678",
        "0712\u00a0345678",
        "".join(chr(0x0660 + int(digit)) for digit in "0712345678"),
        "07\uff112345678",
        "phone",
        "0712345678; DROP",
        "0" * 10_000,
        " " * 20 + "0712345678",
    ],
)
def test_what_is_no_kenyan_mobile_is_refused(written):
    with pytest.raises(InvalidInput) as refused:
        normalised_phone(written)
    assert refused.value.field == "phone"
    assert "0712 345 678" in refused.value.sentence
