"""What every way in has in common: a file is decoded once, measured and hashed before it becomes a track."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from soundwright.library.v1 import track_pb2

from kit import audio
from services.ingest import service

__all__ = ["Recording", "examine"]

_HASH_PIECE_BYTES = 1 << 20


@dataclass(frozen=True)
class Recording:
    """A file that was decoded from beginning to end."""

    summary: audio.AudioSummary
    sha256: str
    size_bytes: int

    @property
    def container(self) -> str:
        return self.summary.info.container

    def describe(self, track: track_pb2.Track) -> None:
        """Write what is known of the sound into ``track``."""
        info = self.summary.info
        track.content_type = service.CONTENT_TYPES.get(info.container, "application/octet-stream")
        track.content_sha256 = self.sha256
        track.size_bytes = self.size_bytes
        track.container = info.container
        track.codec = info.codec
        track.sample_rate_hz = info.sample_rate_hz
        track.channel_count = info.channel_count
        track.frame_count = self.summary.frame_count
        track.duration_seconds = self.summary.duration_seconds
        track.warnings.extend(self.summary.warnings)


def examine(path: Path, limits: audio.AudioLimits) -> Recording:
    """
    Raises:
        AppError: as :func:`kit.audio.inspect`.
    """
    summary = audio.inspect(path, limits)
    digest = hashlib.sha256()
    size_bytes = 0
    with path.open("rb") as file:
        while piece := file.read(_HASH_PIECE_BYTES):
            digest.update(piece)
            size_bytes += len(piece)
    return Recording(summary, digest.hexdigest(), size_bytes)
