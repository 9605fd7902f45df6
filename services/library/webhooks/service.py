"""Webhook endpoints of accounts: creation, changes and signing secrets."""

import dataclasses
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from soundwright.kit import errors
from soundwright.kit.errors import AppError
from soundwright.kit.log import get_logger
from soundwright.kit.ports import Clock
from soundwright.kit.security.egress_policy import EgressPolicy
from soundwright.kit.security.identity import Principal
from soundwright.kit.security.sealing import Sealer
from soundwright.services.library.webhooks.messages import EVENTS, new_signing_secret
from soundwright.services.library.webhooks.records import ALL_EVENTS, Webhook

if TYPE_CHECKING:
    from soundwright.services.library.webhooks.store import WebhookDocs

WEBHOOK_LIMIT = 10
"""The number of webhooks that an account can have."""

_ROTATION_OVERLAP_SECONDS = 86400.0
_URL_LIMIT_CHARS = 2000
_DESCRIPTION_LIMIT_CHARS = 200
log = get_logger()


@dataclass(eq=False)
class Webhooks:
    """Manages the webhooks of accounts.

    Args:
        record: stores an entry of the audit log: the ID of the account, the action, the type and the ID of the object.
    """

    store: "WebhookDocs"
    policy: EgressPolicy
    sealer: Sealer
    clock: Clock
    record: Callable[[str, str, str, str], Awaitable[None]]

    async def create(
        self, principal: Principal, url: str, events: Sequence[str], description: str
    ) -> tuple[Webhook, str]:
        """Create a webhook, and return it with its signing secret. The secret cannot be read later.

        Raises ``VALIDATION_ERROR``, ``ADDRESS_REFUSED``, ``WEBHOOK_LIMIT``, ``REGISTRATION_NEEDED``.
        """
        if principal.is_guest:  # whose session has ended, and who could not delete it
            raise errors.REGISTRATION_NEEDED()
        await self._check_url(url)
        checked_events, checked_description = _checked_events(events or [ALL_EVENTS]), _checked_description(description)
        secret, webhook_id, now = new_signing_secret(), str(uuid.uuid4()), self.clock.now()
        webhook = Webhook(
            id=webhook_id,
            owner_id=require_account(principal),
            url=url,
            events=checked_events,
            description=checked_description,
            secret_sealed=self.sealer.seal(secret, webhook_id),
            create_time=now,
            update_time=now,
            api_token_id=principal.api_token_id,
        )
        if not await self.store.insert(webhook, WEBHOOK_LIMIT):
            raise errors.WEBHOOK_LIMIT(limit=WEBHOOK_LIMIT)
        await self.record(principal.id, "webhook_create", "webhook", webhook.id)
        log.info("webhook.created", webhook_id=webhook.id)
        return webhook, secret

    async def get(self, principal: Principal, webhook_id: str) -> Webhook:
        """Return a webhook of the caller.

        Raises ``WEBHOOK_NOT_FOUND`` if the webhook does not exist or belongs to another account.
        """
        webhook = await self.store.get(webhook_id)
        if webhook is None or webhook.owner_id != require_account(principal):
            raise errors.WEBHOOK_NOT_FOUND()
        return webhook

    async def list_own(self, principal: Principal) -> Sequence[Webhook]:
        """Return the webhooks of the caller, oldest first."""
        return await self.store.list(require_account(principal))

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
        """Change the given fields. A new URL, or enabling the webhook, clears its failures.

        Raises ``WEBHOOK_NOT_FOUND``, ``VALIDATION_ERROR``, ``ADDRESS_REFUSED``.
        """
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
            "webhook_update",
            lambda webhook: dataclasses.replace(webhook, **changes, update_time=self.clock.now()),
        )

    async def delete(self, principal: Principal, webhook_id: str) -> None:
        """Delete a webhook and its deliveries. Raises ``WEBHOOK_NOT_FOUND``."""
        webhook = await self.get(principal, webhook_id)
        if not await self.store.delete(webhook.id):
            raise errors.WEBHOOK_NOT_FOUND()
        await self.record(principal.id, "webhook_delete", "webhook", webhook.id)
        log.info("webhook.deleted", webhook_id=webhook.id)

    async def rotate_secret(self, principal: Principal, webhook_id: str) -> tuple[Webhook, str]:
        """Replace the signing secret, and return the new one. The previous secret also signs for 24 hours.

        Raises ``WEBHOOK_NOT_FOUND``.
        """
        secret = new_signing_secret()

        def change(webhook: Webhook) -> Webhook:
            now = self.clock.now()
            return dataclasses.replace(
                webhook,
                secret_sealed=self.sealer.seal(secret, webhook.id),
                previous_secret_sealed=webhook.secret_sealed,
                previous_expire_time=now + _ROTATION_OVERLAP_SECONDS,
                update_time=now,
            )

        webhook = await self._change(principal, webhook_id, "webhook_rotate_secret", change)
        log.info("webhook.secret_rotated", webhook_id=webhook.id)
        return webhook, secret

    async def _change(
        self, principal: Principal, webhook_id: str, action: str, change: Callable[[Webhook], Webhook]
    ) -> Webhook:
        while True:
            webhook = await self.get(principal, webhook_id)
            changed = dataclasses.replace(change(webhook), api_token_id=principal.api_token_id)
            if await self.store.webhooks.replace(changed):
                await self.record(principal.id, action, "webhook", webhook_id)
                return changed

    async def _check_url(self, url: str) -> None:
        host, port, scheme = _parsed_url(url)
        if scheme == "http" and not self.policy.is_allow_listed(host, port):
            raise _invalid("url", "must begin with https://")
        # Each delivery checks the address again. This check reports a wrong URL to the owner at once.
        await self.policy.addresses(host, port)


def require_account(principal: Principal) -> str:
    """Return the ID of the calling account. Raises ``ACCESS_DENIED`` for anonymous callers and services."""
    if principal.is_anonymous or principal.is_service:
        raise errors.ACCESS_DENIED("Webhooks require an account. Log in first.")
    return principal.id


def require_enabled(webhook: Webhook) -> None:
    """
    Raises ``WEBHOOK_DISABLED``.
    """
    if not webhook.enabled:
        raise errors.WEBHOOK_DISABLED()


def signing_secrets(webhook: Webhook, sealer: Sealer, now: float) -> list[str]:
    """Return the current signing secret, and the previous one if it is still valid. Raises ``SECRET_UNREADABLE``."""
    sealed = [webhook.secret_sealed]
    if webhook.previous_secret_sealed and now < webhook.previous_expire_time:
        sealed.append(webhook.previous_secret_sealed)
    return [sealer.open(secret, webhook.id) for secret in sealed]


def _parsed_url(url: str) -> tuple[str, int, str]:
    """Validate the URL of an endpoint, and return its host, port and scheme."""
    if len(url) > _URL_LIMIT_CHARS:
        raise _invalid("url", f"must have at most {_URL_LIMIT_CHARS} characters")
    try:
        parts = urlsplit(url)
        port = parts.port or (80 if parts.scheme == "http" else 443)
    except ValueError:
        raise _invalid("url", "is not a valid URL") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise _invalid("url", "must begin with https://")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise _invalid("url", "must be ASCII: percent-encode the path, and use the xn-- form of the host")
    if parts.username is not None or parts.fragment:
        raise _invalid("url", "must not contain a user, a password or a fragment")
    return parts.hostname, port, parts.scheme


def _checked_events(events: Sequence[str]) -> list[str]:
    if unknown := set(events) - {*EVENTS, ALL_EVENTS}:
        names = ", ".join(sorted(name[:40] for name in unknown))
        raise _invalid("events", f"contains unknown events: {names}. Choose from: {', '.join(EVENTS)}")
    return [ALL_EVENTS] if ALL_EVENTS in events else [event for event in EVENTS if event in events]


def _checked_description(description: str) -> str:
    if len(description) > _DESCRIPTION_LIMIT_CHARS:
        raise _invalid("description", f"must have at most {_DESCRIPTION_LIMIT_CHARS} characters")
    return description


def _invalid(field: str, problem: str) -> AppError:
    return errors.invalid(field, problem, f"The {field} {problem}.")
