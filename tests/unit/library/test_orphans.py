"""Orphans are found by the records of the library. Nothing else is deleted."""

import dataclasses
import os
import time
import uuid
from typing import Any

import pytest
from library_fixture import HOUR, Library

from soundwright.kit.adapters.system.clock import SystemClock
from soundwright.services.library.catalog.records import Clip
from soundwright.services.library.jobs.service import AudioOutput, Job
from soundwright.services.library.orphans.service import KeyOwner, Orphans, owner_of_key
from soundwright.services.library.orphans.store import BlobDocs
from soundwright.services.library.tracks.records import Track

TRACK, JOB, OTHER = (str(uuid.UUID(int=number)) for number in (1, 2, 3))


class Folder:
    """The documents and files of a library, which are a day old."""

    def __init__(self, library: Library) -> None:
        self.library, self.docs, self.blobs = library, library.docs, library.blobs
        self.orphans = Orphans(self.blobs, BlobDocs(self.docs), SystemClock())

    async def file(self, key: str, age_hours: float = 25.0) -> str:
        await self.library.write(key)
        moment = time.time() - age_hours * HOUR
        os.utime(self.library.root / key, (moment, moment))
        return key

    async def doc(self, collection: str, **fields: Any) -> None:
        await self.docs.insert(collection, fields)

    async def found(self, hours: float = 24.0) -> set[str]:
        return {orphan.key async for orphan in self.orphans.find(hours * HOUR)}


@pytest.fixture
def folder(library: Library) -> Folder:
    return Folder(library)


@pytest.mark.parametrize(("key", "owner"), [
    (f"tracks/{TRACK}/original.flac", KeyOwner(TRACK)),
    (f"tracks/{TRACK}/2/{JOB}/original.flac", KeyOwner(TRACK, JOB)),
    (f"stems/1/{JOB}/vocals.flac", KeyOwner(job_id=JOB)),
    (f"pipeline/12/{JOB}/cleaned/vocals.wav", KeyOwner(job_id=JOB)),
    (f"uploads/{TRACK}", KeyOwner()), (f"uploads/mixes/{TRACK}/mix.wav", KeyOwner()), (f"check/{JOB}", KeyOwner()),
    ("tracks/notes.txt", None), ("tracks/mine/original.flac", None), ("stems/readme", None), (f"stems/{JOB}", None),
    (f"stems/x/{JOB}/a.flac", None), (f"stems/{JOB}/12/a.flac", None), (f"backup/{TRACK}.tar", None), (f"backup/2026/01/{TRACK}/a", None), ("a", None),
])  # fmt: skip
def test_a_key_leads_to_its_records(key: str, owner: KeyOwner | None) -> None:
    assert owner_of_key(key) == owner


async def test_files_without_a_record_are_orphans(folder: Folder) -> None:
    keys = {
        await folder.file(key)
        for key in (
            f"tracks/{TRACK}/original.flac", f"tracks/{TRACK}/1/{JOB}/original.mp3", f"stems/1/{JOB}/bass.flac",
            f"uploads/{OTHER}",
        )
    }  # fmt: skip
    await folder.file("not/ours")
    assert await folder.found() == keys
    assert {orphan.key for orphan in await folder.orphans.delete(24 * HOUR)} == keys
    assert await folder.blobs.keys("") == ["not/ours"]


async def test_a_waveform_stays_as_long_as_its_audio(folder: Folder) -> None:
    stem, mix = await folder.file(f"stems/2/{JOB}/bass.flac"), await folder.file(f"stems/2/{JOB}/mix.flac")
    await folder.file(f"{stem}.dat")
    await folder.file(f"{stem}.parts.zip")
    await folder.file(f"{mix}.dat")
    await folder.doc(
        "jobs", id=JOB, state="succeeded", result={"outputs": [{"blob_key": stem}], "mix": {"blob_key": mix}}
    )
    left = await folder.file(f"stems/1/{JOB}/bass.flac.dat")
    assert await folder.found() == {left}


async def test_named_files_stay(folder: Folder) -> None:
    track = await folder.file(f"tracks/{TRACK}/original.flac")
    stem, stored = await folder.file(f"stems/2/{JOB}/bass.flac"), await folder.file(f"stems/2/{JOB}/drums.flac")
    clip, picture = await folder.file(f"generations/1/{OTHER}/a.wav"), await folder.file(f"generations/1/{OTHER}/s.png")
    await folder.doc("tracks", id=TRACK, blob_key=track)
    await folder.doc("jobs", id=JOB, state="succeeded", result={"outputs": [{"blob_key": stem}]})
    await folder.doc("outputs", id="o", job_id=JOB, blob_key=stored)
    await folder.doc("clips", id=OTHER, audio_blob_key=clip, spectrogram_blob_key=picture)
    dead = {await folder.file(f"stems/1/{JOB}/bass.flac"), await folder.file(f"tracks/{TRACK}/1/{JOB}/original.mp3")}
    assert await folder.found() == dead


@pytest.mark.parametrize("fields", [
    {"state": "queued"}, {"state": "running"}, {"state": "succeeded", "results_pending": True},
])  # fmt: skip
async def test_files_of_an_unfinished_job_stay(folder: Folder, fields: dict[str, Any]) -> None:
    await folder.file(f"stems/1/{JOB}/bass.flac")
    await folder.file(f"tracks/{TRACK}/1/{JOB}/original.mp3")
    await folder.doc("jobs", id=JOB, **fields)
    assert await folder.found() == set()


async def test_files_of_a_failed_job_are_orphans(folder: Folder) -> None:
    key = await folder.file(f"stems/1/{JOB}/bass.flac")
    await folder.doc("jobs", id=JOB, state="failed", result=None)
    assert await folder.found() == {key}


async def test_one_file_that_cannot_be_judged_or_deleted_stops_no_other(folder: Folder) -> None:
    left = folder.library.root / ".partial" / "left"
    left.write_bytes(b"half")
    os.utime(left, (0, 0))
    (left.parent / "a folder").mkdir()
    os.utime(left.parent / "a folder", (0, 0))
    kept = await folder.file(f"stems/1/{JOB}/vocals.flac")
    await folder.doc("jobs", id=JOB, state="unknown")
    orphan = await folder.file(f"stems/1/{OTHER}/vocals.flac")
    assert [each.key for each in await folder.orphans.delete(24 * HOUR)] == [orphan]
    assert folder.library.files() == {kept}


async def test_young_files_stay(folder: Folder) -> None:
    await folder.file(f"stems/1/{JOB}/bass.flac", age_hours=0.9)
    await folder.file(f"stems/1/{OTHER}/bass.flac", age_hours=5)
    assert await folder.found(hours=6) == set()
    assert await folder.found(hours=0) == {f"stems/1/{OTHER}/bass.flac"}  # an hour is the least


def test_records_have_the_fields_that_the_search_reads() -> None:
    names = {kind: {field.name for field in dataclasses.fields(kind)} for kind in (Job, Track, AudioOutput, Clip)}
    assert {"state", "result", "results_pending"} <= names[Job]
    assert {"blob_key"} <= names[Track]
    assert {"job_id", "blob_key"} <= names[AudioOutput]
    assert {"audio_blob_key", "spectrogram_blob_key"} <= names[Clip]
