"""What every test gets: an environment that says nothing about any stack of the developer's own, and a place in a process."""

import fcntl
import functools
import gc
import os
import re
import shutil
import tempfile
import zlib
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import pytest
from xdist.scheduler import LoadScopeScheduling

from soundwright_client.local import end_by_signals

# Timings do not decide: a test may run on a machine that is busy with other work.
hypothesis.settings.register_profile("tests", deadline=None)
hypothesis.settings.load_profile("tests")


_CAMPAIGN_SECONDS = 4 * 3600
_LONGEST = "tests/api/test_studio.py"


def pytest_configure(config: pytest.Config) -> None:
    """Let this run and its processes keep their temporary files in a folder of their own."""
    gc.disable()  # collecting tests makes millions of objects that stay: searching them for garbage takes as long again
    if not hasattr(config, "workerinput"):  # workers of pytest-xdist inherit it
        os.environ["TMPDIR"] = tempfile.tempdir = tempfile.mkdtemp(prefix="tests-")
        end_by_signals()  # the stacks of tests stop in order
        os.environ["OMP_NUM_THREADS"] = "1"  # several processes compute at a time, and idle threads would spin
        os.environ["NUMBA_OPT"] = (
            "0"  # on a fresh machine, compiling librosa takes longer than running what it compiles
        )


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if not hasattr(session.config, "workerinput") and exitstatus != pytest.ExitCode.TESTS_FAILED:
        shutil.rmtree(os.environ["TMPDIR"], ignore_errors=True)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Let one process collect before the others: on a fresh clone, it compiles all test files, which each would do otherwise."""
    with Path(os.environ["TMPDIR"], "collecting").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fcntl.flock(lock, fcntl.LOCK_SH)
        return (yield)


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not item.nodeid.startswith(_LONGEST))  # nobody waits for it at the end
    for item in items:
        if item.get_closest_marker("campaign") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(_CAMPAIGN_SECONDS))


@pytest.fixture(autouse=True, scope="session")
def certificates_are_read_once() -> Iterator[None]:
    """Let all clients share a TLS context: each one takes 50 ms of CPU time to read the authorities, which local servers do not need."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("httpx._transports.default.create_ssl_context", functools.cache(httpx.create_ssl_context))
        yield


@pytest.fixture(autouse=True, scope="session")
def clean_environment() -> None:
    for name in [name for name in os.environ if name.startswith("SOUNDWRIGHT_")]:
        del os.environ[name]


class ByTopology(LoadScopeScheduling):  # type: ignore[misc]  # pytest-xdist has no types
    """Runs all stories of a cluster, which share a stack, in one process, those of the embedded stack in two, those of the studio in
    one, those of AudioCraft in one, and the tests of each other file in one.

    ``--dist loadgroup`` does not see groups since pytest 9.2: every process started every stack, and the order of the tests was lost.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        if file == _LONGEST:
            return file
        if re.search("/test_(audiocraft|generation_networks)", file):
            return "audiocraft"  # importing its libraries takes 7 s of CPU time
        topology = re.search(r"\[(embedded|cluster)[\]-]", nodeid)
        if not topology:
            return file
        return topology[1] + str(zlib.crc32(file.encode()) % 2 if topology[1] == "embedded" else "")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByTopology:
    return ByTopology(config, log)
