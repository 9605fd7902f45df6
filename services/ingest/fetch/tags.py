"""Reads the tags of recordings, and writes those of MP3 (ID3v2.3) and FLAC files (Vorbis comments)."""

import contextlib
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import av
import mutagen
from mutagen import id3
from mutagen.apev2 import APENoHeaderError, APEv2
from mutagen.flac import FLAC, Picture
from mutagen.id3 import ID3
from mutagen.id3._util import ID3JunkFrameError
from mutagen.oggflac import OggFLAC
from mutagen.oggopus import OggOpus
from mutagen.oggvorbis import OggVorbis

from soundwright.kit.audio.containers import DEMUXERS, id3_bytes, id3_tags, locate, sniff
from soundwright.kit.audio.mp4 import boxes, tag_items
from soundwright.kit.audio.pcm import riff_chunks
from soundwright.services.ingest.fetch.pictures import picture_type

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


def read_tags(path: Path) -> Tags:
    """Return title, artist and album from the tags of a recording. Values that cannot be read are empty.

    Several values, for example of artists, are joined by commas. A file can have several tags: what one lacks comes from the next.
    """
    found: dict[str, list[str]] = {}
    id3_texts = (partial(_id3_texts, tag) for tag in _id3_tags(path))
    readers = (_ape_texts, _vorbis_texts, _mp4_texts, _container_texts, _id3v1_texts)
    for texts_of in (*id3_texts, *(partial(reader, path) for reader in readers)):
        # Untrusted tags can make the readers raise anything, and the audio does not depend on them.
        with contextlib.suppress(Exception):
            texts = texts_of().items()
            found = {
                **{name: kept for name, each in texts if (kept := [text for text in each if text.strip()])},
                **found,
            }
    title, artist, album = (", ".join(dict.fromkeys(found.get(name, ()))) for name in _NAMES)
    return Tags(title=title, artist=artist, album=album)


def _id3_texts(tag: bytes) -> dict[str, list[str]]:
    tags = ID3(io.BytesIO(tag), known_frames=_TEXT_FRAMES, load_v1=False)
    frames = {
        name: tags.getall(frame.__name__) for name, frame in zip(_NAMES, (id3.TIT2, id3.TPE1, id3.TALB), strict=True)
    }
    return {name: [text for frame in found for text in frame.text] for name, found in frames.items()}


def tagged_pictures(path: Path) -> Iterator[bytes]:
    """Yield pictures that FFmpeg leaves out: those of APE tags, and those whose format the tag names wrongly or not at all."""
    for tag in _id3_tags(path):
        with contextlib.suppress(Exception):
            frames = ID3(io.BytesIO(tag), known_frames={"APIC": APIC}, load_v1=False)
            yield from (frame.data for frame in frames.getall("APIC"))
    with contextlib.suppress(Exception):
        yield bytes(APEv2(path)["Cover Art (Front)"].value).partition(b"\0")[2]  # after its name
    for _, data in _mp4_values(path, (b"covr",), _MAX_TAG_BYTES + _MP4_HEAD_BYTES):
        yield data[_MP4_HEAD_BYTES:]


def _id3_tags(path: Path) -> Iterator[bytes]:
    """Yield the ID3v2 tags of a file: in a chunk of a WAV or AIFF file, or else one after the other at its beginning, and at its end."""
    file_bytes = path.stat().st_size
    with path.open("rb") as file:
        order = _CHUNK_ORDERS.get(file.read(4))
        for name, start, size in riff_chunks(file, 12, file_bytes, order) if order else ():
            if name.lower() == b"id3 ":
                file.seek(start)
                yield file.read(min(size, _MAX_TAG_BYTES))
                return
        after = 0
        for start, end in id3_tags(file):
            file.seek(start)
            tag = file.read(end - start)
            if _ID3.match(tag) is None:
                break
            yield tag
            after = end
        file.seek(max(after, file_bytes - _MAX_TAG_BYTES))
        rest = file.read()
    ends = (len(rest), len(rest) - _ID3V1_BYTES)
    for found in _ID3.finditer(rest):
        if found.start() + id3_bytes(found[0]) in ends:
            yield rest[found.start() :]
            return


def _vorbis_texts(path: Path) -> dict[str, list[str]]:
    """Return the texts of Vorbis comments, which can have several values for a name. FFmpeg joins those with semicolons."""
    file = mutagen.File(path, options=[FLAC, OggVorbis, OggOpus, OggFLAC])
    found = {name: file.tags[name][:_MAX_VALUES] for name in _NAMES if name in file.tags}
    return {name: texts for name, texts in found.items() if sum(map(len, texts)) <= _MAX_FRAME_BYTES}


def _mp4_texts(path: Path) -> dict[str, list[str]]:
    """Return the texts of MP4 atoms, which can have several values. FFmpeg reads the first one, and no UTF-16."""
    found: dict[str, list[str]] = {}
    for item, data in _mp4_values(path, tuple(_MP4_ITEMS), _MAX_FRAME_BYTES):
        text = data[_MP4_HEAD_BYTES:].decode(_MP4_ENCODINGS.get(data[3], "utf-8"), "replace")
        found.setdefault(_MP4_ITEMS[item], []).append(text)
    return found


def _mp4_values(path: Path, names: Sequence[bytes], max_bytes: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield name and value of MP4 atoms with these names, up to ``_MAX_VALUES`` of each. A value begins with its type."""
    if sniff(path) != "m4a":
        return
    left = dict.fromkeys(names, _MAX_VALUES)
    with path.open("rb") as file:
        for item, start, end in tag_items(file, path.stat().st_size):
            for _, begin, stop in islice(boxes(file, start, end), left.get(item, 0)):
                left[item] -= 1
                file.seek(begin)
                yield item, file.read(min(stop - begin, max_bytes))


def _container_texts(path: Path) -> dict[str, list[str]]:
    """Return the texts of chunks of WAV and AIFF files, and of other containers. FFmpeg joins several by semicolons."""
    located = locate(path)
    if located is None:
        return {}
    container, offset = located
    # What is not the beginning of a stream of MP3 or AAC is a tag, which FFmpeg reads.
    skipped = 0 if container in ("mp3", "aac") else offset
    options = {"protocol_whitelist": "file", "skip_initial_bytes": str(skipped)}
    with av.open(
        f"file:{path.resolve()}", format=DEMUXERS[container], options=options, metadata_errors="surrogateescape"
    ) as file:
        texts = [
            *file.metadata.items(),
            *(item for stream in file.streams.audio[:1] for item in stream.metadata.items()),
        ]
    found = {name.lower(): _decoded(text) for name, text in texts if len(text) <= _MAX_FRAME_BYTES}
    if "author" in found:  # the chunk AUTH of AIFF files
        found.setdefault("artist", found["author"])
    return {name: found[name].split(";") if name == "artist" else [found[name]] for name in _NAMES if name in found}


def _ape_texts(path: Path) -> dict[str, list[str]]:
    """Return the texts of an APEv2 tag, which some MP3 files have, often besides an ID3v1 tag with shortened texts."""
    try:
        return {name.lower(): str(value).split("\0") for name, value in APEv2(path).items()}
    except APENoHeaderError:
        return {}


def _id3v1_texts(path: Path) -> dict[str, list[str]]:
    """Return the texts of an ID3v1 tag, of at most 30 bytes each, at the end of the file."""
    with path.open("rb") as file:
        file.seek(-128, io.SEEK_END)
        tag = file.read()
    fields = [tag[at : at + 30].partition(b"\0")[0].decode(errors="surrogateescape") for at in (3, 33, 63)]
    return {name: [_decoded(text)] for name, text in zip(_NAMES, fields, strict=True) if tag[:3] == b"TAG"}


def _decoded(text: str) -> str:
    """Return a text of a WAV or AIFF file, or of an ID3v1 tag: UTF-8, or else Windows-1252, because the file does not name the encoding."""
    try:
        text.encode()
        return text
    except UnicodeEncodeError:
        return text.encode(errors="surrogateescape").decode("cp1252", "replace")


def _bounded(frame: type[id3.TextFrame]) -> type[id3.TextFrame]:
    """Return a frame that is not read if it is long or compressed: mutagen's time grows with the square of the length."""

    def from_data(_class: object, header: Any, flags: int, data: bytes) -> id3.Frame:
        if len(data) > _MAX_FRAME_BYTES or flags & (frame.FLAG23_COMPRESS | frame.FLAG24_COMPRESS):
            raise ID3JunkFrameError
        return frame._fromData(header, flags, data)

    return type(frame.__name__, (frame,), {"_fromData": classmethod(from_data)})


class APIC(id3.APIC):  # type: ignore[misc]
    """A picture that is not read if it is compressed or has a long description: of UTF-16, mutagen takes a step for each byte."""

    @classmethod
    def _fromData(cls, header: Any, flags: int, data: bytes) -> id3.Frame:
        is_long = b"\0\0" not in data[:_MAX_DESCRIPTION_BYTES] and data[:1] in (b"\1", b"\2")
        if is_long or flags & (cls.FLAG23_COMPRESS | cls.FLAG24_COMPRESS):
            raise ID3JunkFrameError
        return super()._fromData(header, flags, data)


_NAMES = ("title", "artist", "album")
_CHUNK_ORDERS = {b"RIFF": "<", b"RIFX": ">", b"FORM": ">"}
_ID3 = re.compile(rb"ID3[\2-\4]\0[\0-\xff][\0-\x7f]{4}")
_ID3V1_BYTES = 128
_MP4_ITEMS = {b"\xa9nam": "title", b"\xa9ART": "artist", b"\xa9alb": "album"}
_MP4_ENCODINGS = {2: "utf-16-be"}
_MP4_HEAD_BYTES = 8
_MAX_FRAME_BYTES = 4096
_MAX_VALUES = 50
_MAX_DESCRIPTION_BYTES = 1000
_MAX_TAG_BYTES = 16 << 20
_TEXT_FRAMES = {
    name: _bounded(frame)
    for frame, names in ((id3.TIT2, ("TIT2", "TT2")), (id3.TPE1, ("TPE1", "TP1")), (id3.TALB, ("TALB", "TAL")))
    for name in names
}


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
