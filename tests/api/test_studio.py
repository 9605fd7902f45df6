"""The studio in a real browser, and what its page and files are served with."""

import json
import re
from pathlib import Path

import httpx
import pytest
from stories import encoded, song

from dev.tools.licences import ALLOWED
from tests.simulators.media_site import MediaSite
from tests.simulators.webhook_receiver import WebhookReceiver
from tests.stacks import Stack
from tests.studio.running import BUILD, FOLDER, needs_browser, run

pytestmark = needs_browser


# test_model_consent.py runs this one, on a stack with a model hub.
SPECS = sorted({path.name for path in FOLDER.glob("*.spec.mjs")} - {"consent.spec.mjs"})


@pytest.fixture(scope="module")
def failures(
    request: pytest.FixtureRequest,
    stack: Stack,
    site: MediaSite,
    receiver: WebhookReceiver,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, str]:
    """Run all selected specs in one browser. Return what Playwright prints, for each spec that failed."""
    selected = [item for item in request.session.items if item.path == Path(__file__) and hasattr(item, "callspec")]
    specs = [item.callspec.params["spec"] for item in selected if "spec" in item.callspec.params]
    folder = tmp_path_factory.mktemp("studio")
    secret = folder / "secret"
    try:
        run(
            stack, folder, *specs,
            STUDIO_LINK=site.file("/visit/Blue%20Hour.wav", encoded(song(2.0)), "audio/wav"),
            STUDIO_RECEIVER=f"{receiver.url}/studio",
            STUDIO_SECRET=str(secret),
        )  # fmt: skip
    except AssertionError as error:
        failed = re.findall(r"^    \[specs\] › .*?([\w.]+\.mjs):", str(error), re.MULTILINE)
        if not failed:
            raise
        return dict.fromkeys(failed, str(error))
    if secret.exists():
        first, second = receiver.to("/studio")
        assert first.headers["webhook-id"] == second.headers["webhook-id"]
        assert all(any(received.signed_by(secret.read_text())) for received in (first, second))  # minutes ago
    return {}


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("spec", SPECS)
def test_the_studio(failures: dict[str, str], spec: str) -> None:
    """Each spec says what it shows."""
    assert spec not in failures, failures[spec]


@pytest.mark.campaign
def test_inverted_lanes_cancel_for_ten_minutes(stack: Stack, tmp_path: Path) -> None:
    run(stack, tmp_path, "engine.spec.mjs", "--grep", "inverted lanes", CAMPAIGN_SECONDS="600")


def test_the_page_allows_only_its_own_scripts_and_is_not_cached(stack: Stack) -> None:
    page = httpx.get(f"{stack.base_url}/studio/tracks/anything")
    assert page.status_code == 200
    assert page.headers["cache-control"] == "no-store"
    rules = page.headers["content-security-policy"].split("; ")
    assert rules[0] == "default-src 'none'"
    assert "script-src 'self' 'wasm-unsafe-eval'" in rules
    assert not re.search(r"<script(?![^>]* src=)|\son\w+=|style=", page.text)


def test_built_files_are_cached_for_long_and_small(stack: Stack) -> None:
    paths = re.findall(r'(?:src|href)="(/studio/assets/[^"]+)"', httpx.get(f"{stack.base_url}/studio").text)
    assert {Path(path).suffix for path in paths} == {".css", ".js"}
    for path in paths:
        answer = httpx.get(stack.base_url + path)
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["content-encoding"] == "gzip"
        plain = httpx.get(stack.base_url + path, headers={"Accept-Encoding": "identity"})
        assert "content-encoding" not in plain.headers
        assert plain.content == answer.content
    assert httpx.get(f"{stack.base_url}/studio/assets/main-lost.js").status_code == 404


def test_the_build_lists_the_packages_that_it_contains() -> None:
    bill = json.loads((BUILD / "sbom.cdx.json").read_text())
    found = {part["name"]: part for part in bill["components"]}
    wanted = json.loads((BUILD.parents[3] / "studio" / "package.json").read_text())["dependencies"]
    assert bill["bomFormat"] == "CycloneDX"
    assert {name: found[name]["version"] for name in wanted} == wanted
    licences = {part["licenses"][0]["license"]["id"] for part in found.values()}
    assert licences <= ALLOWED
