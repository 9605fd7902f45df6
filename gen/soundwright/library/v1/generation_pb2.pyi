import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Generation(_message.Message):
    __slots__ = ("id", "owner_id", "prompt", "model", "duration_seconds", "is_loop", "seed", "quality_score", "quality_issues", "quality_accepted", "retry_count", "engine", "engine_model", "degraded", "sample_rate_hz", "channel_count", "audio_blob_key", "spectrogram_blob_key", "audio_size_bytes", "continued_from_id", "priority", "categories", "upvote_count", "downvote_count", "rating", "play_count", "listener_count", "create_time")
    ID_FIELD_NUMBER: _ClassVar[int]
    OWNER_ID_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    DURATION_SECONDS_FIELD_NUMBER: _ClassVar[int]
    IS_LOOP_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    QUALITY_SCORE_FIELD_NUMBER: _ClassVar[int]
    QUALITY_ISSUES_FIELD_NUMBER: _ClassVar[int]
    QUALITY_ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    RETRY_COUNT_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    ENGINE_MODEL_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_HZ_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_COUNT_FIELD_NUMBER: _ClassVar[int]
    AUDIO_BLOB_KEY_FIELD_NUMBER: _ClassVar[int]
    SPECTROGRAM_BLOB_KEY_FIELD_NUMBER: _ClassVar[int]
    AUDIO_SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    CONTINUED_FROM_ID_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    CATEGORIES_FIELD_NUMBER: _ClassVar[int]
    UPVOTE_COUNT_FIELD_NUMBER: _ClassVar[int]
    DOWNVOTE_COUNT_FIELD_NUMBER: _ClassVar[int]
    RATING_FIELD_NUMBER: _ClassVar[int]
    PLAY_COUNT_FIELD_NUMBER: _ClassVar[int]
    LISTENER_COUNT_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    id: str
    owner_id: str
    prompt: str
    model: str
    duration_seconds: float
    is_loop: bool
    seed: int
    quality_score: int
    quality_issues: _containers.RepeatedScalarFieldContainer[str]
    quality_accepted: bool
    retry_count: int
    engine: str
    engine_model: str
    degraded: bool
    sample_rate_hz: int
    channel_count: int
    audio_blob_key: str
    spectrogram_blob_key: str
    audio_size_bytes: int
    continued_from_id: str
    priority: str
    categories: _containers.RepeatedScalarFieldContainer[str]
    upvote_count: int
    downvote_count: int
    rating: int
    play_count: int
    listener_count: int
    create_time: _timestamp_pb2.Timestamp
    def __init__(self, id: _Optional[str] = ..., owner_id: _Optional[str] = ..., prompt: _Optional[str] = ..., model: _Optional[str] = ..., duration_seconds: _Optional[float] = ..., is_loop: _Optional[bool] = ..., seed: _Optional[int] = ..., quality_score: _Optional[int] = ..., quality_issues: _Optional[_Iterable[str]] = ..., quality_accepted: _Optional[bool] = ..., retry_count: _Optional[int] = ..., engine: _Optional[str] = ..., engine_model: _Optional[str] = ..., degraded: _Optional[bool] = ..., sample_rate_hz: _Optional[int] = ..., channel_count: _Optional[int] = ..., audio_blob_key: _Optional[str] = ..., spectrogram_blob_key: _Optional[str] = ..., audio_size_bytes: _Optional[int] = ..., continued_from_id: _Optional[str] = ..., priority: _Optional[str] = ..., categories: _Optional[_Iterable[str]] = ..., upvote_count: _Optional[int] = ..., downvote_count: _Optional[int] = ..., rating: _Optional[int] = ..., play_count: _Optional[int] = ..., listener_count: _Optional[int] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
