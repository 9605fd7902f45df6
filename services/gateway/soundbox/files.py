"""Clips and their spectrograms as files."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import Field
from soundwright.generation.v1 import generation_service_pb2 as generation_pb
from starlette.responses import JSONResponse, Response
from typing_extensions import TypedDict

from kit.errors import AppError, Code
from services.gateway import refusals
from services.gateway.answers import answers, sends
from services.gateway.clients import Gateway
from services.gateway.files import blob_response
from services.gateway.soundbox.library import find_clip
from services.gateway.soundbox.params import AudioName, PictureName, refusal
from services.gateway.soundbox.wire import clip_id, hex_id, slug

__all__ = ["clip_of_file", "file_routes"]

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}")
_SPECTROGRAM_SECONDS = 60.0


def clip_of_file(filename: str, suffix: str) -> str:
    """The id of the clip whose file has this name. Names are looked up in records, never in the store.

    Raises:
        AppError: 400 for what is no name of such a file, ``GENERATION_NOT_FOUND`` for one that no clip can have.
    """
    if not _NAME.fullmatch(filename) or ".." in filename or not filename.endswith(suffix):
        raise refusal("Invalid filename")
    return clip_id(filename.removesuffix(suffix))


class SpectrogramName(TypedDict):
    spectrogram: Annotated[str, Field(examples=["7f0c2a9e41d84b6fb1a35d90c2e8f714.png"])]


_REFUSALS = (refusals.FILENAME_INVALID, refusals.GENERATION_NOT_FOUND)


def file_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(tags=["soundbox files"])
    clients, blobs = gateway.clients, gateway.blobs

    @router.get("/audio/{filename}")
    @sends("audio/wav", *_REFUSALS, refusals.FILE_NOT_FOUND)
    async def get_audio(request: Request, filename: AudioName) -> Response:
        """A clip to listen to (WAV), or a part of it."""
        clip = await find_clip(clients, clip_of_file(filename, ".wav"))
        answer = await blob_response(
            request,
            blobs,
            clip.audio_blob_key,
            content_type="audio/wav",
            filename=f"{hex_id(clip.id)}.wav",
            inline=True,
        )
        answer.headers["access-control-allow-origin"] = "*"  # players embedded elsewhere do not always say who they are
        return answer

    @router.get("/download/{filename}")
    @sends("audio/wav", *_REFUSALS, refusals.FILE_NOT_FOUND)
    async def download_audio(request: Request, filename: AudioName) -> Response:
        """A clip to keep, under a name that tells what it is."""
        clip = await find_clip(clients, clip_of_file(filename, ".wav"))
        name = f"{slug(clip.prompt)}_{hex_id(clip.id)[-6:]}.wav"
        return await blob_response(request, blobs, clip.audio_blob_key, content_type="audio/wav", filename=name)

    @router.get("/spectrogram/{filename}")
    @sends("image/png", *_REFUSALS, refusals.FILE_NOT_FOUND)
    async def get_spectrogram(request: Request, filename: PictureName) -> Response:
        """The picture of a clip (PNG)."""
        clip = await find_clip(clients, clip_of_file(filename, ".png"))
        if not clip.spectrogram_blob_key:
            raise AppError(Code.NOT_FOUND, "FILE_NOT_FOUND", "This clip has no spectrogram yet.")
        return await blob_response(
            request,
            blobs,
            clip.spectrogram_blob_key,
            content_type="image/png",
            filename=f"{hex_id(clip.id)}.png",
            inline=True,
        )

    @router.get("/generate-spectrogram/{audio_filename}")
    @answers(SpectrogramName, refusals.FILENAME_INVALID, refusals.AUDIO_FILE_NOT_FOUND, refusals.SPECTROGRAM_FAILED)
    async def generate_spectrogram(audio_filename: AudioName) -> Response:
        """Make the picture of a clip, if there is none yet."""
        try:
            identifier = clip_of_file(audio_filename, ".wav")
            await clients.generation.RenderSpectrogram(
                generation_pb.RenderSpectrogramRequest(generation_id=identifier), timeout=_SPECTROGRAM_SECONDS
            )
        except AppError as error:
            if error.code is Code.NOT_FOUND:
                raise AppError(Code.NOT_FOUND, "AUDIO_FILE_NOT_FOUND", "Audio file not found") from None
            if error.code is Code.INTERNAL:
                raise AppError(Code.INTERNAL, "SPECTROGRAM_FAILED", "Failed to generate spectrogram") from None
            raise
        return JSONResponse({"spectrogram": f"{hex_id(identifier)}.png"})

    return router
