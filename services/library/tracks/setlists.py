"""Setlists: tracks in the order in which they are performed. Each is one document, so that every change is one compare-and-set."""

import dataclasses
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from soundwright.kit import errors
from soundwright.kit.ports import Clock
from soundwright.kit.security.identity import Principal
from soundwright.services.library.tracks.records import Setlist
from soundwright.services.library.tracks.service import one_line

if TYPE_CHECKING:
    from soundwright.services.library.tracks.records import Track
    from soundwright.services.library.tracks.store import TrackDocs

_SETLIST_LIMIT = 100
_TRACK_LIMIT = 200
_NAME_LIMIT = 100


class Setlists:
    """Manages the setlists of accounts. Those of others do not exist for the caller."""

    def __init__(self, store: "TrackDocs", clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def create(self, principal: Principal, name: str) -> Setlist:
        """Create an empty setlist. Raises ``VALIDATION_ERROR`` for the name; ``TOO_MANY_SETLISTS``."""
        now = self._clock.now()
        setlist = Setlist(str(uuid.uuid4()), principal.id, _checked_name(name), now, now)
        if not await self._store.setlists.add_in_slot(setlist, {"owner_id": principal.id}, _SETLIST_LIMIT):
            raise errors.TOO_MANY_SETLISTS(limit=_SETLIST_LIMIT)
        return setlist

    async def get(self, principal: Principal, setlist_id: str) -> "tuple[Setlist, list[Track]]":
        """Return a setlist, and its tracks that were not deleted, in order. Raises ``SETLIST_NOT_FOUND``."""
        setlist = await self._own(principal, setlist_id)
        tracks = await self._own_tracks(principal, setlist.track_ids)
        return setlist, [tracks[track_id] for track_id in setlist.track_ids if track_id in tracks]

    async def list_own(self, principal: Principal) -> list[Setlist]:
        """Return the setlists of the caller, newest first."""
        own = {"owner_id": principal.id}
        return await self._store.setlists.find(own, sort="create_time", descending=True, limit=_SETLIST_LIMIT)

    async def update(
        self, principal: Principal, setlist_id: str, *, name: str | None, track_ids: Sequence[str] | None
    ) -> Setlist:
        """Change the name, the tracks and their order, or both. None changes nothing.

        Raises ``SETLIST_NOT_FOUND``; ``VALIDATION_ERROR``; ``TRACKS_NOT_FOUND`` for tracks that are new in the setlist
        and do not exist or belong to others.
        """
        own = await self._own(principal, setlist_id)
        changes: dict[str, Any] = {}
        if name is not None:
            changes["name"] = _checked_name(name)
        if track_ids is not None:
            if len(track_ids) > _TRACK_LIMIT:
                raise errors.invalid("track_ids", f"should have at most {_TRACK_LIMIT} items")
            added = dict.fromkeys(each for each in track_ids if each not in own.track_ids)
            found = await self._own_tracks(principal, list(added))
            if missing := [each for each in added if each not in found]:
                raise errors.TRACKS_NOT_FOUND(names=", ".join(missing), details={"track_ids": missing})
            changes["track_ids"] = list(track_ids)
        now = self._clock.now()
        changed = await self._store.setlists.change(
            own.id, lambda setlist: dataclasses.replace(setlist, **changes, update_time=now)
        )
        if changed is None:
            raise errors.SETLIST_NOT_FOUND()
        return changed

    async def delete(self, principal: Principal, setlist_id: str) -> None:
        """Delete a setlist. Its tracks stay. Raises ``SETLIST_NOT_FOUND``."""
        await self._store.setlists.delete((await self._own(principal, setlist_id)).id)

    async def _own(self, principal: Principal, setlist_id: str) -> Setlist:
        setlist = await self._store.setlists.get(setlist_id)
        if setlist is None or setlist.owner_id != principal.id:
            raise errors.SETLIST_NOT_FOUND()
        return setlist

    async def _own_tracks(self, principal: Principal, track_ids: Sequence[str]) -> "dict[str, Track]":
        found = await self._store.by_ids(track_ids)
        return {track_id: track for track_id, track in found.items() if track.owner_id == principal.id}


def _checked_name(name: str) -> str:
    line = one_line(name)
    if not line:
        raise errors.invalid("name", "can't be blank")
    if len(line) > _NAME_LIMIT:
        raise errors.invalid("name", f"should be at most {_NAME_LIMIT} characters")
    return line
