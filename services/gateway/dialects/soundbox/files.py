"""Routes of audio files and spectrograms."""

import re
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import JSONResponse, Response
from typing_extensions import TypedDict

from soundwright.generation.v1 import generation_service_pb2 as generation_pb
from soundwright.kit import errors
from soundwright.kit.errors import AppError, Code
from soundwright.kit.worker.derived_files import parts_key, score_key
from soundwright.library.v1 import generation_pb2, job_pb2
from soundwright.services.gateway.callers.access import Access, access
from soundwright.services.gateway.callers.rate_limits import RateClass
from soundwright.services.gateway.clients import Gateway
from soundwright.services.gateway.dialects.soundbox.library import find_clip
from soundwright.services.gateway.dialects.soundbox.params import AudioName, ClipId, ImageName, PixelFrames
from soundwright.services.gateway.dialects.soundbox.serializers import clip_id, slug
from soundwright.services.gateway.file_paths import hex_id
from soundwright.services.gateway.files.files import attachment, blob_response, made_response
from soundwright.services.gateway.files.playback import PIXEL_FRAMES, SPECTROGRAM_SECONDS
from soundwright.services.gateway.openapi.responses import documented, file_responses
from soundwright.services.gateway.wire.decoding import is_head

_CONTENT_TYPES = {".wav": "audio/wav", ".mid": "audio/midi", ".zip": "application/zip"}
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}")


def clip_id_of_file(filename: str, suffix: str) -> str:
    """Return the ID of the clip with this filename. Filenames are never used as paths in the blob store.

    Raises ``AppError``: 400 for an invalid filename; ``GENERATION_NOT_FOUND`` if it does not contain the ID of a clip.
    """
    if not _NAME.fullmatch(filename) or ".." in filename or not filename.endswith(suffix):
        raise errors.FILENAME_INVALID()
    return clip_id(filename.removesuffix(suffix))


async def _download(request: Request, gateway: Gateway, clip: generation_pb2.Generation, suffix: str) -> Response:
    """Return a file of a clip. Its parts are made when they are first requested."""
    blobs, audio, content_type = gateway.blobs, clip.audio_blob_key, _CONTENT_TYPES[suffix]
    key = {".mid": score_key(audio), ".zip": parts_key(audio)}.get(suffix, audio)
    name = f"{slug(clip.prompt)}_{hex_id(clip.id)[-6:]}{suffix}"

    async def stored() -> Response:
        return await blob_response(request, blobs, key, content_type=content_type, filename=name)

    async def rendered() -> Response:
        wanted = generation_pb.RenderPartsRequest(generation_id=clip.id)
        await gateway.clients.generation.RenderParts(wanted, timeout=SPECTROGRAM_SECONDS)
        return await stored()

    if suffix != ".zip" or await blobs.stat(key) is not None:
        return await stored()
    if await blobs.stat(audio) is None:
        raise errors.FILE_NOT_FOUND()
    if await blobs.stat(score_key(audio)) is None:
        raise errors.CLIP_PARTS_UNKNOWN()
    return await made_response(request, {"Content-Disposition": attachment(name)}, content_type, rendered)


async def _render_spectrogram(request: Request, gateway: Gateway, clip_id: str) -> None:
    """Make the spectrogram of a clip if it is missing. For HEAD, only check that it can be made."""
    clip = await find_clip(gateway.clients, clip_id)
    if not any([await gateway.blobs.stat(key) for key in (clip.spectrogram_blob_key, clip.audio_blob_key) if key]):
        raise errors.FILE_NOT_FOUND()
    if not is_head(request.scope):
        wanted = generation_pb.RenderSpectrogramRequest(generation_id=clip_id)
        await gateway.clients.generation.RenderSpectrogram(wanted, timeout=SPECTROGRAM_SECONDS)


class SpectrogramName(TypedDict):
    """The filename of a spectrogram."""

    spectrogram: Annotated[str, Field(examples=["7f0c2a9e41d84b6fb1a35d90c2e8f714.png"])]


_REFUSALS = (errors.FILENAME_INVALID, errors.GENERATION_NOT_FOUND)


def file_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(tags=["soundbox files"])
    clients, blobs = gateway.clients, gateway.blobs

    @router.get("/audio/{filename}")
    @access(Access.OPEN, RateClass.FILES)
    @file_responses("audio/wav", *_REFUSALS, errors.FILE_NOT_FOUND)
    async def get_audio(request: Request, filename: AudioName) -> Response:
        """Play a clip. Returns the WAV file, or the requested range of it, for playback in a browser."""
        clip = await find_clip(clients, clip_id_of_file(filename, ".wav"))
        response = await blob_response(
            request,
            blobs,
            clip.audio_blob_key,
            content_type="audio/wav",
            filename=f"{hex_id(clip.id)}.wav",
            inline=True,
        )
        response.headers["access-control-allow-origin"] = "*"  # embedded players do not always send Origin
        return response

    @router.get("/download/{filename}")
    @access(Access.OPEN, RateClass.FILES)
    @file_responses(", ".join(_CONTENT_TYPES.values()), *_REFUSALS, errors.FILE_NOT_FOUND, errors.CLIP_PARTS_UNKNOWN)
    async def download_audio(request: Request, filename: AudioName) -> Response:
        """Download a clip. Returns the WAV file with a filename derived from the prompt.

        For a clip of the composer, `.mid` instead of `.wav` returns the notes as a MIDI file, and `.zip` the parts (drums,
        bass, lead, other, ambience) as FLAC files whose sum is the clip.
        """
        suffix = filename[-4:] if filename[-4:] in _CONTENT_TYPES else ".wav"
        clip = await find_clip(clients, clip_id_of_file(filename, suffix))
        return await _download(request, gateway, clip, suffix)

    @router.get("/api/library/{gen_id}/waveform")
    @access(Access.OPEN, RateClass.FILES)
    @file_responses(
        "application/octet-stream",
        errors.GENERATION_NOT_FOUND,
        errors.FILE_NOT_FOUND,
        errors.TOO_MANY_CONVERSIONS,
        redirects=False,
    )
    async def get_clip_waveform(
        request: Request, gen_id: ClipId, samples_per_pixel: PixelFrames = PIXEL_FRAMES
    ) -> Response:
        """Get the smallest and the largest sample of each pixel of a clip, for drawing. The format is that of
        `GET /api/stems/{stem_id}/waveform`."""
        clip = await find_clip(clients, gen_id)
        audio = job_pb2.AudioOutput(
            name=hex_id(clip.id),
            blob_key=clip.audio_blob_key,
            frame_count=max(1, round(clip.duration_seconds * clip.sample_rate_hz)),
        )
        return await gateway.playback.waveform(request, audio, samples_per_pixel)

    @router.get("/spectrogram/{filename}")
    @access(Access.OPEN, RateClass.FILES)
    @file_responses("image/png", *_REFUSALS, errors.FILE_NOT_FOUND)
    async def get_spectrogram(request: Request, filename: ImageName) -> Response:
        """Get the spectrogram of a clip. Returns a PNG image."""
        clip = await find_clip(clients, clip_id_of_file(filename, ".png"))
        if not clip.spectrogram_blob_key:
            raise errors.FILE_NOT_FOUND("This clip has no spectrogram yet.")
        return await blob_response(
            request,
            blobs,
            clip.spectrogram_blob_key,
            content_type="image/png",
            filename=f"{hex_id(clip.id)}.png",
            inline=True,
        )

    @router.get("/generate-spectrogram/{audio_filename}")
    @access(Access.OPEN, RateClass.FILES)
    @documented(SpectrogramName, errors.FILENAME_INVALID, errors.AUDIO_FILE_NOT_FOUND, errors.SPECTROGRAM_FAILED)
    async def generate_spectrogram(request: Request, audio_filename: AudioName) -> Response:
        """Create the spectrogram of a clip. Has no effect if the spectrogram exists."""
        try:
            identifier = clip_id_of_file(audio_filename, ".wav")
            await _render_spectrogram(request, gateway, identifier)
        except AppError as error:
            if error.code is Code.NOT_FOUND:
                raise errors.AUDIO_FILE_NOT_FOUND() from None
            if error.code is Code.INTERNAL:
                raise errors.SPECTROGRAM_FAILED() from None
            raise
        return JSONResponse({"spectrogram": f"{hex_id(identifier)}.png"})

    return router
