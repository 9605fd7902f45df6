"""Downloads with yt-dlp. Runs in a confined process, which can connect only to the proxy and cannot start programs.

It writes one file, ``media``, to its working folder. All data from the network is parsed in this process.
"""

import errno
import importlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yt_dlp
from yt_dlp import globals as ytdlp_globals
from yt_dlp.extractor import gen_extractor_classes
from yt_dlp.networking.exceptions import HTTPError, TransportError
from yt_dlp.utils import DownloadError, GeoRestrictedError, UnsupportedError, YoutubeDLError

from soundwright.kit.errors import AppError
from soundwright.kit.free_space import DISK_FULL, require_free_space
from soundwright.services.ingest.fetch.matching import Candidate, Wanted, rank
from soundwright.services.ingest.fetch.unwrap import unwrap

_SOCKET_SECONDS = 20.0
_CANDIDATE_LIMIT = 10
_TRY_LIMIT = 3
_FILE = "media"
_DISK_FAILURES = {errno.EFBIG: "too_large"} | dict.fromkeys(DISK_FULL, "storage")  # EFBIG: the limit of this process


class _Failure(Exception):
    """A failed download. ``kind`` selects the error in the parent process; ``detail`` goes to its log."""

    def __init__(self, kind: str, detail: str = "") -> None:
        super().__init__(kind)
        self.kind = kind
        self.detail = detail


def fetch(report: Callable[[float], None], **request: Any) -> dict[str, Any]:
    """Download a recording, and return ``{"result"}``, or ``{"error", "detail"}`` with a reason of the parent's table."""
    return _answer(lambda: _fetch(request, report))


def preview(report: Callable[[float], None], **request: Any) -> dict[str, Any]:
    """Return what a link contains like :func:`fetch`, without downloading a recording."""
    return _answer(lambda: _preview(request))


def ready(_report: Callable[[float], None]) -> None:
    """Do nothing. The process exists, so the fork server has called :func:`prepare`."""


def _answer(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return {"result": work()}
    except _Failure as failure:
        return {"error": failure.kind, "detail": failure.detail[:500]}
    except MemoryError:
        return {"error": "too_large", "detail": "memory"}


def _fetch(request: Mapping[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    wanted = request.get("wanted")
    if wanted is None:
        return _download(request, request["url"], report)
    candidates = _search(request, request["search_url"])
    ranked = rank(Wanted(wanted["title"], wanted["artists"], wanted["duration_seconds"]), candidates)
    if not ranked:
        raise _Failure("no_match", f"{len(candidates)} candidates")
    report(0.05)
    failure = _Failure("no_match")
    for candidate in ranked[:_TRY_LIMIT]:
        try:
            return _download(request, candidate.url, lambda share: report(0.05 + 0.95 * share))
        except _Failure as error:
            failure = error
    raise failure


def _search(request: Mapping[str, Any], search_url: str) -> list[Candidate]:
    info = _extract(request, search_url, {"playlistend": _CANDIDATE_LIMIT})
    found = []
    for entry in info.get("entries") or []:
        url = str(entry.get("url") or "")
        if url.startswith(("http://", "https://")):
            duration = entry.get("duration")
            found.append(
                Candidate(
                    url=url,
                    title=_text(entry, "title"),
                    channel=_text(entry, "channel") or _text(entry, "uploader") or _text(entry, "description"),
                    duration_seconds=float(duration) if isinstance(duration, int | float) else None,
                )
            )
    return found[:_CANDIDATE_LIMIT]


def _preview(request: Mapping[str, Any]) -> dict[str, Any]:
    limit = request["entry_limit"]
    info = _extract(request, request["url"], {"playlistend": limit + 1})
    if info.get("_type") != "playlist":
        return {"name": "", "entries": [_entry(info, request["url"])], "truncated": False}
    entries = [_entry(entry, str(entry.get("url") or "")) for entry in info["entries"]]
    entries = [entry for entry in entries if entry["url"].startswith(("http://", "https://"))]
    if not entries:
        raise _Failure("unsupported")
    return {"name": _text(info, "title"), "entries": entries[:limit], "truncated": len(entries) > limit}


def _entry(info: Mapping[str, Any], url: str) -> dict[str, Any]:
    duration = info.get("duration")
    return {
        "url": url,
        "title": _text(info, "track") or _text(info, "title"),
        "artist": _artist(info),
        "duration_seconds": float(duration) if isinstance(duration, int | float) else 0.0,
        "live": bool(info.get("is_live") or info.get("live_status") in ("is_live", "is_upcoming")),
    }


def _artist(info: Mapping[str, Any]) -> str:
    generic = str(info.get("extractor_key") or info.get("ie_key") or "") == "Generic"
    return _text(info, "artist") or ("" if generic else _text(info, "channel") or _text(info, "uploader"))


def _extract(request: Mapping[str, Any], url: str, more: Mapping[str, Any]) -> dict[str, Any]:
    return _guarded(request, more, lambda ydl: ydl.extract_info(url, download=False))


def _download(request: Mapping[str, Any], url: str, report: Callable[[float], None]) -> dict[str, Any]:
    info = _extract(request, url, {"playlistend": 2})
    if info.get("_type") == "playlist" and len(info["entries"]) == 1:
        info = _extract(request, str(info["entries"][0].get("url") or ""), {"playlistend": 2})
    if info.get("_type") == "playlist":
        raise _Failure("several" if info["entries"] else "unsupported")
    if info.get("is_live") or info.get("live_status") in ("is_live", "is_upcoming"):
        raise _Failure("live")
    if float(info.get("duration") or 0) > request["max_seconds"]:
        raise _Failure("too_long")

    def hook(status: Mapping[str, Any]) -> None:
        total = status.get("total_bytes") or status.get("total_bytes_estimate")
        done = status.get("downloaded_bytes") or 0
        if max(status.get("total_bytes") or 0, done) > request["limit_bytes"]:
            raise _Failure("too_large")
        if _is_full():
            raise _Failure("storage")
        report(min(1.0, done / total) if total else done / (done + (4 << 20)))

    for left in Path().glob(f"{_FILE}*"):
        left.unlink()
    _guarded(request, {"progress_hooks": [hook]}, lambda ydl: ydl.process_ie_result(info, download=True))
    file = Path(_FILE)
    if not file.is_file() or file.is_symlink() or not file.stat().st_size:
        raise _Failure("unavailable", "no file")
    try:
        unwrap(file)
    except (ValueError, OSError) as error:
        raise _Failure("unreadable", str(error)) from None
    generic = str(info.get("extractor_key") or "") == "Generic"
    return {
        "title": _text(info, "track") or _text(info, "title"),
        "artist": _artist(info),
        "album": _text(info, "album"),
        "cover_url": _text(info, "thumbnail"),
        "extractor": _text(info, "extractor_key"),
        "direct": generic,
    }


def _is_full() -> bool:
    try:
        require_free_space(Path.cwd())
    except AppError:
        return True
    return False


def _guarded(
    request: Mapping[str, Any], more: Mapping[str, Any], use: Callable[[Any], dict[str, Any] | None]
) -> dict[str, Any]:
    """Call ``use`` with a yt-dlp instance and translate its errors to :class:`_Failure`."""
    try:
        with yt_dlp.YoutubeDL({**_options(request), **more}) as ydl:
            info = use(ydl)
    except YoutubeDLError as error:
        inner = error.exc_info[1] if isinstance(error, DownloadError) and error.exc_info else error
        if inner is None:  # a download that failed after all retries
            raise _Failure("network", str(error)) from None
        # yt-dlp replaces an error of the operating system by one of its own, which has it as its context.
        causes: Sequence[Any] = [inner, getattr(inner, "cause", None), inner.__cause__, inner.__context__]
        for cause in causes:
            if isinstance(cause, HTTPError):
                raise _Failure(
                    "network" if cause.status in (408, 425, 429) or cause.status >= 500 else "unavailable", str(cause)
                ) from None
            if isinstance(cause, MemoryError):
                raise cause from None
            if isinstance(cause, OSError) and cause.errno in _DISK_FAILURES:
                raise _Failure(_DISK_FAILURES[cause.errno]) from None
            if isinstance(cause, UnsupportedError):
                raise _Failure("unsupported", str(cause)) from None
            if isinstance(cause, GeoRestrictedError):
                raise _Failure("unavailable", str(cause)) from None
            if isinstance(cause, TransportError | OSError):
                raise _Failure("network", str(cause)) from None
        raise _Failure("unavailable", str(inner)) from None
    if not isinstance(info, dict):
        raise _Failure("unavailable", "nothing found")
    if info.get("_type") == "playlist":
        info["entries"] = [entry for entry in info.get("entries") or [] if entry]
    return info


def _options(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return yt-dlp options without configuration, plug-ins, cookies, cache, programs or post-processing."""
    return {
        "proxy": request["proxy_url"],
        "socket_timeout": _SOCKET_SECONDS,
        "retries": 2,
        "fragment_retries": 2,
        "extractor_retries": 1,
        "file_access_retries": 0,
        "skip_unavailable_fragments": False,
        "format": "bestaudio/best",
        "outtmpl": {"default": _FILE},
        "noplaylist": True,
        "extract_flat": "in_playlist",
        "default_search": "error",
        "external_downloader": {"default": "native"},
        "hls_prefer_native": True,
        "fixup": "never",
        "nopart": True,
        "continuedl": False,
        "overwrites": True,
        "updatetime": False,
        "usenetrc": False,
        "cachedir": False,
        "enable_file_urls": False,
        "allow_unplayable_formats": False,
        "js_runtimes": {},
        "remote_components": [],
        "color": "never",
        "logtostderr": True,
        "quiet": True,
        "no_warnings": True,
        "noprogress": True,
        "logger": _Silence(),
    }


class _Silence:
    """A logger that discards messages. Standard output carries the answer, and yt-dlp raises exceptions for errors."""

    def debug(self, message: str) -> None: ...

    def info(self, message: str) -> None: ...

    def warning(self, message: str) -> None: ...

    def error(self, message: str) -> None: ...


def _text(info: Mapping[str, Any], key: str) -> str:
    value = info.get(key)
    return value.strip()[:500] if isinstance(value, str) else ""


def prepare() -> None:
    """Do once what each process would do: load all extractors, which a page can embed, compile their patterns, and load the codecs.

    The fork server calls this (:mod:`soundwright.kit.confined.fork_server`), so all processes share the result.
    """
    ytdlp_globals.plugin_dirs.value = []
    yt_dlp.YoutubeDL({"logger": _Silence()}).close()
    for name in ("yt_dlp.extractor._extractors", "soundwright.services.ingest.fetch.media"):
        importlib.import_module(name)
    for extractor in gen_extractor_classes():
        extractor.suitable("")
