from soundwright.library.v1 import account_pb2 as _account_pb2
from soundwright.library.v1 import job_pb2 as _job_pb2
from soundwright.library.v1 import track_pb2 as _track_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TrackSort(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TRACK_SORT_UNSPECIFIED: _ClassVar[TrackSort]
    TRACK_SORT_CREATE_TIME: _ClassVar[TrackSort]
    TRACK_SORT_TITLE: _ClassVar[TrackSort]
    TRACK_SORT_ARTIST: _ClassVar[TrackSort]
    TRACK_SORT_DURATION: _ClassVar[TrackSort]

class TrackStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TRACK_STATUS_UNSPECIFIED: _ClassVar[TrackStatus]
    TRACK_STATUS_PENDING: _ClassVar[TrackStatus]
    TRACK_STATUS_DOWNLOADED: _ClassVar[TrackStatus]
    TRACK_STATUS_PROCESSED: _ClassVar[TrackStatus]
    TRACK_STATUS_ANALYZED: _ClassVar[TrackStatus]
TRACK_SORT_UNSPECIFIED: TrackSort
TRACK_SORT_CREATE_TIME: TrackSort
TRACK_SORT_TITLE: TrackSort
TRACK_SORT_ARTIST: TrackSort
TRACK_SORT_DURATION: TrackSort
TRACK_STATUS_UNSPECIFIED: TrackStatus
TRACK_STATUS_PENDING: TrackStatus
TRACK_STATUS_DOWNLOADED: TrackStatus
TRACK_STATUS_PROCESSED: TrackStatus
TRACK_STATUS_ANALYZED: TrackStatus

class AuthenticateTokenRequest(_message.Message):
    __slots__ = ("token",)
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    token: str
    def __init__(self, token: _Optional[str] = ...) -> None: ...

class AuthenticateTokenResponse(_message.Message):
    __slots__ = ("account",)
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    account: _account_pb2.Account
    def __init__(self, account: _Optional[_Union[_account_pb2.Account, _Mapping]] = ...) -> None: ...

class AuthenticateSessionRequest(_message.Message):
    __slots__ = ("session_token", "passive")
    SESSION_TOKEN_FIELD_NUMBER: _ClassVar[int]
    PASSIVE_FIELD_NUMBER: _ClassVar[int]
    session_token: str
    passive: bool
    def __init__(self, session_token: _Optional[str] = ..., passive: _Optional[bool] = ...) -> None: ...

class AuthenticateSessionResponse(_message.Message):
    __slots__ = ("account", "remembered", "fresh", "renewed_session_token")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    REMEMBERED_FIELD_NUMBER: _ClassVar[int]
    FRESH_FIELD_NUMBER: _ClassVar[int]
    RENEWED_SESSION_TOKEN_FIELD_NUMBER: _ClassVar[int]
    account: _account_pb2.Account
    remembered: bool
    fresh: bool
    renewed_session_token: str
    def __init__(self, account: _Optional[_Union[_account_pb2.Account, _Mapping]] = ..., remembered: _Optional[bool] = ..., fresh: _Optional[bool] = ..., renewed_session_token: _Optional[str] = ...) -> None: ...

class RegisterRequest(_message.Message):
    __slots__ = ("email", "password", "ip_address")
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    IP_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    email: str
    password: str
    ip_address: str
    def __init__(self, email: _Optional[str] = ..., password: _Optional[str] = ..., ip_address: _Optional[str] = ...) -> None: ...

class RegisterResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CreateSessionRequest(_message.Message):
    __slots__ = ("email", "password", "remembered", "ip_address")
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    REMEMBERED_FIELD_NUMBER: _ClassVar[int]
    IP_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    email: str
    password: str
    remembered: bool
    ip_address: str
    def __init__(self, email: _Optional[str] = ..., password: _Optional[str] = ..., remembered: _Optional[bool] = ..., ip_address: _Optional[str] = ...) -> None: ...

class CreateSessionResponse(_message.Message):
    __slots__ = ("session_token", "account")
    SESSION_TOKEN_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    session_token: str
    account: _account_pb2.Account
    def __init__(self, session_token: _Optional[str] = ..., account: _Optional[_Union[_account_pb2.Account, _Mapping]] = ...) -> None: ...

class RequestLoginLinkRequest(_message.Message):
    __slots__ = ("email", "ip_address")
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    IP_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    email: str
    ip_address: str
    def __init__(self, email: _Optional[str] = ..., ip_address: _Optional[str] = ...) -> None: ...

class RequestLoginLinkResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RedeemLoginLinkRequest(_message.Message):
    __slots__ = ("link_token", "remembered")
    LINK_TOKEN_FIELD_NUMBER: _ClassVar[int]
    REMEMBERED_FIELD_NUMBER: _ClassVar[int]
    link_token: str
    remembered: bool
    def __init__(self, link_token: _Optional[str] = ..., remembered: _Optional[bool] = ...) -> None: ...

class RedeemLoginLinkResponse(_message.Message):
    __slots__ = ("session_token", "account")
    SESSION_TOKEN_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    session_token: str
    account: _account_pb2.Account
    def __init__(self, session_token: _Optional[str] = ..., account: _Optional[_Union[_account_pb2.Account, _Mapping]] = ...) -> None: ...

class ConfirmEmailRequest(_message.Message):
    __slots__ = ("link_token",)
    LINK_TOKEN_FIELD_NUMBER: _ClassVar[int]
    link_token: str
    def __init__(self, link_token: _Optional[str] = ...) -> None: ...

class ConfirmEmailResponse(_message.Message):
    __slots__ = ("account",)
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    account: _account_pb2.Account
    def __init__(self, account: _Optional[_Union[_account_pb2.Account, _Mapping]] = ...) -> None: ...

class DeleteSessionRequest(_message.Message):
    __slots__ = ("session_token",)
    SESSION_TOKEN_FIELD_NUMBER: _ClassVar[int]
    session_token: str
    def __init__(self, session_token: _Optional[str] = ...) -> None: ...

class DeleteSessionResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ChangePasswordRequest(_message.Message):
    __slots__ = ("session_token", "current_password", "new_password", "revoke_api_tokens", "ip_address")
    SESSION_TOKEN_FIELD_NUMBER: _ClassVar[int]
    CURRENT_PASSWORD_FIELD_NUMBER: _ClassVar[int]
    NEW_PASSWORD_FIELD_NUMBER: _ClassVar[int]
    REVOKE_API_TOKENS_FIELD_NUMBER: _ClassVar[int]
    IP_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    session_token: str
    current_password: str
    new_password: str
    revoke_api_tokens: bool
    ip_address: str
    def __init__(self, session_token: _Optional[str] = ..., current_password: _Optional[str] = ..., new_password: _Optional[str] = ..., revoke_api_tokens: _Optional[bool] = ..., ip_address: _Optional[str] = ...) -> None: ...

class ChangePasswordResponse(_message.Message):
    __slots__ = ("session_token",)
    SESSION_TOKEN_FIELD_NUMBER: _ClassVar[int]
    session_token: str
    def __init__(self, session_token: _Optional[str] = ...) -> None: ...

class RequestEmailChangeRequest(_message.Message):
    __slots__ = ("session_token", "current_password", "email", "ip_address")
    SESSION_TOKEN_FIELD_NUMBER: _ClassVar[int]
    CURRENT_PASSWORD_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    IP_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    session_token: str
    current_password: str
    email: str
    ip_address: str
    def __init__(self, session_token: _Optional[str] = ..., current_password: _Optional[str] = ..., email: _Optional[str] = ..., ip_address: _Optional[str] = ...) -> None: ...

class RequestEmailChangeResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ExchangePasswordRequest(_message.Message):
    __slots__ = ("email", "password", "name", "ip_address")
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    IP_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    email: str
    password: str
    name: str
    ip_address: str
    def __init__(self, email: _Optional[str] = ..., password: _Optional[str] = ..., name: _Optional[str] = ..., ip_address: _Optional[str] = ...) -> None: ...

class ExchangePasswordResponse(_message.Message):
    __slots__ = ("secret", "api_token")
    SECRET_FIELD_NUMBER: _ClassVar[int]
    API_TOKEN_FIELD_NUMBER: _ClassVar[int]
    secret: str
    api_token: _account_pb2.ApiToken
    def __init__(self, secret: _Optional[str] = ..., api_token: _Optional[_Union[_account_pb2.ApiToken, _Mapping]] = ...) -> None: ...

class CreateApiTokenRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class CreateApiTokenResponse(_message.Message):
    __slots__ = ("secret", "api_token")
    SECRET_FIELD_NUMBER: _ClassVar[int]
    API_TOKEN_FIELD_NUMBER: _ClassVar[int]
    secret: str
    api_token: _account_pb2.ApiToken
    def __init__(self, secret: _Optional[str] = ..., api_token: _Optional[_Union[_account_pb2.ApiToken, _Mapping]] = ...) -> None: ...

class ListApiTokensRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListApiTokensResponse(_message.Message):
    __slots__ = ("api_tokens",)
    API_TOKENS_FIELD_NUMBER: _ClassVar[int]
    api_tokens: _containers.RepeatedCompositeFieldContainer[_account_pb2.ApiToken]
    def __init__(self, api_tokens: _Optional[_Iterable[_Union[_account_pb2.ApiToken, _Mapping]]] = ...) -> None: ...

class DeleteApiTokenRequest(_message.Message):
    __slots__ = ("api_token_id",)
    API_TOKEN_ID_FIELD_NUMBER: _ClassVar[int]
    api_token_id: str
    def __init__(self, api_token_id: _Optional[str] = ...) -> None: ...

class DeleteApiTokenResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListAccountsRequest(_message.Message):
    __slots__ = ("page", "page_size", "search", "role", "status")
    PAGE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    SEARCH_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    page: int
    page_size: int
    search: str
    role: str
    status: str
    def __init__(self, page: _Optional[int] = ..., page_size: _Optional[int] = ..., search: _Optional[str] = ..., role: _Optional[str] = ..., status: _Optional[str] = ...) -> None: ...

class ListAccountsResponse(_message.Message):
    __slots__ = ("accounts", "total_count")
    ACCOUNTS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_COUNT_FIELD_NUMBER: _ClassVar[int]
    accounts: _containers.RepeatedCompositeFieldContainer[_account_pb2.AccountSummary]
    total_count: int
    def __init__(self, accounts: _Optional[_Iterable[_Union[_account_pb2.AccountSummary, _Mapping]]] = ..., total_count: _Optional[int] = ...) -> None: ...

class UpdateAccountRequest(_message.Message):
    __slots__ = ("account_id", "role", "status", "ip_address")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    IP_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    role: str
    status: str
    ip_address: str
    def __init__(self, account_id: _Optional[str] = ..., role: _Optional[str] = ..., status: _Optional[str] = ..., ip_address: _Optional[str] = ...) -> None: ...

class UpdateAccountResponse(_message.Message):
    __slots__ = ("account",)
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    account: _account_pb2.AccountSummary
    def __init__(self, account: _Optional[_Union[_account_pb2.AccountSummary, _Mapping]] = ...) -> None: ...

class ListAuditEntriesRequest(_message.Message):
    __slots__ = ("page", "page_size")
    PAGE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    page: int
    page_size: int
    def __init__(self, page: _Optional[int] = ..., page_size: _Optional[int] = ...) -> None: ...

class ListAuditEntriesResponse(_message.Message):
    __slots__ = ("entries", "total_count")
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    TOTAL_COUNT_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[_account_pb2.AuditEntry]
    total_count: int
    def __init__(self, entries: _Optional[_Iterable[_Union[_account_pb2.AuditEntry, _Mapping]]] = ..., total_count: _Optional[int] = ...) -> None: ...

class GetJobOverviewRequest(_message.Message):
    __slots__ = ("page", "page_size")
    PAGE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    page: int
    page_size: int
    def __init__(self, page: _Optional[int] = ..., page_size: _Optional[int] = ...) -> None: ...

class JobCount(_message.Message):
    __slots__ = ("kind", "state", "count")
    KIND_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    kind: _job_pb2.JobKind
    state: _job_pb2.JobState
    count: int
    def __init__(self, kind: _Optional[_Union[_job_pb2.JobKind, str]] = ..., state: _Optional[_Union[_job_pb2.JobState, str]] = ..., count: _Optional[int] = ...) -> None: ...

class GetJobOverviewResponse(_message.Message):
    __slots__ = ("counts", "jobs", "total_count")
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    JOBS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_COUNT_FIELD_NUMBER: _ClassVar[int]
    counts: _containers.RepeatedCompositeFieldContainer[JobCount]
    jobs: _containers.RepeatedCompositeFieldContainer[_job_pb2.Job]
    total_count: int
    def __init__(self, counts: _Optional[_Iterable[_Union[JobCount, _Mapping]]] = ..., jobs: _Optional[_Iterable[_Union[_job_pb2.Job, _Mapping]]] = ..., total_count: _Optional[int] = ...) -> None: ...

class CreateTrackRequest(_message.Message):
    __slots__ = ("track",)
    TRACK_FIELD_NUMBER: _ClassVar[int]
    track: _track_pb2.Track
    def __init__(self, track: _Optional[_Union[_track_pb2.Track, _Mapping]] = ...) -> None: ...

class CreateTrackResponse(_message.Message):
    __slots__ = ("track",)
    TRACK_FIELD_NUMBER: _ClassVar[int]
    track: _track_pb2.Track
    def __init__(self, track: _Optional[_Union[_track_pb2.Track, _Mapping]] = ...) -> None: ...

class GetTrackRequest(_message.Message):
    __slots__ = ("track_id",)
    TRACK_ID_FIELD_NUMBER: _ClassVar[int]
    track_id: str
    def __init__(self, track_id: _Optional[str] = ...) -> None: ...

class GetTrackResponse(_message.Message):
    __slots__ = ("track",)
    TRACK_FIELD_NUMBER: _ClassVar[int]
    track: _track_pb2.Track
    def __init__(self, track: _Optional[_Union[_track_pb2.Track, _Mapping]] = ...) -> None: ...

class ListTracksRequest(_message.Message):
    __slots__ = ("page", "page_size", "sort", "descending", "search", "status", "artist", "album", "tag", "source", "key", "min_bpm", "max_bpm")
    PAGE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    SORT_FIELD_NUMBER: _ClassVar[int]
    DESCENDING_FIELD_NUMBER: _ClassVar[int]
    SEARCH_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    ARTIST_FIELD_NUMBER: _ClassVar[int]
    ALBUM_FIELD_NUMBER: _ClassVar[int]
    TAG_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    MIN_BPM_FIELD_NUMBER: _ClassVar[int]
    MAX_BPM_FIELD_NUMBER: _ClassVar[int]
    page: int
    page_size: int
    sort: TrackSort
    descending: bool
    search: str
    status: TrackStatus
    artist: str
    album: str
    tag: str
    source: str
    key: str
    min_bpm: float
    max_bpm: float
    def __init__(self, page: _Optional[int] = ..., page_size: _Optional[int] = ..., sort: _Optional[_Union[TrackSort, str]] = ..., descending: _Optional[bool] = ..., search: _Optional[str] = ..., status: _Optional[_Union[TrackStatus, str]] = ..., artist: _Optional[str] = ..., album: _Optional[str] = ..., tag: _Optional[str] = ..., source: _Optional[str] = ..., key: _Optional[str] = ..., min_bpm: _Optional[float] = ..., max_bpm: _Optional[float] = ...) -> None: ...

class ListTracksResponse(_message.Message):
    __slots__ = ("tracks", "total_count")
    TRACKS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_COUNT_FIELD_NUMBER: _ClassVar[int]
    tracks: _containers.RepeatedCompositeFieldContainer[_track_pb2.Track]
    total_count: int
    def __init__(self, tracks: _Optional[_Iterable[_Union[_track_pb2.Track, _Mapping]]] = ..., total_count: _Optional[int] = ...) -> None: ...

class UpdateTrackRequest(_message.Message):
    __slots__ = ("track_id", "track", "fields")
    TRACK_ID_FIELD_NUMBER: _ClassVar[int]
    TRACK_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    track_id: str
    track: _track_pb2.Track
    fields: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, track_id: _Optional[str] = ..., track: _Optional[_Union[_track_pb2.Track, _Mapping]] = ..., fields: _Optional[_Iterable[str]] = ...) -> None: ...

class UpdateTrackResponse(_message.Message):
    __slots__ = ("track",)
    TRACK_FIELD_NUMBER: _ClassVar[int]
    track: _track_pb2.Track
    def __init__(self, track: _Optional[_Union[_track_pb2.Track, _Mapping]] = ...) -> None: ...

class DeleteTrackRequest(_message.Message):
    __slots__ = ("track_id",)
    TRACK_ID_FIELD_NUMBER: _ClassVar[int]
    track_id: str
    def __init__(self, track_id: _Optional[str] = ...) -> None: ...

class DeleteTrackResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetStemRequest(_message.Message):
    __slots__ = ("stem_id",)
    STEM_ID_FIELD_NUMBER: _ClassVar[int]
    stem_id: str
    def __init__(self, stem_id: _Optional[str] = ...) -> None: ...

class GetStemResponse(_message.Message):
    __slots__ = ("stem",)
    STEM_FIELD_NUMBER: _ClassVar[int]
    stem: _job_pb2.AudioOutput
    def __init__(self, stem: _Optional[_Union[_job_pb2.AudioOutput, _Mapping]] = ...) -> None: ...

class ListStemsRequest(_message.Message):
    __slots__ = ("track_id",)
    TRACK_ID_FIELD_NUMBER: _ClassVar[int]
    track_id: str
    def __init__(self, track_id: _Optional[str] = ...) -> None: ...

class ListStemsResponse(_message.Message):
    __slots__ = ("stems",)
    STEMS_FIELD_NUMBER: _ClassVar[int]
    stems: _containers.RepeatedCompositeFieldContainer[_job_pb2.AudioOutput]
    def __init__(self, stems: _Optional[_Iterable[_Union[_job_pb2.AudioOutput, _Mapping]]] = ...) -> None: ...

class GetAnalysisRequest(_message.Message):
    __slots__ = ("track_id",)
    TRACK_ID_FIELD_NUMBER: _ClassVar[int]
    track_id: str
    def __init__(self, track_id: _Optional[str] = ...) -> None: ...

class GetAnalysisResponse(_message.Message):
    __slots__ = ("analysis",)
    ANALYSIS_FIELD_NUMBER: _ClassVar[int]
    analysis: _track_pb2.Analysis
    def __init__(self, analysis: _Optional[_Union[_track_pb2.Analysis, _Mapping]] = ...) -> None: ...

class CreateJobRequest(_message.Message):
    __slots__ = ("kind", "track_id", "spec_json", "attempt_limit", "command_subject", "idempotency_key", "priority", "stages", "job_id", "fingerprint", "affinity", "work_seconds", "pending_limit", "hourly_limit", "queue_limit")
    KIND_FIELD_NUMBER: _ClassVar[int]
    TRACK_ID_FIELD_NUMBER: _ClassVar[int]
    SPEC_JSON_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_LIMIT_FIELD_NUMBER: _ClassVar[int]
    COMMAND_SUBJECT_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    STAGES_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    AFFINITY_FIELD_NUMBER: _ClassVar[int]
    WORK_SECONDS_FIELD_NUMBER: _ClassVar[int]
    PENDING_LIMIT_FIELD_NUMBER: _ClassVar[int]
    HOURLY_LIMIT_FIELD_NUMBER: _ClassVar[int]
    QUEUE_LIMIT_FIELD_NUMBER: _ClassVar[int]
    kind: _job_pb2.JobKind
    track_id: str
    spec_json: str
    attempt_limit: int
    command_subject: str
    idempotency_key: str
    priority: _job_pb2.Priority
    stages: _containers.RepeatedCompositeFieldContainer[_job_pb2.Stage]
    job_id: str
    fingerprint: str
    affinity: str
    work_seconds: float
    pending_limit: int
    hourly_limit: int
    queue_limit: int
    def __init__(self, kind: _Optional[_Union[_job_pb2.JobKind, str]] = ..., track_id: _Optional[str] = ..., spec_json: _Optional[str] = ..., attempt_limit: _Optional[int] = ..., command_subject: _Optional[str] = ..., idempotency_key: _Optional[str] = ..., priority: _Optional[_Union[_job_pb2.Priority, str]] = ..., stages: _Optional[_Iterable[_Union[_job_pb2.Stage, _Mapping]]] = ..., job_id: _Optional[str] = ..., fingerprint: _Optional[str] = ..., affinity: _Optional[str] = ..., work_seconds: _Optional[float] = ..., pending_limit: _Optional[int] = ..., hourly_limit: _Optional[int] = ..., queue_limit: _Optional[int] = ...) -> None: ...

class CreateJobResponse(_message.Message):
    __slots__ = ("job", "existed")
    JOB_FIELD_NUMBER: _ClassVar[int]
    EXISTED_FIELD_NUMBER: _ClassVar[int]
    job: _job_pb2.Job
    existed: bool
    def __init__(self, job: _Optional[_Union[_job_pb2.Job, _Mapping]] = ..., existed: _Optional[bool] = ...) -> None: ...

class GetJobRequest(_message.Message):
    __slots__ = ("job_id", "with_position")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    WITH_POSITION_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    with_position: bool
    def __init__(self, job_id: _Optional[str] = ..., with_position: _Optional[bool] = ...) -> None: ...

class GetJobResponse(_message.Message):
    __slots__ = ("job", "position", "estimated_wait_seconds")
    JOB_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    ESTIMATED_WAIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    job: _job_pb2.Job
    position: int
    estimated_wait_seconds: float
    def __init__(self, job: _Optional[_Union[_job_pb2.Job, _Mapping]] = ..., position: _Optional[int] = ..., estimated_wait_seconds: _Optional[float] = ...) -> None: ...

class GetQueueRequest(_message.Message):
    __slots__ = ("kind",)
    KIND_FIELD_NUMBER: _ClassVar[int]
    kind: _job_pb2.JobKind
    def __init__(self, kind: _Optional[_Union[_job_pb2.JobKind, str]] = ...) -> None: ...

class GetQueueResponse(_message.Message):
    __slots__ = ("running", "queued", "queued_count", "estimated_wait_seconds")
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    QUEUED_FIELD_NUMBER: _ClassVar[int]
    QUEUED_COUNT_FIELD_NUMBER: _ClassVar[int]
    ESTIMATED_WAIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    running: _containers.RepeatedCompositeFieldContainer[_job_pb2.Job]
    queued: _containers.RepeatedCompositeFieldContainer[_job_pb2.Job]
    queued_count: int
    estimated_wait_seconds: float
    def __init__(self, running: _Optional[_Iterable[_Union[_job_pb2.Job, _Mapping]]] = ..., queued: _Optional[_Iterable[_Union[_job_pb2.Job, _Mapping]]] = ..., queued_count: _Optional[int] = ..., estimated_wait_seconds: _Optional[float] = ...) -> None: ...

class ListJobsRequest(_message.Message):
    __slots__ = ("page", "page_size", "kinds", "states", "track_id", "oldest_first")
    PAGE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    KINDS_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    TRACK_ID_FIELD_NUMBER: _ClassVar[int]
    OLDEST_FIRST_FIELD_NUMBER: _ClassVar[int]
    page: int
    page_size: int
    kinds: _containers.RepeatedScalarFieldContainer[_job_pb2.JobKind]
    states: _containers.RepeatedScalarFieldContainer[_job_pb2.JobState]
    track_id: str
    oldest_first: bool
    def __init__(self, page: _Optional[int] = ..., page_size: _Optional[int] = ..., kinds: _Optional[_Iterable[_Union[_job_pb2.JobKind, str]]] = ..., states: _Optional[_Iterable[_Union[_job_pb2.JobState, str]]] = ..., track_id: _Optional[str] = ..., oldest_first: _Optional[bool] = ...) -> None: ...

class ListJobsResponse(_message.Message):
    __slots__ = ("jobs", "total_count")
    JOBS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_COUNT_FIELD_NUMBER: _ClassVar[int]
    jobs: _containers.RepeatedCompositeFieldContainer[_job_pb2.Job]
    total_count: int
    def __init__(self, jobs: _Optional[_Iterable[_Union[_job_pb2.Job, _Mapping]]] = ..., total_count: _Optional[int] = ...) -> None: ...

class CancelJobRequest(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    def __init__(self, job_id: _Optional[str] = ...) -> None: ...

class CancelJobResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _job_pb2.Job
    def __init__(self, job: _Optional[_Union[_job_pb2.Job, _Mapping]] = ...) -> None: ...

class ClaimJobRequest(_message.Message):
    __slots__ = ("job_id", "worker_id", "lease_seconds")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    LEASE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    worker_id: str
    lease_seconds: float
    def __init__(self, job_id: _Optional[str] = ..., worker_id: _Optional[str] = ..., lease_seconds: _Optional[float] = ...) -> None: ...

class ClaimJobResponse(_message.Message):
    __slots__ = ("job", "claimed", "retry_after_seconds")
    JOB_FIELD_NUMBER: _ClassVar[int]
    CLAIMED_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_SECONDS_FIELD_NUMBER: _ClassVar[int]
    job: _job_pb2.Job
    claimed: bool
    retry_after_seconds: float
    def __init__(self, job: _Optional[_Union[_job_pb2.Job, _Mapping]] = ..., claimed: _Optional[bool] = ..., retry_after_seconds: _Optional[float] = ...) -> None: ...

class HeartbeatJobRequest(_message.Message):
    __slots__ = ("job_id", "attempt", "lease_seconds", "progress_ratio", "progress_message", "stages", "outside_work")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    LEASE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_RATIO_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    STAGES_FIELD_NUMBER: _ClassVar[int]
    OUTSIDE_WORK_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    attempt: int
    lease_seconds: float
    progress_ratio: float
    progress_message: str
    stages: _containers.RepeatedCompositeFieldContainer[_job_pb2.Stage]
    outside_work: _job_pb2.OutsideWork
    def __init__(self, job_id: _Optional[str] = ..., attempt: _Optional[int] = ..., lease_seconds: _Optional[float] = ..., progress_ratio: _Optional[float] = ..., progress_message: _Optional[str] = ..., stages: _Optional[_Iterable[_Union[_job_pb2.Stage, _Mapping]]] = ..., outside_work: _Optional[_Union[_job_pb2.OutsideWork, _Mapping]] = ...) -> None: ...

class HeartbeatJobResponse(_message.Message):
    __slots__ = ("cancel_requested",)
    CANCEL_REQUESTED_FIELD_NUMBER: _ClassVar[int]
    cancel_requested: bool
    def __init__(self, cancel_requested: _Optional[bool] = ...) -> None: ...

class SucceedJobRequest(_message.Message):
    __slots__ = ("job_id", "attempt", "result", "stages")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    STAGES_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    attempt: int
    result: _job_pb2.JobResult
    stages: _containers.RepeatedCompositeFieldContainer[_job_pb2.Stage]
    def __init__(self, job_id: _Optional[str] = ..., attempt: _Optional[int] = ..., result: _Optional[_Union[_job_pb2.JobResult, _Mapping]] = ..., stages: _Optional[_Iterable[_Union[_job_pb2.Stage, _Mapping]]] = ...) -> None: ...

class SucceedJobResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _job_pb2.Job
    def __init__(self, job: _Optional[_Union[_job_pb2.Job, _Mapping]] = ...) -> None: ...

class FailJobRequest(_message.Message):
    __slots__ = ("job_id", "attempt", "error", "cancelled", "stages")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    CANCELLED_FIELD_NUMBER: _ClassVar[int]
    STAGES_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    attempt: int
    error: _job_pb2.JobError
    cancelled: bool
    stages: _containers.RepeatedCompositeFieldContainer[_job_pb2.Stage]
    def __init__(self, job_id: _Optional[str] = ..., attempt: _Optional[int] = ..., error: _Optional[_Union[_job_pb2.JobError, _Mapping]] = ..., cancelled: _Optional[bool] = ..., stages: _Optional[_Iterable[_Union[_job_pb2.Stage, _Mapping]]] = ...) -> None: ...

class FailJobResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _job_pb2.Job
    def __init__(self, job: _Optional[_Union[_job_pb2.Job, _Mapping]] = ...) -> None: ...

class ReleaseJobRequest(_message.Message):
    __slots__ = ("job_id", "attempt", "delay_seconds", "error", "refund_attempt")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    DELAY_SECONDS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    REFUND_ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    attempt: int
    delay_seconds: float
    error: _job_pb2.JobError
    refund_attempt: bool
    def __init__(self, job_id: _Optional[str] = ..., attempt: _Optional[int] = ..., delay_seconds: _Optional[float] = ..., error: _Optional[_Union[_job_pb2.JobError, _Mapping]] = ..., refund_attempt: _Optional[bool] = ...) -> None: ...

class ReleaseJobResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _job_pb2.Job
    def __init__(self, job: _Optional[_Union[_job_pb2.Job, _Mapping]] = ...) -> None: ...
