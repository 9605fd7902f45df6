"""What the operator has configured. Without the component that knows, a feature counts as missing."""

import asyncio

from soundwright.analysis.v1 import agent_service_pb2
from soundwright.ingest.v1 import ingest_service_pb2
from soundwright.kit.errors import AppError
from soundwright.kit.security.identity import principal_scope
from soundwright.services.gateway.clients import Clients

_STATUS_SECONDS = 2.0


async def has_spotify(clients: Clients) -> bool:
    try:
        with principal_scope(None):
            status = await clients.ingest.GetStatus(ingest_service_pb2.GetStatusRequest(), timeout=_STATUS_SECONDS)
    except AppError:
        return False
    return bool(status.spotify)


async def language_model(clients: Clients) -> str:
    """Return the name of the language model of the agents; empty if they have none."""
    try:
        status = await clients.agents.GetStatus(agent_service_pb2.GetStatusRequest(), timeout=_STATUS_SECONDS)
    except AppError:
        return ""
    return str(status.model)


async def features(clients: Clients) -> tuple[bool, str]:
    """Return both, which different components know."""
    spotify, model = await asyncio.gather(has_spotify(clients), language_model(clients))
    return spotify, model
