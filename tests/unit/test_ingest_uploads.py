"""Finishing an upload while the library fails: a file is deleted only if no track can refer to it."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any, cast

import pytest
from soundwright.ingest.v1 import ingest_service_pb2 as pb

from kit import audio
from kit.adapters.filesystem.blobs import FileBlobs
from kit.confined.audio import ConfinedAudio
from kit.errors import AppError, Code
from kit.security.identity import Principal, principal_scope
from services.ingest.rpc import IngestRpc
from services.ingest.service import staging_key
from tests.unit.test_ingest_encoding import tone, written


class Library:
    """Has no tracks, and raises the error instead of storing one."""

    def __init__(self, error: AppError) -> None:
        self._error = error

    async def CreateTrack(self, request: Any) -> Any:
        raise self._error

    async def GetTrack(self, request: Any) -> Any:
        raise AppError(Code.NOT_FOUND, "TRACK_NOT_FOUND", "There is no such track.")


@pytest.mark.parametrize(
    ("code", "kept"), [(Code.UNAVAILABLE, True), (Code.TIMEOUT, True), (Code.INVALID_ARGUMENT, False)]
)
async def test_a_file_whose_track_may_be_stored_is_kept(tmp_path: Path, code: Code, kept: bool) -> None:
    blobs, reader = FileBlobs(tmp_path / "blobs"), ConfinedAudio(audio.AudioLimits(), 1, tmp_path)
    nothing = cast(Any, None)
    library = cast(Any, Library(AppError(code, "X", "x")))
    ingest = IngestRpc(blobs, library, nothing, reader, nothing, nothing, nothing, 1 << 20)
    upload_id = str(uuid.uuid4())
    await blobs.put_file(staging_key(upload_id), written(tmp_path / "song", tone(0.5)))
    with pytest.raises(AppError, match="X: x"), principal_scope(Principal("ann", "user")):
        await ingest.FinishUpload(pb.FinishUploadRequest(upload_id=upload_id, filename="song.wav"), nothing)
    assert await blobs.keys("uploads/") == []
    assert [key.split("/")[1] for key in await blobs.keys("tracks/")] == ([upload_id] if kept else [])
    await blobs.close()
