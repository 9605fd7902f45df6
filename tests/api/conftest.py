"""The stories run in two topologies, most in one of them. They speak HTTP and import nothing of the services."""

import contextlib
from collections.abc import Iterator

import httpx
import pytest
from browser import Browser, registered
from published import Document
from stories import UNHURRIED

from tests.cluster import cluster
from tests.simulators.lalalai import LalalaiSimulator
from tests.simulators.media_site import MediaSite
from tests.simulators.spotify import SpotifySimulator
from tests.simulators.webhook_receiver import WebhookReceiver
from tests.stacks import Stack, embedded
from tests.waiting import eventually

SETTINGS = {
    **UNHURRIED,
    "SOUNDWRIGHT_PIPELINE_MODEL": "dsp",  # the quickest one
    "SOUNDWRIGHT_ATTEMPTS_PER_ADDRESS": "100000",
    "SOUNDWRIGHT_LEASE_SECONDS": "5",
    "SOUNDWRIGHT_SOCKET_CHECK_SECONDS": "0.5",
    "SOUNDWRIGHT_SOCKET_POLL_SECONDS": "1",
    "SOUNDWRIGHT_DOWNLOAD_ATTEMPT_LIMIT": "2",
    "SOUNDWRIGHT_DOWNLOAD_PENDING_LIMIT": "20",
    # Jobs of accounts with the role "pro" starve at once; those of all others do not while the tests run.
    "SOUNDWRIGHT_GENERATION_TIERS": '{"supporter": {"pending_limit": 5, "hourly_limit": 120, "max_seconds": 120, '
    '"starvation_seconds": 0.001}}',
    "SOUNDWRIGHT_WEBHOOK_RETRY_SECONDS": "0.2,600",
    "SOUNDWRIGHT_STORAGE_QUOTAS": '{"enterprise": 10000000000}',
    "HF_HUB_OFFLINE": "1",
}


TOPOLOGIES = {"embedded": embedded, "cluster": cluster}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a story on the embedded stack, or in the topologies that ``@pytest.mark.topology(...)`` names."""
    if "stack" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("topology")
        topologies = marker.args if marker else ("embedded",)
        metafunc.parametrize("stack", topologies, indirect=True, scope="session")


@pytest.fixture(scope="session")
def spotify() -> Iterator[SpotifySimulator]:
    """What the stack takes for Spotify."""
    with SpotifySimulator() as simulator:
        yield simulator


@pytest.fixture(scope="session")
def site() -> Iterator[MediaSite]:
    """Where the stack searches for recordings, and may fetch them although it is not public."""
    with MediaSite() as simulator:
        yield simulator


@pytest.fixture(scope="session")
def lalalai() -> Iterator[LalalaiSimulator]:
    """What the stack takes for lalal.ai."""
    with LalalaiSimulator() as simulator:
        yield simulator


@pytest.fixture(scope="session")
def receiver() -> Iterator[WebhookReceiver]:
    """A webhook endpoint that the stack may reach although it is not public."""
    with WebhookReceiver() as simulator:
        yield simulator


@pytest.fixture(scope="session")
def stack(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    spotify: SpotifySimulator,
    site: MediaSite,
    lalalai: LalalaiSimulator,
    receiver: WebhookReceiver,
) -> Iterator[Stack]:
    """One running stack of each topology for all stories."""
    outside = {
        **spotify.settings,
        **lalalai.settings,
        "SOUNDWRIGHT_FETCH_ALLOW_HOSTS": f"{site.address},{spotify.address},{receiver.address}",
        "SOUNDWRIGHT_FETCH_SEARCH_URL": site.search_url,
    }
    with TOPOLOGIES[request.param](tmp_path_factory.mktemp(request.param), SETTINGS | outside) as started:
        yield started


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Function, nextitem: pytest.Item | None) -> Iterator[None]:
    """Start a stack that stopped answering during a story again, and blame that story, so that those after it do not fail.

    Stop it after the last story of its topology: an idle cluster and its servers take a quarter of a core.
    """
    stack: Stack | None = (item.funcargs or {}).get("stack")
    died = stack is not None and not works(stack)
    if stack and died:
        stack.restart()
    yield
    if stack and topology(nextitem) != topology(item):
        for definition in item._fixtureinfo.name2fixturedefs["stack"]:
            definition.finish(item._request)  # type: ignore[arg-type]
    if died:
        pytest.fail("The stack stopped answering during this story, and was started again.", pytrace=False)


def topology(item: pytest.Item | None) -> str | None:
    return (
        item.callspec.params.get("stack") if isinstance(item, pytest.Function) and hasattr(item, "callspec") else None
    )


def works(stack: Stack) -> bool:
    """Return whether the stack works, or does soon: its supervisor may be starting a component again."""
    with contextlib.suppress(AssertionError):
        return eventually(stack.works, "the stack works", 60.0)
    return False


@pytest.fixture
def nothing_crashes(stack: Stack) -> Iterator[None]:
    """The test fails if the stack logs an exception that nobody expected."""
    before = set(stack.crashes())
    yield
    assert [line for line in stack.crashes() if line not in before] == []


@pytest.fixture(scope="session")
def document(stack: Stack) -> Document:
    return Document(stack.base_url)


@pytest.fixture(scope="session")
def admin(stack: Stack, document: Document) -> Iterator[httpx.Client]:
    """The administrator's client. Whatever it is answered has to be as the published document says."""
    with stack.client() as client:
        client.event_hooks = {"response": [document.hold]}
        yield client


@pytest.fixture(scope="session")
def other(stack: Stack, document: Document) -> Iterator[httpx.Client]:
    """Somebody else's client, which takes the document at its word, too."""
    with stack.client(stack.create_account("other@example.org")) as client:
        client.event_hooks = {"response": [document.hold]}
        yield client


@pytest.fixture(scope="session")
def box(stack: Stack) -> Iterator[httpx.Client]:
    """A client of the soundbox dialect without a name, which keeps its cookies."""
    with httpx.Client(base_url=stack.soundbox_url, timeout=120) as client:
        yield client


@pytest.fixture
def browser(stack: Stack) -> Iterator[Browser]:
    with Browser(stack.base_url) as opened:
        yield opened


@pytest.fixture
def ann(browser: Browser) -> Browser:
    """Somebody who is logged in."""
    registered(browser)
    return browser
