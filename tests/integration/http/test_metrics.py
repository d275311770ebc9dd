"""Figures for whoever watches: the same from every process, and for few eyes only."""

from __future__ import annotations

from datetime import timedelta

from infra import clock
from infra.usage import UsageLog, Use
from tests.integration.http.house import MEMBERS, Client, assert_refused

FAR = {"base_url": "https://daystar.example", "environ_overrides": {"REMOTE_ADDR": "203.0.113.9"}}


def figures(house):
    house.services.usage.flush()
    response = Client(house.app, None).get("/metrics")
    assert response.status_code == 200
    assert response.content_type == "text/plain; version=0.0.4; charset=utf-8"
    lines = [line for line in response.text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


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
    labels = f'method="GET",route="{MEMBERS}",status="200"'
    assert told[f"daystar_requests_total{{{labels}}}"] == 3
    assert told[f'daystar_request_seconds_bucket{{{labels},le="+Inf"}}'] == 3
    assert told[f'daystar_request_seconds_bucket{{{labels},le="2.5"}}'] == 3
    assert told[f'daystar_request_seconds_bucket{{{labels},le="0.025"}}'] <= 2
    assert 0.03 < told[f"daystar_request_seconds_sum{{{labels}}}"] < 10
    assert told[f'daystar_requests_total{{method="GET",route="{MEMBERS}",status="400"}}'] == 1


def test_lag_pushes_and_queues_are_told(house):
    house.co_operative.push(house.member())
    assert figures(house)['daystar_follower_events_behind{read_model="members"}'] == 3
    house.follow()
    house.services.callbacks.store(
        kind="stk", subject_id=house.member(), body=b"{}", source_address="", correlation_id=""
    )
    house.owner.execute(
        "UPDATE intake.callbacks SET received_at = %s", (clock.now() - timedelta(seconds=60),)
    )
    told = figures(house)
    assert told['daystar_follower_running{read_model="members"}'] == 1
    assert told['daystar_pushes{state="requested"}'] == 1
    assert told['daystar_pushes_due{action="send"}'] == 1
    assert told["daystar_callbacks_waiting"] == 1
    assert 59 < told["daystar_callbacks_waiting_oldest_seconds"] < 120
    assert told["daystar_callbacks_set_aside"] == 0
