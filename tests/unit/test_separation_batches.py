"""Requests for batches of separations: which are refused, and that a refusal names the tracks."""

from __future__ import annotations

import pytest
from soundwright.library.v1 import library_service_pb2, track_pb2

from kit.errors import AppError, Code
from services.separation.batches import usable_tracks


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
        return library_service_pb2.GetTrackResponse(track=track_pb2.Track(id=request.track_id))


MISSING = AppError(Code.NOT_FOUND, "TRACK_NOT_FOUND", "It is refused.")
FOREIGN = AppError(Code.PERMISSION_DENIED, "ACCESS_DENIED", "It is refused.")
SILENT = AppError(Code.CONFLICT, "AUDIO_NOT_READY", "It is refused.")
AWAY = AppError(Code.UNAVAILABLE, "SERVICE_UNAVAILABLE", "It is refused.")


@pytest.mark.parametrize("wrong", [[], ["a", "a"], ["a", ""], [str(number) for number in range(101)]])
async def test_a_request_that_is_no_batch_is_refused(wrong: list[str]) -> None:
    with pytest.raises(AppError, match=r"batch") as refusal:
        await usable_tracks(Tracks(), wrong)  # type: ignore[arg-type]
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
        await usable_tracks(tracks, ["a", *refusals])  # type: ignore[arg-type]
    assert named is None or sorted(tracks.asked) == sorted(["a", *refusals])
    assert (refusal.value.reason, refusal.value.http_status) == (reason, status)
    assert refusal.value.meta.get("details") == ({"track_ids": named} if named else None)


async def test_usable_tracks_are_returned_in_their_order() -> None:
    found = await usable_tracks(Tracks(), ["b", "a"])  # type: ignore[arg-type]
    assert [track.id for track in found] == ["b", "a"]
