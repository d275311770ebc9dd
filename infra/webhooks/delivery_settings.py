"""What the environment says of deliveries: where else they may go, and how long they are kept."""

from __future__ import annotations

from dataclasses import dataclass

from marshmallow.validate import Range

from infra.errors import SettingsError
from infra.variables import Variables
from infra.webhooks.dialled_addresses import Network, network

_NONE = "none"


@dataclass(frozen=True)
class DeliverySettings:
    """`networks` may be dialled although they are not public."""

    networks: tuple[Network, ...] = ()
    kept_days: int = 90


def delivery_settings(variables: Variables) -> DeliverySettings:
    """Read what is told of deliveries.

    Raises:
        SettingsError: a network is none.
    """
    usual = DeliverySettings()
    networks = variables.text(
        "DAYSTAR_WEBHOOKS_NETWORKS",
        _NONE,
        "networks of our own that webhooks may be sent to although they are not public"
        " (comma-separated, such as `127.0.0.1/32,10.1.2.0/24`)",
    )
    return DeliverySettings(
        networks=_networks(networks),
        kept_days=variables.whole(
            "DAYSTAR_WEBHOOKS_KEPT_DAYS",
            usual.kept_days,
            "for how many days deliveries to webhooks are kept once they are finished, and each"
            " attempt at them",
            within=Range(1, 36_500),
        ),
    )


def _networks(text: str) -> tuple[Network, ...]:
    if text.strip() == _NONE:
        return ()
    try:
        return tuple(network(part.strip()) for part in text.split(","))
    except ValueError as error:
        raise SettingsError(f"DAYSTAR_WEBHOOKS_NETWORKS: {error}") from error
