"""Queries on webhooks and their deliveries."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Awaitable, Callable

from kit.ports import Collection, Docs, Index, LessThan, OneOf
from services.library.documents import from_doc, insert_if_absent, insert_in_slot
from services.library.webhooks.deliveries import Delivery, DeliveryStatus
from services.library.webhooks.service import Webhook

__all__ = ["WebhookDocs"]

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
_FINISHED = OneOf([DeliveryStatus.DELIVERED, DeliveryStatus.FAILED])
_BATCH_SIZE = 200


class WebhookDocs:
    """Webhooks and deliveries in the document store.

    A webhook ends with the credentials of its owner: once they are revoked, it is deleted when it is next read.

    Args:
        epoch_of: returns the epoch of an account's API tokens. It rises when they are revoked.
    """

    def __init__(self, docs: Docs, epoch_of: Callable[[str], Awaitable[int]]) -> None:
        self._docs = docs
        self._epoch_of = epoch_of

    async def prepare(self) -> None:
        """Create missing collections and indexes."""
        for collection in (_WEBHOOKS, _DELIVERIES):
            await self._docs.ensure(collection)

    async def insert_webhook(self, webhook: Webhook, limit: int) -> bool:
        """Store a new webhook. Return False if its owner has ``limit`` webhooks."""
        await self.list_webhooks(webhook.owner_id, limit)  # those that have ended give up their slots
        owner = {"owner_id": webhook.owner_id}
        webhook = dataclasses.replace(webhook, owner_epoch=await self._epoch_of(webhook.owner_id))
        return await insert_in_slot(self._docs, "webhooks", dataclasses.asdict(webhook), owner, limit)

    async def get_webhook(self, webhook_id: str) -> Webhook | None:
        """Return a webhook, or None."""
        doc = await self._docs.get("webhooks", webhook_id)
        return await self._unless_ended(from_doc(Webhook, doc)) if doc else None

    async def list_webhooks(self, owner_id: str, limit: int) -> list[Webhook]:
        """Return the webhooks of an account, oldest first."""
        docs = await self._docs.find("webhooks", {"owner_id": owner_id}, sort="create_time", limit=limit)
        webhooks = [await self._unless_ended(from_doc(Webhook, doc)) for doc in docs]
        return [webhook for webhook in webhooks if webhook is not None]

    async def _unless_ended(self, webhook: Webhook) -> Webhook | None:
        """Return the webhook, or delete it if the credentials of its owner were revoked after its creation."""
        epoch = await self._epoch_of(webhook.owner_id)
        if webhook.owner_epoch == epoch:
            return webhook
        await self.delete_webhook(webhook.id)
        await self.delete_deliveries(webhook.id)
        return None

    async def replace_webhook(self, webhook: Webhook) -> bool:
        """Replace a webhook. Return False if it was changed or deleted."""
        return await self._docs.replace("webhooks", dataclasses.asdict(webhook), webhook.revision)

    async def delete_webhook(self, webhook_id: str) -> bool:
        """Delete a webhook. Return False if it was already deleted."""
        return await self._docs.delete("webhooks", webhook_id)

    async def insert_delivery(self, delivery: Delivery) -> bool:
        """Store a new delivery. Return False if it already exists."""
        return await insert_if_absent(self._docs, "webhook_deliveries", delivery)

    async def get_delivery(self, delivery_id: str) -> Delivery | None:
        """Return a delivery, or None."""
        doc = await self._docs.get("webhook_deliveries", delivery_id)
        return from_doc(Delivery, doc) if doc else None

    async def replace_delivery(self, delivery: Delivery) -> bool:
        """Replace a delivery. Return False if it was changed or deleted."""
        return await self._docs.replace("webhook_deliveries", dataclasses.asdict(delivery), delivery.revision)

    async def list_deliveries(self, webhook_id: str, offset: int, limit: int) -> tuple[list[Delivery], int]:
        """Return a page of the deliveries of a webhook, newest first, and their total count."""
        where = {"webhook_id": webhook_id}
        docs = await self._docs.find(
            "webhook_deliveries", where, sort="create_time", descending=True, offset=offset, limit=limit
        )
        return [from_doc(Delivery, doc) for doc in docs], await self._docs.count("webhook_deliveries", where)

    async def list_due_deliveries(self, now: float, limit: int, after: Delivery | None) -> list[Delivery]:
        """Return due deliveries by due time, starting after ``after`` if it is given."""
        position = (after.due_time, after.id) if after else None
        where = {"due_time": LessThan(math.nextafter(now, math.inf))}
        docs = await self._docs.find("webhook_deliveries", where, sort="due_time", limit=limit, after=position)
        return [from_doc(Delivery, doc) for doc in docs]

    async def first_due_delivery(self, webhook_id: str, now: float) -> Delivery | None:
        """Return the delivery of a webhook that is due first, or None."""
        where = {"webhook_id": webhook_id, "due_time": LessThan(math.nextafter(now, math.inf))}
        docs = await self._docs.find("webhook_deliveries", where, sort="due_time", limit=1)
        return from_doc(Delivery, docs[0]) if docs else None

    async def trim_deliveries(self, webhook_id: str, keep: int) -> None:
        """Delete the oldest finished deliveries of a webhook that has more than ``keep`` deliveries."""
        excess = await self._docs.count("webhook_deliveries", {"webhook_id": webhook_id}) - keep
        if excess > 0:
            where = {"webhook_id": webhook_id, "status": _FINISHED}
            for doc in await self._docs.find(
                "webhook_deliveries", where, sort="create_time", limit=min(excess, _BATCH_SIZE)
            ):
                await self._docs.delete("webhook_deliveries", doc["id"])

    async def delete_deliveries(self, webhook_id: str) -> None:
        """Delete all deliveries of a webhook."""
        while docs := await self._docs.find("webhook_deliveries", {"webhook_id": webhook_id}, limit=_BATCH_SIZE):
            for doc in docs:
                await self._docs.delete("webhook_deliveries", doc["id"])
