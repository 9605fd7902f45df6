"""A stem as one WAV file whose length is known from the beginning, while its separation runs."""

import functools

from fastapi import Request
from starlette.responses import Response

from soundwright.kit import errors
from soundwright.kit.ports import Blobs
from soundwright.kit.worker.live import LiveIndex, live_prefix, open_live, read_live
from soundwright.library.v1 import job_pb2
from soundwright.services.gateway.clients import Gateway
from soundwright.services.gateway.files.files import Span, attachment, requested_part
from soundwright.services.gateway.files.playback import Growing
from soundwright.services.gateway.files.waits import WAIT_LIMIT_SECONDS, Waits
from soundwright.services.gateway.records import own_job
from soundwright.services.gateway.wire.decoding import is_head


async def wav_response(gateway: Gateway, waits: Waits, request: Request, job_id: str, stem_type: str) -> Response:
    """Return a stem, or the part of it that the request selects, as it becomes available.

    Raises ``SEGMENT_NOT_FOUND`` if nothing of the part is there in time.
    """

    async def find() -> Growing | None:
        job = await own_job(gateway.clients, job_id, job_pb2.JOB_KIND_SEPARATION)
        return await _growing(gateway.blobs, job, stem_type)

    def is_there(found: Growing | None) -> bool:
        if found is None:
            return False
        part = _part(request, found, stem_type)
        if isinstance(part, Response) or is_head(request.scope):
            return True
        return found.frame_count > found.frame_at(part[1].start)

    found = await waits.until(request, find, is_there, WAIT_LIMIT_SECONDS)
    if found is None or not is_there(found):
        raise errors.SEGMENT_NOT_FOUND("This part of the stem is not there yet. Ask for it again.")
    part = _part(request, found, stem_type)
    if isinstance(part, Response):
        return part
    status, span, headers = part
    if is_head(request.scope):
        return Response(status_code=status, headers=headers)
    return waits.streamed(request, gateway.playback.wav(found, find, span), status, headers)


def _part(request: Request, found: Growing, stem_type: str) -> tuple[int, Span, dict[str, str]] | Response:
    headers = {
        "ETag": f'"{found.version}"', "Accept-Ranges": "bytes", "Cache-Control": "no-store",
        "Content-Type": "audio/wav", "Content-Disposition": attachment(f"{stem_type}.wav", inline=True),
    }  # fmt: skip
    part = requested_part(request, headers, found.size_bytes)
    return part if isinstance(part, Response) else (*part, headers)


async def _growing(blobs: Blobs, job: job_pb2.Job, stem_type: str) -> Growing | None:
    """Return what is there of a stem; None: nothing yet."""
    version = f"{job.id}-{job.attempt}-{stem_type}"
    for output in job.result.outputs:
        if output.name == stem_type:
            opened = functools.partial(blobs.open, output.blob_key)
            count = output.frame_count
            return Growing(version, output.sample_rate_hz, output.channel_count, count, count, opened)
    live = await live_of(blobs, job, stem_type)
    if live is None:
        return None
    opened = functools.partial(open_live, blobs, live_prefix(job, job.attempt), live.recordings[stem_type])
    return Growing(version, live.sample_rate_hz, live.channel_count, live.frame_count, live.total_frame_count, opened)


async def live_of(blobs: Blobs, job: job_pb2.Job, stem_type: str) -> LiveIndex | None:
    """Return what a separation that is not completed has published, also of this stem; None: nothing yet."""
    if job.state in (job_pb2.JOB_STATE_FAILED, job_pb2.JOB_STATE_CANCELLED):
        raise errors.SEGMENT_NOT_FOUND("The separation has ended without stems. Start it again.")
    live = await read_live(blobs, job)
    if job.state == job_pb2.JOB_STATE_SUCCEEDED or (live is not None and stem_type not in live.recordings):
        raise errors.SEGMENT_NOT_FOUND("The separation has no such stem.")
    return live
