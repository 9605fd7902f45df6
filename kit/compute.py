"""Where computing happens: never on the event loop, in a bounded number of threads, or in processes of their own."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar

from kit import log
from kit.errors import AppError, Code

__all__ = ["ComputeSlots", "EngineProcesses", "Report", "Work"]

T = TypeVar("T")
E = TypeVar("E")
logger = log.get_logger()

Report = Callable[[float], None]
"""Told the share of the work that is done, 0 to 1; raises to stop the work."""

Work = Callable[[E, Report], T]
"""What an engine process is asked to do with its engine. Functions of modules and partials of them can be sent there."""

_END_SECONDS = 5.0
_STOP = "stop"


class ComputeSlots:
    """A named pool of compute threads: one for a GPU, as many as sensible for a CPU."""

    def __init__(self, name: str, slot_count: int) -> None:
        self.slot_count = slot_count
        self._executor = ThreadPoolExecutor(slot_count, thread_name_prefix=f"compute-{name}")

    async def run(self, function: Callable[[], T]) -> T:
        """Run ``function`` in a slot. Cancelling the wait does not stop the function: tell it by other means."""
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(self._executor, lambda: context.run(function))

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)


class EngineProcesses(Generic[E]):
    """Engines in processes of their own, one for each slot, started when first needed and kept warm.

    An engine that crashes, or is killed for its memory, takes a job's attempt with it, not the component; its libraries
    never hold up the component's event loop; and what it held is given back when it ends.

    Args:
        name: of the component, for logs.
        slot_count: how many processes there may be.
        build: makes the engine; called once in each process, so it must be a function of a module or a partial of one.
    """

    def __init__(self, name: str, slot_count: int, build: Callable[[], E]) -> None:
        self.slot_count = slot_count
        self._build = build
        self._slots = ComputeSlots(name, slot_count)
        self._idle: queue.LifoQueue[_EngineProcess] = queue.LifoQueue()  # the last used is the warmest
        self._lock = threading.Lock()
        self._processes: set[_EngineProcess] = set()
        self._closed = False

    async def run(self, work: Work[E, T], report: Report = lambda share: None) -> T:
        """Do ``work`` in one of the processes as soon as one is free.

        Args:
            work: called there with the engine and a function to report progress to.
            report: called here, in a thread, with each share that the work reports; what it raises stops the work at its
                next report and comes out here.

        Raises:
            AppError: ``ENGINE_DIED`` (retryable) when the process ends under the work; the next work gets a new one.
        """
        return await self._slots.run(lambda: self._run(work, report))

    def _run(self, work: Work[E, T], report: Report) -> T:
        process = self._take()
        try:
            result: T = process.do(work, report)
        finally:
            if process.alive and not self._closed:
                self._idle.put(process)
            else:
                self._drop(process)
        return result

    def _take(self) -> _EngineProcess:
        with contextlib.suppress(queue.Empty):
            while True:
                process = self._idle.get_nowait()
                if process.alive:
                    return process
                self._drop(process)
        with self._lock:
            if self._closed:
                raise AppError(Code.UNAVAILABLE, "STOPPING", "The service is stopping. Please try again.")
            process = _EngineProcess(self._build)
            self._processes.add(process)
            return process

    def _drop(self, process: _EngineProcess) -> None:
        with self._lock:
            self._processes.discard(process)
        process.end()

    def close(self) -> None:
        """End all processes, whatever they do."""
        with self._lock:
            self._closed = True
            processes = list(self._processes)
        for process in processes:
            process.end()
        self._slots.close()


class _EngineProcess:
    """This end of one process."""

    def __init__(self, build: Callable[[], Any]) -> None:
        # Spawned, as a fork of a process with threads inherits locks that nobody will open.
        context = multiprocessing.get_context("spawn")
        self._connection, there = context.Pipe()
        self._process: BaseProcess = context.Process(
            target=_serve, args=(there, build, log.configuration()), daemon=True
        )
        self._process.start()
        there.close()

    @property
    def alive(self) -> bool:
        return self._process.is_alive()

    def do(self, work: Callable[[Any, Report], T], report: Report) -> T:
        stopped: BaseException | None = None
        try:
            self._connection.send((work, log.correlation_id()))
            while True:
                kind, value = self._connection.recv()
                if kind == "share" and stopped is None:
                    try:
                        report(value)
                    except BaseException as error:
                        stopped = error
                        self._connection.send(_STOP)
                elif kind == "result" and stopped is None:
                    result: T = value
                    return result
                elif kind != "share":
                    raise stopped or value
        except (EOFError, OSError) as error:
            self._process.join(_END_SECONDS)
            code = self._process.exitcode
            logger.error("engine.died", exit_code=code)
            raise stopped or AppError(
                Code.UNAVAILABLE,
                "ENGINE_DIED",
                "The engine's process ended in the middle of the work, as when memory runs out. Please try again.",
                {"exit_code": code},
            ) from error

    def end(self) -> None:
        self._process.terminate()
        self._process.join(_END_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._connection.close()


class _Stopped(Exception):
    """The other end wants no more of this work."""


def _serve(connection: Connection, build: Callable[[], Any], configure_log: Callable[[], None]) -> None:
    """What runs in an engine process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the component, which then ends this process
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    configure_log()
    engine = build()

    def send(kind: str, value: Any) -> None:
        try:
            connection.send((kind, value))
        except OSError:
            os._exit(1)  # nobody listens any more

    def report(share: float) -> None:
        if connection.poll():
            connection.recv()
            raise _Stopped
        send("share", share)

    while True:
        try:
            request = connection.recv()
        except (EOFError, OSError):
            return
        if request == _STOP:  # it came when the work was done
            continue
        work, correlation_id = request
        with log.correlation_scope(correlation_id):
            try:
                kind, value = "result", work(engine, report)
            except Exception as error:
                kind, value = "error", _portable(error)
        send(kind, value)


def _portable(error: Exception) -> Exception:
    """The error as it can be sent: ours and the system's as they are, others as a log entry and a general failure."""
    if isinstance(error, AppError):
        return error
    if isinstance(error, MemoryError):
        return MemoryError()
    if not isinstance(error, _Stopped):
        logger.exception("engine.crashed")
    return AppError(Code.INTERNAL, "INTERNAL", "Something went wrong on our side while computing.")


def _end_with(parent: Any) -> None:
    """A component that was killed leaves no engine behind."""
    parent.join()
    os._exit(1)
