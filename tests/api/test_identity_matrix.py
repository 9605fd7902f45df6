"""Who may call what: every route times every kind of caller. A route without a row in the matrix fails the first test."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from browser import Browser, csrf_token, registered, token_of
from gateway_process import GatewayProcess
from matrix import (
    CALLERS,
    GUEST,
    LOGGED_IN,
    MATRIX,
    PAGES,
    PUBLIC_ROUTES,
    REFUSALS,
    REFUSALS_BELOW,
    SOCKETS,
    SONG,
    SONG_WITH_COVER,
    SOUNDBOX,
    call,
    client,
    is_read,
)
from published import Document
from stories import UNHURRIED, finished, made, upload

from tests.simulators.lalalai import LalalaiSimulator
from tests.simulators.media_site import MediaSite
from tests.simulators.spotify import SpotifySimulator
from tests.stacks import Stack

SUSPENDED = "This account is suspended."


@pytest.fixture(scope="module")
def owner_browser(stack: Stack) -> Iterator[Browser]:
    """An ordinary account to which everything in the matrix belongs."""
    with Browser(stack.base_url, "owner@example.org") as browser:
        registered(browser)
        yield browser


@pytest.fixture(scope="module")
def owner(stack: Stack, owner_browser: Browser) -> Iterator[httpx.Client]:
    with client(stack.base_url, token_of(owner_browser)) as opened:
        yield opened


@pytest.fixture(scope="module")
def callers(
    stack: Stack, admin: httpx.Client, other: httpx.Client, owner: httpx.Client
) -> Iterator[dict[str, httpx.Client]]:
    with client(stack.base_url) as anonymous, client(stack.base_url, "x" * 43) as impostor:
        yield dict(zip(CALLERS, (anonymous, impostor, other, admin, owner), strict=True))


@pytest.fixture(scope="module")
def stranger_browser(stack: Stack) -> Iterator[Browser]:
    with Browser(stack.base_url) as browser:
        registered(browser)
        yield browser


@pytest.fixture(scope="module")
def stranger_token(stranger_browser: Browser) -> str:
    """The token of the pages of this browser, until it logs out."""
    return stranger_browser.token()


@dataclass(frozen=True)
class Suspended:
    """An account that was used, and then suspended."""

    by_token: httpx.Client
    by_session: httpx.Client


@pytest.fixture(scope="module")
def suspended(stack: Stack, admin: httpx.Client) -> Iterator[Suspended]:
    with Browser(stack.base_url) as browser:
        registered(browser)
        token, session = token_of(browser), browser.cookies["soundwright_session"]
        (user,) = admin.get("/api/admin/users", params={"search": browser.email}).json()["data"]
    assert admin.patch(f"/api/admin/users/{user['id']}", json={"status": "suspended"}).status_code == 200
    cookie = f"soundwright_session={session}"
    with client(stack.base_url, token) as by_token, client(stack.base_url, cookie=cookie) as by_session:
        yield Suspended(by_token, by_session)


@pytest.fixture(scope="module")
def belongings(
    owner: httpx.Client, spotify: SpotifySimulator, site: MediaSite, lalalai: LalalaiSimulator
) -> dict[str, dict[str, str]]:
    """What the owner has: parameters of paths, by the beginning of the path; the longest beginning counts."""
    track = upload(owner, SONG_WITH_COVER)
    requests = {
        "processing": owner.post("/api/processing/separate", json={"track_id": track["id"], "model": "dsp"}),
        "analysis": owner.post("/api/analysis/analyze", json={"track_id": track["id"]}),
    }
    jobs = {name: answer.json()["data"]["job_id"] for name, answer in requests.items()}
    pipeline = owner.post("/process", files={"file": ("song.wav", SONG)}).json()["job_id"]
    assert finished(owner, f"/api/analysis/job/{jobs['analysis']}")["status"] == "completed"
    assert finished(owner, f"/job/{pipeline}")["status"] == "completed"
    separation = finished(owner, f"/api/processing/job/{jobs['processing']}")
    export = owner.post("/api/export/stems", json={"track_id": track["id"]}).json()["data"]["job_id"]
    assert finished(owner, f"/api/export/job/{export}")["status"] == "completed"
    spotify.add_track("matrix", "Tune", ["The Band"], 0.5)
    url = site.file("/matrix.wav", SONG, "audio/wav")
    download = owner.post("/api/download/track", json={"url": url}).json()["data"]["job_id"]
    assert finished(owner, f"/api/download/job/{download}")["status"] == "completed"
    batch = owner.post("/api/processing/batch", json={"track_ids": [track["id"]], "model": "dsp"}).json()["data"]["id"]
    assert finished(owner, f"/api/processing/batch/{batch}")["status"] == "completed"
    lalalai.held = True  # the job must not succeed before it is cancelled
    external = owner.post("/api/processing/separate", json={"track_id": track["id"], "engine": "lalalai"}).json()[
        "data"
    ]
    assert owner.delete(f"/api/jobs/{external['job_id']}").status_code == 204
    assert finished(owner, f"/api/processing/job/{external['job_id']}")["status"] == "failed"
    lalalai.held = False
    clip = made(owner, "slow cello")
    playlist = owner.post("/api/playlists", json={"name": "Rainy days"}).json()["id"]
    conversation = owner.post("/api/agents/chat", json={"message": "Hello"}).json()["data"]["conversation_id"]
    webhook = owner.post("/api/webhooks", json={"url": url}).json()["data"]["id"]
    delivery = owner.post(f"/api/webhooks/{webhook}/test").json()["data"]["id"]
    assert owner.patch(f"/api/webhooks/{webhook}", json={"enabled": False}).status_code == 200
    deleted = upload(owner, SONG_WITH_COVER)["id"]
    link, spare = (owner.post(f"/api/tracks/{each}/links").json()["data"] for each in (track["id"], deleted))
    setlist = owner.post("/api/setlists", json={"name": "Friday night"}).json()["data"]["id"]
    return {
        "/studio": {"path": "jobs", "name": "lost.js"},
        "/": {
            "track_id": track["id"], "stem_id": separation["stems"][0]["id"],
            "path": track["file_path"].removeprefix("/files/"), "index": "0", "tile": "0", "track_name": "vocals", "stem_type": "vocals",
            "job_id": pipeline, "spotify_id": "matrix", "lalalai_job_id": external["job_id"], "url": url,
            "gen_id": clip, "playlist_id": playlist, "webhook_id": webhook, "delivery_id": delivery, "model": "music",
            "token_id": str(uuid.UUID(int=1)), "session_id": str(uuid.UUID(int=1)), "provider": "lalalai",
            "component": "gateway", "upload_id": str(uuid.uuid4()), "user_id": str(uuid.UUID(int=1)),
            "conversation_id": conversation, "filename": f"{clip}.wav", "audio_filename": f"{clip}.wav",
            "name": "vocals", "token": "x" * 43, "setlist_id": setlist, "secret": link["path"].split("/")[-1],
        },
        "/spectrogram": {"filename": f"{clip}.png"},
        "/api/queue": {"job_id": clip},
        "/api/tracks": {"track_id": deleted, "link_id": spare["id"]},  # it is deleted
        "/api": {"job_id": jobs["processing"]},
        "/api/processing/batch": {"job_id": batch},
        "/api/analysis": {"job_id": jobs["analysis"]},
        "/api/export": {"job_id": export},
        "/export/archive": {"job_id": export},
        "/api/download": {"job_id": download},
    }  # fmt: skip


def test_every_route_has_a_row(stack: Stack, document: Document) -> None:
    served = set(document.operations)
    for url in (stack.soundbox_url, stack.pipeline_url):
        served |= set(Document(url).operations)
    assert served == set(MATRIX)


def is_write_on_a_page(route: str) -> bool:
    """Whether visitors need the token of our pages for it, too."""
    return route in PAGES and not is_read(route)


def test_the_suspended_get_nothing(
    belongings: dict[str, dict[str, str]], suspended: Suspended, document: Document, subtests: pytest.Subtests
) -> None:
    for route in MATRIX:
        with subtests.test(route):
            anonymous = MATRIX[route][0]
            # Pages know nobody by a token, and whoever sends a form with one has forged it.
            unknown = route in PUBLIC_ROUTES or route in PAGES
            answer = call(suspended.by_token, route, belongings)
            assert answer.status_code == (403 if is_write_on_a_page(route) or not unknown else anonymous)
            assert unknown or route in SOCKETS or SUSPENDED in answer.text
            assert document.broken_promises(route, answer) == []
            known = route not in PUBLIC_ROUTES
            if known or is_read(route):
                answer = call(suspended.by_session, route, belongings)
                assert answer.status_code == (403 if known else anonymous)
                assert not known or route in SOCKETS or SUSPENDED in answer.text
                assert document.broken_promises(route, answer) == []


def test_browsers_get_what_is_theirs_with_the_token_of_our_pages(
    belongings: dict[str, dict[str, str]],
    stranger_browser: Browser,
    owner_browser: Browser,
    stranger_token: str,
    document: Document,
    subtests: pytest.Subtests,
) -> None:
    for route in MATRIX:
        with subtests.test(route):
            row = dict(zip(CALLERS, MATRIX[route], strict=True))
            as_stranger, as_owner = LOGGED_IN.get(route, (row["stranger"], row["owner"]))
            public = route in PUBLIC_ROUTES
            if not is_read(route) and not public:
                forged = call(stranger_browser, route, belongings)
                assert forged.status_code == 403
                assert "The CSRF token is missing, invalid or expired" in forged.text
                assert document.broken_promises(route, forged) == []
            proof = stranger_browser.token() if route in PAGES else stranger_token
            answer = call(stranger_browser, route, belongings, "" if public else proof)
            assert answer.status_code == as_stranger
            assert document.broken_promises(route, answer) == []
            if route in PAGES:
                answer = call(owner_browser, route, belongings, owner_browser.token())
                assert answer.status_code == as_owner
                assert document.broken_promises(route, answer) == []


def test_everybody_gets_what_is_theirs(
    callers: dict[str, httpx.Client],
    belongings: dict[str, dict[str, str]],
    document: Document,
    subtests: pytest.Subtests,
) -> None:
    for route in MATRIX:
        with subtests.test(route):
            answers = {
                name: call(caller, route, belongings, csrf_token(caller) if is_write_on_a_page(route) else "")
                for name, caller in callers.items()
            }
            expected = dict(zip(CALLERS, MATRIX[route], strict=True))
            unexpected = {
                name: (answer.status_code, answer.content[:300])
                for name, answer in answers.items()
                if answer.status_code != expected[name]
            }
            assert unexpected == {}
            for answer in answers.values():
                assert document.broken_promises(route, answer) == []
                if answer.status_code == 401:
                    assert answer.headers["www-authenticate"] == 'Bearer realm="soundwright"'
                if answer.status_code >= 400 and route in SOUNDBOX:
                    assert answer.json()["error"]
                elif answer.status_code >= 400 and route.split(" ")[1].startswith(("/api", "/export", "/files")):
                    below = next((codes for start, codes in REFUSALS_BELOW.items() if start in route), {})
                    assert answer.json()["code"] == (REFUSALS | below)[answer.status_code]


def test_a_list_holds_only_the_callers_own(
    callers: dict[str, httpx.Client], belongings: dict[str, dict[str, str]]
) -> None:
    mine = {belongings["/"]["track_id"], belongings["/api"]["job_id"], belongings["/"]["job_id"]}
    for path in ("/api/tracks", "/api/jobs"):
        for name in ("stranger", "administrator", "owner"):
            listed = {item["id"] for item in callers[name].get(path, params={"page_size": 100}).json()["data"]}
            assert bool(mine & listed) == (name == "owner"), (path, name)


def test_the_secrets_of_links_are_not_logged(stack: Stack, belongings: dict[str, dict[str, str]]) -> None:
    secret = belongings["/"]["secret"]
    for path in ("/api/shared/{}", "/studio/shared/{}"):
        assert httpx.get(stack.base_url + path.format(secret)).status_code == 200
        assert path.format("[secret]") in stack.log()
    assert secret not in stack.log()


def test_stems_by_path_are_the_owners(callers: dict[str, httpx.Client], belongings: dict[str, dict[str, str]]) -> None:
    path = f"/files/stems/{belongings['/api']['job_id']}/vocals.flac"
    statuses = [callers[name].get(path).status_code for name in CALLERS]
    assert statuses == [401, 401, 403, 403, 200]


def test_what_nobody_made_anybody_may_see_who_knows_its_id(callers: dict[str, httpx.Client]) -> None:
    job_id = callers["anonymous"].post("/process", files={"file": ("song.wav", SONG)}).json()["job_id"]
    assert finished(callers["anonymous"], f"/job/{job_id}")["status"] == "completed"
    for name, status in zip(CALLERS, (200, 401, 200, 200, 200), strict=True):
        for path in (f"/job/{job_id}", f"/download/{job_id}/drums"):
            assert callers[name].get(path).status_code == status, (name, path)
    # To see is not to end.
    assert callers["stranger"].delete(f"/api/jobs/{job_id}").status_code == 403


def test_without_open_access_nobody_comes_in_without_a_name(
    stack: Stack, belongings: dict[str, dict[str, str]]
) -> None:
    names = {name for values in belongings.values() for name in values}
    shared = {name: belongings["/"][name] for name in ("secret", "stem_id", "index")}
    nothing = {"/": {**dict.fromkeys(names, "x"), "token": "x" * 43, **shared}}
    unhurried = {name.removeprefix("SOUNDWRIGHT_").lower(): value for name, value in UNHURRIED.items()}
    with GatewayProcess(stack, open_access="false", **unhurried) as closed:
        with client(closed.base_url) as anonymous, client(closed.base_url, "x" * 43) as impostor:
            for route, statuses in MATRIX.items():
                if statuses[:2] == (401, 401):
                    continue  # open access makes no difference
                expected = statuses[0] if route in PUBLIC_ROUTES else 403 if route in SOCKETS else 401
                for caller in (anonymous, impostor):
                    proof = ""
                    if route in PAGES and route not in PUBLIC_ROUTES:
                        ours = route.split(" ")[1].startswith("/studio") and "shared" not in route
                        expected = 302 if ours else 403 if route == GUEST else statuses[0]
                        proof = csrf_token(caller)
                    assert call(caller, route, nothing, proof).status_code == expected, route
            answer = anonymous.post("/generate", json={"prompt": "slow cello", "user_id": "user_abc123"})
            assert (answer.status_code, answer.json()) == (401, {"error": "Authentication required"})
        with client(closed.base_url, stack.token) as admin:
            assert admin.get("/job/01234567-89ab-4cde-8f01-23456789abcd").status_code == 404
            # Where open access asks for a user_id, the token is enough; one that is not the account's is refused.
            clip = made(admin, "slow cello")
            assert admin.post(f"/api/library/{clip}/vote", json={"vote": 1}).json()["upvotes"] == 1
            assert admin.post(f"/api/favorites/{clip}").json()["was_new"] is True
            assert admin.post("/api/favorites/check", json={"generation_ids": [clip]}).json()[clip] is True
            assert clip in [track["id"] for track in admin.get("/api/radio/favorites").json()["tracks"]]
            refused = admin.post("/generate", json={"prompt": "slow cello", "user_id": "user_abc123"})
            assert (refused.status_code, refused.json()["success"]) == (403, False)
        # A session is enough, too. The player of the studio reads audio with nothing but its cookie.
        with Browser(closed.base_url) as browser:
            registered(browser)
            assert browser.get(f"/audio/{clip}.wav").status_code == 200
            voted = browser.post(
                f"/api/library/{clip}/vote", json={"vote": 1}, headers={"x-csrf-token": browser.token()}
            )
            assert voted.json()["upvotes"] == 2
