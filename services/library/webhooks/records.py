"""What is stored about webhooks."""

from dataclasses import dataclass
from enum import StrEnum

ALL_EVENTS = "*"


@dataclass(frozen=True)
class Webhook:
    """A webhook endpoint of an account. Times are seconds since 1970.

    Attributes:
        events: the subscribed events, or only :data:`ALL_EVENTS`.
        secret_sealed, previous_secret_sealed: the signing secrets, encrypted for the ID of the webhook.
        previous_expire_time: until then, messages are also signed with the previous secret.
        disabled_reason: why the platform disabled the webhook; empty if it did not.
        fail_time: when the current run of failures began; None after a success.
        owner_epoch: the epoch of its owner's credentials when it was created.
        api_token_id: the API token that created it, or last changed it, and with which it ends; empty: a session did.
        slot: the place of the webhook among those of its owner, which limits their number.
    """

    id: str
    owner_id: str
    url: str
    events: list[str]
    description: str
    secret_sealed: str
    create_time: float
    update_time: float
    previous_secret_sealed: str = ""
    previous_expire_time: float = 0.0
    enabled: bool = True
    disabled_reason: str = ""
    fail_time: float | None = None
    owner_epoch: int | None = None
    api_token_id: str = ""
    slot: int | None = None
    revision: int = 0

    def accepts(self, event: str) -> bool:
        return self.enabled and (event in self.events or ALL_EVENTS in self.events)


class DeliveryStatus(StrEnum):
    """The status of a delivery."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True)
class Delivery:
    """A message for one webhook, and the latest attempt to send it. Times are seconds since 1970.

    Attributes:
        due_time: the time of the next attempt; while ``underway``, the time when the attempt counts as lost; None
            after the delivery has ended.
        underway: a dispatcher is sending the message.
        error: why the latest attempt failed; empty after a success.
    """

    id: str
    webhook_id: str
    owner_id: str
    message_id: str
    event: str
    body: str
    create_time: float
    status: DeliveryStatus = DeliveryStatus.PENDING
    due_time: float | None = None
    underway: bool = False
    attempt_count: int = 0
    first_attempt_time: float | None = None
    attempt_time: float | None = None
    response_status: int = 0
    response_body: str = ""
    duration_seconds: float = 0.0
    error: str = ""
    revision: int = 0
