"""Files as they are kept: the quality that was asked for, tags and cover, checked by decoding and by reading them back."""

import io
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import mutagen
import numpy as np
import pytest
import soundfile
from mutagen.aiff import AIFF
from mutagen.apev2 import APEv2
from mutagen.flac import FLAC
from mutagen.id3 import ID3, TIT2, TPE1, TSSE, Encoding, Frames
from mutagen.oggopus import OggOpus
from mutagen.oggvorbis import OggVorbis
from mutagen.wave import WAVE

from soundwright.kit import audio
from soundwright.kit.errors import AppError
from soundwright.services.ingest.fetch.encoding import keep
from soundwright.services.ingest.fetch.pictures import picture_type
from soundwright.services.ingest.fetch.tags import Tags, read_tags, write_tags
from soundwright.services.ingest.fetch.unwrap import unwrap
from tests.broken_media import by_ffmpeg
from tests.mp4_boxes import box, tag_box, with_boxes

RATE_HZ = 44_100
LIMITS = audio.AudioLimits()
JPEG = b"\xff\xd8\xff\xe0" + b"picture" * 100
TAGS = Tags(
    title="Blinding Lights — Ünïcödé 夜", artist="The Weeknd", album="After Hours", album_artist="Various",
    track_number=9, disc_number=2, date="2020-03-20", isrc="USUG11904206", address="https://open.spotify.com/track/one",
)  # fmt: skip


def tone(seconds: float = 2.0, channel_count: int = 2, rate_hz: int = RATE_HZ) -> np.ndarray:
    """A chord, different in each channel: float32 [frames, channels]."""
    time = np.arange(round(seconds * rate_hz)) / rate_hz
    return np.stack([0.3 * np.sin(2 * np.pi * 220.0 * (n + 1) * time) for n in range(channel_count)], 1).astype("f4")


def written(path: Path, samples: np.ndarray, rate_hz: int = RATE_HZ, **kind: str) -> Path:
    with path.open("wb") as file:
        soundfile.write(file, samples, rate_hz, **(kind or {"format": "WAV", "subtype": "PCM_16"}))
    return path


def decoded(path: Path) -> np.ndarray:
    """float32 [channels, frames]"""
    return np.concatenate(list(audio.decode_blocks(path)), axis=1)


def unheard(share: float) -> None:
    assert 0.0 <= share <= 1.0


def muxed(path: Path, codec: str, container: str, samples: np.ndarray, rate_hz: int = 48_000) -> Path:
    """Samples [frames, channels] as a file of any codec in any container."""
    path.write_bytes(by_ffmpeg(samples, container, codec, rate_hz=rate_hz))
    return path


@pytest.mark.parametrize("kbits", [320, 192, 128])
def test_mp3_has_the_bit_rate_and_the_sound(tmp_path: Path, kbits: int) -> None:
    samples = tone(4.0)
    path, warnings = keep(written(tmp_path / "media", samples), tmp_path, kbits, LIMITS, unheard)
    summary = audio.inspect(path)
    found = path.name, summary.info.codec, summary.info.sample_rate_hz, warnings
    assert found == ("kept.mp3", "mp3float", RATE_HZ, ())
    assert summary.frame_count == len(samples)  # without the padding that MP3 adds
    assert path.stat().st_size * 8 / 4.0 / 1000 == pytest.approx(kbits, rel=0.05)
    assert np.sqrt(np.mean((decoded(path) - samples.T) ** 2)) < 0.02
    if kbits == 320:
        small, _ = keep(path.rename(tmp_path / "media"), tmp_path, 128, LIMITS, unheard)
        assert small.stat().st_size * 8 / 4.0 / 1000 == pytest.approx(128, rel=0.05)


@pytest.mark.parametrize(
    ("rate_hz", "channel_count", "kept_hz", "kept_channels"),
    [(96_000, 2, 48_000, 2), (22_050, 1, 44_100, 1), (48_000, 6, 48_000, 2), (88_200, 2, 44_100, 2)],
)
def test_mp3_of_any_rate_and_channels(
    tmp_path: Path, rate_hz: int, channel_count: int, kept_hz: int, kept_channels: int
) -> None:
    source = written(tmp_path / "media", tone(1.0, channel_count, rate_hz), rate_hz)
    summary = audio.inspect(keep(source, tmp_path, 320, LIMITS, unheard)[0])
    assert (summary.info.sample_rate_hz, summary.info.channel_count) == (kept_hz, kept_channels)
    assert summary.duration_seconds == pytest.approx(1.0, abs=0.002)
    assert summary.peak > 0.2


@pytest.mark.parametrize("channel_count", [3, 5, 6, 7, 8])
def test_the_centre_is_in_the_mp3(tmp_path: Path, channel_count: int) -> None:
    """The third channel of a recording is its centre, in WAVE files as in FLAC."""
    samples = np.zeros((RATE_HZ, channel_count), np.float32)
    samples[:, 2] = tone(1.0, 1)[:, 0]
    path, _ = keep(written(tmp_path / "media", samples), tmp_path, 320, LIMITS, unheard)
    left, right = decoded(path)
    assert np.sqrt(np.mean(left**2)) > 0.1 * np.sqrt(np.mean(samples[:, 2] ** 2))
    np.testing.assert_allclose(left, right, atol=0.01)


@pytest.mark.parametrize("kind", [{}, {"format": "MP3", "subtype": "MPEG_LAYER_III"}])
def test_lossless_is_flac_to_the_last_bit_and_says_if_its_source_is_lossy(tmp_path: Path, kind: dict[str, str]) -> None:
    source = written(tmp_path / "media", tone(), **kind)
    before = decoded(source)
    path, warnings = keep(source, tmp_path, None, LIMITS, unheard)
    assert (path.name, audio.inspect(path).info.codec) == ("kept.flac", "flac")
    assert warnings == (("LOSSY_SOURCE",) if kind else ())
    np.testing.assert_allclose(decoded(path), before, rtol=0, atol=1e-4 if kind else 0)


@pytest.mark.parametrize("kbits", [320, None])
def test_a_loud_recording_does_not_clip(tmp_path: Path, kbits: int | None) -> None:
    samples = 6 * tone()
    source = written(tmp_path / "media", samples, format="WAV", subtype="FLOAT")
    path, warnings = keep(source, tmp_path, kbits, LIMITS, unheard)
    gain = 1.0 if kbits else 1 / np.abs(samples).max()
    assert warnings == (() if kbits else ("LEVEL_LOWERED",))
    difference = decoded(path) - gain * samples.T
    assert np.abs(difference[:, RATE_HZ // 10 : -RATE_HZ // 10]).max() < (0.1 if kbits else 1e-6)


@pytest.mark.parametrize(("kind", "kbits"), [("FLAC", None), ("MP3", 320)])
def test_what_is_good_enough_stays_as_it_is(tmp_path: Path, kind: str, kbits: int | None) -> None:
    source = written(tmp_path / "media", tone(), format=kind)
    content = source.read_bytes()
    assert keep(source, tmp_path, kbits, LIMITS, unheard)[0].read_bytes() == content


@pytest.mark.parametrize("content", [b"", b"<html>Please log in</html>" * 100, bytes(5000)])
@pytest.mark.parametrize("kbits", [320, None])
def test_what_is_no_sound_is_refused(tmp_path: Path, content: bytes, kbits: int | None) -> None:
    (tmp_path / "media").write_bytes(content)
    with pytest.raises(AppError, match=r"AUDIO_(EMPTY|UNREADABLE)"):
        keep(tmp_path / "media", tmp_path, kbits, LIMITS, unheard)


def test_what_is_too_long_is_refused(tmp_path: Path) -> None:
    source = written(tmp_path / "media", tone(3.0))
    with pytest.raises(AppError, match="AUDIO_TOO_LONG"):
        keep(source, tmp_path, 128, audio.AudioLimits(max_seconds=2.0), unheard)


def test_encoding_stops_when_it_is_told_to(tmp_path: Path) -> None:
    class Stopped(Exception):
        pass

    def stop(share: float) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        keep(written(tmp_path / "media", tone(10.0)), tmp_path, 320, LIMITS, stop)


@pytest.mark.parametrize(
    ("codec", "container", "kept"), [("libopus", "webm", "ogg"), ("aac", "mpegts", "m4a"), ("aac", "matroska", "m4a")]
)
def test_sound_comes_out_of_its_wrapping_unchanged(tmp_path: Path, codec: str, container: str, kept: str) -> None:
    samples = tone(2.0, rate_hz=48_000)
    path = muxed(tmp_path / "media", codec, container, samples)
    unwrap(path)
    summary = audio.inspect(path)
    assert (summary.info.container, summary.info.sample_rate_hz, summary.info.channel_count) == (kept, 48_000, 2)
    assert summary.duration_seconds == pytest.approx(2.0, abs=0.06)
    middle = decoded(path)[:, 24_000:72_000]
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.3 / np.sqrt(2), rel=0.05)
    assert sorted(tmp_path.iterdir()) == [path]


def test_pcm_in_matroska_is_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "media"
    path.write_bytes(by_ffmpeg(tone(0.5), "matroska", "pcm_s16le", rate_hz=RATE_HZ))
    unwrap(path)
    assert audio.sniff(path) == "matroska"
    assert decoded(keep(path, tmp_path, None, LIMITS, unheard)[0]).shape == tone(0.5).T.shape


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    path = written(tmp_path / "media", tone())
    content = path.read_bytes()
    unwrap(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("content", [bytes.fromhex("1a45dfa3") + b"\xff" * 1000, (b"G" + bytes(187)) * 20])
def test_a_damaged_wrapping_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "media").write_bytes(content)
    with pytest.raises(ValueError):
        unwrap(tmp_path / "media")


def frames(path: Path, names: Sequence[str]) -> list[str]:
    tags = ID3(path)
    return [str(tags[name]) for name in names]


def test_tags_and_cover_in_mp3(tmp_path: Path) -> None:
    path, _ = keep(written(tmp_path / "media", tone()), tmp_path, 192, LIMITS, unheard)
    before = decoded(path)
    write_tags(path, TAGS, JPEG)
    assert frames(path, ["TIT2", "TPE1", "TALB", "TPE2", "TRCK", "TPOS", "TSRC"]) == [
        TAGS.title, TAGS.artist, TAGS.album, TAGS.album_artist, "9", "2", TAGS.isrc,
    ]  # fmt: skip
    tags = ID3(path)
    assert tags.version == (2, 3, 0)  # what every player reads
    assert str(tags["TDRC"]) == "2020-03-20"
    assert tags["WOAS"].url == TAGS.address
    picture = tags.getall("APIC")
    assert [(p.mime, p.type, p.data) for p in picture] == [("image/jpeg", 3, JPEG)]
    assert np.array_equal(decoded(path), before)


def test_tags_and_cover_in_flac(tmp_path: Path) -> None:
    path, _ = keep(written(tmp_path / "media", tone()), tmp_path, None, LIMITS, unheard)
    before = decoded(path)
    write_tags(path, TAGS, JPEG)
    file = FLAC(path)
    assert dict(file) == {
        "title": [TAGS.title], "artist": [TAGS.artist], "album": [TAGS.album], "albumartist": [TAGS.album_artist],
        "tracknumber": ["9"], "discnumber": ["2"], "date": [TAGS.date], "isrc": [TAGS.isrc], "source": [TAGS.address],
    }  # fmt: skip
    assert [(p.mime, p.type, p.data) for p in file.pictures] == [("image/jpeg", 3, JPEG)]
    assert np.array_equal(decoded(path), before)


@pytest.mark.parametrize("kbits", [192, None])
def test_tags_replace_what_was_there(tmp_path: Path, kbits: int | None) -> None:
    path, _ = keep(written(tmp_path / "media", tone()), tmp_path, kbits, LIMITS, unheard)
    write_tags(path, TAGS, JPEG)
    assert read_tags(path) == Tags(title=TAGS.title, artist=TAGS.artist, album=TAGS.album)
    write_tags(path, Tags(title="New"))
    assert read_tags(path) == Tags(title="New")
    file = mutagen.File(path)
    assert not (file.pictures if kbits is None else file.tags.getall("APIC"))


OWN_TAGS = {"title": "ずっと前", "artist": "Полина", "album": "Ünïcödé"}


@pytest.mark.parametrize(
    ("container", "codec", "has_all"),
    [("mp3", "libmp3lame", True), ("mp4", "aac", True), ("ogg", "libopus", True), ("flac", "flac", True),
     ("wav", "pcm_s16le", True), ("aiff", "pcm_s16be", False)],  # FFmpeg writes the title alone to AIFF files
)  # fmt: skip
def test_tags_of_all_containers_are_read(tmp_path: Path, container: str, codec: str, has_all: bool) -> None:
    path = tmp_path / "media"
    path.write_bytes(by_ffmpeg(tone(1.0), container, codec, rate_hz=48_000, tags=OWN_TAGS))
    assert read_tags(path) == Tags(**(OWN_TAGS if has_all else {"title": OWN_TAGS["title"]}))


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda tags: tags.add(TPE1(Encoding.UTF8, ["Anna", "Bert", "Anna"])), Tags(artist="Anna, Bert")),
        (lambda tags: tags.add(TIT2(Encoding.UTF16, ["夜"])), Tags(title="夜")),
        (
            lambda tags: (tags.add(TIT2(Encoding.UTF8, ["x" * 5000])), tags.add(TPE1(Encoding.UTF8, ["A"]))),
            Tags(artist="A"),
        ),
    ],
    ids=["several artists", "UTF-16", "a long title"],
)
@pytest.mark.parametrize("version", [3, 4])
def test_id3_tags_are_read(tmp_path: Path, make: Callable[[ID3], object], expected: Tags, version: int) -> None:
    path, tags = muxed(tmp_path / "media", "libmp3lame", "mp3", tone(1.0)), ID3()
    make(tags)
    tags.save(path, v2_version=version, v23_sep=None)
    assert read_tags(path) == expected


def test_several_vorbis_comments_and_ape_tags_are_read(tmp_path: Path) -> None:
    path, _ = keep(written(tmp_path / "media", tone(0.5)), tmp_path, None, LIMITS, unheard)
    file = FLAC(path)
    file["artist"] = ["Anna", "Bert"]
    file.save()
    assert read_tags(path) == Tags(artist="Anna, Bert")
    for subtype, kind in (("VORBIS", OggVorbis), ("OPUS", OggOpus)):
        path = written(tmp_path / subtype, tone(0.5, 2, 48_000), 48_000, format="OGG", subtype=subtype)
        file = kind(path)
        file["title"], file["artist"], file["album"] = ["Night", "Nuit"], ["AC;DC"], ["Steins;Gate"]
        file.save()
        assert read_tags(path) == Tags(title="Night, Nuit", artist="AC;DC", album="Steins;Gate")
    path = written(tmp_path / "song", tone(0.5), format="MP3", subtype="MPEG_LAYER_III")
    tags = APEv2()
    tags["Title"], tags["Artist"] = "Ape", ["Anna", "Bert"]
    tags.save(path)
    assert read_tags(path) == Tags(title="Ape", artist="Anna, Bert")
    path.write_bytes(path.read_bytes() + b"TAG" + b"Short".ljust(125, b"\0"))  # ID3v1
    assert read_tags(path) == Tags(title="Ape", artist="Anna, Bert")


def test_what_one_tag_lacks_comes_from_the_next(tmp_path: Path) -> None:
    encoder = io.BytesIO()
    tags = ID3()
    tags.add(TSSE(Encoding.UTF8, ["Lavf"]))
    tags.save(encoder)
    path = written(tmp_path / "song", tone(0.5), format="MP3", subtype="MPEG_LAYER_III")
    old = b"TAG" + b"Title".ljust(30, b"\0") + b"Artist".ljust(30, b"\0") + b"Album".ljust(65, b"\0")  # ID3v1
    path.write_bytes(encoder.getvalue() + path.read_bytes() + old)
    assert read_tags(path) == Tags(title="Title", artist="Artist", album="Album")
    path = written(tmp_path / "lossless", tone(0.5), format="FLAC")
    file = FLAC(path)
    file["title"], file["artist"] = "Vorbis", ["Anna", "Bert"]
    file.save()
    path.write_bytes(encoder.getvalue() + path.read_bytes())
    assert read_tags(path) == Tags(title="Vorbis", artist="Anna, Bert")


def id3(**texts: list[str]) -> bytes:
    """Return an ID3v2.4 tag of text frames."""
    written, tags = io.BytesIO(), ID3()
    for name, values in texts.items():
        tags.add(Frames[name](Encoding.UTF8, values))
    tags.save(written, padding=lambda info: 0)
    return written.getvalue()


@pytest.mark.parametrize(("format", "kind"), [("MP3", {"subtype": "MPEG_LAYER_III"}), ("FLAC", {})])
def test_id3_tags_are_read_one_after_the_other_and_at_the_end(
    tmp_path: Path, format: str, kind: dict[str, str]
) -> None:
    path = written(tmp_path / "song", tone(0.5), format=format, **kind)
    sound = path.read_bytes()
    title, rest = id3(TIT2=["Title"]), id3(TIT2=["Other"], TPE1=["Anna", "Bert"])
    with_footer = rest[:5] + b"\x10" + rest[6:] + b"3DI" + rest[3:5] + b"\x10" + rest[6:10]
    behind = b"TAG" + bytes(125)
    for content in (title + rest + sound, title + sound + rest, title + sound + with_footer + behind):
        path.write_bytes(content)
        assert read_tags(path) == Tags(title="Title", artist="Anna, Bert")


def test_tags_behind_junk_are_read(tmp_path: Path) -> None:
    path = written(tmp_path / "lossless", tone(0.5), format="FLAC")
    file = FLAC(path)
    file["title"] = "Title"
    file.save()
    path.write_bytes(b"junk" * 10 + path.read_bytes())
    assert read_tags(path) == Tags(title="Title")


@pytest.mark.parametrize(("kind", "format"), [(WAVE, "WAV"), (AIFF, "AIFF")])
def test_several_artists_of_wav_and_aiff_files_are_read(tmp_path: Path, kind: Any, format: str) -> None:
    path = written(tmp_path / "media", tone(0.5), format=format)
    file = kind(path)
    file.add_tags()
    file.tags.add(TPE1(Encoding.UTF16, ["Anna", "Bert"]))
    file.save()
    assert read_tags(path) == Tags(artist="Anna, Bert")


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_the_encoding_of_texts_in_wav_files_is_found(tmp_path: Path, encoding: str) -> None:
    path, text = written(tmp_path / "media", tone(0.5), format="WAV"), "Björk".encode(encoding).ljust(8, b"\0")
    info = b"LIST" + struct.pack("<I", 12 + len(text)) + b"INFOINAM" + struct.pack("<I", len(text)) + text
    path.write_bytes(path.read_bytes() + info)
    assert read_tags(path) == Tags(title="Björk")


def test_several_values_and_utf16_in_mp4_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "media"
    values = {
        b"\xa9nam": [(2, "夜".encode("utf-16-be"))],
        b"\xa9ART": [(1, b"Anna"), (1, b"AC;DC")],
        b"\xa9alb": [(1, b" ")],
    }
    items = b"".join(
        box(name, b"".join(box(b"data", struct.pack(">II", kind, 0) + text) for kind, text in found))
        for name, found in values.items()
    )
    path.write_bytes(with_boxes(by_ffmpeg(tone(0.5), "ipod", "aac", rate_hz=RATE_HZ), tags=tag_box(items)))
    assert read_tags(path) == Tags(title="夜", artist="Anna, AC;DC")


def test_the_chunks_name_and_auth_of_aiff_files_are_read(tmp_path: Path) -> None:
    path = written(tmp_path / "media", tone(0.5), format="AIFF")
    chunks = b"".join(name + struct.pack(">I", 4) + text for name, text in ((b"NAME", b"Tune"), (b"AUTH", b"Anna")))
    content = path.read_bytes() + chunks
    path.write_bytes(content[:4] + struct.pack(">I", len(content) - 8) + content[8:])
    assert read_tags(path) == Tags(title="Tune", artist="Anna")


@pytest.mark.parametrize("content", [b"", b"ID3\x03\x00\x00\x7f\x7f\x7f\x7f", b"fLaC" + b"\xff" * 50, b"<html>"])
def test_unreadable_tags_are_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "media").write_bytes(content)
    assert read_tags(tmp_path / "media") == Tags()


def test_pictures_are_known_by_their_first_bytes() -> None:
    assert picture_type(JPEG) == "image/jpeg"
    assert picture_type(b"RIFF....WEBP") == "image/webp"
    assert picture_type(b"\x89PNG\r\n\x1a\n...") == "image/png"
    assert [picture_type(other) for other in (b"", b"<svg>", b"GIF89a", b"RIFF....WAVE")] == ["", "", "", ""]
