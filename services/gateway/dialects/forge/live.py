"""Live stems: what can be heard of a separation while it runs (:mod:`soundwright.kit.worker.live`)."""

import asyncio
import uuid
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import Field
from starlette.responses import Response
from typing_extensions import TypedDict

from soundwright.kit import errors
from soundwright.kit.errors import Code, suppressed
from soundwright.kit.ports import Blobs
from soundwright.kit.worker.live import LiveIndex, live_prefix, open_live, read_live
from soundwright.library.v1 import job_pb2
from soundwright.services.gateway.callers.access import Access, access
from soundwright.services.gateway.callers.rate_limits import RateClass
from soundwright.services.gateway.clients import Clients, Gateway
from soundwright.services.gateway.dialects.forge.live_wav import live_of, wav_response
from soundwright.services.gateway.dialects.forge.serializers import data
from soundwright.services.gateway.dialects.forge.shapes import Data
from soundwright.services.gateway.dialects.forge.stems import SEGMENT_ERRORS, SegmentIndex
from soundwright.services.gateway.files.playback import PIXEL_FRAMES, segment_frame_count
from soundwright.services.gateway.files.waits import WAIT_LIMIT_SECONDS, Waits
from soundwright.services.gateway.openapi.responses import Uuid, documented, file_responses, generated_file_responses
from soundwright.services.gateway.records import own_job
from soundwright.services.gateway.wire.parameters import JobId

State = Literal["waiting", "live", "completed", "failed", "cancelled"]


class LiveStem(TypedDict):
    """A stem that is being written."""

    id: Annotated[Uuid, Field(description="The ID that the stem has when the job is completed.")]
    stem_type: Annotated[str, Field(examples=["vocals"])]


class LiveStems(TypedDict):
    """What of a separation can be heard."""

    state: Annotated[
        State,
        Field(
            description="`waiting`: nothing yet. `live`: the first `ready_segment_count` segments. `completed`: everything; "
            "the same addresses answer with the segments of the stems."
        ),
    ]
    attempt: Annotated[
        int, Field(description="Another number means that the separation has begun again.", examples=[1])
    ]
    model: Annotated[str | None, Field(description="The model that runs.", examples=["spleeter-with-small"])]
    sample_rate_hz: Annotated[int | None, Field(examples=[44100])]
    channel_count: Annotated[int | None, Field(examples=[2])]
    frame_count: Annotated[int | None, Field(description="Length of the recording.", examples=[10584000])]
    segment_frame_count: Annotated[int | None, Field(examples=[220500])]
    segment_count: Annotated[int | None, Field(examples=[48])]
    ready_segment_count: Annotated[int, Field(examples=[7])]
    stems: list[LiveStem]


StemName = Annotated[str, Path(description="A `stem_type`.", examples=["vocals"])]
Wait = Annotated[
    int, Query(ge=0, le=WAIT_LIMIT_SECONDS, description="How many seconds to wait for the segment.", examples=[20])
]
Attempt = Annotated[
    int | None, Query(ge=1, description="Refuse segments of another attempt, which begins again.", examples=[1])
]


def live_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(tags=["forge stems"])
    clients, blobs, waits = gateway.clients, gateway.blobs, Waits()

    @router.get("/api/jobs/{job_id}/live")
    @access(Access.ACCOUNT, RateClass.POLLING)
    @documented(
        Data[LiveStems],
        errors.ACCESS_DENIED,
        errors.JOB_NOT_FOUND,
        errors.VALIDATION_ERROR,
        errors.TOO_MANY_CONVERSIONS,
    )
    async def get_live_stems(
        request: Request,
        job_id: JobId,
        wait_for: Annotated[
            int | None,
            Query(ge=0, description="Wait up to 20 seconds until the segment with this number is there.", examples=[7]),
        ] = None,
    ) -> Response:
        """Get what can be heard of a separation while it runs.

        A separation with a `chain` shows nothing before its end.
        """

        def is_enough(state: LiveStems) -> bool:
            return state["state"] not in ("waiting", "live") or state["ready_segment_count"] > (wait_for or 0)

        seconds = WAIT_LIMIT_SECONDS if wait_for is not None else 0
        return data(await waits.until(request, lambda: _state(clients, blobs, job_id), is_enough, seconds))

    @router.get("/api/jobs/{job_id}/live/{stem_type}/segments/{index}")
    @access(Access.ACCOUNT, RateClass.FILES)
    @generated_file_responses("audio/*", errors.ACCESS_DENIED, errors.JOB_NOT_FOUND, *SEGMENT_ERRORS)
    async def get_live_segment(
        request: Request,
        job_id: JobId,
        stem_type: StemName,
        index: SegmentIndex,
        wait: Wait = 0,
        attempt: Attempt = None,
    ) -> Response:
        """Get a segment of a stem while its separation runs, and afterwards.

        It equals the segment of the finished stem, see `GET /api/stems/{stem_id}/segments/{index}`.
        """

        async def look() -> Response | None:
            job = await own_job(clients, job_id, job_pb2.JOB_KIND_SEPARATION)
            if attempt is not None and job.attempt != attempt:
                raise errors.SEGMENT_NOT_FOUND(
                    f"The separation has begun again: this is attempt {job.attempt}. Begin at segment 0."
                )
            return await _segment(gateway, request, job, stem_type, index)

        found = await waits.until(request, look, lambda answer: answer is not None, wait)
        if found is None:
            raise errors.SEGMENT_NOT_FOUND("The segment is not there yet. Ask for it with wait=20.")
        return found

    @router.get("/api/jobs/{job_id}/live/{stem_type}.wav")
    @access(Access.ACCOUNT, RateClass.FILES)
    @file_responses(
        "audio/wav",
        errors.ACCESS_DENIED,
        errors.JOB_NOT_FOUND,
        errors.SEGMENT_NOT_FOUND,
        errors.FILE_NOT_FOUND,
        errors.TOO_MANY_CONVERSIONS,
        redirects=False,
    )
    async def get_live_stem(request: Request, job_id: JobId, stem_type: StemName) -> Response:
        """Get a stem as one WAV file with 32-bit floats while its separation runs, and afterwards.

        The length of the file is known from the beginning. The response continues as fast as the separation, and ends early if
        the separation fails or begins again. A range that is not there within 20 seconds is refused.
        """

        return await wav_response(gateway, waits, request, job_id, stem_type)

    @router.get("/api/jobs/{job_id}/live/{stem_type}/waveform")
    @access(Access.ACCOUNT, RateClass.FILES)
    @generated_file_responses(
        "application/octet-stream",
        errors.ACCESS_DENIED,
        errors.JOB_NOT_FOUND,
        errors.FILE_NOT_FOUND,
        errors.SEGMENT_NOT_FOUND,
    )
    async def get_live_waveform(request: Request, job_id: JobId, stem_type: StemName) -> Response:
        """Get the waveform of what is there of a stem, in the format of `GET /api/stems/{stem_id}/waveform`."""
        job = await own_job(clients, job_id, job_pb2.JOB_KIND_SEPARATION)
        for output in job.result.outputs:
            if output.name == stem_type:
                return await gateway.playback.waveform(request, output, PIXEL_FRAMES)
        live = await read_live(blobs, job) if job.state == job_pb2.JOB_STATE_RUNNING else None
        if live is None or stem_type not in live.waveforms:
            raise errors.SEGMENT_NOT_FOUND("There is nothing of this stem yet. See GET /api/jobs/{job_id}/live.")
        content = await _waveform(blobs, job, live, stem_type)
        return Response(content, media_type="application/octet-stream", headers={"Cache-Control": "no-store"})

    return router


async def _segment(gateway: Gateway, request: Request, job: job_pb2.Job, stem_type: str, index: int) -> Response | None:
    """Return a segment; None if it is not there yet."""
    if job.state == job_pb2.JOB_STATE_SUCCEEDED:
        for output in job.result.outputs:
            if output.name == stem_type:
                return await gateway.playback.segment(request, output, index)
        raise errors.SEGMENT_NOT_FOUND("The separation has no such stem.")
    live = await live_of(gateway.blobs, job, stem_type)
    if live is None:
        return None
    length = segment_frame_count(live)
    end = min((index + 1) * length, live.total_frame_count)
    if index * length >= live.total_frame_count:
        raise errors.SEGMENT_NOT_FOUND(
            f"The recording has the segments 0 to {-(-live.total_frame_count // length) - 1}."
        )
    if end > live.frame_count:
        return None
    with suppressed(Code.NOT_FOUND):
        return await gateway.playback.live_segment(request, job, live, stem_type, index, end - index * length)
    return None  # the job has just ended: the next look finds the stem


async def _state(clients: Clients, blobs: Blobs, job_id: str) -> LiveStems:
    job = await own_job(clients, job_id, job_pb2.JOB_KIND_SEPARATION)
    live = await read_live(blobs, job) if job.state == job_pb2.JOB_STATE_RUNNING else None
    shape: LiveIndex | job_pb2.AudioOutput | None = live
    names: list[str] = []
    frame_count = length = ready = 0
    if live is not None:
        names, frame_count = list(live.recordings), live.total_frame_count
    elif job.result.outputs:
        shape = job.result.outputs[0]
        names, frame_count = [output.name for output in job.result.outputs], shape.frame_count
    if shape is not None:
        length = segment_frame_count(shape)
        ready = -(-frame_count // length) if shape.frame_count >= frame_count else shape.frame_count // length
    return {
        "state": _STATES.get(job.state, "waiting" if live is None else "live"),
        "attempt": job.attempt,
        "model": (live.model if live is not None else job.result.model) or None,
        "sample_rate_hz": shape.sample_rate_hz if shape is not None else None,
        "channel_count": shape.channel_count if shape is not None else None,
        "frame_count": frame_count if length else None,
        "segment_frame_count": length or None,
        "segment_count": -(-frame_count // length) if length else None,
        "ready_segment_count": ready,
        "stems": [{"id": str(uuid.uuid5(uuid.UUID(job.id), name)), "stem_type": name} for name in names],
    }


_STATES: dict[job_pb2.JobState.ValueType, State] = {
    job_pb2.JOB_STATE_SUCCEEDED: "completed",
    job_pb2.JOB_STATE_FAILED: "failed",
    job_pb2.JOB_STATE_CANCELLED: "cancelled",
}


async def _waveform(blobs: Blobs, job: job_pb2.Job, live: LiveIndex, name: str) -> bytes:
    def content() -> bytes:
        with open_live(blobs, live_prefix(job, job.attempt), live.waveforms[name]) as file:
            return file.read()

    with suppressed(Code.NOT_FOUND):
        return await asyncio.to_thread(content)
    raise errors.SEGMENT_NOT_FOUND("The separation has just ended. Ask again.")
