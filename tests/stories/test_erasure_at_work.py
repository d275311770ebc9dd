"""Somebody is forgotten by a house at work: nothing any process wrote or kept tells of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest
import requests

from tests.support.held_rebuild import Hand, held_rebuild
from tests.support.running_house import CONTRIBUTIONS, MEMBERS, RunningHouse, running_house
from tests.support.somebody import OTHER_PHONE, PERSON, SUSPENSION, dump, traces
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="finds processes as Linux shows them"),
]
REGISTER = "/daystar/v1/members"
RECORD = "/daystar/v1/contributions"
PUSH = "/daystar/v1/mpesa/stk-push"
ERASE = ("--reason", "asked in writing", "--yes", "--force")
_EVERYBODYS = ["ws_co_"]  # others have paid in this house too
_ERASED = "SELECT count(*) FROM event_store.events WHERE topic = 'member.erased' AND stream_id = %s"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHouse]:
    with running_house(tmp_path_factory.mktemp("erased") / "var") as running:
        yield running


@dataclass
class Clerk:
    """Sends what an operator's system sends, right and wrong, over the house's own doors."""

    house: RunningHouse
    key: str
    member: str = ""
    requests: int = 0

    def post(self, path: str, body: Any, status: int, *, key: str | None = None) -> Any:
        headers = {"X-API-Key": self.key, "Idempotency-Key": key or uuid4().hex}
        answer = requests.post(self.house.url + path, json=body, headers=headers, timeout=20)
        assert answer.status_code == status, answer.text
        self.requests += 1
        return answer.json()

    def get(self, path: str, status: int) -> None:
        headers = {"X-API-Key": self.key}
        answer = requests.get(self.house.url + path, headers=headers, timeout=20)
        assert answer.status_code == status, answer.text
        self.requests += 1

    def of_member(self, act: str, body: Any, status: int = 200) -> Any:
        return self.post(f"{REGISTER}/{self.member}/{act}", body, status)


def whole_life(clerk: Clerk) -> tuple[UUID, str]:
    """Registered, refused, paid by M-Pesa, slandered, suspended. Answers the push and checkout."""
    member = clerk.post(REGISTER, PERSON, 201, key=PERSON["email"])["id"]
    clerk.member = member
    assert clerk.post(REGISTER, PERSON, 201, key=PERSON["email"])["id"] == member
    clerk.post(REGISTER, PERSON, 409)
    clerk.post(REGISTER, PERSON | {"first_name": "Other"}, 422, key=PERSON["email"])
    clerk.post(REGISTER, PERSON | {"phone": PERSON["phone"] + " 57"}, 422)
    clerk.post(REGISTER, PERSON | {PERSON["email"]: PERSON["phone"]}, 422)
    clerk.of_member("contact", {"phone": OTHER_PHONE, "email": PERSON["email"]})
    fee = {"member_id": member, "amount": "1000.00"}
    asked = fee | {"payment_purpose": "registration_fee", "phone": PERSON["phone"]}
    push_id = UUID(clerk.post(PUSH, asked, 202, key=PERSON["id_number"])["id"])
    clerk.post(PUSH, asked | {"phone": PERSON["phone"] + "0"}, 422)
    cash = {"contribution_type": "registration_fee", "payment_method": "cash"}
    clerk.post(RECORD, fee | cash | {"payment_reference": "R-1"}, 201)
    clerk.post(RECORD, fee | cash | {"payment_reference": PERSON["last_name"] * 9}, 422)
    for path in (MEMBERS, CONTRIBUTIONS):
        clerk.get(f"{path}?{PERSON['email']}={PERSON['phone']}", 400)
    clerk.get(f"/{PERSON['first_name']}/{PERSON['phone']}", 404)
    paid = eventually(lambda: (t := clerk.house.transaction(push_id))["receipt_number"] and t)
    clerk.requests += 1
    slander(clerk, push_id)
    clerk.of_member("suspension", {"reason": SUSPENSION})
    clerk.of_member("suspension", {"reason": SUSPENSION}, 409)
    return push_id, paid["checkout_request_id"]


def slander(clerk: Clerk, push_id: UUID) -> None:
    """What comes to the address of the push, and to one that is nearly it."""
    with clerk.house.services() as services:
        address = services.stk_callback_url(push_id)
    garbage = json.dumps(PERSON).encode()
    assert requests.post(address, data=garbage, timeout=20).status_code == 200
    nearly = address[:-1] + ("0" if address[-1] != "0" else "1")
    assert requests.post(nearly, data=garbage, timeout=20).status_code == 404
    clerk.requests += 1


def found(text: str, checkout: str) -> list[str]:
    others = [trace for trace in traces(text) if trace not in _EVERYBODYS]
    return others + [checkout] * (checkout.lower() in text.lower())


def written(house: RunningHouse) -> str:
    """Every line that any process has written, PostgreSQL's own too."""
    server = (house.data_directory / "postgres" / "server.log").read_text(errors="replace")
    ours = house.log.read_text()
    assert '"event":"callback_unreadable"' in ours
    assert "database system is ready" in server
    return ours + server + "".join(house.output)


@pytest.fixture
def hand(house: RunningHouse) -> Iterator[Hand]:
    made = Hand(house, "members")
    yield made
    made.close()


def test_nothing_tells_of_who_was_erased_while_a_follower_was_behind(
    house: RunningHouse, hand: Hand
):
    began = hand.owner.execute("SELECT clock_timestamp()").fetchone()[0]
    clerk = Clerk(house, house.key)
    push_id, checkout = whole_life(clerk)
    noted = "SELECT count(*) FROM api.usage WHERE occurred_at >= %s"
    eventually(lambda: hand.owner.execute(noted, (began,)).fetchone()[0] >= clerk.requests)
    set_aside = "SELECT state FROM intake.callbacks WHERE subject_id = %s ORDER BY state"
    told = [("done",), ("set_aside",)]
    eventually(lambda: hand.owner.execute(set_aside, (push_id,)).fetchall() == told)
    before = found(dump(house.urls.owner), checkout)
    assert {"zawadixq", "733915246", checkout} <= set(before), "else this proves nothing"

    hand.hold_batches()  # the follower now has the person in memory, and waits to write them
    clerk.of_member("contact", {"phone": PERSON["phone"], "email": "again@kiplimo.example"})
    erasing = house.beginning("erase-member", clerk.member, *ERASE)
    eventually(lambda: hand.owner.execute(_ERASED, (clerk.member,)).fetchone() == (1,))
    hand.let_batches_go()
    said, _ = erasing.communicate(timeout=60)
    assert erasing.returncode == 0, said
    assert found(dump(house.urls.owner), checkout) == []
    assert found(said + written(house), checkout) == []

    rebuilt = house.command("rebuild", "--all", "--yes")
    assert rebuilt.returncode == 0, rebuilt.stderr
    assert "DIFFERENT" not in rebuilt.stdout
    eventually(lambda: house.get("/readyz").json()["status"] == "ready")
    assert found(dump(house.urls.owner), checkout) == []
    assert [each["amount"] for each in house.contributions(UUID(clerk.member))] == ["1000.00"] * 2


def test_a_rebuild_that_goes_on_meanwhile_brings_nobody_back(house: RunningHouse, hand: Hand):
    clerk = Clerk(house, house.key)
    clerk.member = clerk.post(REGISTER, PERSON, 201)["id"]
    eventually(lambda: PERSON["email"] in house.get(MEMBERS, per_page=1).text)
    with held_rebuild(hand, "just before the swap") as rebuild:
        shadow = "SELECT count(*) FROM shadow_members.members WHERE member_id = %s"
        assert hand.owner.execute(shadow, (clerk.member,)).fetchone() == (1,)
        erasing = house.beginning("erase-member", clerk.member, *ERASE)
        eventually(lambda: hand.owner.execute(_ERASED, (clerk.member,)).fetchone() == (1,))
        hand.let_batches_go()
        said, _ = rebuild.communicate(timeout=60)
        told, _ = erasing.communicate(timeout=60)
    assert rebuild.returncode == 0, said
    assert "members is rebuilt" in said
    if erasing.returncode:  # what was live before the swap was still there, and it said so
        assert "_members" in told
        again = house.command("erase-member", clerk.member, *ERASE)
        assert again.returncode == 0, again.stderr
    assert [trace for trace in traces(dump(house.urls.owner)) if trace not in _EVERYBODYS] == []
