"""Tags of files: what other programs read in them, and that the audio stays the same."""

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from mutagen.flac import FLAC
from mutagen.id3 import ID3
from mutagen.mp4 import MP4

from soundwright.kit.adapters.filesystem.blobs import FileBlobs
from soundwright.kit.audio import AudioWriter, Encoding, decode_blocks
from soundwright.kit.song_tags import SongTags, tags_of
from soundwright.kit.text import one_line
from soundwright.library.v1 import track_pb2

NAMES = {
    "flac": ("title", "artist", "album", "bpm", "initialkey"),
    "mp3": ("TIT2", "TPE1", "TALB", "TBPM", "TKEY"),
    "m4a": ("\xa9nam", "\xa9ART", "\xa9alb", "tmpo", "----:com.apple.iTunes:initialkey"),
}


def jpeg() -> bytes:
    """A picture of 16 pixels a side."""
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 16, 16, "yuvj420p", 1
    frame = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24").reformat(format="yuvj420p")
    frame.pts = 0
    return b"".join(bytes(packet) for packet in (*encoder.encode(frame), *encoder.encode(None)))


def written(path: Path, encoding: Encoding, tags: SongTags | None, rate_hz: int, channel_count: int) -> np.ndarray:
    """Write noise, and return what the file holds."""
    samples = np.random.default_rng(0).uniform(-0.9, 0.9, (channel_count, 9000)).astype(np.float32)
    with AudioWriter(path, rate_hz, channel_count, encoding, tags=tags) as writer:
        writer.write(samples)
    return np.concatenate(list(decode_blocks(path)), axis=1)


def texts(path: Path) -> list[str]:
    """Title, artist, album, tempo and key in a file."""
    if path.suffix == ".mp3":
        return [str(ID3(path)[name]) for name in NAMES["mp3"]]
    read: Any = {".flac": FLAC, ".m4a": MP4}[path.suffix](path).tags
    values = [read[name][0] for name in NAMES[path.suffix[1:]]]
    return [bytes(value).decode() if isinstance(value, bytes) else str(value) for value in values]


def pictures(path: Path) -> list[bytes]:
    if path.suffix == ".flac":
        return [picture.data for picture in FLAC(path).pictures if picture.type == 3]
    if path.suffix == ".mp3":
        return [picture.data for picture in ID3(path).getall("APIC") if picture.type == 3]
    return [bytes(cover) for cover in MP4(path).tags.get("covr", [])]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("encoding", "rate_hz", "channel_count"),
    [("flac", 384_000, 8), ("flac16", 8_000, 1), ("mp3", 44_100, 2), ("m4a", 44_100, 2)],
)
def test_other_programs_read_the_tags_and_the_samples_are_the_same(
    tmp_path: Path, encoding: Encoding, rate_hz: int, channel_count: int
) -> None:
    extension = encoding.removesuffix("16")
    path = tmp_path / f"tagged.{extension}"
    tags = SongTags("Söng (vocals)", "AC;DC = 夜", 500 * "x", 120, "F# minor", jpeg())
    tagged = written(path, encoding, tags, rate_hz, channel_count)
    assert texts(path) == ["Söng (vocals)", "AC;DC = 夜", 500 * "x", "120", "F#m"]
    assert pictures(path) == [tags.cover]
    plain = written(tmp_path / f"plain.{extension}", encoding, None, rate_hz, channel_count)
    np.testing.assert_array_equal(tagged, plain)
    assert {file.name for file in tmp_path.iterdir()} == {path.name, f"plain.{extension}"}


@pytest.mark.parametrize("cover", [b"a picture", jpeg()[:100]], ids=["text", "cut"])
@pytest.mark.parametrize("encoding", ["flac", "mp3"])
def test_a_picture_that_cannot_be_read_is_left_out(tmp_path: Path, encoding: Encoding, cover: bytes) -> None:
    path = tmp_path / f"song.{encoding}"
    assert written(path, encoding, SongTags("Song", "A", "B", 90, "C major", cover), 44_100, 1).shape == (1, 9000)
    assert (texts(path), pictures(path)) == (["Song", "A", "B", "90", "C"], [])


async def test_the_tags_of_a_part_are_those_of_its_track(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path)
    async with blobs.write("cover") as writer:
        await writer.write(b"a picture")
    track = track_pb2.Track(
        title="A\0B\n" + 600 * "x", artist="Ünder\x1b", album="", bpm=119.8, key="A minor", cover_blob_key="cover"
    )
    expected = SongTags(f"A B {496 * 'x'} (vocals)", "Ünder", "", 120, "A minor", b"a picture")
    assert await tags_of(track, blobs, "vocals") == expected
    track = track_pb2.Track(title="Song", cover_blob_key="lost")
    assert await tags_of(track, blobs) == SongTags("Song")
    assert await tags_of(track_pb2.Track(), blobs, "vocals") == SongTags("vocals")


def test_a_line_keeps_the_joiners_of_scripts_and_emoji() -> None:
    assert one_line("می\u200cخواهم\n👨\u200d👩\u202e") == "می\u200cخواهم 👨\u200d👩"
