"""What Spotify's users give leave to: codes and profiles, and tokens that are renewed when they are used."""

from __future__ import annotations

import asyncio
import dataclasses
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from accounts_world import World, refused, world_in
from soundwright.library.v1 import connection_service_pb2_grpc

from kit import rpc
from kit.errors import AppError, Code
from kit.identity import Principal, Signer, principal_scope
from kit.sealing import Sealer
from services.ingest.spotify_accounts import LeaveEnded, Profile, SpotifyAccounts, UserToken
from services.ingest.spotify_tokens import SpotifyTokens
from services.library.connection_rpc import ConnectionRpc
from services.library.service import Account
from tests.simulators.spotify import CLIENT_ID, CLIENT_SECRET, SpotifySimulator

CALLBACK = "http://127.0.0.1:4000/auth/spotify/callback"
INGEST = Principal("service:ingest", "service")


class HandClock:
    time = 1_000_000.0

    def now(self) -> float:
        return self.time


@pytest.fixture
def spotify() -> Iterator[SpotifySimulator]:
    with SpotifySimulator() as simulator:
        simulator.add_user("ann-there", "Ann", "ann@example.org")
        yield simulator


def accounts_at(spotify: SpotifySimulator, **changes: Any) -> SpotifyAccounts:
    settings: dict[str, Any] = {
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "accounts_url": spotify.url,
        "api_url": f"{spotify.url}/v1",
        "timeout_seconds": 2.0,
        "clock": HandClock(),
    }
    return SpotifyAccounts(**{**settings, **changes})


def code_for(accounts: SpotifyAccounts) -> tuple[str, str]:
    """A code, and the verifier that goes with it."""
    url, state, verifier = accounts.begin(CALLBACK)
    back = httpx.URL(httpx.get(url).headers["location"])
    assert back.params["state"] == state
    return back.params["code"], verifier


# ------------------------------------------------------------------------------------------------- codes and profiles


def test_a_code_is_worth_a_profile_and_a_token(spotify: SpotifySimulator) -> None:
    accounts = accounts_at(spotify)
    code, verifier = code_for(accounts)
    profile, token = accounts.finish(CALLBACK, code, verifier)
    assert profile == Profile("ann-there", "Ann", "ann@example.org")
    assert spotify.given() == {token.access_token: "ann-there", token.refresh_token: "ann-there"}
    assert token.expire_time == HandClock.time + 3600
    assert UserToken.from_json(token.to_json()) == token
    assert UserToken.from_json("") is None
    assert token.access_token not in repr(token)
    assert token.refresh_token not in repr(token)
    with refused("SPOTIFY_DENIED", Code.PERMISSION_DENIED):  # it serves once
        accounts.finish(CALLBACK, code, verifier)


def test_every_login_has_a_state_and_a_verifier_of_its_own(spotify: SpotifySimulator) -> None:
    accounts = accounts_at(spotify)
    begun = [accounts.begin(CALLBACK) for _ in range(20)]
    assert len({state for _, state, _ in begun}) == len({verifier for _, _, verifier in begun}) == 20
    assert all(43 <= len(verifier) <= 128 and verifier not in url for url, _, verifier in begun)


@pytest.mark.parametrize("wrong", ["code", "verifier", "callback"])
def test_a_code_is_for_who_asked_for_it(spotify: SpotifySimulator, wrong: str) -> None:
    accounts = accounts_at(spotify)
    code, verifier = code_for(accounts)
    given = {"callback": CALLBACK, "code": code, "verifier": verifier} | {wrong: "http://elsewhere.example/"}
    with refused("SPOTIFY_DENIED"):
        accounts.finish(given["callback"], given["code"], given["verifier"])


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        ({"id": "bob", "display_name": None}, Profile("bob", "bob", "")),
        ({"id": "bob", "display_name": " B\x00o\n b ", "email": None}, Profile("bob", "B o b", "")),
        ({"id": 5}, None),
        ({"id": ""}, None),
        ({"id": "a\nb"}, None),
        ({"id": "x" * 201}, None),
        ({"id": "bob", "email": ["bob@example.org"]}, None),
        ({}, None),
        ([], None),
    ],
)
def test_profiles_are_not_trusted(spotify: SpotifySimulator, profile: Any, expected: Profile | None) -> None:
    accounts = accounts_at(spotify)
    spotify.users["ann-there"] = profile
    if expected:
        assert accounts.finish(CALLBACK, *code_for(accounts))[0] == expected
    else:
        with refused("SPOTIFY_ERROR", Code.UNAVAILABLE):
            accounts.finish(CALLBACK, *code_for(accounts))


@pytest.mark.parametrize(
    ("status", "reason", "code"),
    [
        (403, "SPOTIFY_DENIED", Code.PERMISSION_DENIED),
        (429, "SPOTIFY_ERROR", Code.RATE_LIMITED),
        (500, "SPOTIFY_ERROR", Code.UNAVAILABLE),
        (302, "SPOTIFY_ERROR", Code.UNAVAILABLE),
    ],
)
def test_when_there_is_no_profile(spotify: SpotifySimulator, status: int, reason: str, code: Code) -> None:
    accounts = accounts_at(spotify)
    # A token must not be carried to where an answer points.
    spotify.failures.append((status, {"Location": f"{spotify.url}/v1/me"} if status == 302 else {}))
    with refused(reason, code):
        accounts.finish(CALLBACK, *code_for(accounts))
    assert spotify.seen == ["/me"]


@pytest.mark.parametrize(
    "answer", ["[]", "{}", "no json", '{"access_token": 5}', '{"access_token": "x", "expires_in": 1e999}']
)
def test_tokens_are_not_trusted(spotify: SpotifySimulator, answer: str) -> None:
    accounts = accounts_at(spotify)
    given = code_for(accounts)
    spotify.token_answers.append(answer)
    with refused("SPOTIFY_ERROR", Code.UNAVAILABLE):
        accounts.finish(CALLBACK, *given)


def test_credentials(spotify: SpotifySimulator) -> None:
    for changes in ({"client_id": ""}, {"client_secret": ""}):
        missing = accounts_at(spotify, **changes)
        with refused("SPOTIFY_UNAUTHORIZED", Code.NOT_PROVISIONED):
            missing.begin(CALLBACK)
        with refused("SPOTIFY_UNAUTHORIZED"):
            missing.finish(CALLBACK, "code", "verifier")
        with refused("SPOTIFY_UNAUTHORIZED"):
            missing.refresh(UserToken("access", "refresh", 0.0))
    wrong = accounts_at(spotify, client_secret="guessed")
    with refused("SPOTIFY_UNAUTHORIZED", Code.NOT_PROVISIONED) as refusal:
        wrong.finish(CALLBACK, *code_for(wrong))
    assert "guessed" not in refusal.value.message


def test_nobody_there() -> None:
    with SpotifySimulator() as gone:
        accounts = accounts_at(gone)
    with refused("SPOTIFY_ERROR", Code.UNAVAILABLE):
        accounts.finish(CALLBACK, "code", "verifier")


def test_renewing(spotify: SpotifySimulator) -> None:
    accounts = accounts_at(spotify)
    _, token = accounts.finish(CALLBACK, *code_for(accounts))
    renewed = accounts.refresh(token)
    assert renewed.access_token != token.access_token
    assert renewed.refresh_token == token.refresh_token
    spotify.rotating = True
    rotated = accounts.refresh(renewed)
    assert rotated.refresh_token != token.refresh_token
    for over in (renewed, UserToken("access", "", 0.0)):
        with pytest.raises(LeaveEnded):
            accounts.refresh(over)


# ------------------------------------------------------------------------------------------------- the caller's tokens


@dataclasses.dataclass
class Connected:
    """An account that is connected with Spotify, and a library to ask for its token."""

    world: World
    account: Account
    accounts: SpotifyAccounts
    stub: connection_service_pb2_grpc.ConnectionServiceStub

    def tokens(self) -> SpotifyTokens:
        return SpotifyTokens(self.accounts, self.stub, self.world.clock)

    async def current(self, refused_token: str = "", tokens: SpotifyTokens | None = None) -> str:
        with principal_scope(Principal(self.account.id, "user")):
            return await (tokens or self.tokens()).current(refused_token)

    async def stored(self) -> UserToken | None:
        _, secret = await self.world.people.connections.secret(self.account.id, "spotify")
        return UserToken.from_json(secret)


@pytest_asyncio.fixture
async def ann(spotify: SpotifySimulator) -> AsyncIterator[Connected]:
    folder = Path(tempfile.mkdtemp())  # short enough for a socket
    address = f"unix:{folder / 'library.sock'}"
    async with world_in(folder) as world:
        signer = Signer(b"0" * 32, world.clock)
        server = rpc.RpcServer(address, signer)
        connection_service_pb2_grpc.add_ConnectionServiceServicer_to_server(
            ConnectionRpc(world.people.connections), server.server
        )
        await server.start()
        channel = rpc.connect(address, signer, INGEST, timeout_seconds=10.0)
        stub = connection_service_pb2_grpc.ConnectionServiceStub(channel)
        accounts = accounts_at(spotify, clock=world.clock)
        connected = Connected(world, await world.account(), accounts, stub)
        _, token = accounts.finish(CALLBACK, *code_for(accounts))
        await world.people.connections.put(connected.account.id, "spotify", "ann-there", "Ann", token.to_json())
        yield connected
        await channel.close()
        await server.stop(0)
    shutil.rmtree(folder)


async def test_a_token_is_renewed_in_its_last_minute(ann: Connected, spotify: SpotifySimulator) -> None:
    first = await ann.stored()
    assert first is not None
    ann.world.clock.time += 3539
    assert await ann.current() == first.access_token
    ann.world.clock.time += 1
    renewed = await ann.current()
    assert spotify.given()[renewed] == "ann-there"
    assert await ann.stored() == UserToken(renewed, first.refresh_token, ann.world.clock.time + 3600)
    assert await ann.current() == renewed


async def test_who_is_not_connected_has_none(ann: Connected, spotify: SpotifySimulator) -> None:
    count = spotify.token_count
    for somebody in (Principal("anon:1", "anonymous"), INGEST, Principal("unknown", "user")):
        with principal_scope(somebody):
            assert await ann.tokens().current() == ""
    await ann.world.people.connections.delete(ann.account.id, "spotify")
    assert await ann.current() == ""
    assert spotify.token_count == count


async def test_a_token_that_spotify_refuses_is_renewed_at_once(ann: Connected) -> None:
    known = await ann.current()
    renewed = await ann.current(known)
    assert renewed not in ("", known)
    assert await ann.current(known) == renewed  # of two who were refused, the second finds the first one's


@pytest.mark.parametrize("rotating", [False, True])
async def test_many_at_once_renew_once(ann: Connected, spotify: SpotifySimulator, rotating: bool) -> None:
    spotify.rotating = rotating
    ann.world.clock.time += 3600
    count, tokens = spotify.token_count, ann.tokens()
    found = await asyncio.gather(*(ann.current(tokens=tokens) for _ in range(6)))
    assert (len(set(found)), spotify.token_count) == (1, count + 1)


async def test_other_processes_do_not_lose_what_one_has_got(ann: Connected, spotify: SpotifySimulator) -> None:
    """Refresh tokens serve once: all but one are told that theirs is over, and one keeps the next."""
    spotify.rotating = True
    for _ in range(3):
        ann.world.clock.time += 3600
        found = await asyncio.gather(*(ann.current() for _ in range(4)))
        kept = await ann.stored()
        assert kept is not None
        assert kept.refresh_token in spotify.given()
        assert set(found) <= {kept.access_token, ""}
        assert kept.access_token in found


async def test_leave_that_was_taken_back(ann: Connected, spotify: SpotifySimulator) -> None:
    spotify.revoke("ann-there")
    ann.world.clock.time += 3600
    assert await ann.current() == ""
    assert await ann.stored() is None
    assert [each.label for each in await ann.world.people.connections.list_own(ann.account.id)] == ["Ann"]
    asked = spotify.token_count
    assert await ann.current() == ""
    assert spotify.token_count == asked


async def test_when_it_cannot_be_renewed_just_now(ann: Connected, spotify: SpotifySimulator) -> None:
    ann.world.clock.time += 3600
    before = await ann.stored()
    spotify.token_failures.append(503)
    with pytest.raises(AppError) as failure:
        await ann.current()
    assert (failure.value.reason, failure.value.code) == ("SPOTIFY_ERROR", Code.UNAVAILABLE)
    assert await ann.stored() == before
    assert await ann.current() != ""


async def test_a_secret_that_cannot_be_read_is_none(ann: Connected) -> None:
    store = ann.world.people.store
    connection = await store.connection(f"{ann.account.id}:spotify")
    assert connection is not None
    sealed = Sealer(b"another key").seal("x", connection.id)
    assert await store.replace_connection(dataclasses.replace(connection, secret_sealed=sealed))
    assert await ann.current() == ""
