import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from soundwright.library.v1 import generation_pb2 as _generation_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GenerationSort(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GENERATION_SORT_UNSPECIFIED: _ClassVar[GenerationSort]
    GENERATION_SORT_RECENT: _ClassVar[GenerationSort]
    GENERATION_SORT_POPULAR: _ClassVar[GenerationSort]
    GENERATION_SORT_RATING: _ClassVar[GenerationSort]
GENERATION_SORT_UNSPECIFIED: GenerationSort
GENERATION_SORT_RECENT: GenerationSort
GENERATION_SORT_POPULAR: GenerationSort
GENERATION_SORT_RATING: GenerationSort

class GenerationFilter(_message.Message):
    __slots__ = ("model", "search", "category", "owner_id", "min_create_time", "min_duration_seconds", "voted_only")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SEARCH_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    OWNER_ID_FIELD_NUMBER: _ClassVar[int]
    MIN_CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    MIN_DURATION_SECONDS_FIELD_NUMBER: _ClassVar[int]
    VOTED_ONLY_FIELD_NUMBER: _ClassVar[int]
    model: str
    search: str
    category: str
    owner_id: str
    min_create_time: _timestamp_pb2.Timestamp
    min_duration_seconds: float
    voted_only: bool
    def __init__(self, model: _Optional[str] = ..., search: _Optional[str] = ..., category: _Optional[str] = ..., owner_id: _Optional[str] = ..., min_create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., min_duration_seconds: _Optional[float] = ..., voted_only: _Optional[bool] = ...) -> None: ...

class GetGenerationRequest(_message.Message):
    __slots__ = ("generation_id",)
    GENERATION_ID_FIELD_NUMBER: _ClassVar[int]
    generation_id: str
    def __init__(self, generation_id: _Optional[str] = ...) -> None: ...

class GetGenerationResponse(_message.Message):
    __slots__ = ("generation",)
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    generation: _generation_pb2.Generation
    def __init__(self, generation: _Optional[_Union[_generation_pb2.Generation, _Mapping]] = ...) -> None: ...

class ListGenerationsRequest(_message.Message):
    __slots__ = ("filter", "sort", "page", "page_size", "without_total")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    SORT_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    WITHOUT_TOTAL_FIELD_NUMBER: _ClassVar[int]
    filter: GenerationFilter
    sort: GenerationSort
    page: int
    page_size: int
    without_total: bool
    def __init__(self, filter: _Optional[_Union[GenerationFilter, _Mapping]] = ..., sort: _Optional[_Union[GenerationSort, str]] = ..., page: _Optional[int] = ..., page_size: _Optional[int] = ..., without_total: _Optional[bool] = ...) -> None: ...

class ListGenerationsResponse(_message.Message):
    __slots__ = ("generations", "total_count")
    GENERATIONS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_COUNT_FIELD_NUMBER: _ClassVar[int]
    generations: _containers.RepeatedCompositeFieldContainer[_generation_pb2.Generation]
    total_count: int
    def __init__(self, generations: _Optional[_Iterable[_Union[_generation_pb2.Generation, _Mapping]]] = ..., total_count: _Optional[int] = ...) -> None: ...

class SampleGenerationsRequest(_message.Message):
    __slots__ = ("filter", "count", "exclude_ids", "favorites_only")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_IDS_FIELD_NUMBER: _ClassVar[int]
    FAVORITES_ONLY_FIELD_NUMBER: _ClassVar[int]
    filter: GenerationFilter
    count: int
    exclude_ids: _containers.RepeatedScalarFieldContainer[str]
    favorites_only: bool
    def __init__(self, filter: _Optional[_Union[GenerationFilter, _Mapping]] = ..., count: _Optional[int] = ..., exclude_ids: _Optional[_Iterable[str]] = ..., favorites_only: _Optional[bool] = ...) -> None: ...

class SampleGenerationsResponse(_message.Message):
    __slots__ = ("generations",)
    GENERATIONS_FIELD_NUMBER: _ClassVar[int]
    generations: _containers.RepeatedCompositeFieldContainer[_generation_pb2.Generation]
    def __init__(self, generations: _Optional[_Iterable[_Union[_generation_pb2.Generation, _Mapping]]] = ...) -> None: ...

class CountGenerationsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CountGenerationsResponse(_message.Message):
    __slots__ = ("total_count", "count_by_model")
    class CountByModelEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    TOTAL_COUNT_FIELD_NUMBER: _ClassVar[int]
    COUNT_BY_MODEL_FIELD_NUMBER: _ClassVar[int]
    total_count: int
    count_by_model: _containers.ScalarMap[str, int]
    def __init__(self, total_count: _Optional[int] = ..., count_by_model: _Optional[_Mapping[str, int]] = ...) -> None: ...

class CountCategoriesRequest(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: str
    def __init__(self, model: _Optional[str] = ...) -> None: ...

class CountCategoriesResponse(_message.Message):
    __slots__ = ("counts",)
    class CountsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    counts: _containers.ScalarMap[str, int]
    def __init__(self, counts: _Optional[_Mapping[str, int]] = ...) -> None: ...

class ListCategoriesRequest(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: str
    def __init__(self, model: _Optional[str] = ...) -> None: ...

class ListCategoriesResponse(_message.Message):
    __slots__ = ("names",)
    class NamesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAMES_FIELD_NUMBER: _ClassVar[int]
    names: _containers.ScalarMap[str, str]
    def __init__(self, names: _Optional[_Mapping[str, str]] = ...) -> None: ...

class GetStatsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetStatsResponse(_message.Message):
    __slots__ = ("generation_count", "vote_count", "favorite_count", "feedback_count", "count_by_model", "category_count_by_model")
    class CountByModelEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class CategoryCountByModelEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    GENERATION_COUNT_FIELD_NUMBER: _ClassVar[int]
    VOTE_COUNT_FIELD_NUMBER: _ClassVar[int]
    FAVORITE_COUNT_FIELD_NUMBER: _ClassVar[int]
    FEEDBACK_COUNT_FIELD_NUMBER: _ClassVar[int]
    COUNT_BY_MODEL_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_COUNT_BY_MODEL_FIELD_NUMBER: _ClassVar[int]
    generation_count: int
    vote_count: int
    favorite_count: int
    feedback_count: int
    count_by_model: _containers.ScalarMap[str, int]
    category_count_by_model: _containers.ScalarMap[str, int]
    def __init__(self, generation_count: _Optional[int] = ..., vote_count: _Optional[int] = ..., favorite_count: _Optional[int] = ..., feedback_count: _Optional[int] = ..., count_by_model: _Optional[_Mapping[str, int]] = ..., category_count_by_model: _Optional[_Mapping[str, int]] = ...) -> None: ...

class DeleteGenerationRequest(_message.Message):
    __slots__ = ("generation_id",)
    GENERATION_ID_FIELD_NUMBER: _ClassVar[int]
    generation_id: str
    def __init__(self, generation_id: _Optional[str] = ...) -> None: ...

class DeleteGenerationResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RateGenerationRequest(_message.Message):
    __slots__ = ("generation_id", "rating")
    GENERATION_ID_FIELD_NUMBER: _ClassVar[int]
    RATING_FIELD_NUMBER: _ClassVar[int]
    generation_id: str
    rating: int
    def __init__(self, generation_id: _Optional[str] = ..., rating: _Optional[int] = ...) -> None: ...

class RateGenerationResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class SetSpectrogramRequest(_message.Message):
    __slots__ = ("generation_id", "blob_key")
    GENERATION_ID_FIELD_NUMBER: _ClassVar[int]
    BLOB_KEY_FIELD_NUMBER: _ClassVar[int]
    generation_id: str
    blob_key: str
    def __init__(self, generation_id: _Optional[str] = ..., blob_key: _Optional[str] = ...) -> None: ...

class SetSpectrogramResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class VoteRequest(_message.Message):
    __slots__ = ("generation_id", "vote", "feedback_reasons", "notes", "suggested_model")
    GENERATION_ID_FIELD_NUMBER: _ClassVar[int]
    VOTE_FIELD_NUMBER: _ClassVar[int]
    FEEDBACK_REASONS_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    SUGGESTED_MODEL_FIELD_NUMBER: _ClassVar[int]
    generation_id: str
    vote: int
    feedback_reasons: _containers.RepeatedScalarFieldContainer[str]
    notes: str
    suggested_model: str
    def __init__(self, generation_id: _Optional[str] = ..., vote: _Optional[int] = ..., feedback_reasons: _Optional[_Iterable[str]] = ..., notes: _Optional[str] = ..., suggested_model: _Optional[str] = ...) -> None: ...

class VoteResponse(_message.Message):
    __slots__ = ("upvote_count", "downvote_count", "vote")
    UPVOTE_COUNT_FIELD_NUMBER: _ClassVar[int]
    DOWNVOTE_COUNT_FIELD_NUMBER: _ClassVar[int]
    VOTE_FIELD_NUMBER: _ClassVar[int]
    upvote_count: int
    downvote_count: int
    vote: int
    def __init__(self, upvote_count: _Optional[int] = ..., downvote_count: _Optional[int] = ..., vote: _Optional[int] = ...) -> None: ...

class GetVotesRequest(_message.Message):
    __slots__ = ("generation_ids",)
    GENERATION_IDS_FIELD_NUMBER: _ClassVar[int]
    generation_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, generation_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class GetVotesResponse(_message.Message):
    __slots__ = ("votes",)
    class VotesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    VOTES_FIELD_NUMBER: _ClassVar[int]
    votes: _containers.ScalarMap[str, int]
    def __init__(self, votes: _Optional[_Mapping[str, int]] = ...) -> None: ...

class GetFeedbackRequest(_message.Message):
    __slots__ = ("generation_id",)
    GENERATION_ID_FIELD_NUMBER: _ClassVar[int]
    generation_id: str
    def __init__(self, generation_id: _Optional[str] = ...) -> None: ...

class GetFeedbackResponse(_message.Message):
    __slots__ = ("positive_reasons", "negative_reasons", "suggested_models", "vote_count")
    class PositiveReasonsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class NegativeReasonsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class SuggestedModelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    POSITIVE_REASONS_FIELD_NUMBER: _ClassVar[int]
    NEGATIVE_REASONS_FIELD_NUMBER: _ClassVar[int]
    SUGGESTED_MODELS_FIELD_NUMBER: _ClassVar[int]
    VOTE_COUNT_FIELD_NUMBER: _ClassVar[int]
    positive_reasons: _containers.ScalarMap[str, int]
    negative_reasons: _containers.ScalarMap[str, int]
    suggested_models: _containers.ScalarMap[str, int]
    vote_count: int
    def __init__(self, positive_reasons: _Optional[_Mapping[str, int]] = ..., negative_reasons: _Optional[_Mapping[str, int]] = ..., suggested_models: _Optional[_Mapping[str, int]] = ..., vote_count: _Optional[int] = ...) -> None: ...

class ListVotesRequest(_message.Message):
    __slots__ = ("offset", "limit")
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    offset: int
    limit: int
    def __init__(self, offset: _Optional[int] = ..., limit: _Optional[int] = ...) -> None: ...

class ListVotesResponse(_message.Message):
    __slots__ = ("votes", "has_more")
    VOTES_FIELD_NUMBER: _ClassVar[int]
    HAS_MORE_FIELD_NUMBER: _ClassVar[int]
    votes: _containers.RepeatedCompositeFieldContainer[CastVote]
    has_more: bool
    def __init__(self, votes: _Optional[_Iterable[_Union[CastVote, _Mapping]]] = ..., has_more: _Optional[bool] = ...) -> None: ...

class CastVote(_message.Message):
    __slots__ = ("generation", "vote", "vote_time")
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    VOTE_FIELD_NUMBER: _ClassVar[int]
    VOTE_TIME_FIELD_NUMBER: _ClassVar[int]
    generation: _generation_pb2.Generation
    vote: int
    vote_time: _timestamp_pb2.Timestamp
    def __init__(self, generation: _Optional[_Union[_generation_pb2.Generation, _Mapping]] = ..., vote: _Optional[int] = ..., vote_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class AddFavoriteRequest(_message.Message):
    __slots__ = ("generation_id",)
    GENERATION_ID_FIELD_NUMBER: _ClassVar[int]
    generation_id: str
    def __init__(self, generation_id: _Optional[str] = ...) -> None: ...

class AddFavoriteResponse(_message.Message):
    __slots__ = ("added",)
    ADDED_FIELD_NUMBER: _ClassVar[int]
    added: bool
    def __init__(self, added: _Optional[bool] = ...) -> None: ...

class RemoveFavoriteRequest(_message.Message):
    __slots__ = ("generation_id",)
    GENERATION_ID_FIELD_NUMBER: _ClassVar[int]
    generation_id: str
    def __init__(self, generation_id: _Optional[str] = ...) -> None: ...

class RemoveFavoriteResponse(_message.Message):
    __slots__ = ("removed",)
    REMOVED_FIELD_NUMBER: _ClassVar[int]
    removed: bool
    def __init__(self, removed: _Optional[bool] = ...) -> None: ...

class ListFavoritesRequest(_message.Message):
    __slots__ = ("page", "page_size", "model")
    PAGE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    page: int
    page_size: int
    model: str
    def __init__(self, page: _Optional[int] = ..., page_size: _Optional[int] = ..., model: _Optional[str] = ...) -> None: ...

class ListFavoritesResponse(_message.Message):
    __slots__ = ("favorites", "total_count")
    FAVORITES_FIELD_NUMBER: _ClassVar[int]
    TOTAL_COUNT_FIELD_NUMBER: _ClassVar[int]
    favorites: _containers.RepeatedCompositeFieldContainer[Favorite]
    total_count: int
    def __init__(self, favorites: _Optional[_Iterable[_Union[Favorite, _Mapping]]] = ..., total_count: _Optional[int] = ...) -> None: ...

class Favorite(_message.Message):
    __slots__ = ("generation", "add_time")
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    ADD_TIME_FIELD_NUMBER: _ClassVar[int]
    generation: _generation_pb2.Generation
    add_time: _timestamp_pb2.Timestamp
    def __init__(self, generation: _Optional[_Union[_generation_pb2.Generation, _Mapping]] = ..., add_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class CheckFavoritesRequest(_message.Message):
    __slots__ = ("generation_ids",)
    GENERATION_IDS_FIELD_NUMBER: _ClassVar[int]
    generation_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, generation_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class CheckFavoritesResponse(_message.Message):
    __slots__ = ("favorite_ids",)
    FAVORITE_IDS_FIELD_NUMBER: _ClassVar[int]
    favorite_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, favorite_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class SuggestTagRequest(_message.Message):
    __slots__ = ("generation_id", "category", "remove")
    GENERATION_ID_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    REMOVE_FIELD_NUMBER: _ClassVar[int]
    generation_id: str
    category: str
    remove: bool
    def __init__(self, generation_id: _Optional[str] = ..., category: _Optional[str] = ..., remove: _Optional[bool] = ...) -> None: ...

class SuggestTagResponse(_message.Message):
    __slots__ = ("consensus_reached", "suggestion_count", "threshold", "categories")
    CONSENSUS_REACHED_FIELD_NUMBER: _ClassVar[int]
    SUGGESTION_COUNT_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    CATEGORIES_FIELD_NUMBER: _ClassVar[int]
    consensus_reached: bool
    suggestion_count: int
    threshold: int
    categories: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, consensus_reached: _Optional[bool] = ..., suggestion_count: _Optional[int] = ..., threshold: _Optional[int] = ..., categories: _Optional[_Iterable[str]] = ...) -> None: ...

class WithdrawTagRequest(_message.Message):
    __slots__ = ("generation_id", "category", "remove")
    GENERATION_ID_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    REMOVE_FIELD_NUMBER: _ClassVar[int]
    generation_id: str
    category: str
    remove: bool
    def __init__(self, generation_id: _Optional[str] = ..., category: _Optional[str] = ..., remove: _Optional[bool] = ...) -> None: ...

class WithdrawTagResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetTagSuggestionsRequest(_message.Message):
    __slots__ = ("generation_id",)
    GENERATION_ID_FIELD_NUMBER: _ClassVar[int]
    generation_id: str
    def __init__(self, generation_id: _Optional[str] = ...) -> None: ...

class GetTagSuggestionsResponse(_message.Message):
    __slots__ = ("suggestions", "own_suggestions", "categories", "threshold", "removals", "own_removals")
    class SuggestionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class RemovalsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    SUGGESTIONS_FIELD_NUMBER: _ClassVar[int]
    OWN_SUGGESTIONS_FIELD_NUMBER: _ClassVar[int]
    CATEGORIES_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    REMOVALS_FIELD_NUMBER: _ClassVar[int]
    OWN_REMOVALS_FIELD_NUMBER: _ClassVar[int]
    suggestions: _containers.ScalarMap[str, int]
    own_suggestions: _containers.RepeatedScalarFieldContainer[str]
    categories: _containers.RepeatedScalarFieldContainer[str]
    threshold: int
    removals: _containers.ScalarMap[str, int]
    own_removals: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, suggestions: _Optional[_Mapping[str, int]] = ..., own_suggestions: _Optional[_Iterable[str]] = ..., categories: _Optional[_Iterable[str]] = ..., threshold: _Optional[int] = ..., removals: _Optional[_Mapping[str, int]] = ..., own_removals: _Optional[_Iterable[str]] = ...) -> None: ...

class Playlist(_message.Message):
    __slots__ = ("id", "owner_id", "name", "description", "is_public", "generation_count", "duration_seconds", "create_time", "update_time")
    ID_FIELD_NUMBER: _ClassVar[int]
    OWNER_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    IS_PUBLIC_FIELD_NUMBER: _ClassVar[int]
    GENERATION_COUNT_FIELD_NUMBER: _ClassVar[int]
    DURATION_SECONDS_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    id: str
    owner_id: str
    name: str
    description: str
    is_public: bool
    generation_count: int
    duration_seconds: float
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    def __init__(self, id: _Optional[str] = ..., owner_id: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ..., is_public: _Optional[bool] = ..., generation_count: _Optional[int] = ..., duration_seconds: _Optional[float] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class PlaylistEntry(_message.Message):
    __slots__ = ("generation", "position", "add_time")
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    ADD_TIME_FIELD_NUMBER: _ClassVar[int]
    generation: _generation_pb2.Generation
    position: int
    add_time: _timestamp_pb2.Timestamp
    def __init__(self, generation: _Optional[_Union[_generation_pb2.Generation, _Mapping]] = ..., position: _Optional[int] = ..., add_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class CreatePlaylistRequest(_message.Message):
    __slots__ = ("name", "description", "is_public")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    IS_PUBLIC_FIELD_NUMBER: _ClassVar[int]
    name: str
    description: str
    is_public: bool
    def __init__(self, name: _Optional[str] = ..., description: _Optional[str] = ..., is_public: _Optional[bool] = ...) -> None: ...

class CreatePlaylistResponse(_message.Message):
    __slots__ = ("playlist",)
    PLAYLIST_FIELD_NUMBER: _ClassVar[int]
    playlist: Playlist
    def __init__(self, playlist: _Optional[_Union[Playlist, _Mapping]] = ...) -> None: ...

class GetPlaylistRequest(_message.Message):
    __slots__ = ("playlist_id",)
    PLAYLIST_ID_FIELD_NUMBER: _ClassVar[int]
    playlist_id: str
    def __init__(self, playlist_id: _Optional[str] = ...) -> None: ...

class GetPlaylistResponse(_message.Message):
    __slots__ = ("playlist", "entries", "is_owner")
    PLAYLIST_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    IS_OWNER_FIELD_NUMBER: _ClassVar[int]
    playlist: Playlist
    entries: _containers.RepeatedCompositeFieldContainer[PlaylistEntry]
    is_owner: bool
    def __init__(self, playlist: _Optional[_Union[Playlist, _Mapping]] = ..., entries: _Optional[_Iterable[_Union[PlaylistEntry, _Mapping]]] = ..., is_owner: _Optional[bool] = ...) -> None: ...

class ListPlaylistsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListPlaylistsResponse(_message.Message):
    __slots__ = ("playlists",)
    PLAYLISTS_FIELD_NUMBER: _ClassVar[int]
    playlists: _containers.RepeatedCompositeFieldContainer[Playlist]
    def __init__(self, playlists: _Optional[_Iterable[_Union[Playlist, _Mapping]]] = ...) -> None: ...

class UpdatePlaylistRequest(_message.Message):
    __slots__ = ("playlist_id", "name", "description", "is_public")
    PLAYLIST_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    IS_PUBLIC_FIELD_NUMBER: _ClassVar[int]
    playlist_id: str
    name: str
    description: str
    is_public: bool
    def __init__(self, playlist_id: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ..., is_public: _Optional[bool] = ...) -> None: ...

class UpdatePlaylistResponse(_message.Message):
    __slots__ = ("playlist",)
    PLAYLIST_FIELD_NUMBER: _ClassVar[int]
    playlist: Playlist
    def __init__(self, playlist: _Optional[_Union[Playlist, _Mapping]] = ...) -> None: ...

class DeletePlaylistRequest(_message.Message):
    __slots__ = ("playlist_id",)
    PLAYLIST_ID_FIELD_NUMBER: _ClassVar[int]
    playlist_id: str
    def __init__(self, playlist_id: _Optional[str] = ...) -> None: ...

class DeletePlaylistResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class AddToPlaylistRequest(_message.Message):
    __slots__ = ("playlist_id", "generation_id")
    PLAYLIST_ID_FIELD_NUMBER: _ClassVar[int]
    GENERATION_ID_FIELD_NUMBER: _ClassVar[int]
    playlist_id: str
    generation_id: str
    def __init__(self, playlist_id: _Optional[str] = ..., generation_id: _Optional[str] = ...) -> None: ...

class AddToPlaylistResponse(_message.Message):
    __slots__ = ("position",)
    POSITION_FIELD_NUMBER: _ClassVar[int]
    position: int
    def __init__(self, position: _Optional[int] = ...) -> None: ...

class RemoveFromPlaylistRequest(_message.Message):
    __slots__ = ("playlist_id", "generation_id")
    PLAYLIST_ID_FIELD_NUMBER: _ClassVar[int]
    GENERATION_ID_FIELD_NUMBER: _ClassVar[int]
    playlist_id: str
    generation_id: str
    def __init__(self, playlist_id: _Optional[str] = ..., generation_id: _Optional[str] = ...) -> None: ...

class RemoveFromPlaylistResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ReorderPlaylistRequest(_message.Message):
    __slots__ = ("playlist_id", "generation_ids")
    PLAYLIST_ID_FIELD_NUMBER: _ClassVar[int]
    GENERATION_IDS_FIELD_NUMBER: _ClassVar[int]
    playlist_id: str
    generation_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, playlist_id: _Optional[str] = ..., generation_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class ReorderPlaylistResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RecordPlayRequest(_message.Message):
    __slots__ = ("generation_id", "source", "session_id")
    GENERATION_ID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    generation_id: str
    source: str
    session_id: str
    def __init__(self, generation_id: _Optional[str] = ..., source: _Optional[str] = ..., session_id: _Optional[str] = ...) -> None: ...

class RecordPlayResponse(_message.Message):
    __slots__ = ("play_count", "listener_count")
    PLAY_COUNT_FIELD_NUMBER: _ClassVar[int]
    LISTENER_COUNT_FIELD_NUMBER: _ClassVar[int]
    play_count: int
    listener_count: int
    def __init__(self, play_count: _Optional[int] = ..., listener_count: _Optional[int] = ...) -> None: ...

class GetPlayStatsRequest(_message.Message):
    __slots__ = ("generation_id",)
    GENERATION_ID_FIELD_NUMBER: _ClassVar[int]
    generation_id: str
    def __init__(self, generation_id: _Optional[str] = ...) -> None: ...

class GetPlayStatsResponse(_message.Message):
    __slots__ = ("play_count", "listener_count", "by_source", "by_day")
    class BySourceEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class ByDayEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    PLAY_COUNT_FIELD_NUMBER: _ClassVar[int]
    LISTENER_COUNT_FIELD_NUMBER: _ClassVar[int]
    BY_SOURCE_FIELD_NUMBER: _ClassVar[int]
    BY_DAY_FIELD_NUMBER: _ClassVar[int]
    play_count: int
    listener_count: int
    by_source: _containers.ScalarMap[str, int]
    by_day: _containers.ScalarMap[str, int]
    def __init__(self, play_count: _Optional[int] = ..., listener_count: _Optional[int] = ..., by_source: _Optional[_Mapping[str, int]] = ..., by_day: _Optional[_Mapping[str, int]] = ...) -> None: ...

class ListMostPlayedRequest(_message.Message):
    __slots__ = ("min_play_time", "model", "limit")
    MIN_PLAY_TIME_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    min_play_time: _timestamp_pb2.Timestamp
    model: str
    limit: int
    def __init__(self, min_play_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., model: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class ListMostPlayedResponse(_message.Message):
    __slots__ = ("played",)
    PLAYED_FIELD_NUMBER: _ClassVar[int]
    played: _containers.RepeatedCompositeFieldContainer[PlayedGeneration]
    def __init__(self, played: _Optional[_Iterable[_Union[PlayedGeneration, _Mapping]]] = ...) -> None: ...

class PlayedGeneration(_message.Message):
    __slots__ = ("generation", "play_count")
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    PLAY_COUNT_FIELD_NUMBER: _ClassVar[int]
    generation: _generation_pb2.Generation
    play_count: int
    def __init__(self, generation: _Optional[_Union[_generation_pb2.Generation, _Mapping]] = ..., play_count: _Optional[int] = ...) -> None: ...

class ListPlaysRequest(_message.Message):
    __slots__ = ("offset", "limit")
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    offset: int
    limit: int
    def __init__(self, offset: _Optional[int] = ..., limit: _Optional[int] = ...) -> None: ...

class ListPlaysResponse(_message.Message):
    __slots__ = ("plays", "has_more")
    PLAYS_FIELD_NUMBER: _ClassVar[int]
    HAS_MORE_FIELD_NUMBER: _ClassVar[int]
    plays: _containers.RepeatedCompositeFieldContainer[Play]
    has_more: bool
    def __init__(self, plays: _Optional[_Iterable[_Union[Play, _Mapping]]] = ..., has_more: _Optional[bool] = ...) -> None: ...

class Play(_message.Message):
    __slots__ = ("generation", "source", "play_time")
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    PLAY_TIME_FIELD_NUMBER: _ClassVar[int]
    generation: _generation_pb2.Generation
    source: str
    play_time: _timestamp_pb2.Timestamp
    def __init__(self, generation: _Optional[_Union[_generation_pb2.Generation, _Mapping]] = ..., source: _Optional[str] = ..., play_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
