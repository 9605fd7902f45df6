"""Settings of the gateway."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from kit.settings import Settings

__all__ = ["GatewaySettings"]


class GatewaySettings(Settings):
    """Shared settings, and the gateway's own."""

    model_config = SettingsConfigDict(env_prefix="SOUNDWRIGHT_", frozen=True, extra="ignore")

    gateway_host: str = Field("127.0.0.1", description="address that all listeners bind")
    soundbox_port: int = Field(0, ge=0, le=65535, description="listener that speaks Sound Box alone; 0: none")
    pipeline_port: int = Field(0, ge=0, le=65535, description="listener that speaks Audio Pipeline alone; 0: none")
    trusted_proxy: bool = Field(
        False, description="a proxy of ours is in front: the last entry of X-Forwarded-For is the caller"
    )

    rate_normal_per_minute: int = Field(60, ge=1)
    rate_heavy_per_minute: int = Field(10, ge=1, description="separation, analysis, downloads")
    rate_polling_per_minute: int = Field(1200, ge=1, description="status of jobs and tracks")
    rate_files_per_minute: int = Field(600, ge=1, description="exports and files")
    rate_reports_per_minute: int = Field(10, ge=1, description="reports of errors in pages")
    rate_pages_per_minute: int = Field(120, ge=1, description="pages and their forms")

    upload_idle_seconds: float = Field(60.0, gt=0, description="an upload that sends nothing for so long is given up")
    finish_upload_seconds: float = Field(600.0, gt=0, description="deadline for inspecting an upload")
    health_seconds: float = Field(1.0, gt=0, description="pause between two looks at the components")

    socket_limit: int = Field(2000, ge=1, description="WebSocket connections at once; beyond it new ones get 503")
    socket_caller_limit: int = Field(50, ge=1, description="the same for one account or address; beyond it 429")
    socket_topic_limit: int = Field(100, ge=1, description="topics that one socket may join")
    socket_idle_seconds: float = Field(
        60.0, gt=0, description="a socket whose client says nothing for so long is closed"
    )
    socket_stall_seconds: float = Field(
        10.0, gt=0, description="a socket whose client reads nothing for so long is closed"
    )
    socket_check_seconds: float = Field(5.0, gt=0, description="pause between two looks at whether clients still may")
    socket_poll_seconds: float = Field(3.0, gt=0, description="pause between two looks at the jobs that sockets follow")
