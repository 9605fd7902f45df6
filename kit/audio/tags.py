"""Writes the tags of FLAC (Vorbis comments), MP3 (ID3v2) and MP4 files, with FFmpeg."""

import io
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
from av.stream import Disposition

from soundwright.kit.audio.mp4 import boxes
from soundwright.kit.chords import short_key
from soundwright.kit.song_tags import SongTags

_UTF8, _JPEG = 1, 13
_TEMPO = {"flac": "BPM", "mp3": "TBPM"}
_MP4_TEMPO = "tmpo"
_KEY = {"flac": "INITIALKEY", "mp3": "TKEY"}


def put_tags(file: Any, tags: SongTags) -> None:
    """Give tags to a file of PyAV that has its streams and no packets yet. :func:`finish_mp4_tags` adds the rest of those of MP4."""
    kind = file.format.name
    texts = {"title": tags.title, "artist": tags.artist, "album": tags.album}
    texts[_TEMPO.get(kind, _MP4_TEMPO)] = str(tags.bpm or "")
    if kind in _KEY:
        texts[_KEY[kind]] = short_key(tags.key)
    file.metadata.update({name: text for name, text in texts.items() if text})
    if kind in _KEY and tags.cover:
        _put_cover(file, tags.cover)


def _put_cover(file: Any, cover: bytes) -> None:
    with av.open(io.BytesIO(cover), format="jpeg_pipe") as picture:
        [stream] = picture.streams.video
        if not stream.width:  # it cannot be read, and the audio does not depend on it
            return
        packet = next(picture.demux())
        packet.stream = file.add_stream_from_template(stream)
        packet.stream.disposition = Disposition.attached_pic
        packet.stream.metadata["comment"] = "Cover (front)"
        file.mux(packet)


def tag_flac(path: Path, tags: SongTags) -> None:
    """Replace a FLAC file by one with tags and the same frames."""
    draft = path.with_name(f"{path.name}.tagged")
    try:
        with av.open(str(path), format="flac") as source, av.open(str(draft), "w", format="flac") as file:
            [stream] = source.streams.audio
            copy = file.add_stream_from_template(stream)
            put_tags(file, tags)
            for packet in source.demux(stream):
                if packet.size:
                    packet.stream = copy
                    file.mux(packet)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def finish_mp4_tags(path: Path, tags: SongTags) -> None:
    """Append the tags that FFmpeg does not write to an MP4 file: the key, as "Am", and the cover."""
    items = b""
    if tags.key:
        name = mp4_box(b"mean", bytes(4) + b"com.apple.iTunes") + mp4_box(b"name", bytes(4) + b"initialkey")
        items += mp4_box(b"----", name + _data(_UTF8, short_key(tags.key).encode()))
    if tags.cover:
        items += mp4_box(b"covr", _data(_JPEG, tags.cover))
    append_to_mp4(path, (b"moov", b"udta", b"meta", b"ilst"), items)


def _data(kind: int, content: bytes) -> bytes:
    return mp4_box(b"data", struct.pack(">II", kind, 0) + content)


def mp4_box(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), name) + body


def append_to_mp4(path: Path, names: Sequence[bytes], content: bytes) -> None:
    """Append boxes to the last box of a file, given by the names from the outside in. No other box moves."""
    with path.open("r+b") as file:
        file_bytes = path.stat().st_size
        start, sizes = 0, []
        for name in names:
            start += 4 if name == b"ilst" else 0  # ``meta`` has a version and flags before its boxes
            found, start, end = list(boxes(file, start, file_bytes))[-1]
            if found != name or end != file_bytes:
                raise ValueError(f"the file does not end with {name!r}")
            sizes.append((start - 8, end - start + 8 + len(content)))
        for offset, size in sizes:
            file.seek(offset)
            file.write(struct.pack(">I", size))
        file.seek(0, 2)
        file.write(content)
