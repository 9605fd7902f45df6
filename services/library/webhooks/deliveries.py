"""Deliveries of webhooks: messages that wait, were delivered or failed. The dispatcher sends them."""

import dataclasses
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from soundwright.kit import errors
from soundwright.kit.errors import AppError
from soundwright.kit.log import get_logger
from soundwright.kit.ports import Clock, OneOf
from soundwright.kit.security.identity import Principal
from soundwright.services.library.jobs.service import Job
from soundwright.services.library.table import Table
from soundwright.services.library.webhooks.messages import (
    PING,
    PublicKind,
    event_of,
    job_body,
    job_message_id,
    ping_body,
)
from soundwright.services.library.webhooks.records import Delivery, DeliveryStatus, Webhook
from soundwright.services.library.webhooks.service import Webhooks, require_account, require_enabled

if TYPE_CHECKING:
    from soundwright.services.library.jobs.store import JobDocs
    from soundwright.services.library.webhooks.store import WebhookDocs

_LOG_LIMIT = 1000  # deliveries per webhook
_BATCH_SIZE = 200
_ID_NAMESPACE = uuid.UUID("3b1f7f6e-2f0d-4b8e-9a55-5f2a1c0e7d46")
log = get_logger()


@dataclass(eq=False)
class Deliveries:
    """Enqueues deliveries, and shows and replays them for the owner of the webhook."""

    webhooks: Webhooks
    store: "WebhookDocs"
    deliveries: Table[Delivery]
    jobs: "JobDocs"
    kinds: Mapping[str, PublicKind]
    clock: Clock

    async def send_test(self, principal: Principal, webhook_id: str) -> Delivery:
        """Enqueue a ping. Raises ``WEBHOOK_NOT_FOUND``, ``WEBHOOK_DISABLED``."""
        webhook = await self.webhooks.get(principal, webhook_id)
        require_enabled(webhook)
        body = ping_body(webhook.id, self.clock.now())
        delivery = await self._enqueue(webhook, f"msg_{uuid.uuid4().hex}", PING, body)
        assert delivery is not None  # the message ID is new
        return delivery

    async def list_deliveries(
        self, principal: Principal, webhook_id: str, offset: int, limit: int
    ) -> tuple[list[Delivery], int]:
        """Return a page of the deliveries of a webhook, newest first, and their total count.

        Raises ``WEBHOOK_NOT_FOUND``.
        """
        webhook = await self.webhooks.get(principal, webhook_id)
        where = {"webhook_id": webhook.id}
        return await self.deliveries.page(where, sort="create_time", descending=True, offset=offset, limit=limit)

    async def replay(self, principal: Principal, delivery_id: str) -> Delivery:
        """Send the same message again, with the full number of attempts.

        Raises ``DELIVERY_NOT_FOUND`` if the delivery does not exist or belongs to another account;
        ``WEBHOOK_DISABLED``; ``DELIVERY_UNDERWAY`` while a dispatcher is sending the message.
        """
        while True:
            delivery = await self.deliveries.get(delivery_id)
            if delivery is None or delivery.owner_id != require_account(principal):
                raise errors.DELIVERY_NOT_FOUND()
            webhook = await self.store.get(delivery.webhook_id)
            if webhook is None:
                raise errors.DELIVERY_NOT_FOUND()
            require_enabled(webhook)
            now = self.clock.now()
            if delivery.underway and (delivery.due_time or 0.0) > now:
                raise errors.DELIVERY_UNDERWAY()
            replayed = dataclasses.replace(
                delivery,
                status=DeliveryStatus.PENDING,
                due_time=now,
                underway=False,
                attempt_count=0,
                first_attempt_time=None,
            )
            if await self.deliveries.replace(replayed):
                return replayed

    async def enqueue_finished_jobs(self) -> int:
        """Enqueue deliveries for finished jobs, and return the number of jobs.

        The ledger sets ``webhooks_pending`` when a job finishes. This method clears it after all deliveries are stored.
        Delivery IDs are derived from the job, so that a crash in between or a parallel process creates no duplicates.
        """
        count = 0
        while jobs := await self.jobs.jobs_with_pending_webhooks(_BATCH_SIZE):
            enqueued = [await self._enqueue_job(job) for job in jobs]
            count += sum(enqueued)
            if len(jobs) < _BATCH_SIZE or not any(enqueued):
                break
        return count

    async def _enqueue_job(self, finished: Job) -> bool:
        job: Job | None = finished
        try:
            while job is not None and job.webhooks_pending:
                for webhook in await self.store.list(job.owner_id):
                    if webhook.accepts(event_of(job)):
                        await self._enqueue(
                            webhook, job_message_id(job), event_of(job), job_body(job, self.kinds[job.kind])
                        )
                if await self.jobs.replace(dataclasses.replace(job, webhooks_pending=None)):
                    return True
                job = await self.jobs.get(job.id)
        except AppError:
            raise
        except Exception:  # one malformed job must not block the others
            log.exception("webhook.enqueue_failed", job_id=finished.id)
            return False
        return True

    async def _enqueue(self, webhook: Webhook, message_id: str, event: str, body: str) -> Delivery | None:
        """Store a delivery. Return None if it already exists."""
        now = self.clock.now()
        delivery = Delivery(
            id=str(uuid.uuid5(_ID_NAMESPACE, f"{message_id}.{webhook.id}")),
            webhook_id=webhook.id,
            owner_id=webhook.owner_id,
            message_id=message_id,
            event=event,
            body=body,
            create_time=now,
            due_time=now,
        )
        if not await self.deliveries.add(delivery):
            return None
        await self._trim(webhook.id)
        return delivery

    async def _trim(self, webhook_id: str) -> None:
        """Delete the oldest finished deliveries of a webhook that has more than the log keeps."""
        excess = await self.deliveries.count({"webhook_id": webhook_id}) - _LOG_LIMIT
        if excess > 0:
            where = {"webhook_id": webhook_id, "status": OneOf([DeliveryStatus.DELIVERED, DeliveryStatus.FAILED])}
            for old in await self.deliveries.find(where, sort="create_time", limit=min(excess, _BATCH_SIZE)):
                await self.deliveries.delete(old.id)
