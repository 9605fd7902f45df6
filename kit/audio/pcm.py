"""Reads PCM, floats and G.711 in WAV (RIFF, RIFX, RF64, BW64), W64, AIFF, AIFF-C, AU and CAF, as libsndfile does, to the sample.

Headers of recorders and pipes are often wrong in their sizes, and FFmpeg mistakes the valid bits of WAVE_FORMAT_EXTENSIBLE for
the bits of the samples. What counts here is the size of a sample in its container and the size of the file.
"""

import functools
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
"""float32 [channels, frames], nominally in [-1, 1]."""

_BLOCK_FRAMES = 16_384
_MAX_CHUNKS = 1_000
_MAX_FORM_BYTES = 1_000
_EXTENSIBLE = 0xFFFE
_GUID_BYTES = 16
_NEAR = 1 << 16

Kind = Literal["s", "u", "f", "alaw", "mulaw"]
"""Signed, unsigned, floats, or a law of G.711."""

_WAVE_KINDS: dict[int, Kind] = {1: "s", 3: "f", 6: "alaw", 7: "mulaw"}
_AIFF_KINDS: dict[bytes, tuple[str, Kind, int]] = {
    # Order, kind and bytes of samples, by compression type. 0 bytes: as many as the bits need.
    b"": (">", "s", 0), b"NONE": (">", "s", 0), b"twos": (">", "s", 0), b"sowt": ("<", "s", 0), b"raw ": (">", "u", 1),
    b"in24": (">", "s", 3), b"42n1": ("<", "s", 3), b"in32": (">", "s", 4), b"42ni": ("<", "s", 3), b"23ni": ("<", "s", 4),
    b"fl32": (">", "f", 4), b"FL32": (">", "f", 4), b"fl64": (">", "f", 8), b"FL64": (">", "f", 8),
    b"alaw": (">", "alaw", 1), b"ALAW": (">", "alaw", 1), b"ulaw": (">", "mulaw", 1), b"ULAW": (">", "mulaw", 1),
}  # fmt: skip
_AU_KINDS: dict[int, tuple[Kind, int]] = {
    1: ("mulaw", 1), 2: ("s", 1), 3: ("s", 2), 4: ("s", 3), 5: ("s", 4), 6: ("f", 4), 7: ("f", 8), 27: ("alaw", 1)
}  # fmt: skip
_CAF_KINDS: dict[bytes, Kind] = {b"lpcm": "s", b"alaw": "alaw", b"ulaw": "mulaw"}
_SAMPLE_BYTES: dict[Kind, tuple[int, ...]] = {"s": (1, 2, 3, 4), "u": (1,), "f": (4, 8), "alaw": (1,), "mulaw": (1,)}


@dataclass(frozen=True)
class _Form:
    """The description of the samples in a header.

    Attributes:
        order: "<" or ">": the order of the bytes of a sample.
    """

    order: str
    kind: Kind
    sample_bytes: int
    sample_rate_hz: int
    channel_count: int

    @property
    def frame_bytes(self) -> int:
        return self.sample_bytes * self.channel_count


@dataclass(frozen=True)
class Pcm:
    """Where the samples of a file are, and what they are.

    Attributes:
        offset: of the first sample in the file.
        frame_count: complete frames that the file has.
        promised_frames: frames that the header declares; None if it has a placeholder.
    """

    form: _Form
    offset: int
    frame_count: int
    promised_frames: int | None

    @property
    def codec(self) -> str:
        """FFmpeg's name of the samples."""
        form = self.form
        if form.kind in ("alaw", "mulaw"):
            return f"pcm_{form.kind}"
        endian = "" if form.sample_bytes == 1 else "le" if form.order == "<" else "be"
        return f"pcm_{form.kind}{8 * form.sample_bytes}{endian}"

    def blocks(self, path: Path) -> Iterator[Samples]:
        """Yield the samples of the file, float32 [channels, frames]. A sample of ``b`` bits is scaled by ``2 ** (1 - b)``."""
        frame_bytes = self.form.frame_bytes
        with path.open("rb") as file:
            file.seek(self.offset)
            for start in range(0, self.frame_count, _BLOCK_FRAMES):
                data = file.read(min(_BLOCK_FRAMES, self.frame_count - start) * frame_bytes)
                samples = _samples(data[: len(data) // frame_bytes * frame_bytes], self.form)
                yield np.ascontiguousarray(samples.reshape(-1, self.form.channel_count).T)


def _samples(data: bytes, form: _Form) -> Samples:
    size = form.sample_bytes
    if form.kind == "f":
        with np.errstate(over="ignore", invalid="ignore"):  # infinite samples are rejected later
            return np.frombuffer(data, f"{form.order}f{size}").astype(np.float32)
    if form.kind == "u":
        return (np.frombuffer(data, np.uint8).astype(np.float32) - 128) / np.float32(128)
    if form.kind != "s":
        return _law(form.kind)[np.frombuffer(data, np.uint8)]
    if size == 3:  # the high bytes of 32-bit samples
        wide = np.zeros((len(data) // 3, 4), np.uint8)
        wide[:, slice(1, 4) if form.order == "<" else slice(0, 3)] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        data, size = wide.tobytes(), 4
    return np.frombuffer(data, f"{form.order}i{size}").astype(np.float32) * np.float32(2.0 ** (1 - 8 * size))


@functools.cache
def _law(kind: Kind) -> Samples:
    """Return the samples of all 256 codes of a law (ITU-T G.711)."""
    code = np.arange(256) ^ (0x55 if kind == "alaw" else 0xFF)
    exponent, step = code >> 4 & 7, code & 15
    if kind == "alaw":
        size = np.where(exponent == 0, 16 * step + 8, (16 * step + 0x108) << np.maximum(exponent - 1, 0))
        size = np.where(code & 0x80, size, -size)
    else:
        size = ((8 * step + 0x84) << exponent) - 0x84
        size = np.where(code & 0x80, -size, size)
    return np.asarray(size / 2.0**15, np.float32)


def find_pcm(path: Path, container: str, offset: int) -> Pcm | None:
    """Return the samples of a file, or None if they are neither PCM nor floats, or are not found.

    Args:
        container: one of :data:`PCM_CONTAINERS`, else the result is None.
        offset: where it begins in the file.

    Raises ``OSError``: the file cannot be read.
    """
    find = _FINDERS.get(container)
    if find is None:
        return None
    with path.open("rb") as file:
        file.seek(offset)
        return find(file, offset, path.stat().st_size)


def _find_in_riff(file: BinaryIO, begin: int, file_bytes: int) -> Pcm | None:
    form, wide_bytes = None, 0
    order = ">" if file.read(4) == b"RIFX" else "<"
    for name, start, size in riff_chunks(file, begin + 12, file_bytes, order):
        if name == b"fmt ":
            form = form or _wave_form(file.read(min(size, _MAX_FORM_BYTES)), order)
        elif name == b"ds64":
            sizes = file.read(16)
            wide_bytes = int.from_bytes(sizes[8:], "little") if len(sizes) == 16 else 0
        elif name == b"data":
            if size == 0xFFFF_FFFF and wide_bytes:
                size = wide_bytes
            if size == 0 and _is_empty(file, start, file_bytes, order):
                return _found(form, file_bytes, 0, file_bytes)
            return _found(form, start, size, file_bytes)
    return None


def _find_in_w64(file: BinaryIO, begin: int, file_bytes: int) -> Pcm | None:
    form, at = None, begin + 40
    for _ in range(_MAX_CHUNKS):
        file.seek(min(at, file_bytes))
        head = file.read(24)
        if len(head) < 24:
            break
        name, size = head[:4], int.from_bytes(head[16:], "little")
        if name == b"fmt ":
            form = _wave_form(file.read(min(max(0, size - 24), _MAX_FORM_BYTES)), "<")
        elif name == b"data":
            return _found(form, at + 24, max(0, size - 24), file_bytes)
        if size < 24:
            break
        at += size + -size % 8
    return None


def _find_in_aiff(file: BinaryIO, begin: int, file_bytes: int) -> Pcm | None:
    form, promised_frames, place = None, 0, None
    for name, start, size in riff_chunks(file, begin + 12, file_bytes, ">"):
        if name == b"COMM":
            body = file.read(min(size, _MAX_FORM_BYTES))
            form = _aiff_form(body)
            promised_frames = int.from_bytes(body[2:6], "big")
        elif name == b"SSND":
            head = file.read(8)
            skipped = 8 + int.from_bytes(head[:4], "big")
            place = (start + skipped, size - skipped if size > skipped else 0)
        if form is not None and place is not None:
            offset, declared_bytes = place
            is_placeholder = not 0 < declared_bytes <= file_bytes - offset
            if promised_frames and is_placeholder:
                declared_bytes = min(declared_bytes, promised_frames * form.frame_bytes)
            return _found(form, offset, declared_bytes, file_bytes)
    return None


def _find_in_au(file: BinaryIO, begin: int, file_bytes: int) -> Pcm | None:
    head = file.read(24)
    if len(head) < 24:
        return None
    order = ">" if head[:4] == b".snd" else "<"
    offset, size, encoding, rate_hz, channel_count = struct.unpack_from(f"{order}5I", head, 4)
    kind, sample_bytes = _AU_KINDS.get(encoding, (None, 0))
    return _found(_form(order, kind, sample_bytes, rate_hz, channel_count), begin + offset, size, file_bytes)


def _find_in_caf(file: BinaryIO, begin: int, file_bytes: int) -> Pcm | None:
    form, at = None, begin + 8
    for _ in range(_MAX_CHUNKS):
        file.seek(min(at, file_bytes))
        head = file.read(12)
        if len(head) < 12:
            break
        name, size = struct.unpack(">4sq", head)
        if name == b"desc":
            form = _caf_form(file.read(32))
        elif name == b"data":
            return _found(form, at + 16, max(0, size - 4), file_bytes)  # -1: to the end
        if size < 0:
            break
        at += 12 + size
    return None


def riff_chunks(file: BinaryIO, at: int, file_bytes: int, order: str) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, offset and declared size of the bodies of chunks. At each yield, the file is positioned at the body."""
    for _ in range(_MAX_CHUNKS):
        file.seek(at)
        head = file.read(8)
        if len(head) < 8:
            return
        size = struct.unpack(f"{order}I", head[4:])[0]
        yield head[:4], at + 8, size
        at += 8 + size + size % 2
        if at > file_bytes:
            return


def _is_empty(file: BinaryIO, start: int, file_bytes: int, order: str) -> bool:
    """Return whether chunks that end with the file follow a chunk without content, so that it is really empty."""
    end = start
    for _, body, size in riff_chunks(file, start, file_bytes, order):
        end = body + size
    return file_bytes - end in (0, -1, 1)


def _found(form: _Form | None, offset: int, declared_bytes: int, file_bytes: int) -> Pcm | None:
    if form is None:
        return None
    there = max(0, file_bytes - offset)
    if declared_bytes == 0 or (declared_bytes > there and _is_placeholder(declared_bytes)):
        return Pcm(form, offset, there // form.frame_bytes, None)
    return Pcm(form, offset, min(declared_bytes, there) // form.frame_bytes, declared_bytes // form.frame_bytes)


def _is_placeholder(size: int) -> bool:
    """Return whether programs that do not know the size yet write this one: about 2 or 4 GiB, or more than any disk has."""
    return any(abs(size - most) <= _NEAR for most in (1 << 31, 1 << 32)) or size >= 1 << 62


def _wave_form(body: bytes, order: str) -> _Form | None:
    if len(body) < 16:
        return None
    tag, channel_count, rate_hz, _, block_align, bits = struct.unpack_from(f"{order}HHIIHH", body)
    if tag == _EXTENSIBLE and len(body) >= 24 + _GUID_BYTES:
        tag = struct.unpack_from(f"{order}I", body, 24)[0]
    kind, sample_bytes = _WAVE_KINDS.get(tag), math.ceil(bits / 8)
    if kind == "s" and sample_bytes == 3 and block_align == 4 * channel_count:
        sample_bytes = 4  # 24 bits in containers of 32
    if kind == "s" and sample_bytes == 1:
        kind = "u"
    return _form(order, kind, sample_bytes, rate_hz, channel_count)


def _aiff_form(body: bytes) -> _Form | None:
    if len(body) < 18:
        return None
    channel_count, _, bits = struct.unpack_from(">HIH", body)
    order, kind, sample_bytes = _AIFF_KINDS.get(body[18:22], (">", None, 0))
    return _form(order, kind, sample_bytes or math.ceil(bits / 8), _extended(body[8:18]), channel_count)


def _caf_form(body: bytes) -> _Form | None:
    if len(body) < 32:
        return None
    rate_hz, name, flags, packet_bytes, _, channel_count, bits = struct.unpack(">d4s5I", body)
    if name not in _CAF_KINDS or not 0 < rate_hz < 1 << 31:
        return None
    kind: Kind = "f" if name == b"lpcm" and flags & 1 else _CAF_KINDS[name]
    # A sample can have fewer bits than its place in a packet, which is one frame.
    sample_bytes = packet_bytes // channel_count if channel_count and packet_bytes else math.ceil(bits / 8)
    return _form("<" if flags & 2 else ">", kind, sample_bytes, round(rate_hz), channel_count)


def _form(order: str, kind: Kind | None, sample_bytes: int, rate_hz: int, channel_count: int) -> _Form | None:
    if kind is None or sample_bytes not in _SAMPLE_BYTES[kind] or not 0 < rate_hz < 1 << 31 or not channel_count:
        return None
    return _Form(order, kind, sample_bytes, rate_hz, channel_count)


def _extended(data: bytes) -> int:
    """Return a sample rate from a number of 80 bits (IEEE 754 extended), rounded; 0 if it is none."""
    exponent, mantissa = struct.unpack(">HQ", data)
    shift = 16_383 + 63 - exponent
    return round(mantissa / 2**shift) if 0 <= shift < 64 else 0


_FINDERS = {"wav": _find_in_riff, "w64": _find_in_w64, "aiff": _find_in_aiff, "au": _find_in_au, "caf": _find_in_caf}
PCM_CONTAINERS = frozenset(_FINDERS)
