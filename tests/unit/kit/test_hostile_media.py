"""Hostile recordings: they neither block nor fill the service that reads them."""

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from soundwright.kit import audio, free_space
from soundwright.kit.adapters.filesystem.blobs import FileBlobs
from soundwright.kit.confined.audio import ConfinedAudio
from soundwright.kit.errors import AppError, Code
from soundwright.services.ingest.own_tags import own_tags
from soundwright.services.separation.mixes import Mixes
from tests import broken_media

PROBES = "tests.unit.confined_probes"


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[ConfinedAudio]:
    """A reader that leaves nothing behind."""
    (tmp_path / "scratch").mkdir()
    yield ConfinedAudio(audio.AudioLimits(), 1, tmp_path / "scratch", cpu_seconds=1)
    assert list((tmp_path / "scratch").iterdir()) == []


async def is_too_complex(reading: Awaitable[object]) -> bool:
    with pytest.raises(AppError) as refused:
        await reading
    return (refused.value.code, refused.value.reason) == (Code.UNPROCESSABLE, "AUDIO_TOO_COMPLEX")


@pytest.mark.parametrize(
    ("write", "container"),
    [
        (lambda path: broken_media.id3_frames(path, 200_000), "mp3"),
        (lambda path: broken_media.compressed_id3(path, 16 << 20, count=20), "mp3"),  # it is not unpacked
        (lambda path: broken_media.flac_comments(path, 100), "flac"),
    ],
)
async def test_the_audio_of_files_with_many_tags_is_accepted(
    reader: ConfinedAudio, tmp_path: Path, write: Callable[[Path], Path], container: str
) -> None:
    path = write(tmp_path / "song")
    recording = await reader.examine(path)
    assert (recording.container, recording.size_bytes) == (container, path.stat().st_size)
    assert 0 < recording.summary.duration_seconds < 1


async def test_tags_beyond_the_limits_count_as_none(tmp_path: Path) -> None:
    path = broken_media.compressed_id3(tmp_path / "song", 192 << 20, count=8)
    assert path.stat().st_size < 16 << 20
    assert (await own_tags(path, tmp_path)).title == ""


async def test_a_flac_file_with_900_000_comments_is_refused(reader: ConfinedAudio, tmp_path: Path) -> None:
    path = broken_media.flac_comments(tmp_path / "song", 900_000)
    assert await is_too_complex(reader.examine(path))
    with pytest.raises(AppError, match="AUDIO_TOO_COMPLEX"):  # also without a process: nothing else reads the comments
        audio.probe(path)


@pytest.mark.parametrize("write", [broken_media.wav_id3, broken_media.wav_info])
async def test_tags_in_chunks_do_not_keep_the_audio_from_being_read(
    write: Any, reader: ConfinedAudio, tmp_path: Path
) -> None:
    path = write(tmp_path / "song", 100_000)
    assert (await reader.examine(path)).summary.frame_count > 0
    assert (await own_tags(path, tmp_path)).artist == ""


@pytest.mark.parametrize("number", [9, 11])
async def test_a_file_that_kills_its_reader_is_refused(reader: ConfinedAudio, tmp_path: Path, number: int) -> None:
    assert await is_too_complex(reader.run(f"{PROBES}:die_with_limits", {"number": number}, tmp_path))


async def test_a_reader_that_was_killed_from_outside_is_started_once_more(
    reader: ConfinedAudio, tmp_path: Path
) -> None:
    assert await reader.run(f"{PROBES}:die_once", {}, tmp_path) == "alive"


async def test_a_hostile_stem_of_a_mix_is_refused_by_name(reader: ConfinedAudio, tmp_path: Path) -> None:
    nothing: Any = None
    mixes = Mixes(processes=nothing, reader=reader, blobs=nothing, tracks=nothing, jobs=nothing, scratch=tmp_path)
    for path in (
        broken_media.flac_comments(tmp_path / "tags", 900_000),
        _written(tmp_path / "text", b"no audio at all"),
    ):
        with pytest.raises(AppError, match="VALIDATION_ERROR") as refused:
            await mixes._frame_count("drums.wav", path, lambda share: None)
        assert refused.value.meta["details"]["stems[]"][0].startswith("drums.wav: ")


# Expansion: small files of many samples.


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_the_default_limits_refuse_four_hours_at_384_khz_with_8_channels(tmp_path: Path) -> None:
    path = broken_media.silence(tmp_path / "song", 1, 384_000, 8)
    broken_media.promise(path, 4 * 3600 * 384_000)
    assert path.stat().st_size < 100_000
    with pytest.raises(AppError, match="AUDIO_TOO_LARGE"):
        audio.probe(path)


@pytest.mark.parametrize("promised", [None, 0, 1000], ids=["honest", "silent", "lying"])
async def test_frames_times_channels_are_limited(tmp_path: Path, promised: int | None) -> None:
    (tmp_path / "scratch").mkdir()
    reader = ConfinedAudio(audio.AudioLimits(max_sample_count=1_000_000), 1, tmp_path / "scratch")
    path = broken_media.silence(tmp_path / "song", 20, 8_000, 8)  # 1,280,000 samples
    if promised is not None:
        broken_media.promise(path, promised)
    assert path.stat().st_size < 20_000
    with pytest.raises(AppError) as refused:
        await reader.examine(path)
    assert (refused.value.code, refused.value.reason) == (Code.UNPROCESSABLE, "AUDIO_TOO_LARGE")
    decoded: list[int] = []
    with pytest.raises(AppError, match="AUDIO_TOO_LARGE"):
        decoded.extend(block.size for block in audio.decode_blocks(path, reader.limits))
    assert sum(decoded) <= 1_000_000


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the disk have less free space than jobs and uploads must leave."""
    monkeypatch.setattr(free_space, "_FLOOR_BYTES", 1 << 60)


@pytest.mark.usefixtures("full_disk")
def test_no_writer_crosses_the_floor_of_free_space(tmp_path: Path) -> None:
    for encoding in ("flac", "wav16", "wav32f"):
        with (
            pytest.raises(AppError, match="STORAGE_FULL"),
            audio.AudioWriter(tmp_path / "out", 8_000, 1, encoding) as writer,  # type: ignore[arg-type]
        ):
            writer.write(np.zeros((1, 1000), np.float32))
        assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("full_disk")
async def test_no_upload_crosses_the_floor_of_free_space(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path / "blobs")
    with pytest.raises(AppError, match="STORAGE_FULL"):
        async with blobs.write("uploads/a") as writer:
            await writer.write(b"x")
    assert await blobs.keys("") == []
    assert list((tmp_path / "blobs" / ".partial").iterdir()) == []


def test_free_space_is_checked_again_while_a_file_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checks: list[Path] = []
    monkeypatch.setattr(free_space, "require_free_space", lambda folder, least_bytes: checks.append(folder))
    space = free_space.FreeSpace(tmp_path)
    for _ in range(64):
        space.use(1 << 20)
    assert 4 <= len(checks) <= 5
