"""Webhooks: an account's endpoints, what is on its way to them, and what became of it."""

from __future__ import annotations

import asyncio
import dataclasses
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol
from urllib.parse import urlsplit

from kit.errors import AppError, Code
from kit.identity import Principal
from kit.log import get_logger
from kit.ports import Clock
from kit.sealing import Sealer
from services.library.service import Job, not_found
from services.library.webhook_messages import (
    EVENTS,
    PING,
    event_of,
    job_body,
    job_message_id,
    new_signing_secret,
    ping_body,
)

__all__ = [
    "ALL_EVENTS",
    "Delivery",
    "DeliveryStatus",
    "EndedJobStore",
    "Reach",
    "Webhook",
    "WebhookStore",
    "Webhooks",
    "signing_secrets",
]

ALL_EVENTS = "*"
_COUNT_LIMIT = 10
_LOG_LIMIT = 1000  # deliveries of one endpoint
_LOG_SECONDS = 30 * 86400.0
_OVERLAP_SECONDS = 86400.0
_URL_LIMIT_CHARS = 2000
_DESCRIPTION_LIMIT_CHARS = 200
_BATCH = 200
_DELIVERIES = uuid.UUID("3b1f7f6e-2f0d-4b8e-9a55-5f2a1c0e7d46")  # the namespace of their ids
log = get_logger()


@dataclass(frozen=True)
class Webhook:
    """An endpoint of an account. Secrets are sealed for the endpoint's id."""

    id: str
    owner_id: str
    url: str
    events: list[str]  # or ALL_EVENTS alone
    description: str
    secret_sealed: str
    create_time: float
    update_time: float
    previous_secret_sealed: str = ""
    previous_expire_time: float = 0.0
    enabled: bool = True
    disabled_reason: str = ""  # why the platform disabled it
    fail_time: float | None = None  # since when all attempts have failed
    revision: int = 0

    def wants(self, event: str) -> bool:
        return self.enabled and (event in self.events or ALL_EVENTS in self.events)


class DeliveryStatus(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True)
class Delivery:
    """One message on its way to one endpoint, and the latest attempt to bring it there."""

    id: str
    webhook_id: str
    owner_id: str
    message_id: str
    event: str
    body: str
    create_time: float
    status: DeliveryStatus = DeliveryStatus.PENDING
    due_time: float | None = None  # pending: of the next attempt; while one is under way, when it counts as lost
    underway: bool = False
    attempt_count: int = 0
    first_attempt_time: float | None = None
    attempt_time: float | None = None
    response_status: int = 0
    response_body: str = ""
    duration_seconds: float = 0.0
    error: str = ""
    revision: int = 0


class WebhookStore(Protocol):
    async def insert_webhook(self, webhook: Webhook) -> None: ...
    async def webhook(self, webhook_id: str) -> Webhook | None: ...
    async def webhooks_of(self, owner_id: str, limit: int) -> list[Webhook]: ...
    async def replace_webhook(self, webhook: Webhook) -> bool: ...
    async def delete_webhook(self, webhook_id: str) -> bool: ...
    async def insert_delivery(self, delivery: Delivery) -> bool: ...
    async def delivery(self, delivery_id: str) -> Delivery | None: ...
    async def replace_delivery(self, delivery: Delivery) -> bool: ...
    async def list_deliveries(self, webhook_id: str, offset: int, limit: int) -> tuple[list[Delivery], int]: ...
    async def due_deliveries(self, now: float, limit: int, after: Delivery | None) -> list[Delivery]: ...
    async def trim_deliveries(self, webhook_id: str, keep: int) -> None: ...
    async def delete_deliveries(self, webhook_id: str) -> None: ...
    async def purge_deliveries(self, before: float, limit: int) -> int: ...


class EndedJobStore(Protocol):
    async def job(self, job_id: str) -> Job | None: ...
    async def replace_job(self, job: Job) -> bool: ...
    async def untold_jobs(self, limit: int) -> list[Job]: ...


class Reach(Protocol):
    """Which servers may be reached from here."""

    def lists(self, host: str, port: int) -> bool:
        """Whether the operator allows it by name, whatever its address."""
        ...

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        """Raises ``ADDRESS_REFUSED`` for a server that may not be reached."""
        ...


class Webhooks:
    """What owners do with their endpoints, and what is told to these."""

    def __init__(self, store: WebhookStore, jobs: EndedJobStore, reach: Reach, sealer: Sealer, clock: Clock) -> None:
        self._store = store
        self._jobs = jobs
        self._reach = reach
        self._sealer = sealer
        self._clock = clock
        self._creating = asyncio.Lock()  # so that two at once do not both find room

    # ------------------------------------------------------------------------------------------------- for owners

    async def create(
        self, principal: Principal, url: str, events: Sequence[str], description: str
    ) -> tuple[Webhook, str]:
        """A new endpoint, and its secret, which nobody is shown again.

        Raises:
            AppError: ``VALIDATION_ERROR``, ``ADDRESS_REFUSED``, ``WEBHOOK_LIMIT``.
        """
        await self._check_url(url)
        chosen, described = _checked_events(events or [ALL_EVENTS]), _checked_description(description)
        secret, webhook_id, now = new_signing_secret(), str(uuid.uuid4()), self._clock.now()
        webhook = Webhook(
            id=webhook_id,
            owner_id=_account(principal),
            url=url,
            events=chosen,
            description=described,
            secret_sealed=self._sealer.seal(secret, webhook_id),
            create_time=now,
            update_time=now,
        )
        async with self._creating:
            if len(await self._store.webhooks_of(webhook.owner_id, _COUNT_LIMIT)) >= _COUNT_LIMIT:
                raise AppError(
                    Code.CONFLICT,
                    "WEBHOOK_LIMIT",
                    f"An account has at most {_COUNT_LIMIT} webhooks. Delete one that you no longer need.",
                )
            await self._store.insert_webhook(webhook)
        log.info("webhook.created", webhook_id=webhook.id)
        return webhook, secret

    async def get(self, principal: Principal, webhook_id: str) -> Webhook:
        """
        Raises:
            AppError: ``WEBHOOK_NOT_FOUND``, also for somebody else's.
        """
        webhook = await self._store.webhook(webhook_id)
        if webhook is None or webhook.owner_id != _account(principal):
            raise not_found("webhook")
        return webhook

    async def list_own(self, principal: Principal) -> list[Webhook]:
        return await self._store.webhooks_of(_account(principal), _COUNT_LIMIT)

    async def update(
        self,
        principal: Principal,
        webhook_id: str,
        *,
        url: str | None = None,
        events: Sequence[str] = (),
        description: str | None = None,
        enabled: bool | None = None,
    ) -> Webhook:
        """Change what is given. An endpoint with a new address, or enabled anew, begins with a clean slate."""
        if url is not None:
            await self._check_url(url)
        changes: dict[str, Any] = {}
        if url is not None:
            changes["url"] = url
        if events:
            changes["events"] = _checked_events(events)
        if description is not None:
            changes["description"] = _checked_description(description)
        if enabled is not None:
            changes |= {"enabled": enabled, "disabled_reason": ""}
        if url is not None or enabled:
            changes["fail_time"] = None
        return await self._change(
            principal,
            webhook_id,
            lambda webhook: dataclasses.replace(webhook, **changes, update_time=self._clock.now()),
        )

    async def delete(self, principal: Principal, webhook_id: str) -> None:
        webhook = await self.get(principal, webhook_id)
        if not await self._store.delete_webhook(webhook.id):
            raise not_found("webhook")
        await self._store.delete_deliveries(webhook.id)
        log.info("webhook.deleted", webhook_id=webhook.id)

    async def rotate_secret(self, principal: Principal, webhook_id: str) -> tuple[Webhook, str]:
        """A new secret. The one before signs beside it for a day, so that the receiver can change over in peace."""
        secret = new_signing_secret()

        def change(webhook: Webhook) -> Webhook:
            now = self._clock.now()
            return dataclasses.replace(
                webhook,
                secret_sealed=self._sealer.seal(secret, webhook.id),
                previous_secret_sealed=webhook.secret_sealed,
                previous_expire_time=now + _OVERLAP_SECONDS,
                update_time=now,
            )

        webhook = await self._change(principal, webhook_id, change)
        log.info("webhook.secret_rotated", webhook_id=webhook.id)
        return webhook, secret

    async def test(self, principal: Principal, webhook_id: str) -> Delivery:
        """Send a ping.

        Raises:
            AppError: ``WEBHOOK_NOT_FOUND``, ``WEBHOOK_DISABLED``.
        """
        webhook = _enabled(await self.get(principal, webhook_id))
        body = ping_body(webhook.id, self._clock.now())
        delivery = await self._send(webhook, f"msg_{uuid.uuid4().hex}", PING, body)
        assert delivery is not None  # nobody else has this id
        return delivery

    async def list_deliveries(
        self, principal: Principal, webhook_id: str, offset: int, limit: int
    ) -> tuple[list[Delivery], int]:
        """Newest first, and how many there are in all."""
        webhook = await self.get(principal, webhook_id)
        return await self._store.list_deliveries(webhook.id, offset, limit)

    async def replay(self, principal: Principal, delivery_id: str) -> Delivery:
        """Send the same message again, whatever became of it, with all attempts that a new one has.

        Raises:
            AppError: ``DELIVERY_NOT_FOUND``, also for somebody else's; ``WEBHOOK_DISABLED``; ``DELIVERY_UNDERWAY`` while
                it is being sent.
        """
        while True:
            delivery = await self._store.delivery(delivery_id)
            if delivery is None or delivery.owner_id != _account(principal):
                raise not_found("delivery")
            webhook = await self._store.webhook(delivery.webhook_id)
            if webhook is None:
                raise not_found("delivery")
            _enabled(webhook)
            now = self._clock.now()
            if delivery.underway and (delivery.due_time or 0.0) > now:
                raise AppError(
                    Code.CONFLICT, "DELIVERY_UNDERWAY", "This delivery is being sent just now. Look at it in a minute."
                )
            anew = dataclasses.replace(
                delivery,
                status=DeliveryStatus.PENDING,
                due_time=now,
                underway=False,
                attempt_count=0,
                first_attempt_time=None,
            )
            if await self._store.replace_delivery(anew):
                return anew

    async def _change(self, principal: Principal, webhook_id: str, change: Callable[[Webhook], Webhook]) -> Webhook:
        while True:
            webhook = await self.get(principal, webhook_id)
            changed = change(webhook)
            if await self._store.replace_webhook(changed):
                return changed

    async def _check_url(self, url: str) -> None:
        host, port, scheme = _target(url)
        if scheme == "http" and not self._reach.lists(host, port):
            raise _invalid("url", "must begin with https://")
        # Each delivery asks again: this spares the owner a day of waiting for what cannot come.
        await self._reach.addresses(host, port)

    # --------------------------------------------------------------------------------------------- what has happened

    async def tell_ended(self) -> int:
        """Record what is to be said about jobs that have ended, and say about how many.

        The mark on a job is set with its end and taken away once everything is recorded: a crash between the two, or
        another library that does the same, finds the same deliveries again.
        """
        count = 0
        while jobs := await self._jobs.untold_jobs(_BATCH):
            told = [await self._tell(job) for job in jobs]
            count += sum(told)
            if len(jobs) < _BATCH or not any(told):
                break
        return count

    async def _tell(self, ended: Job) -> bool:
        job: Job | None = ended
        try:
            while job is not None and job.untold:
                for webhook in await self._store.webhooks_of(job.owner_id, _COUNT_LIMIT):
                    if webhook.wants(event_of(job)):
                        await self._send(webhook, job_message_id(job), event_of(job), job_body(job))
                if await self._jobs.replace_job(dataclasses.replace(job, untold=None)):
                    return True
                job = await self._jobs.job(job.id)
        except AppError:
            raise
        except Exception:  # one odd job must not keep the others' from being told
            log.exception("webhook.job_not_told", job_id=ended.id)
            return False
        return True

    async def _send(self, webhook: Webhook, message_id: str, event: str, body: str) -> Delivery | None:
        """None if it was recorded before."""
        now = self._clock.now()
        delivery = Delivery(
            id=str(uuid.uuid5(_DELIVERIES, f"{message_id}.{webhook.id}")),
            webhook_id=webhook.id,
            owner_id=webhook.owner_id,
            message_id=message_id,
            event=event,
            body=body,
            create_time=now,
            due_time=now,
        )
        if not await self._store.insert_delivery(delivery):
            return None
        await self._store.trim_deliveries(webhook.id, _LOG_LIMIT)
        return delivery

    async def expire(self) -> int:
        """Forget some of the deliveries that have had their time, and say how many."""
        return await self._store.purge_deliveries(self._clock.now() - _LOG_SECONDS, _BATCH)


def signing_secrets(webhook: Webhook, sealer: Sealer, now: float) -> list[str]:
    """The secrets that sign for an endpoint, the newest first.

    Raises:
        AppError: ``SECRET_UNREADABLE``.
    """
    sealed = [webhook.secret_sealed]
    if webhook.previous_secret_sealed and now < webhook.previous_expire_time:
        sealed.append(webhook.previous_secret_sealed)
    return [sealer.open(secret, webhook.id) for secret in sealed]


def _account(principal: Principal) -> str:
    if principal.is_anonymous or principal.is_service:
        raise AppError(Code.PERMISSION_DENIED, "ACCESS_DENIED", "Webhooks belong to accounts. Log in first.")
    return principal.id


def _enabled(webhook: Webhook) -> Webhook:
    if not webhook.enabled:
        raise AppError(Code.CONFLICT, "WEBHOOK_DISABLED", "This webhook is disabled. Enable it first.")
    return webhook


def _target(url: str) -> tuple[str, int, str]:
    """Host, port and scheme of an address that may be an endpoint's."""
    if len(url) > _URL_LIMIT_CHARS:
        raise _invalid("url", f"must have at most {_URL_LIMIT_CHARS} characters")
    try:
        parts = urlsplit(url)
        port = parts.port or (80 if parts.scheme == "http" else 443)
    except ValueError:
        raise _invalid("url", "is not a valid address") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise _invalid("url", "must begin with https://")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise _invalid("url", "must be ASCII: percent-encode the path, and write the host in its xn-- form")
    if parts.username is not None or parts.fragment:
        raise _invalid("url", "must not hold a user, a password or a fragment")
    return parts.hostname, port, parts.scheme


def _checked_events(events: Sequence[str]) -> list[str]:
    if unknown := set(events) - {*EVENTS, ALL_EVENTS}:
        raise _invalid(
            "events", f"unknown: {', '.join(sorted(name[:40] for name in unknown))}. Choose {', '.join(EVENTS)}"
        )
    return [ALL_EVENTS] if ALL_EVENTS in events else [event for event in EVENTS if event in events]


def _checked_description(description: str) -> str:
    if len(description) > _DESCRIPTION_LIMIT_CHARS:
        raise _invalid("description", f"must have at most {_DESCRIPTION_LIMIT_CHARS} characters")
    return description


def _invalid(field: str, what: str) -> AppError:
    return AppError(Code.UNPROCESSABLE, "VALIDATION_ERROR", f"The field {field} {what}.", {"details": {field: [what]}})
