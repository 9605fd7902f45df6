"""Detects the container of a file from its first bytes. File names and media types are untrusted."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

__all__ = ["DEMUXERS", "SUPPORTED_FORMATS", "comment_count", "id3_bytes", "promised_seconds", "sniff"]

SUPPORTED_FORMATS = "WAV, FLAC, MP3, Ogg Vorbis, Opus, M4A/AAC and AIFF"

DEMUXERS = {
    "wav": "wav",
    "w64": "w64",
    "flac": "flac",
    "mp3": "mp3",
    "ogg": "ogg",
    "m4a": "mp4",
    "aac": "aac",
    "aiff": "aiff",
}
"""FFmpeg's demuxer for each container that :func:`sniff` can return. No other demuxer is used."""

_W64_RIFF_GUID = bytes.fromhex("726966662e91cf11a5d628db04c10000")
_MPEG_KBITS = {  # Layer III bit rates by index, ISO/IEC 11172-3 and 13818-3
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_MPEG_RATES_HZ = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_MAX_PADDING_BYTES = 65_536
_MAX_RIFF_CHUNKS = 1_000
_MAX_FLAC_BLOCKS = 1_000
_FLAC_COMMENTS = 4


def sniff(path: Path) -> str | None:
    """Return the container of ``path`` by its magic bytes: a key of :data:`DEMUXERS`, or None for other formats.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(16)
        if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
            return "wav"
        if head == _W64_RIFF_GUID:
            return "w64"
        if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
            return "aiff"
        if head[:4] == b"OggS":
            return "ogg"
        if head[4:8] == b"ftyp":
            return "m4a"
        start = _skip_id3(file)
        file.seek(start)
        head = file.read(4)
        if head == b"fLaC":
            return "flac"
        if head[:1] == b"\0":  # some taggers write padding between the tag and the first frame
            padding = head + file.read(_MAX_PADDING_BYTES)
            start += len(padding) - len(padding.lstrip(b"\0"))
        return _sniff_mpeg(file, start)


def id3_bytes(path: Path) -> int:
    """Return the length of the ID3v2 tags at the beginning of a file."""
    with path.open("rb") as file:
        return _skip_id3(file)


def comment_count(path: Path, container: str) -> int:
    """Return the number of comments that a FLAC file declares; 0 for other containers."""
    with path.open("rb") as file:
        if container != "flac":
            return 0
        file.seek(_skip_id3(file) + 4)
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


def _skip_id3(file: BinaryIO) -> int:
    """Return the offset after the ID3v2 tags at the beginning of ``file``."""
    start = 0
    for _ in range(8):
        file.seek(start)
        head = file.read(10)
        if len(head) < 10 or head[:3] != b"ID3" or max(head[6:]) > 127:
            break
        size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
        start += 10 + size + (10 if head[5] & 0x10 else 0)
    return start


def _sniff_mpeg(file: BinaryIO, start: int) -> str | None:
    """Detect MP3 and ADTS: a frame header whose frame is followed by another frame of the same kind, or by the end."""
    for container, frame_bytes in (("mp3", _mp3_frame_bytes), ("aac", _adts_frame_bytes)):
        file.seek(start)
        first = frame_bytes(file.read(7))
        if first:
            file.seek(start + first)
            following = file.read(7)
            if len(following) < 7 or frame_bytes(following) or following[:3] in (b"TAG", b"APE"):
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


def promised_seconds(path: Path, container: str, codec: str, demuxer_seconds: float | None) -> float | None:
    """Return the length that the header of the file declares, or None if it declares none.

    FFmpeg estimates the length of streams without one (MP3 without a Xing header, ADTS), and limits the length in a WAV
    header to the size of the file. Neither value reveals a truncated file.
    """
    with path.open("rb") as file:
        if container == "wav":
            return _riff_seconds(file) if codec.startswith("pcm_") else None
        if container == "mp3":
            file.seek(_skip_id3(file))
            first_frame = file.read(_MAX_PADDING_BYTES).lstrip(b"\0")[:200]
            return demuxer_seconds if any(tag in first_frame for tag in (b"Xing", b"Info", b"VBRI")) else None
    return None if container == "aac" else demuxer_seconds


def _pcm_bytes_per_second(fmt: bytes) -> int:
    """Return sample rate times frame size. The header field with this value is often wrong."""
    rate_hz, _, frame_bytes = struct.unpack_from("<IIH", fmt, 4)
    return int(rate_hz * frame_bytes)


def _riff_seconds(file: BinaryIO) -> float | None:
    """Return the length by the ``fmt `` and ``data`` chunks of a RIFF or RF64 file, or None if the size is unknown."""
    file.seek(12)
    bytes_per_second, wide_data_bytes = 0, None
    for _ in range(_MAX_RIFF_CHUNKS):
        head = file.read(8)
        if len(head) < 8:
            break
        name, size = head[:4], struct.unpack("<I", head[4:])[0]
        if name == b"data":
            if size in (0, 0xFFFFFFFF):
                size = wide_data_bytes
            return size / bytes_per_second if size and bytes_per_second else None
        body = file.read(min(size, 16))
        if name == b"fmt " and len(body) == 16:
            bytes_per_second = _pcm_bytes_per_second(body)
        elif name == b"ds64" and len(body) == 16:
            wide_data_bytes = struct.unpack_from("<Q", body, 8)[0]
        file.seek(size - len(body) + size % 2, 1)
    return None
