"""Authorization by Spotify users: codes, profiles, and the renewal of tokens."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from jobs_platform import served
from library_fixture import Library, raises_error

from soundwright.kit import errors
from soundwright.kit.errors import Code
from soundwright.kit.security.identity import Principal, principal_scope
from soundwright.kit.security.sealing import Sealer
from soundwright.kit.security.secrets import Secrets
from soundwright.library.v1 import connection_service_pb2_grpc
from soundwright.services.ingest.spotify_accounts import AuthorizationRevoked, Profile, SpotifyAccounts, UserToken
from soundwright.services.ingest.spotify_tokens import SpotifyTokens
from soundwright.services.library.identity.account import Account
from tests.clocks import HandClock
from tests.simulators.spotify import CLIENT_ID, CLIENT_SECRET, SpotifySimulator

CALLBACK = "http://127.0.0.1:4000/auth/spotify/callback"
INGEST = Principal("service:ingest", "service")


def accounts_at(spotify: SpotifySimulator, **changes: Any) -> SpotifyAccounts:
    settings: dict[str, Any] = {
        "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "accounts_url": spotify.url,
        "api_url": f"{spotify.url}/v1", "timeout_seconds": 60.0, "clock": HandClock(),
    }  # fmt: skip
    return SpotifyAccounts(**{**settings, **changes})


def code_for(accounts: SpotifyAccounts) -> tuple[str, str]:
    url, state, verifier = accounts.begin(CALLBACK)
    back = httpx.URL(httpx.get(url).headers["location"])
    assert back.params["state"] == state
    return back.params["code"], verifier


# ------------------------------------------------------------------------------------------------- codes and profiles


def test_a_code_is_exchanged_for_profile_and_token(spotify: SpotifySimulator) -> None:
    accounts = accounts_at(spotify)
    code, verifier = code_for(accounts)
    profile, token = accounts.finish(CALLBACK, code, verifier)
    assert profile == Profile("ann-there", "Ann", "ann@example.org")
    assert spotify.given() == {token.access_token: "ann-there", token.refresh_token: "ann-there"}
    assert token.expire_time == HandClock().time + 3600
    assert UserToken.from_json(token.to_json()) == token
    assert UserToken.from_json("") is None
    assert token.access_token not in repr(token)
    assert token.refresh_token not in repr(token)
    with raises_error("SPOTIFY_DENIED", Code.PERMISSION_DENIED):  # codes work once
        accounts.finish(CALLBACK, code, verifier)


def test_each_login_has_its_own_state_and_verifier(spotify: SpotifySimulator) -> None:
    accounts = accounts_at(spotify)
    begun = [accounts.begin(CALLBACK) for _ in range(20)]
    assert len({state for _, state, _ in begun}) == len({verifier for _, _, verifier in begun}) == 20
    assert all(43 <= len(verifier) <= 128 and verifier not in url for url, _, verifier in begun)


@pytest.mark.parametrize("wrong", ["code", "verifier", "callback"])
def test_a_code_requires_its_verifier_and_redirect_uri(spotify: SpotifySimulator, wrong: str) -> None:
    accounts = accounts_at(spotify)
    code, verifier = code_for(accounts)
    given = {"callback": CALLBACK, "code": code, "verifier": verifier} | {wrong: "http://elsewhere.example/"}
    with raises_error("SPOTIFY_DENIED"):
        accounts.finish(given["callback"], given["code"], given["verifier"])


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        ({"id": "bob", "display_name": None}, Profile("bob", "bob", "")),
        ({"id": "bob", "display_name": " B\x00o\n b ", "email": None}, Profile("bob", "B o b", "")), ({"id": 5}, None),
        ({"id": ""}, None), ({"id": "a\nb"}, None), ({"id": "x" * 201}, None),
        ({"id": "bob", "email": ["bob@example.org"]}, None), ({}, None), ([], None),
    ],
)  # fmt: skip
def test_profiles_are_validated(spotify: SpotifySimulator, profile: Any, expected: Profile | None) -> None:
    accounts = accounts_at(spotify)
    spotify.users["ann-there"] = profile
    if expected:
        assert accounts.finish(CALLBACK, *code_for(accounts))[0] == expected
    else:
        with raises_error("SPOTIFY_ERROR", Code.UNAVAILABLE):
            accounts.finish(CALLBACK, *code_for(accounts))


@pytest.mark.parametrize(
    ("status", "reason", "code"),
    [
        (403, "SPOTIFY_DENIED", "PERMISSION_DENIED"),
        (429, "SPOTIFY_ERROR", "RATE_LIMITED"),
        (500, "SPOTIFY_ERROR", "UNAVAILABLE"),
        (302, "SPOTIFY_ERROR", "UNAVAILABLE"),
    ],
)
def test_profile_errors(spotify: SpotifySimulator, status: int, reason: str, code: str) -> None:
    accounts = accounts_at(spotify)
    # Redirects are not followed, so that the token is not sent elsewhere.
    spotify.failures.append((status, {"Location": f"{spotify.url}/v1/me"} if status == 302 else {}))
    with raises_error(reason, Code[code]):
        accounts.finish(CALLBACK, *code_for(accounts))
    assert spotify.seen == ["/me"]


@pytest.mark.parametrize(
    "answer", ["[]", "{}", "no json", '{"access_token": 5}', '{"access_token": "x", "expires_in": 1e999}']
)
def test_token_responses_are_validated(spotify: SpotifySimulator, answer: str) -> None:
    accounts = accounts_at(spotify)
    given = code_for(accounts)
    spotify.token_answers.append(answer)
    with raises_error("SPOTIFY_ERROR", Code.UNAVAILABLE):
        accounts.finish(CALLBACK, *given)


def test_missing_and_wrong_credentials(spotify: SpotifySimulator) -> None:
    for changes in ({"client_id": ""}, {"client_secret": ""}):
        missing = accounts_at(spotify, **changes)
        with raises_error("SPOTIFY_UNAUTHORIZED", Code.NOT_PROVISIONED):
            missing.begin(CALLBACK)
        with raises_error("SPOTIFY_UNAUTHORIZED"):
            missing.finish(CALLBACK, "code", "verifier")
        with raises_error("SPOTIFY_UNAUTHORIZED"):
            missing.refresh(UserToken("access", "refresh", 0.0))
    wrong = accounts_at(spotify, client_secret="guessed")
    with raises_error("SPOTIFY_UNAUTHORIZED", Code.NOT_PROVISIONED) as error:
        wrong.finish(CALLBACK, *code_for(wrong))
    assert "guessed" not in error.value.message


def test_an_unreachable_server() -> None:
    with SpotifySimulator() as gone:
        accounts = accounts_at(gone)
    with raises_error("SPOTIFY_ERROR", Code.UNAVAILABLE):
        accounts.finish(CALLBACK, "code", "verifier")


def test_refresh(spotify: SpotifySimulator) -> None:
    accounts = accounts_at(spotify)
    _, token = accounts.finish(CALLBACK, *code_for(accounts))
    renewed = accounts.refresh(token)
    assert renewed.access_token != token.access_token
    assert renewed.refresh_token == token.refresh_token
    spotify.rotating = True
    rotated = accounts.refresh(renewed)
    assert rotated.refresh_token != token.refresh_token
    for over in (renewed, UserToken("access", "", 0.0)):
        with pytest.raises(AuthorizationRevoked):
            accounts.refresh(over)


# ------------------------------------------------------------------------------------------------- the caller's tokens


@dataclasses.dataclass
class Connected:
    """An account with a Spotify connection, and a library that stores its token."""

    library: Library
    account: Account
    accounts: SpotifyAccounts
    stub: connection_service_pb2_grpc.ConnectionServiceStub

    def tokens(self) -> SpotifyTokens:
        return SpotifyTokens(self.accounts, self.stub, self.library.clock)

    async def current(self, refused_token: str = "", tokens: SpotifyTokens | None = None) -> str:
        with principal_scope(Principal(self.account.id, "user")):
            return await (tokens or self.tokens()).current(refused_token)

    async def stored(self) -> UserToken | None:
        _, secret = await self.library.connections.get_secret(self.account.id, "spotify")
        return UserToken.from_json(secret)


@pytest_asyncio.fixture
async def ann(spotify: SpotifySimulator) -> AsyncIterator[Connected]:
    async with served(None, "ingest") as (library, channels):
        stub = connection_service_pb2_grpc.ConnectionServiceStub(channels["ingest"])
        accounts = accounts_at(spotify, clock=library.clock)
        connected = Connected(library, await library.account(), accounts, stub)
        _, token = accounts.finish(CALLBACK, *code_for(accounts))
        await library.connections.put(connected.account.id, "spotify", "ann-there", "Ann", token.to_json())
        yield connected


async def test_a_token_is_renewed_in_its_last_minute(ann: Connected, spotify: SpotifySimulator) -> None:
    first = await ann.stored()
    assert first is not None
    ann.library.clock.time += 3539
    assert await ann.current() == first.access_token
    ann.library.clock.time += 1
    renewed = await ann.current()
    assert spotify.given()[renewed] == "ann-there"
    assert await ann.stored() == UserToken(renewed, first.refresh_token, ann.library.clock.time + 3600)
    assert await ann.current() == renewed


async def test_no_token_without_a_connection(ann: Connected, spotify: SpotifySimulator) -> None:
    count = spotify.token_count
    for somebody in (Principal("anon:1", "anonymous"), INGEST, Principal("unknown", "user")):
        with principal_scope(somebody):
            assert await ann.tokens().current() == ""
    await ann.library.connections.delete(ann.account.id, "spotify")
    assert await ann.current() == ""
    assert spotify.token_count == count


async def test_a_refused_token_is_renewed_at_once(ann: Connected) -> None:
    known = await ann.current()
    renewed = await ann.current(known)
    assert renewed not in ("", known)
    assert await ann.current(known) == renewed  # the second caller gets the token that the first one renewed


@pytest.mark.parametrize("rotating", [False, True])
async def test_parallel_calls_and_processes_renew_once(
    ann: Connected, spotify: SpotifySimulator, rotating: bool
) -> None:
    """A refresh token can work once, so one process renews, and the others wait for its result."""
    spotify.rotating = rotating
    tokens = ann.tokens()
    for process in (tokens, None, None, None):
        ann.library.clock.time += 3600
        count = spotify.token_count
        found = await asyncio.gather(*(ann.current(tokens=process) for _ in range(5)))
        kept = await ann.stored()
        assert kept is not None
        assert kept.refresh_token in spotify.given()
        assert (set(found), spotify.token_count) == ({kept.access_token}, count + 1)


async def test_another_process_renews_when_the_first_one_died(ann: Connected) -> None:
    token = await ann.stored()
    assert token is not None
    ann.library.clock.time += 3600
    dead = dataclasses.replace(token, renewing_until=ann.library.clock.time + 30)
    connections = ann.library.connections
    connection, _ = await connections.get_secret(ann.account.id, "spotify")
    assert await connections.replace_secret(ann.account.id, "spotify", dead.to_json(), connection.revision)
    waiting = asyncio.create_task(ann.current())
    done, _ = await asyncio.wait({waiting}, timeout=0.3)
    assert not done
    ann.library.clock.time += 30
    assert await waiting not in ("", token.access_token)


async def test_a_revoked_authorization(ann: Connected, spotify: SpotifySimulator) -> None:
    spotify.revoke("ann-there")
    ann.library.clock.time += 3600
    assert await ann.current() == ""
    assert await ann.stored() is None
    assert [each.label for each in await ann.library.connections.list_own(ann.account.id)] == ["Ann"]
    asked = spotify.token_count
    assert await ann.current() == ""
    assert spotify.token_count == asked


async def test_a_transient_failure_of_the_renewal(ann: Connected, spotify: SpotifySimulator) -> None:
    ann.library.clock.time += 3600
    before = await ann.stored()
    spotify.token_failures.append(503)
    with raises_error("SPOTIFY_ERROR", Code.UNAVAILABLE):
        await ann.current()
    assert await ann.stored() == before
    assert await ann.current() != ""


async def test_a_renewed_token_is_kept_although_the_library_fails_once(
    ann: Connected, spotify: SpotifySimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    spotify.rotating = True
    monkeypatch.setattr("soundwright.services.ingest.spotify_tokens._STORE_PAUSE_SECONDS", 0.0)
    ann.library.clock.time += 3600
    tokens, failures = ann.tokens(), [errors.STORE_UNAVAILABLE()]
    replace = tokens._replace

    async def failing(account_id: str, secret: str, revision: int) -> bool:
        if failures and spotify.token_count > asked:
            raise failures.pop()
        return await replace(account_id, secret, revision)

    asked = spotify.token_count
    monkeypatch.setattr(tokens, "_replace", failing)
    renewed = await ann.current(tokens=tokens)
    stored = await ann.stored()
    assert stored is not None
    assert (stored.access_token, failures) == (renewed, [])


async def test_an_unreadable_secret_means_no_token(ann: Connected) -> None:
    store = ann.library.identity.store
    connection = await store.connections.get(f"{ann.account.id}:spotify")
    assert connection is not None
    sealed = Sealer(Secrets.of("another-key" * 3)).seal("x", connection.id)
    assert await store.replace_connection(dataclasses.replace(connection, secret_sealed=sealed))
    assert await ann.current() == ""
