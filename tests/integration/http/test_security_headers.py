"""What browsers are told: on every answer, refusals too."""

from __future__ import annotations

import pytest

from tests.integration.http.house import MEMBERS, Client

GUARDS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@pytest.mark.parametrize(
    "path", [MEMBERS, f"{MEMBERS}?page=0", "/livez", "/nothing", "/hooks/stk/x"]
)
@pytest.mark.parametrize("keyed", [True, False])
def test_every_answer_guards_the_browser(premises, path, keyed):
    client = premises.client if keyed else Client(premises.house.app, None)
    response = client.get(path)
    assert {name: response.headers[name] for name in GUARDS} == GUARDS


def test_https_is_to_stay_https_and_http_says_nothing_of_it(premises):
    secure = premises.client.get(MEMBERS, base_url="https://daystar.example")
    assert secure.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert "Strict-Transport-Security" not in premises.client.get(MEMBERS).headers


@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_no_other_site_is_let_in(premises, method):
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"}
    response = premises.client.send(method, MEMBERS, headers=headers)
    assert not [name for name, _ in response.headers if name.startswith("Access-Control")]
