"""The public API of lalal.ai, version 1: POST requests with JSON in and out, the license key in a header.

What goes wrong is an ``AppError``. Where it may pass, its code is one that may be tried again; else it is final.
"""

from __future__ import annotations

import asyncio
import errno
import json
import math
import re
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import httpx
from pydantic import BaseModel, Field, ValidationError

from kit.errors import AppError, Code
from kit.outbound.guard import Guard
from kit.outbound.web import UnusableAnswer, save_web
from services.separation.lalalai.keys import Key

__all__ = ["STEMS", "LalalaiClient", "SplitTrack", "TaskState", "failed", "is_passing"]

STEMS = {
    "vocals": "vocals",
    "drums": "drum",
    "bass": "bass",
    "piano": "piano",
    "electric_guitar": "electric_guitar",
    "acoustic_guitar": "acoustic_guitar",
    "synth": "synthesizer",
    "strings": "strings",
    "wind": "wind",
}
"""What lalal.ai calls our stems. Of several at once it takes the first six."""

_PASSING = {408, 429, 502, 503, 504}
_ANSWER_LIMIT_BYTES = 1 << 20
_PIECE_BYTES = 1 << 20
_DETAIL_LIMIT_CHARS = 200
_RETRY_AFTER_LIMIT_SECONDS = 3600.0
# A header's value may hold no more than this; anything else would be somebody's attempt to write further headers.
_KEY = re.compile(r"[!-~]{1,200}")
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}

Id = Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{1,100}$")]
A = TypeVar("A", bound=BaseModel)


class SplitTrack(BaseModel):
    """A file that came of a split: a stem, or what remains behind all of them."""

    type: Literal["stem", "back"]
    label: str
    url: str


class _Uploaded(BaseModel):
    id: Id


class _Begun(BaseModel):
    task_id: Id


class _Limits(BaseModel):
    minutes_left: Annotated[float, Field(allow_inf_nan=False)]


class _Result(BaseModel):
    tracks: list[SplitTrack] = Field(max_length=20)


class _Status(BaseModel):
    status: str
    progress: Annotated[float, Field(ge=0, le=100)] = 0.0
    presets: dict[str, Any] | None = None
    result: _Result | None = None
    error: Any = None


class _Checked(BaseModel):
    result: dict[str, _Status]


class _Nothing(BaseModel):
    pass


@dataclass(frozen=True)
class TaskState:
    """How a task is going.

    Attributes:
        ratio: done so far, 0 to 1.
        tracks: what came of it; None as long as it is under way.
        splitter: the model that does it, empty if that is not told.
    """

    ratio: float
    tracks: list[SplitTrack] | None = None
    splitter: str = ""


class LalalaiClient:
    """
    Args:
        url: where the API is; the operator's word, so it may be anywhere.
        guard: connects to where results lie, which is lalal.ai's word.
        timeout_seconds: for one request.
        transfer_seconds: for sending or fetching one file.
        limit_bytes: the largest file that is fetched.
    """

    def __init__(
        self, url: str, guard: Guard, *, timeout_seconds: float, transfer_seconds: float, limit_bytes: int
    ) -> None:
        self._guard = guard
        self._transfer_seconds = transfer_seconds
        self._timeout_seconds = timeout_seconds
        self._limit_bytes = limit_bytes
        # No proxies of the environment, no redirects: the key goes nowhere else.
        self._http = httpx.AsyncClient(base_url=f"{url.rstrip('/')}/api/v1", trust_env=False, follow_redirects=False)

    async def close(self) -> None:
        await self._http.aclose()

    async def minutes_left(self, key: Key) -> float:
        return (await self._ask(key, "/limits/minutes_left/", _Limits)).minutes_left

    async def upload(self, key: Key, path: Path, name: str, sent: Callable[[float], None]) -> str:
        """Send a recording, as it lies on disk.

        Args:
            name: that it gets there; ASCII, without quotes.
            sent: told the share that has gone out, 0 to 1.

        Returns:
            Its id there.
        """
        size_bytes = path.stat().st_size
        headers = {
            "Content-Disposition": f'attachment; filename="{name}"',
            "Content-Type": "application/octet-stream",
            "Content-Length": str(size_bytes),
        }

        async def pieces() -> AsyncIterator[bytes]:
            done = 0
            with path.open("rb") as file:
                while piece := await asyncio.to_thread(file.read, _PIECE_BYTES):
                    yield piece
                    done += len(piece)
                    sent(done / size_bytes)

        return (
            await self._ask(key, "/upload/", _Uploaded, self._transfer_seconds, content=pieces(), headers=headers)
        ).id

    async def split(self, key: Key, source_id: str, stems: Sequence[str], splitter: str, idempotency_key: str) -> str:
        """Have a recording taken apart. lalal.ai charges its length for each stem.

        Args:
            stems: names of ours.
            splitter: the model; empty: the newest.
            idempotency_key: a UUID of version 4. Until the work begins, a repetition gives the same task; after that it
                is refused. Either way it costs nothing.

        Returns:
            The task's id.
        """
        presets: dict[str, Any] = {"encoder_format": "flac", **({"splitter": splitter} if splitter else {})}
        names = [STEMS[stem] for stem in stems]
        if len(names) == 1:
            path, presets["stem"] = "/split/stem_separator/", names[0]
        else:
            path, presets["stem_list"] = "/split/multistem/", names
        body = {"source_id": source_id, "presets": presets, "idempotency_key": idempotency_key}
        return (await self._ask(key, path, _Begun, json=body)).task_id

    async def check(self, key: Key, task_id: str) -> TaskState:
        """
        Raises:
            AppError: ``LALALAI_ERROR`` also for a task that has failed, or that was cancelled there.
        """
        found = (await self._ask(key, "/check/", _Checked, json={"task_ids": [task_id]})).result.get(task_id)
        if found is None:
            raise failed("it does not know the task any more")
        if found.status == "progress":
            return TaskState(found.progress / 100)
        if found.status == "success" and found.result is not None:
            splitter = (found.presets or {}).get("splitter")
            return TaskState(1.0, found.result.tracks, splitter if isinstance(splitter, str) else "")
        if found.status == "cancelled":
            raise failed("the task was cancelled there")
        raise failed(_one_line(found.error, key) or "the task has failed there, it does not say why")

    async def cancel(self, key: Key, task_ids: Sequence[str]) -> None:
        """Those that have ended already are left as they are."""
        await self._ask(key, "/cancel/", _Nothing, json={"task_ids": list(task_ids)})

    async def delete(self, key: Key, source_id: str) -> None:
        """Remove a recording and all that came of it. What is still being done with it is cancelled."""
        await self._ask(key, "/delete/", _Nothing, json={"source_id": source_id})

    async def download(self, url: str, path: Path) -> None:
        """Fetch a file that came of a split. The key has no part in it."""
        try:
            await save_web(self._guard, url, path, limit_bytes=self._limit_bytes, seconds=self._transfer_seconds)
        except UnusableAnswer as error:
            raise (_busy if error.status in _PASSING else failed)(f"its file cannot be fetched: {error}") from None
        except AppError as error:
            raise failed("its file lies at an address that must not be reached from here") from error
        except OSError as error:
            if error.errno in _NO_ROOM:
                raise AppError(
                    Code.STORAGE_FULL, "STORAGE_FULL", "There is no room for the stems. Try later."
                ) from None
            raise _busy("its file cannot be fetched") from None

    async def _ask(self, key: Key, path: str, kind: type[A], seconds: float = 0.0, **request: Any) -> A:
        """``seconds``: deadline, if it is longer than that of other requests."""
        secret = key.secret.get_secret_value()
        if not _KEY.fullmatch(secret):
            raise _unauthorized(key)
        headers = {"X-License-Key": secret, **request.pop("headers", {})}
        seconds = max(seconds, self._timeout_seconds)
        waits = httpx.Timeout(self._timeout_seconds, read=seconds)
        try:
            async with (
                asyncio.timeout(seconds),
                self._http.stream("POST", path, headers=headers, timeout=waits, **request) as response,
            ):
                body = bytearray()
                async for piece in response.aiter_bytes():
                    body += piece
                    if len(body) > _ANSWER_LIMIT_BYTES:
                        raise failed("its answer is too long")
        except (httpx.HTTPError, TimeoutError) as error:
            # The type alone: a driver's words may hold what was sent.
            raise _busy(f"no answer, {type(error).__name__}") from None
        if response.status_code == 200:
            try:
                return kind.model_validate_json(bytes(body))
            except ValidationError:
                raise failed("its answer is not what it should be") from None
        detail, code = _told(bytes(body), key)
        status = response.status_code
        if status in (401, 403):
            raise _unauthorized(key)
        if status in _PASSING or (status == 400 and code == "internal_error"):
            raise _busy(detail or f"status {status}", status, _retry_after(response.headers.get("retry-after", "")))
        raise failed(detail or f"status {status}")


def is_passing(error: AppError) -> bool:
    """Whether lalal.ai may well do later what it did not do now."""
    return error.reason == "LALALAI_ERROR" and error.retryable


def failed(detail: str) -> AppError:
    """A failure that repeating does not help."""
    return AppError(Code.UNPROCESSABLE, "LALALAI_ERROR", f"lalal.ai did not do it: {detail}.")


def _busy(detail: str, status: int = 503, retry_after_seconds: float = 0.0) -> AppError:
    code = Code.RATE_LIMITED if status == 429 else Code.UNAVAILABLE
    meta = {"retry_after": math.ceil(retry_after_seconds)} if retry_after_seconds else {}
    return AppError(code, "LALALAI_ERROR", f"lalal.ai is busy or away ({detail}). Try again later.", meta)


def _unauthorized(key: Key) -> AppError:
    whose = "your key. Put a valid one into your settings" if key.own else "the platform's key. Tell an administrator"
    return AppError(Code.NOT_PROVISIONED, "LALALAI_UNAUTHORIZED", f"lalal.ai does not take {whose}.")


def _told(body: bytes, key: Key) -> tuple[str, str]:
    """What a refusal says, and its code."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return "", ""
    if not isinstance(answer, dict):
        return "", ""
    return _one_line(answer.get("detail"), key), str(answer.get("code", ""))


def _one_line(value: Any, key: Key) -> str:
    """What lalal.ai says, in whichever of its shapes, as one line that can be shown to people."""
    if isinstance(value, list):
        value = "; ".join(str(item.get("msg", "")) if isinstance(item, dict) else str(item) for item in value[:5])
    elif isinstance(value, dict):
        value = value.get("detail") or value.get("msg") or value.get("code") or ""
    text = str(value or "").replace(key.secret.get_secret_value(), "***")
    visible = " ".join("".join(char if char.isprintable() else " " for char in text[:10_000]).split())
    return visible[:_DETAIL_LIMIT_CHARS].rstrip(". ")


def _retry_after(value: str) -> float:
    """Seconds that an answer asks to wait (RFC 9110, as a number); 0 where it does not say."""
    return min(float(value), _RETRY_AFTER_LIMIT_SECONDS) if re.fullmatch(r"[0-9]{1,6}", value.strip()) else 0.0
