"""Reads, converts and tags downloaded files. Runs in a confined process."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from kit.audio import AudioLimits
from kit.confined.recordings import describe
from services.ingest.fetch.encoding import keep
from services.ingest.fetch.tags import Tags, read_tags, write_tags


def tags_of(_report: Callable[[float], None], *, path: str) -> dict[str, Any]:
    """Return the :class:`Tags` of a file."""
    return dataclasses.asdict(read_tags(Path(path)))


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
    write_tags(path, Tags(**tags), Path(cover).read_bytes() if cover else b"")
    return {"recording": describe(path, allowed), "warnings": list(warnings)}
