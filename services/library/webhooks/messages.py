"""The bodies of webhook messages, and their signatures (Standard Webhooks 1.0, https://www.standardwebhooks.com)."""

import base64
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from standardwebhooks import Webhook

from soundwright.services.library.jobs.service import AudioOutput, Job, JobState

PING = "ping"
EVENTS = ("job.completed", "job.failed", PING)

_SECRET_PREFIX = "whsec_"  # noqa: S105 (a prefix of secrets)
_SECRET_BYTES = 32
_BODY_LIMIT_BYTES = 60_000  # docs/WEBHOOKS.md promises less than 64 KiB
_TEXT_LIMIT_CHARS = 2000


@dataclass(frozen=True)
class PublicKind:
    """The public name and paths of a job kind.

    Attributes:
        output_path: template of the gateway's path of an output. Placeholders: ``{job_id}``, ``{job_hex_id}``,
            ``{track_id}``, ``{output_id}``, ``{name}`` and ``{extension}``.
        details_path: template of the gateway's path of the details as JSON; empty if they are not served.
        details_name: name of the details in lists of files.
    """

    type: str
    output_path: str
    details_path: str = ""
    details_name: str = ""


def event_of(job: Job) -> str:
    """Return the event name for the end of a job. The event of a cancelled job is ``job.failed``."""
    return "job.completed" if job.state is JobState.SUCCEEDED else "job.failed"


def job_message_id(job: Job) -> str:
    """Return the message ID. It is derived from the job ID, so that repeated messages have the same ID."""
    return f"msg_{_hex_id(job)}"


def job_body(job: Job, kind: PublicKind) -> str:
    manifest = _manifest(job, kind)
    body = _body(event_of(job), job.finish_time or job.create_time, manifest)
    if len(body.encode()) > _BODY_LIMIT_BYTES:
        shortened = {**manifest, "outputs": [], "outputs_truncated": True}
        return _body(event_of(job), job.finish_time or job.create_time, shortened)
    return body


def ping_body(webhook_id: str, now: float) -> str:
    return _body(PING, now, {"webhook_id": webhook_id})


def new_signing_secret() -> str:
    return _SECRET_PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def signature(signing_secrets: Sequence[str], message_id: str, timestamp: int, body: str) -> str:
    """Return the header ``webhook-signature``: one signature for each secret, separated by spaces.

    Args:
        timestamp: the header ``webhook-timestamp``, in seconds since 1970.
    """
    time = datetime.fromtimestamp(timestamp, UTC)
    return " ".join(Webhook(secret).sign(message_id, time, body) for secret in signing_secrets)


def _body(event: str, seconds: float, values: dict[str, Any]) -> str:
    return json.dumps({"type": event, "timestamp": _time(seconds), "data": values}, separators=(",", ":"))


def _manifest(job: Job, kind: PublicKind) -> dict[str, Any]:
    result = job.result if job.state is JobState.SUCCEEDED else None
    succeeded = job.state is JobState.SUCCEEDED
    return {
        "id": job.id,
        "job_type": kind.type,
        "status": "completed" if succeeded else "failed",
        "track_id": job.track_id or None,
        "error": None if succeeded else _error_text(job),
        "error_code": None if succeeded else (job.error.reason if job.error else "CANCELLED"),
        "outputs": _outputs(job, kind),
        "engine": result.engine if result else None,
        "model": (result.model or None) if result else None,
        "degraded": result.degraded if result else False,
        "degraded_reason": (result.degraded_reason[:_TEXT_LIMIT_CHARS] or None) if result else None,
        "created_at": _time(job.create_time),
        "started_at": _time(job.start_time),
        "finished_at": _time(job.finish_time),
        **_batch(job),
    }


def _batch(job: Job) -> dict[str, Any]:
    """Return what only messages about batches and their jobs say."""
    if job.batch is not None:
        counts = job.batch
        return {
            "batch": {
                "total": counts.total_count,
                "completed": counts.completed_count,
                "failed": counts.failed_count,
                "cancelled": counts.cancelled_count,
            }
        }
    return {"batch_id": job.batch_id} if job.batch_id else {}


def _error_text(job: Job) -> str:
    if job.state is JobState.CANCELLED:
        return "cancelled"
    return (job.error.message[:_TEXT_LIMIT_CHARS] if job.error else "") or "failed"


def _outputs(job: Job, kind: PublicKind) -> list[dict[str, Any]]:
    """Return the files of a job with their paths at the gateway."""
    if job.state is not JobState.SUCCEEDED or job.result is None:
        return []
    files = [
        _file(output.name, output.content_type, _path(kind.output_path, job, output)) for output in job.result.outputs
    ]
    if job.result.analysis_json and kind.details_path and job.track_id:
        files.append(_file(kind.details_name, "application/json", _path(kind.details_path, job)))
    return files


def _file(name: str, content_type: str, path: str) -> dict[str, Any]:
    return {"name": name, "content_type": content_type, "download_path": path}


def _path(template: str, job: Job, output: AudioOutput | None = None) -> str:
    values = {"job_id": job.id, "job_hex_id": _hex_id(job), "track_id": job.track_id}
    if output is not None:
        extension = PurePosixPath(output.path).suffix
        values |= {"output_id": output.id, "name": output.name, "extension": extension}
    return template.format(**values)


def _hex_id(job: Job) -> str:
    return job.id.replace("-", "")


def _time(seconds: float | None) -> str | None:
    """Return a time as ISO 8601 in UTC with whole seconds, or None."""
    return None if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
