"""What webhooks say, and how it is signed: Standard Webhooks 1.0, https://www.standardwebhooks.com."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from services.library.service import AudioOutput, Job, JobState

__all__ = ["EVENTS", "PING", "event_of", "job_body", "job_message_id", "new_signing_secret", "ping_body", "signature"]

PING = "ping"
EVENTS = ("job.completed", "job.failed", PING)

_SECRET_PREFIX = "whsec_"  # noqa: S105 - says that a secret follows
_SECRET_BYTES = 32
_BODY_LIMIT_BYTES = 60_000  # receivers are told to expect less than 64 KiB
_TEXT_LIMIT_CHARS = 2000
# As the forge dialect calls them.
_JOB_TYPES = {"separation": "processing"}


def event_of(job: Job) -> str:
    """What to call the end of a job. A cancelled one failed."""
    return "job.completed" if job.state is JobState.SUCCEEDED else "job.failed"


def job_message_id(job: Job) -> str:
    """A job ends once, so its id is the message's: however often it is told, it is the same."""
    return f"msg_{_hex_id(job)}"


def job_body(job: Job) -> str:
    """The message about a finished job, JSON."""
    body = _body(event_of(job), job.finish_time or job.create_time, _manifest(job))
    if len(body.encode()) > _BODY_LIMIT_BYTES:
        shortened = {**_manifest(job), "outputs": [], "outputs_truncated": True}
        return _body(event_of(job), job.finish_time or job.create_time, shortened)
    return body


def ping_body(webhook_id: str, now: float) -> str:
    return _body(PING, now, {"webhook_id": webhook_id})


def new_signing_secret() -> str:
    return _SECRET_PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def signature(signing_secrets: Sequence[str], message_id: str, timestamp: int, body: str) -> str:
    """The header ``webhook-signature``: one HMAC-SHA256 for each secret, with blanks between."""
    content = f"{message_id}.{timestamp}.{body}".encode()
    keys = [base64.b64decode(secret.removeprefix(_SECRET_PREFIX)) for secret in signing_secrets]
    return " ".join(f"v1,{base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()}" for key in keys)


def _body(event: str, seconds: float, values: dict[str, Any]) -> str:
    return json.dumps({"type": event, "timestamp": _time(seconds), "data": values}, separators=(",", ":"))


def _manifest(job: Job) -> dict[str, Any]:
    result = job.result if job.state is JobState.SUCCEEDED else None
    succeeded = job.state is JobState.SUCCEEDED
    return {
        "id": job.id,
        "job_type": _JOB_TYPES.get(job.kind, job.kind),
        "status": "completed" if succeeded else "failed",
        "track_id": job.track_id or None,
        "error": None if succeeded else _error_text(job),
        "error_code": None if succeeded else (job.error.reason if job.error else "CANCELLED"),
        "outputs": _outputs(job),
        "engine": result.engine if result else None,
        "model": (result.model or None) if result else None,
        "degraded": result.degraded if result else False,
        "degraded_reason": (result.degraded_reason[:_TEXT_LIMIT_CHARS] or None) if result else None,
        "created_at": _time(job.create_time),
        "started_at": _time(job.start_time),
        "finished_at": _time(job.finish_time),
    }


def _error_text(job: Job) -> str:
    if job.state is JobState.CANCELLED:
        return "cancelled"
    return (job.error.message[:_TEXT_LIMIT_CHARS] if job.error else "") or "failed"


def _outputs(job: Job) -> list[dict[str, Any]]:
    """Files that the job made, and where the gateway gives them out."""
    if job.state is not JobState.SUCCEEDED or job.result is None:
        return []
    files = [_file(output.name, output.content_type, _path(job, output)) for output in job.result.outputs]
    if job.result.values_json and job.track_id:
        files.append(_file("analysis", "application/json", f"/export/analysis/{job.track_id}"))
    return files


def _file(name: str, content_type: str, path: str) -> dict[str, Any]:
    return {"name": name, "content_type": content_type, "download_path": path}


def _path(job: Job, output: AudioOutput) -> str:
    if job.kind == "pipeline":
        return f"/download/{job.id}/{output.name}"
    if job.kind == "generation":
        return f"/{output.name}/{_hex_id(job)}{PurePosixPath(output.path).suffix}"
    return f"/export/stem/{output.id}"


def _hex_id(job: Job) -> str:
    return job.id.replace("-", "")


def _time(seconds: float | None) -> str | None:
    """ISO 8601 in UTC, whole seconds."""
    return None if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
