"""The document stores that the contracts run against."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from kit.adapters.docs_sqlite import SqliteDocs
from kit.ports import Docs

Open = Callable[[], Awaitable[Docs]]


class Store(ABC):
    """A store under test."""

    @pytest.fixture
    @abstractmethod
    def opener(self) -> Any:
        """A function that can be sent to another process and connects to the same, initially empty store."""

    @pytest_asyncio.fixture
    async def open_docs(self, opener: Callable[[], Docs]) -> AsyncIterator[Open]:
        """Opens another connection to the same store; all are closed after the test."""
        opened: list[Docs] = []

        async def open_one() -> Docs:
            opened.append(opener())
            return opened[-1]

        yield open_one
        for docs in opened:
            with contextlib.suppress(RuntimeError):  # the test closed it already
                await docs.close()


class SqliteStore(Store):
    @pytest.fixture
    def opener(self, tmp_path: Path) -> Callable[[], Docs]:
        return partial(SqliteDocs, tmp_path / "new folder" / "library.db")
