"""Logging in through Spotify where it depends on time, settings, or on who the browser is when it comes back."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from accounts_world import PASSWORD, World, world_in
from soundwright.ingest.v1 import ingest_service_pb2_grpc
from soundwright.library.v1 import connection_service_pb2_grpc, library_service_pb2_grpc
from structlog.testing import capture_logs

from kit import rpc
from kit.adapters.blobs_file import FileBlobs
from kit.audio import AudioLimits
from kit.compute import ComputeSlots
from kit.identity import Principal, Signer
from services.gateway.app import build
from services.gateway.auth import SESSION_COOKIE, Authenticator
from services.gateway.clients import COMPONENTS, Clients, Gateway
from services.gateway.health import Health
from services.gateway.limits import RateClass, RateLimiter
from services.gateway.settings import GatewaySettings
from services.gateway.uploads import Uploads
from services.gateway.web import PAGES, page_routes
from services.ingest.rpc import IngestRpc
from services.ingest.spotify_accounts import SpotifyAccounts
from services.library.account_rpc import AccountRpc
from services.library.connection_rpc import ConnectionRpc
from tests.simulators.spotify import CLIENT_ID, CLIENT_SECRET, SpotifySimulator

GATEWAY = Principal("service:gateway", "service")
ERRAND = "soundwright_spotify"
SETTINGS = "/users/settings"
STATE = "This login at Spotify was not begun here"


@pytest.fixture
def spotify() -> Iterator[SpotifySimulator]:
    with SpotifySimulator() as simulator:
        simulator.add_user("ann-there", "Ann", "ann@example.org")
        yield simulator


class Site:
    """The pages, over a library and the part of ingest that speaks with Spotify's accounts."""

    def __init__(self, world: World, gateway: Gateway) -> None:
        self.world = world
        authenticator = Authenticator(gateway.clients.accounts, open_access=False)
        limiter = RateLimiter(dict.fromkeys(RateClass, 1000), world.clock)
        self._app = build((PAGES,), [page_routes(gateway)], authenticator, limiter, gateway.settings)
        self._base_url = gateway.settings.public_address

    def browser(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(self._app), base_url=self._base_url)


@contextlib.asynccontextmanager
async def site_in(
    spotify: SpotifySimulator, client_id: str = CLIENT_ID, registration: bool = True, **settings: Any
) -> AsyncIterator[Site]:
    folder = Path(tempfile.mkdtemp())  # short enough for a socket
    address = f"unix:{folder / 'all.sock'}"
    async with world_in(folder, registration=registration) as world:
        signer = Signer(b"0" * 32, world.clock)
        server, people = rpc.RpcServer(address, signer), world.people
        slots, blobs = ComputeSlots("test", 1), FileBlobs(folder / "blobs")
        spotify_accounts = SpotifyAccounts(
            client_id=client_id,
            client_secret=CLIENT_SECRET,
            accounts_url=spotify.url,
            api_url=spotify.url,
            timeout_seconds=5.0,
            clock=world.clock,
        )
        nothing: Any = None  # neither tracks nor downloads take part
        library_service_pb2_grpc.add_AccountServiceServicer_to_server(
            AccountRpc(people.accounts, people.sessions, people.tokens, people.mailboxes), server.server
        )
        connection_service_pb2_grpc.add_ConnectionServiceServicer_to_server(
            ConnectionRpc(people.connections), server.server
        )
        ingest_service_pb2_grpc.add_IngestServiceServicer_to_server(
            IngestRpc(blobs, nothing, slots, nothing, spotify_accounts, AudioLimits(), 1000), server.server
        )
        await server.start()
        channel = rpc.connect(address, signer, GATEWAY, timeout_seconds=10.0)
        clients = Clients.over(dict.fromkeys(COMPONENTS, channel))
        gateway = Gateway(
            settings=GatewaySettings(data_dir=folder, registration=registration, **settings),
            clients=clients,
            blobs=blobs,
            uploads=Uploads(clients.ingest, blobs, 1000, 5.0, 600.0),
            health=Health({}),
            clock=world.clock,
            scratch=folder,
            encoding_slots=slots,
        )
        yield Site(world, gateway)
        await channel.close()
        await server.stop(0)
        slots.close()
    shutil.rmtree(folder)


async def begun(browser: httpx.AsyncClient) -> str:
    """The address that Spotify sends the browser back to."""
    off = await browser.get("/auth/spotify")
    async with httpx.AsyncClient() as at_spotify:
        return (await at_spotify.get(off.headers["location"])).headers["location"]


async def log_in(site: Site, browser: httpx.AsyncClient) -> None:
    """By other means than Spotify."""
    browser.cookies.set(SESSION_COOKIE, await site.world.log_in(), domain=str(browser.base_url.host))


async def word(browser: httpx.AsyncClient, answer: httpx.Response) -> str:
    assert (answer.status_code, answer.headers["location"]) == (302, "/")
    return (await browser.get("/")).text


async def test_without_credentials_the_page_says_so(spotify: SpotifySimulator) -> None:
    async with site_in(spotify, client_id="") as site, site.browser() as browser:
        answer = await browser.get("/auth/spotify")
        assert (answer.status_code, answer.headers["content-type"]) == (503, "text/html; charset=utf-8")
        assert "Spotify credentials are not configured. Ask the operator" in answer.text
        assert "SPOTIFY_UNAUTHORIZED" in answer.text
        assert ERRAND not in browser.cookies


async def test_ten_minutes_to_come_back(spotify: SpotifySimulator) -> None:
    async with site_in(spotify) as site, site.browser() as browser:
        callback = await begun(browser)
        site.world.clock.time += 600
        assert STATE in await word(browser, await browser.get(callback))
        callback = await begun(browser)
        site.world.clock.time += 599
        assert "Your account is ready" in await word(browser, await browser.get(callback))


async def test_what_was_begun_to_log_in_does_not_connect(spotify: SpotifySimulator) -> None:
    """Somebody who has sent a browser off to Spotify gets no lasting way into the account that its user logs in to."""
    async with site_in(spotify) as site, site.browser() as browser:
        ann = await site.world.account("someone@example.org")
        callback = await begun(browser)
        browser.cookies.set(SESSION_COOKIE, await site.world.log_in(ann.email), domain="127.0.0.1")
        assert STATE in await word(browser, await browser.get(callback))
        assert await site.world.people.connections.list_own(ann.id) == []


async def test_what_was_begun_to_connect_does_not_log_in(spotify: SpotifySimulator) -> None:
    async with site_in(spotify) as site, site.browser() as browser:
        ann = await site.world.account()
        await log_in(site, browser)
        callback = await begun(browser)
        browser.cookies.delete(SESSION_COOKIE)
        assert STATE in await word(browser, await browser.get(callback))
        # Nor does it connect somebody else, who has logged in meanwhile.
        await log_in(site, browser)
        callback = await begun(browser)
        bob = await site.world.account("bob@example.org")
        browser.cookies.set(SESSION_COOKIE, await site.world.log_in(bob.email), domain="127.0.0.1")
        assert STATE in await word(browser, await browser.get(callback))
        for account in (ann, bob):
            assert await site.world.people.connections.list_own(account.id) == []


async def test_a_session_that_is_renewed_on_the_way_still_connects(spotify: SpotifySimulator) -> None:
    async with site_in(spotify) as site, site.browser() as browser:
        ann = await site.world.account()
        await log_in(site, browser)
        site.world.clock.time += 7 * 86400
        before = browser.cookies[SESSION_COOKIE]
        callback = await begun(browser)
        assert browser.cookies[SESSION_COOKIE] != before
        assert "is connected with Spotify" in await word(browser, await browser.get(callback))
        assert len(await site.world.people.connections.list_own(ann.id)) == 1


async def test_a_session_that_somebody_planted_is_not_taken_over(spotify: SpotifySimulator) -> None:
    async with site_in(spotify) as site, site.browser() as browser:
        browser.cookies.set(SESSION_COOKIE, "p" * 43, domain="127.0.0.1")
        await browser.get(await begun(browser))
        opened = (await browser.get(SETTINGS)).request.headers["cookie"]
        assert "p" * 43 not in opened
        assert "ann@example.org" in (await browser.get(SETTINGS)).text


async def test_where_registration_is_closed(spotify: SpotifySimulator) -> None:
    async with site_in(spotify, registration=False) as site, site.browser() as browser:
        answer = await browser.get(await begun(browser))
        assert (answer.status_code, "Registration is closed here." in answer.text) == (403, True)
        assert SESSION_COOKIE not in browser.cookies


async def test_behind_https(spotify: SpotifySimulator) -> None:
    async with site_in(spotify, public_url="https://music.example/") as site, site.browser() as browser:
        off = await browser.get("/auth/spotify")
        asked = httpx.URL(off.headers["location"]).params
        assert asked["redirect_uri"] == "https://music.example/auth/spotify/callback"
        (kept,) = [cookie for cookie in off.headers.get_list("set-cookie") if cookie.startswith(ERRAND)]
        assert kept.endswith("; Path=/auth/spotify; HttpOnly; SameSite=Lax; Secure; Max-Age=600")
        answer = await browser.get(await begun(browser))
        assert answer.status_code == 302
        assert all("; Secure" in cookie for cookie in answer.headers.get_list("set-cookie"))


async def test_under_another_name_than_spotify_comes_back_to(spotify: SpotifySimulator) -> None:
    async with site_in(spotify) as site, site.browser() as browser:
        answer = await browser.get("http://localhost:4000/auth/spotify")
        assert (answer.status_code, "comes back to http://127.0.0.1:4000 alone" in answer.text) == (422, True)
    async with site_in(spotify, public_url="https://music.example") as site, site.browser() as browser:
        assert (await browser.get("http://gateway:4000/auth/spotify")).status_code == 302  # a proxy's own name for us


async def test_long_paths_are_not_kept(spotify: SpotifySimulator) -> None:
    async with site_in(spotify) as site, site.browser() as browser:
        off = await browser.get("/auth/spotify", params={"return_to": "/" + "x" * 1000})
        assert len(off.headers["set-cookie"]) < 2000
        async with httpx.AsyncClient() as at_spotify:
            back = await at_spotify.get(off.headers["location"])
        assert (await browser.get(back.headers["location"])).headers["location"] == "/"


async def test_nothing_of_it_is_in_the_log(spotify: SpotifySimulator) -> None:
    async with site_in(spotify) as site, site.browser() as browser:
        with capture_logs() as lines:
            callback = await begun(browser)
            await browser.get(callback)
            await browser.get(callback)
        params, told = httpx.URL(callback).params, str(lines)
        assert "/auth/spotify/callback" in told
        secrets = [params["code"], params["state"], *spotify.given(), PASSWORD]
        assert not [secret for secret in secrets if secret in told]
