"""Input that is made to be slow to parse. Each form is sent over a raw socket, before login, and must cost little time."""

from pathlib import Path

import pytest
from raw_http import LongestStep, Raw, serving

from soundwright.services.gateway.wire import limits
from soundwright.services.gateway.wire.decoding import form_pairs, json_value, plain_cookies
from soundwright.services.gateway.wire.logged import without_secrets

STEP_SECONDS = 0.3  # of processor time. The code that these inputs were made for needed 1 to 28 seconds
FORM = b"application/x-www-form-urlencoded"
MULTIPART = b"multipart/form-data; boundary=x"


def request(method: bytes, target: bytes, body: bytes = b"", *headers: bytes) -> bytes:
    lines = [method + b" " + target + b" HTTP/1.1", b"Host: 127.0.0.1", b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\nConnection: close\r\n\r\n" + body


def form(body: bytes, kind: bytes = FORM) -> bytes:
    return request(b"POST", b"/users/log-in", body, b"Content-Type: " + kind)


def part(disposition: bytes) -> bytes:
    return b"--x\r\nContent-Disposition: " + disposition + b"\r\n\r\n\r\n"


ATTACKS = {
    "form of percent signs": form(b"%" * (1 << 20)),
    "form of escapes": form(b"a=" + b"%41z" * (1 << 18)),
    "form of invalid UTF-8": form(b"a=" + b"%ff" * (1 << 18)),
    "form of empty fields": form(b"&" * (1 << 20)),
    "form of plus signs": form(b"+" * (1 << 20)),
    "semicolons in a boundary": form(b"", b'multipart/form-data; boundary="' + b";" * 60_000),
    "semicolons in a part": form(part(b'form-data; name="' + b";" * 60_000), MULTIPART),
    "parts with many parameters": form(part(b'form-data; name="' + b'";' * 1800) * 16, MULTIPART),
    "parts with many headers": form(b"--x\r\n" + b"a: b\r\n" * 10_000, MULTIPART),
    "parts without end": form(b"--x\r\nContent-Disposition: form-data; name=a" + b" " * 60_000, MULTIPART),
    "boundaries that are not complete": form(part(b"form-data; name=a") + b"\r\n--" * 15_000, MULTIPART),
    "backslashes in a cookie": request(b"GET", b"/users/log-in", b"", b'Cookie: a="' + b"\\" * 60_000 + b'"'),
    "backslashes in our cookie": request(
        b"GET", b"/users/log-in", b"", b'Cookie: soundwright_visit="' + b"\\" * 30_000 + b'"'
    ),
    "cookies at an API": request(b"POST", b"/random-prompt", b"", b'Cookie: a="' + b"\\" * 60_000 + b'"'),
    "octal escapes in a cookie": request(b"GET", b"/users/log-in", b"", b'Cookie: a="' + b"\\101" * 15_000 + b'"'),
    "JSON of lists": request(
        b"POST", b"/generate", b'{"a":[' + b"[]," * (1 << 18) + b"1]}", b"Content-Type: application/json"
    ),
    "JSON of numbers": request(
        b"POST", b"/api/tokens", b'{"tags":[' + b"1," * (1 << 18) + b"1]}", b"Content-Type: application/json"
    ),
    "nested JSON": request(b"POST", b"/generate", b"[" * 1_000_000, b"Content-Type: application/json"),
    "a long number": request(
        b"POST", b"/generate", b'{"a":' + b"1" * 1_000_000 + b"}", b"Content-Type: application/json"
    ),
    "percent signs in a query": request(b"POST", b"/random-prompt?user_id=" + b"%" * 8000),
}


async def test_no_request_before_login_holds_the_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(tmp_path, open_access=True) as port:
        longest = LongestStep(monkeypatch)
        seconds: dict[str, float] = {}
        for name, attack in ATTACKS.items():
            attacker, health = await Raw.open(port), await Raw.open(port)
            longest.seconds = 0.0
            await attacker.send(attack)
            await health.send(request(b"GET", b"/health"))
            assert await health.status() == 200, name
            assert await attacker.status() in (200, 400, 403, 413, 415, 422, 503), name
            seconds[name] = longest.seconds
            attacker.close()
            health.close()
    assert {name: used for name, used in seconds.items() if used > STEP_SECONDS} == {}


@pytest.mark.parametrize(
    ("encoded", "pairs"),
    [
        (b"", []), (b"a=b", [("a", "b")]), (b"a", [("a", "")]), (b"a=&&b=1", [("a", ""), ("b", "1")]),
        (b"a+b=%20%c3%a9%E2%82%ac", [("a b", " é€")]), (b"a=%zz%4", [("a", "%zz%4")]), (b"a=%ff", [("a", "\ufffd")]),
        (b"a=b=c", [("a", "b=c")]),
    ],
)  # fmt: skip
def test_a_form_is_decoded_as_browsers_encode_it(encoded: bytes, pairs: list[tuple[str, str]]) -> None:
    assert form_pairs(encoded) == pairs


@pytest.mark.parametrize(
    "encoded", [b"a=" + b"b" * limits.FORM_BYTES, b"&" * limits.FORM_FIELDS, b"a=\xff"], ids=["bytes", "fields", "text"]
)
def test_a_form_beyond_the_limits_is_refused(encoded: bytes) -> None:
    with pytest.raises(ValueError):
        form_pairs(encoded)


def test_json_is_limited_by_its_values_and_not_by_its_text() -> None:
    text = ',[{"\\' * 50_000
    assert json_value(b'{"text": "' + text.replace("\\", "\\\\").replace('"', "'").encode() + b'"}')
    assert json_value([0] * 2000 and "[" + "0," * 1998 + "0]") == [0] * 1999
    hidden = '{"a": "' + '\\"' * 2500 + '"}'
    assert json_value(hidden) == {"a": '"' * 2500}
    for refused in (
        "[" + "0," * 2000 + "0]",
        "[" * 2001,
        '{"":' * 2001,
        '"' + '\\"' * 10_000 + '"',
        ("[" + "\u2200," * 5000).encode("utf-16"),  # its bytes look like quotation marks
        "NaN",
        "[" * 1500,
    ):
        with pytest.raises(ValueError):
            json_value(refused)


def test_only_cookies_of_plain_characters_are_read() -> None:
    header = 'a=b; c="d"; e=f-_.~=; g=\\; h=é; i="\\"; j="k"l; m="'
    assert plain_cookies(header) == 'a=b; c="d"; e=f-_.~='
    assert plain_cookies("a=" + "b" * limits.COOKIES_BYTES) == ""


SECRET = "Fa44x3xGNvwggMPwDvPZz8LU4JPvZyfZYQGBrfDTTI0"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"/api/shared/{SECRET}/audio", "/api/shared/[secret]/audio"),
        (f"/api/shared//{SECRET}/audio", "/api/shared//[secret]/audio"),
        (f"//studio/shared/{SECRET[:-1]}", "//studio/shared/[secret]"),  # cut off by who copied it
        (f"/users/settings/confirm-email/{SECRET}", "/users/settings/confirm-email/[secret]"),
        (f"/Studio/Shared/{SECRET}", "/Studio/Shared/[secret]"),
        (f"TypeError at http://127.0.0.1:4000/studio/shared/{SECRET}:1:2", "TypeError at http://127.0.0.1:4000/studio/shared/[secret]"),
        ("/api/tracks/7891745a-4a5e-411c-97bd-ebbe048716f4", "/api/tracks/7891745a-4a5e-411c-97bd-ebbe048716f4"),
    ],
)  # fmt: skip
def test_secrets_of_links_are_not_logged_wherever_they_are(text: str, expected: str) -> None:
    assert without_secrets(text) == expected
