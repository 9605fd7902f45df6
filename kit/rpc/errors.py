"""The encoding of errors between services: gRPC's rich error model (https://google.aip.dev/193).

An error travels as a ``google.rpc.Status`` with these details:

* ``ErrorInfo``: the reason, the domain ``soundwright``, and each value of ``AppError.meta`` as JSON text.
* ``BadRequest``: ``meta["details"]``, if it maps field names to lists of sentences.
* ``RetryInfo``: ``meta["retry_after"]`` in seconds, for clients that know the standard detail only.

The status code identifies the :class:`~kit.errors.Code`. gRPC sends all of this as response metadata, which clients
limit to 8 KiB by default. Longer errors are shortened to fit, and their meta gets ``"truncated": true``.
"""

from __future__ import annotations

import json
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from kit.errors import AppError, Code

_DOMAIN = "soundwright"
_DETAILS = "details"
_TRUNCATED = "truncated"
# The message is sent twice: percent-encoded (up to three bytes for one) and, with the details, in base64 (four bytes for
# three). 3 * 768 + (768 + 3072 + 200 for type names) * 4 / 3 = 7.7 KB.
_MESSAGE_LIMIT_BYTES = 768
_DETAILS_LIMIT_BYTES = 3072
_SENTENCE_LIMIT_BYTES = 1024
_NAME_LIMIT_BYTES = 256
_RETRY_LIMIT_SECONDS = 315_576_000_000  # the largest google.protobuf.Duration
_ENTRY_OVERHEAD_BYTES = 8  # tags and lengths of one map entry or field violation


def status_from_error(error: AppError) -> grpc.Status:
    """Return the gRPC status of ``error``, with all details that fit into 8 KiB of metadata."""
    code = getattr(grpc.StatusCode, error.code.value.grpc_status).value[0]
    status = status_pb2.Status(code=code, message=_cut(error.message, _MESSAGE_LIMIT_BYTES))
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=_DOMAIN)
    bad_request = error_details_pb2.BadRequest()
    budget = _Budget(_DETAILS_LIMIT_BYTES)
    for key, value in error.meta.items():
        if key == _DETAILS and _lists_sentences(value):
            for field, sentences in value.items():
                for sentence in sentences:
                    name, text = budget.cut(field, _NAME_LIMIT_BYTES), budget.cut(sentence, _SENTENCE_LIMIT_BYTES)
                    if budget.take(name, text):
                        bad_request.field_violations.add(field=name, description=text)
        elif budget.take(key, text := json.dumps(value)):
            info.metadata[key] = text
    if budget.exceeded:
        info.metadata[_TRUNCATED] = "true"
    status.details.add().Pack(info)
    if bad_request.field_violations:
        status.details.add().Pack(bad_request)
    retry_after = error.meta.get("retry_after")
    if type(retry_after) is int and 0 <= retry_after <= _RETRY_LIMIT_SECONDS:
        status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=Duration(seconds=retry_after)))
    return rpc_status.to_status(status)


def error_from_rpc(error: grpc.aio.AioRpcError) -> AppError | None:
    """Return the error that a service of this platform raised, or None if ``error`` comes from the transport."""
    # An AioRpcError has the three methods of a call that from_call() uses.
    status: status_pb2.Status | None = rpc_status.from_call(error)  # type: ignore[arg-type]
    info, bad_request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status.details if status is not None else ():
        detail.Unpack(info)
        detail.Unpack(bad_request)
    if info.domain != _DOMAIN:
        return None
    meta: dict[str, Any] = {name: json.loads(text) for name, text in info.metadata.items()}
    for violation in bad_request.field_violations:
        meta.setdefault(_DETAILS, {}).setdefault(violation.field, []).append(violation.description)
    return AppError(Code.from_grpc_status(error.code().name), info.reason, error.details() or "", meta)


class _Budget:
    """Counts the bytes that details take, and notes whether something was left out."""

    def __init__(self, limit_bytes: int) -> None:
        self._left_bytes = limit_bytes
        self.exceeded = False

    def cut(self, text: str, limit_bytes: int) -> str:
        """Return ``text``, shortened to ``limit_bytes``."""
        shown = _cut(text, limit_bytes)
        self.exceeded |= len(shown) < len(text)
        return shown

    def take(self, *texts: str) -> bool:
        """Reserve room for one entry. Return False if it does not fit."""
        size_bytes = sum(len(text.encode()) for text in texts) + _ENTRY_OVERHEAD_BYTES
        if size_bytes > self._left_bytes:
            self.exceeded = True
            return False
        self._left_bytes -= size_bytes
        return True


def _lists_sentences(value: Any) -> bool:
    """Return whether ``value`` maps field names to non-empty lists of texts, as ``BadRequest`` can express."""
    return (
        isinstance(value, dict)
        and bool(value)
        and all(isinstance(field, str) and isinstance(sentences, list) for field, sentences in value.items())
        and all(sentences and all(isinstance(sentence, str) for sentence in sentences) for sentences in value.values())
    )


def _cut(text: str, limit_bytes: int) -> str:
    """Return ``text`` as valid UTF-8 of at most ``limit_bytes``, ending in an ellipsis if it was longer."""
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= limit_bytes:
        return encoded.decode()
    return encoded[: limit_bytes - 3].decode("utf-8", "ignore") + "…"
