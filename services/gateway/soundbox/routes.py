"""All routes of the soundbox dialect."""

from __future__ import annotations

from fastapi import APIRouter

from services.gateway.clients import Gateway

__all__ = ["soundbox_routes"]


def soundbox_routes(gateway: Gateway) -> APIRouter:
    del gateway  # none yet
    return APIRouter(tags=["soundbox"])
