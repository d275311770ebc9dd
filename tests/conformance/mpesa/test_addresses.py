from __future__ import annotations

import pytest

from infra.mpesa.addresses import ForbiddenCallbackUrl, check_public_url


@pytest.mark.parametrize(
    "url",
    ["https://daystar.example/hooks/stk/0123abcd", "http://127.0.0.1:5000/hooks/stk/0123abcd",
     "http://localhost/hooks", "http://[::1]:80/hooks"],
)  # fmt: skip
def test_a_plain_address_passes(url: str):
    check_public_url(url)


@pytest.mark.parametrize(
    "url",
    ["https://daystar.example/mpesa/a", "https://daystar.example/M-Pesa", "https://safaricom.x/",
     "https://daystar.example/execute", "https://daystar.example/a.EXE", "https://cmd.example/",
     "https://daystar.example/stk-Query", "https://daystar.example/?a=sql",
     "https://daystar.example/%6Dpesa", "https://daystar.example/s%51l"],
)  # fmt: skip
def test_safaricoms_forbidden_words_are_found_in_any_case(url: str):
    with pytest.raises(ForbiddenCallbackUrl):
        check_public_url(url)


@pytest.mark.parametrize(
    "url",
    ["http://daystar.example/hooks", "http://127.0.0.1.daystar.example/hooks", "ftp://localhost/",
     "", "hooks", "https://", "https:///hooks", "https://a b/", "https://daystar.example/\n",
     "https://me@daystar.example/", "https://daystar.example/#a", "https://[::1/",
     "https://daystar.example:port/", "https://daystar.example/" + "a" * 3_000],
)  # fmt: skip
def test_what_is_no_public_address_is_refused(url: str):
    with pytest.raises(ForbiddenCallbackUrl):
        check_public_url(url)


def test_the_refusal_does_not_repeat_the_secret():
    with pytest.raises(ForbiddenCallbackUrl) as refused:
        check_public_url("https://daystar.example/query/53c237")
    assert "53c237" not in str(refused.value)
