"""Broken recordings: mutations of every format that uploads accept, and files that are expensive to read."""

import io
import itertools
import random
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import soundfile

RATE_HZ = 48_000
_SOUNDFILE = {
    "wav16": ("WAV", "PCM_16"), "wav24": ("WAV", "PCM_24"), "wav8": ("WAV", "PCM_U8"), "wav32f": ("WAV", "FLOAT"),
    "wav alaw": ("WAV", "ALAW"), "rf64": ("RF64", "PCM_16"), "w64": ("W64", "PCM_16"), "aiff": ("AIFF", "PCM_16"),
    "aifc": ("AIFF", "FLOAT"), "flac": ("FLAC", "PCM_24"), "mp3": ("MP3", "MPEG_LAYER_III"),
    "vorbis": ("OGG", "VORBIS"), "opus": ("OGG", "OPUS"),
}  # fmt: skip
_FFMPEG: dict[str, tuple[str, str, dict[str, str]]] = {
    "m4a aac": ("mp4", "aac", {}),
    "m4a alac": ("mp4", "alac", {}),
    "fragmented m4a": ("mp4", "aac", {"movflags": "frag_keyframe+empty_moov"}),
    "aac": ("adts", "aac", {}),
}


_EXTREMES = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFF, 1 << 40, (1 << 64) - 1)


def good_recordings(samples: np.ndarray) -> dict[str, bytes]:
    """Return float32 samples [frames, channels] in every format."""
    files = {}
    for name, (kind, subtype) in _SOUNDFILE.items():
        file = io.BytesIO()
        soundfile.write(file, samples, RATE_HZ, format=kind, subtype=subtype)
        files[name] = file.getvalue()
    return files | {name: by_ffmpeg(samples, *form) for name, form in _FFMPEG.items()}


def by_ffmpeg(
    samples: np.ndarray,
    container: str,
    codec: str,
    options: Mapping[str, str] = {},
    rate_hz: int = RATE_HZ,
    cover: bool = False,
    tags: Mapping[str, str] = {},
    first_frame: int = 0,
) -> bytes:
    """Return float32 samples [frames, channels] as FFmpeg's own encoders write them, with tags, and with a picture if there is a cover.

    Args:
        first_frame: where the timeline starts.
    """
    written, layout = io.BytesIO(), {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}[samples.shape[1]]
    with av.open(written, "w", format=container, options=dict(options)) as file:
        file.metadata.update(tags)
        picture: Any = file.add_stream("mjpeg", rate=1) if cover else None
        stream = file.add_stream(codec, rate=rate_hz, layout=layout)
        stream.bit_rate = 128_000 * samples.shape[1]
        if picture is not None:
            picture.width, picture.height, picture.pix_fmt = 16, 16, "yuvj420p"
            image = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")
            file.mux(picture.encode(image.reformat(format="yuvj420p")))
        sample_format = {"alac": "s16p", "flac": "s16", "pcm_s16le": "s16", "pcm_s16be": "s16"}.get(codec, "fltp")
        for start in range(0, len(samples), 1024):
            block = samples[start : start + 1024].T
            frame = av.AudioFrame(sample_format, layout, block.shape[1])
            if sample_format != "fltp":
                block = np.rint(block * 32768).clip(-32768, 32767).astype(np.int16)
            if sample_format == "s16":
                block = block.T.reshape(1, -1)
            for plane, row in zip(frame.planes, block, strict=False):  # PyAV lists nine planes of eight channels
                plane.update(np.ascontiguousarray(row))
            frame.rate, frame.pts = rate_hz, first_frame + start
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
        if picture is not None:
            file.mux(picture.encode(None))
    return written.getvalue()


def jpeg(width: int, height: int) -> bytes:
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = width, height, "yuvj420p", Fraction(1)
    frame = av.VideoFrame.from_ndarray(np.zeros((height, width, 3), np.uint8), format="rgb24")
    picture = frame.reformat(format="yuvj420p")
    picture.pts = 0
    return b"".join(bytes(packet) for packet in (*encoder.encode(picture), *encoder.encode(None)))


# Mutations: each takes a file, randomness, and another file.


def _one_bit(content: bytes, chance: random.Random, other: bytes) -> bytes:
    return _flipped(content, chance, 1, len(content))


def _header_bits(content: bytes, chance: random.Random, other: bytes) -> bytes:
    return _flipped(content, chance, chance.randint(1, 8), 256)


def _many_bits(content: bytes, chance: random.Random, other: bytes) -> bytes:
    return _flipped(content, chance, len(content) // 50, len(content))


def _flipped(content: bytes, chance: random.Random, count: int, length: int) -> bytes:
    changed = bytearray(content)
    for _ in range(count):
        changed[chance.randrange(min(length, len(changed)))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _lying_numbers(content: bytes, chance: random.Random, other: bytes) -> bytes:
    """Replace numbers at the beginning or, where MP4 and many tags have their headers, at the end."""
    changed = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        form = chance.choice(["B", "<H", ">H", "<I", ">I", "<Q", ">Q"])
        size = struct.calcsize(form)
        number = chance.choice(_EXTREMES) & ((1 << 8 * size) - 1)
        window = min(600, len(changed)) - size
        at = chance.randrange(window)
        struct.pack_into(form, changed, at if chance.random() < 0.6 else len(changed) - window - size + at, number)
    return bytes(changed)


def _truncated(content: bytes, chance: random.Random, other: bytes) -> bytes:
    return content[: chance.randrange(1, len(content))]


def _header_alone(content: bytes, chance: random.Random, other: bytes) -> bytes:
    return content[: chance.randrange(1, 512)]


def _hole(content: bytes, chance: random.Random, other: bytes) -> bytes:
    start, end = _slice(content, chance)
    return content[:start] + bytes(end - start) + content[end:]


def _lost_part(content: bytes, chance: random.Random, other: bytes) -> bytes:
    start, end = _slice(content, chance)
    return content[:start] + content[end:]


def _repeated_part(content: bytes, chance: random.Random, other: bytes) -> bytes:
    start, end = _slice(content, chance)
    return content[:start] + content[start:end] * chance.randint(2, max(2, min(500, (8 << 20) // (end - start)))) + content[end:]  # fmt: skip


def _shuffled(content: bytes, chance: random.Random, other: bytes) -> bytes:
    blocks = [content[at : at + 1024] for at in range(0, len(content), 1024)]
    chance.shuffle(blocks)
    return content[:64] + b"".join(blocks)


def _noise_at_the_end(content: bytes, chance: random.Random, other: bytes) -> bytes:
    return content + chance.randbytes(chance.randrange(1, 100_000))


def _noise_after_the_header(content: bytes, chance: random.Random, other: bytes) -> bytes:
    return content[: chance.randrange(8, 512)] + chance.randbytes(len(content))


def _other_body(content: bytes, chance: random.Random, other: bytes) -> bytes:
    return content[: chance.randrange(4, 600)] + other[chance.randrange(600) :]


def _slice(content: bytes, chance: random.Random) -> tuple[int, int]:
    start = chance.randrange(len(content) - 1)
    return start, chance.randrange(start + 1, len(content))


_MUTATIONS: tuple[Callable[[bytes, random.Random, bytes], bytes], ...] = (
    _one_bit, _header_bits, _many_bits, _lying_numbers, _truncated, _header_alone, _hole, _lost_part, _repeated_part,
    _shuffled, _noise_at_the_end, _noise_after_the_header, _other_body,
)  # fmt: skip


def broken_recordings(samples: np.ndarray, count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Yield ``count`` broken files with their names. All mutations of all formats take turns in a random order."""
    files = good_recordings(samples)
    kinds = list(itertools.product(files, _MUTATIONS))
    random.Random(seed).shuffle(kinds)
    for number, (name, mutation) in enumerate(itertools.islice(itertools.cycle(kinds), count)):
        chance = random.Random(f"{seed}.{number}")
        broken = mutation(files[name], chance, chance.choice(list(files.values())))
        yield f"{number}: {name},{mutation.__name__.replace('_', ' ')}", broken


# Bombs: each function writes a file, most of which are small on disk and expensive to read.


def _encoded(format: str, subtype: str | None = None) -> bytes:
    """Return half a second of a tone."""
    file = io.BytesIO()
    soundfile.write(file, 0.3 * np.sin(2 * np.pi * 0.055 * np.arange(4_000)), 8_000, format=format, subtype=subtype)
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


def _atoms(path: Path) -> Path:
    """Write an MP4 file of 20,000 atoms in each other."""
    depth = 20_000
    nested = b"".join(struct.pack(">I", 8 * (depth - level)) + b"udta" for level in range(depth))
    return _written(path, _FTYP + struct.pack(">I", 8 + len(nested)) + b"moov" + nested)


def _many_atoms(path: Path) -> Path:
    """Write an MP4 file of a million empty atoms."""
    return _written(path, _FTYP + struct.pack(">I", 8 + (8 << 20)) + b"moov" + b"\0\0\0\x08free" * (1 << 20))


def _promised_samples(path: Path) -> Path:
    """Write an MP4 file whose table promises 2^31 samples."""
    content = bytearray(good_recordings(_silence())["m4a aac"])
    at = content.index(b"stsz") + 12
    content[at : at + 4] = (0x7FFFFFFF).to_bytes(4)
    return _written(path, bytes(content))


def _many_edits(path: Path) -> Path:
    """Write an MP4 file whose edit list repeats its sound 100,000 times."""
    content = good_recordings(_silence())["m4a aac"]
    at = content.index(b"elst") - 4
    old = int.from_bytes(content[at : at + 4])
    entries = struct.pack(">IIHH", 600, 0, 1, 0) * 100_000
    edits = struct.pack(">I", 16 + len(entries)) + b"elst" + struct.pack(">II", 0, 100_000) + entries
    grown = bytearray(content[:at] + edits + content[at + old :])
    for name in (b"edts", b"trak", b"moov"):
        start = grown.index(name) - 4
        grown[start : start + 4] = (int.from_bytes(grown[start : start + 4]) + len(edits) - old).to_bytes(4)
    return _written(path, bytes(grown))


def _tiny_pages(path: Path) -> Path:
    """Write an Ogg file with 300,000 pages without content."""
    head = good_recordings(_silence())["vorbis"]
    page = b"OggS\0\0" + bytes(8) + head[14:18] + bytes(9)
    return _written(path, head + page * 300_000)


def _many_streams(path: Path) -> Path:
    """Write an Ogg file that begins 30,000 logical streams."""
    head = good_recordings(_silence())["vorbis"]
    first = head[: 28 + head[27]]
    pages = (first[:14] + number.to_bytes(4, "little") + first[18:] for number in range(30_000))
    return _written(path, b"".join(pages) + head)


def _empty_chunks(path: Path) -> Path:
    """Write a WAV file with a million empty chunks before its data."""
    plain = good_recordings(_silence())["wav16"]
    return _written(path, plain[:36] + b"junk\0\0\0\0" * (1 << 20) + plain[36:])


def _empty_aiff_chunks(path: Path) -> Path:
    plain = good_recordings(_silence())["aiff"]
    return _written(path, plain[:12] + b"junk\0\0\0\0" * (1 << 20) + plain[12:])


def _id3_tags(path: Path) -> Path:
    """Write an MP3 with 400,000 empty ID3 tags."""
    return _written(path, b"ID3\x04\0\0\0\0\0\0" * 400_000 + good_recordings(_silence())["mp3"])


def _almost_frames(path: Path) -> Path:
    """Write an MP3 of 8 MB whose bytes all look like the beginning of a frame."""
    return _written(path, good_recordings(_silence())["mp3"] + b"\xff\xfb\x90" * (8 << 20 >> 2))


def _endless_flac(path: Path) -> Path:
    """Write a FLAC file of 500 seconds at 384 kHz with 8 channels: more samples than the limit, which its header does not declare."""
    silence(path, 500, 384_000, 8)
    promise(path, 0)
    return path


def _silent_hours(path: Path) -> Path:
    """Write a FLAC file of five hours of silence: an hour above the limit, which its header does not declare."""
    silence(path, 5 * 3600, 8_000, 1)
    promise(path, 0)
    return path


def _declared_hours(path: Path) -> Path:
    silence(path, 1, 384_000, 8)
    promise(path, 4 * 3600 * 384_000)
    return path


def _silence() -> np.ndarray:
    return np.zeros((RATE_HZ // 4, 2), np.float32)


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


_FTYP = b"\0\0\0\x14ftypM4A \0\0\0\0M4A "

BOMBS: dict[str, Callable[[Path], Path]] = {
    "200,000 ID3 frames": lambda path: id3_frames(path, 200_000),
    "compressed ID3 frames": lambda path: compressed_id3(path, 16 << 20, 8),
    "900,000 comments": lambda path: flac_comments(path, 900_000), "declared hours": _declared_hours,
    "atoms in atoms": _atoms, "a million atoms": _many_atoms, "promised samples": _promised_samples,
    "tiny pages": _tiny_pages, "many streams": _many_streams, "a million chunks": _empty_chunks,
    "a million AIFF chunks": _empty_aiff_chunks, "400,000 ID3 tags": _id3_tags, "almost frames": _almost_frames,
    "an edit list": _many_edits,
}  # fmt: skip
"""Functions that write files which are expensive to read."""

SLOW_BOMBS: dict[str, Callable[[Path], Path]] = {
    "ID3 in a WAV file": lambda path: wav_id3(path, 100_000),
    "INFO in a WAV file": lambda path: wav_info(path, 100_000),
    "silent hours": _silent_hours,
    "8 channels at 384 kHz": _endless_flac,
}
"""The same, but each file takes seconds of CPU time to read or to write."""
