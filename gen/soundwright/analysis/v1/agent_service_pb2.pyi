import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from soundwright.library.v1 import conversation_service_pb2 as _conversation_service_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ChatRequest(_message.Message):
    __slots__ = ("turn_id", "message", "conversation_id", "track_ids", "task")
    TURN_ID_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    CONVERSATION_ID_FIELD_NUMBER: _ClassVar[int]
    TRACK_IDS_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    turn_id: str
    message: str
    conversation_id: str
    track_ids: _containers.RepeatedScalarFieldContainer[str]
    task: str
    def __init__(self, turn_id: _Optional[str] = ..., message: _Optional[str] = ..., conversation_id: _Optional[str] = ..., track_ids: _Optional[_Iterable[str]] = ..., task: _Optional[str] = ...) -> None: ...

class ChatResponse(_message.Message):
    __slots__ = ("conversation", "answer", "data_json", "input_token_count", "output_token_count")
    CONVERSATION_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    DATA_JSON_FIELD_NUMBER: _ClassVar[int]
    INPUT_TOKEN_COUNT_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKEN_COUNT_FIELD_NUMBER: _ClassVar[int]
    conversation: _conversation_service_pb2.Conversation
    answer: _conversation_service_pb2.ConversationMessage
    data_json: str
    input_token_count: int
    output_token_count: int
    def __init__(self, conversation: _Optional[_Union[_conversation_service_pb2.Conversation, _Mapping]] = ..., answer: _Optional[_Union[_conversation_service_pb2.ConversationMessage, _Mapping]] = ..., data_json: _Optional[str] = ..., input_token_count: _Optional[int] = ..., output_token_count: _Optional[int] = ...) -> None: ...

class CheckProvidersRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CheckProvidersResponse(_message.Message):
    __slots__ = ("providers",)
    PROVIDERS_FIELD_NUMBER: _ClassVar[int]
    providers: _containers.RepeatedCompositeFieldContainer[Provider]
    def __init__(self, providers: _Optional[_Iterable[_Union[Provider, _Mapping]]] = ...) -> None: ...

class Provider(_message.Message):
    __slots__ = ("name", "url_host", "model", "status", "detail", "latency_seconds", "check_time")
    NAME_FIELD_NUMBER: _ClassVar[int]
    URL_HOST_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    LATENCY_SECONDS_FIELD_NUMBER: _ClassVar[int]
    CHECK_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    url_host: str
    model: str
    status: str
    detail: str
    latency_seconds: float
    check_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., url_host: _Optional[str] = ..., model: _Optional[str] = ..., status: _Optional[str] = ..., detail: _Optional[str] = ..., latency_seconds: _Optional[float] = ..., check_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
