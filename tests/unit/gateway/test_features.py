"""What the operator has configured, also while a component does not answer."""

from types import SimpleNamespace
from typing import Any, cast

from soundwright.analysis.v1 import agent_service_pb2
from soundwright.ingest.v1 import ingest_service_pb2
from soundwright.kit.errors import AppError, Code
from soundwright.services.gateway.features import features


class Component:
    def __init__(self, status: Any) -> None:
        self._status = status

    async def GetStatus(self, _request: Any, timeout: float) -> Any:
        if self._status is None:
            raise AppError(Code.UNAVAILABLE, "SERVICE_UNAVAILABLE", "It does not answer.")
        return self._status


async def test_a_feature_whose_component_does_not_answer_is_missing() -> None:
    spotify = Component(ingest_service_pb2.GetStatusResponse(spotify=True))
    model = Component(agent_service_pb2.GetStatusResponse(model="m"))
    for ingest, agents, expected in (
        (spotify, model, (True, "m")),
        (Component(None), model, (False, "m")),
        (spotify, Component(None), (True, "")),
    ):
        assert await features(cast(Any, SimpleNamespace(ingest=ingest, agents=agents))) == expected
