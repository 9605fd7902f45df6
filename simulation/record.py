"""The record of a drill: what a real queue, autoscaler and workers did. docs/SCALING.md describes the format."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.library.jobs.service import Priority

__all__ = ["DrillRecord"]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RecordedJob(_Model):
    """A job. ``start_seconds`` and ``attempt`` are those of the last attempt."""

    id: str
    priority: Priority
    arrival_seconds: float
    start_seconds: float
    end_seconds: float
    attempt: int = Field(ge=1)
    state: Literal["succeeded", "failed", "cancelled"]


class Sample(_Model):
    """The workers at one time: replicas that the Deployment asks for, processes that run, and pods that are ready."""

    time_seconds: float
    desired: int
    running: int
    ready: int


class RecordedWorker(_Model):
    """A worker: the creation of its pod, the first time it was ready (None: never), and the end of its process."""

    id: str
    created_seconds: float
    ready_seconds: float | None
    end_seconds: float


class Disturbance(_Model):
    time_seconds: float
    kind: Literal["node-deleted", "rollout-restart"]


class DrillRecord(_Model):
    """A drill. All times are seconds since its start.

    Attributes:
        policy: settings of the ScaledObject that differ from the manifests, named as in
            :class:`simulation.policy.ScalingPolicy`.
        workers: empty if only ``worker_start_seconds`` is known.
    """

    scaled_object: str
    policy: dict[str, Any] = {}
    hpa_sync_seconds: float = 15.0
    gpu_node_count: int = Field(ge=1)
    slot_count: int = Field(1, ge=1)
    drain_seconds: float
    worker_start_seconds: float | None = None
    jobs: tuple[RecordedJob, ...] = Field(min_length=1)
    replicas: tuple[Sample, ...] = Field(min_length=2)
    workers: tuple[RecordedWorker, ...] = ()
    disturbances: tuple[Disturbance, ...] = ()
