"""Covers: found in every format, made small JPEGs, and nothing for what is no picture."""

from pathlib import Path

import av
import numpy as np
import pytest
from mutagen.apev2 import BINARY, APEv2, APEValue
from mutagen.id3 import APIC, ID3

from soundwright.services.ingest.fetch.covers import COVER, write_cover
from soundwright.services.ingest.fetch.tags import Tags, write_tags
from tests.broken_media import by_ffmpeg
from tests.mp4_boxes import box, tag_box, with_boxes

SECOND = np.zeros((44_100, 2), np.float32)


@pytest.fixture(autouse=True)
def _working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def picture(path: Path, width: int, height: int, codec: str = "png", pixels: str = "rgb24") -> bytes:
    """Write a picture whose left half is red and whose right half is yellow, and return it."""
    encoder = av.CodecContext.create(codec, "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = width, height, pixels, 1
    halves = np.full((height, width, 3), (255, 0, 0), np.uint8)
    halves[:, width // 2 :, 1] = 255
    frame = av.VideoFrame.from_ndarray(halves, format="rgb24").reformat(format=pixels)
    frame.pts = 0
    path.write_bytes(b"".join(bytes(packet) for packet in (*encoder.encode(frame), *encoder.encode(None))))
    return path.read_bytes()


def cover() -> tuple[int, int, list[int]]:
    """Return the width, the height and the colour at the top left of the cover."""
    with av.open(COVER, format="jpeg_pipe") as file:
        frame = next(file.decode(video=0))
    return frame.width, frame.height, frame.to_ndarray(format="rgb24")[2, 2].tolist()


@pytest.mark.parametrize(("container", "codec"), [("mp3", "mp3"), ("flac", "flac")])
def test_the_cover_in_tags_becomes_a_small_jpeg(tmp_path: Path, container: str, codec: str) -> None:
    song = tmp_path / f"song.{container}"
    song.write_bytes(by_ffmpeg(SECOND, container, codec))
    write_tags(song, Tags(title="Tune"), picture(tmp_path / "large.png", 1600, 800))
    write_cover(song)
    width, height, colour = cover()
    assert (width, height) == (640, 320)
    assert np.allclose(colour, (255, 0, 0), atol=8)
    assert Path(COVER).read_bytes().startswith(b"\xff\xd8\xff")


def test_the_front_comes_first_and_its_content_says_what_it_is(tmp_path: Path) -> None:
    song, tags = tmp_path / "song.mp3", ID3()
    song.write_bytes(by_ffmpeg(SECOND, "mp3", "mp3"))
    front, back = picture(tmp_path / "front", 64, 32), picture(tmp_path / "back", 16, 16)
    broken = picture(tmp_path / "broken", 8, 8)[:40]
    for kind, mime, data in ((4, "image/png", back), (3, "image/png", broken), (3, "image/jpeg", front)):
        tags.add(APIC(mime=mime, type=kind, desc=f"{len(data)}", data=data))
    tags.save(song)
    write_cover(song)
    assert cover()[:2] == (64, 32)


@pytest.mark.parametrize("kind", ["a type without a name", "APE", "MP4"])
def test_covers_that_ffmpeg_leaves_out_are_found(tmp_path: Path, kind: str) -> None:
    song, data = tmp_path / "song", picture(tmp_path / "cover", 64, 32)
    song.write_bytes(by_ffmpeg(SECOND, "mp3", "mp3"))
    if kind == "MP4":
        items = box(b"covr", box(b"data", bytes(8) + data))
        song.write_bytes(with_boxes(by_ffmpeg(SECOND, "ipod", "aac"), tags=tag_box(items)))
    elif kind == "APE":
        ape = APEv2()
        ape["Cover Art (Front)"] = APEValue(b"cover.png\0" + data, BINARY)
        ape.save(song)
    else:
        tags = ID3()
        tags.add(APIC(mime="", type=3, data=data))
        tags.save(song)
    write_cover(song)
    assert cover()[:2] == (64, 32)


def test_the_cover_of_an_mp4_file_is_found(tmp_path: Path) -> None:
    (tmp_path / "song.m4a").write_bytes(by_ffmpeg(SECOND, "mp4", "aac", cover=True))
    write_cover(tmp_path / "song.m4a")
    assert cover()[:2] == (16, 16)


def test_a_picture_of_a_link_is_read_by_its_content(tmp_path: Path) -> None:
    picture(tmp_path / "thumbnail.html", 64, 32)
    write_cover(tmp_path / "thumbnail.html")
    assert cover()[:2] == (64, 32)


def test_a_photo_stands_upright(tmp_path: Path) -> None:
    photo = picture(tmp_path / "photo.jpg", 64, 32, "mjpeg", "yuvj420p")
    held_sideways = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    length = (len(held_sideways) + 2).to_bytes(2, "big")
    (tmp_path / "photo.jpg").write_bytes(photo[:2] + b"\xff\xe1" + length + held_sideways + photo[2:])
    write_cover(tmp_path / "photo.jpg")
    width, height, colour = cover()
    assert (width, height) == (32, 64)
    assert np.allclose(colour, (255, 0, 0), atol=8)  # the left half is at the top


@pytest.mark.parametrize(
    "content", [b"<html>", b"\xff\xd8\xff" + b"x" * 500, b"RIFF1234WEBPVP8 ", b"\x89PNG\r\n\x1a\n", b""]
)
def test_what_is_no_picture_leaves_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "thing").write_bytes(content)
    write_cover(tmp_path / "thing")
    assert not Path(COVER).exists()


def test_a_picture_with_too_many_pixels_is_not_decoded(tmp_path: Path) -> None:
    whole = picture(tmp_path / "large.png", 8, 8)
    # Only the header says so: 100,000 by 100,000 pixels.
    (tmp_path / "bomb.png").write_bytes(whole[:16] + (100_000).to_bytes(4, "big") * 2 + whole[24:])
    write_cover(tmp_path / "bomb.png")
    assert not Path(COVER).exists()
