"""Figures for whoever watches: the same from every process, and for few eyes only."""

from __future__ import annotations

import shutil
import subprocess
from datetime import timedelta

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_families
from prometheus_client.parser import text_string_to_metric_families

from infra import clock
from infra.usage import UsageLog, Use
from tests.integration.http.house import MEMBERS, Client, assert_refused

FAR = {"base_url": "https://daystar.example", "environ_overrides": {"REMOTE_ADDR": "203.0.113.9"}}


PLAIN = "text/plain; version=0.0.4; charset=utf-8"
OPEN = "application/openmetrics-text; version=1.0.0"


class Told:
    """What was told, read by Prometheus' own rules."""

    def __init__(self, text, families=text_string_to_metric_families):
        self.families = list(families(text))
        self._samples = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in self.families
            for sample in family.samples
        }

    def __call__(self, name, **labels):
        return self._samples[f"daystar_{name}", frozenset(labels.items())]


def asked(house, **headers):
    house.services.usage.flush()
    response = Client(house.app, None).get("/metrics", headers=headers)
    assert response.status_code == 200
    return response


def figures(house):
    response = asked(house)
    assert response.content_type == PLAIN
    return Told(response.text)


def test_this_machine_and_keys_that_may_read_events_are_told(premises):
    house = premises.house
    assert_refused(Client(house.app, None).get("/metrics", **FAR), 401, "no_api_key")
    reader = house.client("read_members")
    assert_refused(reader.get("/metrics", **FAR), 403, "insufficient_permission")
    assert house.client("read_events").get("/metrics", **FAR).status_code == 200
    assert Client(house.app, None).get("/metrics").status_code == 200


def test_requests_are_counted_by_route_and_status_across_processes(house):
    client = house.client("read_members")
    for query in ("", "", "?page=0"):
        client.get(MEMBERS + query)
    other = UsageLog(house.services.pool)
    other.add(Use(clock.now(), None, None, "GET", MEMBERS, 200, 30.0))
    other.close()
    told = figures(house)
    asked_well = {"method": "GET", "route": MEMBERS, "status": "200"}
    assert told("requests_total", **asked_well) == 3
    assert told("request_seconds_count", **asked_well) == 3
    assert told("request_seconds_bucket", **asked_well, le="+Inf") == 3
    assert told("request_seconds_bucket", **asked_well, le="2.5") == 3
    assert told("request_seconds_bucket", **asked_well, le="0.025") <= 2
    assert 0.03 < told("request_seconds_sum", **asked_well) < 10
    assert told("requests_total", **(asked_well | {"status": "400"})) == 1


def test_lag_pushes_and_queues_are_told(house):
    house.co_operative.push(house.member())
    assert figures(house)("follower_events_behind", read_model="members") == 3
    house.follow()
    house.services.callbacks.store(
        kind="stk", subject_id=house.member(), body=b"{}", source_address="", correlation_id=""
    )
    house.owner.execute(
        "UPDATE intake.callbacks SET received_at = %s", (clock.now() - timedelta(seconds=60),)
    )
    told = figures(house)
    assert told("follower_running", read_model="members") == 1
    assert told("pushes", state="requested") == 1
    assert told("pushes_due", action="send") == 1
    assert told("callbacks_waiting") == 1
    assert 59 < told("callbacks_waiting_oldest_seconds") < 120
    assert told("callbacks_set_aside") == 0


@pytest.mark.parametrize(
    ("accept", "answered"),
    [
        (None, PLAIN),
        ("*/*", PLAIN),
        ("text/plain;version=x", PLAIN),
        ("text/plain;version=1.0.0;q=0.4", "text/plain; version=1.0.0; charset=utf-8"),
        (f"{OPEN};q=0.6,text/plain;q=0.3", OPEN),
    ],
)
def test_the_format_is_the_one_that_is_asked_for(premises, accept, answered):
    response = asked(premises.house, Accept=accept)
    assert response.content_type.startswith(answered)
    told = Told(
        response.text, open_families if answered == OPEN else text_string_to_metric_families
    )
    assert told("follower_running", read_model="members") == 1
    for family in told.families:
        assert family.documentation, f"{family.name} says what it tells"


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_the_names_are_as_prometheus_wants_them(premises):
    asked(premises.house)
    text = asked(premises.house).data
    outcome = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, check=False
    )
    assert (outcome.returncode, outcome.stderr) == (0, b"")
