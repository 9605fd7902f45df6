"""A site with recordings: a search that answers with a feed, files, and everything that goes wrong at sites."""

import threading
from collections.abc import Callable
from html import escape
from urllib.parse import parse_qs, urlsplit

from tests.simulators.server import Handler, Simulator


class MediaSite(Simulator):
    """What lies at which path is up to the test.

    Attributes:
        seen: path and query of every request, in order.
        found: what the search at ``/search?q=`` answers: (title, artist, seconds or None, address).
        underway: set while a body that does not end by itself is being sent.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(_Handler, host, port)
        self.seen: list[str] = []
        self.found: list[tuple[str, str, float | None, str]] = []
        self.underway = threading.Event()
        self.pages: dict[str, Callable[[_Handler], None]] = {}

    @property
    def search_url(self) -> str:
        return f"{self.url}/search?q={{query}}"

    def file(self, path: str, content: bytes, content_type: str = "audio/mpeg") -> str:
        return self._at(path, lambda handler: handler.send_file(content, content_type))

    def status(self, path: str, status: int) -> str:
        return self._at(path, lambda handler: handler.answer(status, b"as the test wants it"))

    def redirect(self, path: str, target: str, status: int = 302) -> str:
        return self._at(path, lambda handler: handler.answer(status, Location=target))

    def endless(self, path: str, piece: bytes, content_type: str = "audio/mpeg") -> str:
        """A body without a length that repeats ``piece`` for ever, as fast as it is read."""
        return self._at(path, lambda handler: handler.send_for_ever(piece, content_type, 0.0))

    def dripping(self, path: str, content: bytes, content_type: str = "audio/mpeg") -> str:
        """A body that comes in single bytes with pauses: each keeps the connection alive, and it never ends."""
        return self._at(path, lambda handler: handler.send_for_ever(content[:1], content_type, 0.05))

    def stalling(self, path: str, content: bytes, content_type: str = "audio/mpeg") -> str:
        """A body of which half comes, and then nothing any more."""
        return self._at(path, lambda handler: handler.send_half(content, content_type))

    def lying(self, path: str, content: bytes, claimed_bytes: int, content_type: str = "audio/mpeg") -> str:
        """A body of another length than its header says."""
        return self._at(path, lambda handler: handler.send_lie(content, claimed_bytes, content_type))

    def _at(self, path: str, page: "Callable[[_Handler], None]") -> str:
        self.pages[path] = page
        return f"{self.url}{path}"


class _Handler(Handler):
    simulator: MediaSite

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.simulator.seen.append(self.path)
        parts = urlsplit(self.path)
        if parts.path == "/search":
            self.answer(200, self._feed(parse_qs(parts.query)["q"][0]).encode(), "application/rss+xml")
        elif parts.path in self.simulator.pages:
            self.simulator.pages[parts.path](self)
        else:
            self.answer(404)

    def send_file(self, content: bytes, content_type: str) -> None:
        """The file, or the rest of it from where the client asks."""
        start = self.headers.get("Range", "").removeprefix("bytes=").partition("-")[0]
        if start.isdigit() and 0 < int(start) < len(content):
            where = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self.answer(206, content[int(start) :], content_type, Content_Range=where)
        else:
            self.answer(200, content, content_type)

    def send_for_ever(self, piece: bytes, content_type: str, pause_seconds: float) -> None:
        self._begin(content_type, None)
        try:
            while not self.simulator.stopping.wait(pause_seconds):
                self.wfile.write(piece)
                self.simulator.underway.set()
        finally:
            self.simulator.underway.clear()

    def send_half(self, content: bytes, content_type: str) -> None:
        self._begin(content_type, len(content))
        self.wfile.write(content[: len(content) // 2])
        self.simulator.underway.set()
        self.simulator.stopping.wait(60.0)

    def send_lie(self, content: bytes, claimed_bytes: int, content_type: str) -> None:
        self._begin(content_type, claimed_bytes)
        self.wfile.write(content)

    def _begin(self, content_type: str, length_bytes: int | None) -> None:
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Connection", "close")
        if length_bytes is not None:
            self.send_header("Content-Length", str(length_bytes))
        self.end_headers()

    def _feed(self, query: str) -> str:
        items = "".join(
            f"<item><title>{escape(title)}</title><description>{escape(artist)}</description>"
            + (f"<itunes:duration>{seconds}</itunes:duration>" if seconds is not None else "")
            + f'<enclosure url="{escape(address)}" type="audio/mpeg"/></item>'
            for title, artist, seconds, address in self.simulator.found
        )
        space = 'xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd"'
        head = f"<?xml version='1.0'?><rss version='2.0' {space}><channel><title>{escape(query)}</title>"
        return f"{head}{items}</channel></rss>"
