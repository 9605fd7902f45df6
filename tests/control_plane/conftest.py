"""One control plane for all tests, with the overlays and the local services that they share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.control_plane.installation import Credentials, Installation
from tests.control_plane.local_services import Broker, LocalServices, broker, local_services
from tests.control_plane.plane import ControlPlane, control_plane


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--real-waits", action="store_true", help="keep the waits of the ScaledObjects: minutes per test")
    parser.addoption("--drill-report", type=Path, help="where to write what the drill measures, as JSON")


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
def prod(plane: ControlPlane, credentials: Credentials, nats: Broker, request: pytest.FixtureRequest) -> Installation:
    def change(item: dict[str, Any]) -> None:
        if item["kind"] != "ScaledObject":
            return
        spec = item["spec"]
        for trigger in spec["triggers"]:
            trigger["metadata"]["natsServerMonitoringEndpoint"] = nats.monitoring
        if not request.config.getoption("--real-waits"):
            spec["cooldownPeriod"] = 20
            scale_down = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]
            scale_down["stabilizationWindowSeconds"] = 5
            for policy in scale_down["policies"]:
                policy["periodSeconds"] = 3

    installation = Installation(plane, "prod", credentials, change)
    installation.provide()
    installation.apply()
    return installation


@pytest.fixture(scope="session")
def services(prod: Installation, nats: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServices]:
    with local_services(prod, nats, tmp_path_factory.mktemp("services") / "local") as started:
        yield started


@pytest.fixture
def client(services: LocalServices) -> Iterator[httpx.Client]:
    """A client of the gateway that authenticates as the administrator."""
    with services.stack.client() as opened:
        yield opened
