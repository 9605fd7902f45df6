"""A stack on one machine whose settings name servers: it uses those, and starts and stores nothing of its own instead."""

from pathlib import Path

from stories import encoded, separated, song, upload

from tests.cluster import servers
from tests.stacks import embedded


def test_a_stack_uses_the_servers_that_its_settings_name(tmp_path: Path) -> None:
    content = encoded(song(1.0))
    with servers(tmp_path / "servers") as settings:
        with embedded(tmp_path / "data", {**settings, "HF_HUB_OFFLINE": "1"}) as stack, stack.client() as client:
            programs = {process.name() for process in stack.processes()}
            track = upload(client, content)
            separated(client, track["id"])
        assert not {path.name for path in (tmp_path / "data").iterdir()} & {"library.db", "blobs", "broker"}
        assert "nats-server" not in programs
