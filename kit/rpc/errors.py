"""The encoding of errors between services: gRPC's rich error model (https://google.aip.dev/193).

An error travels as a ``google.rpc.Status`` with these details:

* ``ErrorInfo``: the reason, the domain ``soundwright``, and in its metadata ``code``, the name of the
  :class:`~soundwright.kit.errors.Code`, and each value of ``AppError.meta`` as JSON text.
* ``BadRequest``: ``meta["details"]``, if it maps field names to lists of sentences.
* ``RetryInfo``: ``meta["retry_after"]`` in seconds, for clients that know the standard detail only.

gRPC sends all of this as response metadata, which clients limit to 8 KiB by default. Values that do not fit are left out, and
the meta gets ``"truncated": true``.
"""

import json
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from soundwright.kit.errors import AppError, Code

_DOMAIN = "soundwright"
_CODE = "code"
_DETAILS = "details"
_TRUNCATED = "truncated"
# The message is sent twice: percent-encoded (up to three bytes for one) and, with the details, in base64 (four bytes for
# three). 3 * 768 + (768 + 3072 + 200 for type names) * 4 / 3 = 7.7 KB.
_MESSAGE_LIMIT_BYTES = 768
_DETAILS_LIMIT_BYTES = 3072
_RETRY_LIMIT_SECONDS = 315_576_000_000  # the largest google.protobuf.Duration


def status_from_error(error: AppError) -> grpc.Status:
    """Return the gRPC status of ``error``, with all details that fit into 8 KiB of metadata."""
    code = getattr(grpc.StatusCode, error.code.value.grpc_status).value[0]
    message = _unicode(error.message)
    if len(message.encode()) > _MESSAGE_LIMIT_BYTES:
        message = message.encode()[: _MESSAGE_LIMIT_BYTES - 3].decode("utf-8", "ignore") + "…"
    status = status_pb2.Status(code=code, message=message)
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=_DOMAIN, metadata={_CODE: error.code.name})
    bad_request = error_details_pb2.BadRequest()
    violations = bad_request.field_violations

    def too_long() -> bool:
        return info.ByteSize() + bad_request.ByteSize() > _DETAILS_LIMIT_BYTES

    truncated = False
    for key, value in error.meta.items():
        if key == _DETAILS and _lists_sentences(value):
            for field, sentence in ((field, sentence) for field, listed in value.items() for sentence in listed):
                violations.add(field=_unicode(field), description=_unicode(sentence))
                if too_long():
                    del violations[-1]
                    truncated = True
        else:
            info.metadata[key] = json.dumps(value, default=str)
            if too_long():
                del info.metadata[key]
                truncated = True
    if truncated:
        info.metadata[_TRUNCATED] = "true"
    status.details.add().Pack(info)
    if violations:
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
    code = info.metadata.pop(_CODE, "")
    meta: dict[str, Any] = {name: json.loads(text) for name, text in info.metadata.items()}
    for violation in bad_request.field_violations:
        meta.setdefault(_DETAILS, {}).setdefault(violation.field, []).append(violation.description)
    # A component of another version may know further codes.
    known = Code[code] if code in Code.__members__ else Code.INTERNAL
    return AppError(known, info.reason, error.details() or "", meta)


def _lists_sentences(value: Any) -> bool:
    """Return whether ``value`` maps field names to non-empty lists of texts, as ``BadRequest`` can express."""
    return (
        isinstance(value, dict)
        and bool(value)
        and all(isinstance(field, str) and isinstance(sentences, list) for field, sentences in value.items())
        and all(sentences and all(isinstance(sentence, str) for sentence in sentences) for sentences in value.values())
    )


def _unicode(text: str) -> str:
    """Return ``text`` with replacements for surrogates, which no message can hold."""
    return text.encode("utf-8", "replace").decode()
