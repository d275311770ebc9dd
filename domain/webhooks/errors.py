"""Why an endpoint is refused.

DomainError
├── NotFound    WebhookNotFound, DeliveryNotFound
└── BrokenRule  TooManyWebhooks, WebhooksMadeAtOnce, WebhookAlreadyPaused, WebhookNotPaused,
                WebhookDisabled, TooManySecrets
"""

from __future__ import annotations

from domain.errors import BrokenRule, NotFound


class WebhookNotFound(NotFound):
    """There is no webhook with this id among those of whoever asks."""

    code = "webhook_not_found"


class DeliveryNotFound(NotFound):
    """This webhook has no such delivery; finished ones are forgotten after a while."""

    code = "delivery_not_found"


class TooManyWebhooks(BrokenRule):
    """This API key has as many webhooks as a key may have; delete one first."""

    code = "too_many_webhooks"

    def __init__(self, webhooks_max: int | None = None) -> None:
        counted = f" ({webhooks_max})" if webhooks_max is not None else ""
        super().__init__(
            f"This API key has as many webhooks as a key may have{counted}; delete one first."
        )


class WebhooksMadeAtOnce(BrokenRule):
    """Another webhook was made with this API key at the same moment; please try again."""

    code = "webhooks_made_at_once"


class WebhookAlreadyPaused(BrokenRule):
    """This webhook is paused already."""

    code = "webhook_already_paused"


class WebhookNotPaused(BrokenRule):
    """This webhook is neither paused nor disabled: there is nothing to resume."""

    code = "webhook_not_paused"


class WebhookDisabled(BrokenRule):
    """This webhook was disabled; resume it first."""

    code = "webhook_disabled"


class TooManySecrets(BrokenRule):
    """Too many older secrets of this webhook are still valid; wait, or let them end at once."""

    code = "too_many_secrets"
