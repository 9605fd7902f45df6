"""What the owner of an account sees through the public API, which no release may change."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import httpx

__all__ = ["differences", "views"]

_PAGES = (
    "/api/tracks/{track}", "/api/jobs/{separation}", "/api/jobs/{analysis}", "/api/analysis/{track}", "/job/{clip}",
    "/api/library/{clip}", "/api/library/{clip}/feedback", "/api/library/{clip}/tag-suggestions", "/api/favorites",
    "/api/playlists/{playlist}", "/api/track/{clip}/stats", "/api/webhooks/{webhook}",
    "/api/agents/conversations/{conversation}", "/api/tokens",
)  # fmt: skip
_CHANGING = {"last_used_at"}
_LINK = re.compile(r'"(?:https?://[^/"]+)?(/files/[^"]+)"')


def views(client: httpx.Client, ids: Mapping[str, str]) -> dict[str, Any]:
    """Return the JSON of each page, and the SHA-256 of each file, by path. Pages name further files."""
    pages = {path: _answer(client, path) for path in (each.format(**ids) for each in _PAGES)}
    files = {"/audio/{clip}.wav".format(**ids)}
    for page in pages.values():
        files.update(_LINK.findall(page.text))
    seen: dict[str, Any] = {path: page.json() for path, page in pages.items()}
    return seen | {path: hashlib.sha256(_answer(client, path).content).hexdigest() for path in sorted(files)}


def _answer(client: httpx.Client, path: str) -> httpx.Response:
    answer = client.get(path, follow_redirects=True)
    assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text}"
    return answer


def differences(before: Any, after: Any, place: str = "") -> list[str]:
    """Return where ``after`` lacks something that was in ``before``. New fields are no difference, nor are times of use."""
    if isinstance(before, dict) and isinstance(after, dict):
        return [
            found
            for key, value in before.items()
            if key not in _CHANGING
            for found in differences(value, after.get(key), f"{place}/{key}")
        ]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        return [
            found
            for n, (old, new) in enumerate(zip(before, after, strict=True))
            for found in differences(old, new, f"{place}/{n}")
        ]
    return [] if before == after else [f"{place}: {before!r} became {after!r}"]
