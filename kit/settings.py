"""Settings from environment variables.

Each setting is a variable ``SOUNDWRIGHT_<NAME>``, with its unit in the name if it has one. The defaults run the whole
stack on one machine below one data directory.
"""

import difflib
import hashlib
import os
import re
import secrets
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from soundwright.kit.security.certificates import CertificateError, Certificates
from soundwright.kit.security.egress_policy import EgressPolicy
from soundwright.kit.security.private_files import create_private, private_folder
from soundwright.kit.security.secrets import SecretError, Secrets
from soundwright.kit.security.signing_keys import DerivedKeys, FileKeys, KeyFileError, SigningKeys

_PREFIX = "SOUNDWRIGHT_"
# The kernel limits the path of a Unix socket to 107 bytes. This is what remains for the folder of the longest name.
_SOCKET_PATH_LIMIT_BYTES = 107 - len("/generation.ops.sock")
QUEUES = {
    "ingest": "ingest",
    "separation": "separation",
    "export": "separation",
    "lalalai": "separation",
    "analysis": "analysis",
    "generation": "generation",
}
"""The component of each queue. Each :class:`soundwright.kit.worker.kind.WorkQueue` of a component has one of these names. The rights
in NATS follow from this table: after a change, run ``make docs``."""


def _split(value: object) -> object:
    return tuple(filter(None, map(str.strip, value.split(",")))) if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
NameSet = Annotated[frozenset[str], NoDecode, BeforeValidator(_split)]
"""Texts separated by commas."""


class SettingsError(Exception):
    """One or more settings are invalid. The message has one line for each."""


class Settings(BaseSettings):
    """The settings that all components share. The settings of each component extend this class."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, frozen=True, extra="ignore")

    data_dir: Path = Path("data")
    gateway_port: int = Field(4000, ge=1, le=65535)

    docs_url: str = Field(
        "", description="sqlite:///path or mongodb://host:port/database; empty: a file in the data directory"
    )
    blobs_url: str = Field(
        "",
        description="file:///path, s3+http://host:port/bucket or s3+https://host/bucket; empty: a folder in the data directory",
    )
    blobs_access_key: SecretStr = Field(SecretStr(""), description="access key of the S3 store")
    blobs_secret_key: SecretStr = Field(SecretStr(""), description="secret key of the S3 store")
    blobs_public_url: str = Field(
        "",
        pattern=r"^(https?://[^/?#\s]+/?)?$",
        description="https://host[:port] at which clients reach the S3 store; empty: the gateway passes files on",
    )
    nats_url: SecretStr = Field(
        SecretStr(""),
        description="nats://host:port or tls://host:port, several separated by commas; empty: the broker that the supervisor "
        "starts",
    )
    nats_user: str = Field("", description="user at the broker; empty: the one in the URL, if any")
    nats_password: SecretStr = Field(SecretStr(""), description="password of nats_user")
    nats_creds_file: Path | None = Field(
        None, description="credentials file (.creds) for the broker, with JWT and seed"
    )
    nats_replica_count: int = Field(1, ge=1, le=5, description="servers that store each stream")
    nats_sync_interval: str = Field(
        "always",
        pattern=r"^(always|[1-9][0-9]*(ms|s|m))$",
        description="how often the broker of the stack writes messages to disk: always, or an interval such as 10s",
    )

    library_addr: str = Field("", description="gRPC address; empty: a Unix socket below the data directory")
    ingest_addr: str = ""
    separation_addr: str = ""
    analysis_addr: str = ""
    generation_addr: str = ""
    grpc_bind: str = Field("", description="address that this component's gRPC server binds; empty: its own address")
    grpc_token_bind: str = Field(
        "", description="host:port for gRPC clients with an API token and no certificate; empty: none"
    )
    service_mesh: bool = Field(False, description="a service mesh encrypts and authenticates gRPC between hosts")
    ops_bind: str = Field("", description="host:port of /metrics, /livez and /readyz; empty: a Unix socket")

    tls_ca_file: str = Field("", description="PEM: the CA that signs the certificates of all components")
    tls_cert_file: str = Field("", description="PEM: the certificate of this component; empty: no TLS")
    tls_key_file: str = Field("", description="PEM: the private key of this component's certificate")

    secret: SecretStr = Field(
        SecretStr(""),
        description="the secret of the platform, then previous ones, separated by spaces; empty: generated, and stored in the "
        "data directory",
    )
    signing_key_file: str = Field("", description="PEM: this component's Ed25519 key for principals; empty: derived")
    verification_keys_file: str = Field("", description="JWK set: the public keys of all components")
    open_access: bool = False
    registration: bool = Field(True, description="users may register accounts at /users/register")
    public_url: str = Field(
        "",
        pattern=r"^(https?://[^/?#\s]+/?)?$",
        description="URL of the gateway for browsers; empty: the loopback address",
    )
    fallback: bool = False
    unlicensed_models: NameSet = Field(
        frozenset(),
        description="comma-separated models that may run although no licence of their weights is stated; * for all",
    )

    lease_seconds: float = Field(20.0, ge=1, le=600)
    drain_seconds: float = Field(
        2.0, ge=0, le=3600, description="how long a stopping component lets its running jobs continue"
    )
    warm_up: bool = Field(
        True, description="load what jobs need after the start, so that the first job does not wait for it"
    )
    engine_idle_seconds: float = Field(
        600.0, gt=0, description="an engine process without work for so long ends, which frees its models"
    )
    worker_queues: Names = Field(("all",), description="comma-separated queues whose jobs this process runs; all; none")
    rate_normal_per_minute: int = Field(60, ge=1, description="all other requests; gRPC: refused calls of an address")
    rate_heavy_per_minute: int = Field(10, ge=1, description="requests that start separations, analyses and downloads")
    rate_polling_per_minute: int = Field(
        1200,
        ge=1,
        description="requests for the status of jobs and tracks, and reads of browsers; gRPC: all calls of an account",
    )
    rpc_timeout_seconds: float = Field(10.0, gt=0)
    max_audio_seconds: float = Field(4 * 3600.0, gt=0)
    max_audio_sample_count: int = Field(
        1_500_000_000,
        gt=0,
        description="samples of a recording, of all channels together, before and while it is decoded",
    )
    max_upload_bytes: int = Field(2 * 1024**3, gt=0)
    fetch_allow_hosts: Names = Field(
        (), description="comma-separated host or host:port that downloads and webhooks may reach at a private address"
    )

    otlp_endpoint: str = Field(
        "",
        pattern=r"^(https?://[^/?#@\s]+/?)?$",
        description="http(s)://host:port of an OpenTelemetry receiver (OTLP over gRPC) for traces; empty: no traces",
    )
    trace_ratio: float = Field(1.0, ge=0, le=1, description="share of the traces that are recorded")

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console"] = "json"

    @field_validator("nats_url")
    @classmethod
    def _are_brokers(cls, value: SecretStr) -> SecretStr:
        for server in filter(None, value.get_secret_value().split(",")):
            if not re.fullmatch(r"(nats|tls)://([^@/\s]*@)?([\w.-]+|\[[0-9a-fA-F:]+\])(:\d{1,5})?/?", server.strip()):
                raise ValueError("use nats://host:port or tls://host:port, several separated by commas")
        return value

    @field_validator("fetch_allow_hosts")
    @classmethod
    def _are_hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        EgressPolicy(value)
        return value

    @field_validator("worker_queues")
    @classmethod
    def _are_queues(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = sorted(set(value) - {*QUEUES, "all", "none"})
        if unknown or not value or (len(value) > 1 and {"all", "none"} & set(value)):
            raise ValueError(f"use all, none, or a comma-separated list of {', '.join(QUEUES)}")
        return value

    def serves_queue(self, name: str) -> bool:
        """Return whether this process runs the jobs of a queue."""
        return name in self.worker_queues or self.worker_queues == ("all",)

    @property
    def run_dir(self) -> Path:
        """Folder of sockets and port files. It depends on the data directory only, so stacks do not share it."""
        preferred = self.data_dir.resolve() / "run"
        if len(str(preferred).encode()) <= _SOCKET_PATH_LIMIT_BYTES:
            return preferred
        digest = hashlib.sha256(str(preferred).encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"soundwright-{digest}"

    def prepare_folders(self) -> None:
        """Create the data directory and the folder of sockets. No other user may enter them.

        Raises ``SettingsError``: another user owns the folder of sockets.
        """
        try:
            private_folder(self.data_dir)
            private_folder(self.run_dir)
        except PermissionError as error:
            raise SettingsError(f"{error}. Remove it, or choose a shorter path for SOUNDWRIGHT_DATA_DIR.") from None

    @property
    def public_address(self) -> str:
        """Base URL of links to the gateway. It never comes from a request, which can name any host."""
        return self.public_url.rstrip("/") or f"http://127.0.0.1:{self.gateway_port}"

    def scratch_dir(self, component: str) -> Path:
        """Return the folder for temporary files of a component's processes."""
        return self.data_dir.resolve() / "scratch" / component

    def grpc_address(self, component: str) -> str:
        """Return the gRPC address of ``component`` for its clients."""
        configured: str = getattr(self, f"{component}_addr", "")
        return configured or f"unix:{self.run_dir / component}.sock"

    def ops_address(self, component: str) -> str:
        """Return the address of ``/metrics``, ``/livez`` and ``/readyz`` of ``component``."""
        return self.ops_bind or f"unix:{self.run_dir / component}.ops.sock"

    @property
    def certificates(self) -> Certificates:
        return Certificates(self.tls_ca_file, self.tls_cert_file, self.tls_key_file)

    def blobs_location(self) -> str:
        """Return the URL of the file store."""
        return self.blobs_url or f"file://{self.data_dir.resolve() / 'blobs'}"

    def docs_location(self) -> str:
        """Return the URL of the document store."""
        return self.docs_url or f"sqlite://{self.data_dir.resolve() / 'library.db'}"

    def secrets(self) -> Secrets:
        """Return the secrets of the platform: the configured ones, or those in the file ``secret`` of the data directory,
        which is created with one secret.

        Raises ``SettingsError``: the secret is too short.
        """
        configured = self.secret.get_secret_value()
        path = self.secret_file
        if not configured and not path.exists():
            create_private(path, new_secret())  # several components may start at once, and use the same secret
        try:
            return Secrets.of(configured) if configured else Secrets(path.read_text, path)
        except SecretError as error:
            raise SettingsError(f"SOUNDWRIGHT_SECRET or {path}: {error}") from None

    @property
    def secret_file(self) -> Path:
        """The file of the secrets that are used if ``SOUNDWRIGHT_SECRET`` is empty."""
        return self.data_dir.resolve() / "secret"

    def signing_keys(self, component: str) -> SigningKeys:
        """Return the keys with which ``component`` signs its calls and verifies the calls of others.

        Raises ``SettingsError``: a key file is missing or unusable, or the secret is too short.
        """
        if bool(self.signing_key_file) != bool(self.verification_keys_file):
            raise SettingsError("SOUNDWRIGHT_SIGNING_KEY_FILE and SOUNDWRIGHT_VERIFICATION_KEYS_FILE need each other.")
        if not self.signing_key_file:
            return DerivedKeys(component, self.secrets())
        try:
            return FileKeys(component, self.signing_key_file, self.verification_keys_file)
        except KeyFileError as error:
            raise SettingsError(str(error)) from None


def new_secret() -> str:
    return secrets.token_urlsafe(32)


S = TypeVar("S", bound=Settings)


def load(kind: type[S]) -> S:
    """Read ``kind`` from the environment.

    Raises ``SettingsError``: names every invalid value and the reason, or the TLS file that cannot be used.
    """
    try:
        settings = kind()
        settings.certificates.check()
        return settings
    except CertificateError as error:
        raise SettingsError(str(error)) from None
    except ValidationError as error:
        prefix = kind.model_config.get("env_prefix", "")
        lines = [f"{prefix}{'_'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors()]
        raise SettingsError("\n".join(lines)) from None


def unknown_variables(kinds: Iterable[type[Settings]]) -> dict[str, str]:
    """Return the ``SOUNDWRIGHT_*`` variables of the environment that are no setting of any of ``kinds``.

    The values are the settings with the most similar names, or empty if no name is similar.
    """
    known = {name.upper() for kind in kinds for name in kind.model_fields}
    given = {variable: variable.upper().removeprefix(_PREFIX) for variable in sorted(os.environ)}
    return {
        variable: "".join(f"{_PREFIX}{match}" for match in difflib.get_close_matches(name, known, n=1))
        for variable, name in given.items()
        if variable.upper().startswith(_PREFIX) and name not in known
    }
