"""A NATS server of this machine, whose queues KEDA reads."""

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nats
from nats.js import JetStreamContext

from soundwright.kit.security.certificates import Certificates
from tests.deploy.pods import Credentials
from tests.servers import free_ports
from tests.servers.nats import ACCOUNTS, NatsServer, nats_user


@dataclass(frozen=True)
class Broker:
    """A NATS server with the configuration of the overlay ``dev``, and the streams of the platform.

    Attributes:
        monitoring: the address that KEDA asks.
    """

    url: str
    monitoring: str
    certificates: Certificates

    def put(self, queue: str, count: int) -> None:
        """Publish commands that nobody runs."""

        async def publish(stream: JetStreamContext) -> None:
            for _ in range(count):
                await stream.publish(f"soundwright.cmd.{queue}.v1.job.run", b"")

        asyncio.run(self._call(queue, publish))

    def take(self, queue: str, count: int) -> None:
        async def fetch(stream: JetStreamContext) -> None:
            consumer = await stream.pull_subscribe_bind(f"{queue}_job_run", "SOUNDWRIGHT_CMD")
            for message in await consumer.fetch(count, timeout=60):
                await message.ack_sync()

        asyncio.run(self._call(queue, fetch))

    async def _call(self, component: str, action) -> None:  # type: ignore[no-untyped-def]
        user = nats_user(component)
        client = await nats.connect(
            self.url, user=user["SOUNDWRIGHT_NATS_USER"], password=user["SOUNDWRIGHT_NATS_PASSWORD"],
            tls=self.certificates.client_context(), inbox_prefix=f"_INBOX.{component}".encode(),
        )  # fmt: skip
        async with client:
            await action(client.jetstream())


@contextlib.contextmanager
def broker(credentials: Credentials, folder: Path) -> Iterator[Broker]:
    """Run a NATS server with TLS and the users of the platform, and create the streams as the library's init container does."""
    folder.mkdir()
    for name, content in credentials.certificate("soundwright-nats").items():
        (folder / name).write_text(content)
    shutil.copy(ACCOUNTS, folder)
    files = {part: str(folder / name) for part, name in (("CA", "ca.crt"), ("CERT", "tls.crt"), ("KEY", "tls.key"))}
    (monitoring,) = free_ports(1)
    environment = credentials.secrets()["soundwright-nats-users"] | {
        "NATS_SERVER_NAME": "soundwright-nats-0",
        "NATS_LISTEN": "127.0.0.1:4222",  # replaced by an option
        "NATS_MONITORING_LISTEN": f"127.0.0.1:{monitoring}",
        "NATS_STORE_DIR": str(folder / "store"),
        **{f"NATS_TLS_{part}_FILE": path for part, path in files.items()},
    }
    server = NatsServer(folder, (ACCOUNTS.parent / "server.conf").read_text(), environment)
    asyncio.run(server.start())
    try:
        started = Broker(
            server.url.replace("nats://", "tls://"), f"127.0.0.1:{monitoring}", Certificates(*files.values())
        )
        settings = nats_user("init") | {
            "SOUNDWRIGHT_DATA_DIR": str(folder / "data"),
            "SOUNDWRIGHT_NATS_URL": started.url,
            "SOUNDWRIGHT_NATS_REPLICA_COUNT": "1",
            **{f"SOUNDWRIGHT_TLS_{part}_FILE": path for part, path in files.items()},
        }
        command = [sys.executable, "-m", "soundwright.services.broker", "init"]
        subprocess.run(command, env={**os.environ, **settings}, check=True)
        yield started
    finally:
        server.kill()
