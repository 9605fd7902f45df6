"""Bad recordings: each ends in a sentence for the user, never in a crash, a stack trace or an endless decode."""

import contextlib
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from struct import pack

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from soundwright.kit.audio import AudioLimits, decode_blocks, inspect, probe, sniff
from soundwright.kit.errors import AppError, Code
from tests.broken_media import BOMBS

RATE_HZ = 44_100
NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, (40_000, 2)).astype(np.float32)


def encoded(file_format: str, subtype: str | None = None, rate_hz: int = RATE_HZ, channel_count: int = 2) -> bytes:
    file = BytesIO()
    soundfile.write(file, NOISE[:, :channel_count], rate_hz, subtype=subtype, format=file_format)
    return file.getvalue()


def wav(
    rate_hz: int = RATE_HZ, channel_count: int = 1, bits: int = 16, tag: int = 1, data: bytes = bytes(2_000)
) -> bytes:
    """A WAV file whose header says whatever is asked for."""
    frame_bytes = channel_count * bits // 8
    form = pack("<HHIIHH", tag, channel_count, rate_hz, rate_hz * frame_bytes % 2**32, frame_bytes % 2**16, bits)
    return pack("<4sI8sI", b"RIFF", 36 + len(data), b"WAVEfmt ", 16) + form + pack("<4sI", b"data", len(data)) + data


def with_wav_data_bytes(content: bytes, data_bytes: int) -> bytes:
    at = content.index(b"data") + 4
    return content[:at] + pack("<I", data_bytes) + content[at + 4 :]


def with_flac_frame_count(content: bytes, frame_count: int) -> bytes:
    """STREAMINFO keeps the number of frames in 36 bits from the middle of byte 21."""
    word = int.from_bytes(content[18:26], "big") >> 36 << 36 | frame_count
    return content[:18] + word.to_bytes(8, "big") + content[26:]


def caf_of_64_bits() -> bytes:
    form = pack(">d4s5I", 44_100, b"lpcm", 0, 16, 1, 2, 16)
    return b"caff\0\1\0\0desc" + pack(">q", 32) + form + b"data" + pack(">q", 16_004) + bytes(16_004)


def refusal(path: Path, content: bytes, limits: AudioLimits | None = None) -> AppError:
    path.write_bytes(content)
    with pytest.raises(AppError) as caught:
        inspect(path, limits or AudioLimits())
    assert caught.value.code is Code.UNPROCESSABLE
    assert str(path.parent) not in caught.value.message
    return caught.value


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "upload"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty file"),
        pytest.param(wav(data=b""), id="WAV of no frames"),
        pytest.param(wav()[:44], id="WAV cut behind its header"),
    ],
)
def test_no_audio(path: Path, content: bytes) -> None:
    assert refusal(path, content).reason == "AUDIO_EMPTY"


def test_a_flac_of_no_frames_is_empty(path: Path) -> None:
    soundfile.write(path, NOISE[:0], RATE_HZ, format="FLAC")
    assert refusal(path, path.read_bytes()).reason in {"AUDIO_EMPTY", "AUDIO_UNREADABLE"}


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"Hello, world!\n" * 300, id="text"),
        pytest.param("Grüße\n".encode("utf-16") * 300, id="UTF-16 text, which begins like an MPEG frame"),
        pytest.param(b"PK\x03\x04" + bytes(26) + encoded("MP3"), id="ZIP that stores an MP3"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + bytes(2_000), id="picture"),
        pytest.param(b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n/etc/hostname\n", id="playlist"),
        pytest.param(b"ffconcat version 1.0\nfile /etc/hostname\n", id="concat script"),
        pytest.param(b"[Script Info]\nScriptType: v4.00+\n", id="subtitles"), pytest.param(bytes(100_000), id="zeros"),
        pytest.param(b"ID3\x04\0\0\0\0\x10\0" + bytes(2_048), id="nothing but a tag"),
        pytest.param(b"OggS" + bytes(1_000), id="OggS and zeros"),
        pytest.param(b"fLaC" + bytes(1_000), id="fLaC and zeros"),
        pytest.param(bytes(4) + b"ftypM4A " + bytes(1_000), id="ftyp and zeros"),
        pytest.param(b"FORM\0\0\0\0AIFF" + bytes(1_000), id="AIFF and zeros"),
        pytest.param(b"\xff\xfb\x90\x00" + np.random.default_rng(1).bytes(9_000), id="one MPEG header and garbage"),
        pytest.param(wav()[:20], id="half a WAV header"), pytest.param(wav(rate_hz=0), id="0 Hz"),
        pytest.param(wav(rate_hz=2**31), id="2^31 Hz"),
        pytest.param(wav()[:16] + pack("<I", 14) + wav()[20:34] + wav()[36:], id="WAV without bits per sample"),
        pytest.param(caf_of_64_bits(), id="CAF with integers of 64 bits, which FFmpeg takes for 16"),
    ],
)  # fmt: skip
def test_what_cannot_be_read(path: Path, content: bytes) -> None:
    error = refusal(path, content)
    assert error.reason == "AUDIO_UNREADABLE"
    assert (
        "supported formats are WAV, FLAC, MP3, Ogg Vorbis, Opus, M4A/AAC, AIFF, AU, CAF and WebM/Matroska"
        in error.message
    )


@pytest.mark.parametrize(
    ("content", "codec"),
    [
        (wav(bits=0), "an unknown codec"), (wav(tag=999), "an unknown codec"), (wav(bits=64), "pcm_s64le"),
        (wav(tag=2, bits=4), "adpcm_ms"),
    ],
)  # fmt: skip
def test_codecs_that_are_not_on_the_list(path: Path, content: bytes, codec: str) -> None:
    error = refusal(path, content)
    assert error.reason == "AUDIO_UNREADABLE"
    assert codec in error.message
    assert "Convert it to FLAC" in error.message


@pytest.mark.parametrize(
    "content", [b"", b"#EXTM3U\n", b"\xff\xfb\x90\x00" + bytes(9_000), b"\xff\xf1\x50\x80\x10\x1f\xfc" + bytes(9_000)]
)
def test_what_is_unknown_has_no_container(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert sniff(path) is None  # one MPEG header alone is chance


@pytest.mark.parametrize("rate_hz", [1, 3_999, 384_001, 768_000])
def test_sample_rates_outside_the_limits(path: Path, rate_hz: int) -> None:
    error = refusal(path, wav(rate_hz=rate_hz))
    assert error.reason == "AUDIO_RATE_UNSUPPORTED"
    assert f"{rate_hz} Hz" in error.message


@pytest.mark.parametrize("channel_count", [0, 9, 64])
def test_channel_counts_outside_the_limits(path: Path, channel_count: int) -> None:
    assert refusal(path, wav(channel_count=channel_count)).reason == "AUDIO_CHANNELS_UNSUPPORTED"


def test_the_limits_are_the_callers(path: Path) -> None:
    limits = AudioLimits(max_seconds=1.0, min_sample_rate_hz=8_000, max_sample_rate_hz=48_000, max_channel_count=2)
    path.write_bytes(wav(rate_hz=8_000, channel_count=2, data=bytes(4 * 8_000)))
    assert inspect(path, limits).duration_seconds == 1.0
    assert refusal(path, wav(rate_hz=8_000, channel_count=2, data=bytes(4 * 8_001)), limits).reason == "AUDIO_TOO_LONG"
    assert refusal(path, wav(rate_hz=7_999), limits).reason == "AUDIO_RATE_UNSUPPORTED"
    assert refusal(path, wav(rate_hz=48_001), limits).reason == "AUDIO_RATE_UNSUPPORTED"
    assert refusal(path, wav(channel_count=3), limits).reason == "AUDIO_CHANNELS_UNSUPPORTED"


@pytest.mark.parametrize(
    ("dtype", "poison"), [*((dtype, poison) for dtype in ("<f4", "<f8") for poison in (np.nan, np.inf, -np.inf, -1e11))]
)
def test_samples_that_are_not_finite(path: Path, dtype: str, poison: float) -> None:
    samples = np.zeros((2 * RATE_HZ, 2), dtype)
    samples[RATE_HZ * 3 // 2, 1] = poison
    error = refusal(path, wav(channel_count=2, bits=8 * samples.itemsize, tag=3, data=samples.tobytes()))
    assert error.reason == "AUDIO_NOT_FINITE"
    assert "at 1.500 s" in error.message


@pytest.fixture(scope="module")
def hours_of_silence(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Ten hours in half a megabyte."""
    path = tmp_path_factory.mktemp("silence") / "silence.flac"
    with soundfile.SoundFile(path, "w", 4_000, 1, "PCM_16", format="FLAC") as file:
        minutes = np.zeros(4_000 * 600, np.int16)
        for _ in range(60):
            file.write(minutes)
    return path.read_bytes()


def test_headers_of_many_hours_are_refused_before_decoding(path: Path, hours_of_silence: bytes) -> None:
    """One admits ten hours, and an edit list repeats seconds for hours."""
    for write in (lambda path: path.write_bytes(hours_of_silence), BOMBS["an edit list"]):
        write(path)
        with pytest.raises(AppError, match="AUDIO_TOO_LONG"):
            probe(path)


@pytest.mark.parametrize("claimed_frames", [0, 100])
def test_ten_hours_behind_a_lying_header_stop_at_the_limit(
    path: Path, hours_of_silence: bytes, claimed_frames: int
) -> None:
    path.write_bytes(with_flac_frame_count(hours_of_silence, claimed_frames))
    limits = AudioLimits(max_seconds=60)
    lengths: list[int] = []
    with pytest.raises(AppError, match="AUDIO_TOO_LONG"):
        lengths.extend(block.shape[1] for block in decode_blocks(path, limits, 4_000))
    assert 55 * 4_000 < sum(lengths) <= 60 * 4_000


@pytest.mark.parametrize(("file_format", "subtype"), [("MP3", None), ("FLAC", "PCM_24"), ("WAV", "PCM_16")])
def test_a_recording_cut_off_is_decoded_as_far_as_it_goes(path: Path, file_format: str, subtype: str | None) -> None:
    content = encoded(file_format, subtype)
    path.write_bytes(content)
    whole = np.concatenate(list(decode_blocks(path)), axis=1)
    path.write_bytes(content[: len(content) // 2])
    part = np.concatenate(list(decode_blocks(path)), axis=1)
    assert 0.35 * 40_000 < part.shape[1] < 0.55 * 40_000
    until = part.shape[1] - 2_000  # the last frames of an MP3 lack what the next would add
    np.testing.assert_array_equal(part[:, :until], whole[:, :until])
    assert inspect(path).warnings == ("TRUNCATED",)
    assert inspect(path).frame_count == part.shape[1]


@pytest.mark.parametrize(
    ("data_bytes", "warnings"), [(0, ()), (0xFFFF_FFFF, ()), (0x7FFF_FFFF, ()), (4 * 60_000, ("TRUNCATED",))]
)
def test_a_wav_that_lies_about_its_length_has_the_length_it_has(
    path: Path, data_bytes: int, warnings: tuple[str, ...]
) -> None:
    path.write_bytes(with_wav_data_bytes(encoded("WAV", "PCM_16"), data_bytes))
    summary = inspect(path)
    assert (summary.frame_count, summary.warnings) == (40_000, warnings)


@pytest.mark.parametrize("file_format", ["MP3", "FLAC"])
def test_damage_in_the_middle_is_passed_over(path: Path, file_format: str) -> None:
    content = bytearray(encoded(file_format))
    middle = len(content) // 2
    content[middle : middle + 3_000] = np.random.default_rng(0).bytes(3_000)
    path.write_bytes(content)
    summary = inspect(path)
    assert 20_000 < summary.frame_count <= 40_000
    assert summary.warnings


def test_damage_is_told_apart_from_a_cut(path: Path) -> None:
    content = bytearray(with_flac_frame_count(encoded("FLAC"), 0))  # promises no length
    content[-200:] = bytes(200)
    path.write_bytes(content)
    assert inspect(path).warnings == ("DAMAGED",)


def test_a_title_in_no_known_alphabet_does_no_harm(path: Path) -> None:
    title = pack("<4sI4s4sI", b"LIST", 16, b"INFO", b"INAM", 4) + b"\xff\xfe\xfa\0"
    content = wav()
    path.write_bytes(content[:36] + title + content[36:])
    assert inspect(path).frame_count == 1_000


def test_nothing_but_damage_is_unreadable(path: Path) -> None:
    content = encoded("FLAC")
    damaged = content[:9_000][:100] + np.random.default_rng(0).bytes(len(content) - 100)
    assert refusal(path, damaged).reason in {"AUDIO_UNREADABLE", "AUDIO_EMPTY"}


@pytest.mark.parametrize(("rate_hz", "channel_count"), [(48_000, 2), (RATE_HZ, 1)])
@pytest.mark.parametrize("file_format", ["MP3", "FLAC", "OGG"])
def test_a_recording_that_changes_midway(path: Path, file_format: str, rate_hz: int, channel_count: int) -> None:
    error = refusal(path, encoded(file_format) + encoded(file_format, None, rate_hz, channel_count))
    assert error.reason == "AUDIO_UNREADABLE"
    assert "changes midway" in error.message


def test_a_missing_file_is_an_error_of_ours(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        inspect(path)


def test_ffmpeg_says_nothing_to_the_terminal(path: Path) -> None:
    content = bytearray(encoded("MP3"))
    content[5_000:8_000] = bytes(3_000)
    path.write_bytes(content)
    program = "import sys, pathlib, soundwright.kit.audio; print(soundwright.kit.audio.inspect(pathlib.Path(sys.argv[1])).warnings)"
    run = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
    assert run.stdout == "('TRUNCATED',)\n"
    assert run.stderr == ""


RECORDINGS = [
    *(encoded(*form)[:6_000] for form in (("WAV", "PCM_24"), ("WAV", "FLOAT"), ("AIFF", "PCM_16"))),
    *(encoded(*form)[:6_000] for form in (("RF64", "PCM_16"), ("W64", "PCM_16"))),
    *(encoded("FLAC")[:12_000], encoded("OGG", "VORBIS")[:12_000], encoded("OGG", "OPUS", 48_000), encoded("MP3")),
]


@settings(deadline=None, max_examples=200)
@given(data=st.data())
def test_any_damage_ends_in_a_summary_or_a_refusal(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(data.draw(st.sampled_from(RECORDINGS)))
    for _ in range(data.draw(st.integers(1, 12))):
        at = data.draw(st.one_of(st.integers(0, 200), st.integers(0, len(content) - 1)))
        content[at : at + 1] = data.draw(st.binary(min_size=0, max_size=6))
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(content)
    with contextlib.suppress(AppError):  # no other error may come
        summary = inspect(path, AudioLimits(max_seconds=30))
        assert summary.frame_count > 0
        assert np.isfinite(summary.peak)
