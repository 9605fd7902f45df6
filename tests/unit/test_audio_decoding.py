"""Every format we read, against the samples that were written."""

from __future__ import annotations

import gc
import itertools
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import numpy as np
import psutil
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from kit.audio import AudioFile, AudioInfo, decode_blocks, inspect, probe, regroup, sniff
from tests.broken_media import by_ffmpeg

RATE_HZ = 44_100


def decoded(path: Path, block_frames: int = 999) -> NDArray[np.float32]:
    return np.concatenate(list(decode_blocks(path, block_frames=block_frames)), axis=1)


def noise(frame_count: int, channel_count: int, seed: int = 0) -> NDArray[np.float32]:
    """float32 [frames, channels] with values that fill every bit."""
    return np.random.default_rng(seed).uniform(-0.999, 0.999, (frame_count, channel_count)).astype(np.float32)


def tone(frame_count: int, channel_count: int, rate_hz: int = RATE_HZ) -> NDArray[np.float32]:
    """float32 [frames, channels], another pitch in every channel, faded in and out as lossy encoders like it."""
    seconds = np.arange(frame_count) / rate_hz
    fade = np.minimum(1.0, 20 * np.minimum(seconds, seconds[::-1]))
    pitches_hz = np.array([440.0, 550, 660, 60, 770, 880, 990, 1100])[:channel_count]  # the fourth suits a subwoofer
    return (0.3 * fade[:, None] * np.sin(2 * np.pi * pitches_hz * seconds[:, None])).astype(np.float32)


def assert_alike(samples: NDArray[np.float32], written: NDArray[np.float32]) -> None:
    """The same signal but for the losses of an encoder, and not a frame early or late."""
    assert samples.shape == written.T.shape
    assert np.sqrt(np.mean((samples - written.T) ** 2)) < 0.02  # ten frames off would give 0.1
    for channel, expected in zip(samples, written.T, strict=True):
        size = 1 << (2 * len(channel)).bit_length()
        spectrum = np.fft.rfft(channel, size) * np.conj(np.fft.rfft(expected, size))
        lag_frames = int(np.argmax(np.roll(np.fft.irfft(spectrum), 1024)[:2049])) - 1024
        assert abs(lag_frames) <= 1


@pytest.mark.parametrize("channel_count", [1, 2, 6, 8])
@pytest.mark.parametrize(
    ("file_format", "subtype", "container", "codec"),
    [
        ("WAV", "PCM_U8", "wav", "pcm_u8"), ("WAV", "PCM_16", "wav", "pcm_s16le"),
        ("WAV", "PCM_24", "wav", "pcm_s24le"), ("WAV", "PCM_32", "wav", "pcm_s32le"),
        ("WAV", "FLOAT", "wav", "pcm_f32le"), ("WAV", "DOUBLE", "wav", "pcm_f64le"),
        ("WAVEX", "PCM_16", "wav", "pcm_s16le"), ("WAVEX", "PCM_24", "wav", "pcm_s24le"),
        ("RF64", "PCM_24", "wav", "pcm_s24le"), ("W64", "PCM_16", "w64", "pcm_s16le"),
        ("FLAC", "PCM_16", "flac", "flac"), ("FLAC", "PCM_24", "flac", "flac"), ("AIFF", "PCM_S8", "aiff", "pcm_s8"),
        ("AIFF", "PCM_16", "aiff", "pcm_s16be"), ("AIFF", "PCM_24", "aiff", "pcm_s24be"),
        ("AIFF", "FLOAT", "aiff", "pcm_f32be"),
    ],
)  # fmt: skip
def test_lossless_formats_decode_exactly(
    tmp_path: Path, channel_count: int, file_format: str, subtype: str, container: str, codec: str
) -> None:
    path = tmp_path / "recording.bin"  # the name says nothing
    frame_count = 5_002 if subtype == "PCM_S8" else 5_001  # libsndfile counts the padding of an odd number of bytes
    bits = {"PCM_U8": 8, "PCM_S8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}.get(subtype)
    if bits:
        full_scale = 2 ** (bits - 1)
        shape = (frame_count, channel_count)
        steps = np.random.default_rng(1).integers(-full_scale, full_scale, shape, dtype=np.int64)
        steps[0], steps[-1] = -full_scale, full_scale - 1
        soundfile.write(path, (steps << (32 - bits)).astype(np.int32), RATE_HZ, subtype=subtype, format=file_format)
        expected = (steps / full_scale).astype(np.float32)
    else:
        expected = noise(frame_count, channel_count) * np.float32(1.5)  # floats may exceed full scale
        soundfile.write(path, expected, RATE_HZ, subtype=subtype, format=file_format)

    samples = decoded(path)
    assert samples.dtype == np.float32
    np.testing.assert_array_equal(samples, expected.T)

    summary = inspect(path)
    assert summary.info == AudioInfo(container, codec, RATE_HZ, channel_count, frame_count / RATE_HZ)
    assert summary.frame_count == frame_count
    assert summary.duration_seconds == frame_count / RATE_HZ
    assert summary.peak == np.abs(expected).max()
    assert summary.warnings == ()


LOSSY_KINDS = (("MP3", None), ("OGG", "VORBIS"), ("OGG", "OPUS"))


@pytest.mark.parametrize(
    ("file_format", "subtype", "channel_count", "frame_count"),
    [
        *((*kind, count, n) for kind in LOSSY_KINDS for count in (1, 2) for n in (1_500, 12_000, 44_101, 99_999)),
        *(("mp4", "aac", count, n) for count in (1, 2, 6, 8) for n in (12_000, 44_101)),
    ],
)
def test_lossy_formats_keep_their_length_and_alignment(
    tmp_path: Path, file_format: str, subtype: str | None, channel_count: int, frame_count: int
) -> None:
    rate_hz = 48_000 if subtype == "OPUS" else RATE_HZ
    path = tmp_path / "recording"
    written = tone(frame_count, channel_count, rate_hz)
    if file_format == "mp4":
        path.write_bytes(by_ffmpeg(written, "mp4", "aac", rate_hz=RATE_HZ))
        assert (probe(path).container, probe(path).codec) == ("m4a", "aac")
    else:
        soundfile.write(path, written, rate_hz, subtype=subtype, format=file_format)
    assert_alike(decoded(path), written)  # encoder delay and padding are gone
    assert (probe(path).sample_rate_hz, inspect(path).warnings) == (rate_hz, ())


def test_raw_aac_has_no_word_of_its_delay_and_keeps_it(tmp_path: Path) -> None:
    written = tone(20_000, 2)
    path = tmp_path / "recording"
    path.write_bytes(by_ffmpeg(written, "adts", "aac", rate_hz=RATE_HZ))
    samples = decoded(path)
    assert samples.shape == (2, 21 * 1024)  # 20 frames of signal, one of delay, whole frames only
    assert_alike(samples[:, 1024 : 1024 + 20_000], written)
    assert probe(path) == AudioInfo("aac", "aac", RATE_HZ, 2, None)


@pytest.mark.parametrize("codec", ["alac", "flac"])
def test_lossless_codecs_in_mp4_decode_exactly(tmp_path: Path, codec: str) -> None:
    written = np.rint(noise(10_000, 2) * 32767).astype(np.float32) / np.float32(32768)
    path = tmp_path / "recording"
    path.write_bytes(by_ffmpeg(written, "mp4", codec, rate_hz=RATE_HZ))
    np.testing.assert_array_equal(decoded(path), written.T)


def test_a_picture_beside_the_audio_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(by_ffmpeg(tone(30_000, 2), "mp4", "aac", rate_hz=RATE_HZ, cover=True))
    with av.open(str(path)) as file:
        assert [stream.type for stream in file.streams] == ["video", "audio"]
    assert decoded(path).shape == (2, 30_000)


def test_tags_before_and_behind_the_frames_are_passed_over(tmp_path: Path) -> None:
    tag = b"ID3\x04\0\0\0\0\x10\0" + bytes(2048)
    for file_format, container in (("MP3", "mp3"), ("FLAC", "flac")):
        path = tmp_path / container
        soundfile.write(path, tone(20_000, 2), RATE_HZ, format=file_format)
        plain = decoded(path)
        path.write_bytes(tag + tag + path.read_bytes() + b"TAG" + bytes(125))
        assert sniff(path) == container
        np.testing.assert_array_equal(decoded(path), plain)


def test_an_mp3_without_a_length_in_its_header_decodes_without_warning(tmp_path: Path) -> None:
    path = tmp_path / "radio.mp3"
    soundfile.write(path, tone(50_000, 2), RATE_HZ, format="MP3")
    content = path.read_bytes()
    assert probe(path).header_seconds == 50_000 / RATE_HZ
    frames_start = content.index(b"\xff\xfb", 4)
    path.write_bytes(content[frames_start:])  # drops the frame that holds the Info tag
    summary = inspect(path)
    assert summary.info.header_seconds is None
    assert summary.warnings == ()
    assert summary.frame_count >= 50_000


def test_the_name_of_a_file_means_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ünï#co%20de: 曲.m3u8"
    soundfile.write(path, noise(100, 1), RATE_HZ, format="FLAC")
    assert sniff(path) == "flac"
    assert inspect(path).frame_count == 100


SIGNAL = np.random.default_rng(5).standard_normal((2, 3_000)).astype(np.float32)


@settings(deadline=None, max_examples=60)
@given(cuts=st.lists(st.integers(0, 3_000), max_size=20), block_frames=st.integers(1, 3_500))
def test_regrouping_loses_nothing(cuts: list[int], block_frames: int) -> None:
    edges = [0, *sorted(cuts), 3_000]
    pieces = [SIGNAL[:, start:end] for start, end in itertools.pairwise(edges)]
    blocks = list(regroup(pieces, block_frames))
    np.testing.assert_array_equal(np.concatenate(blocks, axis=1), SIGNAL)
    assert [block.shape[1] for block in blocks[:-1]] == [block_frames] * (len(blocks) - 1)
    assert 1 <= blocks[-1].shape[1] <= block_frames


@pytest.fixture(scope="module")
def short_flac(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("regroup") / "short.flac"
    soundfile.write(path, noise(9_001, 2), RATE_HZ, subtype="PCM_16", format="FLAC")
    return path


@settings(deadline=None, max_examples=30)
@given(block_frames=st.integers(1, 10_000))
def test_decoding_gives_the_same_signal_in_blocks_of_any_size(short_flac: Path, block_frames: int) -> None:
    blocks = list(decode_blocks(short_flac, block_frames=block_frames))
    np.testing.assert_array_equal(np.concatenate(blocks, axis=1), decoded(short_flac, 9_001))
    assert {block.shape[1] for block in blocks[:-1]} <= {block_frames}


def test_blocks_belong_to_the_reader_and_need_a_frame(short_flac: Path) -> None:
    for block in decode_blocks(short_flac, block_frames=1_000):
        assert (block.flags.writeable, block.flags.c_contiguous, block.base) == (True, True, None)
    with pytest.raises(ValueError, match="positive"):
        next(decode_blocks(short_flac, block_frames=0))


def test_an_audio_file_reads_as_often_as_needed(short_flac: Path) -> None:
    audio = AudioFile(short_flac)
    assert (audio.sample_rate_hz, audio.channel_count, audio.frame_count) == (RATE_HZ, 2, 9_001)
    first, second = (np.concatenate(list(audio.blocks(4_000)), axis=1) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert [block.shape for block in audio.blocks(4_000)] == [(2, 4_000), (2, 4_000), (2, 1_001)]
    assert AudioFile(short_flac, frame_count=7).frame_count == 7  # a known length is taken at its word


def test_stopping_early_closes_the_file(short_flac: Path) -> None:
    def open_files() -> int:
        return [file.path for file in psutil.Process().open_files()].count(str(short_flac))

    blocks = decode_blocks(short_flac, block_frames=10)
    next(blocks)
    assert open_files() == 1
    gc.disable()
    try:
        blocks.close()
        assert open_files() == 0
    finally:
        gc.enable()


def test_many_threads_decode_at_once(short_flac: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        first, *others = pool.map(decoded, [short_flac] * 8)
    assert all(np.array_equal(first, other) for other in others)
