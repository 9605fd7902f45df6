"""The gRPC service of setlists: converts messages and calls the domain."""

from soundwright.kit import errors
from soundwright.kit.messages import to_wire
from soundwright.kit.rpc import Context
from soundwright.kit.security.identity import require_principal
from soundwright.library.v1 import library_service_pb2 as pb
from soundwright.library.v1 import library_service_pb2_grpc, track_pb2
from soundwright.services.library.tracks.downloads import TrackDownloads
from soundwright.services.library.tracks.setlists import Setlists

_FIELDS = {"name", "track_ids"}


class SetlistRpc(library_service_pb2_grpc.SetlistServiceServicer):
    def __init__(self, setlists: Setlists, downloads: TrackDownloads) -> None:
        self._setlists = setlists
        self._downloads = downloads

    async def CreateSetlist(self, request: pb.CreateSetlistRequest, context: Context) -> pb.CreateSetlistResponse:
        created = await self._setlists.create(require_principal(), request.name)
        return pb.CreateSetlistResponse(setlist=to_wire(created, track_pb2.Setlist))

    async def GetSetlist(self, request: pb.GetSetlistRequest, context: Context) -> pb.GetSetlistResponse:
        setlist, tracks = await self._setlists.get(require_principal(), request.setlist_id)
        shown = [to_wire(track, track_pb2.Track) for track in await self._downloads.with_states(tracks)]
        return pb.GetSetlistResponse(setlist=to_wire(setlist, track_pb2.Setlist), tracks=shown)

    async def ListSetlists(self, request: pb.ListSetlistsRequest, context: Context) -> pb.ListSetlistsResponse:
        setlists = await self._setlists.list_own(require_principal())
        return pb.ListSetlistsResponse(setlists=[to_wire(setlist, track_pb2.Setlist) for setlist in setlists])

    async def UpdateSetlist(self, request: pb.UpdateSetlistRequest, context: Context) -> pb.UpdateSetlistResponse:
        if unknown := set(request.fields) - _FIELDS:
            raise errors.FIELD_INVALID(f"These fields cannot be changed: {', '.join(sorted(unknown))}.")
        changed = await self._setlists.update(
            require_principal(),
            request.setlist_id,
            name=request.setlist.name if "name" in request.fields else None,
            track_ids=list(request.setlist.track_ids) if "track_ids" in request.fields else None,
        )
        return pb.UpdateSetlistResponse(setlist=to_wire(changed, track_pb2.Setlist))

    async def DeleteSetlist(self, request: pb.DeleteSetlistRequest, context: Context) -> pb.DeleteSetlistResponse:
        await self._setlists.delete(require_principal(), request.setlist_id)
        return pb.DeleteSetlistResponse()
