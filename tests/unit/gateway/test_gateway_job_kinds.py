"""Kinds of jobs: the descriptors of the gateway, the public names that the contract declares, and limits."""

import dataclasses
from typing import Any, cast
from unittest.mock import AsyncMock, Mock

import pytest
from google.protobuf.message import Message

from soundwright.generation.v1 import jobs_pb2 as generation_pb
from soundwright.ingest.v1 import ingest_service_pb2
from soundwright.ingest.v1 import jobs_pb2 as ingest_pb
from soundwright.kit.worker.kind import JobKind, pack
from soundwright.library.v1 import job_pb2, track_pb2
from soundwright.separation.v1 import jobs_pb2 as separation_pb
from soundwright.services.analysis.settings import AnalysisSettings
from soundwright.services.analysis.worker import AnalysisWorker
from soundwright.services.gateway.dialects.pipeline.routes import engine_headers
from soundwright.services.gateway.job_kinds import JOB_KINDS, PublicFile, job_kind
from soundwright.services.gateway.job_retries import retry_job
from soundwright.services.gateway.job_views import status
from soundwright.services.generation.settings import GenerationSettings
from soundwright.services.generation.tiers import TIERS
from soundwright.services.ingest.settings import IngestSettings
from soundwright.services.ingest.worker import DownloadWorker
from soundwright.services.library.job_kinds import public_kinds
from soundwright.services.separation.export import ExportWorker
from soundwright.services.separation.lalalai.worker import LalalaiWorker
from soundwright.services.separation.pipeline import PipelineWorker
from soundwright.services.separation.settings import SeparationSettings
from soundwright.services.separation.worker import SeparationWorker

KINDS = [number for number in job_pb2.JobKind.values() if number]
TRACK = track_pb2.Track(id="t", title="Song", artist="Who", blob_key="t/original.mp3", size_bytes=9)
JOB_ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
HEX_ID = "0f8fad5bd9cb469fa16570867728950e"


def succeeded(kind: job_pb2.JobKind, **result: object) -> job_pb2.Job:
    outputs = [
        job_pb2.AudioOutput(
            job_id=JOB_ID, name=name, blob_key=f"k/{name}.flac", content_type="audio/flac", size_bytes=7
        )
        for name in ("lead_vocals", "drums")
    ]
    state = job_pb2.JOB_STATE_SUCCEEDED
    return job_pb2.Job(
        id=JOB_ID, kind=kind, track_id="t", state=state, result=job_pb2.JobResult(outputs=outputs, **result)  # type: ignore[arg-type]
    )  # fmt: skip


def test_every_kind_is_described_on_both_sides() -> None:
    assert list(JOB_KINDS) == KINDS
    types = {kind.word: kind.public_type for kind in JOB_KINDS.values()}
    assert {word: type for word, type in types.items() if word != type} == {"separation": "processing"}
    declared = public_kinds()
    assert {word: kind.type for word, kind in declared.items()} == types
    assert all(kind.output_path.startswith("/") for kind in declared.values())


@pytest.mark.parametrize(
    ("kind", "spec", "title"),
    [
        (
            job_pb2.JOB_KIND_DOWNLOAD,
            ingest_pb.DownloadSpec(song=ingest_service_pb2.Song(title="Song", artists=["A", "B"])),
            "Song, A, B",
        ),
        (job_pb2.JOB_KIND_DOWNLOAD, ingest_pb.DownloadSpec(song=ingest_service_pb2.Song(title="Song")), "Song"),
        (
            job_pb2.JOB_KIND_DOWNLOAD,
            ingest_pb.DownloadSpec(url="https://example.org/a.mp3"),
            "https://example.org/a.mp3",
        ),
        (job_pb2.JOB_KIND_GENERATION, generation_pb.GenerationSpec(prompt="rain"), "rain"),
        (job_pb2.JOB_KIND_BATCH, separation_pb.BatchSpec(track_ids=["a", "b"]), "2 tracks"),
        (job_pb2.JOB_KIND_BATCH, separation_pb.BatchSpec(track_ids=["a"]), "1 track"),
        (job_pb2.JOB_KIND_SEPARATION, separation_pb.SeparationSpec(model="dsp"), ""),
        (job_pb2.JOB_KIND_GENERATION, separation_pb.SeparationSpec(model="dsp"), ""),  # of another kind
    ],
)
def test_titles_come_from_specifications(kind: job_pb2.JobKind, spec: Message, title: str) -> None:
    assert job_kind(kind).title_of(job_pb2.Job(kind=kind, spec=pack(spec))) == title


@pytest.mark.parametrize(
    ("kind", "file"),
    [
        (job_pb2.JOB_KIND_DOWNLOAD, PublicFile("/files/downloads/t/who-song.mp3", 9)),
        (job_pb2.JOB_KIND_SEPARATION, PublicFile(f"/files/stems/{JOB_ID}/lead_vocals.flac", 7)),
        (job_pb2.JOB_KIND_ANALYSIS, PublicFile("/export/analysis/t")),
        (job_pb2.JOB_KIND_GENERATION, PublicFile(f"/audio/{HEX_ID}.wav", 11)),
        (job_pb2.JOB_KIND_PIPELINE, PublicFile(f"/download/{JOB_ID}/all")),
    ],
)
def test_the_file_of_a_result(kind: job_pb2.JobKind, file: PublicFile) -> None:
    job = succeeded(kind, clip=job_pb2.GeneratedClip(audio_blob_key="generations/a.wav", audio_size_bytes=11))
    assert job_kind(kind).result_file(job, TRACK) == file


def test_a_batch_has_the_model_of_its_jobs_and_no_files() -> None:
    spec = separation_pb.BatchSpec(parameters=separation_pb.SeparationParameters(model="dsp"))
    job = job_pb2.Job(id=JOB_ID, kind=job_pb2.JOB_KIND_BATCH, state=job_pb2.JOB_STATE_SUCCEEDED, spec=pack(spec))
    assert job_kind(job.kind).model_of(job) == "dsp"
    assert job_kind(job.kind).result_file(job, None) == PublicFile(f"/api/processing/batch/{JOB_ID}")


def test_a_deleted_track_has_no_file() -> None:
    assert job_kind(job_pb2.JOB_KIND_DOWNLOAD).result_file(succeeded(job_pb2.JOB_KIND_DOWNLOAD), None) == PublicFile()


class Anything:
    """All clients: each of their calls is ``call``."""

    def __init__(self, call: AsyncMock) -> None:
        self._call = call

    def __getattr__(self, name: str) -> Any:
        return self._call if name.startswith("Create") else self


async def test_every_kind_is_requested_again_with_a_key_of_its_own() -> None:
    again = job_pb2.Job(id="again", state=job_pb2.JOB_STATE_QUEUED)
    for kind in KINDS:
        answer = Mock(job=again, batch=again, jobs=[again], downloads=[Mock(job=again, existed=False)], existed=False)
        call = AsyncMock(return_value=answer)
        failed = job_pb2.BatchJob(track_id="t", state=job_pb2.JOB_STATE_FAILED)
        job = job_pb2.Job(id="first", kind=kind, track_id="t", state=job_pb2.JOB_STATE_FAILED)  # type: ignore[arg-type]
        job.batch.jobs.append(failed)
        assert await retry_job(Anything(call), job) == (again, False)
        assert call.call_args.args[0].idempotency_key == "retry:first", job_kind(kind).word


def test_a_running_download_downloads_and_others_process() -> None:
    words = {kind.word: status(job_pb2.Job(kind=number, state=job_pb2.JOB_STATE_RUNNING)) for number, kind in JOB_KINDS.items()}  # type: ignore[arg-type]  # fmt: skip
    assert {word for word, shown in words.items() if shown != "processing"} == {"download"}
    assert words["download"] == "downloading"


def test_a_kind_of_a_newer_release_is_shown_without_its_particulars() -> None:
    job = succeeded(job_pb2.JOB_KIND_PIPELINE)
    job.kind = 99  # type: ignore[assignment]
    assert (job_kind(99).title_of(job), status(job)) == ("", "completed")
    assert job_kind(99).result_file(job, None) == PublicFile()


def test_every_kind_limits_its_unfinished_jobs() -> None:
    def bare(worker: type[Any], **attributes: Any) -> Any:
        made = worker.__new__(worker)  # the descriptor needs no connection
        vars(made).update(attributes)
        return made

    separation = SeparationSettings()
    kinds = cast(
        list[JobKind[Any]],
        [
            bare(SeparationWorker).job_kind(separation), bare(PipelineWorker).job_kind(separation),
            bare(ExportWorker).job_kind(separation), bare(LalalaiWorker, settings=separation).job_kind(),
            bare(AnalysisWorker).job_kind(AnalysisSettings()), bare(DownloadWorker).job_kind(IngestSettings()),
        ],
    )  # fmt: skip
    for kind in kinds:
        assert all(0 < limit <= 20_000 for limit in dataclasses.astuple(kind.limits)), kind.kind
    # The tier of the caller limits generation.
    assert all(tier.pending_limit for tier in TIERS.values())
    assert GenerationSettings().generation_queue_limit
    # A batch counts as its jobs.
    others = {job_pb2.JOB_KIND_GENERATION, job_pb2.JOB_KIND_BATCH, job_pb2.JOB_KIND_UNSPECIFIED}
    assert {kind.kind for kind in kinds} | others == set(job_pb2.JobKind.values())


def test_the_headers_of_a_pipeline_job_hide_no_substitution() -> None:
    result = job_pb2.JobResult(engine="spleeter", model="spleeter", requested_model="htdemucs", degraded=True)
    assert engine_headers(job_pb2.Job(result=result)) == {
        "X-Soundwright-Engine": "spleeter", "X-Soundwright-Model": "spleeter",
        "X-Soundwright-Degraded": "htdemucs was requested",
    }  # fmt: skip
    assert engine_headers(job_pb2.Job()) == {}
