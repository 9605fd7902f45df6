"""Extracts audio from containers that the library does not store (WebM, MPEG-TS), without decoding it."""

from pathlib import Path

import av
import av.error

_MATROSKA = bytes.fromhex("1a45dfa3")
_TS_PACKET_BYTES = 188
_TARGETS = {"opus": "ogg", "vorbis": "ogg", "flac": "flac", "mp3": "mp3", "aac": "ipod", "alac": "ipod"}
_NO_PROTOCOLS = {"protocol_whitelist": "file"}


def unwrap(path: Path) -> None:
    """Replace a WebM or MPEG-TS file by its first audio stream in an audio container, if one has its codec. Leave other files unchanged.

    Raises ``ValueError``: the file has no audio stream, or it cannot be read.
    """
    demuxer = _demuxer(path)
    if demuxer is None:
        return
    draft = path.with_suffix(".sound")
    try:
        with av.open(str(path), format=demuxer, options=_NO_PROTOCOLS) as source:
            stream = next(iter(source.streams.audio), None)
            target = _TARGETS.get(stream.codec_context.name.removesuffix("float")) if stream is not None else None
            if stream is None:
                raise ValueError("no audio stream")
            if target is None:  # PCM, for example, which Matroska holds as it is
                return
            with av.open(str(draft), "w", format=target) as sink:
                copy = sink.add_stream_from_template(stream)
                shift, due = 0, 0
                for packet in source.demux(stream):
                    if packet.dts is None:
                        continue
                    # Each segment of a stream may restart its timestamps. Shift them, so that they keep rising.
                    shift += max(0, due - (packet.dts + shift))
                    packet.dts += shift
                    packet.pts = packet.dts
                    due = packet.dts + (packet.duration or 1)
                    packet.stream = copy
                    sink.mux(packet)
    except av.error.FFmpegError as error:
        raise ValueError(type(error).__name__) from error
    draft.replace(path)


def _demuxer(path: Path) -> str | None:
    with path.open("rb") as file:
        head = file.read(2 * _TS_PACKET_BYTES + 1)
    if head.startswith(_MATROSKA):
        return "matroska"
    synced = len(head) > 2 * _TS_PACKET_BYTES and all(
        head[at] == 0x47 for at in (0, _TS_PACKET_BYTES, 2 * _TS_PACKET_BYTES)
    )
    return "mpegts" if synced else None
