"""Documents that an earlier version stored get the field and collection names of this one."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from google.protobuf.message import Message
from soundwright.analysis.v1 import jobs_pb2 as analysis_pb
from soundwright.generation.v1 import jobs_pb2 as generation_pb
from soundwright.ingest.v1 import ingest_service_pb2
from soundwright.ingest.v1 import jobs_pb2 as ingest_pb
from soundwright.library.v1 import job_pb2
from soundwright.separation.v1 import jobs_pb2 as separation_pb

from kit.adapters.sqlite.docs import SqliteDocs
from kit.ports import Collection
from kit.worker.kind import pack
from services.library.documents import from_doc
from services.library.jobs.admission import fingerprint
from services.library.jobs.service import GeneratedClip, Job, JobState, Measurement, PackedMessage
from services.library.jobs.store import JobDocs
from services.library.migrations import migrate
from services.library.serializers import from_wire, to_wire
from services.library.tracks.service import StemSet
from services.library.tracks.store import TrackDocs

OLD_JOB = {
    "id": "job-1",
    "unfiled": True,
    "untold": None,
    "outside_work": {"source_id": "s", "task_ids": ["t"], "own_key": False},
    "kind": "separation",
    "state": "failed",
}
OLD_TRACK = {"id": "track-1", "said": ["bpm"], "title": "Song"}
CONVERTED = 1  # the schema version before specifications were typed


@pytest.fixture
async def docs(tmp_path: Path) -> AsyncIterator[SqliteDocs]:
    docs = SqliteDocs(tmp_path / "library.db")
    yield docs
    await docs.close()


async def test_fields_and_collections_are_renamed_once(tmp_path: Path) -> None:
    docs = SqliteDocs(tmp_path / "library.db")
    try:
        for name, doc in (("jobs", OLD_JOB), ("tracks", OLD_TRACK), ("letters", {"id": "l"}), ("tries", {"id": "t"})):
            await docs.ensure(Collection(name))
            await docs.insert(name, doc)
        await migrate(docs)
        job = await docs.get("jobs", "job-1")
        assert job == {
            "id": "job-1",
            "results_pending": True,
            "webhooks_pending": None,
            "external_task": OLD_JOB["outside_work"],
            "kind": "separation",
            "state": "failed",
            "revision": 2,
        }
        track = await docs.get("tracks", "track-1")
        assert track == {"id": "track-1", "edited_fields": ["bpm"], "title": "Song", "revision": 2}
        assert await docs.get("email_queue", "l") == {"id": "l", "revision": 1}
        assert await docs.get("login_throttle", "t") == {"id": "t", "revision": 1}
        assert await docs.find("letters", {}) == []
        assert await docs.find("tries", {}) == []

        await docs.insert("jobs", {"id": "job-2", "unfiled": True})
        await migrate(docs)
        assert "unfiled" in (await docs.get("jobs", "job-2") or {}), "the migration ran a second time"
    finally:
        await docs.close()


async def test_an_interrupted_migration_is_completed(tmp_path: Path) -> None:
    docs = SqliteDocs(tmp_path / "library.db")
    try:
        for name in ("letters", "email_queue"):  # inserted into the new collection, not yet deleted from the old one
            await docs.ensure(Collection(name))
            await docs.insert(name, {"id": "l", "kind": "login-link"})
        await migrate(docs)
        assert await docs.find("letters", {}) == []
        assert [doc["id"] for doc in await docs.find("email_queue", {})] == ["l"]
    finally:
        await docs.close()


# ------------------------------------------------------------------------------------------------------ specifications

M = TypeVar("M", bound=Message)
OUTPUT = {
    "id": "out-1", "name": "vocals", "blob_key": "stems/j/1/vocals.flac", "content_type": "audio/flac", "size_bytes": 3,
    "sample_rate_hz": 44100, "channel_count": 2, "frame_count": 9, "peak": 0.5, "clipped_sample_count": 0, "job_id": "j",
    "track_id": "track-1", "owner_id": "ann", "path": "vocals.flac", "source": "", "create_time": 20.0, "revision": 0,
}  # fmt: skip
RESULT = {
    "engine": "dsp", "model": "dsp", "degraded": False, "requested_model": "dsp", "degraded_reason": "",
    "compute_seconds": 1.5, "outputs": [], "values_json": "", "features": [], "generation": None,
}  # fmt: skip
SONG = {
    "spotify_id": "4uLU", "title": "Song", "artists": ["Who", "Else"], "album": "A", "album_artist": "Who", "cover_url": "c",
    "duration_seconds": 200.5, "url": "https://open.spotify.com/track/4uLU", "isrc": "I", "track_number": 2,
    "disc_number": 1, "release_date": "2020",
}  # fmt: skip
CLIP = {
    "id": "j-generation", "owner_id": "ann", "prompt": "slow cello", "model": "music", "duration_seconds": 5.0,
    "is_loop": True, "seed": 2**40, "quality_score": 91, "quality_issues": ["x"], "quality_accepted": True,
    "retry_count": 1, "engine": "dsp", "engine_model": "m", "degraded": False, "sample_rate_hz": 32000,
    "channel_count": 1, "audio_blob_key": "generations/j/1/audio.wav", "spectrogram_blob_key": "", "audio_size_bytes": 7,
    "continued_from_id": "", "priority": "standard", "create_time": 20.0, "categories": [], "upvote_count": 0,
    "downvote_count": 0, "rating": None, "play_count": 0, "listener_count": 0, "tag_rounds": {},
    "plays": {"count": 0, "until_hour": 0}, "recounts": {}, "revision": 0,
}  # fmt: skip
VALUES = '{"tempo": 128.5, "key": "A minor", "features": {"mfcc": [[1.5]]}}'


def old_job(kind: str, spec: dict[str, Any], result: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """A job as the release before this one stored it."""
    text = json.dumps(spec)
    job = {
        "id": f"j-{kind}", "kind": kind, "owner_id": "ann", "track_id": "track-1", "state": "queued", "priority": "standard",
        "spec_json": text, "attempt_limit": 3, "command_subject": "s", "correlation_id": "c", "create_time": 10.0,
        "idempotency_key": None, "affinity": "", "work_seconds": 0.0, "attempt": 0, "progress_ratio": 0.0,
        "progress_message": "", "stages": [], "result": result, "error": None, "external_task": None,
        "cancel_requested": False, "worker_id": "", "lease_until": None, "due_time": 10.0, "publication": 0,
        "results_pending": None, "webhooks_pending": None, "track_create_time": 5.0, "start_time": None,
        "finish_time": None, **fields,
    }  # fmt: skip
    if result is not None:
        job |= {"state": "succeeded", "finish_time": 20.0, "due_time": None}
    key = json.dumps([kind, job["track_id"], text]).encode()
    return {"fingerprint": hashlib.sha256(key).hexdigest(), **job}


async def migrated(docs: SqliteDocs, jobs: list[dict[str, Any]], **others: list[dict[str, Any]]) -> JobDocs:
    """The jobs of a library that stored ``jobs`` and ``others`` before it was migrated."""
    tracks = [{"id": "track-1", "create_time": 5.0}]
    schema = [{"id": "version", "version": CONVERTED}]
    for name, stored in {"schema": schema, "jobs": jobs, "tracks": tracks, "analyses": [], **others}.items():
        await docs.ensure(Collection(name))
        for doc in stored:
            await docs.insert(name, doc)
    await migrate(docs)
    return JobDocs(docs)


async def read(jobs: JobDocs, job_id: str) -> Job:
    job = await jobs.job(job_id)
    assert job is not None
    return job


def unpacked(packed: PackedMessage | None, message_class: type[M]) -> M:
    assert packed is not None
    wire = to_wire(dataclasses.make_dataclass("Holder", ["spec"])(packed), job_pb2.Job).spec
    message = message_class()
    assert wire.Unpack(message)
    return message


SPECS: list[tuple[str, dict[str, Any], Message, tuple[str, bool, bool]]] = [
    (
        "separation",
        {"model": "dsp", "format": "flac"},
        separation_pb.SeparationSpec(model="dsp", format="flac"),
        ("stems", False, False),
    ),
    (
        "separation",
        {"model": "newest", "format": "wav24", "engine": "lalalai"},
        separation_pb.SeparationSpec(model="newest", format="wav24", engine="lalalai"),
        ("stems", False, False),
    ),
    ("pipeline", {"model": "dsp"}, separation_pb.PipelineSpec(model="dsp"), ("pipeline", False, False)),
    (
        "analysis",
        {"features": ["tempo", "key"]},
        analysis_pb.AnalysisSpec(features=["tempo", "key"]),
        ("", False, False),
    ),
    (
        "generation",
        {
            "prompt": "rain",
            "duration_seconds": 2.5,
            "model": "audio",
            "seed": 2**62,
            "loop": True,
            "continue_from_id": "",
        },
        generation_pb.GenerationSpec(prompt="rain", duration_seconds=2.5, model="audio", seed=2**62, loop=True),
        ("generations", False, True),
    ),
    (
        "download",
        {"track_id": "track-1", "quality": "high", "url": SONG["url"], "song": SONG},
        ingest_pb.DownloadSpec(
            track_id="track-1", quality="high", url=SONG["url"], song=ingest_service_pb2.Song(**SONG)
        ),  # type: ignore[arg-type]
        ("tracks/track-1", True, False),
    ),
    (
        "download",
        {"track_id": "track-1", "quality": "low", "url": "https://x/y.mp3", "song": None},
        ingest_pb.DownloadSpec(track_id="track-1", quality="low", url="https://x/y.mp3"),
        ("tracks/track-1", True, False),
    ),
]


@pytest.mark.parametrize(("kind", "spec", "expected", "described"), SPECS)
async def test_a_stored_specification_becomes_a_typed_message(
    docs: SqliteDocs, kind: str, spec: dict[str, Any], expected: Message, described: tuple[str, bool, bool]
) -> None:
    jobs = await migrated(docs, [old_job(kind, spec)])
    job = await read(jobs, f"j-{kind}")
    assert unpacked(job.spec, type(expected)) == expected
    assert (job.output_folder, job.creates_track, job.public_spec) == described
    assert job.state is JobState.QUEUED
    # A client that repeats its request after the upgrade gets the same job.
    assert job.spec == from_wire(pack(expected), PackedMessage)
    assert job.fingerprint == fingerprint(kind, "track-1", job.spec)


async def test_a_fingerprint_that_a_service_chose_stays(docs: SqliteDocs) -> None:
    jobs = await migrated(docs, [{**old_job("pipeline", {"model": "dsp"}), "fingerprint": "pipeline:abc"}])
    assert (await read(jobs, "j-pipeline")).fingerprint == "pipeline:abc"


async def test_a_specification_that_does_not_fit_becomes_an_empty_one(docs: SqliteDocs) -> None:
    broken = {**old_job("separation", {}), "spec_json": "no JSON"}
    jobs = await migrated(docs, [broken, old_job("analysis", {"features": 3})])
    for kind, message_class in (("separation", separation_pb.SeparationSpec), ("analysis", analysis_pb.AnalysisSpec)):
        assert unpacked((await read(jobs, f"j-{kind}")).spec, message_class) == message_class()


async def test_a_stored_analysis_keeps_its_values(docs: SqliteDocs) -> None:
    result = {**RESULT, "engine": "librosa", "values_json": VALUES, "features": ["key", "tempo"]}
    stored = {
        "id": "track-1", "track_id": "track-1", "job_id": "j-analysis", "owner_id": "ann", "engine": "librosa",
        "features": ["key", "tempo"], "values_json": VALUES, "create_time": 20.0,
    }  # fmt: skip
    jobs = await migrated(docs, [old_job("analysis", {"features": ["tempo"]}, result)], analyses=[stored])
    expected = analysis_pb.AnalysisResult(features=["key", "tempo"], values_json=VALUES)
    found = (await read(jobs, "j-analysis")).result
    assert found is not None
    assert unpacked(found.details, analysis_pb.AnalysisResult) == expected
    assert (found.measurement, found.outputs_are_stems, found.clip) == (Measurement(128.5, "A minor"), False, None)
    analysis = await TrackDocs(docs).analysis("track-1")
    assert analysis is not None
    assert unpacked(analysis.details, analysis_pb.AnalysisResult) == expected
    assert (analysis.measurement, analysis.job_id) == (Measurement(128.5, "A minor"), "j-analysis")


@pytest.mark.parametrize("values", ["{}", '{"tempo": "fast", "key": null}', "[1]"])
async def test_an_analysis_without_tempo_and_key_has_no_measurement(docs: SqliteDocs, values: str) -> None:
    jobs = await migrated(docs, [old_job("analysis", {"features": []}, {**RESULT, "values_json": values})])
    found = (await read(jobs, "j-analysis")).result
    assert found is not None
    assert found.measurement == Measurement()


async def test_a_stored_clip_stays_with_its_job(docs: SqliteDocs) -> None:
    jobs = await migrated(docs, [old_job("generation", {"prompt": "slow cello"}, {**RESULT, "generation": CLIP})])
    found = (await read(jobs, "j-generation")).result
    assert found is not None
    assert found.clip == GeneratedClip(
        prompt="slow cello", duration_seconds=5.0, is_loop=True, seed=2**40, quality_score=91, quality_issues=["x"],
        retry_count=1, sample_rate_hz=32000, channel_count=1, audio_blob_key="generations/j/1/audio.wav",
        audio_size_bytes=7,
    )  # fmt: skip


async def test_a_track_keeps_the_stems_of_its_latest_separation(docs: SqliteDocs) -> None:
    def separation(name: str, finish_time: float, **fields: Any) -> dict[str, Any]:
        job = old_job("separation", {"model": "dsp"}, {**RESULT, "outputs": [{**OUTPUT, "name": name}]})
        return {**job, "id": f"j-{name}", "finish_time": finish_time, **fields}

    foreign = separation("another", 90.0, track_create_time=1.0)  # of a deleted track with this id
    failed = {**separation("failed", 99.0), "state": "failed", "result": None}
    stored = [separation("old", 20.0), separation("new", 40.0), separation("middle", 30.0), foreign, failed]
    jobs = await migrated(docs, stored)
    found = await docs.get("stem_sets", "track-1")
    assert found is not None
    assert (found["job_id"], found["track_create_time"], found["create_time"]) == ("j-new", 5.0, 40.0)
    stem_set = from_doc(StemSet, found)
    assert [stem.name for stem in stem_set.stems] == ["new"]
    kept = (await read(jobs, "j-old")).result
    assert kept is not None
    assert kept.outputs_are_stems
    assert [output.name for output in kept.outputs] == ["old"]


async def test_an_interrupted_conversion_is_completed(docs: SqliteDocs) -> None:
    result = {**RESULT, "outputs": [OUTPUT]}
    await migrated(docs, [old_job("separation", {"model": "dsp"}, result)])
    version = await docs.get("schema", "version")
    assert version is not None
    converted, stems = await docs.get("jobs", "j-separation"), await docs.get("stem_sets", "track-1")
    await docs.replace("schema", {"id": "version", "version": CONVERTED}, version["revision"])
    await docs.insert("jobs", {**old_job("pipeline", {"model": "dsp"}), "id": "late"})
    await migrate(docs)
    assert await docs.get("jobs", "j-separation") == converted
    assert await docs.get("stem_sets", "track-1") == stems
    assert "spec_json" not in (await docs.get("jobs", "late") or {})


async def test_unfinished_jobs_of_earlier_versions_get_a_place_in_the_queue(tmp_path: Path) -> None:
    docs = SqliteDocs(tmp_path / "library.db")
    try:
        await docs.ensure(Collection("jobs"))
        subject = "soundwright.cmd.generation.v1.job.run.free"
        for state, suffix in (("queued", ".music"), ("running", ""), ("failed", ".music")):
            job = {
                "id": state,
                "state": state,
                "priority": "free",
                "create_time": 5.0,
                "command_subject": subject + suffix,
            }
            await docs.insert("jobs", job)
        await migrate(docs)
        found = {doc["id"]: doc for doc in await docs.find("jobs", {})}
        for state in ("queued", "running"):
            assert (found[state]["command_subject"], found[state]["starve_time"]) == (subject, 905.0)
        assert "starve_time" not in found["failed"]
    finally:
        await docs.close()
