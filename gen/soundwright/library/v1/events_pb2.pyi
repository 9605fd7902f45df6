from soundwright.library.v1 import job_pb2 as _job_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class JobProgressed(_message.Message):
    __slots__ = ("job_id", "owner_id", "kind", "progress_ratio", "progress_message", "attempt")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    OWNER_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_RATIO_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    owner_id: str
    kind: _job_pb2.JobKind
    progress_ratio: float
    progress_message: str
    attempt: int
    def __init__(self, job_id: _Optional[str] = ..., owner_id: _Optional[str] = ..., kind: _Optional[_Union[_job_pb2.JobKind, str]] = ..., progress_ratio: _Optional[float] = ..., progress_message: _Optional[str] = ..., attempt: _Optional[int] = ...) -> None: ...

class JobFinished(_message.Message):
    __slots__ = ("job_id", "owner_id", "kind", "state", "track_id", "error")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    OWNER_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    TRACK_ID_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    owner_id: str
    kind: _job_pb2.JobKind
    state: _job_pb2.JobState
    track_id: str
    error: _job_pb2.JobError
    def __init__(self, job_id: _Optional[str] = ..., owner_id: _Optional[str] = ..., kind: _Optional[_Union[_job_pb2.JobKind, str]] = ..., state: _Optional[_Union[_job_pb2.JobState, str]] = ..., track_id: _Optional[str] = ..., error: _Optional[_Union[_job_pb2.JobError, _Mapping]] = ...) -> None: ...
