"""Writes ``.stem.mp4`` files of Native Instruments, which programs for DJs play: a mix and four stems as tracks of one MP4 file.

The format has no public specification. Its readers ask for five stereo tracks of one codec, rate and length, and for the box
``moov/udta/stem`` with names and colours as JSON. The mix comes first and is the only track that other players play.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import av
from av.stream import Disposition

from soundwright.kit import errors
from soundwright.kit.audio.encode import KBITS, EncodedStream, Samples
from soundwright.kit.audio.mp4 import boxes
from soundwright.kit.free_space import FreeSpace

StemCodec = Literal["aac", "alac"]

_COLOURS = ("#009E73", "#D55E00", "#CC79A7", "#56B4E9")
_UTF8, _JPEG = 1, 13
_KBITS = {"aac": KBITS["m4a"]}
_COMPRESSOR = {
    "enabled": False, "ratio": 3, "output_gain": 0.5, "release": 0.3, "attack": 0.003, "input_gain": 0.5,
    "threshold": 0, "hp_cutoff": 300, "dry_wet": 50,
}  # fmt: skip
_LIMITER = {"enabled": False, "release": 0.05, "threshold": 0, "ceiling": -0.35}


@dataclass(frozen=True)
class StemTags:
    """What a stem file says about its song. Empty values and 0 mean unknown.

    Attributes:
        key: such as "A minor".
        cover: a JPEG picture.
    """

    title: str = ""
    artist: str = ""
    album: str = ""
    bpm: int = 0
    key: str = ""
    cover: bytes = b""


def write_stem_file(
    path: Path,
    codec: StemCodec,
    sample_rate_hz: int,
    channel_count: int,
    names: Sequence[str],
    blocks: Iterable[Sequence[Samples]],
    tags: StemTags,
) -> None:
    """Write a stem file. AAC has 256 kbit/s for each track; ALAC has 24 bits.

    Args:
        names: those of the four stems.
        blocks: consecutive blocks of the mix and of the stems, float32 [channels, frames] within full scale.

    Raises:
        AppError: ``AUDIO_NOT_WRITTEN`` if the disk fails; ``STORAGE_FULL`` if it has too little free space.
    """
    space = FreeSpace(path.parent)
    try:
        # The default clock of the movie, milliseconds, would make the length inexact.
        with av.open(str(path), "w", format="mp4", options={"movie_timescale": str(sample_rate_hz)}) as file:
            texts = {"title": tags.title, "artist": tags.artist, "album": tags.album, "tmpo": str(tags.bpm or "")}
            file.metadata.update({name: text for name, text in texts.items() if text})
            tracks = [
                EncodedStream(file, codec, sample_rate_hz, channel_count, "stereo", _KBITS.get(codec))
                for _ in range(1 + len(names))
            ]
            for number, track in enumerate(tracks):
                track.stream.disposition = Disposition.default if number == 0 else Disposition(0)
            for block in blocks:
                space.use(sum(samples.nbytes for samples in block))
                for track, samples in zip(tracks, block, strict=True):
                    track.write(samples.T)
            for track in tracks:
                track.flush()
        _append(path, (b"moov", b"udta", b"meta", b"ilst"), _items(tags))
        _append(path, (b"moov", b"udta"), _box(b"stem", json.dumps(_description(names)).encode()))
    except OSError as error:
        raise errors.AUDIO_NOT_WRITTEN() from error


def _description(names: Sequence[str]) -> dict[str, Any]:
    stems = [{"name": name, "color": colour} for name, colour in zip(names, _COLOURS, strict=True)]
    return {"version": 1, "mastering_dsp": {"compressor": _COMPRESSOR, "limiter": _LIMITER}, "stems": stems}


def _items(tags: StemTags) -> bytes:
    """Return the tags that FFmpeg does not write: the key, as "Am", and the cover."""
    key = tags.key.replace(" minor", "m").replace(" major", "")
    items = b""
    if key:
        name = _box(b"mean", bytes(4) + b"com.apple.iTunes") + _box(b"name", bytes(4) + b"initialkey")
        items += _box(b"----", name + _data(_UTF8, key.encode()))
    if tags.cover:
        items += _box(b"covr", _data(_JPEG, tags.cover))
    return items


def _data(kind: int, content: bytes) -> bytes:
    return _box(b"data", struct.pack(">II", kind, 0) + content)


def _box(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), name) + body


def _append(path: Path, names: Sequence[bytes], content: bytes) -> None:
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
