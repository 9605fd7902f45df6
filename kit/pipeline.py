"""The stages and tracks of the pipeline dialect, for the service that runs them and the gateway that lists them."""

from typing import NamedTuple


class PipelineStage(NamedTuple):
    """A stage of the pipeline: its public name and type, and the outputs that the public contract lists, in its order."""

    name: str
    processor_type: str
    tracks: tuple[str, ...] = ()


PIPELINE_STAGES = (
    PipelineStage("audio_separation", "separator", ("vocals", "drums", "bass", "other")),
    PipelineStage("harmonic_percussive_separation", "decomposition", ("harmonic", "percussive")),
    PipelineStage("composite_track_creation", "composition", ("main", "main_harmonic", "main_percussive")),
    # Its track, "normalized", can be downloaded by name, but the public contract does not list it.
    PipelineStage("normalization", "audio_processing"),
)
"""The stages in the order in which they run."""

PIPELINE_TRACKS = tuple(track for stage in PIPELINE_STAGES for track in stage.tracks)
"""The nine tracks of the public contract, in its order."""
