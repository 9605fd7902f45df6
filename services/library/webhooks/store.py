"""Queries on webhooks and their deliveries."""

import dataclasses
from collections.abc import Awaitable, Callable, Sequence

from soundwright.kit.ports import Collection, Docs, Index
from soundwright.services.library.table import Table
from soundwright.services.library.webhooks.records import Delivery, Webhook

_WEBHOOKS = Collection(
    "webhooks", (Index(("owner_id", "create_time")), Index(("owner_id", "slot"), unique=True, present="slot"))
)
_DELIVERIES = Collection(
    "webhook_deliveries",
    (
        Index(("due_time",), present="due_time"),
        Index(("webhook_id", "due_time"), present="due_time"),
        Index(("webhook_id", "create_time")),
        Index(("webhook_id", "status", "create_time")),
        Index(("create_time",)),
    ),
)


class WebhookDocs:
    """Webhooks and deliveries in the document store.

    A webhook ends with the credentials of its owner, and with the API token that created it: once they are revoked, it is deleted
    when it is next read. While its owner is suspended, it is hidden.

    Args:
        epoch_of: returns the epoch of an account's API tokens, which rises when they are revoked; None: it is suspended, or deleted.
        has_token: returns whether an account has a valid API token with this ID.
    """

    def __init__(
        self,
        docs: Docs,
        epoch_of: Callable[[str], Awaitable[int | None]],
        has_token: Callable[[str, str], Awaitable[bool]],
    ) -> None:
        self.webhooks = Table(docs, _WEBHOOKS, Webhook)
        self.deliveries = Table(docs, _DELIVERIES, Delivery)
        self._epoch_of = epoch_of
        self._has_token = has_token

    async def prepare(self) -> None:
        await self.webhooks.prepare()
        await self.deliveries.prepare()

    async def insert(self, webhook: Webhook, limit: int) -> bool:
        await self.list(webhook.owner_id)  # those that have ended give up their slots
        webhook = dataclasses.replace(webhook, owner_epoch=await self._epoch_of(webhook.owner_id))
        return await self.webhooks.add_in_slot(webhook, {"owner_id": webhook.owner_id}, limit)

    async def get(self, webhook_id: str) -> Webhook | None:
        webhook = await self.webhooks.get(webhook_id)
        return webhook and await self._unless_ended(webhook)

    async def list(self, owner_id: str) -> Sequence[Webhook]:
        """Return the webhooks of an account, oldest first."""
        found = await self.webhooks.find({"owner_id": owner_id}, sort="create_time")
        return [webhook for each in found if (webhook := await self._unless_ended(each)) is not None]

    async def _unless_ended(self, webhook: Webhook) -> Webhook | None:
        """Return the webhook, or delete it if the credentials with which it was created were revoked."""
        epoch, token_id = await self._epoch_of(webhook.owner_id), webhook.api_token_id
        if epoch is None:
            return None
        if webhook.owner_epoch == epoch and (not token_id or await self._has_token(webhook.owner_id, token_id)):
            return webhook
        await self.delete(webhook.id)
        return None

    async def delete(self, webhook_id: str) -> bool:
        """Delete a webhook and its deliveries. Return False if it was already deleted."""
        existed = await self.webhooks.delete(webhook_id)
        await self.deliveries.delete_all({"webhook_id": webhook_id})
        return existed
