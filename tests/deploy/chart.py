"""The Helm chart."""

import os
import subprocess
from collections.abc import Mapping

from tests.deploy.manifests import K8S
from tests.servers import executable

CHART = K8S.parent / "helm" / "soundwright"
_FOLDER = K8S.parents[1] / ".servers" / "helm"


def helm(*arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run ``helm`` and return its output and status."""
    program = executable("helm", "put Helm on PATH, or run `make .servers/helm/.ready`", _FOLDER)
    return subprocess.run(
        [program, *arguments], capture_output=True, text=True, check=False, env={**os.environ, **(environment or {})}
    )
