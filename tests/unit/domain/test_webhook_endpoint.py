"""Endpoints: what may be asked of one, and what its events say."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from domain.errors import InvalidInput
from domain.webhooks.address import checked_address
from domain.webhooks.endpoint import (
    OLD_SECRETS_MAX,
    DisableReason,
    EndpointState,
    EndpointTerms,
    WebhookEndpoint,
)
from domain.webhooks.errors import (
    TooManySecrets,
    WebhookAlreadyPaused,
    WebhookDisabled,
    WebhookNotPaused,
)
from domain.webhooks.secret import given_secret, shown_secret

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
TERMS = EndpointTerms(
    url="https://books.example/hook",
    host="books.example",
    types=["loan.created"],
    payload="full",
    masked_fields=[],
    rate_limit_per_second=None,
    description=None,
)


def made(**fields):
    values = {
        "endpoint_id": uuid4(),
        "owner_id": str(uuid4()),
        "key_id": uuid4(),
        "slot": 0,
        "terms": TERMS,
        "begins_after": None,
        "secret_id": UUID(int=1),
        "now": NOW,
    }
    endpoint = WebhookEndpoint.create(**(values | fields))
    endpoint.collect_events()
    return endpoint


def happened(endpoint):
    return [type(event).__name__ for event in endpoint.collect_events()]


def test_a_paused_endpoint_is_resumed_and_not_paused_twice():
    endpoint = made()
    endpoint.pause(now=NOW)
    with pytest.raises(WebhookAlreadyPaused):
        endpoint.pause(now=NOW)
    endpoint.resume(now=NOW)
    with pytest.raises(WebhookNotPaused):
        endpoint.resume(now=NOW)
    assert happened(endpoint) == ["Paused", "Resumed"]


@pytest.mark.parametrize("paused_before", [False, True])
def test_a_disabled_endpoint_says_why_and_is_resumed_but_not_paused(paused_before):
    endpoint = made()
    if paused_before:
        endpoint.pause(now=NOW)
    endpoint.disable(reason=DisableReason.GONE, now=NOW)
    endpoint.disable(reason=DisableReason.FAILING, now=NOW)  # the first reason stays
    assert (endpoint.state, endpoint.disabled_reason) == ("disabled", "gone")
    with pytest.raises(WebhookDisabled):
        endpoint.pause(now=NOW)
    endpoint.resume(now=NOW)
    assert (endpoint.state, endpoint.disabled_reason) == (EndpointState.ACTIVE, None)
    assert happened(endpoint)[-2:] == ["Disabled", "Enabled"]


def test_a_deleted_endpoint_is_not_disabled():
    endpoint = made()
    endpoint.delete(now=NOW)
    endpoint.disable(reason=DisableReason.GONE, now=NOW)
    assert happened(endpoint) == ["Deleted"]


def test_the_same_terms_again_are_no_event():
    endpoint = made()
    endpoint.change(replace(TERMS), now=NOW)
    assert happened(endpoint) == []
    endpoint.change(replace(TERMS, payload="thin"), now=NOW)
    assert happened(endpoint) == ["Changed"]
    assert endpoint.terms.payload == "thin"


def test_an_old_secret_holds_until_its_overlap_ends_and_never_longer_than_told_before():
    endpoint = made()
    endpoint.rotate_secret(secret_id=UUID(int=2), overlap=timedelta(hours=24), now=NOW)
    first_end = (NOW + timedelta(hours=24)).isoformat()
    assert endpoint.old_secrets == {str(UUID(int=1)): first_end}
    endpoint.rotate_secret(secret_id=UUID(int=3), overlap=timedelta(hours=48), now=NOW)
    assert endpoint.secret_id == str(UUID(int=3))
    assert endpoint.old_secrets[str(UUID(int=1))] == first_end


def test_a_leaked_secret_ends_at_once_and_all_older_ones_with_it():
    endpoint = made()
    endpoint.rotate_secret(secret_id=UUID(int=2), overlap=timedelta(hours=24), now=NOW)
    endpoint.rotate_secret(secret_id=UUID(int=3), overlap=timedelta(0), now=NOW)
    assert set(endpoint.old_secrets.values()) == {NOW.isoformat()}


def test_only_so_many_secrets_hold_at_once_and_those_that_ended_do_not_count():
    endpoint = made()
    overlap = timedelta(hours=1)
    for number in range(2, OLD_SECRETS_MAX + 2):
        endpoint.rotate_secret(secret_id=UUID(int=number), overlap=overlap, now=NOW)
    assert len(endpoint.old_secrets) == OLD_SECRETS_MAX
    with pytest.raises(TooManySecrets):
        endpoint.rotate_secret(secret_id=UUID(int=90), overlap=overlap, now=NOW)
    endpoint.rotate_secret(secret_id=UUID(int=91), overlap=overlap, now=NOW + overlap)
    assert list(endpoint.old_secrets) == [str(UUID(int=OLD_SECRETS_MAX + 1))]


@pytest.mark.parametrize(
    "url",
    [
        *(
            "https://books.example",
            "https://books.example:8443/a/b?c=d%20e",
            "https://[2001:db8::1]/",
        ),
        *("https://xn--bcher-kva.example/", "HTTPS://Books.Example/Hook", "https://203.0.113.9/"),
    ],
)
def test_an_https_address_will_do(url):
    assert checked_address(url, http_allowed=False)


@pytest.mark.parametrize(
    "url",
    [
        *("http://books.example/", "ftp://books.example/", "books.example", "//books.example/"),
        *(
            "https://user@books.example/",
            "https://user:pass@books.example/",
            "https://@books.example/",
        ),
        *("https://books.example/#part", "https://books.example/#", "https://", "https:///path"),
        *("https://books.example:0/", "https://books.example:65536/", "https://books.example:x/"),
        *("https://books example/", "https://bücher.example/", "https://books.example/\\evil"),
        *("https://[::1/", "javascript:alert(1)", "https:books.example", "https://" + "a" * 254),
        *("https://books.example/" + "a" * 2000, "", " https://books.example/"),
    ],
    ids=lambda url: url[:40],
)
def test_no_other_address_will(url):
    with pytest.raises(InvalidInput) as refused:
        checked_address(url, http_allowed=False)
    assert refused.value.field == "url"


def test_http_will_do_only_where_it_is_allowed():
    assert checked_address("http://127.0.0.1:9000/hook", http_allowed=True) == "127.0.0.1"


def test_a_plain_secret_is_used_as_it_is_and_shown_in_the_standards_form():
    plain = "a-secret-of-24-bytes-now"
    assert given_secret(plain) == plain.encode()
    assert shown_secret(given_secret(plain)) == "whsec_YS1zZWNyZXQtb2YtMjQtYnl0ZXMtbm93"
    assert given_secret(shown_secret(given_secret(plain))) == plain.encode()


@pytest.mark.parametrize(
    "text",
    [
        *("short", "x" * 23, "x" * 257, "whsec_", "whsec_" + "x" * 32 + "!", "whsec_c2hvcnQ="),
        *("whsec_not base64 at all, is it??", "whsec_YS1zZWNyZXQtb2YtMjQtYnl0ZXMtbm9"),
    ],
)
def test_no_other_secret_is_taken(text):
    with pytest.raises(InvalidInput) as refused:
        given_secret(text)
    assert refused.value.field == "secret"
