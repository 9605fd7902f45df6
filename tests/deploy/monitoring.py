"""The alerts and dashboards of ``deploy/k8s/components/monitoring``."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.manifests import K8S

FOLDER = K8S / "components" / "monitoring"
METRIC = re.compile(r"\b(?:up|soundwright_[a-z_]+)\b")
"""The name of a metric in a query."""


def _rules() -> Any:
    return yaml.safe_load((FOLDER / "alerts.yaml").read_text())["spec"]


def alerts() -> dict[str, Mapping[str, Any]]:
    return {rule["alert"]: rule for group in _rules()["groups"] for rule in group["rules"]}


def write_rules(path: Path) -> Path:
    path.write_text(yaml.safe_dump(_rules(), sort_keys=False))
    return path


def dashboards() -> dict[str, Mapping[str, Any]]:
    return {path.name: json.loads(path.read_text()) for path in sorted((FOLDER / "dashboards").glob("*.json"))}


def queries(dashboard: Mapping[str, Any], interval: str) -> dict[str, str]:
    """Return the queries of a dashboard by title of the panel and id of the query.

    Args:
        interval: takes the place of ``$__rate_interval``.
    """
    return {
        f"{panel['title']} {target['refId']}": target["expr"].replace("$__rate_interval", interval)
        for panel in dashboard["panels"]
        for target in panel["targets"]
    }
