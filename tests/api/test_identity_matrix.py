"""Who may call what: every route times every kind of caller. A route without a row here fails the first test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from stories import UNHURRIED, encoded, finished, made, song, upload

from demo.stack import Stack, running
from tests.simulators.lalalai import KEY as LALALAI_KEY
from tests.simulators.media_site import MediaSite
from tests.simulators.spotify import SpotifySimulator

CALLERS = ("anonymous", "wrong token", "stranger", "administrator", "owner")
PUBLIC = (200, 200, 200, 200, 200)
ACCOUNTS = (401, 401, 200, 200, 200)
ADMINS = (401, 401, 403, 200, 403)

OPEN = (200, 401, 200, 200, 200)
NAMED = (400, 401, 200, 200, 200)  # under open access, a user_id says who calls
OWNERS = (404, 401, 404, 404, 200)

# What each caller gets where the path or body names something of the owner's. The stack runs with open access, which
# lets callers without a name into the pipeline dialect. An administrator is a stranger like any other here.
MATRIX: dict[str, tuple[int, int, int, int, int]] = {
    "GET /health": PUBLIC,
    "GET /livez": PUBLIC,
    "GET /readyz": PUBLIC,
    "GET /metrics": PUBLIC,  # to callers on this machine
    "GET /config": PUBLIC,
    "GET /schemas/daw-manifest.json": PUBLIC,
    "GET /api/tracks": ACCOUNTS,
    "POST /api/tracks": (401, 401, 201, 201, 201),
    "GET /api/tracks/{track_id}": (401, 401, 404, 404, 200),
    "PATCH /api/tracks/{track_id}": (401, 401, 404, 404, 200),
    "DELETE /api/tracks/{track_id}": (401, 401, 404, 404, 204),
    "POST /api/processing/separate": (401, 401, 404, 404, 201),
    "GET /api/processing/job/{job_id}": (401, 401, 403, 403, 200),
    "GET /api/processing/models": ACCOUNTS,
    "GET /api/lalalai/quota": ACCOUNTS,
    "PUT /api/lalalai/key": ACCOUNTS,
    "DELETE /api/lalalai/key": (401, 401, 204, 204, 204),  # of their own, if they have one
    "POST /api/lalalai/cancel": (401, 401, 404, 404, 200),
    "POST /api/lalalai/cancel-all": ACCOUNTS,
    "POST /api/analysis/analyze": (401, 401, 404, 404, 201),
    "GET /api/analysis/job/{job_id}": (401, 401, 403, 403, 200),
    "GET /api/analysis/{track_id}": (401, 401, 404, 404, 200),
    "POST /api/spotify/fetch": ACCOUNTS,
    "GET /api/spotify/search": ACCOUNTS,
    "GET /api/spotify/track/{spotify_id}": ACCOUNTS,
    "POST /api/spotify/import": (401, 401, 201, 201, 201),
    "POST /api/download/track": (401, 401, 201, 201, 201),
    "GET /api/download/job/{job_id}": (401, 401, 403, 403, 200),
    "POST /api/tokens": (422, 422, 422, 422, 422),  # the password in the body, which lacks here, says who calls
    "GET /api/tokens": ACCOUNTS,
    "DELETE /api/tokens/{token_id}": (401, 401, 404, 404, 404),  # nobody's
    "GET /api/admin/users": ADMINS,
    "PATCH /api/admin/users/{user_id}": (401, 401, 403, 404, 403),  # nobody
    "GET /api/admin/audit": ADMINS,
    "GET /api/admin/jobs": ADMINS,
    "GET /api/admin/llm/health": ADMINS,
    "POST /api/agents/chat": (401, 401, 404, 404, 200),
    "GET /api/agents/conversations": ACCOUNTS,
    "GET /api/agents/conversations/{conversation_id}": (401, 401, 404, 404, 200),
    "DELETE /api/agents/conversations/{conversation_id}": (401, 401, 404, 404, 204),
    "GET /api/webhooks": ACCOUNTS,
    "POST /api/webhooks": (401, 401, 201, 201, 201),
    "GET /api/webhooks/{webhook_id}": (401, 401, 404, 404, 200),
    "PATCH /api/webhooks/{webhook_id}": (401, 401, 404, 404, 200),
    "POST /api/webhooks/{webhook_id}/secret": (401, 401, 404, 404, 200),
    "POST /api/webhooks/{webhook_id}/test": (401, 401, 404, 404, 409),  # it is disabled
    "GET /api/webhooks/{webhook_id}/deliveries": (401, 401, 404, 404, 200),
    "POST /api/webhooks/deliveries/{delivery_id}/replay": (401, 401, 404, 404, 409),  # as above
    "DELETE /api/webhooks/{webhook_id}": (401, 401, 404, 404, 204),
    "GET /api/jobs": ACCOUNTS,
    "GET /api/jobs/{job_id}": (401, 401, 403, 403, 200),
    "DELETE /api/jobs/{job_id}": (401, 401, 403, 403, 409),  # it has ended
    "GET /export/stem/{stem_id}": (401, 401, 403, 403, 200),
    "GET /export/stems/{track_id}": (401, 401, 403, 403, 200),
    "GET /export/analysis/{track_id}": (401, 401, 403, 403, 200),
    "GET /files/{path}": (401, 401, 404, 404, 200),
    "POST /api/daw/export": (401, 401, 404, 404, 200),
    "POST /process": (200, 401, 200, 200, 200),
    "GET /job/{job_id}": (404, 401, 404, 404, 200),
    "GET /job/{job_id}/outputs": (404, 401, 404, 404, 200),
    "GET /download/{job_id}/all": (404, 401, 404, 404, 200),
    "GET /download/{job_id}/{track_name}": (404, 401, 404, 404, 200),
}
# The same for the soundbox dialect, whose clips are everybody's. The rows are called in this order.
SOUNDBOX: dict[str, tuple[int, int, int, int, int]] = {
    "POST /generate": OPEN,
    "GET /status": OPEN,
    "GET /queue-status": OPEN,
    "GET /api/queue": OPEN,
    "POST /api/queue/{job_id}/cancel": (400, 401, 403, 403, 400),  # it has ended
    "GET /api/library": OPEN,
    "GET /api/library/counts": OPEN,
    "GET /api/library/category-counts": OPEN,
    "GET /api/library/{gen_id}": OPEN,
    "POST /api/library/{gen_id}/vote": NAMED,
    "POST /api/library/votes": NAMED,
    "GET /api/library/{gen_id}/feedback": OPEN,
    "POST /api/library/{gen_id}/suggest-tag": (200, 401, 200, 200, 400),  # three have agreed
    "POST /api/library/{gen_id}/cancel-tag": (400, 401, 400, 400, 400),
    "GET /api/library/{gen_id}/tag-suggestions": OPEN,
    "GET /api/categories/{model}": OPEN,
    "GET /api/favorites": NAMED,
    "POST /api/favorites/check": NAMED,
    "POST /api/favorites/{gen_id}": NAMED,
    "DELETE /api/favorites/{gen_id}": NAMED,
    "GET /api/radio": OPEN,
    "GET /api/radio/shuffle": OPEN,
    "GET /api/radio/next": OPEN,
    "GET /api/radio/favorites": NAMED,
    "GET /api/radio/top-rated": OPEN,
    "GET /api/radio/new": OPEN,
    "GET /api/radio/playlist/{playlist_id}": OWNERS,
    "POST /api/playlists": (201, 401, 201, 201, 201),
    "GET /api/playlists": OPEN,
    "GET /api/playlists/{playlist_id}": OWNERS,
    "PUT /api/playlists/{playlist_id}": OWNERS,
    "POST /api/playlists/{playlist_id}/tracks": OWNERS,
    "PUT /api/playlists/{playlist_id}/reorder": OWNERS,
    "DELETE /api/playlists/{playlist_id}/tracks/{gen_id}": OWNERS,
    "DELETE /api/playlists/{playlist_id}": OWNERS,
    "POST /api/track/{gen_id}/play": OPEN,
    "GET /api/track/{gen_id}/stats": OPEN,
    "GET /api/trending": OPEN,
    "GET /api/most-played": OPEN,
    "GET /api/history/plays": OPEN,
    "GET /api/history/votes": OPEN,
    "GET /audio/{filename}": OPEN,
    "GET /download/{filename}": OPEN,
    "GET /spectrogram/{filename}": OPEN,
    "GET /generate-spectrogram/{audio_filename}": OPEN,
    "GET /history": OPEN,
    "POST /rate": OPEN,
    "POST /random-prompt": OPEN,
    "POST /api/log-error": OPEN,
    "GET /api/stats": OPEN,
    "DELETE /api/library/{gen_id}": (403, 401, 403, 200, 404),  # administrators may
}
MATRIX |= SOUNDBOX
BODIES: dict[str, Any] = {
    "POST /api/tokens": {"email": "owner@example.org"},
    "PATCH /api/admin/users/{user_id}": {"status": "active"},
    "POST /api/agents/chat": {"message": "Which key?", "track_id": "{track_id}"},
    "PATCH /api/tracks/{track_id}": {"title": "Tune"},
    "POST /api/webhooks": {"url": "{url}"},
    "PATCH /api/webhooks/{webhook_id}": {"description": "mine"},
    "POST /api/spotify/fetch": {"url": "spotify:track:{spotify_id}"},
    "POST /api/spotify/import": {"url": "spotify:track:{spotify_id}"},
    "POST /api/download/track": {"url": "{url}"},
    "PUT /api/lalalai/key": {"api_key": LALALAI_KEY},
    "POST /api/lalalai/cancel": {"task_id": "{lalalai_job_id}"},
    "POST /generate": {"prompt": "slow cello", "duration": 1},
    "POST /api/library/{gen_id}/vote": {"vote": 1},
    "POST /api/library/votes": {"generation_ids": ["{gen_id}"]},
    "POST /api/library/{gen_id}/suggest-tag": {"category": "jazz"},
    "POST /api/library/{gen_id}/cancel-tag": {"category": "jazz"},
    "POST /api/favorites/check": {"generation_ids": ["{gen_id}"]},
    "POST /api/playlists": {"name": "Rainy days"},
    "PUT /api/playlists/{playlist_id}": {"name": "Sunny days"},
    "POST /api/playlists/{playlist_id}/tracks": {"generation_id": "{gen_id}"},
    "PUT /api/playlists/{playlist_id}/reorder": {"track_order": ["{gen_id}"]},
    "POST /rate": {"filename": "{filename}", "rating": 4},
}
QUERIES = {"GET /api/spotify/search": {"q": "tune"}}
REFUSALS_BELOW = {
    "/api/admin": {403: "ROLE_TOO_LOW", 404: "ACCOUNT_NOT_FOUND"},
    "/api/agents/conversations": {404: "CONVERSATION_NOT_FOUND"},
    "/api/lalalai": {404: "TASK_NOT_FOUND"},
    "/api/tokens": {404: "TOKEN_NOT_FOUND", 422: "VALIDATION_ERROR"},
    "/api/webhooks/deliveries": {404: "DELIVERY_NOT_FOUND", 409: "WEBHOOK_DISABLED"},
    "/api/webhooks": {404: "WEBHOOK_NOT_FOUND", 409: "WEBHOOK_DISABLED"},
}
UPLOADS = ("POST /api/tracks", "POST /process")
REFUSALS = {401: "UNAUTHORIZED", 403: "ACCESS_DENIED", 404: "TRACK_NOT_FOUND", 409: "JOB_FINISHED"}
SONG = encoded(song(0.5))


@pytest.fixture(scope="module")
def owner(stack: Stack) -> Iterator[httpx.Client]:
    """An ordinary account to which everything in the matrix belongs."""
    environment = {**os.environ, "SOUNDWRIGHT_DATA_DIR": str(stack.data_dir)}
    command = [sys.executable, "-m", "services.library", "create-account", "owner@example.org"]
    token = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()
    with client(stack, token) as opened:
        yield opened


@pytest.fixture(scope="module")
def callers(
    stack: Stack, admin: httpx.Client, other: httpx.Client, owner: httpx.Client
) -> Iterator[dict[str, httpx.Client]]:
    with client(stack) as anonymous, client(stack, "x" * 43) as impostor:
        yield dict(zip(CALLERS, (anonymous, impostor, other, admin, owner), strict=True))


@pytest.fixture(scope="module")
def belongings(owner: httpx.Client, spotify: SpotifySimulator, site: MediaSite) -> dict[str, dict[str, str]]:
    """What the owner has: parameters of paths, by the beginning of the path; the longest beginning counts."""
    track = upload(owner, SONG)
    requests = {
        "processing": owner.post("/api/processing/separate", json={"track_id": track["id"], "model": "dsp"}),
        "analysis": owner.post("/api/analysis/analyze", json={"track_id": track["id"]}),
    }
    jobs = {name: answer.json()["data"]["job_id"] for name, answer in requests.items()}
    pipeline = owner.post("/process", files={"file": ("song.wav", SONG)}).json()["job_id"]
    assert finished(owner, f"/api/analysis/job/{jobs['analysis']}")["status"] == "completed"
    assert finished(owner, f"/job/{pipeline}")["status"] == "completed"
    separation = finished(owner, f"/api/processing/job/{jobs['processing']}")
    spotify.add_track("matrix", "Tune", ["The Band"], 0.5)
    url = site.file("/matrix.wav", SONG, "audio/wav")
    download = owner.post("/api/download/track", json={"url": url}).json()["data"]["job_id"]
    assert finished(owner, f"/api/download/job/{download}")["status"] == "completed"
    lalalai = owner.post("/api/processing/separate", json={"track_id": track["id"], "engine": "lalalai"})
    assert owner.delete(f"/api/jobs/{lalalai.json()['data']['job_id']}").status_code == 204
    clip = made(owner, "slow cello")
    playlist = owner.post("/api/playlists", json={"name": "Rainy days"}).json()["id"]
    conversation = owner.post("/api/agents/chat", json={"message": "Hello"}).json()["data"]["conversation_id"]
    webhook = owner.post("/api/webhooks", json={"url": url}).json()["data"]["id"]
    delivery = owner.post(f"/api/webhooks/{webhook}/test").json()["data"]["id"]
    assert owner.patch(f"/api/webhooks/{webhook}", json={"enabled": False}).status_code == 200
    return {
        "/": {
            "track_id": track["id"],
            "stem_id": separation["stems"][0]["id"],
            "path": track["file_path"].removeprefix("/files/"),
            "track_name": "vocals",
            "job_id": pipeline,
            "spotify_id": "matrix",
            "lalalai_job_id": lalalai.json()["data"]["job_id"],
            "url": url,
            "gen_id": clip,
            "playlist_id": playlist,
            "webhook_id": webhook,
            "delivery_id": delivery,
            "model": "music",
            "token_id": str(uuid.UUID(int=1)),
            "user_id": str(uuid.UUID(int=1)),
            "conversation_id": conversation,
            "filename": f"{clip}.wav",
            "audio_filename": f"{clip}.wav",
        },
        "/spectrogram": {"filename": f"{clip}.png"},
        "/api/queue": {"job_id": clip},
        "/api/tracks": {"track_id": upload(owner, SONG)["id"]},  # it is deleted
        "/api": {"job_id": jobs["processing"]},
        "/api/analysis": {"job_id": jobs["analysis"]},
        "/api/download": {"job_id": download},
    }


def client(stack: Stack, token: str = "") -> httpx.Client:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.Client(base_url=stack.base_url, headers=headers, timeout=120)


def call(caller: httpx.Client, route: str, belongings: dict[str, dict[str, str]]) -> httpx.Response:
    method, template = route.split(" ")
    parameters: dict[str, str] = {}
    for beginning in sorted(belongings, key=len):
        if template.startswith(beginning):
            parameters |= belongings[beginning]
    body: dict[str, Any] = {}
    if route in UPLOADS:
        body = {"files": {"file": ("song.wav", SONG)}}
    elif route == "POST /api/daw/export":
        body = {"data": {"track_id": parameters["track_id"]}, "files": {"stems[]": ("song.wav", SONG)}}
    elif route in BODIES:
        text = json.dumps(BODIES[route])
        for name, value in parameters.items():
            text = text.replace(f"{{{name}}}", value)
        body = {"content": text, "headers": {"content-type": "application/json"}}
    elif method == "POST" and route not in SOUNDBOX:
        body = {"json": {"track_id": parameters["track_id"]} | ({"model": "dsp"} if "separate" in template else {})}
    return caller.request(method, template.format(**parameters), params=QUERIES.get(route), **body)


def test_every_route_has_a_row(stack: Stack) -> None:
    served = set()
    for url in (stack.base_url, stack.soundbox_url, stack.pipeline_url):
        for path, methods in httpx.get(f"{url}/openapi.json").json()["paths"].items():
            served |= {f"{method.upper()} {path}" for method in methods}
    assert served == set(MATRIX)


@pytest.mark.parametrize("route", MATRIX)
def test_everybody_gets_what_is_theirs(
    callers: dict[str, httpx.Client], belongings: dict[str, dict[str, str]], route: str
) -> None:
    answers = {name: call(caller, route, belongings) for name, caller in callers.items()}
    assert {name: answer.status_code for name, answer in answers.items()} == dict(
        zip(CALLERS, MATRIX[route], strict=True)
    )
    for answer in answers.values():
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


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Basic {}",
        "Token {}",
        "{}",
        "bearer {}",
        "Bearer  {}",
        "Bearer {}x",
        "Bearer ü",
    ],
)
def test_a_token_is_taken_as_a_bearer_token_alone(stack: Stack, header: str) -> None:
    value = header.format(stack.token).encode()
    answer = httpx.get(f"{stack.base_url}/api/tracks", headers=[(b"authorization", value)])
    good = header in ("bearer {}", "Bearer  {}")  # the case of the scheme does not count, nor do spaces
    assert answer.status_code == (200 if good else 401)


def test_without_open_access_nobody_comes_in_without_a_name(tmp_path_factory: pytest.TempPathFactory) -> None:
    names = ("track_id", "stem_id", "path", "track_name", "job_id", "gen_id", "playlist_id", "model", "filename")
    names += ("audio_filename", "spotify_id", "url", "token_id", "user_id", "webhook_id", "delivery_id")
    names += ("conversation_id",)
    nothing = {"/": dict.fromkeys(names, "x")}
    with running(
        tmp_path_factory.mktemp("closed"),
        {
            "SOUNDWRIGHT_OPEN_ACCESS": "false",
            **UNHURRIED,
            "HF_HUB_OFFLINE": "1",
        },
    ) as closed:
        with client(closed) as anonymous, client(closed, "x" * 43) as impostor:
            for route, statuses in MATRIX.items():
                expected = statuses[0] if len(set(statuses)) == 1 else 401
                for caller in (anonymous, impostor):
                    assert call(caller, route, nothing).status_code == expected, route
        with httpx.Client(base_url=closed.soundbox_url) as nobody:
            answer = nobody.post("/generate", json={"prompt": "slow cello", "user_id": "user_abc123"})
            assert (answer.status_code, answer.json()) == (401, {"error": "Authentication required"})
        with closed.client() as admin:
            assert admin.get("/job/01234567-89ab-4cde-8f01-23456789abcd").status_code == 404
            # Where open access asks for a user_id, the token is enough; one that is not the account's is refused.
            clip = made(admin, "slow cello")
            assert admin.post(f"/api/library/{clip}/vote", json={"vote": 1}).json()["upvotes"] == 1
            assert admin.post(f"/api/favorites/{clip}").json()["was_new"] is True
            assert admin.post("/api/favorites/check", json={"generation_ids": [clip]}).json()[clip] is True
            assert [track["id"] for track in admin.get("/api/radio/favorites").json()["tracks"]] == [clip]
            refused = admin.post("/generate", json={"prompt": "slow cello", "user_id": "user_abc123"})
            assert (refused.status_code, refused.json()["success"]) == (403, False)
