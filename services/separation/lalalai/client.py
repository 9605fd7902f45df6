"""A client of the public API of lalal.ai, version 1: POST requests with JSON, and the license key in a header.

Failures are raised as ``AppError``. Transient failures have a retryable code, others are final.
"""

import asyncio
import json
import math
import re
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import httpx
from pydantic import BaseModel, Field, ValidationError

from soundwright.kit import errors
from soundwright.kit.errors import AppError
from soundwright.kit.free_space import DISK_FULL
from soundwright.kit.security.egress_client import UnusableResponse, save_web
from soundwright.kit.security.egress_policy import EgressPolicy
from soundwright.services.separation.lalalai.keys import Key

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
"""lalal.ai's names of the stems. One split accepts up to six."""

_TRANSIENT_STATUSES = {408, 429, 502, 503, 504}
_RESPONSE_LIMIT_BYTES = 1 << 20
_CHUNK_BYTES = 1 << 20
_DETAIL_LIMIT_CHARS = 200
_RETRY_AFTER_LIMIT_SECONDS = 3600.0
# Other characters are not allowed in a header, and could inject further headers.
_KEY = re.compile(r"[!-~]{1,200}")

Id = Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{1,100}$")]
A = TypeVar("A", bound=BaseModel)


class SplitTrack(BaseModel):
    """A file that a split produced: a stem, or ``back``, the rest without all stems."""

    type: Literal["stem", "back"]
    label: str
    url: str


class _UploadResponse(BaseModel):
    id: Id


class _SplitResponse(BaseModel):
    task_id: Id


class _LimitsResponse(BaseModel):
    minutes_left: Annotated[float, Field(allow_inf_nan=False)]


class _Result(BaseModel):
    tracks: list[SplitTrack] = Field(max_length=20)


class _Status(BaseModel):
    status: str
    progress: Annotated[float, Field(ge=0, le=100)] = 0.0
    presets: dict[str, Any] | None = None
    result: _Result | None = None
    error: Any = None


class _CheckResponse(BaseModel):
    result: dict[str, _Status]


class _EmptyResponse(BaseModel):
    pass


@dataclass(frozen=True)
class TaskState:
    """The state of a task.

    Attributes:
        ratio: the progress, 0 to 1.
        tracks: the results; None while the task is running.
        splitter: the model of the task; empty if lalal.ai does not report it.
    """

    ratio: float
    tracks: list[SplitTrack] | None = None
    splitter: str = ""


class LalalaiClient:
    """The API client. All methods raise ``LALALAI_UNAUTHORIZED`` for an invalid key and ``LALALAI_ERROR`` otherwise."""

    def __init__(
        self,
        url: str,
        egress_policy: EgressPolicy,
        *,
        timeout_seconds: float,
        transfer_seconds: float,
        limit_bytes: int,
    ) -> None:
        """
        Args:
            url: the address of the API. It is set by the operator, so the egress policy does not apply.
            egress_policy: applies to the addresses of results, which lalal.ai chooses.
        """
        self._egress_policy = egress_policy
        self._transfer_seconds = transfer_seconds
        self._timeout_seconds = timeout_seconds
        self._limit_bytes = limit_bytes
        # No proxies from the environment and no redirects, so that the key is sent to lalal.ai only.
        self._http = httpx.AsyncClient(base_url=f"{url.rstrip('/')}/api/v1", trust_env=False, follow_redirects=False)

    async def close(self) -> None:
        await self._http.aclose()

    async def minutes_left(self, key: Key) -> float:
        return (await self._post(key, "/limits/minutes_left/", _LimitsResponse)).minutes_left

    async def upload(self, key: Key, path: Path, name: str, report: Callable[[float], None]) -> str:
        """Upload a file, and return its ID at lalal.ai.

        Args:
            name: the file name to send; ASCII, without quotes.
            report: called with the sent share, 0 to 1.
        """
        size_bytes = path.stat().st_size
        headers = {
            "Content-Disposition": f'attachment; filename="{name}"',
            "Content-Type": "application/octet-stream",
            "Content-Length": str(size_bytes),
        }

        async def chunks() -> AsyncIterator[bytes]:
            sent_bytes = 0
            with path.open("rb") as file:
                while chunk := await asyncio.to_thread(file.read, _CHUNK_BYTES):
                    yield chunk
                    sent_bytes += len(chunk)
                    report(sent_bytes / size_bytes)

        response = await self._post(
            key, "/upload/", _UploadResponse, self._transfer_seconds, content=chunks(), headers=headers
        )
        return response.id

    async def split(self, key: Key, source_id: str, stems: Sequence[str], splitter: str, idempotency_key: str) -> str:
        """Start a separation, and return the ID of its task. lalal.ai charges the duration of the file for each stem.

        Args:
            stems: our names of the stems, the keys of :data:`STEMS`.
            splitter: the model; empty for the newest.
            idempotency_key: a UUID of version 4. A repeated request is not charged: it returns the same task until the
                work begins, and is refused after that.
        """
        presets: dict[str, Any] = {"encoder_format": "flac", **({"splitter": splitter} if splitter else {})}
        names = [STEMS[stem] for stem in stems]
        if len(names) == 1:
            path, presets["stem"] = "/split/stem_separator/", names[0]
        else:
            path, presets["stem_list"] = "/split/multistem/", names
        body = {"source_id": source_id, "presets": presets, "idempotency_key": idempotency_key}
        return (await self._post(key, path, _SplitResponse, json=body)).task_id

    async def check(self, key: Key, task_id: str) -> TaskState:
        """Return the state of a task. Raises ``LALALAI_ERROR``, also for a task that failed or was cancelled."""
        response = await self._post(key, "/check/", _CheckResponse, json={"task_ids": [task_id]})
        task = response.result.get(task_id)
        if task is None:
            raise failed("the task does not exist any more")
        if task.status == "progress":
            return TaskState(task.progress / 100)
        if task.status == "success" and task.result is not None:
            splitter = (task.presets or {}).get("splitter")
            return TaskState(1.0, task.result.tracks, splitter if isinstance(splitter, str) else "")
        if task.status == "cancelled":
            raise failed("the task was cancelled at lalal.ai")
        raise failed(_one_line(task.error, key) or "the task failed without a reason")

    async def cancel(self, key: Key, task_ids: Sequence[str]) -> None:
        """Cancel tasks. Finished tasks do not change."""
        await self._post(key, "/cancel/", _EmptyResponse, json={"task_ids": list(task_ids)})

    async def delete(self, key: Key, source_id: str) -> None:
        """Delete an uploaded file and its results, and cancel its tasks."""
        await self._post(key, "/delete/", _EmptyResponse, json={"source_id": source_id})

    async def download(self, url: str, path: Path) -> None:
        """Download a result. The request does not contain the key."""
        try:
            await save_web(
                self._egress_policy, url, path, limit_bytes=self._limit_bytes, seconds=self._transfer_seconds
            )
        except UnusableResponse as error:
            raise_for = _unavailable if error.status in _TRANSIENT_STATUSES else failed
            raise raise_for(f"a stem could not be downloaded: {error}") from None
        except AppError as error:
            raise failed("the address of a stem is not a public web server") from error
        except OSError as error:
            if error.errno in DISK_FULL:
                raise errors.STORAGE_FULL(
                    "The server has no disk space left for the stems. Free some space and try again."
                ) from None
            raise _unavailable("a stem could not be downloaded") from None

    async def _post(self, key: Key, path: str, kind: type[A], seconds: float = 0.0, **request: Any) -> A:
        """Send a request and parse the response. ``seconds`` extends the timeout."""
        secret = key.secret.get_secret_value()
        if not _KEY.fullmatch(secret):
            raise _unauthorized(key)
        headers = {"X-License-Key": secret, **request.pop("headers", {})}
        seconds = max(seconds, self._timeout_seconds)
        timeout = httpx.Timeout(self._timeout_seconds, read=seconds)
        try:
            async with (
                asyncio.timeout(seconds),
                self._http.stream("POST", path, headers=headers, timeout=timeout, **request) as response,
            ):
                body = bytearray()
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > _RESPONSE_LIMIT_BYTES:
                        raise failed("the response is too large")
        except (httpx.HTTPError, TimeoutError) as error:
            # Only the type, because the text of the error may quote the request.
            raise _unavailable(f"no response, {type(error).__name__}") from None
        if response.status_code == 200:
            try:
                return kind.model_validate_json(bytes(body))
            except ValidationError:
                raise failed("the response is invalid") from None
        detail, code = _error_detail(bytes(body), key)
        status = response.status_code
        if status in (401, 403):
            raise _unauthorized(key)
        if status in _TRANSIENT_STATUSES or (status == 400 and code == "internal_error"):
            raise _unavailable(
                detail or f"status {status}", status, _retry_after(response.headers.get("retry-after", ""))
            )
        raise failed(detail or f"status {status}")


def is_transient(error: AppError) -> bool:
    """Return whether a retry may succeed."""
    return error.reason == "LALALAI_ERROR" and error.retryable


def failed(detail: str) -> AppError:
    return errors.LALALAI_FAILED(detail=detail)


def _unavailable(detail: str, status: int = 503, retry_after_seconds: float = 0.0) -> AppError:
    error = errors.LALALAI_BUSY if status == 429 else errors.LALALAI_AWAY
    wait = {"retry_after": math.ceil(retry_after_seconds)} if retry_after_seconds else {}
    return error(detail=detail, **wait)


def _unauthorized(key: Key) -> AppError:
    message = (
        "lalal.ai does not accept your key. Enter a valid key in your settings."
        if key.own
        else "lalal.ai does not accept the key of the platform. Contact an administrator."
    )
    return errors.LALALAI_UNAUTHORIZED(message)


def _error_detail(body: bytes, key: Key) -> tuple[str, str]:
    """Return the message and the code of an error response."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return "", ""
    if not isinstance(document, dict):
        return "", ""
    return _one_line(document.get("detail"), key), str(document.get("code", ""))


def _one_line(value: Any, key: Key) -> str:
    """Return a message of lalal.ai, in any of its formats, as one printable line without the key."""
    if isinstance(value, list):
        value = "; ".join(str(item.get("msg", "")) if isinstance(item, dict) else str(item) for item in value[:5])
    elif isinstance(value, dict):
        value = value.get("detail") or value.get("msg") or value.get("code") or ""
    text = str(value or "").replace(key.secret.get_secret_value(), "***")
    printable = " ".join("".join(char if char.isprintable() else " " for char in text[:10_000]).split())
    return printable[:_DETAIL_LIMIT_CHARS].rstrip(". ")


def _retry_after(value: str) -> float:
    """Return the seconds of a ``Retry-After`` header (RFC 9110) that is a number; otherwise 0."""
    return min(float(value), _RETRY_AFTER_LIMIT_SECONDS) if re.fullmatch(r"[0-9]{1,6}", value.strip()) else 0.0
