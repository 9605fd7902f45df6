"""Messages of the library and its values say the same."""

import dataclasses

import pytest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from soundwright.kit.errors import AppError
from soundwright.kit.messages import from_wire, time_from_wire, to_wire, word_from_wire
from soundwright.library.v1 import (
    account_pb2,
    catalog_service_pb2,
    generation_pb2,
    job_pb2,
    library_service_pb2,
    track_pb2,
)
from soundwright.services.library.catalog.records import Clip
from soundwright.services.library.identity.account import Account
from soundwright.services.library.jobs.queue import Queue
from soundwright.services.library.jobs.service import (
    AudioOutput,
    GeneratedClip,
    Interpretation,
    Job,
    JobError,
    JobResult,
    JobState,
    NewTrack,
    PackedMessage,
    Priority,
    Stage,
)
from soundwright.services.library.tracks.records import PendingDownload, Track
from soundwright.services.library.tracks.service import Analysis

CLIP = Clip(
    id="j", owner_id="ann", prompt="rain", model="audio", duration_seconds=5.5, seed=2**40, quality_score=0,
    quality_issues=["noise"], quality_accepted=False, create_time=1_700_000_000.25,
)  # fmt: skip
OUTPUT = AudioOutput(
    id="o", name="vocals", blob_key="k", content_type="audio/flac", size_bytes=2**33, sample_rate_hz=44100,
    channel_count=2, frame_count=7, peak=0.5, clipped_sample_count=1, job_id="j", track_id="t", owner_id="ann",
    path="p", create_time=1_700_000_000.5,
)  # fmt: skip
PACKED = PackedMessage("type.googleapis.com/test.Details", "AP8=")  # the bytes 0 and 255
RESULT = JobResult(
    engine="e", model="m", degraded=True, requested_model="r", degraded_reason="why", compute_seconds=1.5,
    outputs=[OUTPUT], details=PACKED, outputs_are_stems=True, analysis_json='{"tempo": 120.5}',
    clip=GeneratedClip(
        "rain", 5.5, seed=2**40, quality_score=0, quality_accepted=False, interpretation=Interpretation(sounds=["rain"])
    ), mix=OUTPUT,
)  # fmt: skip
JOB = Job(
    id="j", kind="generation", owner_id="ann", track_id="t", state=JobState.SUCCEEDED, priority=Priority.FREE,
    spec=PACKED, output_folder="stems", creates_track=True, public_spec=True, attempt_limit=3, queue="s", correlation_id="c", create_time=1_700_000_000.125,
    fingerprint="", idempotency_key="k", affinity="audio", work_seconds=5.5, attempt=2, progress_ratio=0.5,
    progress_message="m", stages=[Stage("split", "dsp", JobState.RUNNING, 1.0, None, "x")], result=RESULT,
    error=JobError("R", "m"), cancel_requested=True, start_time=1_700_000_001.0, finish_time=1_700_000_002.0,
)  # fmt: skip
TRACK = Track(
    id="t", owner_id="ann", title="t", artist="a", album="b", source="manual", filename="f", blob_key="k",
    content_type="audio/wav", content_sha256="0", size_bytes=1, container="wav", codec="pcm", sample_rate_hz=44100,
    channel_count=2, frame_count=1, duration_seconds=1.5, warnings=["w"], create_time=1.0, update_time=2.0,
)  # fmt: skip
PENDING = dataclasses.replace(
    TRACK, blob_key="", pending_download=PendingDownload("j", JobState.FAILED, 0.5, JobError("R", "m"))
)
NEW_TRACK = NewTrack("t", "a", "b", "spotify", "s", "https://spotify", "https://cover", 2.5)
ANALYSIS = Analysis("t", "j", "ann", "e", 1.0, 3.0, "{}")
VALUES: list[tuple[object, type[Message]]] = [
    (TRACK, track_pb2.Track), (PENDING, track_pb2.Track), (NEW_TRACK, track_pb2.NewTrack), (OUTPUT, job_pb2.AudioOutput),
    (RESULT, job_pb2.JobResult), (CLIP, generation_pb2.Generation),
    (Stage("split", "dsp", JobState.RUNNING, 1.0, None, "x"), job_pb2.Stage), (JobError("R", "m"), job_pb2.JobError),
]  # fmt: skip


@pytest.mark.parametrize(("value", "kind"), VALUES)
def test_nothing_is_lost_on_the_way(value: object, kind: type[Message]) -> None:
    message = to_wire(value, kind)
    assert from_wire(kind.FromString(message.SerializeToString()), type(value)) == value


@pytest.mark.parametrize(
    ("value", "kind"),
    [*VALUES, (ANALYSIS, track_pb2.Analysis), (JOB, job_pb2.Job), (Queue([], [], 0, 0.0), library_service_pb2.GetQueueResponse)],
)  # fmt: skip
def test_every_field_of_a_message_is_a_field_of_the_value(value: object, kind: type[Message]) -> None:
    assert {field.name for field in kind.DESCRIPTOR.fields} <= {field.name for field in dataclasses.fields(value)}  # type: ignore[arg-type]


def test_a_secret_is_no_field_of_a_message() -> None:
    account = to_wire(Account("a", "e", "user", "active", "secret", 1.0), account_pb2.Account)
    assert b"secret" not in account.SerializeToString()


def test_a_job_is_told_in_full() -> None:
    message = to_wire(JOB, job_pb2.Job)
    assert (message.kind, message.state, message.priority) == (
        job_pb2.JOB_KIND_GENERATION, job_pb2.JOB_STATE_SUCCEEDED, job_pb2.PRIORITY_FREE,
    )  # fmt: skip
    assert (message.affinity, message.work_seconds, message.idempotency_key) == ("audio", 5.5, "k")
    assert message.create_time.ToNanoseconds() == 1_700_000_000_125_000_000
    assert message.result == to_wire(RESULT, job_pb2.JobResult)
    assert (message.spec.type_url, message.spec.value) == ("type.googleapis.com/test.Details", b"\x00\xff")
    assert (message.error.reason, message.stages[0].state) == ("R", job_pb2.JOB_STATE_RUNNING)


def test_what_is_absent_stays_absent() -> None:
    message = to_wire(dataclasses.replace(JOB, result=None, error=None, start_time=None), job_pb2.Job)
    assert [message.HasField(name) for name in ("result", "error", "start_time", "finish_time")] == [False] * 3 + [True]
    silent = dataclasses.replace(CLIP, quality_score=None, rating=None)
    assert from_wire(to_wire(silent, generation_pb2.Generation), Clip) == silent


def test_an_unspecified_or_unknown_enum_is_the_default() -> None:
    assert from_wire(job_pb2.Stage(name="split", state=99), Stage) == Stage("split", "")  # type: ignore[arg-type]
    assert word_from_wire(job_pb2.Priority.DESCRIPTOR, 0) is None
    assert word_from_wire(job_pb2.Priority.DESCRIPTOR, 99) is None
    assert word_from_wire(job_pb2.Priority.DESCRIPTOR, job_pb2.PRIORITY_FREE) == "free"


@pytest.mark.parametrize(
    "fields", [{"seconds": -(2**63)}, {"seconds": 2**62}, {"nanos": -1}, {"nanos": 10**9}], ids=str
)
def test_a_time_that_is_none_is_refused(fields: dict[str, int]) -> None:
    request = catalog_service_pb2.ListMostPlayedRequest(min_play_time=Timestamp(**fields))
    with pytest.raises(AppError, match="min_play_time must be a time") as refusal:
        time_from_wire(request, "min_play_time")
    assert refusal.value.reason == "FIELD_INVALID"
    with pytest.raises(AppError, match="create_time must be a time") as refusal:
        from_wire(track_pb2.Track(create_time=Timestamp(**fields)), Track)
    assert refusal.value.reason == "FIELD_INVALID"


def test_a_message_that_lacks_a_field_is_refused_with_its_name() -> None:
    message = track_pb2.Track(pending_download=track_pb2.PendingDownload(job_id="x"))
    with pytest.raises(AppError, match=r"pending_download\.state is invalid: Field required") as refusal:
        from_wire(message, Track)
    assert refusal.value.reason == "FIELD_INVALID"
