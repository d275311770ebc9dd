"""What the environment says of webhooks: whom we may tell beside the public Internet."""

from __future__ import annotations

from dataclasses import dataclass

from marshmallow.validate import Range

from infra.errors import SettingsError
from infra.variables import Variables
from infra.webhooks.dialled_addresses import Network, network


@dataclass(frozen=True)
class WebhookSettings:
    """`networks` may be told although they are not public, and without TLS."""

    networks: tuple[Network, ...] = ()
    delivery_days: int = 90


def webhook_settings(variables: Variables, *, is_demo: bool) -> WebhookSettings:
    """Whom we may tell, and for how long it is kept what was told.

    Raises:
        SettingsError: a network is none.
    """
    usual = WebhookSettings()
    networks = variables.text(
        "DAYSTAR_WEBHOOKS_NETWORKS",
        "127.0.0.1/32" if is_demo else "none",
        "networks that webhooks may be sent to although they are not public (comma-separated, such"
        " as 10.1.2.0/24); only these may be told by http",
        otherwise="`none`; in the demo `127.0.0.1/32`",
    )
    delivery_days = variables.whole(
        "DAYSTAR_WEBHOOKS_DELIVERY_DAYS",
        usual.delivery_days,
        "for how many days it is kept what was delivered to webhooks, and each attempt at it",
        within=Range(1, 36_500),
    )
    return WebhookSettings(_networks(networks), delivery_days)


def _networks(text: str) -> tuple[Network, ...]:
    if text.strip() == "none":
        return ()
    try:
        return tuple(network(part.strip()) for part in text.split(","))
    except ValueError as error:
        raise SettingsError(f"DAYSTAR_WEBHOOKS_NETWORKS: {error}") from error
