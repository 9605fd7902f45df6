"""What the broker of one machine remembers."""

from __future__ import annotations

import resource
import socket
from pathlib import Path

import pytest

from services import broker


def test_a_full_disk_leaves_the_remembered_port(tmp_path: Path) -> None:
    memory = tmp_path / "port"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = str(other.getsockname()[1])
        memory.write_text(taken)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
        try:
            with pytest.raises(OSError, match="too large"):
                broker._port(memory)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert memory.read_text() == taken
