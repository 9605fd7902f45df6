"""Reads and writes tags of audio files: ID3v2.3 in MP3, Vorbis comments in FLAC."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import mutagen
from mutagen import id3
from mutagen.flac import FLAC, Picture
from mutagen.id3 import ID3

__all__ = ["Tags", "picture_type", "read_tags", "write_tags"]

_FRONT_COVER = 3


@dataclass(frozen=True)
class Tags:
    """Metadata of a recording. Empty strings and 0 mean unknown."""

    title: str = ""
    artist: str = ""
    album: str = ""
    album_artist: str = ""
    track_number: int = 0
    disc_number: int = 0
    date: str = ""
    isrc: str = ""
    address: str = ""


def picture_type(data: bytes) -> str:
    """Return the media type of a JPEG or PNG picture by its first bytes, or an empty string for other data."""
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    return "image/png" if data.startswith(b"\x89PNG\r\n\x1a\n") else ""


def read_tags(path: Path) -> Tags:
    """Return title, artist and album from the tags of a file. Values that cannot be read are empty."""
    try:
        file = mutagen.File(path, easy=True)
        found = [str(((file and file.get(name)) or [""])[0]) for name in ("title", "artist", "album")]
    except Exception:  # untrusted tags can make the reader raise anything, and the audio does not depend on them
        return Tags()
    return Tags(title=found[0], artist=found[1], album=found[2])


def write_tags(path: Path, tags: Tags, cover: bytes = b"") -> None:
    """Replace the tags of an MP3 or FLAC file. ``cover`` is a JPEG or PNG picture, or empty."""
    if path.suffix == ".flac":
        _write_flac(path, tags, cover)
    else:
        _write_id3(path, tags, cover)


def _write_id3(path: Path, tags: Tags, cover: bytes) -> None:
    frames = ID3()
    texts = {
        "TIT2": tags.title, "TPE1": tags.artist, "TALB": tags.album, "TPE2": tags.album_artist, "TSRC": tags.isrc,
        "TDRC": tags.date, "TRCK": str(tags.track_number or ""), "TPOS": str(tags.disc_number or ""),
    }  # fmt: skip
    for name, text in texts.items():
        if text:
            frames.add(getattr(id3, name)(encoding=id3.Encoding.UTF16, text=text))
    if tags.address:
        frames.add(id3.WOAS(url=tags.address))
    if cover:
        frames.add(id3.APIC(encoding=id3.Encoding.LATIN1, mime=picture_type(cover), type=_FRONT_COVER, data=cover))
    frames.update_to_v23()
    frames.save(path, v1=0, v2_version=3)


def _write_flac(path: Path, tags: Tags, cover: bytes) -> None:
    file = FLAC(path)
    file.delete()
    file.clear_pictures()
    texts = {
        "TITLE": tags.title, "ARTIST": tags.artist, "ALBUM": tags.album, "ALBUMARTIST": tags.album_artist,
        "ISRC": tags.isrc, "DATE": tags.date, "TRACKNUMBER": str(tags.track_number or ""),
        "DISCNUMBER": str(tags.disc_number or ""), "SOURCE": tags.address,
    }  # fmt: skip
    for name, text in texts.items():
        if text:
            file[name] = text
    if cover:
        picture = Picture()
        picture.type, picture.mime, picture.data = _FRONT_COVER, picture_type(cover), cover
        file.add_picture(picture)
    file.save()
