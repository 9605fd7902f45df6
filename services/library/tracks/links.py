"""Links with which anybody can play a track, without an account. The secret of a link is shown once and stored as a hash."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from soundwright.kit import errors
from soundwright.kit.ports import Clock
from soundwright.kit.security.identity import Principal
from soundwright.services.library.bearer_secrets import digest, new_secret
from soundwright.services.library.tracks.records import Track, TrackLink
from soundwright.services.library.tracks.service import require_owner

if TYPE_CHECKING:
    from soundwright.services.library.tracks.store import TrackDocs

_COUNT_LIMIT = 20
_LIFETIME_LIMIT_DAYS = 365
_DAY_SECONDS = 86400.0


@dataclass(eq=False)
class TrackLinks:
    """Creates, lists, opens and revokes links.

    Args:
        epoch_of: returns the epoch of an account's API tokens, which rises when they are revoked; None: it is suspended.
        has_token: returns whether an account has a valid API token with this ID.
        record: stores an entry of the audit log: account, action, type and ID of the resource.
    """

    store: "TrackDocs"
    clock: Clock
    epoch_of: Callable[[str], Awaitable[int | None]]
    has_token: Callable[[str, str], Awaitable[bool]]
    record: Callable[[str, str, str, str], Awaitable[None]]

    async def create(self, principal: Principal, track_id: str, lifetime_days: int) -> tuple[str, TrackLink]:
        """Create a link to a track of the caller, and return its secret and its record.

        Raises ``TRACK_NOT_FOUND``; ``ACCESS_DENIED``; ``REGISTRATION_NEEDED``; ``VALIDATION_ERROR`` for the lifetime;
        ``TOO_MANY_TRACK_LINKS``.
        """
        track = await self._own_track(principal, track_id)
        if principal.is_guest or principal.is_anonymous:
            raise errors.REGISTRATION_NEEDED()
        if not 1 <= lifetime_days <= _LIFETIME_LIMIT_DAYS:
            raise errors.invalid("expires_in_days", f"must be 1 to {_LIFETIME_LIMIT_DAYS}")
        secret, now = new_secret(), self.clock.now()
        expire_time = now + lifetime_days * _DAY_SECONDS
        epoch = await self.epoch_of(track.owner_id)
        link = TrackLink(digest(secret), track.id, track.owner_id, now, expire_time, epoch, principal.api_token_id)
        for ended in await self._links_of(track):
            if not await self._is_valid(ended):
                await self.store.links.delete(ended.id)
        if not await self.store.links.add_in_slot(link, {"track_id": track.id}, _COUNT_LIMIT):
            raise errors.TOO_MANY_TRACK_LINKS(limit=_COUNT_LIMIT)
        await self.record(principal.id, "link_create", "track", track.id)
        return secret, link

    async def list_own(self, principal: Principal, track_id: str) -> list[TrackLink]:
        """Return the links of a track of the caller, newest first."""
        track = await self._own_track(principal, track_id)
        return [link for link in await self._links_of(track) if await self._is_valid(link)]

    async def revoke(self, principal: Principal, track_id: str, link_id: str) -> None:
        """Delete a link of a track of the caller.

        Raises ``TRACK_LINK_NOT_FOUND``; ``TRACK_NOT_FOUND``; ``ACCESS_DENIED``.
        """
        for link in await self.list_own(principal, track_id):
            if link.public_id == link_id and await self.store.links.delete(link.id):
                await self.record(principal.id, "link_revoke", "track", link.track_id)
                return
        raise errors.TRACK_LINK_NOT_FOUND()

    async def open(self, secret: str) -> TrackLink:
        """Return the link with a secret.

        Raises ``TRACK_LINK_ENDED``: it does not exist, has expired or was revoked, its owner is suspended or has
        revoked all API tokens, or the API token that created it was revoked.
        """
        link = await self.store.links.get(digest(secret))
        if link is None or not await self._is_valid(link):
            raise errors.TRACK_LINK_ENDED()
        return link

    async def _links_of(self, track: Track) -> list[TrackLink]:
        found = {"track_id": track.id}
        return await self.store.links.find(found, sort="create_time", descending=True, limit=_COUNT_LIMIT)

    async def _is_valid(self, link: TrackLink) -> bool:
        if link.owner_epoch != await self.epoch_of(link.owner_id) or link.expire_time <= self.clock.now():
            return False
        return not link.api_token_id or await self.has_token(link.owner_id, link.api_token_id)

    async def _own_track(self, principal: Principal, track_id: str) -> Track:
        track = await self.store.get(track_id)
        if track is None:
            raise errors.TRACK_NOT_FOUND()
        require_owner(principal, track)
        return track
