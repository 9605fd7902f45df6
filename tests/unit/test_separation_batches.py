"""Requests for batches of separations: which are refused, and that a refusal names the tracks."""

from __future__ import annotations

import pytest
from google.protobuf.message import Message
from soundwright.library.v1 import library_service_pb2
from soundwright.separation.v1 import jobs_pb2
from soundwright.separation.v1 import separation_service_pb2 as pb

from kit.errors import AppError, Code
from services.separation.batches import requests_of, require_tracks, spec_of

AUTO = jobs_pb2.SeparationParameters(model="auto", quality="best", format="wav16", stems=["vocals"])


class Tracks:
    """The tracks of the library, and what it answers for each."""

    def __init__(self, **refusals: AppError) -> None:
        self.refusals = refusals
        self.asked: list[str] = []

    async def GetTrack(self, request: library_service_pb2.GetTrackRequest) -> library_service_pb2.GetTrackResponse:
        assert request.needs_audio
        self.asked.append(request.track_id)
        if refusal := self.refusals.get(request.track_id):
            raise refusal
        return library_service_pb2.GetTrackResponse()


MISSING = AppError(Code.NOT_FOUND, "TRACK_NOT_FOUND", "It is refused.")
FOREIGN = AppError(Code.PERMISSION_DENIED, "ACCESS_DENIED", "It is refused.")
SILENT = AppError(Code.CONFLICT, "AUDIO_NOT_READY", "It is refused.")
AWAY = AppError(Code.UNAVAILABLE, "SERVICE_UNAVAILABLE", "It is refused.")


def test_each_track_gets_a_request_with_all_parameters() -> None:
    batch = pb.CreateBatchRequest(parameters=AUTO, track_ids=["a", "b"], idempotency_key="k")
    assert requests_of(batch) == [
        pb.CreateJobRequest(track_id="a", model="auto", quality="best", format="wav16", stems=["vocals"]),
        pb.CreateJobRequest(track_id="b", model="auto", quality="best", format="wav16", stems=["vocals"]),
    ]
    assert spec_of(batch) == jobs_pb2.BatchSpec(parameters=AUTO, track_ids=["a", "b"])


def test_a_batch_takes_every_parameter_of_a_separation() -> None:
    def fields(message: type[Message]) -> dict[str, tuple[object, ...]]:
        return {
            field.name: (field.number, field.type, field.is_repeated, field.message_type)
            for field in message.DESCRIPTOR.fields
            if field.name not in ("track_id", "idempotency_key")
        }

    assert fields(jobs_pb2.SeparationParameters) == fields(pb.CreateJobRequest)


def test_a_field_with_the_number_of_the_track_changes_nothing() -> None:
    forged = pb.CreateJobRequest(track_id="x", idempotency_key="y", model="dsp").SerializeToString()
    batch = pb.CreateBatchRequest(parameters=jobs_pb2.SeparationParameters.FromString(forged), track_ids=["a"])
    assert requests_of(batch) == [pb.CreateJobRequest(track_id="a", model="dsp")]


@pytest.mark.parametrize(
    "wrong",
    [
        pb.CreateBatchRequest(),
        pb.CreateBatchRequest(track_ids=["a", "a"]),
        pb.CreateBatchRequest(track_ids=["a", ""]),
        pb.CreateBatchRequest(track_ids=[str(number) for number in range(101)]),
    ],
)
def test_a_request_that_is_no_batch_is_refused(wrong: pb.CreateBatchRequest) -> None:
    with pytest.raises(AppError, match=r"batch") as refusal:
        requests_of(wrong)
    assert (refusal.value.reason, refusal.value.http_status) == ("BATCH_INVALID", 400)


@pytest.mark.parametrize(
    ("refusals", "reason", "status", "named", "words"),
    [
        ({"b": SILENT, "c": MISSING, "d": FOREIGN}, "TRACK_NOT_FOUND", 404, ["c", "d"], "c, d"),
        ({"b": SILENT}, "AUDIO_NOT_READY", 409, ["b"], "b"),
        ({f"t{n}": MISSING for n in range(12)}, "TRACK_NOT_FOUND", 404, [f"t{n}" for n in range(12)], "t9 and 2 more."),
        ({"b": AWAY}, "SERVICE_UNAVAILABLE", 503, None, "refused"),
    ],
)
async def test_all_tracks_are_checked_and_those_without_audio_are_named(
    refusals: dict[str, AppError], reason: str, status: int, named: list[str] | None, words: str
) -> None:
    tracks = Tracks(**refusals)
    with pytest.raises(AppError, match=words) as refusal:
        await require_tracks(tracks, ["a", *refusals])  # type: ignore[arg-type]
    assert named is None or sorted(tracks.asked) == sorted(["a", *refusals])
    assert (refusal.value.reason, refusal.value.http_status) == (reason, status)
    assert refusal.value.meta == ({"details": {"track_ids": named}} if named else {})


async def test_usable_tracks_pass() -> None:
    await require_tracks(Tracks(), ["a", "b"])  # type: ignore[arg-type]
