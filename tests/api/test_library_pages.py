"""The pages of jobs and tracks, which need no scripts: what they show, and to whom."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest
from browser import Browser, registered
from gateway_process import GatewayProcess
from stories import encoded, finished, song

from tests.simulators.media_site import MediaSite
from tests.stacks import Stack
from tests.waiting import eventually

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


# ------------------------------------------------------------------------------------------------------------ the pages


def test_who_is_not_logged_in_sees_only_what_open_access_allows(stack: Stack, ann: Browser) -> None:
    started(ann, "analysis/analyze", uploaded(ann, "Hers"))
    with httpx.Client(base_url=stack.base_url) as anonymous:
        for path in ("/jobs", "/tracks"):
            assert "Hers" in page_of(ann, path).text
            assert "Hers" not in page_of(anonymous, path).text
        assert '<form method="post" action="/tracks"' not in anonymous.get("/tracks").text
        token = page_of(anonymous, "/tracks").all("meta", "content")[-1]
        answer = anonymous.post("/tracks", files={"_csrf_token": (None, token), "file": ("a.wav", b"x")})
        assert (answer.status_code, answer.headers["location"]) == (302, "/users/log-in")


def test_pages_are_linked_and_are_html(guest: Browser) -> None:
    for path in ("/jobs", "/tracks"):
        page = page_of(guest, path)
        assert {"/jobs", "/tracks", "/users/settings"} <= set(page.all("a", "href"))
        assert len([tag for tag, _ in page.tags if tag == "h1"]) == 1
    assert "No jobs yet" in page_of(guest, "/jobs").text
    assert "No tracks yet" in page_of(guest, "/tracks").text


def test_pages_run_only_the_script_for_dropped_files(guest: Browser) -> None:
    for path in ("/users/settings", "/jobs", "/tracks"):
        answer = guest.get(path)
        assert Page(answer.text).all("script", "src") == ["/assets/drops.js"]
        assert answer.text.count("<script") == 1
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none';")
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy


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
        assert [values for tag, values in page.tags if tag in ("script", "img")] == [
            {"src": "/assets/drops.js", "defer": None}
        ]
    assert page_of(ann, "/jobs").text.count(HOSTILE) == 1


@pytest.fixture(scope="module")
def strict(stack: Stack) -> Iterator[GatewayProcess]:
    """A gateway without open access."""
    with GatewayProcess(stack, open_access="false") as gateway:
        yield gateway


def test_without_open_access_one_has_to_log_in(strict: GatewayProcess) -> None:
    with httpx.Client(base_url=strict.base_url) as anonymous:
        answer = anonymous.get("/tracks?q=a b&page=2")
        where = "/users/log-in?return_to=%2Ftracks%3Fq%3Da%2520b%26page%3D2"
        assert (answer.status_code, answer.headers["location"]) == (302, where)
        for path in ("/jobs", "/jobs/x/files/y", "/tracks/x/audio"):
            assert anonymous.get(path).headers["location"].startswith("/users/log-in?"), path
        assert "/jobs" not in Page(anonymous.get("/users/log-in").text).all("a", "href")


def test_a_download_is_shown_before_and_after_it_has_audio(ann: Browser, site: MediaSite) -> None:
    url = site.stalling("/shown.wav", encoded(song(30.0)), "audio/wav")
    token = {"x-csrf-token": ann.token()}

    def download(**body: str) -> dict[str, Any]:
        answer = ann.post("/api/download/track", json=body, headers=token)
        assert answer.status_code == 201, answer.text
        created: dict[str, Any] = answer.json()["data"]
        return created

    created = download(url=url)
    eventually(lambda: "Downloading" in page_of(ann, "/tracks").text)
    assert page_of(ann, "/tracks").all("audio", "src") == []
    assert ann.get(f"/tracks/{created['track_id']}/audio").status_code == 409
    ann.delete(f"/api/jobs/{created['job_id']}", headers=token)
    eventually(lambda: "Cancelled" in page_of(ann, "/tracks").text)
    site.file("/shown.wav", encoded(song(1.0)), "audio/wav")
    finished(ann, f"/api/jobs/{download(track_id=created['track_id'])['job_id']}")
    (path,) = page_of(ann, "/tracks").all("audio", "src")
    assert ann.get(path).status_code == 200
