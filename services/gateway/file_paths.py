"""Public paths of stored files, and helpers to build them."""

import re

from soundwright.library.v1 import job_pb2, track_pb2

_SLUG_LIMIT = 80


def extension(blob_key: str) -> str:
    """Return the file name extension of a blob, without the dot."""
    name = blob_key.rpartition("/")[2]
    return name.rpartition(".")[2] if "." in name else "bin"


def hex_id(identifier: str) -> str:
    """Return a UUID as 32 hexadecimal digits without hyphens."""
    return identifier.replace("-", "")


def track_file_path(track: track_pb2.Track) -> str:
    """Return the path of a track's audio file: ``/files/downloads/<id>/<artist-title>.<ext>``."""
    slug = re.sub(r"[^a-z0-9]+", "-", f"{track.artist}-{track.title}".lower()).strip("-")[:_SLUG_LIMIT] or "track"
    return f"/files/downloads/{track.id}/{slug}.{extension(track.blob_key)}"


def stem_file_path(stem: job_pb2.AudioOutput) -> str:
    """Return the path of a stem's audio file: ``/files/stems/<job>/<name>.<ext>``."""
    return f"/files/stems/{stem.job_id}/{stem.name}.{extension(stem.blob_key)}"


def analysis_path(track_id: str) -> str:
    return f"/export/analysis/{track_id}"
