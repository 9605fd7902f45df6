"""Login through Spotify: time limits, settings, and the state of the browser."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
from gateway_fixture import gateway_over
from jobs_platform import served
from library_fixture import PASSWORD, Library
from structlog.testing import capture_logs

from soundwright.ingest.v1 import ingest_service_pb2_grpc
from soundwright.library.v1 import library_service_pb2_grpc, storage_service_pb2_grpc
from soundwright.services.gateway.app import build
from soundwright.services.gateway.callers.authenticator import Authenticator
from soundwright.services.gateway.callers.browsers import SESSION_COOKIE
from soundwright.services.gateway.callers.rate_limits import RateClass, RateLimiter
from soundwright.services.gateway.clients import COMPONENTS, Clients, Gateway
from soundwright.services.gateway.web import PAGES, page_routes
from soundwright.services.ingest.rpc import IngestRpc
from soundwright.services.ingest.spotify_accounts import SpotifyAccounts
from soundwright.services.library.identity.rpc import AccountRpc
from soundwright.services.library.storage.rpc import StorageRpc
from tests.signers import signer_of
from tests.simulators.spotify import CLIENT_ID, CLIENT_SECRET, SpotifySimulator

ERRAND = "soundwright_spotify"
SETTINGS = "/users/settings"
STATE = "This Spotify login was not started in this browser"


class Site:
    """The pages with a library and the Spotify authorization of ingest."""

    def __init__(self, library: Library, gateway: Gateway) -> None:
        self.library = library
        authenticator = Authenticator(gateway.clients.accounts, False, gateway.settings.secrets())
        limiter = RateLimiter(dict.fromkeys(RateClass, 1000), library.clock)
        self._app = build((PAGES,), [page_routes(gateway)], authenticator, limiter, gateway.settings)
        self._base_url = gateway.settings.public_address

    def browser(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(self._app), base_url=self._base_url)


@contextlib.asynccontextmanager
async def site_in(
    spotify: SpotifySimulator, client_id: str = CLIENT_ID, registration: bool = True, **settings: Any
) -> AsyncIterator[Site]:
    def add_services(server: Any, library: Library) -> None:
        spotify_accounts = SpotifyAccounts(
            client_id=client_id, client_secret=CLIENT_SECRET, accounts_url=spotify.url, api_url=spotify.url,
            timeout_seconds=5.0, clock=library.clock,
        )  # fmt: skip
        nothing: Any = None  # deletions, tracks and downloads are not used
        parts = (library.accounts, library.guests, library.sessions, library.tokens, library.email_links, nothing)
        library_service_pb2_grpc.add_AccountServiceServicer_to_server(AccountRpc(*parts, signer_of("library")), server)
        storage_service_pb2_grpc.add_StorageServiceServicer_to_server(StorageRpc(library.storage), server)
        ingest = IngestRpc(
            library.blobs, nothing, nothing, nothing, nothing, nothing, spotify_accounts, True, 1000, library.folder
        )
        ingest_service_pb2_grpc.add_IngestServiceServicer_to_server(ingest, server)

    async with served(None, "gateway", also=add_services, registration=registration) as (library, channels):
        clients = Clients.over(dict.fromkeys(COMPONENTS, channels["gateway"]))
        gateway = gateway_over(clients, library.folder, library.clock, registration=registration, **settings)
        yield Site(library, gateway)
        gateway.reencoder.slots.close()


async def begun(browser: httpx.AsyncClient) -> str:
    """Start a login, and return the URL to which Spotify redirects the browser."""
    off = await browser.get("/auth/spotify")
    async with httpx.AsyncClient() as at_spotify:
        return (await at_spotify.get(off.headers["location"])).headers["location"]


async def log_in(site: Site, browser: httpx.AsyncClient) -> None:
    browser.cookies.set(SESSION_COOKIE, await site.library.log_in(), domain=str(browser.base_url.host))


async def word(browser: httpx.AsyncClient, answer: httpx.Response) -> str:
    assert answer.status_code == 302
    return (await browser.get(answer.headers["location"], follow_redirects=True)).text


async def test_without_credentials_nobody_is_sent_to_spotify(spotify: SpotifySimulator) -> None:
    async with site_in(spotify, client_id="") as site, site.browser() as browser:
        answer = await browser.get("/auth/spotify")
        assert (answer.status_code, answer.headers["content-type"]) == (503, "text/html; charset=utf-8")
        assert "Spotify credentials are not configured. Ask the operator" in answer.text
        assert "SPOTIFY_UNAUTHORIZED" in answer.text
        assert ERRAND not in browser.cookies


async def test_a_login_expires_after_ten_minutes(spotify: SpotifySimulator) -> None:
    async with site_in(spotify) as site, site.browser() as browser:
        callback = await begun(browser)
        site.library.clock.time += 600
        assert STATE in await word(browser, await browser.get(callback))
        callback = await begun(browser)
        site.library.clock.time += 599
        assert "Your account is ready" in await word(browser, await browser.get(callback))


async def test_a_login_does_not_connect_an_account(spotify: SpotifySimulator) -> None:
    """An attacker who starts a login in a browser gets no access to the account that its user logs in to later."""
    async with site_in(spotify) as site, site.browser() as browser:
        ann = await site.library.account("someone@example.org")
        callback = await begun(browser)
        browser.cookies.set(SESSION_COOKIE, await site.library.log_in(ann.email), domain="127.0.0.1")
        assert STATE in await word(browser, await browser.get(callback))
        assert await site.library.connections.list_own(ann.id) == []


async def test_a_connection_does_not_log_in(spotify: SpotifySimulator) -> None:
    async with site_in(spotify) as site, site.browser() as browser:
        ann = await site.library.account()
        await log_in(site, browser)
        callback = await begun(browser)
        browser.cookies.delete(SESSION_COOKIE)
        assert STATE in await word(browser, await browser.get(callback))
        # It does not connect another user who logged in in the meantime.
        await log_in(site, browser)
        callback = await begun(browser)
        bob = await site.library.account("bob@example.org")
        browser.cookies.set(SESSION_COOKIE, await site.library.log_in(bob.email), domain="127.0.0.1")
        assert STATE in await word(browser, await browser.get(callback))
        for account in (ann, bob):
            assert await site.library.connections.list_own(account.id) == []


async def test_a_session_renewed_in_the_meantime_still_connects(spotify: SpotifySimulator) -> None:
    async with site_in(spotify) as site, site.browser() as browser:
        ann = await site.library.account()
        await log_in(site, browser)
        site.library.clock.time += 7 * 86400
        before = browser.cookies[SESSION_COOKIE]
        callback = await begun(browser)
        assert browser.cookies[SESSION_COOKIE] != before
        assert "is connected to Spotify" in await word(browser, await browser.get(callback))
        assert len(await site.library.connections.list_own(ann.id)) == 1


async def test_a_planted_session_is_not_reused(spotify: SpotifySimulator) -> None:
    async with site_in(spotify) as site, site.browser() as browser:
        browser.cookies.set(SESSION_COOKIE, "p" * 43, domain="127.0.0.1")
        await browser.get(await begun(browser))
        opened = (await browser.get(SETTINGS)).request.headers["cookie"]
        assert "p" * 43 not in opened
        assert "ann@example.org" in (await browser.get(SETTINGS)).text


async def test_closed_registration_creates_no_account(spotify: SpotifySimulator) -> None:
    async with site_in(spotify, registration=False) as site, site.browser() as browser:
        answer = await browser.get(await begun(browser))
        assert (answer.status_code, "Registration is closed." in answer.text) == (403, True)
        assert SESSION_COOKIE not in browser.cookies


async def test_cookies_are_secure_with_https(spotify: SpotifySimulator) -> None:
    async with site_in(spotify, public_url="https://music.example/") as site, site.browser() as browser:
        off = await browser.get("/auth/spotify")
        asked = httpx.URL(off.headers["location"]).params
        assert asked["redirect_uri"] == "https://music.example/auth/spotify/callback"
        (kept,) = [cookie for cookie in off.headers.get_list("set-cookie") if cookie.startswith(f"__Host-{ERRAND}")]
        assert set(kept.split("; ")[1:]) == {"Path=/", "HttpOnly", "SameSite=lax", "Secure", "Max-Age=600"}
        answer = await browser.get(await begun(browser))
        assert answer.status_code == 302
        assert all("; Secure" in cookie for cookie in answer.headers.get_list("set-cookie"))


async def test_a_host_other_than_the_public_one_is_refused(spotify: SpotifySimulator) -> None:
    async with site_in(spotify) as site, site.browser() as browser:
        answer = await browser.get("http://localhost:4000/auth/spotify")
        assert (answer.status_code, "Spotify redirects only to http://127.0.0.1:4000." in answer.text) == (422, True)
    settings = {"public_url": "https://music.example", "allowed_hosts": "gateway"}
    async with site_in(spotify, **settings) as site, site.browser() as browser:
        assert (
            await browser.get("http://gateway:4000/auth/spotify")
        ).status_code == 302  # the internal host name of a proxy


async def test_long_return_paths_are_ignored(spotify: SpotifySimulator) -> None:
    async with site_in(spotify) as site, site.browser() as browser:
        off = await browser.get("/auth/spotify", params={"return_to": "/" + "x" * 1000})
        assert len(off.headers["set-cookie"]) < 2000
        async with httpx.AsyncClient() as at_spotify:
            back = await at_spotify.get(off.headers["location"])
        assert (await browser.get(back.headers["location"])).headers["location"] == "/"


async def test_the_log_contains_no_secrets(spotify: SpotifySimulator) -> None:
    async with site_in(spotify) as site, site.browser() as browser:
        with capture_logs() as lines:
            callback = await begun(browser)
            await browser.get(callback)
            await browser.get(callback)
        params, told = httpx.URL(callback).params, str(lines)
        assert "/auth/spotify/callback" in told
        secrets = [params["code"], params["state"], *spotify.given(), PASSWORD]
        assert not [secret for secret in secrets if secret in told]
