"""S3 servers: SeaweedFS, and MinIO where it is installed."""

import contextlib
import json
import ssl
import tempfile
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from shutil import which

from minio import Minio
from minio.credentials import StaticProvider
from minio.minioadmin import MinioAdmin

from soundwright.kit.adapters.s3.blobs import Access
from soundwright.kit.security.certificates import Certificates
from tests.servers import executable, free_ports, serving

ACCESS_KEY = "soundwright"
SECRET_KEY = "a secret of tests"
READER = ("reader", "a reading secret")
WRITER = ("writer", "a writing secret")
"""Accounts that may read all buckets; and read and write them, but create none."""


@dataclass(frozen=True)
class S3Server:
    """A running server."""

    address: str

    def new_bucket(self) -> str:
        """Create a bucket and return its URL as in ``SOUNDWRIGHT_BLOBS_URL``."""
        name = f"bucket-{uuid.uuid4().hex[:12]}"
        Minio(self.address, access_key=ACCESS_KEY, secret_key=SECRET_KEY, secure=False, region="us-east-1").make_bucket(
            name
        )
        return f"s3+http://{self.address}/{name}"

    def access(self, public_url: str = "") -> Access:
        return Access(self.new_bucket(), ACCESS_KEY, SECRET_KEY, public_url)


@contextlib.contextmanager
def seaweedfs(folder: Path, address: str = "", certificates: Certificates | None = None) -> Iterator[S3Server]:
    """Run SeaweedFS over a folder for the length of the block, and kill it at the end.

    Args:
        address: of an earlier server over the folder; empty: a free port.
        certificates: its certificate, for TLS.
    """
    program = executable("weed", "run `make setup`")
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    config = folder / "s3.json"
    accounts = ((ACCESS_KEY, SECRET_KEY, ["Admin"]), (*READER, ["Read", "List"]), (*WRITER, ["Read", "Write", "List"]))
    identities = [
        {"name": key, "credentials": [{"accessKey": key, "secretKey": secret}], "actions": actions}
        for key, secret, actions in accounts
    ]
    config.write_text(json.dumps({"identities": identities}))
    sockets = tempfile.TemporaryDirectory()  # their paths must be short
    ports = free_ports(8)
    address = address or f"127.0.0.1:{ports[0]}"
    options = {
        "s3.port": address.rpartition(":")[2], "s3.port.grpc": ports[1], "master.port": ports[2], "master.port.grpc": ports[3],
        "volume.port": ports[4], "volume.port.grpc": ports[5], "filer.port": ports[6], "filer.port.grpc": ports[7],
        "s3.port.iceberg": 0, "s3.port.lance": 0, "s3.autoCreateBucket": "false",
        "ip": "127.0.0.1", "ip.bind": "127.0.0.1", "volume.id": "tests", "dir": data, "s3.config": config,
        "filer.localSocket": Path(sockets.name, "filer.sock"), "s3.localSocket": Path(sockets.name, "s3.sock"), "master.telemetry": "false",
        # Each bucket gets several volumes. By default, their number is limited by what would fit on the disk if all were full.
        "volume.max": 100_000, "master.volumeSizeLimitMB": 64,
    }  # fmt: skip
    if certificates:
        options |= {"s3.cert.file": certificates.cert_file, "s3.key.file": certificates.key_file}
    command = [
        program,
        "-logtostderr",
        "server",
        "-filer",
        "-s3",
        *(f"-{name}={value}" for name, value in options.items()),
    ]

    def ready() -> bool:
        if certificates:
            return _status(f"https://{address}/status") == 200
        if _status(f"http://{address}/status") != 200:
            return False
        with contextlib.suppress(Exception):
            S3Server(address).new_bucket()
            return True
        return False

    try:
        with sockets, serving(command, folder / "weed.log", ready):
            yield S3Server(address)
    finally:
        for port in ports:  # it has no option for these
            for socket in Path("/tmp").glob(f"seaweedfs-*-grpc-{port}.sock"):
                socket.unlink()


@contextlib.contextmanager
def minio(folder: Path, address: str = "", certificates: Certificates | None = None) -> Iterator[S3Server]:
    """Run MinIO over a folder for the length of the block, and kill it at the end. See :func:`seaweedfs`."""
    program = executable("minio", "install MinIO's server and put it on PATH")
    port, console = free_ports(2)
    address = address or f"127.0.0.1:{port}"
    folder.mkdir(parents=True, exist_ok=True)
    command = [program, "server", "--address", address, "--console-address", f"127.0.0.1:{console}"]
    if certificates:
        (folder / "public.crt").write_bytes(Path(certificates.cert_file).read_bytes())
        (folder / "private.key").write_bytes(Path(certificates.key_file).read_bytes())
        command += ["--certs-dir", str(folder)]
    command.append(str(folder / "data"))
    url = f"http{'s' if certificates else ''}://{address}/"
    environment = {"MINIO_ROOT_USER": ACCESS_KEY, "MINIO_ROOT_PASSWORD": SECRET_KEY, "MINIO_BROWSER": "off"}

    def ready() -> bool:
        # MinIO says that it is ready before it serves. Then it answers that it is not initialized, instead of refusing the key.
        return _status(f"{url}minio/health/ready") == 200 and _status(url) == 403

    with serving(command, folder / "minio.log", ready, environment):
        if not certificates:
            _create_accounts(address)
        yield S3Server(address)


def _create_accounts(address: str) -> None:
    admin = MinioAdmin(endpoint=address, credentials=StaticProvider(ACCESS_KEY, SECRET_KEY), secure=False)
    reading = ["s3:GetObject", "s3:ListBucket"]
    for (name, secret), actions in ((READER, reading), (WRITER, [*reading, "s3:PutObject"])):
        statement = {"Effect": "Allow", "Action": actions, "Resource": ["arn:aws:s3:::*"]}
        admin.user_add(name, secret)
        admin.policy_add(name, policy={"Version": "2012-10-17", "Statement": [statement]})
        admin.policy_set(name, user=name)


SERVERS: dict[str, Callable[..., AbstractContextManager[S3Server]]] = {"seaweedfs": seaweedfs}
if which("minio"):
    SERVERS["minio"] = minio
"""The servers that contract tests run on."""


def _status(url: str) -> int:
    """Return the status of the answer to a request without credentials; 0 without an answer."""
    try:
        with urllib.request.urlopen(url, timeout=10, context=ssl._create_unverified_context()) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0
