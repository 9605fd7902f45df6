"""Uploads: names that clients give to their files, the keys that come of them, and finishing; and the settings of ingest."""

import asyncio
import re
import unicodedata
import uuid
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mutagen.flac import FLAC

from soundwright.ingest.v1 import ingest_service_pb2 as pb
from soundwright.kit import audio
from soundwright.kit.adapters.filesystem.blobs import FileBlobs
from soundwright.kit.adapters.system.clock import SystemClock
from soundwright.kit.confined.audio import ConfinedAudio
from soundwright.kit.errors import AppError, Code
from soundwright.kit.security.identity import Principal, principal_scope
from soundwright.kit.settings import SettingsError, load
from soundwright.library.v1 import library_service_pb2
from soundwright.services.ingest.app import purge
from soundwright.services.ingest.direct_uploads import DIRECT_FOLDER, DirectUpload, DirectUploads
from soundwright.services.ingest.rpc import IngestRpc
from soundwright.services.ingest.service import (
    clean_filename,
    new_upload_id,
    require_container,
    staging_key,
    title_of,
    upload_key,
    upload_track_id,
)
from soundwright.services.ingest.settings import IngestSettings
from tests.unit.ingest.test_ingest_encoding import tone, written


@pytest.mark.parametrize(
    ("given_name", "clean"),
    [
        ("song.mp3", "song.mp3"),
        ("My Song (live) [2024].flac", "My Song (live) [2024].flac"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\windows\\song.wav", "song.wav"),
        ("/abs/olute/song.wav", "song.wav"),
        ("C:\\Users\\me\\song.wav", "song.wav"),
        ("a\x00b.mp3", "ab.mp3"),
        ("a\r\nSet-Cookie: x.mp3", "aSet-Cookie: x.mp3"),
        ("..", "untitled"),
        ("", "untitled"),
        ("   ", "untitled"),
        ("...", "untitled"),
        ("folder/", "untitled"),
        (".hidden.mp3", "hidden.mp3"),
        ("  padded.mp3  ", "padded.mp3"),
        (" . .odd. . ", "odd"),
        ("🎵 song 🎶.mp3", "🎵 song 🎶.mp3"),
        ("نشيد.mp3", "نشيد.mp3"),
        ("evil\u202e3pm.exe", "evil3pm.exe"),  # would show as evilexe.mp3
        ("zero\u200bwidth\ufeff.mp3", "zerowidth.mp3"),
        ("two\u2028lines\u2029.mp3", "twolines.mp3"),
        ("Cafe\u0301.mp3", "Café.mp3"),
        ("a" * 300 + ".mp3", "a" * 196 + ".mp3"),
        ("🎵" * 300 + ".flac", "🎵" * 195 + ".flac"),
        ("a" * 300, "a" * 200),
        ("a." + "b" * 300, "a." + "b" * 198),
    ],
    ids=ascii,
)
def test_names_become_one_harmless_line(given_name: str, clean: str) -> None:
    assert clean_filename(given_name) == clean


@given(st.text(max_size=400))
@example("e\x00\u0301")
@example("a" * 199 + " b")
@example("a" * 195 + ". .mp3")
@example("\u2028.\u2029")
@example("." * 300 + "x")
def test_any_name_is_made_harmless(name: str) -> None:
    clean = clean_filename(name)
    assert 1 <= len(clean) <= 200
    assert len(clean.splitlines()) == 1
    assert not re.search(r"[/\\]", clean)
    assert not any(unicodedata.category(character)[0] == "C" for character in clean)
    assert clean == clean.strip()
    assert clean[0] != "."
    assert clean[-1] != "."
    assert clean_filename(clean) == clean
    clean.encode()  # no lone surrogates


@given(st.text(max_size=100))
def test_any_name_gives_a_title(name: str) -> None:
    title = title_of(clean_filename(name))
    assert title == title.strip() != ""


@pytest.mark.parametrize(
    ("filename", "title"),
    [
        ("My_Song.mp3", "My Song"),
        ("a.b.wav", "a.b"),
        ("song", "song"),
        ("_.mp3", "untitled"),
        (".mp3", "untitled"),
        ("Mr. Brightside", "Mr. Brightside"),
        ("St. Anger.WAV", "St. Anger"),
        ("R.E.M. - Losing", "R.E.M. - Losing"),
    ],
)
def test_title_of(filename: str, title: str) -> None:
    assert title_of(filename) == title


def test_upload_ids_give_keys() -> None:
    upload_id = new_upload_id()
    assert new_upload_id() != upload_id
    assert staging_key(upload_id) == f"uploads/{upload_id}"
    assert upload_key("track-1", upload_id, "flac") == f"tracks/track-1/{upload_id}/original.flac"


def test_an_idempotency_key_of_an_owner_leads_to_one_track() -> None:
    first = upload_track_id("upload-1", "ann", "key")
    assert upload_track_id("upload-2", "ann", "key") == first
    assert len({first, upload_track_id("upload-1", "bob", "key"), upload_track_id("upload-1", "ann", "other")}) == 3
    assert upload_track_id("upload-1", "ann", "") == "upload-1"


@pytest.mark.parametrize(
    "upload_id",
    [
        "", "..", "../secret", "x", "00000000-0000-0000-0000-000000000000", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11/..", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\n", "a0eebc99",
    ],
)  # fmt: skip
def test_other_ids_are_unknown_uploads(upload_id: str) -> None:
    with pytest.raises(AppError, match=r"^UPLOAD_NOT_FOUND") as refusal:
        staging_key(upload_id)
    assert refusal.value.code is Code.NOT_FOUND


def test_containers_are_checked_only_where_some_are_named() -> None:
    require_container("wav", [])
    require_container("wav", ["mp3", "wav"])
    with pytest.raises(AppError, match=r"^AUDIO_FORMAT_NOT_ALLOWED: .*mp3, wav") as refusal:
        require_container("ogg", ["mp3", "wav"])
    assert refusal.value.code is Code.UNPROCESSABLE


class Library:
    """Stores tracks, or raises an error instead."""

    def __init__(self, error: AppError | None = None) -> None:
        self._error = error
        self.tracks: list[Any] = []

    async def CreateTrack(self, request: Any) -> Any:
        if self._error:
            raise self._error
        self.tracks.append(request.track)
        return request

    async def GetTrack(self, request: Any) -> Any:
        for track in self.tracks:
            if track.id == request.track_id:
                return library_service_pb2.GetTrackResponse(track=track)
        raise AppError(Code.NOT_FOUND, "TRACK_NOT_FOUND", "There is no such track.")


class Slow(Library):
    """Stores no track before another replica has stored it."""

    def __init__(self) -> None:
        super().__init__()
        self.called, self.may_store = asyncio.Event(), asyncio.Event()

    async def CreateTrack(self, request: Any) -> Any:
        self.called.set()
        await self.may_store.wait()
        return request


class Arrived:
    """An upload in parts, all of which have arrived. The store puts them together."""

    def __init__(self, blobs: FileBlobs, file: Path) -> None:
        self._blobs, self._file = blobs, file
        self.upload: DirectUpload | None = DirectUpload(str(uuid.uuid4()), "ann", "song.wav", 1, 1, "", 0.0)

    async def get(self, owner_id: str, upload_id: str) -> DirectUpload:
        if self.upload is None:
            raise AppError(Code.NOT_FOUND, "UPLOAD_NOT_FOUND", "There is no such upload.")
        return self.upload

    async def assemble(self, upload: DirectUpload) -> None:
        if self._file.exists():
            await self._blobs.put_file(staging_key(upload.id), self._file)
            self._file.unlink(missing_ok=True)

    async def forget(self, upload: DirectUpload) -> None:
        self.upload = None

    async def abort(self, upload: DirectUpload) -> None:
        await self._blobs.delete(staging_key(upload.id))
        self.upload = None


def ingest_of(library: Library, arrived: Arrived, blobs: FileBlobs, scratch: Path) -> IngestRpc:
    nothing, reader = cast(Any, None), ConfinedAudio(audio.AudioLimits(), 1, scratch)
    uploads, tracks = cast(Any, arrived), cast(Any, library)
    return IngestRpc(blobs, tracks, uploads, reader, nothing, nothing, nothing, False, 1 << 20, scratch)


async def test_calls_that_complete_an_upload_at_once_return_its_track(tmp_path: Path) -> None:
    blobs, nothing, library = FileBlobs(tmp_path / "blobs"), cast(Any, None), Library()
    arrived = Arrived(blobs, written(tmp_path / "song", tone(0.5)))
    ingest = ingest_of(library, arrived, blobs, tmp_path)
    assert arrived.upload is not None
    wanted = pb.FinishDirectUploadRequest(upload_id=arrived.upload.id)
    with principal_scope(Principal("ann", "user")):
        answers = await asyncio.gather(*(ingest.FinishDirectUpload(wanted, nothing) for _ in range(4)))
        with pytest.raises(AppError, match="UPLOAD_NOT_FOUND"):
            await ingest.AbortDirectUpload(pb.AbortDirectUploadRequest(upload_id=wanted.upload_id), nothing)
    assert [answer.track.id for answer in answers] == [wanted.upload_id] * 4
    assert len(library.tracks) == 1
    await blobs.close()


async def test_a_replica_completes_an_upload_whose_file_another_one_has_moved(tmp_path: Path) -> None:
    """The other one may still store the track, or may have stopped before."""
    blobs, nothing, slow, library = FileBlobs(tmp_path / "blobs"), cast(Any, None), Slow(), Library()
    arrived = Arrived(blobs, written(tmp_path / "song", tone(0.5)))
    assert arrived.upload is not None
    wanted = pb.FinishDirectUploadRequest(upload_id=arrived.upload.id)
    with principal_scope(Principal("ann", "user")):
        first = asyncio.create_task(ingest_of(slow, arrived, blobs, tmp_path).FinishDirectUpload(wanted, nothing))
        await slow.called.wait()
        second = await ingest_of(library, arrived, blobs, tmp_path).FinishDirectUpload(wanted, nothing)
        slow.may_store.set()
        assert (await first).track == second.track == library.tracks[0]
    assert await blobs.stat(second.track.blob_key) is not None
    await blobs.close()


@pytest.mark.parametrize(
    ("code", "kept"), [(Code.UNAVAILABLE, True), (Code.TIMEOUT, True), (Code.INVALID_ARGUMENT, False)]
)
async def test_a_file_whose_track_may_be_stored_is_kept(tmp_path: Path, code: Code, kept: bool) -> None:
    blobs, reader = FileBlobs(tmp_path / "blobs"), ConfinedAudio(audio.AudioLimits(), 1, tmp_path)
    nothing = cast(Any, None)
    library = cast(Any, Library(AppError(code, "X", "x")))
    ingest = IngestRpc(blobs, library, nothing, reader, nothing, nothing, nothing, False, 1 << 20, tmp_path)
    upload_id = str(uuid.uuid4())
    await blobs.put_file(staging_key(upload_id), written(tmp_path / "song", tone(0.5)))
    with pytest.raises(AppError, match="X: x"), principal_scope(Principal("ann", "user")):
        await ingest.FinishUpload(pb.FinishUploadRequest(upload_id=upload_id, filename="song.wav"), nothing)
    assert await blobs.keys("uploads/") == []
    assert {key.split("/")[1] for key in await blobs.keys("tracks/")} == ({upload_id} if kept else set())
    await blobs.close()


@pytest.mark.parametrize(
    ("given", "expected"),
    [({}, ("Tagged", "Anna, Bert", "")), ({"title": " Mine ", "album": "B"}, ("Mine", "Anna, Bert", "B"))],
)
async def test_uploads_take_their_names_from_tags(
    tmp_path: Path, given: dict[str, str], expected: tuple[str, str, str]
) -> None:
    blobs, reader = FileBlobs(tmp_path / "blobs"), ConfinedAudio(audio.AudioLimits(), 1, tmp_path)
    nothing, library = cast(Any, None), Library()
    ingest = IngestRpc(blobs, cast(Any, library), nothing, reader, nothing, nothing, nothing, False, 1 << 20, tmp_path)
    song, upload_id = written(tmp_path / "song", tone(0.5), format="FLAC"), str(uuid.uuid4())
    file = FLAC(song)
    file["title"], file["artist"] = "Tagged", ["Anna", "Bert"]
    file.save()
    await blobs.put_file(staging_key(upload_id), song)
    with principal_scope(Principal("ann", "user")):
        await ingest.FinishUpload(pb.FinishUploadRequest(upload_id=upload_id, filename="01.flac", **given), nothing)
    (track,) = library.tracks
    assert (track.title, track.artist, track.album) == expected
    await blobs.close()


def test_allowed_hosts_are_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOUNDWRIGHT_FETCH_ALLOW_HOSTS", "media.internal, 10.0.0.1:9000 ,,[fd00::1]:80")
    assert load(IngestSettings).fetch_allow_hosts == ("media.internal", "10.0.0.1:9000", "[fd00::1]:80")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("FETCH_ALLOW_HOSTS", host) for host in ("http://a.b", "a.b/path", "a.b:port", "user@a.b")),
        ("FETCH_SEARCH_URL", "https://search.internal/"),
        ("COLLECTION_LIMIT", "0"),
    ],
)
def test_errors_name_the_invalid_setting(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"SOUNDWRIGHT_{name}", value)
    with pytest.raises(SettingsError, match=f"SOUNDWRIGHT_{name}"):
        load(IngestSettings)


def test_settings_do_not_show_the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOUNDWRIGHT_SPOTIFY_CLIENT_SECRET", "very secret")
    settings = load(IngestSettings)
    assert "very secret" not in repr(settings) + str(settings.model_dump())


async def test_an_upload_with_a_damaged_record_keeps_no_other_from_being_deleted(tmp_path: Path) -> None:
    blobs, clock = FileBlobs(tmp_path), SystemClock()
    damaged, abandoned = f"{DIRECT_FOLDER}someone/{new_upload_id()}", f"uploads/{new_upload_id()}"
    for key in (damaged, abandoned):
        async with blobs.write(key) as writer:
            await writer.write(b"{")
    assert await purge(blobs, DirectUploads(blobs, clock, 1, keep_seconds=-1.0), clock) == 1
    assert await blobs.keys("uploads/") == [damaged]
