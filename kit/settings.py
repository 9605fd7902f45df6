"""Settings: the only place that reads the environment.

Every value has a name ``SOUNDWRIGHT_<NAME>``, a unit in that name where it has one, and a default that makes the whole
stack run on one machine with nothing but a data directory.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import tempfile
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from kit.outbound.guard import Guard

__all__ = ["Settings", "SettingsError", "load"]

# The kernel allows 107 bytes for the path of a Unix socket; the longest name that is put below it is part of that.
_SOCKET_PATH_LIMIT_BYTES = 107 - len("/generation.ops.sock")


class SettingsError(Exception):
    """All problems with the settings at once, one a line."""


class Settings(BaseSettings):
    """What every component needs to know. A service's own settings extend this class."""

    model_config = SettingsConfigDict(env_prefix="SOUNDWRIGHT_", frozen=True, extra="ignore")

    data_dir: Path = Path("data")
    gateway_port: int = Field(4000, ge=1, le=65535)

    docs_url: str = Field("", description="sqlite:///path; empty: a file in the data directory")
    blobs_url: str = Field("", description="file:///path; empty: a folder in the data directory")
    nats_url: str = Field("", description="nats://host:port; empty: the broker that runs beside the services")

    library_addr: str = Field("", description="gRPC address; empty: a Unix socket below the data directory")
    ingest_addr: str = ""
    separation_addr: str = ""
    analysis_addr: str = ""
    generation_addr: str = ""
    grpc_bind: str = Field("", description="where this component's gRPC server listens; empty: its own address")
    ops_bind: str = Field("", description="host:port of /metrics, /livez and /readyz; empty: a Unix socket")

    secret: SecretStr = Field(SecretStr(""), description="signs principals; empty: made up, kept in the data directory")
    open_access: bool = False
    registration: bool = Field(True, description="people may make accounts for themselves at /users/register")
    public_url: str = Field(
        "",
        pattern=r"^(https?://[^/?#\s]+/?)?$",
        description="where browsers reach the gateway; empty: the loopback address",
    )
    fallback: bool = False

    lease_seconds: float = Field(20.0, ge=1, le=600)
    rpc_timeout_seconds: float = Field(10.0, gt=0)
    max_audio_seconds: float = Field(4 * 3600.0, gt=0)
    max_upload_bytes: int = Field(2 * 1024**3, gt=0)
    fetch_allow_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="host or host:port, separated by commas, that downloads and webhooks may reach although their "
        "address is private",
    )

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console"] = "json"

    @field_validator("fetch_allow_hosts", mode="before")
    @classmethod
    def _split_hosts(cls, value: object) -> object:
        return tuple(filter(None, map(str.strip, value.split(",")))) if isinstance(value, str) else value

    @field_validator("fetch_allow_hosts")
    @classmethod
    def _are_hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        Guard(value)
        return value

    @property
    def run_dir(self) -> Path:
        """Folder of sockets and port files. It follows from the data directory alone, so stacks never meet."""
        preferred = self.data_dir.resolve() / "run"
        if len(str(preferred).encode()) <= _SOCKET_PATH_LIMIT_BYTES:
            return preferred
        digest = hashlib.sha256(str(preferred).encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"soundwright-{digest}"

    @property
    def public_address(self) -> str:
        """What links to the gateway begin with. Never taken from a request, which could name any host."""
        return self.public_url.rstrip("/") or f"http://127.0.0.1:{self.gateway_port}"

    def scratch_dir(self, component: str) -> Path:
        """Folder below which the processes of a component keep their temporary files."""
        return self.data_dir.resolve() / "scratch" / component

    def grpc_address(self, component: str) -> str:
        """Where ``component`` answers gRPC, as its clients write it."""
        configured: str = getattr(self, f"{component}_addr", "")
        return configured or f"unix:{self.run_dir / component}.sock"

    def ops_address(self, component: str) -> str:
        return self.ops_bind or f"unix:{self.run_dir / component}.ops.sock"

    def blobs_location(self) -> str:
        return self.blobs_url or f"file://{self.data_dir.resolve() / 'blobs'}"

    def docs_location(self) -> str:
        return self.docs_url or f"sqlite://{self.data_dir.resolve() / 'library.db'}"

    def signing_key(self) -> bytes:
        """The key that signs principals: as configured, else made up once for this data directory."""
        configured = self.secret.get_secret_value()
        if configured:
            return configured.encode()
        path = self.data_dir.resolve() / "secret"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=".secret-")  # mode 0600
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_urlsafe(32))
            # Several components may start at once: linking is atomic, the first one wins, and nobody reads half a key.
            with contextlib.suppress(FileExistsError):
                Path(path).hardlink_to(draft)
            Path(draft).unlink()
        return path.read_bytes()


S = TypeVar("S", bound=Settings)


def load(kind: type[S]) -> S:
    """Read ``kind`` from the environment.

    Raises:
        SettingsError: names every value that does not fit and what would.
    """
    try:
        return kind()
    except ValidationError as error:
        prefix = kind.model_config.get("env_prefix", "")
        lines = [f"{prefix}{'_'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors()]
        raise SettingsError("\n".join(lines)) from None
