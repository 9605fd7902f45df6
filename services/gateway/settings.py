"""Settings of the gateway."""

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from soundwright.kit.settings import Settings


@dataclass(frozen=True)
class ConversionLimits:
    """How many files there can be, and how many bytes. A file that is alone may have any size."""

    caller_count: int
    caller_bytes: int
    total_count: int
    total_bytes: int


class GatewaySettings(Settings):
    """The settings of the gateway, in addition to the shared ones."""

    gateway_host: str = Field("127.0.0.1", description="address that all listeners bind to")
    soundbox_port: int = Field(0, ge=0, le=65535, description="port of the listener for Sound Box only; 0: none")
    pipeline_port: int = Field(0, ge=0, le=65535, description="port of the listener for Audio Pipeline only; 0: none")
    trusted_proxy: bool = Field(
        False, description="a trusted proxy is in front: the last entry of X-Forwarded-For is the address of the caller"
    )

    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="comma-separated host names of this server, besides those of loopback and of the public URL; *: any name",
    )
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="comma-separated origins (https://host[:port]) whose pages may call all routes with a token (CORS), and without "
        "credentials under open access, besides this server and loopback; *: any origin",
    )
    connection_limit: int = Field(
        4000, ge=1, description="maximum number of open connections of this process; further ones get 503"
    )
    connection_address_limit: int = Field(
        1000, ge=1, description="maximum number of open connections of an address in this process; further ones get 429"
    )
    head_seconds: float = Field(10.0, gt=0, description="timeout of the head of a request")
    unread_seconds: float = Field(
        120.0, gt=0, description="a connection is closed if its client reads nothing of a response for this time"
    )

    rate_files_per_minute: int = Field(600, ge=1, description="downloads of exports and files")
    rate_reports_per_minute: int = Field(10, ge=1, description="error reports from browsers")
    rate_pages_per_minute: int = Field(120, ge=1, description="browser pages and forms")

    upload_idle_seconds: float = Field(60.0, gt=0, description="maximum time between two chunks of an upload")
    finish_upload_seconds: float = Field(600.0, gt=0, description="timeout of the inspection of an upload")
    conversion_caller_limit: int = Field(
        4, ge=1, description="converted files that a caller has not read completely yet; further ones get 429"
    )
    conversion_caller_bytes: int = Field(2 << 30, ge=0, description="size of these files; a single file may be larger")
    conversion_limit: int = Field(64, ge=1, description="converted files of all callers of this process")
    conversion_bytes: int = Field(16 << 30, ge=0, description="size of these files; a single file may be larger")
    health_seconds: float = Field(1.0, gt=0, description="interval between health checks of the components")

    socket_limit: int = Field(
        2000, ge=1, description="maximum number of open WebSockets of this process; further ones get 503"
    )
    socket_caller_limit: int = Field(
        50,
        ge=1,
        description="maximum number of open WebSockets of an account or address in this process; further ones get 429",
    )
    socket_topic_limit: int = Field(100, ge=1, description="maximum number of topics that a WebSocket can join")
    socket_idle_seconds: float = Field(
        60.0, gt=0, description="a WebSocket is closed if its client sends nothing for this time"
    )
    socket_stall_seconds: float = Field(
        10.0, gt=0, description="a WebSocket is closed if its client reads nothing for this time"
    )
    socket_check_seconds: float = Field(
        5.0, gt=0, description="interval at which the permissions of connected clients are checked"
    )
    socket_poll_seconds: float = Field(
        3.0, gt=0, description="interval at which the jobs that WebSockets follow are read"
    )

    @property
    def conversion_limits(self) -> ConversionLimits:
        """The limits of converted files that are not read yet."""
        return ConversionLimits(
            self.conversion_caller_limit, self.conversion_caller_bytes, self.conversion_limit, self.conversion_bytes
        )

    @field_validator("allowed_hosts", "allowed_origins", mode="before")
    @classmethod
    def _split_names(cls, value: object) -> object:
        return tuple(filter(None, map(str.strip, value.lower().split(",")))) if isinstance(value, str) else value

    @field_validator("allowed_hosts")
    @classmethod
    def _are_host_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(re.fullmatch(r"\*|[a-z0-9_.-]+", name) for name in value):
            raise ValueError("use host names without port, separated by commas, or *")
        return value

    @field_validator("allowed_origins")
    @classmethod
    def _are_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(re.fullmatch(r"\*|https?://[^/?#\s@]+", origin) for origin in value):
            raise ValueError("use https://host[:port] without a path, separated by commas, or *")
        return value
