"""What is written can be read back, by us and by others."""

import wave
from pathlib import Path
from struct import unpack_from

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import soundwright.kit.audio.encode
from soundwright.kit.audio import AudioWriter, Encoding, decode_blocks, inspect, reencode, regroup, resample_blocks
from soundwright.kit.errors import AppError

RATE_HZ = 44_100
ENCODINGS: list[Encoding] = ["flac", "flac16", "wav16", "wav24", "wav32f"]
SUBTYPES = {"flac": "PCM_24", "flac16": "PCM_16", "wav16": "PCM_16", "wav24": "PCM_24", "wav32f": "FLOAT"}


def noise(channel_count: int, frame_count: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).uniform(-0.99, 0.99, (channel_count, frame_count)).astype(np.float32)


def decoded(path: Path) -> NDArray[np.float32]:
    return np.concatenate(list(decode_blocks(path)), axis=1)


def write(path: Path, samples: NDArray[np.float32], encoding: Encoding, block_frames: int = 777) -> AudioWriter:
    with AudioWriter(path, RATE_HZ, samples.shape[0], encoding) as writer:
        for block in regroup([samples], block_frames):
            writer.write(block)
    return writer


@pytest.mark.parametrize("rate_hz", [44_100, 96_000])
@pytest.mark.parametrize("encoding", ["mp3", "m4a"])
def test_lossy_files_begin_at_zero_and_have_the_same_length(tmp_path: Path, encoding: Encoding, rate_hz: int) -> None:
    path = tmp_path / "out"
    seconds = np.arange(rate_hz) / rate_hz
    samples = np.array([0.9 * np.sin(2000 * seconds), 0.5 * np.sin(3000 * seconds)], np.float32)
    samples[:, : rate_hz // 4] = 0
    with AudioWriter(path, rate_hz, 2, encoding, or_floats=True) as writer:
        for block in regroup([samples], 777):
            writer.write(block)
    assert (writer.path, writer.frame_count, writer.clipped_sample_count) == (path, rate_hz, 0)
    info = inspect(path).info
    assert (info.container, info.channel_count) == (encoding, 2)
    read = decoded(path)
    expected = np.concatenate(list(resample_blocks([samples], rate_hz, info.sample_rate_hz, 2)), axis=1)
    assert abs(read.shape[1] - expected.shape[1]) <= 1
    length = min(read.shape[1], expected.shape[1])
    assert np.sqrt(np.mean((read[:, :length] - expected[:, :length]) ** 2)) < 0.01


@pytest.mark.parametrize("channel_count", [1, 2, 3, 8])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_what_is_written_reads_back(tmp_path: Path, encoding: Encoding, channel_count: int) -> None:
    path = tmp_path / "out"
    samples = noise(channel_count, 5_001)
    writer = write(path, samples, encoding)
    assert (writer.frame_count, writer.clipped_sample_count) == (5_001, 0)
    assert writer.peak == np.abs(samples).max()

    step = {"flac": 2**-23, "flac16": 2**-15, "wav16": 2**-15, "wav24": 2**-23, "wav32f": 0}[encoding]
    read_back = decoded(path)
    assert np.abs(read_back - samples).max() <= step / 2 + 2**-25  # float32 itself has steps of 2^-24 below 1
    others, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    np.testing.assert_array_equal(others.T, read_back)
    assert (rate_hz, soundfile.info(path).subtype) == (RATE_HZ, SUBTYPES[encoding])
    assert inspect(path).warnings == ()


@pytest.mark.parametrize("channel_count", [1, 2, 6])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_prefix_of_a_growing_file_is_a_file(tmp_path: Path, encoding: Encoding, channel_count: int) -> None:
    path, samples = tmp_path / "out", noise(channel_count, 30_001)
    prefixes = []
    with AudioWriter(path, 96_000, channel_count, encoding) as writer:
        for block in regroup([samples], 7_000):
            writer.write(block)
            prefix = writer.prefix()
            body = path.read_bytes()[prefix.start : prefix.end]
            prefixes.append((prefix.header + body, body, prefix))
    final = decoded(path)
    complete = [prefix.frame_count for _, _, prefix in prefixes]
    if encoding.startswith("flac"):
        assert complete == [4096, 12_288, 20_480, 24_576, 28_672]
    else:
        assert complete == [7_000, 14_000, 21_000, 28_000, 30_001]
    for content, body, prefix in prefixes:
        (tmp_path / "prefix").write_bytes(content)
        np.testing.assert_array_equal(decoded(tmp_path / "prefix"), final[:, : prefix.frame_count])
        assert inspect(tmp_path / "prefix").warnings == ()
        assert path.read_bytes()[prefix.start : prefix.end] == body


def test_a_file_that_becomes_floats_has_another_prefix(tmp_path: Path) -> None:
    samples = noise(2, 10_000)
    with AudioWriter(tmp_path / "out.flac", RATE_HZ, 2, "flac", or_floats=True) as writer:
        assert writer.prefix().frame_count == 0
        writer.write(samples)
        assert writer.prefix().path.name == "out.flac"
        writer.write(samples * 2)
        prefix = writer.prefix()
        assert (prefix.path.name, prefix.frame_count) == ("out.wav", 20_000)
        (tmp_path / "prefix").write_bytes(prefix.header + prefix.path.read_bytes()[prefix.start : prefix.end])
        assert decoded(tmp_path / "prefix").shape == (2, 20_000)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_reading_and_writing_again_changes_no_bit(tmp_path: Path, encoding: Encoding) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    write(first, noise(2, 10_001), encoding)
    summary = reencode(first, second, encoding)
    assert first.read_bytes() == second.read_bytes()
    assert summary == inspect(first)


def test_all_sixteen_bit_samples_survive(tmp_path: Path) -> None:
    source, target = tmp_path / "source.wav", tmp_path / "target.wav"
    steps = np.arange(-32_768, 32_768, dtype=np.int16)
    soundfile.write(source, steps, RATE_HZ, subtype="PCM_16")
    for encoding in ENCODINGS:
        reencode(source, target, encoding)
        np.testing.assert_array_equal(decoded(target)[0] * 32_768, steps)


@pytest.mark.parametrize(
    ("encoding", "bits"), [("wav16", 16), ("wav24", 24), ("flac", 24), ("flac16", 16), ("wav32f", None)]
)
def test_integers_clip_at_full_scale_and_count_it(tmp_path: Path, encoding: Encoding, bits: int | None) -> None:
    samples = np.array([[0.0, 1.0, 1.5, -1.0, -1.5, 1e9, -1e9, 0.5]], np.float32)
    writer = write(tmp_path / "out", samples, encoding)
    top = 1 - 2.0 ** (1 - (bits or 0))
    expected = [0, top, top, -1, -1, top, -1, 0.5] if bits else samples[0]
    np.testing.assert_array_equal(decoded(tmp_path / "out")[0], expected)
    assert writer.clipped_sample_count == (4 if bits else 0)
    assert writer.peak == np.float32(1e9)


@pytest.mark.parametrize("loud_from", [0, 100, 60_000])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_file_that_must_not_clip_becomes_one_of_floats(tmp_path: Path, encoding: Encoding, loud_from: int) -> None:
    samples = noise(2, 70_001)
    samples[:, loud_from:] *= 3
    path = tmp_path / ("out.flac" if encoding.startswith("flac") else "out.wav")
    with AudioWriter(path, RATE_HZ, 2, encoding, or_floats=True) as writer:
        for block in regroup([samples], 777):
            writer.write(block)
    assert list(tmp_path.iterdir()) == [writer.path] == [tmp_path / "out.wav"]
    assert (soundfile.info(writer.path).subtype, writer.clipped_sample_count) == ("FLOAT", 0)
    written = decoded(writer.path)
    exact_from = loud_from // 777 * 777
    np.testing.assert_array_equal(written[:, exact_from:], samples[:, exact_from:])
    step = {"flac": 2**-23, "flac16": 2**-15, "wav16": 2**-15, "wav24": 2**-23, "wav32f": 0}[encoding]
    np.testing.assert_allclose(written, samples, rtol=0, atol=step / 2 + 2**-25)


@pytest.mark.parametrize("encoding", ["flac", "wav16"])
def test_a_change_to_floats_that_fails_leaves_nothing(tmp_path: Path, encoding: Encoding) -> None:
    path = tmp_path / ("out.flac" if encoding == "flac" else "out.wav")

    def fill_the_disk() -> None:
        with AudioWriter(path, RATE_HZ, 1, encoding, or_floats=True) as writer:
            writer.write(noise(1, 100))
            (tmp_path / "out.wav").unlink(missing_ok=True)
            (tmp_path / "out.wav").symlink_to("/dev/full")
            writer.write(3 * noise(1, 100_000))

    with pytest.raises(AppError, match="AUDIO_NOT_WRITTEN"):
        fill_the_disk()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_block_that_fails_leaves_no_file_and_none_an_empty_one(tmp_path: Path, encoding: Encoding) -> None:
    path = tmp_path / "out"

    def fail_midway() -> None:
        with AudioWriter(path, RATE_HZ, 2, encoding) as writer:
            writer.write(noise(2, 100_000))
            raise RuntimeError("the engine failed")

    with pytest.raises(RuntimeError, match="engine"):
        fail_midway()
    assert list(tmp_path.iterdir()) == []
    with AudioWriter(path, RATE_HZ, 2, encoding) as writer:
        writer.write(np.zeros((2, 0), np.float32))
        with pytest.raises(ValueError, match="finite"):
            writer.write(np.full((2, 3), np.nan, np.float32))
        with pytest.raises(ValueError, match="3 channels, the file 2"):
            writer.write(np.zeros((3, 5), np.float32))
    assert writer.frame_count == 0
    with pytest.raises(AppError, match="AUDIO_EMPTY"):
        inspect(path)


def test_what_an_encoding_cannot_hold_is_refused(tmp_path: Path) -> None:
    for rate_hz, channel_count, encoding in ((RATE_HZ, 9, "flac"), (2_000_000, 1, "flac"), (RATE_HZ, 0, "wav16")):
        with pytest.raises(ValueError, match="cannot hold"):
            AudioWriter(tmp_path / "out", rate_hz, channel_count, encoding)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="unknown encoding"):
        AudioWriter(tmp_path / "out", RATE_HZ, 1, "ogg")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("encoding", "sample_bytes"), [("wav16", 2), ("wav24", 3)])
def test_a_plain_wav_suits_simple_readers(tmp_path: Path, encoding: Encoding, sample_bytes: int) -> None:
    path = tmp_path / "out.wav"
    write(path, noise(1, 1_001), encoding)  # an odd number of bytes with 24 bits: the chunk is padded
    with wave.open(str(path)) as file:
        assert file.getparams()[:4] == (1, sample_bytes, RATE_HZ, 1_001)
    assert unpack_from("<4sI", path.read_bytes()) == (b"RIFF", path.stat().st_size - 8)


@pytest.mark.parametrize("encoding", ["wav16", "wav24", "wav32f"])
def test_a_wav_that_outgrows_riff_becomes_rf64(
    tmp_path: Path, encoding: Encoding, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = noise(2, 3_001)
    small, large = tmp_path / "small", tmp_path / "large"
    write(small, samples, encoding)
    monkeypatch.setattr(soundwright.kit.audio.encode, "RIFF_LIMIT_BYTES", 10_000)
    write(large, samples, encoding)

    assert large.stat().st_size == small.stat().st_size
    name, size, _, chunk, _, riff_bytes, _, frame_count = unpack_from("<4sI4s4sIQQQ", large.read_bytes())
    assert (name, size, chunk) == (b"RF64", 0xFFFF_FFFF, b"ds64")
    assert (riff_bytes, frame_count) == (large.stat().st_size - 8, 3_001)
    assert soundfile.info(large).format == "RF64"
    assert soundfile.info(large).frames == 3_001
    np.testing.assert_array_equal(decoded(large), decoded(small))
    assert inspect(large).info.header_seconds == 3_001 / RATE_HZ


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_full_disk_is_told_as_such(tmp_path: Path, encoding: Encoding) -> None:
    full = tmp_path / "full"
    full.symlink_to("/dev/full")
    with pytest.raises(AppError, match="AUDIO_NOT_WRITTEN"), AudioWriter(full, RATE_HZ, 1, encoding) as writer:
        writer.write(noise(1, 100_000))
    assert not full.is_symlink()


def test_reencoding_a_bad_file_leaves_nothing(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    samples = np.zeros((200_000, 1), np.float32)
    samples[-1] = np.nan
    soundfile.write(source, samples, RATE_HZ, subtype="FLOAT", format="WAV")
    with pytest.raises(AppError, match="AUDIO_NOT_FINITE"):
        reencode(source, target, "flac")
    assert not target.exists()


@pytest.mark.parametrize(("from_hz", "to_hz"), [(44_100, 48_000), (48_000, 44_100), (44_100, 16_000), (8_000, 96_000)])
@settings(deadline=None, max_examples=10)
@given(cuts=st.lists(st.integers(0, 5_011), max_size=8))
def test_streamed_resampling_is_one_resampling(from_hz: int, to_hz: int, cuts: list[int]) -> None:
    samples = noise(2, 5_011)
    pieces = np.split(samples, sorted(cuts), axis=1)
    streamed = np.concatenate(list(resample_blocks(pieces, from_hz, to_hz, 2)), axis=1)
    assert abs(streamed.shape[1] - round(5_011 * to_hz / from_hz)) <= 1
    assert streamed.dtype == np.float32
    np.testing.assert_allclose(streamed, soxr.resample(samples.T, from_hz, to_hz, quality="HQ").T, atol=1e-6)


def test_the_same_rate_passes_unchanged() -> None:
    blocks = [noise(2, 10), noise(2, 7)]
    assert all(a is b for a, b in zip(resample_blocks(blocks, 8_000, 8_000, 2), blocks, strict=True))
