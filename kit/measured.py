"""Measures the operations of a store: how long each takes, and whether the store fails."""

import contextlib
import functools
import inspect
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any, TypeVar, cast, get_origin, get_type_hints

from soundwright.kit.errors import AppError
from soundwright.kit.metrics import STORE_DURATION

T = TypeVar("T")
_Timed = Callable[[], AbstractContextManager[None]]
_END = object()
_duration = functools.cache(STORE_DURATION.labels)


def measured(store: T, port: type, name: str) -> T:
    """Return ``store`` with measured operations.

    The duration of an operation is the time that its caller waits for the store: the whole call of a coroutine, the time
    until an iterator has its first item, and the entry and the exit of a context, without its block.
    """
    return cast(T, _Measured(store, port, name))


class _Measured:
    """A store whose operations are measured. Its other attributes are those of ``store``."""

    def __init__(self, store: object, port: type, name: str) -> None:
        self._store = store
        for operation, declared in vars(port).items():
            if operation.startswith("_") or not inspect.isfunction(declared):
                continue
            timed, method = functools.partial(_timed, name, operation), getattr(store, operation)
            answer = get_origin(get_type_hints(declared)["return"])
            if inspect.iscoroutinefunction(declared):
                setattr(self, operation, _measured_call(method, timed))
            elif answer is AsyncIterator:
                setattr(self, operation, _measured_iterator(method, timed))
            elif answer is AbstractAsyncContextManager:
                setattr(self, operation, functools.partial(_Context, self, method, timed))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def same_or(self, entered: Any) -> Any:
        """Return this object in place of the store, and anything else unchanged. Identity tells callers of ``Docs.snapshot`` whether
        they got the store itself."""
        return self if entered is self._store else entered


def _measured_call(method: Callable[..., Any], timed: _Timed) -> Callable[..., Any]:
    async def call(*args: Any, **options: Any) -> Any:
        with timed():
            return await method(*args, **options)

    return call


def _measured_iterator(method: Callable[..., Any], timed: _Timed) -> Callable[..., Any]:
    async def iterate(*args: Any, **options: Any) -> AsyncIterator[Any]:
        async with contextlib.aclosing(method(*args, **options)) as items:
            with timed():
                item = await anext(items, _END)
            while item is not _END:
                yield item
                item = await anext(items, _END)

    return iterate


class _Context:
    def __init__(self, store: _Measured, method: Callable[..., Any], timed: _Timed, *args: Any, **options: Any) -> None:
        self._store = store
        self._context: AbstractAsyncContextManager[Any] = method(*args, **options)
        self._timed = timed

    async def __aenter__(self) -> Any:
        with self._timed():
            return self._store.same_or(await self._context.__aenter__())

    async def __aexit__(self, *error: Any) -> bool | None:
        with self._timed():
            return await self._context.__aexit__(*error)


@contextlib.contextmanager
def _timed(store: str, operation: str) -> Iterator[None]:
    """Measure the block. A refusal, such as ``BLOB_NOT_FOUND``, is the answer of a store that works."""
    started = time.perf_counter()
    outcome = "failed"
    try:
        yield
        outcome = "ok"
    except AppError as error:
        outcome = "failed" if error.code.value.is_server_fault else "refused"
        raise
    except BaseException as error:
        outcome = "failed" if isinstance(error, Exception) else "cancelled"
        raise
    finally:
        _duration(store, operation, outcome).observe(time.perf_counter() - started)
