"""Jobs of all kinds leave no descriptors, threads, memory or temporary files behind."""

import contextlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest
from clients import KINDS, Client, Wish, wishes
from processes import components
from work import CAMPAIGN_SETTINGS

from soundwright_client.local import Stack, running
from tests.api.stories import encoded, song
from tests.files import files_below
from tests.simulators.lalalai import LalalaiSimulator
from tests.simulators.media_site import MediaSite
from tests.waiting import eventually

_AT_ONCE = 4
# Pools grow until they are warm. A leak of one for each job would be more.
_DESCRIPTORS, _THREADS = 16, 12
_MEMORY_SHARE, _MEMORY_BYTES = 1.1, 20_000_000
# The page caches of SQLite fill while the database grows: 16 MiB for each of the four connections.
_CACHE_BYTES = {"library": 4 * 16 * 2**20}


@dataclass
class Usage:
    """What the components of a stack take up, by name."""

    descriptors: Counter[str]
    threads: Counter[str]
    memory_bytes: Counter[str]
    temporary: int

    @staticmethod
    def of(stack: Stack) -> "Usage":
        usage = Usage(Counter(), Counter(), Counter(), 0)
        for name, process in {**components(stack), "supervisor": psutil.Process(stack.process_id)}.items():
            with process.oneshot():
                usage.descriptors[name] = process.num_fds()
                usage.threads[name] = process.num_threads()
                usage.memory_bytes[name] = process.memory_info().rss
        usage.temporary = len(files_below(stack.data_dir / "scratch", stack.data_dir / "blobs" / ".partial"))
        return usage

    def grown_since(self, before: "Usage") -> list[str]:
        return [
            *(
                f"descriptors of {name}"
                for name, n in (self.descriptors - before.descriptors).items()
                if n > _DESCRIPTORS
            ),
            *(f"threads of {name}" for name, n in (self.threads - before.threads).items() if n > _THREADS),
            *(["temporary files"] if self.temporary else []),
        ]


@pytest.mark.parametrize("count", [6, pytest.param(1500, marks=pytest.mark.campaign)])
def test_jobs_leave_nothing_behind(tmp_path: Path, count: int) -> None:
    songs = [encoded(song(2.0, seed=number)) for number in range(2)]
    with contextlib.ExitStack() as opened:
        site, lalalai = opened.enter_context(MediaSite()), opened.enter_context(LalalaiSimulator())
        settings = {**CAMPAIGN_SETTINGS, **lalalai.settings, "SOUNDWRIGHT_FETCH_ALLOW_HOSTS": site.address}
        stack = opened.enter_context(running(tmp_path / "data", settings))

        def link(wish: Wish) -> str:
            return site.file(f"/{wish.number}/song.wav", songs[wish.song], "audio/wav")

        client = opened.enter_context(contextlib.closing(Client(stack.base_url, stack.token, songs, link)))
        client.prepare(0)
        warming = max(len(KINDS), count // 4)
        wanted = [replace(each, uploads=True, cancels=False) for each in wishes(warming + count, len(songs), seed=1)]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            ended = list(pool.map(client.use_up, wanted[:warming]))
            before = Usage.of(stack)
            ended += pool.map(client.use_up, wanted[warming:])
        assert {outcome.last["status"] for outcome in ended} == {"completed"}
        assert [outcome.problems for outcome in ended if outcome.problems] == []
        eventually(lambda: not Usage.of(stack).grown_since(before), f"back to {before}")
        if count > 1000:
            for name, size in Usage.of(stack).memory_bytes.items():
                assert size <= before.memory_bytes[name] * _MEMORY_SHARE + _MEMORY_BYTES, f"{name}: {size} bytes"
        assert "Traceback" not in (stack.data_dir / "stack.log").read_text()
