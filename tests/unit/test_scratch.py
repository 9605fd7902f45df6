"""Folders for temporary files."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

from kit.scratch import process_folder


def test_a_process_removes_the_folders_of_dead_processes_of_its_own_host_only(tmp_path: Path) -> None:
    host = socket.gethostname()
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for name in (f"{host}-{dead.pid}", f"{host}-{os.getppid()}", f"elsewhere-{dead.pid}", f"{host}-more-{dead.pid}"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "stem.wav").write_bytes(b"1")
    with process_folder(tmp_path) as own:
        assert own.name == f"{host}-{os.getpid()}"
        left = {path.name for path in tmp_path.iterdir()}
        assert left == {own.name, f"{host}-{os.getppid()}", f"elsewhere-{dead.pid}", f"{host}-more-{dead.pid}"}
    assert not own.exists()
