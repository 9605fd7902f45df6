"""Who may call what: every route times every kind of caller. A route without a row here fails the first test."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from stories import encoded, finished, song, upload

from demo.stack import Stack, running

CALLERS = ("anonymous", "wrong token", "stranger", "administrator", "owner")
PUBLIC = (200, 200, 200, 200, 200)
ACCOUNTS = (401, 401, 200, 200, 200)

# What each caller gets where the path or body names something of the owner's. The stack runs with open access, which
# lets callers without a name into the pipeline dialect. An administrator is a stranger like any other here.
MATRIX: dict[str, tuple[int, int, int, int, int]] = {
    "GET /health": PUBLIC,
    "GET /livez": PUBLIC,
    "GET /readyz": PUBLIC,
    "GET /metrics": PUBLIC,  # to callers on this machine
    "GET /config": PUBLIC,
    "GET /api/tracks": ACCOUNTS,
    "POST /api/tracks": (401, 401, 201, 201, 201),
    "GET /api/tracks/{track_id}": (401, 401, 404, 404, 200),
    "POST /api/processing/separate": (401, 401, 404, 404, 201),
    "GET /api/processing/job/{job_id}": (401, 401, 403, 403, 200),
    "GET /api/processing/models": ACCOUNTS,
    "POST /api/analysis/analyze": (401, 401, 404, 404, 201),
    "GET /api/analysis/job/{job_id}": (401, 401, 403, 403, 200),
    "GET /api/analysis/{track_id}": (401, 401, 404, 404, 200),
    "GET /api/jobs": ACCOUNTS,
    "GET /api/jobs/{job_id}": (401, 401, 403, 403, 200),
    "DELETE /api/jobs/{job_id}": (401, 401, 403, 403, 409),  # it has ended
    "GET /export/stem/{stem_id}": (401, 401, 403, 403, 200),
    "GET /export/stems/{track_id}": (401, 401, 403, 403, 200),
    "GET /export/analysis/{track_id}": (401, 401, 403, 403, 200),
    "GET /files/{path}": (401, 401, 404, 404, 200),
    "POST /process": (200, 401, 200, 200, 200),
    "GET /job/{job_id}": (404, 401, 404, 404, 200),
    "GET /job/{job_id}/outputs": (404, 401, 404, 404, 200),
    "GET /download/{job_id}/all": (404, 401, 404, 404, 200),
    "GET /download/{job_id}/{track_name}": (404, 401, 404, 404, 200),
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
def belongings(owner: httpx.Client) -> dict[str, dict[str, str]]:
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
    return {
        "/": {
            "track_id": track["id"],
            "stem_id": separation["stems"][0]["id"],
            "path": track["file_path"].removeprefix("/files/"),
            "track_name": "vocals",
            "job_id": pipeline,
        },
        "/api": {"job_id": jobs["processing"]},
        "/api/analysis": {"job_id": jobs["analysis"]},
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
    elif method == "POST":
        body = {"json": {"track_id": parameters["track_id"]} | ({"model": "dsp"} if "separate" in template else {})}
    return caller.request(method, template.format(**parameters), **body)


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
        if answer.status_code >= 400 and route.split(" ")[1].startswith(("/api", "/export", "/files")):
            assert answer.json()["code"] == REFUSALS[answer.status_code]


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
    nothing = {"/": dict.fromkeys(("track_id", "stem_id", "path", "track_name", "job_id"), "x")}
    with running(tmp_path_factory.mktemp("closed"), {"SOUNDWRIGHT_OPEN_ACCESS": "false"}) as closed:
        with client(closed) as anonymous, client(closed, "x" * 43) as impostor:
            for route, statuses in MATRIX.items():
                expected = 200 if statuses == PUBLIC else 401
                for caller in (anonymous, impostor):
                    assert call(caller, route, nothing).status_code == expected, route
        with closed.client() as admin:
            assert admin.get("/job/01234567-89ab-4cde-8f01-23456789abcd").status_code == 404
