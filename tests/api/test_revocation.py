"""Tokens that were revoked, and accounts that were changed: every gateway knows within a second, however often it is asked."""

# Calls over HTTP are short, and nothing else is to be done meanwhile.

import time
from collections.abc import Iterator

import httpx
import pytest
from browser import Browser, registered, token_of

from tests.stacks import Stack

EFFECTIVE_SECONDS = 1.0


class Ann:
    """A user of all gateways."""

    def __init__(self, stack: Stack, browser: Browser) -> None:
        self.browser = browser
        self._gateways = stack.gateway_urls
        self._client = httpx.Client(headers={"Authorization": f"Bearer {token_of(browser)}"}, timeout=60)

    def close(self) -> None:
        self._client.close()

    def get(self, path: str) -> list[int]:
        """Return the statuses of all gateways. Requests for the first one may go to any of them, so ask twice."""
        return [self._client.get(f"{address}{path}").status_code for address in self._gateways for _ in range(2)]

    def post(self) -> int:
        """Send a request that would change something."""
        return self._client.post(f"{self._gateways[0]}/api/tracks").status_code

    def statuses_after_a_second(self, path: str) -> list[int]:
        """Return the statuses when a change must be effective, after requests that keep every gateway busy with the token."""
        end = time.monotonic() + EFFECTIVE_SECONDS
        while time.monotonic() < end:
            self.get(path)
        return self.get(path)


@pytest.fixture
def ann(stack: Stack) -> Iterator[Ann]:
    with Browser(stack.base_url) as browser:
        registered(browser)
        opened = Ann(stack, browser)
        yield opened
        opened.close()


def user_path(admin: httpx.Client, ann: Ann) -> str:
    (user,) = admin.get("/api/admin/users", params={"search": ann.browser.email}).json()["data"]
    return f"/api/admin/users/{user['id']}"


@pytest.mark.topology("cluster")
def test_a_revoked_token_is_refused(ann: Ann) -> None:
    assert set(ann.get("/api/tracks")) == {200}
    (token,) = ann.browser.get("/api/tokens").json()["data"]
    revoked = ann.browser.submit("POST", "/users/settings", {"action": "revoke_key", "id": token["id"]})
    assert revoked.status_code == 302
    assert ann.post() == 401  # what changes something is refused at once
    assert set(ann.statuses_after_a_second("/api/tracks")) == {401}


@pytest.mark.topology("cluster")
def test_a_suspended_account_is_refused(ann: Ann, admin: httpx.Client) -> None:
    path = user_path(admin, ann)
    assert set(ann.get("/api/tracks")) == {200}
    assert admin.patch(path, json={"status": "suspended"}).status_code == 200
    assert ann.post() == 403
    assert set(ann.statuses_after_a_second("/api/tracks")) == {403}
    assert admin.patch(path, json={"status": "active"}).status_code == 200
    assert set(ann.get("/api/tracks")) == {200}  # refusals are not remembered


def test_a_role_is_lost_and_given(ann: Ann, admin: httpx.Client) -> None:
    path = user_path(admin, ann)
    for role, status in (("admin", 200), ("user", 403), ("admin", 200)):
        assert admin.patch(path, json={"role": role}).status_code == 200
        assert set(ann.statuses_after_a_second("/api/admin/users")) == {status}, role
