"""Makes a small JPEG of the cover of a recording, or of another picture. Runs in a confined process."""

import contextlib
import io
from collections.abc import Sequence
from itertools import chain, islice
from pathlib import Path

import av
import av.error
import numpy as np
from av.stream import Disposition

from soundwright.kit.audio.containers import DEMUXERS, sniff
from soundwright.services.ingest.fetch.pictures import picture_type
from soundwright.services.ingest.fetch.tags import tagged_pictures

COVER = "cover.jpg"
"""The file in the working folder that :func:`write_cover` writes."""

_SIDE_PIXELS = 640
_PIXEL_LIMIT = 50_000_000
_DECODERS = ("mjpeg", "png", "webp")
_HEAD_BYTES = 12
_FRONT = "Cover (front)"
_PICTURE_LIMIT = 8


def write_cover(source: Path) -> None:
    """Write the picture in a recording, or a picture, to the working folder. Write nothing if there is none or it cannot be read."""
    try:
        picture = _decoded(source)
        if picture is not None:
            Path(COVER).write_bytes(_encoded(picture))
    except Exception:  # untrusted pictures can make the decoders raise anything, and the audio does not depend on them
        return


def _decoded(source: Path) -> av.VideoFrame | None:
    with source.open("rb") as opened:
        if picture_type(opened.read(_HEAD_BYTES)):
            return _frame(source.read_bytes())
    found = chain(_pictures(source), islice(tagged_pictures(source), _PICTURE_LIMIT))
    return next(filter(None, map(_frame, found)), None)


def _pictures(source: Path) -> Sequence[bytes]:
    """Return the pictures in a recording, those of its front first."""
    container = sniff(source)
    if container is None:
        return ()
    options = {"protocol_whitelist": "file"}
    with av.open(f"file:{source.resolve()}", format=DEMUXERS[container], options=options) as file:
        streams = [each for each in file.streams.video if each.codec_context.name in _DECODERS]
        streams = [each for each in streams if each.disposition & Disposition.attached_pic] or streams[:1]
        streams = sorted(streams, key=lambda each: each.metadata.get("comment") != _FRONT)[:_PICTURE_LIMIT]
        found: dict[int, bytes] = {}
        for packet in file.demux(streams) if streams else ():
            found.setdefault(packet.stream.index, bytes(packet))
            if len(found) == len(streams):
                break
        return [found[each.index] for each in streams if each.index in found]


def _frame(picture: bytes) -> av.VideoFrame | None:
    """Decode a picture by its content: tags often name another format. None if it is too large or cannot be read."""
    kind = picture_type(picture[:_HEAD_BYTES]).removeprefix("image/")
    if not kind:
        return None
    with contextlib.suppress(av.error.FFmpegError), av.open(io.BytesIO(picture), format=f"{kind}_pipe") as file:
        for stream in file.streams.video:
            decoder = stream.codec_context
            if decoder.name in _DECODERS and 0 < decoder.width * decoder.height <= _PIXEL_LIMIT:
                return next(file.decode(stream), None)
    return None


def _encoded(picture: av.VideoFrame) -> bytes:
    scale = min(1.0, _SIDE_PIXELS / max(picture.width, picture.height))
    width, height = (max(1, round(scale * side)) for side in (picture.width, picture.height))
    pixels = picture.reformat(width, height, "rgb24").to_ndarray()
    upright = np.ascontiguousarray(np.rot90(pixels, picture.rotation // 90))  # cameras store how they were held
    small = av.VideoFrame.from_ndarray(upright, format="rgb24").reformat(format="yuvj420p")
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = small.width, small.height, "yuvj420p"
    encoder.time_base = small.time_base = 1
    encoder.options = {"qmin": "3", "qmax": "3"}
    small.pts = 0
    return b"".join(bytes(packet) for packet in (*encoder.encode(small), *encoder.encode(None)))
