"""A NATS server with JetStream for tests: started on a free port, killed and started again on the same port and store."""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.servers import executable, free_ports
from tests.waiting import until

ACCOUNTS = Path(__file__).parents[2] / "deploy" / "nats" / "accounts.conf"
_JETSTREAM = 'jetstream { store_dir: "{store}" }'


class NatsServer:
    """``nats-server`` as a child process, its store in ``home``.

    Args:
        config: a configuration that replaces the default one, which enables JetStream. ``{store}`` is the folder of streams.
        environment: variables that the configuration uses.
    """

    def __init__(self, home: Path, config: str = _JETSTREAM, environment: Mapping[str, str] | None = None) -> None:
        self._executable = executable("nats-server", "run `make setup`")
        self._store = home / "jetstream"
        self._log = home / "nats.log"
        self._config = home / "nats.conf"
        self._environment = environment or {}
        (self.port,) = free_ports(1)
        self._process: subprocess.Popen[bytes] | None = None
        self.configure(config)

    def configure(self, config: str) -> None:
        """Write the configuration, for the next start or :meth:`reload`."""
        self._config.write_text(config.replace("{store}", str(self._store)))

    def reload(self) -> None:
        """Read the configuration again, without a restart."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    async def start(self) -> None:
        self._process = self._spawn()

        async def accepts() -> bool:
            assert self.running, self.log()
            return await self._accepts()

        await until(accepts, "nats-server starts")

    def _spawn(self) -> subprocess.Popen[bytes]:
        options = ["--addr", "127.0.0.1", "--port", str(self.port), "--log", str(self._log)]
        command = [self._executable, "--config", str(self._config), *options]
        return subprocess.Popen(command, env={**os.environ, **self._environment})

    async def _accepts(self) -> bool:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            greeting = await reader.readline()
        except OSError:  # also a connection that a server resets while it starts
            return False
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return greeting.startswith(b"INFO")

    def log(self) -> str:
        return self._log.read_text() if self._log.exists() else ""

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def leave(self) -> None:
        """Begin an orderly stop, as an operator does before an upgrade: the server hands over its work, then ends."""
        assert self._process is not None
        subprocess.run([self._executable, "--signal", f"ldm={self._process.pid}"], check=True, capture_output=True)

    def stop(self) -> None:
        """End it in order: it writes the state of streams and consumers first."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait()
        self._process = None

    def kill(self) -> None:
        """End it without warning, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def wipe(self) -> None:
        """Lose everything, as with a new disk."""
        assert self._process is None
        shutil.rmtree(self._store)


class NatsCluster:
    """Three servers, which can store streams with three replicas."""

    def __init__(self, home: Path) -> None:
        routes = free_ports(3)
        self.servers: dict[str, NatsServer] = {}
        for number, port in enumerate(routes):
            name = f"server-{number}"
            (home / name).mkdir()
            config = (
                f"server_name: {name}\n{_JETSTREAM}\nlame_duck_duration: 30s\nlame_duck_grace_period: 1s\n"
                f'cluster {{ name: test, listen: "127.0.0.1:{port}", routes: '
                f"[{', '.join(f'nats://127.0.0.1:{route}' for route in routes)}] }}"
            )
            self.servers[name] = NatsServer(home / name, config)

    @property
    def url(self) -> str:
        return ",".join(server.url for server in self.servers.values())

    async def start(self, *names: str) -> None:
        """Start the servers that do not run, or those of them that are named."""
        for name, server in self.servers.items():
            if not server.running and (name in names or not names):
                await server.start()

    def kill(self, *names: str) -> None:
        for name in names or self.servers:
            self.servers[name].kill()


def nats_user(name: str) -> dict[str, str]:
    """Return the settings of a component that is a user of deploy/nats/accounts.conf."""
    return {"SOUNDWRIGHT_NATS_USER": name, "SOUNDWRIGHT_NATS_PASSWORD": f"password-of-{name}"}


def nats_with_users(home: Path) -> NatsServer:
    """Return a server with the users of deploy/nats/accounts.conf and their rights. It is not started yet."""
    shutil.copy(ACCOUNTS, home)
    names = re.findall(r"user: (\w+), password: \$(\w+)", ACCOUNTS.read_text())
    passwords = {variable: nats_user(name)["SOUNDWRIGHT_NATS_PASSWORD"] for name, variable in names}
    return NatsServer(home, f'{_JETSTREAM}\ninclude "./accounts.conf"', passwords)


@contextlib.contextmanager
def nats(folder: Path, *, users: bool = False) -> Iterator[str]:
    """Run a server for the length of the block and yield its URL.

    Args:
        users: clients must be users of deploy/nats/accounts.conf, see :func:`nats_user`. Otherwise everybody may do
            everything.
    """
    server = nats_with_users(folder) if users else NatsServer(folder)
    asyncio.run(server.start())
    try:
        yield server.url
    finally:
        server.kill()
