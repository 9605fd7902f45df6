"""Reads the timeline of the first audio track of an MP4 file: its edit list (ISO/IEC 14496-12) and the tag iTunSMPB.

FFmpeg ignores empty edits, edits that last to the end, and the length in iTunSMPB.
"""

import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

_MAX_BOXES = 10_000
_MAX_EDITS = 256
_MAX_ITEM_BYTES = 1 << 16
_GAPLESS = re.compile(rb"iTunSMPB.{0,32}? [0-9A-Fa-f]{8} ([0-9A-Fa-f]{8}) [0-9A-Fa-f]{8} ([0-9A-Fa-f]{16})", re.DOTALL)


@dataclass(frozen=True)
class Edit:
    """A part of the presentation.

    Attributes:
        start_seconds: where it begins in the media; None: it is silent.
        seconds: its length; None: it lasts to the end of the media.
    """

    start_seconds: Fraction | None
    seconds: Fraction | None


_LEFT_TO_FFMPEG = (Edit(Fraction(1), Fraction(1)), Edit(Fraction(0), Fraction(1)))
"""Stands for edit lists that are not read: it goes back, so that FFmpeg applies them."""


@dataclass(frozen=True)
class Timeline:
    """What to play.

    Attributes:
        edits: in order, at most one to the end, which is the last; empty: the whole media.
        gapless: frames of the encoder's delay and of the recording by iTunSMPB; None if there is no such tag.
    """

    edits: tuple[Edit, ...] = ()
    gapless: tuple[int, int] | None = None

    @property
    def is_forward(self) -> bool:
        """Whether no edit begins before the end of the one before it."""
        end = Fraction(0)
        for edit in self.edits:
            if edit.start_seconds is None:
                continue
            if edit.start_seconds < end:
                return False
            end = edit.start_seconds + (edit.seconds or 0)
        return True

    def seconds(self, media_seconds: float) -> float:
        """Return the length of the presentation of a media."""
        if not self.edits:
            return media_seconds
        return sum(
            max(0.0, media_seconds - float(edit.start_seconds or 0)) if edit.seconds is None else float(edit.seconds)
            for edit in self.edits
        )


def read_timeline(path: Path) -> Timeline:
    """Return the timeline of the first audio track of a file. What is damaged counts as missing.

    Raises ``OSError``: the file cannot be read.
    """
    with path.open("rb") as file:
        try:
            return _read(file, path.stat().st_size)
        except struct.error:
            return Timeline()


def _read(file: BinaryIO, file_bytes: int) -> Timeline:
    movie_clock, found = 0, False
    edits: tuple[Edit, ...] = ()
    for name, start, end in boxes(file, 0, file_bytes):
        if name != b"moov":
            continue
        for part, begin, stop in boxes(file, start, end):
            if part == b"mvhd":
                movie_clock = _clock(file, begin)
            elif part == b"trak" and not found and movie_clock:
                entries = _audio_edits(file, begin, stop, movie_clock)
                found = entries is not None
                edits = entries or ()
        break
    return Timeline(edits, _gapless(file, file_bytes))


def boxes(file: BinaryIO, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, and begin and end of the body, of the boxes between two offsets."""
    for _ in range(_MAX_BOXES):
        file.seek(start)
        head = file.read(16)
        if start + 8 > end or len(head) < 8:
            return
        size, name = struct.unpack(">I4s", head[:8])
        header = 8
        if size == 1 and len(head) == 16:
            size, header = struct.unpack(">Q", head[8:])[0], 16
        elif size == 0:
            size = end - start
        if size < header:
            return
        yield name, start + header, min(start + size, end)
        start += size


def _clock(file: BinaryIO, begin: int) -> int:
    """Return the ticks per second of a ``mvhd`` or ``mdhd`` box."""
    file.seek(begin)
    body = file.read(24)
    return int(struct.unpack_from(">I", body, 20 if body[:1] == b"\1" else 12)[0])


def tag_items(file: BinaryIO, file_bytes: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, and begin and end of the body, of the tags of a file."""
    yield from _within(file, 0, file_bytes, (b"moov", b"udta", b"meta", b"ilst"))


def _within(file: BinaryIO, start: int, end: int, names: Sequence[bytes]) -> Iterator[tuple[bytes, int, int]]:
    """Yield the boxes in the boxes with these names, from the outside in."""
    if not names:
        yield from boxes(file, start, end)
        return
    for name, begin, stop in boxes(file, start, end):
        if name == names[0]:
            after_version = 4 if name == b"meta" else 0
            yield from _within(file, begin + after_version, stop, names[1:])


def _gapless(file: BinaryIO, file_bytes: int) -> tuple[int, int] | None:
    for name, begin, stop in tag_items(file, file_bytes):
        file.seek(begin)
        found = _GAPLESS.search(file.read(min(stop - begin, _MAX_ITEM_BYTES))) if name == b"----" else None
        if found is not None and int(found[2], 16):
            return int(found[1], 16), int(found[2], 16)
    return None


def _audio_edits(file: BinaryIO, start: int, end: int, movie_clock: int) -> tuple[Edit, ...] | None:
    """Return the edits of a track; None if it is not audio."""
    media_clock, is_audio, place = 0, False, 0
    for name, begin, stop in boxes(file, start, end):
        if name == b"edts":
            place = next((inner for part, inner, _ in boxes(file, begin, stop) if part == b"elst"), 0)
        elif name == b"mdia":
            for part, inner, _ in boxes(file, begin, stop):
                if part == b"mdhd":
                    media_clock = _clock(file, inner)
                elif part == b"hdlr":
                    file.seek(inner + 8)
                    is_audio = file.read(4) == b"soun"
    if not is_audio:
        return None
    return _edits(file, place, movie_clock, media_clock) if place and media_clock else ()


def _edits(file: BinaryIO, place: int, movie_clock: int, media_clock: int) -> tuple[Edit, ...]:
    file.seek(place)
    head = file.read(8)
    form = ">Qqhh" if head[:1] == b"\1" else ">Iihh"
    size, count = struct.calcsize(form), struct.unpack_from(">I", head, 4)[0]
    if count > _MAX_EDITS:
        return _LEFT_TO_FFMPEG
    data, edits = file.read(size * count), []
    for index in range(count):
        duration, media_start, rate, _ = struct.unpack_from(form, data, index * size)
        start = None if media_start == -1 else Fraction(max(0, media_start), media_clock)
        to_end = duration == 0 and start is not None and index == count - 1
        if rate != 1 and start is not None:
            return _LEFT_TO_FFMPEG
        if duration or to_end:
            edits.append(Edit(start, None if to_end else Fraction(duration, movie_clock)))
    return tuple(edits)
