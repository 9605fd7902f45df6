"""Reads the tags and covers of files that come from outside, in confined processes."""

from pathlib import Path

from soundwright.kit.confined.process import Confinement, ProcessDied, run_confined
from soundwright.kit.errors import AppError
from soundwright.kit.log import get_logger
from soundwright.kit.text import one_line
from soundwright.services.ingest.fetch.covers import COVER
from soundwright.services.ingest.fetch.pictures import picture_type
from soundwright.services.ingest.fetch.tags import Tags

_CPU_SECONDS = 2.0
_PICTURE_CPU_SECONDS = 5.0
_COVER_LIMIT_BYTES = 1 << 20
log = get_logger()


async def own_tags(path: Path, folder: Path) -> Tags:
    """Return title, artist and album. If they cannot be read within the limits, the recording counts as untagged.

    The cover is written to the folder (:func:`cover_in`).

    Args:
        folder: the working folder of the process.
    """
    confinement = Confinement(folder, [path], cpu_seconds=_CPU_SECONDS, file_bytes=_COVER_LIMIT_BYTES)
    try:
        found = await run_confined(
            "soundwright.services.ingest.fetch.media:tags_of", {"path": str(path.resolve())}, confinement
        )
        title, artist, album = (one_line(str(found[name])) for name in ("title", "artist", "album"))
        return Tags(title=title, artist=artist, album=album)
    except (ProcessDied, AppError, KeyError, TypeError) as error:
        log.info("tags.not_read", error=str(error))
        return Tags()


async def write_small_cover(picture: Path, folder: Path) -> None:
    """Write a picture as a cover to the folder (:func:`cover_in`). Write nothing if it cannot be read within the limits."""
    confinement = Confinement(folder, [picture], cpu_seconds=_PICTURE_CPU_SECONDS, file_bytes=_COVER_LIMIT_BYTES)
    function = "soundwright.services.ingest.fetch.media:make_cover"
    try:
        await run_confined(function, {"path": str(picture.resolve())}, confinement)
    except (ProcessDied, AppError) as error:
        log.info("picture.not_read", error=str(error))


def cover_in(folder: Path) -> Path | None:
    """Return the cover that a confined process wrote to its working folder, if it is a JPEG of a sensible size."""
    path = folder / COVER
    if path.is_symlink() or not path.is_file() or path.stat().st_size > _COVER_LIMIT_BYTES:
        return None
    with path.open("rb") as opened:
        return path if picture_type(opened.read(3)) == "image/jpeg" else None
