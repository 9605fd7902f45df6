"""Decodes what clients send, in linear time and within :mod:`soundwright.services.gateway.wire.limits`."""

import json
import re
from typing import Any

from starlette.types import Scope

from soundwright.services.gateway.wire import limits

_ESCAPES = re.compile(rb"(?:%[0-9A-Fa-f]{2})+")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\Z)?', re.DOTALL)
_COOKIE = re.compile(r"[!#-+\--\[\]-~]*(?:\"[!#-+\--\[\]-~]*\")?")  # the characters of RFC 6265: no escapes


def form_pairs(encoded: bytes) -> list[tuple[str, str]]:
    """Return the names and values of a URL-encoded form. Invalid escapes stay as they are.

    Raises ``ValueError``: the form is too large, has too many fields, or is not UTF-8.
    """
    if len(encoded) > limits.FORM_BYTES or encoded.count(b"&") >= limits.FORM_FIELDS:
        raise ValueError("the form is too large")
    encoded.decode()
    pairs = [field.partition(b"=") for field in encoded.replace(b"+", b" ").split(b"&") if field]
    return [(_decoded(name), _decoded(value)) for name, _, value in pairs]


def _decoded(text: bytes) -> str:
    return _ESCAPES.sub(lambda run: bytes.fromhex(run[0].replace(b"%", b"").decode()), text).decode(errors="replace")


def json_value(text: bytes | str) -> Any:
    """Parse JSON.

    Raises ``ValueError``: the text is not JSON, or has too many values.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8-sig")
    if text.count('"') > limits.JSON_QUOTES:
        raise ValueError("the JSON has too many strings")
    structure = _STRING.sub("", text)
    if sum(map(structure.count, ",[{")) > limits.JSON_VALUES:
        raise ValueError("the JSON has too many values")
    try:
        value = json.loads(text, parse_constant=_reject_constant)
        if _SURROGATE.search(text):
            json.dumps(
                value, ensure_ascii=False
            ).encode()  # raises for half a surrogate pair, which no encoding can store
        return value
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None


def _reject_constant(constant: str) -> None:
    raise ValueError(constant)  # NaN and Infinity are not JSON


def parameter_count_is_valid(header: bytes | str) -> bool:
    """Return whether a header such as ``Content-Disposition`` can be parsed quickly."""
    separators = header.count(b";") if isinstance(header, bytes) else header.count(";")
    return separators <= limits.PART_PARAMETERS


def plain_cookies(header: str) -> str:
    """Return the cookies that consist of plain characters, as those of Soundwright do. Other applications of the host can set
    cookies that need decoding, which takes quadratic time in Python before 3.12.6 (CVE-2024-7592)."""
    if len(header) > limits.COOKIES_BYTES:
        return ""
    return ";".join(cookie for cookie in header.split(";") if _COOKIE.fullmatch(cookie.strip()))


def is_head(scope: Scope) -> bool:
    """Return whether the client sent HEAD. The router sees such a request as GET."""
    return bool(scope.get("soundwright.head"))
