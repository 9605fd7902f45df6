"""A MongoDB-compatible server.

Tests use the server or replica set that ``SOUNDWRIGHT_TEST_MONGODB_URL`` names, or start ``mongod`` from ``PATH``, or SecantusDB from
the folder that ``make test`` installs it into. SecantusDB speaks MongoDB's wire protocol over the WiredTiger engine. With ``mongod``,
the contract tests run on each of ``TOPOLOGIES``. Tests that kill or configure a server always start their own.
"""

import contextlib
import os
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from shutil import which
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from pymongo import MongoClient

from soundwright.kit.security.certificates import Certificates
from tests.servers import executable, free_ports, serving

_URL = os.environ.get("SOUNDWRIGHT_TEST_MONGODB_URL", "")  # read here, because tests run without such variables
_SET_NAME = "test"
SECANTUS = Path(__file__).parents[2] / ".servers" / "secantusdb" / "bin"


if _URL:
    TOPOLOGIES = {"named server": 0}
elif which("mongod"):
    TOPOLOGIES = {"standalone": 0, "replica set of one": 1, "replica set of three": 3}
else:
    TOPOLOGIES = {"secantusdb": 0}
"""How many members the replica set of each has; 0: it is a standalone server."""


@contextlib.contextmanager
def mongodb(folder: Path, member_count: int = 0) -> Iterator[str]:
    """Yield the URL of a server, without a database. See :func:`database_url`.

    Args:
        member_count: Start a replica set with as many members; 0: a standalone server.
    """
    if _URL:
        yield _URL
        return
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        servers = [
            stack.enter_context(contextlib.closing(MongodbServer(folder / str(number), replica_set=member_count > 0)))
            for number in range(member_count or 1)
        ]
        if member_count:
            name = start_replica_set(servers)
            yield f"mongodb://{','.join(server.address for server in servers)}/?replicaSet={name}"
        else:
            servers[0].start()
            yield servers[0].url


def database_url(server: str, name: str, proxy: str = "") -> str:
    """Return the URL of a database, with the credentials and options of the URL of its server.

    Args:
        proxy: The address of a proxy in front of the server.
    """
    parts = urlsplit(server)
    if proxy:
        credentials, at, _ = parts.netloc.rpartition("@")
        # A client that looks for the members of a replica set would pass by the proxy.
        options = [(key, value) for key, value in parse_qsl(parts.query) if key.lower() != "replicaset"]
        query = urlencode([*options, ("directConnection", "true")])
        parts = parts._replace(netloc=f"{credentials}{at}{proxy}", query=query)
    return urlunsplit(parts._replace(path=f"/{name}"))


def primary_of(server: str) -> str:
    """Return the address of the server, or of the primary of its replica set."""
    with MongoClient[dict[str, Any]](server) as client:
        client.admin.command("ping")
        address = client.address
        assert address is not None
        return f"{address[0]}:{address[1]}"


class MongodbServer:
    """A server of the test's own, which it may kill and start again over the same data.

    Args:
        replica_set: Run it as a member of a replica set. See :func:`start_replica_set`. SecantusDB always has one member.
        tls: Its certificate. It then demands a certificate of the same CA from its clients.
    """

    def __init__(self, folder: Path, *, replica_set: bool = False, tls: Certificates | None = None) -> None:
        self._folder = folder
        self._replica_set = replica_set
        self._tls = tls
        self._process = contextlib.ExitStack()
        (self._port,) = free_ports(1)
        self.address = f"127.0.0.1:{self._port}"
        self.url = f"mongodb://{self.address}"

    def start(self, *, authenticate: bool = False) -> None:
        """Start the server, and wait until it accepts connections.

        Args:
            authenticate: Accept only users.
        """
        if program := which("mongod"):
            self._folder.mkdir(parents=True, exist_ok=True)
            command = [program, "--bind_ip", "127.0.0.1", "--port", str(self._port), "--dbpath", str(self._folder)]
            command += ["--replSet", _SET_NAME] if self._replica_set else []
            if self._tls is not None:
                self._folder.joinpath("server.pem").write_text(
                    Path(self._tls.cert_file).read_text() + Path(self._tls.key_file).read_text()
                )
                command += ["--tlsMode", "requireTLS", "--tlsCAFile", self._tls.ca_file]
                command += ["--tlsCertificateKeyFile", str(self._folder / "server.pem")]
        else:
            program = executable("secantusd-py", "run `make test`, which installs it", SECANTUS)
            command = [
                program, "--host", "127.0.0.1", "--port", str(self._port), "--storage-path", str(self._folder / "data"),
                "--cache-size", "256M",
            ]  # fmt: skip
            command += [] if self._replica_set else ["--standalone"]
            if self._tls is not None:
                command += ["--tls-cert-file", self._tls.cert_file, "--tls-key-file", self._tls.key_file]
                command += ["--tls-ca-file", self._tls.ca_file, "--tls-require-client-cert"]
        command += ["--auth"] if authenticate else []
        log = self._folder.parent / f"{self._folder.name}.log"
        self._process.enter_context(serving(command, log, self._accepts))

    def close(self) -> None:
        """Kill the server (SIGKILL), if it runs."""
        self._process.close()

    def _accepts(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
        except OSError:
            return False
        return True


def start_replica_set(servers: Sequence[MongodbServer]) -> str:
    """Start the members of a replica set, and wait for a primary. Return the name of the set."""
    for server in servers:
        server.start()
    with MongoClient[dict[str, Any]](servers[0].url, directConnection=True) as client:
        if "setName" not in client.admin.command("hello"):
            members = [{"_id": number, "host": server.address} for number, server in enumerate(servers)]
            client.admin.command("replSetInitiate", {"_id": _SET_NAME, "members": members})
        name = str(client.admin.command("hello").get("setName", _SET_NAME))
    with MongoClient[dict[str, Any]](servers[0].url, replicaSet=name) as client:
        client.admin.command("ping")  # waits for a primary
    return name
