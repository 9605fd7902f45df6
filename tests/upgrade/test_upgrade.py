"""The data directory of each earlier release works with this version (``make release-data`` records one)."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from demo.stack import Stack, running
from tests.api.browser import Browser
from tests.api.stories import eventually
from tests.simulators.webhook_receiver import WebhookReceiver
from tests.upgrade.record import RELEASES, SETTINGS, WEBHOOK_HOST
from tests.upgrade.views import differences, views

ARCHIVES = sorted(RELEASES.glob("*.tar.xz"))


@pytest.fixture(scope="module")
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as simulator:
        yield simulator


@pytest.fixture(scope="module", params=ARCHIVES, ids=[path.name.removesuffix(".tar.xz") for path in ARCHIVES])
def upgraded(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, receiver: WebhookReceiver
) -> Iterator[tuple[Stack, dict[str, Any]]]:
    """This version on the data of an earlier one, and what its user saw then."""
    folder = tmp_path_factory.mktemp("upgrade")
    with tarfile.open(request.param) as archive:
        archive.extractall(folder, filter="data")
    seen = json.loads((folder / "seen.json").read_text())
    hosts = f"{WEBHOOK_HOST},{receiver.address}"
    with running(folder / "data", {**SETTINGS, "SOUNDWRIGHT_FETCH_ALLOW_HOSTS": hosts}) as stack:
        yield stack, seen


@pytest.fixture
def client(upgraded: tuple[Stack, dict[str, Any]]) -> Iterator[httpx.Client]:
    """The user, with the API token from before the upgrade."""
    stack, seen = upgraded
    headers = {"Authorization": f"Bearer {seen['account']['token']}"}
    with httpx.Client(base_url=stack.base_url, headers=headers, timeout=60) as user:
        yield user


def test_the_user_sees_everything_as_before(upgraded: tuple[Stack, dict[str, Any]], client: httpx.Client) -> None:
    _, seen = upgraded
    now = views(client, seen["ids"])
    found = [line for path, before in seen["views"].items() for line in differences(before, now.get(path), path)]
    assert not found, "\n".join(found)


def test_the_password_is_valid(upgraded: tuple[Stack, dict[str, Any]]) -> None:
    stack, seen = upgraded
    with Browser(stack.base_url, seen["account"]["email"]) as browser:
        assert browser.log_in(seen["account"]["password"]).status_code == 302
        assert browser.get("/users/settings").status_code == 200


def test_webhooks_are_signed_with_the_secret_from_before(
    upgraded: tuple[Stack, dict[str, Any]], client: httpx.Client, receiver: WebhookReceiver
) -> None:
    _, seen = upgraded
    path = f"/api/webhooks/{seen['ids']['webhook']}"
    assert client.patch(path, json={"url": receiver.url + "/hook"}).status_code == 200
    assert client.post(f"{path}/test").status_code == 202
    eventually(lambda: bool(receiver.to("/hook")), 60)
    assert receiver.to("/hook")[-1].signed_by(seen["ids"]["webhook_secret"]) == [True]


def test_unfinished_jobs_end(upgraded: tuple[Stack, dict[str, Any]], client: httpx.Client) -> None:
    _, seen = upgraded

    def job(name: str) -> dict[str, Any]:
        found: dict[str, Any] = client.get(f"/api/jobs/{seen['unfinished'][name]}").json()["data"]
        return found

    for name, least_attempt in (("begun", 2), ("waiting", 1), ("separation", 1)):
        eventually(lambda name=name: job(name)["status"] in ("completed", "failed"), 300)
        ended = job(name)
        assert (ended["status"], ended["error"]) == ("completed", None)
        assert ended["attempt"] >= least_attempt
