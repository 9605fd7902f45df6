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

class JobKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    JOB_KIND_UNSPECIFIED: _ClassVar[JobKind]
    JOB_KIND_DOWNLOAD: _ClassVar[JobKind]
    JOB_KIND_SEPARATION: _ClassVar[JobKind]
    JOB_KIND_ANALYSIS: _ClassVar[JobKind]
    JOB_KIND_GENERATION: _ClassVar[JobKind]
    JOB_KIND_PIPELINE: _ClassVar[JobKind]
    JOB_KIND_EXPORT: _ClassVar[JobKind]

class JobState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    JOB_STATE_UNSPECIFIED: _ClassVar[JobState]
    JOB_STATE_QUEUED: _ClassVar[JobState]
    JOB_STATE_RUNNING: _ClassVar[JobState]
    JOB_STATE_SUCCEEDED: _ClassVar[JobState]
    JOB_STATE_FAILED: _ClassVar[JobState]
    JOB_STATE_CANCELLED: _ClassVar[JobState]

class Priority(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PRIORITY_UNSPECIFIED: _ClassVar[Priority]
    PRIORITY_ADMIN: _ClassVar[Priority]
    PRIORITY_PREMIUM: _ClassVar[Priority]
    PRIORITY_STANDARD: _ClassVar[Priority]
    PRIORITY_FREE: _ClassVar[Priority]
JOB_KIND_UNSPECIFIED: JobKind
JOB_KIND_DOWNLOAD: JobKind
JOB_KIND_SEPARATION: JobKind
JOB_KIND_ANALYSIS: JobKind
JOB_KIND_GENERATION: JobKind
JOB_KIND_PIPELINE: JobKind
JOB_KIND_EXPORT: JobKind
JOB_STATE_UNSPECIFIED: JobState
JOB_STATE_QUEUED: JobState
JOB_STATE_RUNNING: JobState
JOB_STATE_SUCCEEDED: JobState
JOB_STATE_FAILED: JobState
JOB_STATE_CANCELLED: JobState
PRIORITY_UNSPECIFIED: Priority
PRIORITY_ADMIN: Priority
PRIORITY_PREMIUM: Priority
PRIORITY_STANDARD: Priority
PRIORITY_FREE: Priority

class Job(_message.Message):
    __slots__ = ("id", "kind", "owner_id", "track_id", "state", "progress_ratio", "progress_message", "attempt", "attempt_limit", "priority", "spec_json", "result", "error", "cancel_requested", "stages", "correlation_id", "create_time", "start_time", "finish_time", "idempotency_key", "command_subject", "affinity", "work_seconds", "outside_work")
    ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    OWNER_ID_FIELD_NUMBER: _ClassVar[int]
    TRACK_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_RATIO_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_LIMIT_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    SPEC_JSON_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    CANCEL_REQUESTED_FIELD_NUMBER: _ClassVar[int]
    STAGES_FIELD_NUMBER: _ClassVar[int]
    CORRELATION_ID_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    FINISH_TIME_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    COMMAND_SUBJECT_FIELD_NUMBER: _ClassVar[int]
    AFFINITY_FIELD_NUMBER: _ClassVar[int]
    WORK_SECONDS_FIELD_NUMBER: _ClassVar[int]
    OUTSIDE_WORK_FIELD_NUMBER: _ClassVar[int]
    id: str
    kind: JobKind
    owner_id: str
    track_id: str
    state: JobState
    progress_ratio: float
    progress_message: str
    attempt: int
    attempt_limit: int
    priority: Priority
    spec_json: str
    result: JobResult
    error: JobError
    cancel_requested: bool
    stages: _containers.RepeatedCompositeFieldContainer[Stage]
    correlation_id: str
    create_time: _timestamp_pb2.Timestamp
    start_time: _timestamp_pb2.Timestamp
    finish_time: _timestamp_pb2.Timestamp
    idempotency_key: str
    command_subject: str
    affinity: str
    work_seconds: float
    outside_work: OutsideWork
    def __init__(self, id: _Optional[str] = ..., kind: _Optional[_Union[JobKind, str]] = ..., owner_id: _Optional[str] = ..., track_id: _Optional[str] = ..., state: _Optional[_Union[JobState, str]] = ..., progress_ratio: _Optional[float] = ..., progress_message: _Optional[str] = ..., attempt: _Optional[int] = ..., attempt_limit: _Optional[int] = ..., priority: _Optional[_Union[Priority, str]] = ..., spec_json: _Optional[str] = ..., result: _Optional[_Union[JobResult, _Mapping]] = ..., error: _Optional[_Union[JobError, _Mapping]] = ..., cancel_requested: _Optional[bool] = ..., stages: _Optional[_Iterable[_Union[Stage, _Mapping]]] = ..., correlation_id: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., finish_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., idempotency_key: _Optional[str] = ..., command_subject: _Optional[str] = ..., affinity: _Optional[str] = ..., work_seconds: _Optional[float] = ..., outside_work: _Optional[_Union[OutsideWork, _Mapping]] = ...) -> None: ...

class OutsideWork(_message.Message):
    __slots__ = ("source_id", "task_ids", "own_key")
    SOURCE_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_IDS_FIELD_NUMBER: _ClassVar[int]
    OWN_KEY_FIELD_NUMBER: _ClassVar[int]
    source_id: str
    task_ids: _containers.RepeatedScalarFieldContainer[str]
    own_key: bool
    def __init__(self, source_id: _Optional[str] = ..., task_ids: _Optional[_Iterable[str]] = ..., own_key: _Optional[bool] = ...) -> None: ...

class Stage(_message.Message):
    __slots__ = ("name", "processor_type", "state", "start_time", "finish_time", "error_message")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PROCESSOR_TYPE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    FINISH_TIME_FIELD_NUMBER: _ClassVar[int]
    ERROR_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    name: str
    processor_type: str
    state: JobState
    start_time: _timestamp_pb2.Timestamp
    finish_time: _timestamp_pb2.Timestamp
    error_message: str
    def __init__(self, name: _Optional[str] = ..., processor_type: _Optional[str] = ..., state: _Optional[_Union[JobState, str]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., finish_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., error_message: _Optional[str] = ...) -> None: ...

class JobError(_message.Message):
    __slots__ = ("reason", "message")
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    reason: str
    message: str
    def __init__(self, reason: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class JobResult(_message.Message):
    __slots__ = ("engine", "model", "degraded", "requested_model", "degraded_reason", "compute_seconds", "outputs", "values_json", "features", "generation")
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    REQUESTED_MODEL_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_REASON_FIELD_NUMBER: _ClassVar[int]
    COMPUTE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    VALUES_JSON_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    engine: str
    model: str
    degraded: bool
    requested_model: str
    degraded_reason: str
    compute_seconds: float
    outputs: _containers.RepeatedCompositeFieldContainer[AudioOutput]
    values_json: str
    features: _containers.RepeatedScalarFieldContainer[str]
    generation: _generation_pb2.Generation
    def __init__(self, engine: _Optional[str] = ..., model: _Optional[str] = ..., degraded: _Optional[bool] = ..., requested_model: _Optional[str] = ..., degraded_reason: _Optional[str] = ..., compute_seconds: _Optional[float] = ..., outputs: _Optional[_Iterable[_Union[AudioOutput, _Mapping]]] = ..., values_json: _Optional[str] = ..., features: _Optional[_Iterable[str]] = ..., generation: _Optional[_Union[_generation_pb2.Generation, _Mapping]] = ...) -> None: ...

class AudioOutput(_message.Message):
    __slots__ = ("id", "name", "blob_key", "content_type", "size_bytes", "sample_rate_hz", "channel_count", "frame_count", "peak", "clipped_sample_count", "job_id", "track_id", "owner_id", "path", "create_time", "source")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    BLOB_KEY_FIELD_NUMBER: _ClassVar[int]
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_HZ_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_COUNT_FIELD_NUMBER: _ClassVar[int]
    FRAME_COUNT_FIELD_NUMBER: _ClassVar[int]
    PEAK_FIELD_NUMBER: _ClassVar[int]
    CLIPPED_SAMPLE_COUNT_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    TRACK_ID_FIELD_NUMBER: _ClassVar[int]
    OWNER_ID_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    blob_key: str
    content_type: str
    size_bytes: int
    sample_rate_hz: int
    channel_count: int
    frame_count: int
    peak: float
    clipped_sample_count: int
    job_id: str
    track_id: str
    owner_id: str
    path: str
    create_time: _timestamp_pb2.Timestamp
    source: str
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., blob_key: _Optional[str] = ..., content_type: _Optional[str] = ..., size_bytes: _Optional[int] = ..., sample_rate_hz: _Optional[int] = ..., channel_count: _Optional[int] = ..., frame_count: _Optional[int] = ..., peak: _Optional[float] = ..., clipped_sample_count: _Optional[int] = ..., job_id: _Optional[str] = ..., track_id: _Optional[str] = ..., owner_id: _Optional[str] = ..., path: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., source: _Optional[str] = ...) -> None: ...
