"""Queries about webhooks and their deliveries, over the document store."""

from __future__ import annotations

import dataclasses
import math

from kit.errors import AppError
from kit.ports import Collection, Docs, Index, LessThan, OneOf
from services.library.track_store import from_doc
from services.library.webhooks import Delivery, DeliveryStatus, Webhook

__all__ = ["WebhookDocs"]

_WEBHOOKS = Collection("webhooks", (Index(("owner_id", "create_time")),))
_DELIVERIES = Collection(
    "webhook_deliveries",
    (
        Index(("due_time",), present="due_time"),
        Index(("webhook_id", "create_time")),
        Index(("webhook_id", "status", "create_time")),
        Index(("create_time",)),
    ),
)
_ENDED = OneOf([DeliveryStatus.DELIVERED, DeliveryStatus.FAILED])
_BATCH = 200


class WebhookDocs:
    """Endpoints, and what was or is to be sent to them."""

    def __init__(self, docs: Docs) -> None:
        self._docs = docs

    async def prepare(self) -> None:
        for collection in (_WEBHOOKS, _DELIVERIES):
            await self._docs.ensure(collection)

    async def insert_webhook(self, webhook: Webhook) -> None:
        await self._docs.insert("webhooks", dataclasses.asdict(webhook))

    async def webhook(self, webhook_id: str) -> Webhook | None:
        doc = await self._docs.get("webhooks", webhook_id)
        return from_doc(Webhook, doc) if doc else None

    async def webhooks_of(self, owner_id: str, limit: int) -> list[Webhook]:
        """Oldest first."""
        docs = await self._docs.find("webhooks", {"owner_id": owner_id}, sort="create_time", limit=limit)
        return [from_doc(Webhook, doc) for doc in docs]

    async def replace_webhook(self, webhook: Webhook) -> bool:
        return await self._docs.replace("webhooks", dataclasses.asdict(webhook), webhook.revision)

    async def delete_webhook(self, webhook_id: str) -> bool:
        return await self._docs.delete("webhooks", webhook_id)

    async def insert_delivery(self, delivery: Delivery) -> bool:
        """False if it is there already."""
        try:
            await self._docs.insert("webhook_deliveries", dataclasses.asdict(delivery))
        except AppError as error:
            if error.reason != "DOC_EXISTS":
                raise
            return False
        return True

    async def delivery(self, delivery_id: str) -> Delivery | None:
        doc = await self._docs.get("webhook_deliveries", delivery_id)
        return from_doc(Delivery, doc) if doc else None

    async def replace_delivery(self, delivery: Delivery) -> bool:
        return await self._docs.replace("webhook_deliveries", dataclasses.asdict(delivery), delivery.revision)

    async def list_deliveries(self, webhook_id: str, offset: int, limit: int) -> tuple[list[Delivery], int]:
        """Newest first, and how many there are in all."""
        where = {"webhook_id": webhook_id}
        docs = await self._docs.find(
            "webhook_deliveries", where, sort="create_time", descending=True, offset=offset, limit=limit
        )
        return [from_doc(Delivery, doc) for doc in docs], await self._docs.count("webhook_deliveries", where)

    async def due_deliveries(self, now: float, limit: int, after: Delivery | None) -> list[Delivery]:
        """Those that are due, longest first; those behind ``after``, if it is given."""
        place = (after.due_time, after.id) if after else None
        where = {"due_time": LessThan(math.nextafter(now, math.inf))}
        docs = await self._docs.find("webhook_deliveries", where, sort="due_time", limit=limit, after=place)
        return [from_doc(Delivery, doc) for doc in docs]

    async def trim_deliveries(self, webhook_id: str, keep: int) -> None:
        """Remove the oldest of an endpoint's that have ended, if it has more than ``keep``."""
        excess = await self._docs.count("webhook_deliveries", {"webhook_id": webhook_id}) - keep
        if excess > 0:
            where = {"webhook_id": webhook_id, "status": _ENDED}
            for doc in await self._docs.find(
                "webhook_deliveries", where, sort="create_time", limit=min(excess, _BATCH)
            ):
                await self._docs.delete("webhook_deliveries", doc["id"])

    async def delete_deliveries(self, webhook_id: str) -> None:
        while docs := await self._docs.find("webhook_deliveries", {"webhook_id": webhook_id}, limit=_BATCH):
            for doc in docs:
                await self._docs.delete("webhook_deliveries", doc["id"])

    async def purge_deliveries(self, before: float, limit: int) -> int:
        """Remove some of those that came up before this time, and say how many."""
        docs = await self._docs.find(
            "webhook_deliveries", {"create_time": LessThan(before)}, sort="create_time", limit=limit
        )
        return sum([await self._docs.delete("webhook_deliveries", doc["id"]) for doc in docs])
