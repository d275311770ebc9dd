"""What the environment says of endpoints: how many, and how long secrets overlap."""

from __future__ import annotations

from dataclasses import dataclass

from marshmallow.validate import Range

from domain.webhooks.handlers import OVERLAP_SECONDS_MAX
from infra.variables import Variables

_COUNT = Range(1, 1_000)
_OVERLAP_HOURS = Range(0, OVERLAP_SECONDS_MAX // 3_600)


@dataclass(frozen=True)
class EndpointSettings:
    """`webhooks_max` counts those of one API key that are not deleted."""

    webhooks_max: int = 20
    overlap_hours: int = 24


def endpoint_settings(variables: Variables) -> EndpointSettings:
    """Read what is told of endpoints."""
    usual = EndpointSettings()
    return EndpointSettings(
        webhooks_max=variables.whole(
            "DAYSTAR_WEBHOOKS_PER_KEY",
            usual.webhooks_max,
            "how many webhooks an API key may have",
            within=_COUNT,
        ),
        overlap_hours=variables.whole(
            "DAYSTAR_WEBHOOKS_OVERLAP_HOURS",
            usual.overlap_hours,
            "for how many hours a webhook's old secret signs beside the new one, where its owner"
            " does not say",
            within=_OVERLAP_HOURS,
        ),
    )
