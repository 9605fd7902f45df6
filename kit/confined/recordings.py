"""Decodes, measures and hashes files. The functions run in confined processes, so this module imports little."""

import dataclasses
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soundwright.kit.audio.decode import regroup
from soundwright.kit.audio.ffmpeg import AudioLimits, AudioSummary, Decoding
from soundwright.kit.audio.level import LEVEL_FRAMES, Level
from soundwright.kit.audio.waveform import Waveform
from soundwright.kit.confined.limits import allow_cpu_seconds

CPU_SECONDS = 900.0
"""CPU time of one file. Reading its header may take a small part of it."""

WAVEFORM = "waveform"
"""Name of the file with the waveform, in the working folder of the process."""

_HEADER_SECONDS = 10.0
_HASH_PIECE_BYTES = 1 << 20


@dataclass(frozen=True)
class Recording:
    """The properties of a file that was decoded completely. ``level`` is that of :class:`soundwright.kit.audio.level.Level`."""

    summary: AudioSummary
    sha256: str
    size_bytes: int
    level: Sequence[float] = ()

    @property
    def container(self) -> str:
        return self.summary.info.container


def examine(_report: Callable[[float], None], *, path: str, limits: Mapping[str, Any]) -> dict[str, Any]:
    """See :meth:`soundwright.kit.confined.audio.ConfinedAudio.examine`."""
    return describe(Path(path), AudioLimits(**limits), Path(WAVEFORM))


def describe(path: Path, limits: AudioLimits, waveform_file: Path | None = None) -> dict[str, Any]:
    """Decode a file completely and return its properties as a JSON value.

    Args:
        waveform_file: where its waveform is written (:mod:`soundwright.kit.audio.waveform`); None: nowhere.

    Raises:
        AppError: as :func:`soundwright.kit.audio.inspect`.
    """
    allow_cpu_seconds(_HEADER_SECONDS)
    with Decoding(path, limits) as decoding:
        allow_cpu_seconds(CPU_SECONDS)
        info = decoding.info
        waveform, level = Waveform(info.sample_rate_hz), Level(info.channel_count)
        for block in regroup(decoding.chunks(), LEVEL_FRAMES):
            level.add(block)
            if waveform_file:
                waveform.add(block)
        summary = decoding.summary()
    if waveform_file:
        waveform_file.write_bytes(waveform.data())
    digest = hashlib.sha256()
    size_bytes = 0
    with path.open("rb") as file:
        while piece := file.read(_HASH_PIECE_BYTES):
            digest.update(piece)
            size_bytes += len(piece)
    return {
        **dataclasses.asdict(summary),
        "sha256": digest.hexdigest(),
        "size_bytes": size_bytes,
        "level": level.values(),
    }
