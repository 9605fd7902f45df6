"""The settings of the autoscaler, as the manifests in ``deploy/k8s/components/keda`` define them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

__all__ = ["KEDA", "Direction", "Rate", "ScalingPolicy", "drain_seconds", "read_policies"]

_K8S = Path(__file__).parents[1] / "deploy" / "k8s"
KEDA = _K8S / "components" / "keda"
_DRAIN = "SOUNDWRIGHT_DRAIN_SECONDS"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Rate(_Model):
    """A limit of the change in one period: a number of pods, or a percentage of them."""

    kind: Literal["Pods", "Percent"]
    value: int = Field(gt=0)
    period_seconds: float = Field(gt=0)


class Direction(_Model):
    """How fast the HorizontalPodAutoscaler scales in one direction. The rate that allows the largest change applies."""

    stabilization_seconds: float = Field(0, ge=0)
    policies: tuple[Rate, ...] = Field(min_length=1)


class ScalingPolicy(_Model):
    """What a ScaledObject says.

    Attributes:
        target: jobs, waiting and running, for each replica.
        activation: KEDA starts the first replica for more jobs than this.
    """

    min_replicas: int = Field(ge=0)
    max_replicas: int = Field(ge=1)
    polling_interval_seconds: float = Field(gt=0)
    cooldown_seconds: float = Field(ge=0)
    target: float = Field(gt=0)
    activation: float = Field(0, ge=0)
    scale_up: Direction
    scale_down: Direction


def read_policies(folder: Path = KEDA) -> dict[str, ScalingPolicy]:
    """Return the policy of each ScaledObject in the YAML files of ``folder``, by name.

    Raises:
        ValueError: a ScaledObject has a setting that the model does not include.
    """
    items = [item for path in sorted(folder.glob("*.yaml")) for item in yaml.safe_load_all(path.read_text())]
    specs = {item["metadata"]["name"]: item["spec"] for item in items if item and item["kind"] == "ScaledObject"}
    common = specs.pop("any", {})  # the patch that the others share
    try:
        return {name: _policy({**common, **spec}) for name, spec in specs.items()}
    except (KeyError, ValueError) as error:
        raise ValueError(f"{folder}: the scaling model does not include this: {error}") from error


def drain_seconds(deployment: str) -> float:
    """Return how long the workers of a Deployment in ``deploy/k8s/base`` let their jobs continue when they are stopped."""
    (settings,) = yaml.safe_load_all((_K8S / "base" / "settings.yaml").read_text())
    seconds = settings["data"][_DRAIN]
    for path in (_K8S / "base").glob("*/*.yaml"):
        for item in yaml.safe_load_all(path.read_text()):
            if item["kind"] == "Deployment" and item["metadata"]["name"] == deployment:
                (container,) = item["spec"]["template"]["spec"]["containers"]
                seconds = {each["name"]: each.get("value") for each in container.get("env", ())}.get(_DRAIN, seconds)
    return float(seconds)


def _policy(spec: Mapping[str, Any]) -> ScalingPolicy:
    advanced = _only(spec["advanced"], "horizontalPodAutoscalerConfig")
    behavior = _only(_only(advanced["horizontalPodAutoscalerConfig"], "behavior")["behavior"], "scaleUp", "scaleDown")
    (trigger,) = spec["triggers"]
    _only(
        spec, "scaleTargetRef", "minReplicaCount", "maxReplicaCount", "pollingInterval", "cooldownPeriod", "advanced",
        "triggers",
    )  # fmt: skip
    return ScalingPolicy(
        min_replicas=spec["minReplicaCount"],
        max_replicas=spec["maxReplicaCount"],
        polling_interval_seconds=spec["pollingInterval"],
        cooldown_seconds=spec["cooldownPeriod"],
        target=float(trigger["metadata"]["lagThreshold"]),
        activation=float(trigger["metadata"].get("activationLagThreshold", 0)),
        scale_up=_direction(behavior["scaleUp"]),
        scale_down=_direction(behavior["scaleDown"]),
    )


def _direction(rules: Mapping[str, Any]) -> Direction:
    _only(rules, "stabilizationWindowSeconds", "policies", "selectPolicy")
    if rules.get("selectPolicy", "Max") != "Max":
        raise ValueError(f"selectPolicy {rules['selectPolicy']}")
    return Direction(
        stabilization_seconds=rules["stabilizationWindowSeconds"],
        policies=tuple(
            Rate(kind=rate["type"], value=rate["value"], period_seconds=rate["periodSeconds"])
            for rate in rules["policies"]
        ),
    )


def _only(settings: Mapping[str, Any], *known: str) -> Mapping[str, Any]:
    if unknown := sorted(set(settings) - set(known)):
        raise ValueError(", ".join(unknown))
    return settings
