"""When a delivery is tried again."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from consumers.webhooks.claiming import LEASE_SECONDS
from consumers.webhooks.retry_schedule import PAUSES_SECONDS, pause_seconds
from infra.webhooks.courier import POST_SECONDS_MAX, Answer, Failure

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
REFUSED = Answer(500, "", None)


def pause(came, tried):
    return pause_seconds(came, tried=tried, now=NOW, chance=random.Random(1))


def after(seconds):
    return Answer(503, "", seconds)


def test_ten_attempts_within_four_days_and_none_after_them():
    pauses = [pause(REFUSED, tried) for tried in range(1, 10)]
    for paused, expected in zip(pauses, PAUSES_SECONDS[1:], strict=True):
        assert 0.8 * expected <= paused <= 1.2 * expected
    assert sum(pauses) < timedelta(days=4).total_seconds()
    assert pause(REFUSED, 10) is None


@pytest.mark.parametrize("came", [Answer(429, "", None), Answer(502, "", None), Failure.TIMED_OUT])
def test_who_is_overloaded_is_left_alone_for_a_minute(came):
    assert pause(came, 1) >= 60
    assert pause(REFUSED, 1) < 60


def test_retry_after_may_double_a_pause_and_shorten_none():
    shortest, longest = 0.8 * PAUSES_SECONDS[2], 2.4 * PAUSES_SECONDS[2]
    assert shortest <= pause(after("1"), 2)
    assert pause(after("999999"), 2) <= longest
    in_ten_minutes = format_datetime(NOW + timedelta(minutes=10), usegmt=True)
    assert pause(after(in_ten_minutes), 2) == pytest.approx(
        min(600, 2 * pause(REFUSED, 2)), rel=0.01
    )


@pytest.mark.parametrize(
    "senseless", ["", "soon", "-5", "1e9", "9" * 400, "²", "Mon, 32 Foo 2026 00:00:00 GMT"]
)
def test_a_senseless_retry_after_changes_nothing(senseless):
    assert pause(after(senseless), 2) == pause(REFUSED, 2)


def test_a_lease_outlasts_the_longest_attempt():
    assert LEASE_SECONDS >= 2 * POST_SECONDS_MAX
