"""Fields of forms that the edge reads: the CSRF token and the method. The route still receives the whole body."""

import time

import pytest
from starlette.types import Message

from soundwright.services.gateway.callers.csrf import form_method, request_csrf_token

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

    token, receiving = await request_csrf_token(scope, receive)
    assert token == ("T" if b"_csrf_token=T" in body and kind == FORM else "")
    found, receiving = await form_method(scope, receiving)
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
        (b"_method=put", "PUT"), (b"a=b&_csrf_token=T&_method=DELETE&c=d", "DELETE"), (b"_method=pAtCh", "PATCH"),
        (b"%5Fmethod=de%6Cete", "DELETE"), (b"_method=delete&_method=put", "PUT"), (b"_method=put&_method=x", "POST"),
        (b"_method=get", "POST"), (b"_method=head", "POST"), (b"_method=options", "POST"), (b"_method=post", "POST"),
        (b"_method=connect", "POST"), (b"_method=%00put", "POST"), (b"_method= put", "POST"),
        (b"_method=\xff", "POST"), (b"_method=", "POST"), (b"", "POST"), (b"x&" * 300 + b"_method=put", "POST"),
        (b"_method=put&x=" + b"y" * (1 << 20), "POST"),
    ],
)  # fmt: skip
async def test_what_a_posted_form_means(body: bytes, method: str) -> None:
    assert await meant(body) == method


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "X"])
async def test_what_is_not_posted_means_itself(method: str) -> None:
    assert await meant(b"_method=patch", method=method) == method


@pytest.mark.parametrize("kind", [b"application/json", b"multipart/form-data; boundary=x", b"text/plain", b""])
async def test_what_is_no_such_form_means_itself(kind: bytes) -> None:
    assert await meant(b"_method=put", kind) == "POST"


# --------------------------------------------------------------------------------------------------------------- multipart

MULTIPART = b"multipart/form-data; boundary=xyz"
LIMIT_BYTES = 1 << 16


def part(name: str, value: bytes, more: str = "") -> bytes:
    return f'--xyz\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + value + b"\r\n"


TOKEN = part("_csrf_token", b"T" * 43)
FILE = part("file", b"\x00\r\n--xy" * 20_000, '; filename="a.wav"')


async def multipart_token(body: bytes, kind: bytes = MULTIPART) -> str:
    scope, messages = request(body, kind, "POST")
    count = len(messages)

    async def receive() -> Message:
        return messages.pop(0)

    token, receiving = await request_csrf_token(scope, receive)
    assert b"".join([(await receiving())["body"] for _ in range(count)]) == body
    return token


@pytest.mark.parametrize(
    ("body", "token"),
    [
        (TOKEN + FILE + b"--xyz--\r\n", "T" * 43),
        (part("title", b"a") + TOKEN + FILE, "T" * 43),
        (part("_csrf_token", b"first") + TOKEN, "first"),
        (b'--xyz\r\nX-Y: z\r\ncontent-disposition: form-data; name="_csrf_token"\r\n\r\nT\r\n--xyz\r\n', "T"),
        (FILE + TOKEN, ""),  # too late: files can have any size
        (part("x", b"a") * 49 + TOKEN + FILE, "T" * 43),
        (part("x", b"a") * 50 + TOKEN + FILE, ""),  # the first 50 fields count
        (part("_csrf_token", b"T", '; filename="a"') + FILE, ""),
        (part("x", part("_csrf_token", b"T").replace(b"--xyz", b"--abc")) + FILE, ""),  # the value of another field
        (part("_csrf_token", b"T" * LIMIT_BYTES), ""),
        (TOKEN[:-2], ""),
        (b"", ""),
        (b"no form", ""),
        (b"--xyz\r\n" + b"a: b\r\n" * 50 + b"\r\n", ""),
    ],
)
async def test_the_token_in_a_form_with_files(body: bytes, token: str) -> None:
    assert await multipart_token(body) == token


@pytest.mark.parametrize(
    "kind", [b"multipart/form-data", b"multipart/form-data; boundary=" + b"b" * 1000, b"multipart/x"]
)
async def test_a_form_without_a_valid_boundary_has_no_token(kind: bytes) -> None:
    assert await multipart_token(TOKEN, kind) == ""


@pytest.mark.parametrize(
    "body",
    [
        b'name="_csrf_token"\r\n' * 4000,
        b"--xyz\r\n" + b'Content-Disposition: form-data; name="_csrf_token"\r\n' * 2000,
        part("x", b'name="_csrf_token"\r\n' * 4000),
        part("x", b"\r\n--xy" * 20_000),
        part("x", b"") * 2000,
        b"--xyz\r\nContent-Disposition: form-data" + b"; a=b" * 20_000,
    ],
)
async def test_a_hostile_form_costs_little_time(body: bytes) -> None:
    started = time.process_time()
    assert await multipart_token(body[:LIMIT_BYTES]) == ""
    assert time.process_time() - started < 0.5  # seconds of this process; a backtracking search needs several


async def test_a_body_in_many_small_messages_costs_little_time() -> None:
    body = TOKEN + b"x" * 50_000
    messages: list[Message] = [{"type": "http.request", "body": bytes([byte]), "more_body": True} for byte in body]
    left = iter(messages)

    async def receive() -> Message:
        return next(left)

    scope = {"type": "http", "method": "POST", "headers": [(b"content-type", MULTIPART)]}
    messages[-1]["more_body"] = False
    started = time.process_time()
    token, receiving = await request_csrf_token(scope, receive)
    assert [(await receiving())["body"] for _ in messages] == [message["body"] for message in messages]
    assert (token, time.process_time() - started < 1.0) == ("", True)
