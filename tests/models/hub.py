"""A model hub over HTTP, and code that a checkpoint may contain."""

import contextlib
import hashlib
import http.server
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import close_session, constants


class Hub(http.server.ThreadingHTTPServer):
    """As much of the model hub and of a mirror as a download needs.

    Args:
        answer: returns the content of a path, or a status.
        hold: while this file exists, the second halves of files wait.

    Attributes:
        requests: method and path of each request.
    """

    def __init__(self, answer: Callable[[str], bytes | int], hold: Path | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.hold = hold
        self.requests: list[str] = []
        self.url = f"http://127.0.0.1:{self.server_port}"
        self._thread = threading.Thread(target=self.serve_forever)

    def __enter__(self) -> "Hub":
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.shutdown()
        super().__exit__(*exception)
        self._thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Hub

    def do_GET(self) -> None:
        self.server.requests.append(f"{self.command} {self.path}")
        content = self.server.answer(self.path)
        if isinstance(content, int):
            self.send_error(content)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", "0123456789" * 4)
        self.end_headers()
        if self.command == "GET":
            half = len(content) // 2
            self.wfile.write(content[:half])
            while self.server.hold is not None and self.server.hold.exists():
                time.sleep(0.02)
            self.wfile.write(content[half:])

    do_HEAD = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextlib.contextmanager
def hub_settings(cache: Path, url: str, *, is_offline: bool = False) -> Iterator[None]:
    """Use a cache and a hub. The hub's library reads these from the environment, but only when it is imported."""
    settings = {
        "HF_HOME": str(cache), "HF_HUB_CACHE": str(cache / "hub"), "HF_HUB_OFFLINE": is_offline, "ENDPOINT": url,
        "HUGGINGFACE_CO_URL_TEMPLATE": f"{url}/{{repo_id}}/resolve/{{revision}}/{{filename}}",
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "*")
        for name, value in settings.items():
            patch.setattr(constants, name, value)
        yield
    close_session()


class Trap:
    """Pickles to a call that makes a folder."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self._path),)
