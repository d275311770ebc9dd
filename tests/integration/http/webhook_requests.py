"""Good requests about webhooks, and what they speak of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from consumers.public_events.inbox import Inbox
from tests.integration.http.house import WEBHOOKS, Client, House

SUBSCRIPTION = {
    "url": "https://books.example/hooks/daystar",
    "events": ["contribution.received", "loan.created"],
    "secret": "the secret of the ledger, 2026",
    "payload": "full",
    "masked_fields": ["payment_reference"],
    "rate_limit_per_second": 20,
    "description": "the general ledger",
    "begins_after": 0,
}
WEBHOOK_ACTS = ("subscribe", "rotate_secret", "pause_webhook", "resume_webhook")
DELIVERY_ACTS = ("send_test", "resend", "recover", "replay_missing")


@dataclass(frozen=True)
class Told:
    """Webhooks of a client's, named for what may be done with them; one was told of two things."""

    webhooks: dict[str, str]
    delivery_id: str

    @classmethod
    def of(cls, house: House, client: Client) -> Told:
        names = ("told", "to_pause", "paused", "to_delete")
        fresh = SUBSCRIPTION | {"begins_after": None}
        webhooks = {name: client.post(WEBHOOKS, fresh).json["id"] for name in names}
        client.post(f"{WEBHOOKS}/{webhooks['paused']}/pause", {})
        member = house.member(member_number="TAKEN08", national_id="TAKEN0008", phone="0712345678")
        for number in range(2):
            house.contribution(member, payment_reference=f"TOLD-{number}")
        house.follow()
        with house.services.pool.connection() as connection:
            Inbox("webhooks").register(connection)
        while house.services.webhooks.catching_up().work_once():
            pass
        (delivery,) = client.get(f"{WEBHOOKS}/{webhooks['told']}/deliveries?per_page=1").json[
            "deliveries"
        ]
        return cls(webhooks, delivery["id"])

    def commands(self) -> dict[str, tuple[str, dict[str, Any]]]:
        """Where each is posted, and its body."""
        at = {name: f"{WEBHOOKS}/{webhook_id}" for name, webhook_id in self.webhooks.items()}
        delivery = f"{at['told']}/deliveries/{self.delivery_id}"
        return {
            "subscribe": (WEBHOOKS, dict(SUBSCRIPTION)),
            "rotate_secret": (
                f"{at['told']}/secret-rotation",
                {"secret": "another secret of the ledger", "overlap_seconds": 3_600},
            ),
            "pause_webhook": (f"{at['to_pause']}/pause", {}),
            "resume_webhook": (f"{at['paused']}/resume", {}),
            "send_test": (f"{at['told']}/test", {"event": "loan.created"}),
            "resend": (f"{delivery}/resend", {}),
            "recover": (f"{at['told']}/recover", {"since": "2026-11-23T06:00:00+00:00"}),
            "replay_missing": (f"{at['told']}/replay-missing", {"since_position": 0}),
        }

    def questions(self) -> Iterator[str]:
        """What can be looked at."""
        told = f"{WEBHOOKS}/{self.webhooks['told']}"
        yield from (WEBHOOKS, told, f"{told}/deliveries", f"{told}/gaps", f"{told}/digests")
        yield f"{told}/deliveries/{self.delivery_id}"

    def changes(self) -> Iterator[tuple[str, str, dict[str, Any] | None]]:
        """What is neither asked for nor posted."""
        changed = {"events": ["loan.created"], "masked_fields": [], "payload": "thin"}
        yield "PATCH", f"{WEBHOOKS}/{self.webhooks['to_pause']}", changed
        yield "DELETE", f"{WEBHOOKS}/{self.webhooks['to_delete']}", None

    @property
    def told_id(self) -> UUID:
        return UUID(self.webhooks["told"])
