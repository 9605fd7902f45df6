"""What an account gets over gRPC that names what another one has. Which credentials each RPC accepts: tests/unit/kit/test_rpc_access.py."""

import uuid
from collections.abc import Iterator
from typing import Any

import grpc
import httpx
import pytest
from browser import PASSWORD, Browser, registered, token_of
from google.protobuf import json_format
from google.protobuf.descriptor import MethodDescriptor
from grpc_calls import METHODS, address, component_of, outcome, short
from grpc_matrix import RPC_MATRIX
from stories import encoded, finished, made, song, upload

from tests.simulators.media_site import MediaSite
from tests.simulators.spotify import SpotifySimulator
from tests.stacks import Stack

Metadata = tuple[tuple[str, str], ...]


def bearer(token: str) -> Metadata:
    return (("authorization", f"Bearer {token}"),)


@pytest.fixture(scope="module")
def owner_browser(stack: Stack) -> Iterator[Browser]:
    with Browser(stack.base_url) as browser:
        registered(browser)
        yield browser


@pytest.fixture(scope="module")
def tokens(stack: Stack, owner_browser: Browser) -> dict[str, str]:
    with Browser(stack.base_url) as stranger:
        registered(stranger)
        return {"stranger": token_of(stranger), "owner": token_of(owner_browser), "administrator": stack.token}


@pytest.fixture(scope="module")
def belongings(
    stack: Stack, tokens: dict[str, str], owner_browser: Browser, spotify: SpotifySimulator, site: MediaSite
) -> dict[str, str]:
    content = encoded(song(0.5))
    spotify.add_track("rpc", "Tune", ["The Band"], 0.5)
    url = site.file("/rpc.wav", content, "audio/wav")
    headers = {"Authorization": f"Bearer {tokens['owner']}"}
    with httpx.Client(base_url=stack.base_url, headers=headers, timeout=120) as owner:
        track = upload(owner, content)["id"]
        started = [
            owner.post("/api/processing/separate", json={"track_id": track, "model": "dsp"}),
            owner.post("/api/analysis/analyze", json={"track_id": track}),
        ]
        job, analysis = (answer.json()["data"]["job_id"] for answer in started)
        assert finished(owner, f"/api/jobs/{analysis}")["status"] == "completed"
        stems = finished(owner, f"/api/jobs/{job}")["result"]["stems"]
        webhook = owner.post("/api/webhooks", json={"url": url}).json()["data"]["id"]
        spare = {"email": owner_browser.email, "password": PASSWORD}
        return {
            "track": track,
            "job": job,
            "stem": stems[0]["id"],
            "clip": str(uuid.UUID(made(owner, "slow cello"))),
            "playlist": owner.post("/api/playlists", json={"name": "Rainy days"}).json()["id"],
            "setlist": owner.post("/api/setlists", json={"name": "Friday night"}).json()["data"]["id"],
            "conversation": owner.post("/api/agents/chat", json={"message": "Hello"}).json()["data"]["conversation_id"],
            "webhook": webhook,
            "delivery": owner.post(f"/api/webhooks/{webhook}/test").json()["data"]["id"],
            "token": owner.post("/api/tokens", json=spare).json()["data"]["id"],
            "url": url,
        }


@pytest.mark.usefixtures("nothing_crashes")
async def test_accounts_reach_what_is_theirs_or_public(
    stack: Stack, tokens: dict[str, str], belongings: dict[str, str]
) -> None:
    methods = {short(method): method for method in METHODS}
    problems = []
    for name, (fields, expected) in RPC_MATRIX.items():
        method = methods[name]
        async with grpc.aio.insecure_channel(address(stack, component_of(method))) as channel:
            for caller, reason in zip(("stranger", "administrator", "owner"), expected, strict=True):
                payload = _request(method, fields, belongings)
                found = await outcome(channel, method, payload, bearer(tokens[caller]))
                if found != reason:
                    problems.append(f"{name} by {caller}: {found}")
    assert not problems, "\n".join(problems)


def _request(method: MethodDescriptor, fields: dict[str, Any], belongings: dict[str, str]) -> bytes:
    known = {**belongings, "uuid": str(uuid.uuid4())}

    def filled(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: filled(each) for name, each in value.items()}
        if isinstance(value, list):
            return [filled(each) for each in value]
        return value.format(**known) if isinstance(value, str) else value

    message: Any = json_format.ParseDict(filled(fields), method.input_type._concrete_class())
    return bytes(message.SerializeToString())
