"""Reads the tags of a recording that comes from outside, in a confined process. Uploads and downloads share this step."""

from __future__ import annotations

from pathlib import Path

from kit.confined.process import Confinement, ProcessDied, run_confined
from kit.errors import AppError
from kit.log import get_logger
from services.ingest.fetch.tags import Tags
from services.ingest.songs import one_line

_CPU_SECONDS = 2.0
log = get_logger()


async def own_tags(path: Path, folder: Path) -> Tags:
    """Return title, artist and album. If they cannot be read within the limits, the recording counts as untagged.

    Args:
        folder: the working folder of the process.
    """
    confinement = Confinement(folder, [path], cpu_seconds=_CPU_SECONDS)
    try:
        found = await run_confined("services.ingest.fetch.media:tags_of", {"path": str(path.resolve())}, confinement)
        title, artist, album = (one_line(str(found[name])) for name in ("title", "artist", "album"))
        return Tags(title=title, artist=artist, album=album)
    except (ProcessDied, AppError, KeyError, TypeError) as error:
        log.info("tags.not_read", error=str(error))
        return Tags()
