"""Queries on plays, on play counts per clip and hour, and on the listeners of clips."""

import hashlib

from soundwright.kit.ports import AllOf, AtLeast, Contains, Docs
from soundwright.services.library.catalog.documents import (
    BY_PLAYS,
    CLIPS,
    LISTENERS,
    PLAY_HOURS,
    PLAYS,
    ClipDocs,
    model_condition,
)
from soundwright.services.library.catalog.records import Clip, Play
from soundwright.services.library.documents import insert_doc_if_absent
from soundwright.services.library.search_terms import facet
from soundwright.services.library.table import Table

_NETWORK_LISTENERS = 10  # of a clip: callers without an account choose their names and sessions


class PlayStore(ClipDocs):
    """Plays, hourly counts and listeners in the document store."""

    def __init__(self, docs: Docs) -> None:
        super().__init__(docs)
        self.plays = Table(docs, PLAYS, Play)

    async def remove_play(self, play: Play) -> None:
        """Delete a play of a deleted clip, and the count of its hour."""
        await self.plays.delete(play.id)
        await self._docs.delete(PLAY_HOURS.name, f"{play.clip_id}/{play.hour}")

    async def list_plays(self, listener_id: str, offset: int, limit: int) -> tuple[list[tuple[Clip, Play]], bool]:
        """Return a page of a listener's plays with their clips, newest first, and whether more follow."""
        return await self._latest(self.plays, listener_id, "play_time", offset, limit)

    async def count_by_source(self, clip_id: str, limit: int) -> dict[str, int]:
        """Return the plays of a clip from each of its first ``limit`` sources, sorted. Each source costs two queries."""
        counts: dict[str, int] = {}
        least = ""
        while len(counts) < limit:
            play = await self.plays.first({"clip_id": clip_id, "source": AtLeast(least)}, sort="source")
            if play is None:
                break
            counts[play.source] = await self.plays.count({"clip_id": clip_id, "source": play.source})
            least = play.source + "\0"  # the next string in sort order
        return counts

    # counts per clip and hour

    async def count_play(self, clip: Clip, hour: int) -> None:
        key = f"{clip.id}/{hour}"
        hour_of_clip = {"id": key, "clip_id": clip.id, "family": clip.family, "hour": hour}
        while (doc := await self._docs.get(PLAY_HOURS.name, key)) is not None:
            counted = {**hour_of_clip, "play_count": doc["play_count"] + 1}
            if await self._docs.replace(PLAY_HOURS.name, counted, doc["revision"]):
                return
        if not await insert_doc_if_absent(self._docs, PLAY_HOURS.name, {**hour_of_clip, "play_count": 1}):
            await self.count_play(clip, hour)

    async def list_hourly_counts(self, clip_id: str, limit: int) -> list[tuple[int, int]]:
        """Return the latest hours with plays of a clip and their play counts, latest first."""
        where = {"clip_id": clip_id}
        docs = await self._docs.find(PLAY_HOURS.name, where, sort="hour", descending=True, limit=limit)
        return [(doc["hour"], doc["play_count"]) for doc in docs]

    async def most_played_in_hour(self, family: str, hour: int, limit: int) -> dict[str, int]:
        """Return the play counts of the most played clips of a family in an hour, by clip ID."""
        where = {"family": family, "hour": hour}
        docs = await self._docs.find(PLAY_HOURS.name, where, sort="play_count", descending=True, limit=limit)
        return {doc["clip_id"]: doc["play_count"] for doc in docs}

    async def most_played(self, model: str, limit: int) -> list[Clip]:
        """Return the most played clips of a model or family, without those that were never played."""
        terms = [Contains(facet(name, value)) for name, value in model_condition(model).items()]
        where = {"terms": AllOf(terms)} if terms else {}
        docs, _ = await self._docs.page(CLIPS.name, where, sort=BY_PLAYS, descending=True, limit=limit, offset=0)
        return self.clips.records(doc for doc in docs if doc["play_count"])

    # listeners

    async def add_listener(self, clip_id: str, listener: str, network: str) -> bool:
        """Record a listener of a clip. Return False if the listener is already recorded, or too many are of its network.

        Args:
            network: the ID of the address of a listener without a registered account; empty for others.
        """
        of_network = {"clip_id": clip_id, **({"network": network} if network else {})}
        if not await insert_doc_if_absent(
            self._docs, LISTENERS.name, {"id": _listener_key(clip_id, listener), **of_network}
        ):
            return False
        if network and await self._docs.count(LISTENERS.name, of_network) > _NETWORK_LISTENERS:
            await self.remove_listener(clip_id, listener)
            return False
        return True

    async def remove_listener(self, clip_id: str, listener: str) -> None:
        """Delete the record of a listener."""
        await self._docs.delete(LISTENERS.name, _listener_key(clip_id, listener))


def _listener_key(clip_id: str, listener: str) -> str:
    # A hash, because listeners are only counted and their identity is not stored.
    return f"{clip_id}/{hashlib.sha256(listener.encode()).hexdigest()[:32]}"
