"""One control plane for all tests, with the overlays and the broker that they share."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.control_plane.broker import Broker, broker
from tests.control_plane.installation import Installation
from tests.control_plane.plane import ControlPlane, control_plane
from tests.deploy.pods import Credentials


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    folder = tmp_path_factory.mktemp("plane")
    with control_plane(folder) as started:
        yield started


@pytest.fixture(scope="session")
def credentials(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Credentials:
    return Credentials(tmp_path_factory.mktemp("credentials"))


@pytest.fixture(scope="session")
def nats(credentials: Credentials, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with broker(credentials, tmp_path_factory.mktemp("broker") / "nats") as started:
        yield started


@pytest.fixture(scope="session")
def dev(plane: ControlPlane, credentials: Credentials) -> Installation:
    installation = Installation(plane, "dev", credentials)
    installation.provide()
    installation.apply()
    return installation


@pytest.fixture(scope="session")
def prod(plane: ControlPlane, credentials: Credentials, nats: Broker) -> Installation:
    def change(item: dict[str, Any]) -> None:
        if item["kind"] != "ScaledObject":
            return
        spec = item["spec"]
        for trigger in spec["triggers"]:
            trigger["metadata"]["natsServerMonitoringEndpoint"] = nats.monitoring
        spec["cooldownPeriod"] = 20
        scale_down = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]
        scale_down["stabilizationWindowSeconds"] = 5
        for policy in scale_down["policies"]:
            policy["periodSeconds"] = 3

    installation = Installation(plane, "prod", credentials, change)
    installation.provide()
    installation.apply()
    return installation
