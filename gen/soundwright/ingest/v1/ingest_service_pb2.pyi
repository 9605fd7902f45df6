from soundwright.library.v1 import job_pb2 as _job_pb2
from soundwright.library.v1 import track_pb2 as _track_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CreateUploadRequest(_message.Message):
    __slots__ = ("filename",)
    FILENAME_FIELD_NUMBER: _ClassVar[int]
    filename: str
    def __init__(self, filename: _Optional[str] = ...) -> None: ...

class CreateUploadResponse(_message.Message):
    __slots__ = ("upload_id", "blob_key", "size_limit_bytes")
    UPLOAD_ID_FIELD_NUMBER: _ClassVar[int]
    BLOB_KEY_FIELD_NUMBER: _ClassVar[int]
    SIZE_LIMIT_BYTES_FIELD_NUMBER: _ClassVar[int]
    upload_id: str
    blob_key: str
    size_limit_bytes: int
    def __init__(self, upload_id: _Optional[str] = ..., blob_key: _Optional[str] = ..., size_limit_bytes: _Optional[int] = ...) -> None: ...

class FinishUploadRequest(_message.Message):
    __slots__ = ("upload_id", "filename", "title", "artist", "album", "allowed_containers")
    UPLOAD_ID_FIELD_NUMBER: _ClassVar[int]
    FILENAME_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    ARTIST_FIELD_NUMBER: _ClassVar[int]
    ALBUM_FIELD_NUMBER: _ClassVar[int]
    ALLOWED_CONTAINERS_FIELD_NUMBER: _ClassVar[int]
    upload_id: str
    filename: str
    title: str
    artist: str
    album: str
    allowed_containers: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, upload_id: _Optional[str] = ..., filename: _Optional[str] = ..., title: _Optional[str] = ..., artist: _Optional[str] = ..., album: _Optional[str] = ..., allowed_containers: _Optional[_Iterable[str]] = ...) -> None: ...

class FinishUploadResponse(_message.Message):
    __slots__ = ("track",)
    TRACK_FIELD_NUMBER: _ClassVar[int]
    track: _track_pb2.Track
    def __init__(self, track: _Optional[_Union[_track_pb2.Track, _Mapping]] = ...) -> None: ...

class AbortUploadRequest(_message.Message):
    __slots__ = ("upload_id",)
    UPLOAD_ID_FIELD_NUMBER: _ClassVar[int]
    upload_id: str
    def __init__(self, upload_id: _Optional[str] = ...) -> None: ...

class AbortUploadResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Song(_message.Message):
    __slots__ = ("spotify_id", "title", "artists", "album", "album_artist", "cover_url", "duration_seconds", "url", "isrc", "track_number", "disc_number", "release_date", "track_id")
    SPOTIFY_ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    ARTISTS_FIELD_NUMBER: _ClassVar[int]
    ALBUM_FIELD_NUMBER: _ClassVar[int]
    ALBUM_ARTIST_FIELD_NUMBER: _ClassVar[int]
    COVER_URL_FIELD_NUMBER: _ClassVar[int]
    DURATION_SECONDS_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    ISRC_FIELD_NUMBER: _ClassVar[int]
    TRACK_NUMBER_FIELD_NUMBER: _ClassVar[int]
    DISC_NUMBER_FIELD_NUMBER: _ClassVar[int]
    RELEASE_DATE_FIELD_NUMBER: _ClassVar[int]
    TRACK_ID_FIELD_NUMBER: _ClassVar[int]
    spotify_id: str
    title: str
    artists: _containers.RepeatedScalarFieldContainer[str]
    album: str
    album_artist: str
    cover_url: str
    duration_seconds: float
    url: str
    isrc: str
    track_number: int
    disc_number: int
    release_date: str
    track_id: str
    def __init__(self, spotify_id: _Optional[str] = ..., title: _Optional[str] = ..., artists: _Optional[_Iterable[str]] = ..., album: _Optional[str] = ..., album_artist: _Optional[str] = ..., cover_url: _Optional[str] = ..., duration_seconds: _Optional[float] = ..., url: _Optional[str] = ..., isrc: _Optional[str] = ..., track_number: _Optional[int] = ..., disc_number: _Optional[int] = ..., release_date: _Optional[str] = ..., track_id: _Optional[str] = ...) -> None: ...

class SkippedEntry(_message.Message):
    __slots__ = ("position", "title", "reason")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    position: int
    title: str
    reason: str
    def __init__(self, position: _Optional[int] = ..., title: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class FetchSpotifyRequest(_message.Message):
    __slots__ = ("url",)
    URL_FIELD_NUMBER: _ClassVar[int]
    url: str
    def __init__(self, url: _Optional[str] = ...) -> None: ...

class FetchSpotifyResponse(_message.Message):
    __slots__ = ("kind", "id", "name", "songs", "skipped", "truncated")
    KIND_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SONGS_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    kind: str
    id: str
    name: str
    songs: _containers.RepeatedCompositeFieldContainer[Song]
    skipped: _containers.RepeatedCompositeFieldContainer[SkippedEntry]
    truncated: bool
    def __init__(self, kind: _Optional[str] = ..., id: _Optional[str] = ..., name: _Optional[str] = ..., songs: _Optional[_Iterable[_Union[Song, _Mapping]]] = ..., skipped: _Optional[_Iterable[_Union[SkippedEntry, _Mapping]]] = ..., truncated: _Optional[bool] = ...) -> None: ...

class SearchSpotifyRequest(_message.Message):
    __slots__ = ("query", "page", "page_size")
    QUERY_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    query: str
    page: int
    page_size: int
    def __init__(self, query: _Optional[str] = ..., page: _Optional[int] = ..., page_size: _Optional[int] = ...) -> None: ...

class SearchSpotifyResponse(_message.Message):
    __slots__ = ("songs", "total_count")
    SONGS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_COUNT_FIELD_NUMBER: _ClassVar[int]
    songs: _containers.RepeatedCompositeFieldContainer[Song]
    total_count: int
    def __init__(self, songs: _Optional[_Iterable[_Union[Song, _Mapping]]] = ..., total_count: _Optional[int] = ...) -> None: ...

class CreateDownloadsRequest(_message.Message):
    __slots__ = ("url", "quality", "idempotency_key")
    URL_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    url: str
    quality: str
    idempotency_key: str
    def __init__(self, url: _Optional[str] = ..., quality: _Optional[str] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class Download(_message.Message):
    __slots__ = ("job", "track_id", "title", "existed")
    JOB_FIELD_NUMBER: _ClassVar[int]
    TRACK_ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    EXISTED_FIELD_NUMBER: _ClassVar[int]
    job: _job_pb2.Job
    track_id: str
    title: str
    existed: bool
    def __init__(self, job: _Optional[_Union[_job_pb2.Job, _Mapping]] = ..., track_id: _Optional[str] = ..., title: _Optional[str] = ..., existed: _Optional[bool] = ...) -> None: ...

class CreateDownloadsResponse(_message.Message):
    __slots__ = ("kind", "name", "downloads", "skipped", "truncated")
    KIND_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DOWNLOADS_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    kind: str
    name: str
    downloads: _containers.RepeatedCompositeFieldContainer[Download]
    skipped: _containers.RepeatedCompositeFieldContainer[SkippedEntry]
    truncated: bool
    def __init__(self, kind: _Optional[str] = ..., name: _Optional[str] = ..., downloads: _Optional[_Iterable[_Union[Download, _Mapping]]] = ..., skipped: _Optional[_Iterable[_Union[SkippedEntry, _Mapping]]] = ..., truncated: _Optional[bool] = ...) -> None: ...

class BeginSpotifyAuthorizationRequest(_message.Message):
    __slots__ = ("redirect_uri",)
    REDIRECT_URI_FIELD_NUMBER: _ClassVar[int]
    redirect_uri: str
    def __init__(self, redirect_uri: _Optional[str] = ...) -> None: ...

class BeginSpotifyAuthorizationResponse(_message.Message):
    __slots__ = ("url", "state", "code_verifier")
    URL_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CODE_VERIFIER_FIELD_NUMBER: _ClassVar[int]
    url: str
    state: str
    code_verifier: str
    def __init__(self, url: _Optional[str] = ..., state: _Optional[str] = ..., code_verifier: _Optional[str] = ...) -> None: ...

class FinishSpotifyAuthorizationRequest(_message.Message):
    __slots__ = ("redirect_uri", "code", "code_verifier")
    REDIRECT_URI_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    CODE_VERIFIER_FIELD_NUMBER: _ClassVar[int]
    redirect_uri: str
    code: str
    code_verifier: str
    def __init__(self, redirect_uri: _Optional[str] = ..., code: _Optional[str] = ..., code_verifier: _Optional[str] = ...) -> None: ...

class FinishSpotifyAuthorizationResponse(_message.Message):
    __slots__ = ("subject", "label", "email", "secret")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    SECRET_FIELD_NUMBER: _ClassVar[int]
    subject: str
    label: str
    email: str
    secret: str
    def __init__(self, subject: _Optional[str] = ..., label: _Optional[str] = ..., email: _Optional[str] = ..., secret: _Optional[str] = ...) -> None: ...
