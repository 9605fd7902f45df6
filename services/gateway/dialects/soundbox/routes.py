"""All routes of the soundbox dialect."""

from fastapi import APIRouter

from soundwright.services.gateway.clients import Gateway
from soundwright.services.gateway.dialects.soundbox.favorites import favorite_routes
from soundwright.services.gateway.dialects.soundbox.files import file_routes
from soundwright.services.gateway.dialects.soundbox.generate import generate_routes, job_routes
from soundwright.services.gateway.dialects.soundbox.library import library_routes
from soundwright.services.gateway.dialects.soundbox.playlists import playlist_routes
from soundwright.services.gateway.dialects.soundbox.plays import play_routes
from soundwright.services.gateway.dialects.soundbox.queue import queue_routes
from soundwright.services.gateway.dialects.soundbox.radio import radio_routes
from soundwright.services.gateway.dialects.soundbox.tags import tag_routes
from soundwright.services.gateway.dialects.soundbox.utility import utility_routes
from soundwright.services.gateway.dialects.soundbox.votes import vote_routes


def soundbox_routes(gateway: Gateway) -> APIRouter:
    """Return all routes but ``GET /job/{job_id}``, which also serves pipeline jobs on the default listener."""
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
        router.routes.extend(part(gateway).routes)
    return router


def soundbox_only_routes(gateway: Gateway) -> APIRouter:
    """Return the routes of a listener that serves only this dialect."""
    router = APIRouter()
    router.routes.extend(job_routes(gateway).routes)
    router.routes.extend(soundbox_routes(gateway).routes)
    return router
