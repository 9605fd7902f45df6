"""Who may call which RPC of a running stack, and what an account gets that names what another one has."""

from __future__ import annotations

import asyncio
import hashlib
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import grpc
import httpx
import pytest
from browser import PASSWORD, Browser, registered, token_of
from google.protobuf import json_format
from google.protobuf.descriptor import MethodDescriptor
from grpc_calls import METHODS, address, component_of, outcome, path_of, short
from grpc_matrix import RPC_MATRIX
from stories import encoded, finished, made, song, upload

from soundwright.kit import infra
from soundwright.kit.adapters.system.clock import SystemClock
from soundwright.kit.rpc.access import accepts_api_token, accepts_component
from soundwright.kit.security.identity import Principal, Signer
from tests.clocks import HandClock
from tests.signers import plain_signer
from tests.simulators.media_site import MediaSite
from tests.simulators.spotify import SpotifySimulator
from tests.stacks import Stack

COMPONENTS = ("gateway", "library", "ingest", "separation", "analysis", "generation")
Metadata = tuple[tuple[str, str], ...]


def bearer(token: str) -> Metadata:
    return (("authorization", f"Bearer {token}"),)


def principal(signer: Signer, of: Principal, audience: str) -> Metadata:
    return (("soundwright-principal", signer.sign(of, audience)),)


def signer_of(stack: Stack, component: str, clock: HandClock | None = None) -> Signer:
    """Return the signer of a component of the running stack."""
    return Signer(component, stack.settings.signing_keys(component), clock or SystemClock())


def _verified(component: str) -> Principal:
    """Return the principal of a component as the called one sees it."""
    return replace(plain_signer(component).service, component=component)


async def _expire(stack: Stack, token: str) -> None:
    """Make a token expire now. The API sets only times of tomorrow and later."""
    docs = infra.open_docs(stack.settings)
    try:
        doc = await docs.get("tokens", hashlib.sha256(token.encode()).hexdigest())
        assert doc is not None
        assert await docs.replace("tokens", {**doc, "expire_time": time.time()}, doc["revision"])
    finally:
        await docs.close()


@pytest.fixture(scope="module")
def owner_browser(stack: Stack) -> Iterator[Browser]:
    with Browser(stack.base_url) as browser:
        registered(browser)
        yield browser


@pytest.fixture(scope="module")
def tokens(stack: Stack, admin: httpx.Client, owner_browser: Browser) -> dict[str, str]:
    """Return tokens by what is special about them or their account."""
    with Browser(stack.base_url) as stranger, Browser(stack.base_url) as suspended:
        for browser in (stranger, suspended):
            registered(browser)
        made = {"stranger": token_of(stranger), "owner": token_of(owner_browser), "administrator": stack.token}
        made |= {"suspended": token_of(suspended), "revoked": token_of(stranger), "expired": token_of(stranger)}
        asyncio.run(_expire(stack, made["expired"]))
        for token in stranger.get("/api/tokens").json()["data"]:
            if token["prefix"] == made["revoked"][:6]:
                assert stranger.submit("POST", "/users/settings", {"action": "revoke_key", "id": token["id"]})
        (user,) = admin.get("/api/admin/users", params={"search": suspended.email}).json()["data"]
        assert admin.patch(f"/api/admin/users/{user['id']}", json={"status": "suspended"}).status_code == 200
    return made


@pytest.mark.parametrize("component", sorted({component_of(method) for method in METHODS}))
async def test_every_rpc_refuses_wrong_credentials(stack: Stack, tokens: dict[str, str], component: str) -> None:
    gateway, stranger = signer_of(stack, "gateway"), plain_signer("gateway", None, "1" * 32)
    ann = Principal("ann", "super_admin")
    elsewhere = "library" if component != "library" else "ingest"
    wrong: dict[str, tuple[Metadata, str]] = {
        "nobody": ((), "UNAUTHORIZED"),
        "an unknown token": (bearer("x" * 43), "UNAUTHORIZED"),
        "a revoked token": (bearer(tokens["revoked"]), "UNAUTHORIZED"),
        "an expired token": (bearer(tokens["expired"]), "UNAUTHORIZED"),
        "a suspended account": (bearer(tokens["suspended"]), "ACCOUNT_SUSPENDED"),
        "a forged principal": (principal(stranger, ann, component), "PRINCIPAL_INVALID"),
        "an expired principal": (
            principal(signer_of(stack, "gateway", HandClock(time.time() - 200)), ann, component),
            "PRINCIPAL_INVALID",
        ),
        "a principal for another component": (principal(gateway, ann, elsewhere), "PRINCIPAL_INVALID"),
    }
    for name in COMPONENTS:
        signer = signer_of(stack, name)
        wrong[name] = (principal(signer, signer.service, component), "CALLER_NOT_ACCEPTED")
    problems = []
    async with grpc.aio.insecure_channel(address(stack, component)) as channel:
        for method in [each for each in METHODS if component_of(each) == component]:
            for name, (metadata, expected) in wrong.items():
                if name in COMPONENTS and accepts_component(path_of(method), _verified(name)):
                    continue
                found = await outcome(channel, method, b"", metadata)
                problems += [f"{short(method)} by {name}: {found}"] if found != expected else []
            if not accepts_api_token(path_of(method)):
                found = await outcome(channel, method, b"", bearer(tokens["owner"]))
                problems += [f"{short(method)} by an account: {found}"] if found != "API_TOKEN_NOT_ACCEPTED" else []
    assert not problems, "\n".join(problems)


@pytest.fixture(scope="module")
def belongings(
    stack: Stack, tokens: dict[str, str], owner_browser: Browser, spotify: SpotifySimulator, site: MediaSite
) -> dict[str, str]:
    """Return the IDs of what the owner has."""
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
