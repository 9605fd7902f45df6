"""Logging in through Spotify, connecting an account with one there, and what a connection is good for."""

import re
import uuid
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from browser import Browser, registered

from tests.simulators.spotify import CLIENT_ID, SpotifySimulator
from tests.stacks import Stack
from tests.waiting import eventually

SESSION = "soundwright_session"
ERRAND = "soundwright_spotify"
SETTINGS = "/users/settings"


@pytest.fixture(autouse=True)
def calm(spotify: SpotifySimulator) -> Iterator[None]:
    """A Spotify that does as it should, before and after."""
    yield
    spotify.failures.clear()
    spotify.token_failures.clear()
    spotify.lifetime_seconds, spotify.rotating, spotify.visitor = 3600, False, ""


def new_user(spotify: SpotifySimulator, email: str = "") -> str:
    """Somebody whom Spotify knows, and who sits in front of every browser from now on."""
    subject = f"user{uuid.uuid4().hex[:12]}"
    spotify.add_user(subject, f"Name of {subject}", email or f"{subject}@example.org")
    return subject


def begin(browser: Browser, path: str = "/auth/spotify") -> str:
    """The address that Spotify sends the browser back to."""
    off = browser.get(path)
    assert off.status_code == 302, off.text
    back = httpx.get(off.headers["location"])
    assert back.status_code == 302, back.text
    return back.headers["location"]


def go(browser: Browser, path: str = "/auth/spotify") -> httpx.Response:
    """To Spotify and back."""
    return browser.get(begin(browser, path))


def outcome(browser: Browser, answer: httpx.Response, target: str = "") -> str:
    """The word on the page to which the answer leads: ``target``, if it is given."""
    assert answer.status_code == 302, answer.text
    assert answer.headers["location"] == (target or answer.headers["location"])
    page = browser.get(answer.headers["location"], follow_redirects=True)
    (word,) = re.findall(r'<(?:p class="flash [a-z]+"[^>]*>|meta name="flash" content=")([^<"]+)', page.text)
    return str(word)


def account(browser: Browser) -> str:
    """The mail address of who is logged in; empty: nobody is."""
    return "".join(re.findall(r'<meta name="account" content="([^"]+)">', browser.get("/studio").text))


def fetch(browser: Browser, playlist: str) -> httpx.Response:
    headers = {"X-CSRF-Token": browser.token()}
    return browser.post("/api/spotify/fetch", json={"url": f"spotify:playlist:{playlist}"}, headers=headers)


# -------------------------------------------------------------------------------------------------------------- log in


def test_the_first_login_makes_an_account_and_the_next_ones_find_it(
    stack: Stack, browser: Browser, spotify: SpotifySimulator
) -> None:
    subject = new_user(spotify)
    assert 'href="/auth/spotify?return_to=/"' in browser.get("/users/log-in").text
    assert "Welcome" in outcome(browser, go(browser))
    assert account(browser) == f"{subject}@example.org"
    page = browser.get(SETTINGS).text
    assert f"Connected as <strong>Name of {subject}</strong>" in page
    assert "the address is not confirmed yet" in page
    eventually(lambda: any(subject.encode() in mail.read_bytes() for mail in stack.emails("*-confirmation.eml")))
    with Browser(stack.base_url) as elsewhere:
        spotify.add_user(subject, "Another Name", f"changed-{subject}@example.org")
        answer = go(elsewhere, f"/auth/spotify?return_to={SETTINGS}")
        assert outcome(elsewhere, answer, SETTINGS) == "You are logged in."
        assert account(elsewhere) == f"{subject}@example.org"
        assert "Another Name" in elsewhere.get(SETTINGS).text
        assert elsewhere.cookies[SESSION] != browser.cookies[SESSION]


def test_the_browser_is_sent_to_spotify_and_keeps_a_sealed_cookie(
    stack: Stack, browser: Browser, spotify: SpotifySimulator
) -> None:
    off = browser.get("/auth/spotify", params={"return_to": "//evil.example"})
    location = urlsplit(off.headers["location"])
    asked = {name: value for name, (value,) in parse_qs(location.query).items()}
    assert f"{location.scheme}://{location.netloc}{location.path}" == f"{spotify.url}/authorize"
    assert (asked["client_id"], asked["response_type"]) == (CLIENT_ID, "code")
    assert asked["redirect_uri"] == f"{stack.base_url}/auth/spotify/callback"
    assert asked["code_challenge_method"] == "S256"
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", asked["code_challenge"])
    assert len(asked["state"]) >= 43
    assert asked["scope"].split() == [
        "playlist-read-private", "user-library-read", "user-read-private", "user-read-email",
    ]  # fmt: skip
    (kept,) = [cookie for cookie in off.headers.get_list("set-cookie") if cookie.startswith(ERRAND)]
    assert set(kept.split("; ")[1:]) == {"Path=/", "HttpOnly", "SameSite=lax", "Max-Age=600"}
    assert asked["state"] not in kept  # it is sealed
    new_user(spotify)
    back = httpx.get(off.headers["location"])
    assert go_back(browser, back) == "/"  # never to somebody else's site


def go_back(browser: Browser, back: httpx.Response) -> str:
    return browser.get(back.headers["location"]).headers["location"]


def test_a_callback_serves_once(stack: Stack, browser: Browser, spotify: SpotifySimulator) -> None:
    new_user(spotify)
    browser.get("/studio")  # which gives it a visit
    callback = begin(browser)
    kept = dict(browser.cookies)
    answer = browser.get(callback)
    (gone,) = [cookie for cookie in answer.headers.get_list("set-cookie") if cookie.startswith(ERRAND)]
    assert set(gone.split("; ")) == {f'{ERRAND}=""', "Path=/", "HttpOnly", "SameSite=lax", "Max-Age=0"}
    assert account(browser)
    assert "was already used" in outcome(browser, browser.get(callback))
    with Browser(stack.base_url) as copied:  # with all that the browser had at that time, too
        copied.cookies.update(kept)
        assert "rejected this login" in outcome(copied, copied.get(callback))
        assert account(copied) == ""


@pytest.mark.parametrize("what", ["state", "no state", "no errand", "another browser", "errand of another", "no code"])
def test_a_forged_callback_logs_nobody_in(stack: Stack, browser: Browser, spotify: SpotifySimulator, what: str) -> None:
    """Nobody can log a browser in to an account of theirs, so that its user works there unawares."""
    new_user(spotify)
    callback = begin(browser)
    with Browser(stack.base_url) as victim:
        forged, used = callback, victim
        if what in ("state", "no state", "no code"):
            query = {name: value for name, (value,) in parse_qs(urlsplit(callback).query).items()}
            if what == "no code":
                del query["code"]
            else:
                query["state"] = "" if what == "no state" else "x" * 43
            forged, used = str(httpx.URL(callback, params=query)), browser
        elif what == "no errand":
            browser.cookies.delete(ERRAND)
            used = browser
        elif what == "another browser":
            begin(victim)
        else:
            victim.get("/studio")
            victim.cookies.set(ERRAND, browser.cookies[ERRAND], domain="127.0.0.1", path="/auth/spotify")
        answer = used.get(forged)
        word = "returned an error" if what == "no code" else "was not started in this browser"
        assert word in outcome(used, answer)
        assert account(used) == ""
        assert SESSION not in used.cookies


def test_who_denies_access_is_not_logged_in(browser: Browser, spotify: SpotifySimulator) -> None:
    spotify.visitor = ""
    assert outcome(browser, go(browser)) == "You denied access to Spotify. Nothing was changed."
    assert account(browser) == ""
    answer = go(browser, "/auth/spotify?return_to=/tracks")
    assert answer.headers["location"] == "/users/log-in?return_to=%2Ftracks"


def test_an_address_that_has_an_account_needs_its_login(
    stack: Stack, browser: Browser, ann: Browser, spotify: SpotifySimulator
) -> None:
    subject = new_user(spotify, ann.email)
    with Browser(stack.base_url) as elsewhere:
        answer = go(elsewhere)
        assert answer.headers["location"] == "/users/log-in?return_to=%2Fusers%2Fsettings"
        assert "Log in to it, then connect Spotify" in outcome(elsewhere, answer, answer.headers["location"])
        assert account(elsewhere) == ""
        assert "Not connected" in ann.get(SETTINGS).text
        # Which is what its owner does.
        assert "is connected" in outcome(ann, go(ann, f"/auth/spotify?return_to={SETTINGS}"), SETTINGS)
        assert f"Name of {subject}" in ann.get(SETTINGS).text
        assert outcome(elsewhere, go(elsewhere)) == "You are logged in."
        assert account(elsewhere) == ann.email


def test_an_error_of_spotify_logs_nobody_in(browser: Browser, spotify: SpotifySimulator) -> None:
    new_user(spotify)
    spotify.token_failures.append(503)
    assert "returned an error" in outcome(browser, go(browser))
    spotify.failures.append((500, {}))
    assert "returned an error" in outcome(browser, go(browser))
    spotify.failures.append((403, {}))  # as for users whom the application is not open to
    assert "whether your Spotify account may use this installation" in outcome(browser, go(browser))
    assert account(browser) == ""


# ------------------------------------------------------------------------------------------------------------- connect


@pytest.mark.topology("cluster")
def test_a_connection_opens_private_playlists_until_it_ends(
    stack: Stack, ann: Browser, spotify: SpotifySimulator
) -> None:
    subject, private = new_user(spotify), f"private{uuid.uuid4().hex}"
    track = spotify.add_track(f"t{uuid.uuid4().hex}", "Secret Song", ["Artist"], 100.0)
    spotify.add_playlist(private, "Mine alone", [{"track": track}], only_for=subject)
    assert (fetch(ann, private).status_code, fetch(ann, private).json()["code"]) == (404, "spotify_error")
    spotify.lifetime_seconds = 30  # so that a token is as good as over at once
    assert "is connected" in outcome(ann, go(ann))
    count = spotify.user_token_count
    assert fetch(ann, private).json()["data"]["name"] == "Mine alone"
    assert spotify.user_token_count == count + 1  # it was renewed
    spotify.lifetime_seconds = 3600
    assert [fetch(ann, private).status_code for _ in range(3)] == [200] * 3
    assert spotify.user_token_count == count + 2  # and the one that lives longer was kept
    headers = {"X-CSRF-Token": ann.token()}
    answer = ann.post("/api/download/track", json={"url": f"spotify:playlist:{private}"}, headers=headers)
    assert answer.status_code in (200, 201, 202), answer.text
    # A token that Spotify takes no more is renewed; what it does not show to the user it may show to the application.
    spotify.add_playlist("forall", "For all", [{"track": track}])
    for status, renewed in ((401, 1), (403, 0)):
        count = spotify.user_token_count
        spotify.failures.append((status, {}))
        assert fetch(ann, "forall").status_code == 200
        assert spotify.user_token_count == count + renewed
    # Nothing of it can be read where it is stored, or in the log.
    secrets = [token for token, whose in spotify.given().items() if whose == subject]
    assert len(secrets) >= 4
    for content in (stack.documents(), stack.log().encode()):
        assert not [secret for secret in secrets if secret.encode() in content]
    # Whoever takes leave back still sees what everybody sees.
    spotify.revoke(subject)
    assert (fetch(ann, private).status_code, fetch(ann, "forall").status_code) == (404, 200)
    assert "Connected as" in ann.get(SETTINGS).text  # for logging in
    assert "is connected" in outcome(ann, go(ann))
    assert fetch(ann, private).status_code == 200


def test_a_removed_connection_can_be_made_by_another_account(
    stack: Stack, ann: Browser, spotify: SpotifySimulator
) -> None:
    new_user(spotify)
    go(ann)
    with Browser(stack.base_url) as other:
        registered(other)
        assert "connected to another account" in outcome(other, go(other), SETTINGS)
        for _ in range(2):
            removal = ann.submit("POST", SETTINGS, {"action": "disconnect", "provider": "spotify"})
            assert outcome(ann, removal, SETTINGS) == "The connection was removed."
        assert "Not connected" in ann.get(SETTINGS).text
        assert "is connected" in outcome(other, go(other))
    assert ann.post(SETTINGS, data={"action": "disconnect", "provider": "spotify"}).status_code == 403


def test_a_key_for_lalal_ai_is_stored_encrypted(stack: Stack, ann: Browser) -> None:
    key = f"key-{uuid.uuid4()}"
    assert "Your key is not set." in ann.get(SETTINGS).text
    answer = ann.submit("POST", SETTINGS, {"action": "connect_lalalai", "key": "short"})
    assert (answer.status_code, "must be 8 to 200" in answer.text) == (200, True)
    answer = ann.submit("POST", SETTINGS, {"action": "connect_lalalai", "key": f" {key} "})
    assert outcome(ann, answer, SETTINGS) == "The key was stored encrypted."
    page = ann.get(SETTINGS).text
    assert "Your key is set." in page
    assert key not in page
    for content in (stack.documents(), stack.log().encode()):
        assert key.encode() not in content
    ann.submit("POST", SETTINGS, {"action": "disconnect", "provider": "lalalai"})
    assert "Your key is not set." in ann.get(SETTINGS).text
