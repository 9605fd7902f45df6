"""The pages of jobs and tracks: what they show, to whom, and how they stay as things are."""

# Calls over HTTP are short, and nothing else is to be done meanwhile.
# ruff: noqa: ASYNC210, ASYNC212

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest
import websockets
from browser import Browser, registered
from gateway_process import GatewayProcess
from phoenix_client import DEADLINE_SECONDS, refused
from stories import encoded, finished, song
from websockets.asyncio.client import ClientConnection

from tests.simulators.media_site import MediaSite
from tests.stacks import Stack

HOSTILE = """<script>alert("x")</script><img src=x onerror='alert(1)'>&amp; {{ 7 * 7 }}"""
VOID = frozenset({"meta", "link", "input", "br", "img"})


@pytest.fixture(scope="module")
def guest(stack: Stack) -> Iterator[Browser]:
    """Somebody who is logged in and has nothing here."""
    with Browser(stack.base_url) as browser:
        registered(browser)
        yield browser


@pytest.fixture
def ann(stack: Stack) -> Iterator[Browser]:
    """Somebody who is logged in, with a library of her own."""
    with Browser(stack.base_url) as browser:
        registered(browser)
        yield browser


def uploaded(browser: Browser, title: str = "Song", seconds: float = 1.0) -> str:
    """The id of a track that was just uploaded."""
    form = {"_csrf_token": (None, browser.token()), "title": (None, title), "artist": (None, "Ann")}
    answer = browser.post("/api/tracks", files={**form, "file": ("song.wav", encoded(song(seconds)))})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["data"]["id"])


def started(browser: Browser, kind: str, track_id: str) -> str:
    """The id of a job, ``analysis/analyze`` or ``processing/separate``."""
    body = {"track_id": track_id} | ({"model": "dsp"} if kind == "processing/separate" else {})
    answer = browser.post(f"/api/{kind}", json=body, headers={"x-csrf-token": browser.token()})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["data"]["job_id"])


class Page(HTMLParser):
    """What is on a page, as a browser would read it. Refuses what is not well-formed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text, self.html = "", text
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open, self._open
        ids = [attributes["id"] for _, attributes in self.tags if "id" in attributes]
        assert len(ids) == len(set(ids))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        assert len(dict(attributes)) == len(attributes)
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str, attribute: str) -> list[str]:
        """The values of an attribute, wherever such an element has it."""
        return [str(values[attribute]) for name, values in self.tags if name == tag and attribute in values]

    @property
    def cards(self) -> list[str]:
        return [value for value in self.all("li", "id") if value.startswith(("job-", "track-"))]


def page_of(browser: httpx.Client, path: str) -> Page:
    answer = browser.get(path)
    assert answer.status_code == 200, answer.text
    return Page(answer.text)


class Live:
    """What a browser would make of the messages of a list."""

    def __init__(self, socket: ClientConnection, page: Page) -> None:
        self.socket = socket
        self.messages: list[dict[str, Any]] = []
        self.shown = dict.fromkeys(page.cards, "")  # in their order

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(DEADLINE_SECONDS):
            message: dict[str, Any] = json.loads(await self.socket.recv())
        self.messages.append(message)
        if "list" in message:
            self.shown = {key: html for key, html in self.shown.items() if key in message["ids"]}
        elif "html" in message:
            if message["id"] not in self.shown:
                keys = list(self.shown)
                at = 0 if "prepend" in message else keys.index(message["after"]) + 1
                self.shown = dict.fromkeys([*keys[:at], message["id"], *keys[at:]], "") | self.shown
            self.shown[message["id"]] = message["html"]
        return message

    async def until(self, element_id: str, words: str) -> str:
        """An element's HTML, once it says that."""
        while words not in self.shown.get(element_id, ""):
            await self.next()
        return self.shown[element_id]

    async def quiet(self) -> None:
        """Whatever was to be said has been said."""
        await self.socket.send('{"heartbeat":7}')
        while await self.next() != {"heartbeat": 7}:
            pass


def origin_of(browser: httpx.Client) -> str:
    return str(browser.base_url).rstrip("/")


def address(browser: httpx.Client, path: str) -> str:
    return origin_of(browser).replace("http", "ws", 1) + path


def handshake(browser: httpx.Client, **more: Any) -> dict[str, Any]:
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    return {"origin": origin_of(browser), "additional_headers": {"Cookie": cookie}, **more}


@contextlib.asynccontextmanager
async def live(browser: httpx.Client, path: str) -> AsyncIterator[Live]:
    """The page at ``path`` with its socket, after the first state was pushed."""
    page = page_of(browser, path)
    (place,) = page.all("ul", "data-live")
    async with websockets.connect(address(browser, place), **handshake(browser)) as socket:
        shown = Live(socket, page)
        assert "list" in await shown.next()
        await shown.quiet()
        yield shown


# ------------------------------------------------------------------------------------------------------------ the pages


def test_who_is_not_logged_in_sees_only_what_open_access_allows(stack: Stack, ann: Browser) -> None:
    started(ann, "analysis/analyze", uploaded(ann, "Hers"))
    with httpx.Client(base_url=stack.base_url) as anonymous:
        for path in ("/jobs", "/tracks"):
            assert "Hers" in page_of(ann, path).text
            assert "Hers" not in page_of(anonymous, path).text
        assert '<form method="post" action="/tracks"' not in anonymous.get("/tracks").text
        token = page_of(anonymous, "/").all("meta", "content")[-1]
        answer = anonymous.post("/tracks", files={"_csrf_token": (None, token), "file": ("a.wav", b"x")})
        assert (answer.status_code, answer.headers["location"]) == (302, "/users/log-in")


def test_pages_are_linked_and_are_html(guest: Browser) -> None:
    for path in ("/", "/jobs", "/tracks"):
        page = page_of(guest, path)
        assert {"/jobs", "/tracks", "/users/settings"} <= set(page.all("a", "href"))
        assert len([tag for tag, _ in page.tags if tag == "h1"]) == 1
    assert "No jobs yet" in page_of(guest, "/jobs").text
    assert "No tracks yet" in page_of(guest, "/tracks").text


def test_only_pages_that_need_it_allow_our_script_and_none_allows_others(guest: Browser) -> None:
    for path, scripts in (("/", []), ("/users/settings", []), ("/jobs", ["/assets/live.js"])):
        answer = guest.get(path)
        assert Page(answer.text).all("script", "src") == scripts
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none';")
        assert ("script-src 'self'; connect-src 'self'" in policy) == bool(scripts)
        assert "unsafe" not in policy
    script = guest.get("/assets/live.js")
    assert (script.status_code, script.headers["content-type"]) == (200, "text/javascript; charset=utf-8")


def test_jobs_with_their_results(ann: Browser) -> None:
    track_id = uploaded(ann)
    jobs = [started(ann, kind, track_id) for kind in ("analysis/analyze", "processing/separate")]
    for job_id in jobs:
        finished(ann, f"/api/jobs/{job_id}")
    page = page_of(ann, "/jobs")
    assert page.cards == [f"job-{job_id}" for job_id in reversed(jobs)]
    assert page.text.count("Song, Ann") == page.text.count("Completed") == 2
    assert page.text.index("Separation, ") < page.text.index("Analysis, ")
    links = [link for link in page.all("a", "href") if link.startswith(("/jobs/", "/export/"))]
    stems = ann.get(f"/api/processing/job/{jobs[1]}").json()["data"]["stems"]
    assert links == [*(f"/jobs/{jobs[1]}/files/{stem['stem_type']}" for stem in stems), f"/export/analysis/{track_id}"]
    assert len(stems) == 4
    assert ann.get(links[0]).content == ann.get(stems[0]["file_path"]).content
    assert ann.get(links[0], headers={"Range": "bytes=0-9"}).status_code == 206
    assert ann.get(links[-1]).json()["track_id"] == track_id
    with Browser(str(ann.base_url)) as stranger:
        registered(stranger)
        assert stranger.get(links[0]).status_code == 403
    assert ann.get(f"/jobs/{jobs[1]}/files/nothing").status_code == 404


def test_tracks_are_uploaded_found_heard_and_paged(ann: Browser) -> None:
    form = {"_csrf_token": (None, ann.token()), "title": (None, "Émile's song")}
    content = encoded(song(65.0, 1))
    answer = ann.post("/tracks", files={**form, "file": ("a.wav", content)})
    assert (answer.status_code, answer.headers["location"]) == (302, "/tracks")
    page = page_of(ann, "/tracks")
    assert "The recording was added to your library." in page.text
    assert "1:05" in page.text
    (path,) = page.all("audio", "src")
    assert ann.get(path).content == content
    with Browser(str(ann.base_url)) as stranger:
        registered(stranger)
        assert stranger.get(path).status_code == 404
    titles = [f"Number {number}" for number in range(20)]
    for title in titles:
        uploaded(ann, title, 0.1)
    first, second = page_of(ann, "/tracks"), page_of(ann, "/tracks?page=2")
    assert (len(first.cards), len(second.cards)) == (20, 1)
    assert "Page 1 of 2" in first.text
    assert "/tracks?page=2" in first.all("a", "href")
    assert "/tracks?page=1" in second.all("a", "href")
    assert page_of(ann, "/tracks?q=emile").cards == second.cards
    assert "/tracks?page=2" in page_of(ann, "/tracks?page=9").all("a", "href")
    assert "/tracks?page=1&q=none" in page_of(ann, "/tracks?q=none&page=9").all("a", "href")
    assert "No track matches the search" in page_of(ann, "/tracks?q=%3Cscript%3E").text
    assert ann.get("/tracks?page=0").status_code == 422


def test_a_refused_upload_says_why(guest: Browser) -> None:
    answer = guest.post("/tracks", files={"_csrf_token": (None, guest.token()), "file": ("a.wav", b"no audio")})
    assert answer.status_code == 422
    assert "audio" in Page(answer.text).text
    assert (
        "The CSRF token is missing, invalid or expired" in guest.post("/tracks", files={"file": ("a.wav", b"x")}).text
    )


def test_text_stays_text(ann: Browser) -> None:
    job_id = started(ann, "analysis/analyze", uploaded(ann, HOSTILE))
    finished(ann, f"/api/jobs/{job_id}")
    for path in ("/jobs", "/tracks", f"/tracks?q={HOSTILE}"):
        page = page_of(ann, path)
        assert page.all("script", "src") == ["/assets/live.js"]
        assert len([tag for tag, _ in page.tags if tag in ("script", "img")]) == 1
    assert page_of(ann, "/jobs").text.count(HOSTILE) == 1


# -------------------------------------------------------------------------------------------------------------- live


async def test_a_job_is_followed_and_looks_as_after_a_reload(ann: Browser) -> None:
    track_id = uploaded(ann, HOSTILE, 60.0)
    async with live(ann, "/jobs") as shown:
        job_id = started(ann, "processing/separate", track_id)
        key = f"job-{job_id}"
        await shown.until(key, "<progress")
        assert ann.delete(f"/api/jobs/{job_id}", headers={"x-csrf-token": ann.token()}).status_code == 204
        await shown.until(key, "Cancelled")
        await shown.quiet()
        told = [message for message in shown.messages if message.get("id") == key]
        assert told[0]["prepend"] == "jobs"
        assert all("prepend" not in message for message in told[1:])
        assert "<progress" not in told[-1]["html"]
        fragment = Page(shown.shown[key])
        assert (fragment.cards, HOSTILE in fragment.text) == ([key], True)
        assert not {tag for tag, _ in fragment.tags} & {"script", "img"}
        page = page_of(ann, "/jobs")
        assert page.cards == list(shown.shown) == [key]
        assert shown.shown[key] in page.html


async def test_what_happened_between_page_and_socket_is_made_up_for(ann: Browser) -> None:
    track_id = uploaded(ann)
    old = started(ann, "analysis/analyze", track_id)
    page = page_of(ann, "/jobs")
    finished(ann, f"/api/jobs/{old}")
    new = [started(ann, "analysis/analyze", track_id) for _ in range(2)]
    for job_id in new:
        finished(ann, f"/api/jobs/{job_id}")
    (place,) = page.all("ul", "data-live")
    async with websockets.connect(address(ann, place), **handshake(ann)) as socket:
        shown = Live(socket, page)
        await shown.until(f"job-{old}", "Completed")
        await shown.quiet()
    after = page_of(ann, "/jobs")
    assert after.cards == list(shown.shown) == [f"job-{job_id}" for job_id in (*reversed(new), old)]
    assert all(html in after.html for html in shown.shown.values())


async def test_tracks_appear_get_their_stems_and_go(ann: Browser) -> None:
    async with live(ann, "/tracks") as shown:
        track_id = uploaded(ann)
        key = f"track-{track_id}"
        await shown.until(key, "Song")
        job_id = started(ann, "processing/separate", track_id)
        await shown.until(key, f"/jobs/{job_id}/files/vocals")
        again = started(ann, "processing/separate", track_id)  # as many stems as before, and yet others
        await shown.until(key, f"/jobs/{again}/files/vocals")
        assert shown.shown[key] in page_of(ann, "/tracks").html
        assert ann.delete(f"/api/tracks/{track_id}", headers={"x-csrf-token": ann.token()}).status_code == 204
        while key in shown.shown:
            await shown.next()


async def test_a_download_is_shown_before_and_after_it_has_audio(ann: Browser, site: MediaSite) -> None:
    url = site.stalling("/shown.wav", encoded(song(30.0)), "audio/wav")

    def download(**body: str) -> dict[str, Any]:
        answer = ann.post("/api/download/track", json=body, headers={"x-csrf-token": ann.token()})
        assert answer.status_code == 201, answer.text
        created: dict[str, Any] = answer.json()["data"]
        return created

    def download_of(key: str) -> Page:
        return Page(f"<ul>{shown.shown[key]}</ul>")

    async with live(ann, "/tracks") as shown:
        created = download(url=url)
        key = f"track-{created['track_id']}"
        await shown.until(key, "Downloading")
        assert ("shown" in download_of(key).text, download_of(key).all("audio", "src")) == (True, [])
        assert ann.get(f"/tracks/{created['track_id']}/audio").status_code == 409
        ann.delete(f"/api/jobs/{created['job_id']}", headers={"x-csrf-token": ann.token()})
        await shown.until(key, "Cancelled")
        site.status("/shown.wav", 404)
        download(track_id=created["track_id"])
        await shown.until(key, "Failed")
        assert "404" in download_of(key).text or "not available" in download_of(key).text, download_of(key).text
        assert download_of(key).all("audio", "src") == []
        assert shown.shown[key] in page_of(ann, "/tracks").html
        site.file("/shown.wav", encoded(song(1.0)), "audio/wav")
        download(track_id=created["track_id"])
        await shown.until(key, "<audio")
        assert 'class="state' not in shown.shown[key]
        assert ann.get(download_of(key).all("audio", "src")[0]).status_code == 200


async def test_jobs_of_others_never_appear(stack: Stack, ann: Browser) -> None:
    with Browser(stack.base_url) as bob, httpx.Client(base_url=stack.base_url) as anonymous:
        registered(bob)
        async with live(bob, "/jobs") as theirs, live(anonymous, "/jobs") as nobodys:
            started(ann, "analysis/analyze", uploaded(ann, "Hers"))
            track_id = uploaded(bob, "His")
            finished(ann, f"/api/jobs/{started(ann, 'analysis/analyze', uploaded(ann, 'Hers'))}")
            own = started(bob, "analysis/analyze", track_id)
            await theirs.until(f"job-{own}", "Completed")
            await nobodys.quiet()
            assert list(theirs.shown) == [f"job-{own}"]
            assert "Hers" not in str(theirs.messages) + str(nobodys.messages)
            assert "His" not in str(nobodys.messages)


async def test_callers_without_a_name_follow_what_they_started(stack: Stack) -> None:
    with httpx.Client(base_url=stack.base_url, timeout=60) as anonymous:
        async with live(anonymous, "/jobs") as shown:
            answer = anonymous.post("/generate", json={"prompt": "rain on a roof", "duration": 1})
            assert answer.status_code == 200, answer.text
            while not any("rain on a roof" in html and "Completed" in html for html in shown.shown.values()):
                await shown.next()
            (html,) = [html for html in shown.shown.values() if "rain on a roof" in html]
            (path,) = Page(html).all("a", "href")
            audio = anonymous.get(path)
            assert (audio.status_code, audio.headers["content-type"]) == (200, "audio/wav")
            assert httpx.get(f"{stack.base_url}{path}").content == audio.content


# ------------------------------------------------------------------------------------------------------------ refusals


async def test_only_our_own_pages_may_listen(stack: Stack, guest: Browser) -> None:
    place = address(guest, "/live/websocket?list=jobs")
    foreign = stack.base_url.replace("127.0.0.1", "127.0.0.2")
    assert await refused(place, **handshake(guest)) == 101
    for origin in (foreign, "null", None):
        assert await refused(place, **handshake(guest, origin=origin)) == 403
        assert await refused(place, origin=origin, additional_headers={"Authorization": f"Bearer {stack.token}"}) == 403
    assert await refused(f"{place}&token={stack.token}", origin=foreign) == 403


async def test_lists_that_there_are_not(guest: Browser) -> None:
    for query in (
        "",
        "list=users",
        "list=jobs&page=0",
        "list=jobs&page=x",
        "list=jobs&page=" + "9" * 5000,
        "list=&list=jobs",
    ):
        assert await refused(address(guest, f"/live/websocket?{query}"), **handshake(guest)) == 403, query
    assert await refused(address(guest, f"/live/websocket?list=tracks&q={'x' * 501}"), **handshake(guest)) == 403
    assert guest.get("/live/websocket").status_code == 404


async def test_what_is_no_heartbeat_ends_the_socket(guest: Browser) -> None:
    for text in ("x", "[]", "{}", '{"heartbeat":"x"}', '{"heartbeat":1e999}', '{"heartbeat":' + "9" * 400 + "}"):
        async with live(guest, "/jobs") as shown:
            await shown.socket.send(text)
            assert await closed(shown.socket) == 1007, text


async def closed(socket: ClientConnection) -> int:
    async with asyncio.timeout(DEADLINE_SECONDS):
        await socket.wait_closed()
    return socket.close_code or 0


async def test_who_is_suspended_or_logs_out_is_told_nothing_more(
    stack: Stack, admin: httpx.Client, ann: Browser
) -> None:
    with Browser(stack.base_url) as bob:
        registered(bob)
        uploaded(bob, "His")
        async with live(ann, "/jobs") as hers, live(bob, "/tracks") as his:
            user = admin.get("/api/admin/users", params={"search": ann.email}).json()["data"][0]
            assert admin.patch(f"/api/admin/users/{user['id']}", json={"status": "suspended"}).status_code == 200
            bob.submit("POST", "/users/log-out", {"_method": "delete"})
            assert [await closed(hers.socket), await closed(his.socket)] == [1008, 1008]
        # Whose session is over is nobody, whom open access lets in.
        async with live(bob, "/tracks") as nobodys:
            assert "His" in str(his.messages)
            assert "His" not in str(nobodys.messages)


@pytest.fixture(scope="module")
def strict(stack: Stack) -> Iterator[GatewayProcess]:
    """A gateway without open access, which hears of jobs or knows nothing of them: it looks once."""
    with GatewayProcess(stack, open_access="false", socket_poll_seconds="3600") as gateway:
        yield gateway


async def test_without_open_access_one_has_to_log_in(strict: GatewayProcess) -> None:
    with httpx.Client(base_url=strict.base_url) as anonymous:
        answer = anonymous.get("/tracks?q=a b&page=2")
        where = "/users/log-in?return_to=%2Ftracks%3Fq%3Da%2520b%26page%3D2"
        assert (answer.status_code, answer.headers["location"]) == (302, where)
        for path in ("/jobs", "/jobs/x/files/y", "/tracks/x/audio"):
            assert anonymous.get(path).headers["location"].startswith("/users/log-in?"), path
        assert "/jobs" not in Page(anonymous.get("/").text).all("a", "href")
        assert await refused(address(anonymous, "/live/websocket?list=jobs"), **handshake(anonymous)) == 403


async def test_events_are_enough(strict: GatewayProcess, ann: Browser) -> None:
    with Browser(strict.base_url) as browser:
        browser.cookies = ann.cookies
        track_id = uploaded(ann, "Song", 60.0)
        async with live(browser, "/jobs") as shown:
            assert shown.messages[0] == {"list": "jobs", "ids": []}
            key = f"job-{started(ann, 'processing/separate', track_id)}"
            await shown.until(key, "<progress")
            assert ann.delete(f"/api/jobs/{key[4:]}", headers={"x-csrf-token": ann.token()}).status_code == 204
            await shown.until(key, "Cancelled")
