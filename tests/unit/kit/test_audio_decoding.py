"""Every format we read, against the samples that were written."""

import functools
import gc
import itertools
import re
import struct
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

from soundwright.kit.audio import AudioFile, AudioInfo, decode_blocks, inspect, probe, regroup, sniff
from soundwright.kit.errors import AppError
from tests.broken_media import by_ffmpeg
from tests.mp4_boxes import box, edit_list, gapless_tag, with_boxes

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


@pytest.mark.parametrize("frame_count", [100, 5001, 16_000])
def test_alac_in_caf_keeps_its_last_samples(tmp_path: Path, frame_count: int) -> None:
    path, written = tmp_path / "recording", tone(frame_count, 2)
    soundfile.write(path, written, RATE_HZ, subtype="ALAC_16", format="CAF")
    np.testing.assert_allclose(decoded(path), written.T, atol=2**-15)


@pytest.mark.parametrize(("subtype", "name"), [("IMA_ADPCM", "ADPCM IMA WAV (adpcm_ima_wav)"), ("GSM610", "(gsm_ms)")])
def test_the_refusal_of_a_codec_names_it(tmp_path: Path, subtype: str, name: str) -> None:
    path = tmp_path / "recording"
    soundfile.write(path, tone(8000, 1, 8000), 8000, subtype=subtype, format="WAV")
    with pytest.raises(AppError, match=rf"{re.escape(name)}, which is not supported\. Convert it to FLAC"):
        probe(path)


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


@pytest.mark.parametrize("rest", [b"text" * 5_000, b"ID3\4\0\0\0\1\x1c\x20" + bytes(20_000)])
def test_what_is_behind_an_mp3_does_not_hide_its_end(tmp_path: Path, rest: bytes) -> None:
    path = tmp_path / "song.mp3"
    soundfile.write(path, tone(50_001, 2), RATE_HZ, format="MP3")
    path.write_bytes(path.read_bytes() + rest)
    assert_alike(decoded(path), tone(50_001, 2))
    assert "TRUNCATED" not in inspect(path).warnings


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_streams_of_a_radio_station_follow_each_other_to_the_sample(tmp_path: Path, subtype: str) -> None:
    path, rate_hz, frame_counts = tmp_path / "radio.ogg", 48_000, (50_001, 30_003, 1_000, 50_001)
    content = b""
    for frame_count in frame_counts:
        soundfile.write(path, tone(frame_count, 2, rate_hz), rate_hz, format="OGG", subtype=subtype)
        content += path.read_bytes()
    path.write_bytes(b"junk" + content)
    samples, start = decoded(path), 0
    assert samples.shape[1] == sum(frame_counts)
    for frame_count in frame_counts:
        assert_alike(samples[:, start : start + frame_count], tone(frame_count, 2, rate_hz))
        start += frame_count
    assert inspect(path).warnings == ()


@pytest.mark.parametrize("codec", ["libopus", "flac"])
@pytest.mark.parametrize("frame_count", [4_800, 96_000])
@pytest.mark.parametrize("first_frame", [14_400, 5 * 3600 * 48_000])
def test_an_ogg_file_that_was_cut_out_of_a_stream_is_complete(
    tmp_path: Path, codec: str, frame_count: int, first_frame: int
) -> None:
    path, samples = tmp_path / "cut.ogg", tone(frame_count, 2, 48_000)
    path.write_bytes(by_ffmpeg(samples, "ogg", codec, rate_hz=48_000, first_frame=first_frame))
    summary = inspect(path)
    assert 0 <= summary.frame_count - frame_count < 960  # one packet of Opus
    assert summary.warnings == ()


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


def test_every_layout_of_pcm_and_floats_is_read_as_libsndfile_reads_it(tmp_path: Path) -> None:
    path, written, layouts = tmp_path / "recording", noise(5_001, 3), 0
    for file_format in ("WAV", "WAVEX", "RF64", "W64", "AIFF", "AU"):
        for subtype in soundfile.available_subtypes(file_format):
            for endian in ("FILE", "LITTLE", "BIG"):
                if not soundfile.check_format(file_format, subtype, endian) or not subtype.startswith(
                    ("PCM", "FLOAT", "DOUBLE", "ALAW", "ULAW")
                ):
                    continue
                soundfile.write(path, written, RATE_HZ, subtype=subtype, format=file_format, endian=endian)
                expected = soundfile.read(path, dtype="float32", always_2d=True)[0]
                np.testing.assert_array_equal(decoded(path), expected[:5_001].T)
                assert inspect(path).warnings == ()
                layouts += 1
    assert layouts > 60


def extensible(steps: NDArray[np.int64], bits: int, valid_bits: int, tag: int = 1, align: int = 0) -> bytes:
    """A WAV file with WAVE_FORMAT_EXTENSIBLE. ``steps``: samples [frames, channels] of ``bits`` bits, left-justified."""
    size, channel_count = bits // 8, steps.shape[1]
    packed = np.ascontiguousarray(steps, "<i8").view(np.uint8).reshape(-1, 8)[:, :size]
    packed = packed.astype(np.uint8) if size > 1 else packed + np.uint8(128)
    align = align or size * channel_count
    form = struct.pack("<HHIIHH", 0xFFFE, channel_count, RATE_HZ, RATE_HZ * align, align, bits)
    form += struct.pack("<HHII", 22, valid_bits, 3, tag) + bytes.fromhex("00001000800000aa00389b71")
    body = (
        b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", packed.size) + packed.tobytes()
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize(
    ("bits", "valid_bits"),
    [(32, 24), (32, 20), (32, 16), (32, 0), (32, 40), (24, 20), (24, 16), (16, 12), (16, 8), (8, 7), (24, 24)],
)
def test_the_bits_of_the_container_count_and_not_the_valid_ones(tmp_path: Path, bits: int, valid_bits: int) -> None:
    path, kept = tmp_path / "recording.wav", valid_bits if 0 < valid_bits <= bits else bits
    steps = np.random.default_rng(0).integers(-(2 ** (kept - 1)), 2 ** (kept - 1), (3_001, 2)) << (bits - kept)
    path.write_bytes(extensible(steps, bits, valid_bits))
    expected = (steps / 2.0 ** (bits - 1)).astype(np.float32)
    np.testing.assert_array_equal(soundfile.read(path, dtype="float32", always_2d=True)[0], expected)
    np.testing.assert_array_equal(decoded(path), expected.T)
    assert inspect(path).warnings == ()


def test_24_bits_in_32_by_the_block_align_alone(tmp_path: Path) -> None:
    path = tmp_path / "recording.wav"
    steps = np.random.default_rng(0).integers(-(2**23), 2**23, (3_001, 2)) << 8
    content = extensible(steps, 32, 24)
    for tag in (0xFFFE, 1):
        path.write_bytes(content[:20] + struct.pack("<H", tag) + content[22:34] + struct.pack("<H", 24) + content[36:])
        np.testing.assert_array_equal(decoded(path), (steps / 2.0**31).astype(np.float32).T)


@pytest.mark.parametrize("size", [5_001 * 8 + 4, -1])
def test_24_bits_in_32_of_a_caf_file(tmp_path: Path, size: int) -> None:
    path = tmp_path / "recording.caf"
    steps = np.random.default_rng(0).integers(-(2**23), 2**23, (5_001, 2)) << 8
    description = struct.pack(">d4s5I", RATE_HZ, b"lpcm", 2, 8, 1, 2, 24)
    chunks = [
        (b"desc", 32, description),
        (b"free", 7, bytes(7)),
        (b"data", size, bytes(4) + steps.astype("<i4").tobytes()),
    ]
    path.write_bytes(
        b"caff\0\1\0\0" + b"".join(struct.pack(">4sq", name, length) + body for name, length, body in chunks)
    )
    np.testing.assert_array_equal(decoded(path), (steps / 2.0**31).astype(np.float32).T)
    assert inspect(path).warnings == ()


PLACEHOLDERS = [0, 0xFFFF_FFFF, 0x7FFF_FFFF, 0x7FFF_F000, 0x8000_0000, 0xFFFF_FFDB, 0xFFFF_FF00]


@pytest.mark.parametrize("size", PLACEHOLDERS)
@pytest.mark.parametrize(("file_format", "subtype"), [("WAV", "PCM_16"), ("WAVEX", "PCM_24"), ("WAV", "ULAW")])
def test_placeholders_of_sizes_are_no_promise(tmp_path: Path, file_format: str, subtype: str, size: int) -> None:
    path = tmp_path / "recording.wav"
    soundfile.write(path, noise(5_002, 2), RATE_HZ, subtype=subtype, format=file_format)
    expected, content = decoded(path), path.read_bytes()
    at = content.index(b"data") + 4
    path.write_bytes(
        content[:4]
        + struct.pack("<I", min(size + 36, 0xFFFF_FFFF))
        + content[8:at]
        + struct.pack("<I", size)
        + content[at + 4 :]
    )
    np.testing.assert_array_equal(decoded(path), expected)
    summary = inspect(path)
    assert (summary.frame_count, summary.warnings, summary.info.header_seconds) == (5_002, (), None)


@pytest.mark.parametrize("size", [0, 0xFFFF_FFFF])
def test_an_au_file_of_a_pipe_does_not_know_its_size(tmp_path: Path, size: int) -> None:
    path = tmp_path / "recording"
    soundfile.write(path, noise(5_001, 2), RATE_HZ, subtype="PCM_16", format="AU", endian="BIG")
    expected, content = decoded(path), path.read_bytes()
    path.write_bytes(content[:8] + struct.pack(">I", size) + content[12:])
    np.testing.assert_array_equal(decoded(path), expected)
    assert inspect(path).warnings == ()


@pytest.mark.parametrize("size", [0, 2**64 - 1, 2**63 - 1])
@pytest.mark.parametrize("file_format", ["RF64", "W64"])
def test_placeholders_of_wide_sizes_are_no_promise(tmp_path: Path, file_format: str, size: int) -> None:
    path = tmp_path / "recording"
    soundfile.write(path, noise(5_001, 2), RATE_HZ, subtype="PCM_16", format=file_format)
    expected, content = decoded(path), bytearray(path.read_bytes())
    at = content.index(b"ds64") + 16 if file_format == "RF64" else content.index(b"data") + 16
    content[at : at + 8] = struct.pack("<Q", size)
    path.write_bytes(content)
    assert inspect(path).warnings == ()
    np.testing.assert_array_equal(decoded(path)[:, :5_001], expected)


def test_the_successor_of_rf64_and_a_chunk_after_the_samples(tmp_path: Path) -> None:
    path = tmp_path / "recording"
    soundfile.write(path, noise(5_001, 1), RATE_HZ, subtype="PCM_24", format="RF64")
    expected, content = decoded(path), path.read_bytes()
    path.write_bytes(b"BW64" + content[4:] + b"\0axml" + struct.pack("<I", 6) + b"<adm/>")
    np.testing.assert_array_equal(decoded(path), expected)
    assert (inspect(path).frame_count, inspect(path).warnings) == (5_001, ())


def test_the_first_format_counts_and_not_the_frames_that_an_aiff_header_declares(tmp_path: Path) -> None:
    path = tmp_path / "recording"
    soundfile.write(path, noise(5_001, 2), RATE_HZ, subtype="PCM_16", format="WAV")
    expected, content = decoded(path), path.read_bytes()
    second = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 8000, 1, 8)
    path.write_bytes(content[:36] + second + content[36:])
    np.testing.assert_array_equal(decoded(path), expected)
    soundfile.write(path, noise(5_001, 2), RATE_HZ, subtype="PCM_16", format="AIFF")
    content = path.read_bytes()
    path.write_bytes(content.replace(struct.pack(">HI", 2, 5_001), struct.pack(">HI", 2, 100), 1))
    np.testing.assert_array_equal(decoded(path), expected)


def test_a_file_that_is_shorter_than_it_says_is_truncated_and_an_empty_one_empty(tmp_path: Path) -> None:
    path = tmp_path / "recording.wav"
    soundfile.write(path, noise(50_000, 2), RATE_HZ, subtype="PCM_16")
    content = path.read_bytes()
    path.write_bytes(content[:100_001])
    assert (inspect(path).frame_count, inspect(path).warnings) == ((100_001 - 44) // 4, ("TRUNCATED",))
    for rest in (b"", b"LIST" + struct.pack("<I", 4) + b"INFO"):
        path.write_bytes(content[:40] + bytes(4) + rest)
        with pytest.raises(AppError, match="AUDIO_EMPTY"):
            inspect(path)


SWEEP_FRAMES = 3 * RATE_HZ


@functools.cache
def sweep() -> NDArray[np.float32]:
    """float32 [frames, channels] that is like itself nowhere else."""
    seconds = np.arange(SWEEP_FRAMES) / RATE_HZ
    return np.repeat((0.3 * np.sin(2 * np.pi * (200 + 300 * seconds) * seconds))[:, None], 2, 1).astype(np.float32)


@functools.cache
def without_edits(codec: str) -> bytes:
    """The sweep as an MPEG-4 file."""
    return by_ffmpeg(sweep(), "ipod", codec, {"use_editlist": "0"}, rate_hz=RATE_HZ)


def parts(*parts: tuple[int, int] | int) -> NDArray[np.float32]:
    """Return parts of the sweep, from a frame to another, and silent frames."""
    silent = [np.zeros((part if isinstance(part, int) else 0, 2), np.float32) for part in parts]
    return np.concatenate(
        [quiet if isinstance(part, int) else sweep()[slice(*part)] for part, quiet in zip(parts, silent, strict=True)]
    )


DELAY, ALL, HALF = 1024, (0, SWEEP_FRAMES), RATE_HZ // 2
GAPLESS = gapless_tag(DELAY, -(SWEEP_FRAMES + DELAY) % 1024, SWEEP_FRAMES)


@pytest.mark.parametrize("codec", ["aac", "alac"])
@pytest.mark.parametrize(
    ("clock", "edits", "tags", "expected"),
    [
        (RATE_HZ, [(SWEEP_FRAMES, 0)], b"", [ALL]),
        (1000, [(3000, 0)], b"", [ALL]),
        (600, [(1800, 0)], b"", [ALL]),
        (RATE_HZ, [(0, 0)], b"", [ALL]),  # to the end
        (RATE_HZ, [(HALF, -1), (SWEEP_FRAMES, 0)], b"", [HALF, ALL]),
        (1000, [(500, -1), (3000, 0)], b"", [HALF, ALL]),
        (RATE_HZ, [(SWEEP_FRAMES - RATE_HZ, RATE_HZ)], b"", [(RATE_HZ, SWEEP_FRAMES)]),
        (RATE_HZ, [(50_001, 7)], b"", [(7, 50_008)]),
        (RATE_HZ, [(RATE_HZ, 0), (RATE_HZ, -1), (1000, 2 * RATE_HZ)], b"", [(0, RATE_HZ), RATE_HZ, (2 * RATE_HZ, 2 * RATE_HZ + 1000)]),
        (600, [(1800, 0)], GAPLESS, [ALL]),
        (RATE_HZ, [(40_000, 0)], GAPLESS, [(0, 40_000)]),  # somebody cut the file and kept its tag
    ],
)  # fmt: skip
def test_the_edit_list_is_the_start_and_the_length(
    tmp_path: Path,
    codec: str,
    clock: int,
    edits: list[tuple[int, int]],
    tags: bytes,
    expected: list[tuple[int, int] | int],
) -> None:
    """Edits on the clocks that editors use, relative to the encoder's delay."""
    path, delay = tmp_path / "recording.m4a", DELAY if codec == "aac" else 0
    moved = [(duration, start if start < 0 else start + delay) for duration, start in edits]
    for version in (0, 1):
        path.write_bytes(
            with_boxes(
                without_edits(codec), edits=edit_list(moved, version), tags=tags if delay else b"", movie_clock=clock
            )
        )
        written = parts(*expected)
        assert_alike(decoded(path), written)
        assert inspect(path).warnings == ()
        if codec == "alac":
            np.testing.assert_allclose(decoded(path), written.T, atol=2**-15)


@pytest.mark.parametrize("frame_count", [SWEEP_FRAMES, 100_352 - DELAY, 5_000])
def test_the_tag_of_itunes_is_the_start_and_the_length_without_an_edit_list(tmp_path: Path, frame_count: int) -> None:
    path, written = tmp_path / "recording.m4a", sweep()[:frame_count]
    plain = by_ffmpeg(written, "ipod", "aac", {"use_editlist": "0"}, rate_hz=RATE_HZ)
    path.write_bytes(with_boxes(plain, tags=gapless_tag(DELAY, -(frame_count + DELAY) % 1024, frame_count)))
    assert_alike(decoded(path), written)
    assert inspect(path).warnings == ()


def test_the_tag_of_itunes_is_found_behind_a_large_cover(tmp_path: Path) -> None:
    picture = struct.pack(">II", 13, 0) + b"\xff\xd8" + bytes(2 << 20)
    path, cover = tmp_path / "recording.m4a", box(b"covr", box(b"data", picture))
    padding = -(SWEEP_FRAMES + DELAY) % 1024
    path.write_bytes(with_boxes(without_edits("aac"), tags=gapless_tag(DELAY, padding, SWEEP_FRAMES, cover)))
    assert_alike(decoded(path), sweep())


def test_a_quicktime_file_needs_no_type(tmp_path: Path) -> None:
    path, written = tmp_path / "recording.mov", by_ffmpeg(sweep(), "mov", "pcm_s16le", rate_hz=RATE_HZ)
    path.write_bytes(written.replace(b"ftyp", b"wide", 1))
    assert_alike(decoded(path), sweep())


def test_an_edit_list_that_presents_nothing_is_an_empty_recording(tmp_path: Path) -> None:
    path, edits = tmp_path / "recording.m4a", edit_list([(RATE_HZ, 100 * RATE_HZ)])
    path.write_bytes(with_boxes(without_edits("aac"), edits=edits, movie_clock=RATE_HZ))
    with pytest.raises(AppError, match="AUDIO_EMPTY"):
        inspect(path)


@pytest.mark.parametrize("flags", ["frag_keyframe+empty_moov+delay_moov", "dash+delay_moov"])
def test_fragmented_files_end_where_the_recording_ends(tmp_path: Path, flags: str) -> None:
    path = tmp_path / "recording.mp4"
    path.write_bytes(by_ffmpeg(sweep(), "mp4", "aac", {"movflags": flags}, rate_hz=RATE_HZ))
    assert_alike(decoded(path), sweep())


def test_a_hostile_edit_list_is_too_long(tmp_path: Path) -> None:
    path = tmp_path / "recording.m4a"
    plain = by_ffmpeg(sweep()[:RATE_HZ], "ipod", "aac", rate_hz=RATE_HZ)
    path.write_bytes(with_boxes(plain, edits=edit_list([(2**63, -1), (RATE_HZ, 0)], 1), movie_clock=RATE_HZ))
    with pytest.raises(AppError, match="AUDIO_TOO_LONG"):
        inspect(path)


def test_junk_before_the_first_frame_is_passed_over(tmp_path: Path) -> None:
    path, written = tmp_path / "recording", tone(50_000, 2)
    tag = b"ID3\x03\0\0\0\0\0\x0aTIT2\0\0\0\0\0\0"
    junk = {
        "a newline": b"\n",
        "bytes after the tag": tag + b"\x12\x34leftover",
        "a broken second tag": tag + b"ID3\x03\0\0\xff\xff\xff\xff" + b"\x55" * 174,
        "a tag whose size is not synchsafe": b"ID3\x03\0\0\0\x01\xff\xffGEOB" + b"\x33" * 65_500,
        "a large tag whose size is not synchsafe": b"ID3\x03\0\0" + struct.pack(">I", 300_000) + b"\x33" * 300_000,
        "an APE tag": b"APETAGEX" + struct.pack("<IIII", 2000, 32, 0, 0xA0000000) + bytes(8),
        "zeros": bytes(100_000),
        "half a sync word": b"\xff" * 100_000,
        "headers of frames that are not there": b"\xff\xfb\x90\x64" * 20_000,
    }
    kinds = {("MP3", None): "mp3", ("FLAC", "PCM_24"): "flac", ("OGG", "VORBIS"): "ogg"}
    for (file_format, subtype), container in kinds.items():
        soundfile.write(path, written, RATE_HZ, subtype=subtype, format=file_format)
        plain, expected = path.read_bytes(), decoded(path)
        for name, before in junk.items():
            path.write_bytes(before + plain)
            assert sniff(path) == container, name
            np.testing.assert_array_equal(decoded(path), expected, err_msg=name)
            assert inspect(path).warnings == (), name


@pytest.mark.parametrize("file_format", ["WAV", "RF64", "W64", "AIFF", "AU"])
def test_a_tag_before_a_file_of_samples_is_passed_over(tmp_path: Path, file_format: str) -> None:
    path = tmp_path / "recording"
    soundfile.write(path, noise(5_001, 2), RATE_HZ, subtype="PCM_16", format=file_format)
    expected = decoded(path)
    path.write_bytes(b"ID3\x03\0\0\0\0\0\x0bTIT2\0\0\0\0\0\0\0" + path.read_bytes())
    np.testing.assert_array_equal(decoded(path), expected)
    assert inspect(path).warnings == ()


@pytest.mark.parametrize(
    "content", [b"<html>" * 50_000, bytes(300_000), b"\xff\xfb\x90\x64" * 100_000, b"ID3" * 90_000]
)
def test_what_is_no_audio_is_no_audio_after_junk_either(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "recording"
    path.write_bytes(content)
    assert sniff(path) is None
    path.write_bytes(np.random.default_rng(0).bytes(300_000))
    assert sniff(path) is None


@pytest.mark.parametrize(
    ("container", "codec", "options"),
    [
        ("webm", "libopus", {}), ("webm", "libopus", {"live": "1"}), ("matroska", "flac", {}), ("matroska", "alac", {}),
        ("matroska", "pcm_s16le", {}), ("matroska", "libmp3lame", {}), ("caf", "pcm_s24le", {}), ("caf", "pcm_f32be", {}),
        ("caf", "alac", {}),
    ],
)  # fmt: skip
def test_recordings_of_browsers_and_of_logic(
    tmp_path: Path, container: str, codec: str, options: dict[str, str]
) -> None:
    path, written = tmp_path / "recording", tone(50_077, 2, 48_000)
    path.write_bytes(by_ffmpeg(written, container, codec, options, rate_hz=48_000))
    assert_alike(decoded(path), written)
    assert (inspect(path).info.container, inspect(path).warnings) == ("caf" if container == "caf" else "matroska", ())
