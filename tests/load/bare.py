"""A bare FastAPI application, with which the gateway is compared: it returns a track, and does nothing else.

python -m tests.load.bare PORT FILE: serve the JSON object in FILE at ``/async/{track_id}`` and ``/sync/{track_id}``. The first
route is a coroutine, the second one a function, which FastAPI runs in a thread.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

from demo.stack import free_ports

__all__ = ["serving"]


@contextlib.contextmanager
def serving(track: dict[str, Any], folder: Path) -> Iterator[str]:
    """Run the application in one process during the block. Yield its address."""
    file = folder / "track.json"
    file.write_text(json.dumps(track))
    (port,) = free_ports(1)
    process = subprocess.Popen([sys.executable, "-m", __name__, str(port), str(file)])
    try:
        url = f"http://127.0.0.1:{port}"
        while process.poll() is None:
            with contextlib.suppress(httpx.HTTPError):
                httpx.get(f"{url}/async/{track['id']}", timeout=2).raise_for_status()
                break
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait()


def main(port: str, file: str) -> None:
    app = FastAPI()
    track = json.loads(Path(file).read_text())

    @app.get("/async/{track_id}")
    async def get_track(track_id: str):  # type: ignore[no-untyped-def]  # a type of the result would change how it is encoded
        return {"data": {**track, "id": track_id}}

    @app.get("/sync/{track_id}")
    def get_track_in_thread(track_id: str):  # type: ignore[no-untyped-def]
        return {"data": {**track, "id": track_id}}

    uvicorn.run(app, port=int(port), access_log=False, log_level="warning")


if __name__ == "__main__":
    main(*sys.argv[1:])
