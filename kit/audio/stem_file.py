"""Writes ``.stem.mp4`` files of Native Instruments, which programs for DJs play: a mix and four stems as tracks of one MP4 file.

The format has no public specification. Its readers ask for five stereo tracks of one codec, rate and length, and for the box
``moov/udta/stem`` with names and colours as JSON. The mix comes first and is the only track that other players play.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import av
from av.stream import Disposition

from soundwright.kit import errors
from soundwright.kit.audio.encode import KBITS, EncodedStream, Samples
from soundwright.kit.audio.tags import append_to_mp4, finish_mp4_tags, mp4_box, put_tags
from soundwright.kit.free_space import FreeSpace
from soundwright.kit.song_tags import SongTags

StemCodec = Literal["aac", "alac"]

_COLOURS = ("#009E73", "#D55E00", "#CC79A7", "#56B4E9")
_KBITS = {"aac": KBITS["m4a"]}
_COMPRESSOR = {
    "enabled": False, "ratio": 3, "output_gain": 0.5, "release": 0.3, "attack": 0.003, "input_gain": 0.5,
    "threshold": 0, "hp_cutoff": 300, "dry_wet": 50,
}  # fmt: skip
_LIMITER = {"enabled": False, "release": 0.05, "threshold": 0, "ceiling": -0.35}


def write_stem_file(
    path: Path,
    codec: StemCodec,
    sample_rate_hz: int,
    channel_count: int,
    names: Sequence[str],
    blocks: Iterable[Sequence[Samples]],
    tags: SongTags,
) -> None:
    """Write a stem file. AAC has 256 kbit/s for each track; ALAC has 24 bits.

    Args:
        blocks: consecutive blocks of the mix and of the stems, float32 [channels, frames] within full scale.

    Raises ``AUDIO_NOT_WRITTEN`` if the disk fails; ``STORAGE_FULL`` if it has too little free space.
    """
    space = FreeSpace(path.parent)
    try:
        # The default clock of the movie, milliseconds, would make the length inexact.
        with av.open(str(path), "w", format="mp4", options={"movie_timescale": str(sample_rate_hz)}) as file:
            tracks = [
                EncodedStream(file, codec, sample_rate_hz, channel_count, "stereo", _KBITS.get(codec))
                for _ in range(1 + len(names))
            ]
            for number, track in enumerate(tracks):
                track.stream.disposition = Disposition.default if number == 0 else Disposition(0)
            put_tags(file, tags)
            for block in blocks:
                space.use(sum(samples.nbytes for samples in block))
                for track, samples in zip(tracks, block, strict=True):
                    track.write(samples.T)
            for track in tracks:
                track.flush()
        finish_mp4_tags(path, tags)
        append_to_mp4(path, (b"moov", b"udta"), mp4_box(b"stem", json.dumps(_description(names)).encode()))
    except OSError as error:
        raise errors.AUDIO_NOT_WRITTEN() from error


def _description(names: Sequence[str]) -> dict[str, Any]:
    stems = [{"name": name, "color": colour} for name, colour in zip(names, _COLOURS, strict=True)]
    return {"version": 1, "mastering_dsp": {"compressor": _COMPRESSOR, "limiter": _LIMITER}, "stems": stems}
