"""A corpus of attacks, and requests that carry them to every parameter of every operation of a document."""

import http.client
import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote, urlencode, urlsplit

import httpx
from published import Document

MARKUP = "<script>fuzz()</script>"
INJECTED = "X-Fuzz-Injected"


def corpus(canary: str) -> dict[str, list[str]]:
    """Return hostile texts by kind of attack. ``canary`` is an address of this machine that nobody may call."""
    return {
        "path traversal": ["../../../../../../etc/passwd", "..%2f..%2f..%2f..%2fetc%2fpasswd",
            "....//....//....//etc/passwd", "..\\..\\..\\etc\\passwd", "/etc/passwd", "file:///etc/passwd",
            "%00/etc/passwd", "..", ".", "tracks/../../library.db"],
        "SSRF": [canary, canary.replace("http:", "https:"),
            "http://169.254.169.254/latest/meta-data/", "http://[::ffff:127.0.0.1]:1/", "http://2130706433:1/",
            "http://localhost:4222/", "gopher://127.0.0.1:4222/_INFO",
            f"{canary.replace('http://', 'http://youtube.com@')}/watch?v=x", "//evil.example/",
            "https://open.spotify.com@evil.example/track/x"],
        "header injection": [f"x\r\n{INJECTED}: yes",
            f"x%0d%0a{INJECTED}: yes", f"x\u560d\u560a{INJECTED}: yes", f'"; filename="x"\r\n{INJECTED}: yes',
            f"x\n\n{INJECTED}: yes"],
        "markup": [MARKUP, f'">{MARKUP}', f"'>{MARKUP}", f"</title></textarea>{MARKUP}",
            "javascript:fuzz()", "{{7*7}}${7*7}<%= 7*7 %>", "' OR 1=1 --", '{"$gt": ""}', "=HYPERLINK(0)"],
        "numbers": [
            "-1", "0", "1e309", "-1e309", "NaN", "Infinity", "9" * 30, "9" * 5000, str(2**63), str(-(2**63) - 1), "0x10",
            "1_000", "٣", "1e-400", "0.1", " 1 ", "+1", "-0"],
        "encodings": ["\ud7ff\uffff", "\u202etxt.exe",
            "e\u0301\u0301" * 50, "🎸" * 100, "\ufeff", "%ff%fe", "%c0%af", "%", "%zz", "%u0041", "ß" * 300],
        "control characters": ["\0", "a\0b", "\x1b[2J\x1b]0;x\x07", "\x7f", "\x85\u2028\u2029", "\t\v\f", "\x08" * 9],
        "huge": ["a" * 7000, "a/" * 3000, "🎸" * 1500, "[" * 5000, " " * 7000, "%41" * 2000],
    }  # fmt: skip


@dataclass(frozen=True)
class Attack:
    """A request in which one parameter is hostile."""

    route: str
    where: str
    kind: str
    text: str
    target: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def path(self) -> str:
        """The path as the server reads it. A hostile parameter can lead to another route, or to none."""
        return unquote(self.target.partition("?")[0])

    def __str__(self) -> str:
        return f"{self.route}, {self.where}, {self.kind} {self.text[:60]!r}"


def attacks(
    document: Document, texts: Mapping[str, list[str]], belongings: Mapping[str, str], each: int
) -> Iterator[Attack]:
    """Return ``each`` attacks on every parameter. They take turns, so that also few of them use the whole corpus."""
    turns = itertools.cycle([(kind, text) for row in itertools.zip_longest(*texts.values()) for kind, text in
                             zip(texts, row, strict=True) if text is not None])  # fmt: skip
    for route, operation in document.operations.items():
        places = [(one["in"], one["name"]) for one in operation.get("parameters", [])]
        places += [("body", name) for name in _body(document, operation)[1]] + [("body", "*"), ("query", "unexpected")]
        for where, name in places:
            for kind, text in itertools.islice(turns, each):
                yield _attack(document, route, (where, name), kind, text, belongings)


def _attack(
    document: Document, route: str, place: tuple[str, str], kind: str, text: str, belongings: Mapping[str, str]
) -> Attack:
    operation, path = document.operations[route], route.split(" ")[1]
    where, name = place
    for one in operation.get("parameters", []):
        if one["in"] == "path":
            hostile = place == ("path", one["name"])
            value = quote(text, safe="%") if hostile else quote(belongings.get(one["name"], "x"), safe="/")
            path = path.replace(f"{{{one['name']}}}", value)
    if where == "query":
        path += "?" + urlencode({name: text}, safe="%" if "%" in text else "")
    media, fields = _body(document, operation)
    values = {key: belongings.get(key, value) for key, value in fields.items()}
    if where == "body" and name != "*":
        values[name] = text
    headers = {"Content-Type": media} if media else {}
    body = _encoded(media, values) if place != ("body", "*") else text.encode("utf-8", "replace")
    if "multipart" in media:
        headers["Content-Type"] += "; boundary=fuzz"
    if where == "header":
        headers[name] = text
    return Attack(route, f"{where} {name}", kind, text, path, headers, body)


def _body(document: Document, operation: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The media type of a body and examples of its fields."""
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        properties = document.resolved(content["schema"]).get("properties", {})
        return media, {name: _example(document, schema) for name, schema in properties.items()}
    return "", {}


def _example(document: Document, schema: dict[str, Any]) -> Any:
    schema = document.resolved(schema)
    if "examples" in schema:
        return schema["examples"][0]
    return schema.get("default", schema.get("enum", ["x"])[0])


def _encoded(media: str, values: Mapping[str, Any]) -> bytes:
    if not media:
        return b""
    if media == "application/json":
        return json.dumps(values).encode()
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}
    if media == "application/x-www-form-urlencoded":
        return urlencode(texts).encode()
    parts = [
        # A hostile value is also the name of its file.
        f'--fuzz\r\nContent-Disposition: form-data; name="{name}"; filename="{text[:1000]}"\r\n\r\n{text}\r\n'
        if name in ("file", "stems[]")
        else f'--fuzz\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'
        for name, text in texts.items()
    ]
    return "".join([*parts, "--fuzz--\r\n"]).encode("utf-8", "replace")


def send(base_url: str, attack: Attack, credentials: Mapping[str, str]) -> httpx.Response:
    """Send an attack as it is: other clients tidy up paths and refuse to send hostile headers."""
    address = urlsplit(base_url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=60)
    try:
        connection.putrequest(attack.route.split(" ")[0], attack.target)
        for name, value in {**attack.headers, **credentials}.items():
            # http.client refuses a line break; the bytes of a header that the server sees begin a new line anyway.
            raw = value.replace("\r\n", " ").replace("\n", " ").encode("utf-8", "replace")
            connection.putheader(name, raw)
        connection.putheader("Content-Length", str(len(attack.body)))
        connection.endheaders(attack.body)
        answer = connection.getresponse()
        return httpx.Response(answer.status, headers=answer.getheaders(), content=answer.read())
    finally:
        connection.close()
