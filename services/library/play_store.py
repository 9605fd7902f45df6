"""Plays as documents: each play, the plays of each clip and hour, and who listened."""

from __future__ import annotations

import dataclasses
import hashlib

from pydantic import TypeAdapter

from kit.ports import AtLeast, Doc
from services.library.catalog import Generation
from services.library.clip_docs import (
    LISTENERS,
    PLAY_HOURS,
    PLAYS,
    ClipDocs,
    insert_new,
    model_condition,
)
from services.library.plays import Play

__all__ = ["PlayStore"]

_play: TypeAdapter[Play] = TypeAdapter(Play)


class PlayStore(ClipDocs):
    async def add_play(self, play: Play) -> None:
        await self._docs.insert(PLAYS.name, dataclasses.asdict(play))

    async def remove_play(self, play_id: str) -> None:
        await self._docs.delete(PLAYS.name, play_id)

    async def count_plays(self, generation_id: str, hour: int) -> int:
        return await self._count_of(PLAYS, generation_id, hour=hour)

    async def count_plays_since(self, generation_id: str, hour: int) -> int:
        return await self._count_of(PLAYS, generation_id, hour=AtLeast(hour))

    async def count_plays_from(self, generation_id: str, source: str) -> int:
        return await self._count_of(PLAYS, generation_id, source=source)

    async def list_plays(self, listener_id: str, offset: int, limit: int) -> tuple[list[tuple[Generation, Play]], bool]:
        return await self._latest(PLAYS, listener_id, "play_time", offset, limit, _play.validate_python)

    async def sources(self, generation_id: str, limit: int) -> list[str]:
        """Where the clip was played, in order; a look-up for each."""
        sources: list[str] = []
        least = ""
        while len(sources) < limit:
            found = await self._first_from(generation_id, "source", least)
            if found is None:
                break
            sources.append(found["source"])
            least = found["source"] + "\0"  # the next greater text
        return sources

    async def hours_played(self, generation_id: str, first: int, end: int) -> list[int]:
        """The hours from ``first`` on and before ``end`` in which the clip was played; a look-up for each."""
        hours: list[int] = []
        while first < end:
            found = await self._first_from(generation_id, "hour", first)
            if found is None or found["hour"] >= end:
                break
            hours.append(found["hour"])
            first = found["hour"] + 1
        return hours

    async def _first_from(self, generation_id: str, field: str, least: int | str) -> Doc | None:
        where = {"generation_id": generation_id, field: AtLeast(least)}
        found = await self._docs.find(PLAYS.name, where, sort=field, limit=1)
        return found[0] if found else None

    # by clip and hour

    async def recount_hour(self, generation: Generation, hour: int) -> None:
        """Store how often the clip was played in an hour, counted no earlier than this call."""
        key = f"{generation.id}/{hour}"
        first: int | None = None
        while True:
            doc = await self._docs.get(PLAY_HOURS.name, key)
            revision = doc["revision"] if doc else 0
            if first is None:
                first = revision
            elif revision >= first + 2:
                return  # the second of two later counts began after the first was stored, which was after this call
            counted = {
                "id": key,
                "generation_id": generation.id,
                "family": generation.family,
                "hour": hour,
                "play_count": await self.count_plays(generation.id, hour),
            }
            if doc is None:
                if await insert_new(self._docs, PLAY_HOURS, counted):
                    return
            elif await self._docs.replace(PLAY_HOURS.name, counted, revision):
                return

    async def latest_hours(self, generation_id: str, limit: int) -> list[tuple[int, int]]:
        """Hours and plays of the clip, latest first."""
        where = {"generation_id": generation_id}
        docs = await self._docs.find(PLAY_HOURS.name, where, sort="hour", descending=True, limit=limit)
        return [(doc["hour"], doc["play_count"]) for doc in docs]

    async def most_played_in_hour(self, family: str, hour: int, limit: int) -> dict[str, int]:
        where = {"family": family, "hour": hour}
        docs = await self._docs.find(PLAY_HOURS.name, where, sort="play_count", descending=True, limit=limit)
        return {doc["generation_id"]: doc["play_count"] for doc in docs}

    async def most_played(self, model: str, limit: int) -> list[Generation]:
        where = {"play_count": AtLeast(1), **model_condition(model)}
        return await self._find(where, sort=("play_count", "create_time"), descending=True, limit=limit)

    # who listened

    async def add_listener(self, generation_id: str, listener: str) -> bool:
        """Note a listener; says whether it is the first time."""
        key = _listener_key(generation_id, listener)
        return await insert_new(self._docs, LISTENERS, {"id": key, "generation_id": generation_id})

    async def remove_listener(self, generation_id: str, listener: str) -> None:
        await self._docs.delete(LISTENERS.name, _listener_key(generation_id, listener))

    async def count_listeners(self, generation_id: str) -> int:
        return await self._count_of(LISTENERS, generation_id)


def _listener_key(generation_id: str, listener: str) -> str:
    # A digest: that somebody listened is counted, not who.
    return f"{generation_id}/{hashlib.sha256(listener.encode()).hexdigest()[:32]}"
