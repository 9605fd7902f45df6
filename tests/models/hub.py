"""A model hub over HTTP, and programs that load models from it."""

from __future__ import annotations

import hashlib
import http.server
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


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

    def __enter__(self) -> Hub:
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


def run_python(program: str, *arguments: str, **variables: str) -> list[str]:
    """Run a program in a process of its own, as libraries read variables only once. Return its lines."""
    environment = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    environment |= {"PYTHONPATH": str(Path(__file__).parents[2]), **variables}
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.splitlines()


class Trap:
    """Pickles to a call that makes a folder."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self._path),)
