"""What a log line may say: never a person, always the ids by which a payment is followed."""

from __future__ import annotations

import pytest

from infra.logs import masked


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("told 0712345678 so", "told [phone ..78] so"),
        ('{"phone":"+254712345678"}', '{"phone":"[phone ..78]"}'),
        ("254112345678,0722913057", "[phone ..78],[phone ..57]"),
        ("jane@sacco.example called", "[e-mail] called"),
        ("ws_CO_191220191020363925", "[checkout request]"),
        ("ws_CO_" + "0712345678" * 3 + "ab", "[checkout request]"),
        ("/hooks/stk/" + "a1" * 32, "/hooks/stk/[token]"),
        ("/x?api_key=Q7Q7&page=1", "/x?api_key=[key]&page=1"),
        ("Authorization: Bearer Q7Q7", "Authorization: Bearer [key]"),
        ("API_KEY=Q7Q7", "API_KEY=[key]"),
    ],
)
def test_persons_and_secrets_are_masked_wherever_they_stand(written, read):
    assert masked(written) == read


@pytest.mark.parametrize(
    "our_id",
    [
        "0712345678ab4cde8f00112233445566",
        "abcd0712345678ab8f00112233445566",
        "6f1c1df2-7a3e-4d0e-9a52-0712345678ab",
        "6f1c1df2-7a3e-4d0e-9a52-254712345678",
    ],
)
def test_an_id_that_happens_to_hold_a_phones_digits_stays_whole(our_id):
    line = f'{{"correlation_id":"{our_id}","phone":"0712345678"}}'
    assert masked(line) == f'{{"correlation_id":"{our_id}","phone":"[phone ..78]"}}'
