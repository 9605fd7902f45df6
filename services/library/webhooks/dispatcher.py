"""Sends webhook messages: at least once, with increasing delays between attempts."""

import asyncio
import dataclasses
import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from soundwright.kit.errors import AppError
from soundwright.kit.log import get_logger
from soundwright.kit.metrics import WEBHOOK_ATTEMPTS
from soundwright.kit.periodic import every, failures_logged
from soundwright.kit.ports import Clock, LessThan
from soundwright.kit.security.egress_client import UntrustedCertificate, post_web
from soundwright.kit.security.egress_policy import EgressPolicy
from soundwright.kit.security.sealing import Sealer
from soundwright.services.library.table import Table
from soundwright.services.library.webhooks.deliveries import Deliveries
from soundwright.services.library.webhooks.messages import signature
from soundwright.services.library.webhooks.records import Delivery, DeliveryStatus, Webhook
from soundwright.services.library.webhooks.service import signing_secrets

if TYPE_CHECKING:
    from soundwright.services.library.webhooks.store import WebhookDocs

_TIMEOUT_SECONDS = 10.0
_LEASE_SECONDS = 60.0  # after this time without a result, another dispatcher takes over the delivery
_POLL_SECONDS = 1.0
_PARALLEL_ATTEMPTS = 16
_BATCH_SIZE = 200
_RESPONSE_LIMIT_BYTES = 4096
_JITTER_RATIO = 0.1
_GONE = 410
log = get_logger()


@dataclass(frozen=True)
class _Outcome:
    """The outcome of an attempt.

    Attributes:
        status: the HTTP status; 0 without a response.
        error: why the attempt failed; empty after a success.
        final: a retry cannot succeed.
        disable_reason: why the webhook must be disabled; empty if it must not.
    """

    status: int = 0
    body: str = ""
    error: str = ""
    final: bool = False
    disable_reason: str = ""

    @property
    def succeeded(self) -> bool:
        return not self.error


class WebhookDispatcher:
    """Sends due deliveries. Each library process runs one dispatcher.

    A dispatcher sends one message at a time to each webhook, the one that is due first, and claims it for one attempt. A slow
    endpoint delays only its own messages.
    """

    def __init__(
        self,
        deliveries: Deliveries,
        store: "WebhookDocs",
        table: Table[Delivery],
        egress_policy: EgressPolicy,
        sealer: Sealer,
        clock: Clock,
        retry_seconds: Sequence[float],
    ) -> None:
        """
        Args:
            retry_seconds: the delay after each failure. When all are used up, the delivery has failed.
        """
        self._deliveries = deliveries
        self._store = store
        self._table = table
        self._egress_policy = egress_policy
        self._sealer = sealer
        self._clock = clock
        self._retry_seconds = tuple(retry_seconds)
        self._wake = asyncio.Event()
        self._attempts: dict[str, asyncio.Task[None]] = {}  # by webhook ID
        self._cursor: Delivery | None = None

    def wake_up(self) -> None:
        """Check for due deliveries at once."""
        self._wake.set()

    def on_event(self, subject: str, payload: bytes) -> None:
        """Wake up after an event of a job. If the bus loses the event, the next poll finds the job."""
        if not subject.endswith(".progressed"):
            self.wake_up()

    async def run(self) -> None:
        """Enqueue and send deliveries until cancelled."""
        try:
            await every(_POLL_SECONDS, "webhook.poll_failed", self._poll, wake=self._wake)
        finally:
            tasks = list(self._attempts.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _poll(self) -> None:
        await self._deliveries.enqueue_finished_jobs()
        await self._start_due_attempts()

    async def _start_due_attempts(self) -> None:
        """Start attempts for a batch of due deliveries.

        The next call continues after the batch, so that the backlog of one webhook does not block the others.
        """
        where = {"due_time": _until(self._clock.now())}
        due = await self._table.find(where, sort="due_time", limit=_BATCH_SIZE, after=self._cursor)
        if not due and self._cursor is not None:
            due = await self._table.find(where, sort="due_time", limit=_BATCH_SIZE)
        for delivery in due:
            if len(self._attempts) >= _PARALLEL_ATTEMPTS:
                return
            self._cursor = delivery
            if delivery.webhook_id not in self._attempts:
                self._attempts[delivery.webhook_id] = asyncio.create_task(self._run_attempt(delivery.webhook_id))
        if len(due) < _BATCH_SIZE:
            self._cursor = None

    async def _run_attempt(self, webhook_id: str) -> None:
        try:
            # After a failure, the delivery becomes due again when its claim expires.
            with failures_logged("webhook.attempt_failed", webhook_id=webhook_id):
                if await self._attempt(webhook_id):
                    self.wake_up()
        finally:
            del self._attempts[webhook_id]

    async def _attempt(self, webhook_id: str) -> bool:
        """Send the first due delivery of a webhook and store the outcome. Return False if none is due."""
        now = self._clock.now()
        due = await self._table.first({"webhook_id": webhook_id, "due_time": _until(now)}, sort="due_time")
        if due is None:
            return False
        if delivery := await self._claim(due, now):
            webhook = await self._store.get(webhook_id)
            if webhook or await self._store.webhooks.get(webhook_id):  # that of a suspended account is hidden
                await self._send(webhook, delivery)
            else:  # a process stopped while it deleted the webhook, or another one added the delivery meanwhile
                await self._table.delete(delivery.id)
        return True

    async def _claim(self, due: Delivery, now: float) -> Delivery | None:
        """Return the delivery with a new attempt, or None if it has changed."""
        delivery = dataclasses.replace(
            due,
            underway=True,
            due_time=now + _LEASE_SECONDS,
            attempt_count=due.attempt_count + 1,
            attempt_time=now,
            first_attempt_time=due.first_attempt_time or now,
        )
        if not await self._table.replace(delivery):
            return None
        return dataclasses.replace(delivery, revision=delivery.revision + 1)

    async def _send(self, webhook: Webhook | None, delivery: Delivery) -> None:
        """Send a claimed delivery, and store the outcome in webhook and delivery."""
        started = time.perf_counter()
        outcome = await self._post(webhook, delivery)
        updated = self._updated(delivery, outcome, time.perf_counter() - started)
        WEBHOOK_ATTEMPTS.labels(updated.status).inc()
        log.info(
            "webhook.attempted",
            webhook_id=delivery.webhook_id,
            delivery_id=delivery.id,
            outcome=updated.status,
            attempt=delivery.attempt_count,
            status=outcome.status,
            seconds=round(updated.duration_seconds, 3),
        )
        # The webhook first: after a crash in between, the delivery is sent again and both writes are repeated.
        await self._update_webhook(delivery, updated, outcome)
        await self._table.replace(updated)

    async def _post(self, webhook: Webhook | None, delivery: Delivery) -> _Outcome:
        """Send the signed message."""
        if webhook is None or not webhook.enabled:
            return _Outcome(error="The webhook is disabled.", final=True)
        timestamp = int(self._clock.now())
        try:
            secrets = signing_secrets(webhook, self._sealer, timestamp)
            headers = {
                "Content-Type": "application/json",
                "webhook-id": delivery.message_id,
                "webhook-timestamp": str(timestamp),
                "webhook-signature": signature(secrets, delivery.message_id, timestamp, delivery.body),
            }
            status, content = await post_web(
                self._egress_policy,
                webhook.url,
                headers=headers,
                body=delivery.body.encode(),
                limit_bytes=_RESPONSE_LIMIT_BYTES,
                seconds=_TIMEOUT_SECONDS,
            )
        except AppError as error:
            return _Outcome(error=error.message, final=error.reason == "SECRET_UNREADABLE")
        except TimeoutError:
            return _Outcome(error=f"The endpoint did not respond within {_TIMEOUT_SECONDS:.0f} seconds.")
        except UntrustedCertificate:
            return _Outcome(error="The TLS certificate of the endpoint is not trusted.")
        except OSError:
            # The text of the error may contain the URL, which may contain a secret of the owner.
            return _Outcome(error="The endpoint refused or closed the connection.")
        return _classify(status, content.decode(errors="replace"))

    def _updated(self, delivery: Delivery, outcome: _Outcome, duration_seconds: float) -> Delivery:
        """Return the delivery after an attempt, with the time of the next attempt if there is one."""
        status, due_time = DeliveryStatus.DELIVERED, None
        if not outcome.succeeded:
            retry_index = delivery.attempt_count - 1
            status = DeliveryStatus.FAILED
            if not outcome.final and retry_index < len(self._retry_seconds):
                status = DeliveryStatus.PENDING
                jitter = random.uniform(1 - _JITTER_RATIO, 1 + _JITTER_RATIO)
                due_time = self._clock.now() + self._retry_seconds[retry_index] * jitter
        return dataclasses.replace(
            delivery,
            status=status,
            due_time=due_time,
            underway=False,
            response_status=outcome.status,
            response_body=outcome.body,
            duration_seconds=duration_seconds,
            error=outcome.error,
        )

    async def _update_webhook(self, delivery: Delivery, updated: Delivery, outcome: _Outcome) -> None:
        """Record since when the webhook fails. Disable it if it is gone, or if nothing succeeded during a delivery."""
        start_time = delivery.first_attempt_time or self._clock.now()

        def change(webhook: Webhook) -> Webhook:
            if not webhook.enabled:
                return webhook
            fail_time = None if outcome.succeeded else webhook.fail_time or delivery.attempt_time
            reason = outcome.disable_reason
            if updated.status is DeliveryStatus.FAILED and fail_time is not None and fail_time <= start_time:
                reason = reason or f"No delivery succeeded in {delivery.attempt_count} attempts. {outcome.error}"
            return dataclasses.replace(
                webhook, fail_time=fail_time, enabled=not reason, disabled_reason=reason or webhook.disabled_reason
            )

        while (webhook := await self._store.get(delivery.webhook_id)) is not None:
            changed = change(webhook)
            if changed == webhook or await self._store.webhooks.replace(changed):
                if webhook.enabled and not changed.enabled:
                    log.warning("webhook.disabled", webhook_id=webhook.id)
                return


def _until(time: float) -> LessThan:
    return LessThan(math.nextafter(time, math.inf))


def _classify(status: int, body: str) -> _Outcome:
    if 200 <= status < 300:
        return _Outcome(status, body)
    if status == _GONE:
        gone = "The endpoint returned HTTP 410 (Gone)."
        return _Outcome(status, body, gone, final=True, disable_reason=gone)
    if 300 <= status < 400:
        moved = f"The endpoint returned HTTP {status}. Redirects are not followed. Set the URL to the new address."
        return _Outcome(status, body, moved)
    return _Outcome(status, body, f"The endpoint returned HTTP {status}.")
