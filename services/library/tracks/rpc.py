"""The gRPC service of tracks: converts messages and calls the domain."""

import dataclasses
from collections.abc import Sequence

from soundwright.kit import errors
from soundwright.kit.messages import from_wire, to_wire, word_from_wire
from soundwright.kit.rpc import Context
from soundwright.kit.security.identity import require_principal
from soundwright.library.v1 import job_pb2, library_service_pb2_grpc, track_pb2
from soundwright.library.v1 import library_service_pb2 as pb
from soundwright.services.library.paging import page_request, page_to_wire
from soundwright.services.library.tracks.deletions import TrackDeletions
from soundwright.services.library.tracks.downloads import TrackDownloads
from soundwright.services.library.tracks.links import TrackLinks
from soundwright.services.library.tracks.records import Track, TrackFilter, TrackLink, TrackSort
from soundwright.services.library.tracks.service import EDITABLE, Tracks

_PAGE_SIZE_LIMIT = 100


class TrackRpc(library_service_pb2_grpc.TrackServiceServicer):
    def __init__(self, tracks: Tracks, downloads: TrackDownloads, deletions: TrackDeletions, links: TrackLinks) -> None:
        self._tracks = tracks
        self._links = links
        self._downloads = downloads
        self._deletions = deletions

    async def CreateTrack(self, request: pb.CreateTrackRequest, context: Context) -> pb.CreateTrackResponse:
        track = await self._tracks.create(require_principal(), from_wire(request.track, Track))
        return pb.CreateTrackResponse(track=await self._one_to_wire(track))

    async def GetTrack(self, request: pb.GetTrackRequest, context: Context) -> pb.GetTrackResponse:
        track = await self._tracks.get(require_principal(), request.track_id, needs_audio=request.needs_audio)
        return pb.GetTrackResponse(track=await self._one_to_wire(track))

    async def ListTracks(self, request: pb.ListTracksRequest, context: Context) -> pb.ListTracksResponse:
        principal = require_principal()
        sort = TrackSort(word_from_wire(pb.TrackSort.DESCRIPTOR, request.sort) or TrackSort.CREATE_TIME)
        chosen = from_wire(request, TrackFilter, owner_id=principal.id)
        descending = request.descending if request.HasField("descending") else sort.descending
        asked = page_request(request, _PAGE_SIZE_LIMIT)
        page = await self._tracks.list_tracks(principal, chosen, sort, descending, asked)
        return pb.ListTracksResponse(tracks=await self._to_wire(page.entries), **page_to_wire(page))

    async def UpdateTrack(self, request: pb.UpdateTrackRequest, context: Context) -> pb.UpdateTrackResponse:
        if unknown := set(request.fields) - set(EDITABLE):
            raise errors.FIELD_INVALID(f"These fields cannot be changed: {', '.join(sorted(unknown))}.")
        given = from_wire(request.track, Track)
        new = {field: getattr(given, field) for field in request.fields}
        track = await self._tracks.update(require_principal(), request.track_id, new)
        return pb.UpdateTrackResponse(track=await self._one_to_wire(track))

    async def SetTrackCover(self, request: pb.SetTrackCoverRequest, context: Context) -> pb.SetTrackCoverResponse:
        track = await self._tracks.set_cover(require_principal(), request.track_id, request.blob_key)
        return pb.SetTrackCoverResponse(track=await self._one_to_wire(track))

    async def RecordDownload(self, request: pb.RecordDownloadRequest, context: Context) -> pb.RecordDownloadResponse:
        track = await self._downloads.record(from_wire(request.track, Track))
        return pb.RecordDownloadResponse(track=await self._one_to_wire(track))

    async def DeleteTrack(self, request: pb.DeleteTrackRequest, context: Context) -> pb.DeleteTrackResponse:
        await self._deletions.delete(require_principal(), request.track_id)
        return pb.DeleteTrackResponse()

    async def CreateTrackLink(self, request: pb.CreateTrackLinkRequest, context: Context) -> pb.CreateTrackLinkResponse:
        secret, link = await self._links.create(require_principal(), request.track_id, request.lifetime_days)
        return pb.CreateTrackLinkResponse(secret=secret, link=_link_to_wire(link))

    async def ListTrackLinks(self, request: pb.ListTrackLinksRequest, context: Context) -> pb.ListTrackLinksResponse:
        links = await self._links.list_own(require_principal(), request.track_id)
        return pb.ListTrackLinksResponse(links=map(_link_to_wire, links))

    async def DeleteTrackLink(self, request: pb.DeleteTrackLinkRequest, context: Context) -> pb.DeleteTrackLinkResponse:
        await self._links.revoke(require_principal(), request.track_id, request.link_id)
        return pb.DeleteTrackLinkResponse()

    async def OpenTrackLink(self, request: pb.OpenTrackLinkRequest, context: Context) -> pb.OpenTrackLinkResponse:
        return pb.OpenTrackLinkResponse(link=_link_to_wire(await self._links.open(request.secret)))

    async def GetStem(self, request: pb.GetStemRequest, context: Context) -> pb.GetStemResponse:
        stem = await self._tracks.stem(require_principal(), request.stem_id)
        return pb.GetStemResponse(stem=to_wire(stem, job_pb2.AudioOutput))

    async def ListStems(self, request: pb.ListStemsRequest, context: Context) -> pb.ListStemsResponse:
        latest = await self._tracks.stem_set(require_principal(), request.track_id)
        return pb.ListStemsResponse() if latest is None else to_wire(latest, pb.ListStemsResponse)

    async def GetAnalysis(self, request: pb.GetAnalysisRequest, context: Context) -> pb.GetAnalysisResponse:
        analysis = await self._tracks.analysis(require_principal(), request.track_id)
        return pb.GetAnalysisResponse(analysis=to_wire(analysis, track_pb2.Analysis))

    async def _one_to_wire(self, track: Track) -> track_pb2.Track:
        [message] = await self._to_wire([track])
        return message

    async def _to_wire(self, tracks: Sequence[Track]) -> list[track_pb2.Track]:
        """Return tracks as messages, with the state of their downloads if they have no audio."""
        return [to_wire(track, track_pb2.Track) for track in await self._downloads.with_states(tracks)]


def _link_to_wire(link: TrackLink) -> track_pb2.TrackLink:
    """Return a link as a message, without the hash of its secret."""
    return to_wire(dataclasses.replace(link, id=link.public_id), track_pb2.TrackLink)
