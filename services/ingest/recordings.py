"""Describes examined files in the records of tracks. Uploads and downloads share this step."""

from soundwright.kit.confined.recordings import Recording
from soundwright.kit.file_names import content_type
from soundwright.library.v1 import track_pb2


def describe(recording: Recording, track: track_pb2.Track) -> None:
    """Set the audio properties of ``track``."""
    summary, info = recording.summary, recording.summary.info
    track.content_type = content_type(info.container)
    track.content_sha256 = recording.sha256
    track.size_bytes = recording.size_bytes
    track.container = info.container
    track.codec = info.codec
    track.sample_rate_hz = info.sample_rate_hz
    track.channel_count = info.channel_count
    track.frame_count = summary.frame_count
    track.duration_seconds = summary.duration_seconds
    track.warnings.extend(summary.warnings)
    track.level.extend(recording.level)
