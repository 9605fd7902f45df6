"""The stages and tracks of the pipeline dialect, as ``pipeline.proto`` declares them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from soundwright.separation.v1 import pipeline_pb2 as pb

__all__ = ["PIPELINE_STAGES", "PIPELINE_TRACKS", "PipelineStage"]


@dataclass(frozen=True)
class PipelineStage:
    """A stage of the pipeline.

    Args:
        name: its public name.
        processor_type: its public type.
        tracks: the outputs that the public contract lists.
    """

    name: str
    processor_type: str
    tracks: tuple[str, ...]


def _read_stages() -> tuple[PipelineStage, ...]:
    options: list[Any] = [value.GetOptions() for value in pb.PipelineStage.DESCRIPTOR.values]
    declared = [option.Extensions[pb.stage] for option in options if option.HasExtension(pb.stage)]
    return tuple(PipelineStage(stage.name, stage.processor_type, tuple(stage.tracks)) for stage in declared)


PIPELINE_STAGES = _read_stages()
"""The stages in the order in which they run."""

PIPELINE_TRACKS = tuple(track for stage in PIPELINE_STAGES for track in stage.tracks)
"""The nine tracks of the public contract, in its order."""
