from soundwright.library.v1 import job_pb2 as _job_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CreateJobRequest(_message.Message):
    __slots__ = ("track_id", "model", "engine", "format", "idempotency_key")
    TRACK_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    track_id: str
    model: str
    engine: str
    format: str
    idempotency_key: str
    def __init__(self, track_id: _Optional[str] = ..., model: _Optional[str] = ..., engine: _Optional[str] = ..., format: _Optional[str] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class CreateJobResponse(_message.Message):
    __slots__ = ("job", "existed")
    JOB_FIELD_NUMBER: _ClassVar[int]
    EXISTED_FIELD_NUMBER: _ClassVar[int]
    job: _job_pb2.Job
    existed: bool
    def __init__(self, job: _Optional[_Union[_job_pb2.Job, _Mapping]] = ..., existed: _Optional[bool] = ...) -> None: ...

class CreatePipelineJobRequest(_message.Message):
    __slots__ = ("track_id", "idempotency_key")
    TRACK_ID_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    track_id: str
    idempotency_key: str
    def __init__(self, track_id: _Optional[str] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class CreatePipelineJobResponse(_message.Message):
    __slots__ = ("job", "existed")
    JOB_FIELD_NUMBER: _ClassVar[int]
    EXISTED_FIELD_NUMBER: _ClassVar[int]
    job: _job_pb2.Job
    existed: bool
    def __init__(self, job: _Optional[_Union[_job_pb2.Job, _Mapping]] = ..., existed: _Optional[bool] = ...) -> None: ...

class ListModelsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ("models",)
    MODELS_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[Model]
    def __init__(self, models: _Optional[_Iterable[_Union[Model, _Mapping]]] = ...) -> None: ...

class Model(_message.Message):
    __slots__ = ("name", "description", "stems", "engine", "needs_weights")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    STEMS_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    NEEDS_WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    name: str
    description: str
    stems: _containers.RepeatedScalarFieldContainer[str]
    engine: str
    needs_weights: bool
    def __init__(self, name: _Optional[str] = ..., description: _Optional[str] = ..., stems: _Optional[_Iterable[str]] = ..., engine: _Optional[str] = ..., needs_weights: _Optional[bool] = ...) -> None: ...

class RenderMixRequest(_message.Message):
    __slots__ = ("track_id", "manifest_json", "uploads", "output_key")
    TRACK_ID_FIELD_NUMBER: _ClassVar[int]
    MANIFEST_JSON_FIELD_NUMBER: _ClassVar[int]
    UPLOADS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_KEY_FIELD_NUMBER: _ClassVar[int]
    track_id: str
    manifest_json: str
    uploads: _containers.RepeatedCompositeFieldContainer[UploadedStem]
    output_key: str
    def __init__(self, track_id: _Optional[str] = ..., manifest_json: _Optional[str] = ..., uploads: _Optional[_Iterable[_Union[UploadedStem, _Mapping]]] = ..., output_key: _Optional[str] = ...) -> None: ...

class RenderMixResponse(_message.Message):
    __slots__ = ("sample_rate_hz", "frame_count", "limited")
    SAMPLE_RATE_HZ_FIELD_NUMBER: _ClassVar[int]
    FRAME_COUNT_FIELD_NUMBER: _ClassVar[int]
    LIMITED_FIELD_NUMBER: _ClassVar[int]
    sample_rate_hz: int
    frame_count: int
    limited: bool
    def __init__(self, sample_rate_hz: _Optional[int] = ..., frame_count: _Optional[int] = ..., limited: _Optional[bool] = ...) -> None: ...

class UploadedStem(_message.Message):
    __slots__ = ("blob_key", "filename")
    BLOB_KEY_FIELD_NUMBER: _ClassVar[int]
    FILENAME_FIELD_NUMBER: _ClassVar[int]
    blob_key: str
    filename: str
    def __init__(self, blob_key: _Optional[str] = ..., filename: _Optional[str] = ...) -> None: ...

class GetLalalaiQuotaRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetLalalaiQuotaResponse(_message.Message):
    __slots__ = ("remaining_minutes", "used_minutes", "own_key")
    REMAINING_MINUTES_FIELD_NUMBER: _ClassVar[int]
    USED_MINUTES_FIELD_NUMBER: _ClassVar[int]
    OWN_KEY_FIELD_NUMBER: _ClassVar[int]
    remaining_minutes: float
    used_minutes: float
    own_key: bool
    def __init__(self, remaining_minutes: _Optional[float] = ..., used_minutes: _Optional[float] = ..., own_key: _Optional[bool] = ...) -> None: ...

class CancelLalalaiTaskRequest(_message.Message):
    __slots__ = ("task_id",)
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    def __init__(self, task_id: _Optional[str] = ...) -> None: ...

class CancelLalalaiTaskResponse(_message.Message):
    __slots__ = ("job_id", "task_ids")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_IDS_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    task_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, job_id: _Optional[str] = ..., task_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class CancelLalalaiTasksRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CancelLalalaiTasksResponse(_message.Message):
    __slots__ = ("job_ids", "task_ids")
    JOB_IDS_FIELD_NUMBER: _ClassVar[int]
    TASK_IDS_FIELD_NUMBER: _ClassVar[int]
    job_ids: _containers.RepeatedScalarFieldContainer[str]
    task_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, job_ids: _Optional[_Iterable[str]] = ..., task_ids: _Optional[_Iterable[str]] = ...) -> None: ...
