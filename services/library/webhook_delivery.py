"""Brings messages to webhooks: at least once, with pauses that grow, for about a day."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

from kit.errors import AppError
from kit.log import get_logger
from kit.metrics import WEBHOOK_ATTEMPTS
from kit.outbound.guard import Guard
from kit.outbound.web import post_web
from kit.ports import Clock
from kit.sealing import Sealer
from services.library.webhook_messages import signature
from services.library.webhooks import Delivery, DeliveryStatus, Webhook, Webhooks, WebhookStore, signing_secrets

__all__ = ["Courier"]

_PATIENCE_SECONDS = 10.0
_LEASE_SECONDS = 60.0  # a courier that has not said how it went after so long is dead
_POLL_SECONDS = 1.0
_UNDERWAY_LIMIT = 16
_BATCH = 200
_RESPONSE_LIMIT_BYTES = 4096
_JITTER_RATIO = 0.1
_GONE = 410
log = get_logger()


@dataclass(frozen=True)
class _Answer:
    status: int = 0
    body: str = ""
    error: str = ""
    final: bool = False  # trying again cannot help
    disabling: str = ""  # why the endpoint gets nothing more

    @property
    def good(self) -> bool:
        return not self.error


class Courier:
    """One for each library process. What one of them sends, the others leave alone, until its lease is over.

    One message at a time goes to an endpoint, so that a slow one holds up nobody but itself.

    Args:
        retry_seconds: pauses after failures; when they are used up, the delivery has failed.
    """

    def __init__(
        self,
        webhooks: Webhooks,
        store: WebhookStore,
        guard: Guard,
        sealer: Sealer,
        clock: Clock,
        retry_seconds: Sequence[float],
    ) -> None:
        self._webhooks = webhooks
        self._store = store
        self._guard = guard
        self._sealer = sealer
        self._clock = clock
        self._retry_seconds = tuple(retry_seconds)
        self._woken = asyncio.Event()
        self._underway: dict[str, asyncio.Task[None]] = {}  # by endpoint
        self._looked_at: Delivery | None = None

    def wake(self) -> None:
        """Look at once: a job may have ended."""
        self._woken.set()

    def hear(self, subject: str, payload: bytes) -> None:
        """Listen to what the bus says about jobs. It may be lost, and then the next look finds what there is to tell."""
        if not subject.endswith(".progressed"):
            self.wake()

    async def run(self) -> None:
        """Tell and send until cancelled."""
        try:
            while True:
                self._woken.clear()
                try:
                    await self._webhooks.tell_ended()
                    await self._send_due()
                except AppError as error:
                    log.warning("webhook.round_failed", reason=error.reason)
                except Exception:
                    log.exception("webhook.round_crashed")
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_POLL_SECONDS):
                        await self._woken.wait()
        finally:
            sending = list(self._underway.values())
            for task in sending:
                task.cancel()
            await asyncio.gather(*sending, return_exceptions=True)

    async def _send_due(self) -> None:
        """A round looks at some of what is due, the next at what is behind it: one endpoint's backlog hides nobody's."""
        due = await self._store.due_deliveries(self._clock.now(), _BATCH, self._looked_at)
        if not due and self._looked_at is not None:
            due = await self._store.due_deliveries(self._clock.now(), _BATCH, None)
        for delivery in due:
            if len(self._underway) >= _UNDERWAY_LIMIT:
                return
            self._looked_at = delivery
            if delivery.webhook_id not in self._underway:
                self._underway[delivery.webhook_id] = asyncio.create_task(self._attempt(delivery))
        if len(due) < _BATCH:
            self._looked_at = None

    async def _attempt(self, delivery: Delivery) -> None:
        try:
            if await self._send(delivery):
                self.wake()
        except AppError as error:  # it comes again when the lease is over
            log.warning("webhook.attempt_failed", delivery_id=delivery.id, reason=error.reason)
        except Exception:
            log.exception("webhook.attempt_crashed", delivery_id=delivery.id)
        finally:
            del self._underway[delivery.webhook_id]

    async def _send(self, due: Delivery) -> bool:
        """False if somebody else was faster."""
        now = self._clock.now()
        delivery = dataclasses.replace(
            due,
            underway=True,
            due_time=now + _LEASE_SECONDS,
            attempt_count=due.attempt_count + 1,
            attempt_time=now,
            first_attempt_time=due.first_attempt_time or now,
        )
        if not await self._store.replace_delivery(delivery):
            return False
        delivery = dataclasses.replace(delivery, revision=delivery.revision + 1)
        webhook = await self._store.webhook(delivery.webhook_id)
        started = time.perf_counter()
        answer = await self._ask(webhook, delivery)
        ended = self._ended(delivery, answer, time.perf_counter() - started)
        WEBHOOK_ATTEMPTS.labels(ended.status).inc()
        log.info(
            "webhook.attempted",
            webhook_id=delivery.webhook_id,
            delivery_id=delivery.id,
            outcome=ended.status,
            attempt=delivery.attempt_count,
            status=answer.status,
            seconds=round(ended.duration_seconds, 3),
        )
        # The endpoint first: after a crash in between the delivery comes again, and with it this.
        await self._note(delivery, ended, answer)
        await self._store.replace_delivery(ended)
        return True

    async def _ask(self, webhook: Webhook | None, delivery: Delivery) -> _Answer:
        if webhook is None or not webhook.enabled:
            return _Answer(error="The webhook is disabled.", final=True)
        timestamp = int(self._clock.now())
        try:
            signing = signing_secrets(webhook, self._sealer, timestamp)
            headers = {
                "Content-Type": "application/json",
                "webhook-id": delivery.message_id,
                "webhook-timestamp": str(timestamp),
                "webhook-signature": signature(signing, delivery.message_id, timestamp, delivery.body),
            }
            status, content = await post_web(
                self._guard,
                webhook.url,
                headers=headers,
                body=delivery.body.encode(),
                limit_bytes=_RESPONSE_LIMIT_BYTES,
                seconds=_PATIENCE_SECONDS,
            )
        except AppError as error:
            return _Answer(error=error.message, final=error.reason == "SECRET_UNREADABLE")
        except TimeoutError:
            return _Answer(error=f"The endpoint did not answer within {_PATIENCE_SECONDS:.0f} seconds.")
        except OSError as error:
            return _Answer(error=_connection_error(error))
        return _judged(status, content.decode(errors="replace"))

    def _ended(self, delivery: Delivery, answer: _Answer, seconds: float) -> Delivery:
        """The delivery after an attempt."""
        status, due_time = DeliveryStatus.DELIVERED, None
        if not answer.good:
            tried = delivery.attempt_count - 1
            status = DeliveryStatus.FAILED
            if not answer.final and tried < len(self._retry_seconds):
                status = DeliveryStatus.PENDING
                jitter = random.uniform(1 - _JITTER_RATIO, 1 + _JITTER_RATIO)
                due_time = self._clock.now() + self._retry_seconds[tried] * jitter
        return dataclasses.replace(
            delivery,
            status=status,
            due_time=due_time,
            underway=False,
            response_status=answer.status,
            response_body=answer.body,
            duration_seconds=seconds,
            error=answer.error,
        )

    async def _note(self, delivery: Delivery, ended: Delivery, answer: _Answer) -> None:
        """Keep in mind since when an endpoint fails, and disable one that is gone or has failed for a whole day."""
        while (webhook := await self._store.webhook(delivery.webhook_id)) is not None and webhook.enabled:
            began = delivery.first_attempt_time or self._clock.now()
            fail_time = None if answer.good else webhook.fail_time or delivery.attempt_time
            reason = answer.disabling
            if ended.status is DeliveryStatus.FAILED and fail_time is not None and fail_time <= began:
                reason = reason or f"No delivery succeeded in {delivery.attempt_count} attempts. {answer.error}"
            noted = dataclasses.replace(
                webhook, fail_time=fail_time, enabled=not reason, disabled_reason=reason or webhook.disabled_reason
            )
            if noted == webhook or await self._store.replace_webhook(noted):
                if reason:
                    log.warning("webhook.disabled", webhook_id=webhook.id)
                return


def _judged(status: int, body: str) -> _Answer:
    if 200 <= status < 300:
        return _Answer(status, body)
    if status == _GONE:
        gone = "The endpoint answered 410: it is gone."
        return _Answer(status, body, gone, final=True, disabling=gone)
    if 300 <= status < 400:
        moved = f"The endpoint answered {status}. Redirects are not followed: set the address that it leads to."
        return _Answer(status, body, moved)
    return _Answer(status, body, f"The endpoint answered {status}.")


def _connection_error(error: OSError) -> str:
    # What the error says itself may quote the address, and with it what the owner keeps in there.
    if str(error) == "certificate":
        return "The endpoint's TLS certificate was not accepted."
    return "The endpoint did not accept the connection, or broke it off."
