"""All routes of the soundbox dialect."""

from __future__ import annotations

from fastapi import APIRouter

from services.gateway.clients import Gateway
from services.gateway.soundbox.favorites import favorite_routes
from services.gateway.soundbox.files import file_routes
from services.gateway.soundbox.generate import generate_routes
from services.gateway.soundbox.library import library_routes
from services.gateway.soundbox.playlists import playlist_routes
from services.gateway.soundbox.plays import play_routes
from services.gateway.soundbox.queue import queue_routes
from services.gateway.soundbox.radio import radio_routes
from services.gateway.soundbox.tags import tag_routes
from services.gateway.soundbox.utility import utility_routes
from services.gateway.soundbox.votes import vote_routes

__all__ = ["soundbox_routes"]


def soundbox_routes(gateway: Gateway) -> APIRouter:
    """All but ``GET /job/{job_id}``, which answers for other kinds of jobs, too, where other dialects are spoken."""
    router = APIRouter()
    for part in (
        generate_routes,
        queue_routes,
        vote_routes,
        tag_routes,
        library_routes,
        favorite_routes,
        radio_routes,
        playlist_routes,
        play_routes,
        file_routes,
        utility_routes,
    ):
        router.include_router(part(gateway))
    return router
