"""Reads, converts and tags downloaded files. Runs in a confined process."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from soundwright.kit.audio import AudioLimits
from soundwright.kit.confined.recordings import describe
from soundwright.services.ingest.fetch.covers import COVER, write_cover
from soundwright.services.ingest.fetch.encoding import keep
from soundwright.services.ingest.fetch.pictures import picture_type
from soundwright.services.ingest.fetch.tags import Tags, read_tags, write_tags


def tags_of(_report: Callable[[float], None], *, path: str) -> dict[str, Any]:
    """Return the :class:`Tags` of a file, and write its cover to the working folder."""
    write_cover(Path(path))
    return dataclasses.asdict(read_tags(Path(path)))


def make_cover(_report: Callable[[float], None], *, path: str) -> None:
    """Write a picture as a cover to the working folder."""
    write_cover(Path(path))


def prepare(
    report: Callable[[float], None],
    *,
    source: str,
    mp3_kbits: int | None,
    tags: Mapping[str, Any],
    cover: str,
    limits: Mapping[str, Any],
) -> dict[str, Any]:
    """Encode and tag a recording in the working folder, then examine the result like an upload.

    Args:
        cover: path of a picture; empty: none.
    """
    allowed = AudioLimits(**limits)
    path, warnings = keep(Path(source), Path.cwd(), mp3_kbits, allowed, report)
    picture = b""
    if cover:
        write_cover(Path(cover))
        picture = Path(cover).read_bytes()
        if picture_type(picture) == "image/webp":  # which players do not expect in tags
            picture = Path(COVER).read_bytes() if Path(COVER).exists() else b""
    write_tags(path, Tags(**tags), picture)
    return {"recording": describe(path, allowed), "warnings": list(warnings)}
