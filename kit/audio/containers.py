"""Detects the container of a file from its first bytes. File names and media types are untrusted."""

import itertools
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

SUPPORTED_FORMATS = "WAV, FLAC, MP3, Ogg Vorbis, Opus, M4A/AAC, AIFF, AU, CAF and WebM/Matroska"

DEMUXERS = {
    "wav": "wav",
    "w64": "w64",
    "flac": "flac",
    "mp3": "mp3",
    "ogg": "ogg",
    "m4a": "mp4",
    "aac": "aac",
    "aiff": "aiff",
    "au": "au",
    "caf": "caf",
    "matroska": "matroska",
}
"""FFmpeg's demuxer for each container that :func:`sniff` can return. No other demuxer is used."""

_W64_RIFF_GUID = bytes.fromhex("726966662e91cf11a5d628db04c10000")
_MPEG_KBITS = {  # Layer III bit rates by index, ISO/IEC 11172-3 and 13818-3
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_MPEG_RATES_HZ = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")  # old QuickTime files have no ftyp
_MATROSKA = bytes.fromhex("1a45dfa3")
_WINDOW_BYTES = 1 << 17
_STREAM_STARTS = re.compile(rb"fLaC|OggS|\xff[\xe2\xe3\xf0-\xf3\xf8-\xfb]")
_MAGIC = {b"fLaC": "flac", b"OggS": "ogg"}
_ZIP = b"PK\3\4"
_ID3_HEAD_BYTES = 10
_MAX_ID3_TAGS = 8
_XING_BYTES = 200
_XING = re.compile(rb"(?:Xing|Info)(....)", re.DOTALL)
_XING_FIELDS = ((1, 4), (2, 4), (4, 100), (8, 4))  # flag and size: frames, bytes, table of contents, quality
_ENCODERS_WITH_DELAYS = (b"LAME", b"Lavf", b"Lavc")
_OGG_BEGIN = b"OggS\0\2"
_OGG_HEAD_BYTES = 27
_OGG_SOUND = re.compile(rb"OpusHead|\x01vorbis|\x7fFLAC")
_MAX_OGG_STREAMS = 1_000
_PIECE_BYTES = 1 << 20
_MAX_FLAC_BLOCKS = 1_000
_FLAC_COMMENTS = 4


def sniff(path: Path) -> str | None:
    """Return the container of ``path`` by its content: a key of :data:`DEMUXERS`, or None for other formats.

    Raises ``OSError``: the file cannot be read.
    """
    found = locate(path)
    return found[0] if found else None


def locate(path: Path) -> tuple[str, int] | None:
    """Return the container of ``path``, and the offset at which the content begins, or None for other formats.

    What taggers leave before the first frame of a stream is passed over: tags, and up to :data:`_WINDOW_BYTES` of other bytes.

    Raises ``OSError``: the file cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(16)
        if container := _pcm_container(head):
            return container, 0
        if head[:4] == b"caff":
            return "caf", 0
        if head[:4] == _MATROSKA:
            return "matroska", 0
        if head[4:8] in _MP4_BOXES:
            return "m4a", 0
        if head[:4] == _ZIP:  # which may store an MP3
            return None
        start = max((end for _, end in id3_tags(file)), default=0)
        file.seek(start)
        head = file.read(16)
        if container := _pcm_container(head):
            return container, start
        found = _resynchronise(file, start)
        if found is None and head[:3] == b"ID3":  # a tag whose size is not synchsafe
            found = _resynchronise(file, start + 10 + int.from_bytes(head[6:10]))
        return found


def _pcm_container(head: bytes) -> str | None:
    """Return the container of uncompressed samples that begins with these 16 bytes."""
    if head[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64") and head[8:12] == b"WAVE":
        return "wav"
    if head == _W64_RIFF_GUID:
        return "w64"
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return "aiff"
    return "au" if head[:4] in (b".snd", b"dns.") else None


def _resynchronise(file: BinaryIO, start: int) -> tuple[str, int] | None:
    """Return the first stream that begins in a window of the file, and its offset."""
    file.seek(start)
    window = file.read(_WINDOW_BYTES)
    for candidate in _STREAM_STARTS.finditer(window):
        at = candidate.start()
        if candidate[0] in _MAGIC:
            return _MAGIC[candidate[0]], start + at
        # The first bytes of a file are believed more easily than bytes between others.
        container = _sniff_mpeg(file, start + at, 1 if at == 0 else 3)
        if container is not None:
            return container, start + at
    return None


def comment_count(path: Path, container: str, offset: int) -> int:
    """Return the number of comments that a FLAC file declares, which begins at ``offset``; 0 for other containers."""
    with path.open("rb") as file:
        if container != "flac":
            return 0
        file.seek(offset + 4)
        for _ in range(_MAX_FLAC_BLOCKS):
            head = file.read(4)
            if len(head) < 4:
                break
            end = file.tell() + int.from_bytes(head[1:])
            if head[0] & 0x7F == _FLAC_COMMENTS:
                file.seek(int.from_bytes(file.read(4), "little"), 1)  # the name of the encoder
                return int.from_bytes(file.read(4), "little")
            if head[0] & 0x80:
                break
            file.seek(end)
    return 0


def id3_tags(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """Yield begin and end of the ID3v2 tags that follow each other from the beginning of ``file``."""
    start = 0
    for _ in range(_MAX_ID3_TAGS):
        file.seek(start)
        head = file.read(_ID3_HEAD_BYTES)
        if len(head) < _ID3_HEAD_BYTES or head[:3] != b"ID3" or max(head[6:]) > 127:
            break
        end = start + id3_bytes(head)
        yield start, end
        start = end


def id3_bytes(head: bytes) -> int:
    """Return the size of an ID3v2 tag by its first ten bytes, with its footer."""
    size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
    return _ID3_HEAD_BYTES + size + (_ID3_HEAD_BYTES if head[5] & 0x10 else 0)


def _sniff_mpeg(file: BinaryIO, start: int, following: int) -> str | None:
    """Detect MP3 and ADTS: a frame header whose frame is followed by other frames of the same kind, or by the end.

    Args:
        following: how many other frames must follow, unless the file ends.
    """
    for container, frame_bytes in (("mp3", _mp3_frame_bytes), ("aac", _adts_frame_bytes)):
        at = start
        for index in range(following + 1):
            file.seek(at)
            head = file.read(7)
            size = frame_bytes(head)
            if index and (len(head) < 7 or head[:3] in (b"TAG", b"APE")):
                return container
            if not size:
                break
            at += size
        else:
            return container
    return None


def _mp3_frame_bytes(head: bytes) -> int:
    """Return the length of the MPEG Layer III frame that starts with ``head``, or 0. Free format is not supported."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
        return 0
    version, kbits_index, rate_index = head[1] >> 3 & 3, head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or kbits_index in (0, 15) or rate_index == 3:
        return 0
    slots = 144_000 if version == 3 else 72_000
    kbits = _MPEG_KBITS[version == 3][kbits_index]
    return slots * kbits // _MPEG_RATES_HZ[version][rate_index] + (head[2] >> 1 & 1)


def _adts_frame_bytes(head: bytes) -> int:
    """Return the length of the ADTS frame that starts with ``head``, or 0."""
    if len(head) < 7 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0 or head[2] >> 2 & 15 > 12:
        return 0
    size = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    return size if size > 7 else 0


def promised_seconds(path: Path, container: str, offset: int, demuxer_seconds: float | None) -> float | None:
    """Return the length that the header of the file declares, or None if it declares none.

    FFmpeg estimates the length of streams without one (MP3 without a Xing header, ADTS). PCM is not for this function.

    Args:
        offset: where the content begins in the file.
    """
    if container in ("aac", "wav"):
        return None
    if container == "mp3":
        with path.open("rb") as file:
            file.seek(offset)
            first_frame = file.read(_XING_BYTES)
            exact = _xing_seconds(first_frame)
            has_length = any(tag in first_frame for tag in (b"Xing", b"Info", b"VBRI"))
            return (exact or demuxer_seconds) if has_length else None
    return demuxer_seconds


def _xing_seconds(first_frame: bytes) -> float | None:
    """Return the exact length that the first frame of an MP3 declares with the encoder's delay and padding; None if it does not."""
    found = _XING.search(first_frame)
    if found is None:
        return None
    flags, at = int.from_bytes(found[1]), found.end()
    encoder = first_frame[at + sum(size for flag, size in _XING_FIELDS if flags & flag) :]
    if not flags & 1 or len(encoder) < 24 or encoder[:4] not in _ENCODERS_WITH_DELAYS:
        return None
    version, delays = first_frame[1] >> 3 & 3, int.from_bytes(encoder[21:24])
    samples = (1152 if version == 3 else 576) * int.from_bytes(first_frame[at : at + 4])
    return (
        max(0, samples - (delays >> 12) - (delays & 0xFFF)) / _MPEG_RATES_HZ[version][first_frame[2] >> 2 & 3] or None
    )


def ogg_links(path: Path, offset: int) -> list[tuple[int, int]]:
    """Return begin and end of the streams of an Ogg file that follow each other, as in recordings of radio stations.

    Streams that sound at the same time begin together, so they are one.
    """
    begins, after = [offset], offset
    with path.open("rb") as file:
        for at in itertools.islice(_ogg_beginnings(file, offset), _MAX_OGG_STREAMS):
            if at > after:
                begins.append(at)
            after = at + _ogg_page_bytes(os.pread(file.fileno(), _OGG_HEAD_BYTES + 255, at))
    return list(itertools.pairwise([*begins, path.stat().st_size]))


def ogg_first_page(path: Path, offset: int) -> tuple[int, int]:
    """Return the end of the first page with sound in an Ogg file, on its timeline, and the number of packets until there.

    The timeline of a recording that was cut out of a stream starts with an offset. Both are 0 if there is no such page.

    Args:
        offset: where the content begins in the file.
    """
    with path.open("rb") as file:
        file.seek(offset)
        window = file.read(_PIECE_BYTES)
    at, stream = 0, b""
    while window[at : at + 4] == b"OggS" and (size := _ogg_page_bytes(head := window[at : at + _OGG_HEAD_BYTES + 255])):
        position, page_stream = int.from_bytes(head[6:14], "little", signed=True), head[14:18]
        lengths = head[_OGG_HEAD_BYTES:][: head[_OGG_HEAD_BYTES - 1]]
        if _OGG_SOUND.match(window, at + _OGG_HEAD_BYTES + len(lengths)):
            stream = page_stream
        elif page_stream == stream and position > 0:
            return position, sum(length < 255 for length in lengths)
        at += size
    return 0, 0


def _ogg_beginnings(file: BinaryIO, past: int) -> Iterator[int]:
    """Yield where the first pages of streams are, from the offset ``past``."""
    file.seek(past)
    tail = b""
    while piece := file.read(_PIECE_BYTES):
        window, start, found = tail + piece, past - len(tail), -1
        while (found := window.find(_OGG_BEGIN, found + 1)) >= 0:
            yield start + found
        past, tail = past + len(piece), window[1 - len(_OGG_BEGIN) :]


def _ogg_page_bytes(head: bytes) -> int:
    if len(head) < _OGG_HEAD_BYTES:
        return 0
    segment_count = head[_OGG_HEAD_BYTES - 1]
    return _OGG_HEAD_BYTES + segment_count + sum(head[_OGG_HEAD_BYTES : _OGG_HEAD_BYTES + segment_count])
