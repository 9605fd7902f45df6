"""The administration of the studio in a real browser."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from browser import Browser, registered, token_of

from tests.stacks import Stack
from tests.studio.running import needs_browser, run_script

pytestmark = [needs_browser, pytest.mark.topology("embedded")]


@pytest.fixture(scope="module")
def seen(stack: Stack) -> Any:
    """What an administrator sees who cancels a job, fetches a model and suspends a user with an awkward address."""
    with Browser(stack.base_url) as boss, Browser(stack.base_url, "b&'o`b{}+tag@example.org") as user:
        registered(boss)
        registered(user)
        with stack.client() as admin:
            for browser, role in ((boss, "admin"), (user, "pro")):
                (account,) = admin.get("/api/admin/users", params={"search": browser.email}).json()["data"]
                assert admin.patch(f"/api/admin/users/{account['id']}", json={"role": role}).status_code == 200
            with httpx.Client(base_url=stack.base_url, headers={"Authorization": f"Bearer {token_of(user)}"}) as script:
                asked = {"prompt": "slow cello", "duration": 120}
                jobs = [script.post("/generate", json=asked).json()["job_id"] for _ in range(5)]
            cookies = [f"soundwright_session={each.cookies['soundwright_session']}" for each in (boss, user)]
            try:
                return run_script("admin.mjs", stack.base_url, *cookies, user.email)
            finally:
                for job_id in jobs:
                    admin.delete(f"/api/admin/jobs/{job_id}")


def test_the_console_notes_only_the_refusals_of_the_server(seen: Any) -> None:
    assert [text for text in seen["complaints"] if "503" not in text and "403" not in text] == []


def test_axe_finds_no_violation(seen: Any) -> None:
    assert seen["violations"] == {}


def test_others_see_a_sentence(seen: Any) -> None:
    assert (seen["refusal"], seen["links_of_user"]) == ("This page requires the role of an administrator.", 0)


def test_components_are_listed(seen: Any) -> None:
    names = ["library", "ingest", "separation", "analysis", "generation"]
    assert seen["components"] == [f"{name}: ready" for name in names]


def test_a_job_of_another_user_is_cancelled(seen: Any) -> None:
    assert seen["cancelled"] == 1


def test_a_model_that_cannot_be_fetched_says_why(seen: Any) -> None:
    assert "Run `make models` on a machine with network access" in seen["fetch"]


def test_a_suspended_user_is_logged_out(seen: Any) -> None:
    assert "suspended" in seen["user"]
    assert "status: active → suspended" in seen["audit"]
    status, text = seen["suspended"]
    assert status == 403
    assert "This account is suspended." in text


def test_the_quota_and_a_ban_of_a_user_are_changed(seen: Any) -> None:
    assert seen["storage"].startswith("0 B of 2.5 GB")
    assert seen["actions"][:4] == ["suspend", "reactivate", "ban", "quota change"]


def test_a_phone_needs_no_horizontal_scrolling(seen: Any) -> None:
    assert seen["phone_width"] == 360
