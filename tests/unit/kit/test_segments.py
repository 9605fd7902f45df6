"""Segments of a stored recording are complete files, which together are the recording."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from soundwright.kit.audio import AudioWriter, Encoding, Waveform, encode_segment, regroup, stored_waveform
from soundwright.kit.errors import AppError, Code

ENCODINGS: list[Encoding] = ["flac", "flac16", "wav16", "wav24", "wav32f"]
BITS = {"flac": "PCM_24", "flac16": "PCM_16", "wav16": "PCM_16", "wav24": "PCM_24", "wav32f": "FLOAT"}


def written(
    path: Path, encoding: Encoding, frame_count: int, rate_hz: int = 44_100, channel_count: int = 2
) -> NDArray[np.float32]:
    """Write noise, and return what the file has."""
    noise = np.random.default_rng(1).uniform(-0.9, 0.9, (channel_count, frame_count)).astype(np.float32)
    with AudioWriter(path, rate_hz, channel_count, encoding) as writer:
        for block in regroup([noise], 30_000):
            writer.write(block)
    samples: NDArray[np.float32] = soundfile.read(path, dtype="float32", always_2d=True)[0]
    return samples


@pytest.mark.parametrize("rate_hz", [44_100, 48_000])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_segments_together_are_the_recording(tmp_path: Path, encoding: Encoding, rate_hz: int) -> None:
    path = tmp_path / "stem"
    whole = written(path, encoding, 100_003, rate_hz)
    length = 30_000
    parts = []
    for start in range(0, 100_003, length):
        with path.open("rb") as file:
            segment = encode_segment(file, start, min(length, 100_003 - start))
        assert segment.content_type == ("audio/wav" if encoding == "wav32f" else "audio/flac")
        info = soundfile.info(io.BytesIO(segment.data))
        assert (info.samplerate, info.channels, info.subtype) == (rate_hz, 2, BITS[encoding])
        parts.append(soundfile.read(io.BytesIO(segment.data), dtype="float32", always_2d=True)[0])
    assert [len(part) for part in parts] == [30_000, 30_000, 30_000, 10_003]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize("channel_count", [1, 6])
def test_any_number_of_channels(tmp_path: Path, channel_count: int) -> None:
    path = tmp_path / "stem.flac"
    whole = written(path, "flac", 5_000, channel_count=channel_count)
    with path.open("rb") as file:
        segment = encode_segment(file, 4_999, 1)
    np.testing.assert_array_equal(
        soundfile.read(io.BytesIO(segment.data), dtype="float32", always_2d=True)[0], whole[-1:]
    )


@pytest.mark.parametrize("encoding", ["flac", "wav24"])
def test_only_the_part_is_read(tmp_path: Path, encoding: Encoding) -> None:
    path = tmp_path / "stem"
    written(path, encoding, 20 * 44_100)
    read_bytes = 0

    class Counting(io.FileIO):
        def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def, override]
            nonlocal read_bytes
            count = super().readinto(buffer)
            assert count is not None
            read_bytes += count
            return count

    with Counting(path) as file:
        encode_segment(file, 15 * 44_100, 44_100)  # type: ignore[arg-type]
    assert 0 < read_bytes < path.stat().st_size / 8


def test_a_range_beyond_the_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "stem.flac"
    written(path, "flac", 1_000)
    with path.open("rb") as file, pytest.raises(AppError, match="AUDIO_UNREADABLE"):
        encode_segment(file, 900, 101)


@pytest.mark.parametrize("damage", [b"", b"no audio at all", None])
def test_a_damaged_file_is_refused(tmp_path: Path, damage: bytes | None) -> None:
    path = tmp_path / "stem.flac"
    written(path, "flac", 50_000)
    path.write_bytes(path.read_bytes()[:50_000] if damage is None else damage)
    with path.open("rb") as file, pytest.raises(AppError, match="AUDIO_UNREADABLE"):
        encode_segment(file, 40_000, 10_000)
    with path.open("rb") as file, pytest.raises(AppError, match="AUDIO_UNREADABLE"):
        stored_waveform(file)


@pytest.mark.parametrize("after", [0, 3])
def test_an_error_of_the_store_is_raised(tmp_path: Path, after: int, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "stem.flac"
    written(path, "flac", 100_000)
    reads = 0

    class Broken(io.FileIO):
        def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def, override]
            nonlocal reads
            reads += 1
            if reads > after:
                raise AppError(Code.UNAVAILABLE, "BLOBS_UNAVAILABLE", "The file store does not answer.")
            return super().readinto(buffer) or 0

    with Broken(path) as file, pytest.raises(AppError, match="BLOBS_UNAVAILABLE"):
        encode_segment(file, 0, 90_000)  # type: ignore[arg-type]
    assert reads == after + 1, "a store that does not answer is not asked again"
    with Broken(path) as file, pytest.raises(AppError, match="BLOBS_UNAVAILABLE"):
        stored_waveform(file)  # type: ignore[arg-type]
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_waveform_of_a_stored_recording_is_that_of_its_samples(tmp_path: Path, encoding: Encoding) -> None:
    path = tmp_path / "stem"
    whole = written(path, encoding, 150_001)
    waveform = Waveform(44_100)
    waveform.add(whole.T)
    with path.open("rb") as file:
        data = stored_waveform(file)
    assert data == waveform.data()
    assert struct.unpack_from("<I", data, 16) == (586,)
