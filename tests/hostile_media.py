"""Files that are small on disk and expensive to read. Each function writes one."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import soundfile

__all__ = ["compressed_id3", "flac_comments", "id3_frames", "promise", "silence", "wav_id3", "wav_info"]

RATE_HZ = 8_000


def _encoded(format: str, subtype: str | None = None, seconds: float = 0.5) -> bytes:
    times = np.arange(int(RATE_HZ * seconds)) / RATE_HZ
    file = io.BytesIO()
    soundfile.write(file, 0.3 * np.sin(2 * np.pi * 440 * times), RATE_HZ, format=format, subtype=subtype)
    return file.getvalue()


def _synchsafe(value: int) -> bytes:
    return bytes(value >> shift & 127 for shift in (21, 14, 7, 0))


def _id3(frames: bytes) -> bytes:
    return b"ID3\x04\x00\x00" + _synchsafe(len(frames)) + frames


def _text_frames(count: int) -> bytes:
    """Return user-defined text frames with different names."""
    bodies = (b"\x00%x\x00x" % number for number in range(count))
    return b"".join(b"TXXX" + _synchsafe(len(body)) + b"\x00\x00" + body for body in bodies)


def id3_frames(path: Path, count: int) -> Path:
    """Write an MP3 with many ID3 frames."""
    path.write_bytes(_id3(_text_frames(count)) + _encoded("MP3", "MPEG_LAYER_III"))
    return path


def compressed_id3(path: Path, unpacked_bytes: int, count: int = 1) -> Path:
    """Write an MP3 with compressed ID3 frames, each of which unpacks to many bytes."""
    packer, piece = zlib.compressobj(1), bytes(1 << 20)
    packed = packer.compress(b"\x00")  # in pieces: children inherit the peak memory of the process that starts them
    packed += b"".join(packer.compress(piece) for _ in range(unpacked_bytes >> 20)) + packer.flush()
    body = _synchsafe(min(unpacked_bytes, (1 << 28) - 1)) + packed
    frame = b"TIT2" + _synchsafe(len(body)) + b"\x00\x09" + body  # compressed, with the length of the data
    path.write_bytes(_id3(frame * count) + _encoded("MP3", "MPEG_LAYER_III"))
    return path


def _comments(count: int) -> bytes:
    texts = (b"%x=" % number for number in range(count))
    return struct.pack("<I", 0) + struct.pack("<I", count) + b"".join(struct.pack("<I", len(t)) + t for t in texts)


def flac_comments(path: Path, count: int) -> Path:
    """Write a FLAC file with many comments."""
    plain = _encoded("FLAC")
    rest = plain[42:]
    while not rest[0] & 0x80 and rest[0] & 0x7F:  # the other metadata blocks
        rest = rest[4 + int.from_bytes(rest[1:4]) :]
    while rest[:2] not in (b"\xff\xf8", b"\xff\xf9"):
        rest = rest[4 + int.from_bytes(rest[1:4]) :]
    comments = _comments(count)
    stream_info = bytes([plain[4] & 0x7F]) + plain[5:42]
    path.write_bytes(plain[:4] + stream_info + b"\x84" + len(comments).to_bytes(3) + comments + rest)
    return path


def wav_id3(path: Path, count: int) -> Path:
    """Write a WAV file with many ID3 frames in a chunk."""
    tag = _id3(_text_frames(count))
    return _with_chunk(path, b"id3 ", tag)


def wav_info(path: Path, count: int) -> Path:
    """Write a WAV file with many different INFO entries."""
    names = (bytes(65 + number // 26**place % 26 for place in range(4)) for number in range(count))
    return _with_chunk(path, b"LIST", b"INFO" + b"".join(name + b"\x02\x00\x00\x00x\x00" for name in names))


def _with_chunk(path: Path, name: bytes, body: bytes) -> Path:
    plain = _encoded("WAV", "PCM_16")
    body += b"\0" * (len(body) % 2)
    chunks = plain[12:36] + name + struct.pack("<I", len(body)) + body + plain[36:]
    path.write_bytes(b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks)
    return path


def silence(path: Path, seconds: int, rate_hz: int, channel_count: int) -> Path:
    """Write a FLAC file of silence, block by block: a few kilobytes for gigabytes of samples."""
    block = np.zeros((rate_hz, channel_count), np.int16)
    with soundfile.SoundFile(path, "w", rate_hz, channel_count, "PCM_16", format="FLAC") as file:
        for _ in range(seconds):
            file.write(block)
    return path


def promise(path: Path, frame_count: int) -> None:
    """Let the header of a FLAC file declare a length. 0: unknown."""
    content = bytearray(path.read_bytes())
    fields = int.from_bytes(content[18:26])  # rate, channels and bits in 28 bits, then the length in 36
    content[18:26] = (fields >> 36 << 36 | frame_count).to_bytes(8)
    path.write_bytes(content)
