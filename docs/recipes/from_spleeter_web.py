"""Copy the songs of a Spleeter Web server, with titles and artists, and separate them again.

    python from_spleeter_web.py http://spleeter-web.example.org

SOUNDWRIGHT_SERVER and SOUNDWRIGHT_TOKEN name your server and your API token. The program needs soundwright-client. A second run
uploads no song again.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import httpx

from soundwright_client import Client, SoundwrightError

MODEL = "auto"


def main(old: str) -> int:
    failed = 0
    with (
        Client(os.environ.get("SOUNDWRIGHT_SERVER", "http://127.0.0.1:4000"), os.environ["SOUNDWRIGHT_TOKEN"]) as new,
        httpx.Client(base_url=old, timeout=60) as web,
        tempfile.TemporaryDirectory() as folder,
    ):
        for song in web.get("/api/source-track/").raise_for_status().json():
            name = f"{song['artist']} - {song['title']}"
            address = urljoin(old, song["url"])
            file = Path(folder, Path(unquote(urlsplit(address).path)).name)
            try:
                with web.stream("GET", address) as answer, file.open("wb") as copy:
                    answer.raise_for_status()
                    for chunk in answer.iter_bytes():
                        copy.write(chunk)
                # The ID of the old server is the key: the same song is uploaded and separated once.
                track = new.upload(file, title=song["title"], artist=song["artist"], idempotency_key=song["id"])
                new.separate(track, model=MODEL, idempotency_key=f"stems-{song['id']}").wait()
            except (httpx.HTTPError, SoundwrightError) as error:
                print(f"{name}: {error}", file=sys.stderr)
                failed += 1
            else:
                print(f"{name}: {track.id}")
            file.unlink(missing_ok=True)
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
