"""The checks of the campaigns see what they look for."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from clients import Outcome, Wish
from invariants import (
    Event,
    References,
    World,
    acknowledged_uploads_exist,
    every_job_ended_once,
    no_duplicate_event,
    no_orphan,
    results_are_whole,
)

from kit.adapters.sqlite.docs import SqliteDocs
from kit.ports import Collection
from services.library.transfer.documents import COLLECTIONS

TRACKS = [f"{number:08}-0000-4000-8000-000000000000" for number in range(2)]
JOBS = [f"{number:08}-1111-4000-8000-000000000000" for number in range(2)]
SONG = b"a song"


def _key(number: int) -> str:
    return f"stems/1/{JOBS[number]}/vocals.flac"


class Case:
    """A world in which two equal separations of two uploads have succeeded."""

    def __init__(self, data_dir: Path) -> None:
        self.docs: dict[str, list[dict[str, Any]]] = {name: [] for name in COLLECTIONS}
        self.data_dir = data_dir
        self.events = [Event(job_id, "succeeded") for job_id in JOBS]
        self.outcomes = []
        for number, (track_id, job_id) in enumerate(zip(TRACKS, JOBS, strict=True)):
            self.file(f"tracks/{track_id}/original.wav", SONG)
            self.file(_key(number), b"a stem")
            self.docs["tracks"].append({"id": track_id, "blob_key": f"tracks/{track_id}/original.wav"})
            outputs = [{"id": job_id, "blob_key": _key(number)}]
            self.docs["outputs"] += [{**outputs[0], "job_id": job_id}]
            self.docs["jobs"].append(
                {"id": job_id, "kind": "separation", "state": "succeeded", "attempt": 1, "track_id": track_id,
                 "result": {"outputs": outputs, "details": None}, "error": None}
            )  # fmt: skip
            outcome = Outcome(Wish(number, "separation", 0, uploads=True, cancels=False), job_id)
            outcome.see({"status": "completed", "attempt": 1})
            self.outcomes.append(outcome)

    def file(self, key: str, content: bytes) -> None:
        path = self.data_dir / "blobs" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    async def problems(self) -> list[str]:
        """Write the documents as a library would, and check them."""
        docs = SqliteDocs(self.data_dir / "library.db")
        for name, found in self.docs.items():
            await docs.ensure(Collection(name))
            await docs.load(name, [{"revision": 1, **doc} for doc in found])
        await docs.close()
        world = await World.read(self.data_dir)
        return [
            *every_job_ended_once(world, self.outcomes),
            *results_are_whole(world, self.outcomes, References()),
            *no_duplicate_event(world, self.events),
            *acknowledged_uploads_exist(world, dict.fromkeys(TRACKS, 0), [SONG]),
            *await no_orphan(world),
        ]


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def _change(case: Case, **changes: Any) -> None:
    case.docs["jobs"][0] |= changes


def _delete(case: Case, key: str) -> None:
    (case.data_dir / "blobs" / key).unlink()


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda case: case.docs["jobs"].pop(), "accepted, but lost"),
        (lambda case: case.docs["jobs"].append({**copy.deepcopy(case.docs["jobs"][0]), "id": "x"}), "nobody asked for"),
        (lambda case: _change(case, state="running"), "not ended"),
        (lambda case: _change(case, state="failed"), "its client saw completed"),
        (lambda case: _change(case, results_pending=True), "not completely"),
        (lambda case: case.outcomes[0].see({"status": "failed", "attempt": 1}), "an ended job changed"),
        (lambda case: case.outcomes[0].see({"status": "completed", "attempt": 0}), "attempts fell"),
        (lambda case: case.file(_key(1), b"half a st"), "another result"),
        (lambda case: _delete(case, _key(1)), "files of a result are missing"),
        (lambda case: _change(case, attempt=2), "files of another attempt"),
        (lambda case: case.docs["outputs"].pop(), "nowhere filed"),
        (lambda case: case.docs["tracks"].pop(), "an acknowledged upload is gone"),
        (lambda case: case.file(f"tracks/{TRACKS[0]}/original.wav", b"half"), "an acknowledged upload is damaged"),
        (lambda case: case.file("notes.txt", b""), "nobody names notes.txt"),
        (lambda case: case.file("../scratch/separation/x", b""), "a temporary file"),
        (lambda case: case.events.pop(), "0 events"),
        (lambda case: case.events.append(case.events[0]), "2 events"),
        (lambda case: case.events.insert(0, Event(case.events.pop(0).job_id, "failed")), "the event says failed"),
    ],
)
async def test_damage_is_seen(case: Case, damage: Callable[[Case], object], problem: str) -> None:
    damage(case)
    assert any(problem in found for found in await case.problems())


async def test_a_world_that_is_whole_once_it_is_cleaned_has_no_problems(case: Case) -> None:
    case.file("stems/2/" + _key(0).split("/", 2)[2], b"of an attempt that died")
    case.file(".partial/abc", b"half an upload")
    assert await case.problems() == []
