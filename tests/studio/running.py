"""Runs the specs beside this file, which drive a real browser.

``python -m tests.studio.running pictures`` or ``measure`` (``dev/bench/studio``) starts a stack for them.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.api.stories import encoded, song
from tests.broken_media import by_ffmpeg
from tests.stacks import Stack, embedded

FOLDER = Path(__file__).parent
NODE = Path(sys.executable).with_name("node")
BUILD = FOLDER.parents[1] / "services" / "gateway" / "web" / "studio"
_PLAYWRIGHT = FOLDER.parent / "node_modules" / "@playwright" / "test" / "cli.js"
# With CI set, a missing build or browser fails the test; elsewhere it skips the test.
needs_browser = pytest.mark.skipif(
    not all(path.exists() for path in (NODE, _PLAYWRIGHT, BUILD)) and not os.environ.get("CI"),
    reason="`make test` builds the studio and installs a browser",
)
_SONG_SECONDS = (0.5, 2, 8, 12, 40)


def run(stack: Stack, folder: Path, *arguments: str, **environment: str) -> None:
    """Run the specs that ``arguments`` of ``playwright test`` select. What they leave is in ``folder``.

    Raises:
        AssertionError: a spec has failed. The message is the end of what Playwright prints, and what the pages showed.
    """
    for seconds in _SONG_SECONDS:
        (folder / f"{seconds}.wav").write_bytes(encoded(song(seconds)))
    (folder / "cover.m4a").write_bytes(by_ffmpeg(song(2), "mp4", "aac", cover=True))
    finished = subprocess.run(
        [str(NODE), str(_PLAYWRIGHT), "test", "--config", str(FOLDER), "--output", str(folder / "results"), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=3600,
        env={
            **os.environ,
            "PATH": f"{NODE.parent}{os.pathsep}{os.environ['PATH']}",
            "TMPDIR": str(folder),
            "STUDIO_ADDRESS": stack.base_url,
            "STUDIO_TOKEN": stack.token,
            "STUDIO_SONGS": str(folder),
            **environment,
        },
    )
    if finished.returncode != 0:
        pages = [path.read_text() for path in sorted(folder.glob("results/*/error-context.md"))]
        raise AssertionError("\n".join([finished.stdout[-20_000:], *pages])[:40_000])
    sys.stdout.write(finished.stdout)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary, embedded(Path(temporary, "data")) as started:
        run(started, Path(temporary), "--project", sys.argv[1])
