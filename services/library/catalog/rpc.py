"""The gRPC service of the catalog: converts messages and calls the domain."""

from collections.abc import Iterable
from dataclasses import dataclass

from soundwright.kit.messages import from_wire, time_from_wire, to_wire
from soundwright.kit.rpc import Context
from soundwright.kit.security.identity import require_principal
from soundwright.library.v1 import catalog_service_pb2 as pb
from soundwright.library.v1 import catalog_service_pb2_grpc, generation_pb2
from soundwright.services.library.access import owns
from soundwright.services.library.catalog.favorites import Favorites
from soundwright.services.library.catalog.playlists import Playlists
from soundwright.services.library.catalog.plays import Plays
from soundwright.services.library.catalog.records import FAMILIES, Clip, ClipFilter, ClipSort
from soundwright.services.library.catalog.service import Catalog
from soundwright.services.library.catalog.tags import THRESHOLD, Tags
from soundwright.services.library.catalog.totals import Totals
from soundwright.services.library.catalog.trends import Trends
from soundwright.services.library.catalog.votes import Votes
from soundwright.services.library.paging import bounded, page_bounds

_PAGE_SIZE_LIMIT = 500
_LIST_LIMIT = 100


@dataclass(eq=False)
class CatalogRpc(catalog_service_pb2_grpc.CatalogServiceServicer):
    catalog: Catalog
    favorites: Favorites
    votes: Votes
    tags: Tags
    playlists: Playlists
    plays: Plays
    trends: Trends
    totals: Totals

    # ------------------------------------------------------------------------------------------------------- clips

    async def GetGeneration(self, request: pb.GetGenerationRequest, context: Context) -> pb.GetGenerationResponse:
        require_principal()
        clip = await self.catalog.get(request.generation_id)
        return pb.GetGenerationResponse(generation=_to_wire(clip))

    async def ListGenerations(self, request: pb.ListGenerationsRequest, context: Context) -> pb.ListGenerationsResponse:
        require_principal()
        chosen = from_wire(request.filter, ClipFilter)
        offset, limit = page_bounds(request.page, request.page_size, _PAGE_SIZE_LIMIT)
        sort = _SORTS.get(request.sort, ClipSort.RECENT)
        clips, total = await self.catalog.list_clips(chosen, sort, offset, limit)
        return pb.ListGenerationsResponse(
            generations=_all_to_wire(clips), total_count=0 if request.without_total else total
        )

    async def SampleGenerations(
        self, request: pb.SampleGenerationsRequest, context: Context
    ) -> pb.SampleGenerationsResponse:
        clips = await self.catalog.sample(
            require_principal(),
            from_wire(request.filter, ClipFilter),
            request.count,
            request.exclude_ids,
            request.favorites_only,
        )
        return pb.SampleGenerationsResponse(generations=_all_to_wire(clips))

    async def CountGenerations(
        self, request: pb.CountGenerationsRequest, context: Context
    ) -> pb.CountGenerationsResponse:
        require_principal()
        total, by_model = await self.catalog.count_by_model()
        return pb.CountGenerationsResponse(total_count=total, count_by_model=by_model)

    async def CountCategories(self, request: pb.CountCategoriesRequest, context: Context) -> pb.CountCategoriesResponse:
        require_principal()
        return pb.CountCategoriesResponse(counts=await self.catalog.count_categories(request.model))

    async def ListCategories(self, request: pb.ListCategoriesRequest, context: Context) -> pb.ListCategoriesResponse:
        require_principal()
        return pb.ListCategoriesResponse(names=self.catalog.categories(request.model))

    async def GetStats(self, request: pb.GetStatsRequest, context: Context) -> pb.GetStatsResponse:
        require_principal()
        totals = await self.totals.read()
        count, by_model = await self.catalog.count_by_model()
        return pb.GetStatsResponse(
            generation_count=count,
            vote_count=totals.votes,
            favorite_count=totals.favorites,
            feedback_count=totals.feedbacks,
            count_by_model=by_model,
            category_count_by_model={family: len(self.catalog.categories(family)) for family in FAMILIES},
        )

    async def DeleteGeneration(
        self, request: pb.DeleteGenerationRequest, context: Context
    ) -> pb.DeleteGenerationResponse:
        await self.catalog.delete(require_principal(), request.generation_id)
        return pb.DeleteGenerationResponse()

    async def RateGeneration(self, request: pb.RateGenerationRequest, context: Context) -> pb.RateGenerationResponse:
        require_principal()
        await self.catalog.rate(request.generation_id, request.rating if request.HasField("rating") else None)
        return pb.RateGenerationResponse()

    async def SetSpectrogram(self, request: pb.SetSpectrogramRequest, context: Context) -> pb.SetSpectrogramResponse:
        await self.catalog.set_spectrogram(request.generation_id, request.blob_key)
        return pb.SetSpectrogramResponse()

    # ------------------------------------------------------------------------------------------------------- votes

    async def Vote(self, request: pb.VoteRequest, context: Context) -> pb.VoteResponse:
        clip = await self.votes.vote(
            require_principal(),
            request.generation_id,
            request.vote,
            request.feedback_reasons,
            request.notes,
            request.suggested_model,
        )
        return pb.VoteResponse(upvote_count=clip.upvote_count, downvote_count=clip.downvote_count, vote=request.vote)

    async def GetVotes(self, request: pb.GetVotesRequest, context: Context) -> pb.GetVotesResponse:
        return pb.GetVotesResponse(votes=await self.votes.own(require_principal(), request.generation_ids))

    async def GetFeedback(self, request: pb.GetFeedbackRequest, context: Context) -> pb.GetFeedbackResponse:
        require_principal()
        return to_wire(await self.votes.feedback(request.generation_id), pb.GetFeedbackResponse)

    async def ListVotes(self, request: pb.ListVotesRequest, context: Context) -> pb.ListVotesResponse:
        offset, limit = max(0, request.offset), bounded(request.limit, _LIST_LIMIT)
        votes, has_more = await self.votes.list_votes(require_principal(), offset, limit)
        return pb.ListVotesResponse(
            votes=[to_wire(vote, pb.CastVote, generation=_to_wire(clip)) for clip, vote in votes], has_more=has_more
        )

    # --------------------------------------------------------------------------------------------------- favorites

    async def AddFavorite(self, request: pb.AddFavoriteRequest, context: Context) -> pb.AddFavoriteResponse:
        return pb.AddFavoriteResponse(added=await self.favorites.add(require_principal(), request.generation_id))

    async def RemoveFavorite(self, request: pb.RemoveFavoriteRequest, context: Context) -> pb.RemoveFavoriteResponse:
        removed = await self.favorites.remove(require_principal(), request.generation_id)
        return pb.RemoveFavoriteResponse(removed=removed)

    async def ListFavorites(self, request: pb.ListFavoritesRequest, context: Context) -> pb.ListFavoritesResponse:
        offset, limit = page_bounds(request.page, request.page_size, _PAGE_SIZE_LIMIT)
        favorites, total = await self.favorites.list_favorites(require_principal(), request.model, offset, limit)
        return pb.ListFavoritesResponse(
            favorites=[to_wire(favorite, pb.Favorite, generation=_to_wire(clip)) for clip, favorite in favorites],
            total_count=total,
        )

    async def CheckFavorites(self, request: pb.CheckFavoritesRequest, context: Context) -> pb.CheckFavoritesResponse:
        ids = await self.favorites.among(require_principal(), request.generation_ids)
        return pb.CheckFavoritesResponse(favorite_ids=ids)

    # -------------------------------------------------------------------------------------------------------- tags

    async def SuggestTag(self, request: pb.SuggestTagRequest, context: Context) -> pb.SuggestTagResponse:
        outcome = await self.tags.suggest(require_principal(), request.generation_id, request.category, request.remove)
        return to_wire(outcome, pb.SuggestTagResponse, threshold=THRESHOLD)

    async def WithdrawTag(self, request: pb.WithdrawTagRequest, context: Context) -> pb.WithdrawTagResponse:
        await self.tags.withdraw(require_principal(), request.generation_id, request.category, request.remove)
        return pb.WithdrawTagResponse()

    async def GetTagSuggestions(
        self, request: pb.GetTagSuggestionsRequest, context: Context
    ) -> pb.GetTagSuggestionsResponse:
        suggestions = await self.tags.suggestions(require_principal(), request.generation_id)
        return pb.GetTagSuggestionsResponse(
            suggestions=suggestions.additions,
            own_suggestions=suggestions.own_additions,
            categories=suggestions.categories,
            threshold=THRESHOLD,
            removals=suggestions.removals,
            own_removals=suggestions.own_removals,
        )

    # --------------------------------------------------------------------------------------------------- playlists

    async def CreatePlaylist(self, request: pb.CreatePlaylistRequest, context: Context) -> pb.CreatePlaylistResponse:
        playlist = await self.playlists.create(
            require_principal(), request.name, request.description, request.is_public
        )
        return pb.CreatePlaylistResponse(playlist=to_wire(playlist, pb.Playlist))

    async def GetPlaylist(self, request: pb.GetPlaylistRequest, context: Context) -> pb.GetPlaylistResponse:
        principal = require_principal()
        playlist, clips = await self.playlists.get(principal, request.playlist_id)
        return pb.GetPlaylistResponse(
            playlist=to_wire(playlist, pb.Playlist),
            entries=[
                to_wire(entry, pb.PlaylistEntry, generation=_to_wire(clip), position=position)
                for position, (clip, entry) in enumerate(clips)
            ],
            is_owner=owns(principal, playlist.owner_id, playlist.creator_key),
        )

    async def ListPlaylists(self, request: pb.ListPlaylistsRequest, context: Context) -> pb.ListPlaylistsResponse:
        playlists = await self.playlists.list_playlists(require_principal())
        return pb.ListPlaylistsResponse(playlists=[to_wire(playlist, pb.Playlist) for playlist in playlists])

    async def UpdatePlaylist(self, request: pb.UpdatePlaylistRequest, context: Context) -> pb.UpdatePlaylistResponse:
        playlist = await self.playlists.update(
            require_principal(),
            request.playlist_id,
            request.name if request.HasField("name") else None,
            request.description if request.HasField("description") else None,
            request.is_public if request.HasField("is_public") else None,
        )
        return pb.UpdatePlaylistResponse(playlist=to_wire(playlist, pb.Playlist))

    async def DeletePlaylist(self, request: pb.DeletePlaylistRequest, context: Context) -> pb.DeletePlaylistResponse:
        await self.playlists.delete(require_principal(), request.playlist_id)
        return pb.DeletePlaylistResponse()

    async def AddToPlaylist(self, request: pb.AddToPlaylistRequest, context: Context) -> pb.AddToPlaylistResponse:
        position = await self.playlists.add(require_principal(), request.playlist_id, request.generation_id)
        return pb.AddToPlaylistResponse(position=position)

    async def RemoveFromPlaylist(
        self, request: pb.RemoveFromPlaylistRequest, context: Context
    ) -> pb.RemoveFromPlaylistResponse:
        await self.playlists.remove(require_principal(), request.playlist_id, request.generation_id)
        return pb.RemoveFromPlaylistResponse()

    async def ReorderPlaylist(self, request: pb.ReorderPlaylistRequest, context: Context) -> pb.ReorderPlaylistResponse:
        await self.playlists.reorder(require_principal(), request.playlist_id, request.generation_ids)
        return pb.ReorderPlaylistResponse()

    # ------------------------------------------------------------------------------------------------------- plays

    async def RecordPlay(self, request: pb.RecordPlayRequest, context: Context) -> pb.RecordPlayResponse:
        clip = await self.plays.record(require_principal(), request.generation_id, request.source, request.session_id)
        return pb.RecordPlayResponse(play_count=clip.play_count, listener_count=clip.listener_count)

    async def GetPlayStats(self, request: pb.GetPlayStatsRequest, context: Context) -> pb.GetPlayStatsResponse:
        require_principal()
        return to_wire(await self.plays.stats(request.generation_id), pb.GetPlayStatsResponse)

    async def ListMostPlayed(self, request: pb.ListMostPlayedRequest, context: Context) -> pb.ListMostPlayedResponse:
        require_principal()
        played = await self.trends.most_played(
            time_from_wire(request, "min_play_time"), request.model, bounded(request.limit, _LIST_LIMIT)
        )
        return pb.ListMostPlayedResponse(
            played=[pb.PlayedGeneration(generation=_to_wire(clip), play_count=count) for clip, count in played]
        )

    async def ListPlays(self, request: pb.ListPlaysRequest, context: Context) -> pb.ListPlaysResponse:
        offset, limit = max(0, request.offset), bounded(request.limit, _LIST_LIMIT)
        plays, has_more = await self.plays.list_plays(require_principal(), offset, limit)
        return pb.ListPlaysResponse(
            plays=[to_wire(play, pb.Play, generation=_to_wire(clip)) for clip, play in plays], has_more=has_more
        )


_SORTS = {
    pb.GENERATION_SORT_RECENT: ClipSort.RECENT,
    pb.GENERATION_SORT_POPULAR: ClipSort.POPULAR,
    pb.GENERATION_SORT_RATING: ClipSort.RATING,
}


def _to_wire(clip: Clip) -> generation_pb2.Generation:
    return to_wire(clip, generation_pb2.Generation)


def _all_to_wire(clips: Iterable[Clip]) -> list[generation_pb2.Generation]:
    return [_to_wire(clip) for clip in clips]
