import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Track(_message.Message):
    __slots__ = ("id", "owner_id", "title", "artist", "album", "source", "filename", "blob_key", "content_type", "content_sha256", "size_bytes", "container", "codec", "sample_rate_hz", "channel_count", "frame_count", "duration_seconds", "warnings", "create_time", "update_time", "bpm", "key", "tags", "stem_count", "analyzed", "spotify_id", "spotify_url", "cover_url")
    ID_FIELD_NUMBER: _ClassVar[int]
    OWNER_ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    ARTIST_FIELD_NUMBER: _ClassVar[int]
    ALBUM_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    FILENAME_FIELD_NUMBER: _ClassVar[int]
    BLOB_KEY_FIELD_NUMBER: _ClassVar[int]
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    CONTENT_SHA256_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    CODEC_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_HZ_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_COUNT_FIELD_NUMBER: _ClassVar[int]
    FRAME_COUNT_FIELD_NUMBER: _ClassVar[int]
    DURATION_SECONDS_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    BPM_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    STEM_COUNT_FIELD_NUMBER: _ClassVar[int]
    ANALYZED_FIELD_NUMBER: _ClassVar[int]
    SPOTIFY_ID_FIELD_NUMBER: _ClassVar[int]
    SPOTIFY_URL_FIELD_NUMBER: _ClassVar[int]
    COVER_URL_FIELD_NUMBER: _ClassVar[int]
    id: str
    owner_id: str
    title: str
    artist: str
    album: str
    source: str
    filename: str
    blob_key: str
    content_type: str
    content_sha256: str
    size_bytes: int
    container: str
    codec: str
    sample_rate_hz: int
    channel_count: int
    frame_count: int
    duration_seconds: float
    warnings: _containers.RepeatedScalarFieldContainer[str]
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    bpm: float
    key: str
    tags: _containers.RepeatedScalarFieldContainer[str]
    stem_count: int
    analyzed: bool
    spotify_id: str
    spotify_url: str
    cover_url: str
    def __init__(self, id: _Optional[str] = ..., owner_id: _Optional[str] = ..., title: _Optional[str] = ..., artist: _Optional[str] = ..., album: _Optional[str] = ..., source: _Optional[str] = ..., filename: _Optional[str] = ..., blob_key: _Optional[str] = ..., content_type: _Optional[str] = ..., content_sha256: _Optional[str] = ..., size_bytes: _Optional[int] = ..., container: _Optional[str] = ..., codec: _Optional[str] = ..., sample_rate_hz: _Optional[int] = ..., channel_count: _Optional[int] = ..., frame_count: _Optional[int] = ..., duration_seconds: _Optional[float] = ..., warnings: _Optional[_Iterable[str]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., bpm: _Optional[float] = ..., key: _Optional[str] = ..., tags: _Optional[_Iterable[str]] = ..., stem_count: _Optional[int] = ..., analyzed: _Optional[bool] = ..., spotify_id: _Optional[str] = ..., spotify_url: _Optional[str] = ..., cover_url: _Optional[str] = ...) -> None: ...

class Analysis(_message.Message):
    __slots__ = ("track_id", "job_id", "owner_id", "engine", "features", "values_json", "create_time")
    TRACK_ID_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    OWNER_ID_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    VALUES_JSON_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    track_id: str
    job_id: str
    owner_id: str
    engine: str
    features: _containers.RepeatedScalarFieldContainer[str]
    values_json: str
    create_time: _timestamp_pb2.Timestamp
    def __init__(self, track_id: _Optional[str] = ..., job_id: _Optional[str] = ..., owner_id: _Optional[str] = ..., engine: _Optional[str] = ..., features: _Optional[_Iterable[str]] = ..., values_json: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
