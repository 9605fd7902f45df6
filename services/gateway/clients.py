"""gRPC clients of the other components, and the dependencies of routes."""

from dataclasses import dataclass
from typing import Any, get_type_hints

from soundwright.analysis.v1 import agent_service_pb2_grpc, analysis_service_pb2_grpc
from soundwright.generation.v1 import generation_service_pb2_grpc
from soundwright.ingest.v1 import ingest_service_pb2_grpc
from soundwright.kit.ports import Blobs, Clock
from soundwright.kit.run import Runtime
from soundwright.library.v1 import (
    catalog_service_pb2_grpc,
    connection_service_pb2_grpc,
    conversation_service_pb2_grpc,
    library_service_pb2_grpc,
    storage_service_pb2_grpc,
    webhook_service_pb2_grpc,
)
from soundwright.models.v1 import model_service_pb2_grpc
from soundwright.separation.v1 import separation_service_pb2_grpc
from soundwright.services.gateway.edge.health import Health
from soundwright.services.gateway.files.pending_files import PendingFiles
from soundwright.services.gateway.files.playback import Playback
from soundwright.services.gateway.files.reencoding import Reencoder
from soundwright.services.gateway.files.uploads import Uploads
from soundwright.services.gateway.settings import GatewaySettings

COMPONENTS = ("library", "ingest", "separation", "analysis", "generation")


@dataclass(frozen=True)
class Clients:
    """A gRPC stub for each service."""

    accounts: library_service_pb2_grpc.AccountServiceStub
    admin: library_service_pb2_grpc.AdminServiceStub
    tracks: library_service_pb2_grpc.TrackServiceStub
    setlists: library_service_pb2_grpc.SetlistServiceStub
    jobs: library_service_pb2_grpc.JobServiceStub
    ingest: ingest_service_pb2_grpc.IngestServiceStub
    separation: separation_service_pb2_grpc.SeparationServiceStub
    separation_models: model_service_pb2_grpc.ModelServiceStub
    analysis: analysis_service_pb2_grpc.AnalysisServiceStub
    generation: generation_service_pb2_grpc.GenerationServiceStub
    generation_models: model_service_pb2_grpc.ModelServiceStub
    catalog: catalog_service_pb2_grpc.CatalogServiceStub
    webhooks: webhook_service_pb2_grpc.WebhookServiceStub
    agents: agent_service_pb2_grpc.AgentServiceStub
    conversations: conversation_service_pb2_grpc.ConversationServiceStub
    connections: connection_service_pb2_grpc.ConnectionServiceStub
    storage: storage_service_pb2_grpc.StorageServiceStub

    @staticmethod
    def over(channels: dict[str, Any]) -> "Clients":
        """Return stubs that use ``channels``, which :func:`open_channels` returns."""
        stubs = {}
        for name, kind in get_type_hints(Clients).items():
            package = kind.__module__.split(".")[1]
            component = name.removesuffix("_models") if package == "models" else package
            stubs[name] = kind(channels[component])
        return Clients(**stubs)


async def open_channels(runtime: Runtime[GatewaySettings]) -> dict[str, Any]:
    """Return a gRPC channel to each component, by name."""
    return {component: await runtime.channel(component) for component in COMPONENTS}


@dataclass(frozen=True)
class Gateway:
    """The dependencies of the routes of all dialects.

    Attributes:
        pending_files: limits the converted files that are not read yet.
    """

    settings: GatewaySettings
    clients: Clients
    blobs: Blobs
    uploads: Uploads
    health: Health
    clock: Clock
    pending_files: PendingFiles
    reencoder: Reencoder
    playback: Playback
