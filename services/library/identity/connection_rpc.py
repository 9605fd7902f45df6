"""RPCs of connections."""

from soundwright.kit.messages import to_wire
from soundwright.kit.rpc import Context
from soundwright.kit.security.identity import require_principal
from soundwright.library.v1 import account_pb2, connection_service_pb2_grpc
from soundwright.library.v1 import connection_service_pb2 as pb
from soundwright.services.library.identity.connections import Connections
from soundwright.services.library.identity.records import Connection


class ConnectionRpc(connection_service_pb2_grpc.ConnectionServiceServicer):
    """Serves ``ConnectionService``. Only services may read and replace secrets."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def ListConnections(self, request: pb.ListConnectionsRequest, context: Context) -> pb.ListConnectionsResponse:
        found = await self._connections.list_own(require_principal().id)
        return pb.ListConnectionsResponse(connections=[_connection(connection) for connection in found])

    async def PutConnection(self, request: pb.PutConnectionRequest, context: Context) -> pb.PutConnectionResponse:
        stored = await self._connections.put(
            require_principal().id, request.provider, request.subject, request.label, request.secret
        )
        return pb.PutConnectionResponse(connection=_connection(stored))

    async def DeleteConnection(
        self, request: pb.DeleteConnectionRequest, context: Context
    ) -> pb.DeleteConnectionResponse:
        await self._connections.delete(require_principal().id, request.provider)
        return pb.DeleteConnectionResponse()

    async def SignIn(self, request: pb.SignInRequest, context: Context) -> pb.SignInResponse:
        signed_in = await self._connections.sign_in(
            request.provider, request.subject, request.label, request.secret, request.email, request.ip_address
        )
        return pb.SignInResponse(
            session_token=signed_in.session_secret,
            account=to_wire(signed_in.account, account_pb2.Account),
            created=signed_in.created,
        )

    async def GetConnectionSecret(
        self, request: pb.GetConnectionSecretRequest, context: Context
    ) -> pb.GetConnectionSecretResponse:
        connection, secret = await self._connections.get_secret(request.account_id, request.provider)
        return pb.GetConnectionSecretResponse(
            connection=_connection(connection), secret=secret, revision=connection.revision
        )

    async def ReplaceConnectionSecret(
        self, request: pb.ReplaceConnectionSecretRequest, context: Context
    ) -> pb.ReplaceConnectionSecretResponse:
        replaced = await self._connections.replace_secret(
            request.account_id, request.provider, request.secret, request.revision
        )
        return pb.ReplaceConnectionSecretResponse(replaced=replaced)


def _connection(connection: Connection) -> pb.Connection:
    return to_wire(connection, pb.Connection)
