"""A running platform as tests see it, and the two topologies in which stories run.

``embedded`` is the stack that ``make run`` starts. ``cluster`` (:mod:`tests.cluster`) consists of replicas on real servers.
"""

import asyncio
import concurrent.futures
import contextlib
import os
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock
from urllib.parse import urlsplit

import httpx
import psutil

from soundwright.kit import infra
from soundwright.kit.adapters.system.clock import SystemClock
from soundwright.kit.ports import Blobs, Collection
from soundwright.kit.settings import Settings, load
from soundwright.services.__main__ import COMPONENTS
from soundwright.services.library.documents import walk
from soundwright.services.library.identity.app import build_identity
from soundwright.services.library.settings import LibrarySettings
from soundwright.services.library.transfer.documents import COLLECTIONS
from soundwright_client import local as demo
from soundwright_client.local import free_ports
from tests.files import files_below

T = TypeVar("T")
S = TypeVar("S", bound=Settings)
COLD = {"SOUNDWRIGHT_WARM_UP": "false"}
"""Few tests run jobs of all kinds, so each stack loads only what it needs."""
QUICK = {"PYTHONPATH": os.pathsep.join(filter(None, (f"{Path(__file__).parent}/quick", os.environ.get("PYTHONPATH"))))}
"""Lets the processes of a stack hash passwords quickly."""


def _cannot_restart() -> None:
    raise RuntimeError("Only its fixture can start it again.")


@dataclass(frozen=True)
class Stack:
    """A running platform.

    Attributes:
        base_url: the address of the gateway, or of the first one.
        gateway_urls: the addresses of all gateways.
        token: an API token of the administrator.
        data_dirs: the data directories of its hosts.
        environment: settings of a further process of the platform.
        process_ids: the processes that the test has started.
        restart: starts it again at the same addresses, over the same data.
    """

    base_url: str
    soundbox_url: str
    pipeline_url: str
    gateway_urls: tuple[str, ...]
    token: str
    data_dirs: tuple[Path, ...]
    environment: Mapping[str, str]
    process_ids: Sequence[int]
    restart: Callable[[], object] = _cannot_restart

    def client(self, token: str = "") -> httpx.Client:
        """Return an HTTP client with an API token: without one, that of the administrator."""
        headers = {"Authorization": f"Bearer {token or self.token}"}
        return httpx.Client(base_url=self.base_url, headers=headers, timeout=600)

    def works(self) -> bool:
        """Return whether its processes run, and all gateways are healthy."""
        try:
            running = all(psutil.Process(number).status() != psutil.STATUS_ZOMBIE for number in self.process_ids)
            return running and all(
                httpx.get(f"{url}/health", timeout=30).status_code == 200 for url in self.gateway_urls
            )
        except (httpx.HTTPError, psutil.NoSuchProcess):
            return False

    @property
    def settings(self) -> Settings:
        """The shared settings of a further process of the platform."""
        return self._settings(Settings)

    def _settings(self, kind: type[S]) -> S:
        with mock.patch.dict(os.environ, self.environment):
            return load(kind)

    def create_account(self, email: str, role: str = "user") -> str:
        async def token() -> str:
            settings = self._settings(LibrarySettings)
            docs = infra.open_docs(settings)
            try:
                identity = build_identity(docs, settings, SystemClock())
                await identity.prepare()
                return await identity.accounts.create_with_token(email, role)
            finally:
                await docs.close()

        with concurrent.futures.ThreadPoolExecutor(1) as pool:  # the test may run in an event loop
            return pool.submit(asyncio.run, token()).result()

    # what the platform stores

    def stored(self, prefix: str = "") -> list[str]:
        """Return the keys of all stored files that begin with ``prefix``."""
        return self._with_blobs(lambda blobs: blobs.keys(prefix))

    def recordings(self, prefix: str) -> list[str]:
        """Return the keys of stored recordings that begin with ``prefix``, also of those that only left their waveform."""
        keys = [key for key in self.stored(prefix) if "/live/" not in key]  # they go when the end of their job is told
        return sorted({key.removesuffix(".dat") for key in keys})

    def read(self, key: str) -> bytes:
        """Return the content of a stored file."""

        async def content(blobs: Blobs) -> bytes:
            return b"".join([chunk async for chunk in blobs.read(key)])

        return self._with_blobs(content)

    def write(self, key: str, content: bytes) -> None:
        async def put(blobs: Blobs) -> None:
            async with blobs.write(key) as writer:
                await writer.write(content)

        self._with_blobs(put)

    def delete(self, key: str) -> None:
        """Delete a stored file, as an accident would."""
        self._with_blobs(lambda blobs: blobs.delete(key))

    def _with_blobs(self, operation: Callable[[Blobs], Coroutine[Any, Any, T]]) -> T:
        async def run() -> T:
            blobs = infra.open_blobs(self.settings)
            try:
                return await operation(blobs)
            finally:
                await blobs.close()

        with concurrent.futures.ThreadPoolExecutor(1) as pool:  # the test may run in an event loop
            return pool.submit(asyncio.run, run()).result()

    @property
    def shows_unfinished(self) -> bool:
        """Whether the store shows files that are being written: a folder does, S3 does not."""
        return self.settings.blobs_location().startswith("file:")

    def unfinished(self) -> list[Path]:
        """Return the files that are being written, if the store shows them."""
        folder = Path(urlsplit(self.settings.blobs_location()).path, ".partial")
        return files_below(folder) if self.shows_unfinished else []

    def mentions(self, text: str, besides: Sequence[str] = ()) -> list[str]:
        """Return the collections that have a document with this text, except some."""

        async def found() -> list[str]:
            docs = infra.open_docs(self.settings)
            try:
                names = [name for name in COLLECTIONS if name not in besides]
                for name in names:
                    await docs.ensure(Collection(name))
                return [name for name in names if [1 async for doc in walk(docs, name) if text in str(doc)]]
            finally:
                await docs.close()

        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            return pool.submit(asyncio.run, found()).result()

    def documents(self) -> bytes:
        url = self.settings.docs_location()
        if url.startswith("sqlite:"):
            path = Path(urlsplit(url).path)
            return b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}*"))
        import bson
        import pymongo

        with pymongo.MongoClient[dict[str, Any]](url) as client:
            database = client.get_default_database()
            names = database.list_collection_names()
            return b"".join(bson.encode(document) for name in names for document in database[name].find())

    # what its processes leave behind

    def log(self) -> str:
        return "\n".join(path.read_text(errors="replace") for path in self._logs())

    def crashes(self) -> list[str]:
        """Return the lines of the log that hold an exception which nobody expected."""
        return [line for line in self.log().splitlines() if any(mark in line for mark in _CRASHES)]

    def log_bytes(self) -> int:
        """Return the size of the largest log file."""
        return max(path.stat().st_size for path in self._logs())

    def _logs(self) -> list[Path]:
        return [path for folder in self.data_dirs for path in sorted(folder.glob("*.log"))]

    def scratch(self, component: str = "") -> list[Path]:
        return files_below(*(folder / "scratch" / component for folder in self.data_dirs))

    def emails(self, pattern: str = "*.eml") -> list[Path]:
        """Return the emails that were not sent to a server, oldest first."""
        return sorted((path for folder in self.data_dirs for path in (folder / "outbox").glob(pattern)), key=_name)

    # its processes

    def processes(self) -> list[psutil.Process]:
        """Return all processes that run now, with those that they have started."""
        found: list[psutil.Process] = []
        for process_id in self.process_ids:
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(process_id)
                found += [process, *process.children(recursive=True)]
        return found

    def component(self, name: str) -> list[psutil.Process]:
        return [process for process in self.processes() if component_of(process) == name]


_CRASHES = ("Traceback", '"exception": [', '"exc_info": [')


def _name(path: Path) -> str:
    return path.name


def component_of(process: psutil.Process) -> str:
    """Return the component that a process runs, or ``broker``; empty for other processes.

    The processes of a supervisor have the names of their components. The command lines of others name them.
    """
    try:
        name, command = process.name(), process.cmdline()
    except psutil.Error:  # it has ended
        return ""
    if name == "nats-server":
        return "broker"
    return next((each for each in (name, *command[-1:]) if each in COMPONENTS), "")


def _kill_all(data_dir: Path) -> None:
    """Kill all processes of a stack, also those whose supervisor has died."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("SOUNDWRIGHT_DATA_DIR") == str(data_dir):
                process.kill()


@contextlib.contextmanager
def embedded(data_dir: Path, settings: Mapping[str, str] | None = None) -> Iterator[Stack]:
    """Run the stack of one machine for the length of the block."""
    ports = free_ports(3)
    process_ids: list[int] = []
    with contextlib.ExitStack() as process:

        def start() -> demo.Stack:
            _kill_all(data_dir)
            process.close()
            stack = process.enter_context(demo.running(data_dir, {**COLD, **QUICK, **(settings or {})}, ports=ports))
            process_ids[:] = [stack.process_id]
            return stack

        stack = start()
        yield Stack(
            base_url=stack.base_url,
            soundbox_url=stack.soundbox_url,
            pipeline_url=stack.pipeline_url,
            gateway_urls=(stack.base_url,),
            token=stack.token,
            data_dirs=(stack.data_dir,),
            environment={**(settings or {}), "SOUNDWRIGHT_DATA_DIR": str(stack.data_dir)},
            process_ids=process_ids,
            restart=start,
        )
