"""``make demo``, as a new user sees it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import soundfile
from stories import encoded, song

from tests.stacks import Stack

ROOT = Path(__file__).parents[2]


def test_the_demo_prints_stems_and_next_steps_in_eighty_columns(stack: Stack, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'gen'}",
        "SOUNDWRIGHT_DATA_DIR": str(stack.data_dirs[0]),
        "SOUNDWRIGHT_GATEWAY_PORT": str(urlsplit(stack.base_url).port),
        "COLUMNS": "80",
    }
    for _ in range(2):  # the second time, the track exists
        (tmp_path / "my song.wav").write_bytes(encoded(song(1.0)))
        finished = subprocess.run(
            [sys.executable, "-m", "demo", "my song.wav"], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert finished.returncode == 0, finished.stdout + finished.stderr
    lines = finished.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split(":")[0] for line in lines[-3:]] == [
        "Listen to the stems",
        "Mix them yourself",
        "Separate your song",
    ]
    folder = tmp_path / "demo-output" / "my song"
    assert {soundfile.info(path).frames for path in folder.glob("*.flac")} == {44_100}
    assert json.loads((folder / "analysis.json").read_text())
    missing = subprocess.run([sys.executable, "-m", "demo", "no.wav"], cwd=ROOT, capture_output=True, text=True)
    assert (missing.returncode, "File not found: no.wav" in missing.stdout) == (2, True)
