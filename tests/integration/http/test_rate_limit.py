"""How often a key may ask: one budget for all processes, told on every answer."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter

import pytest
import requests

from infra.rate_limit import WINDOW_SECONDS, RateLimiter
from tests.integration.http.house import (
    CONTRIBUTIONS,
    MEMBERS,
    RECORD,
    Client,
    assert_refused,
    open_house,
)
from tests.support.web_processes import running_web

LIMIT = 20


@pytest.fixture
def strict(owner_url, tmp_path):
    """A house whose keys may ask twenty times a minute, well before the minute ends."""
    with open_house(owner_url, tmp_path, rate_limit=LIMIT) as opened:
        within_one_window(opened, seconds=5)
        yield opened


def within_one_window(house, *, seconds):
    [[second]] = house.owner.execute("SELECT extract(second FROM now())::float8").fetchall()
    if second > WINDOW_SECONDS - seconds:
        time.sleep(WINDOW_SECONDS - second + 0.1)


def test_a_key_may_ask_as_often_as_the_limit_and_no_more(strict):
    client = strict.client("read_members")
    for asked in range(LIMIT):
        response = client.get(MEMBERS)
        assert response.status_code == 200
        assert response.headers["X-RateLimit-Remaining"] == str(LIMIT - 1 - asked)
    response = client.get(MEMBERS)
    problem = assert_refused(response, 429, "rate_limited")
    assert "20 requests" in problem["message"]
    assert 1 <= int(response.headers["Retry-After"]) <= WINDOW_SECONDS
    assert strict.client("read_members").get(MEMBERS).status_code == 200, "another key's budget"


def test_every_answer_to_a_key_tells_its_budget(strict):
    client = strict.client("read_members")
    for path, status in ((MEMBERS, 200), (f"{MEMBERS}?page=0", 400), (CONTRIBUTIONS, 403)):
        response = client.get(path)
        assert response.status_code == status
        told = response.headers
        assert told["RateLimit-Policy"] == '"default";q=20;w=60'
        left = re.fullmatch(r'"default";r=(\d+);t=(\d+)', told["RateLimit"])
        assert left
        assert told["X-RateLimit-Limit"] == "20"
        assert told["X-RateLimit-Remaining"] == left[1]
        assert 1 <= int(left[2]) <= WINDOW_SECONDS
        assert 0 <= int(told["X-RateLimit-Reset"]) - time.time() <= WINDOW_SECONDS + 1
    assert "RateLimit" not in Client(strict.app, None).get(MEMBERS).headers


def test_a_request_refused_for_its_number_changes_nothing(strict):
    member_id = strict.member()
    client = strict.client("operate")
    body = {
        "member_id": str(member_id),
        "amount": "2000.00",
        "contribution_type": "monthly",
        "payment_method": "cash",
        "payment_reference": "R1",
    }
    for _ in range(LIMIT):
        client.post(RECORD, {})
    with strict.unchanged():
        assert_refused(client.post(RECORD, body), 429, "rate_limited")


def test_two_processes_share_one_budget(strict):
    key_id, _ = strict.issue("read_members")
    limiters = [RateLimiter(strict.services.pool, limit=1000) for _ in range(2)]
    granted = Counter()
    for limiter in limiters * 600:
        granted[limiter.take(key_id).granted] += 1
    assert granted == {True: 1000, False: 200}
    [[taken]] = strict.owner.execute("SELECT count(*) FROM api.rate_windows").fetchall()
    assert taken == 1


def test_a_new_window_brings_a_new_budget_and_old_windows_are_forgotten(strict):
    key_id, _ = strict.issue("read_members")
    limiter = RateLimiter(strict.services.pool, limit=1)
    assert [limiter.take(key_id).granted for _ in range(2)] == [True, False]
    strict.owner.execute("UPDATE api.rate_windows SET began = began - interval '2 hours'")
    limiter._buckets[key_id].ends_at = 0.0
    assert [limiter.take(key_id).granted for _ in range(2)] == [True, False]
    assert limiter.expire() == 1
    assert strict.count("api.rate_windows") == 1


@pytest.mark.slow
def test_real_web_processes_enforce_one_limit(strict, owner_url, tmp_path):
    _, key = strict.issue("read_members")
    settings = {"DAYSTAR_RATE_LIMIT": "300", "DAYSTAR_WEB_PROCESSES": "2"}
    statuses: Counter[int] = Counter()

    def ask(url):
        for _ in range(25):  # a connection each, so that both processes get some
            answer = requests.get(url + MEMBERS, headers={"X-API-Key": key}, timeout=10)
            statuses[answer.status_code] += 1

    with (
        running_web(owner_url, tmp_path, **settings) as one,
        running_web(owner_url, tmp_path, **settings) as other,
    ):
        within_one_window(strict, seconds=20)
        threads = [threading.Thread(target=ask, args=(web.url,)) for web in [one, other] * 8]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sum(statuses.values()) == 400
    assert set(statuses) == {200, 429}
    assert 300 - 4 * 9 <= statuses[200] <= 300  # a process may hold a slice that nobody asks for
