"""Forms that say which method they mean, and whose body somebody else still has to read."""

from __future__ import annotations

import pytest
from starlette.types import Message

from services.gateway.auth import meant_method, offered_token

FORM = b"application/x-www-form-urlencoded; charset=utf-8"


def request(body: bytes, kind: bytes, method: str) -> tuple[dict[str, object], list[Message]]:
    """A request whose body comes in pieces."""
    piece_bytes = max(7, len(body) // 20)
    pieces = [body[at : at + piece_bytes] for at in range(0, len(body), piece_bytes)] or [b""]
    messages: list[Message] = [
        {"type": "http.request", "body": piece, "more_body": place < len(pieces) - 1}
        for place, piece in enumerate(pieces)
    ]
    return {"type": "http", "method": method, "headers": [(b"content-type", kind)]}, messages


async def meant(body: bytes, kind: bytes = FORM, method: str = "POST") -> str:
    scope, messages = request(body, kind, method)

    async def receive() -> Message:
        return messages.pop(0)

    token, receiving = await offered_token(scope, receive)
    assert token == ("T" if b"_csrf_token=T" in body and kind == FORM else "")
    found, receiving = await meant_method(scope, receiving)
    read = bytearray()
    more = True
    while more:
        message = await receiving()
        read += message["body"]
        more = message["more_body"]
    assert bytes(read) == body
    return found


@pytest.mark.parametrize(
    ("body", "method"),
    [
        (b"_method=put", "PUT"),
        (b"a=b&_csrf_token=T&_method=DELETE&c=d", "DELETE"),
        (b"_method=pAtCh", "PATCH"),
        (b"%5Fmethod=de%6Cete", "DELETE"),
        (b"_method=delete&_method=put", "PUT"),
        (b"_method=put&_method=x", "POST"),
        (b"_method=get", "POST"),
        (b"_method=head", "POST"),
        (b"_method=options", "POST"),
        (b"_method=post", "POST"),
        (b"_method=connect", "POST"),
        (b"_method=%00put", "POST"),
        (b"_method= put", "POST"),
        (b"_method=\xff", "POST"),
        (b"_method=", "POST"),
        (b"", "POST"),
        (b"x&" * 300 + b"_method=put", "POST"),
        (b"_method=put&x=" + b"y" * (1 << 20), "POST"),
    ],
)
async def test_what_a_posted_form_means(body: bytes, method: str) -> None:
    assert await meant(body) == method


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "X"])
async def test_what_is_not_posted_means_itself(method: str) -> None:
    assert await meant(b"_method=patch", method=method) == method


@pytest.mark.parametrize("kind", [b"application/json", b"multipart/form-data; boundary=x", b"text/plain", b""])
async def test_what_is_no_such_form_means_itself(kind: bytes) -> None:
    assert await meant(b"_method=put", kind) == "POST"
