"""Runs computations outside the event loop: in a bounded number of threads, or in engine processes."""

import asyncio
import contextvars
import dataclasses
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar

from soundwright.kit import errors, log
from soundwright.kit.errors import AppError
from soundwright.kit.free_space import full_disk
from soundwright.kit.metrics import ENGINE_GPU_MEMORY, ENGINE_GPU_MEMORY_PEAK, GPU_MEMORY

T = TypeVar("T")
E = TypeVar("E")
logger = log.get_logger()

Report = Callable[[float], None]
"""A progress callback. It takes the completed share of the work, 0 to 1, and raises to stop the work."""

Work = Callable[[E, Report], T]
"""A function that runs in an engine process, with the engine and a progress callback.

It must be picklable: a module-level function or a partial of one.
"""

_TERMINATE_SECONDS = 5.0
_STOP = "stop"


@dataclass(frozen=True)
class GpuMemory:
    """GPU memory of an engine process.

    Attributes:
        held_bytes: what the process holds.
        peak_bytes: the most that it held so far.
        total_bytes: the memory of the GPU.
    """

    held_bytes: int
    peak_bytes: int
    total_bytes: int


_NO_MEMORY = GpuMemory(0, 0, 0)


class ComputeSlots:
    """A named pool of compute threads."""

    def __init__(self, name: str, slot_count: int) -> None:
        self.slot_count = slot_count
        self._executor = ThreadPoolExecutor(slot_count, thread_name_prefix=f"compute-{name}")

    async def run(self, function: Callable[[], T]) -> T:
        """Run ``function`` in a slot and return its result. Cancelling the call does not stop the function."""
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(self._executor, lambda: context.run(function))

    def close(self) -> None:
        """Cancel the functions that did not start yet."""
        self._executor.shutdown(wait=False, cancel_futures=True)


class EngineProcesses(Generic[E]):
    """A pool of engine processes, started when they are needed and ended when they are idle.

    If an engine crashes or runs out of memory, only the current attempt fails, not the component. Engines cannot block the
    event loop, and all their memory, also that of a GPU, is freed when their process ends.

    Args:
        slot_count: how much work runs at a time.
        build: creates the engine. It is called once in each process and must be picklable.
        process_count: the maximum number of processes; None: ``slot_count``. If there are fewer, several threads of a
            process work with one engine, and a crash ends the attempts of all of them.
        idle_seconds: a process without work for so long ends. None: processes run until the pool is closed.
    """

    def __init__(
        self,
        name: str,
        slot_count: int,
        build: Callable[[], E],
        process_count: int | None = None,
        idle_seconds: float | None = None,
    ) -> None:
        self.slot_count = slot_count
        self._name = name
        self._build = build
        self._idle_seconds = idle_seconds
        self._connection_count = -(-slot_count // (process_count or slot_count))
        self._slots = ComputeSlots(name, slot_count)
        self._idle: list[_WorkerThread] = []  # the last one was used last, and is used first
        self._lock = threading.Lock()
        self._processes: set[_EngineProcess] = set()
        self._gpu_memory: dict[_EngineProcess, GpuMemory] = {}
        self._closed = False

    @property
    def is_running(self) -> bool:
        """Whether there is a process, busy or idle."""
        return bool(self._processes)

    async def run(self, work: Work[E, T], report: Report = lambda share: None, *, is_use: bool = True) -> T:
        """Run ``work`` in a free process, and return its result.

        Args:
            work: called in the process with the engine and a progress callback.
            report: called in a thread of this process with each reported share. If it raises, the work stops at its next
                report, and this method raises the same exception.
            is_use: whether the idle time of the process begins again after the work.

        Raises ``ENGINE_DIED`` (retryable) if the process ends during the work. The next call starts a new process.
        """
        return await self._slots.run(lambda: self._run(work, report, is_use))

    def _run(self, work: Work[E, T], report: Report, is_use: bool) -> T:
        thread = self._acquire()
        try:
            result: T = thread.run(work, report)
        finally:
            with self._lock:
                if thread.process.alive and not self._closed:
                    self._measure(thread.process, thread.process.gpu_memory)
                    self._release(thread, is_use)
                else:
                    self._discard(thread)
        return result

    def _acquire(self) -> "_WorkerThread":
        with self._lock:
            while self._idle:
                thread = self._idle.pop()
                if thread.process.alive:
                    thread.process.busy_count += 1
                    if thread.process.idle_timer is not None:
                        thread.process.idle_timer.cancel()
                    return thread
                self._discard(thread)
            if self._closed:
                raise errors.STOPPING("The service is stopping. Try again in a minute.")
            process = _EngineProcess(self._build, self._connection_count)
            self._processes.add(process)
            first, *others = process.threads
            self._idle += others
            process.busy_count = 1
            return first

    def _release(self, thread: "_WorkerThread", is_use: bool) -> None:
        """Take a thread back, and end its process after its idle time. The caller holds the lock."""
        process = thread.process
        self._idle.append(thread)
        process.busy_count -= 1
        if is_use:
            process.use_time = time.monotonic()
        if self._idle_seconds is not None and not process.busy_count:
            rest_seconds = max(0.0, process.use_time + self._idle_seconds - time.monotonic())
            process.idle_timer = threading.Timer(rest_seconds, self._end_idle, (process,))
            process.idle_timer.daemon = True
            process.idle_timer.start()

    def _end_idle(self, process: "_EngineProcess") -> None:
        """End a process, unless it got work after its timer began."""
        with self._lock:
            is_idle = not process.busy_count and process.idle_timer is threading.current_thread()
            if not is_idle or process not in self._processes:
                return
            self._idle = [thread for thread in self._idle if thread.process is not process]
            for thread in process.threads:
                self._discard(thread)
        logger.info("engine.idle_process_ended", pool=self._name, idle_seconds=self._idle_seconds)

    def _discard(self, thread: "_WorkerThread") -> None:
        """Close a thread of a process that nobody uses, and end the process. The caller holds the lock."""
        thread.close()
        if thread.process in self._processes:
            self._processes.remove(thread.process)
            thread.process.end()
            self._measure(thread.process, None)

    def _measure(self, process: "_EngineProcess", memory: GpuMemory | None) -> None:
        """Update the metrics of the pool for one of its processes; None: it has ended, or uses no GPU."""
        before, after = self._gpu_memory.pop(process, _NO_MEMORY), memory or _NO_MEMORY
        if memory is not None:
            # Engines begin new measurements of the peak for their own use.
            after = dataclasses.replace(memory, peak_bytes=max(before.peak_bytes, memory.peak_bytes))
            self._gpu_memory[process] = after
            GPU_MEMORY.labels(self._name).set(memory.total_bytes)
        if memory is not None or before is not _NO_MEMORY:
            ENGINE_GPU_MEMORY.labels(self._name).inc(after.held_bytes - before.held_bytes)
            ENGINE_GPU_MEMORY_PEAK.labels(self._name).inc(after.peak_bytes - before.peak_bytes)

    def close(self) -> None:
        """Terminate all processes, including busy ones."""
        with self._lock:
            self._closed = True
            processes = list(self._processes)
        for process in processes:
            process.end()  # a thread that uses it gets an error, and discards it
        self._slots.close()
        with self._lock:
            while self._idle:
                self._discard(self._idle.pop())


class _EngineProcess:
    """The parent's side of an engine process."""

    def __init__(self, build: Callable[[], Any], thread_count: int) -> None:
        # Spawn, because a fork of a multi-threaded process may inherit locks that are never released.
        context = multiprocessing.get_context("spawn")
        pipes = [context.Pipe() for _ in range(thread_count)]
        self._process: BaseProcess = context.Process(
            target=_serve, args=([child for _, child in pipes], build, log.configuration()), daemon=True
        )
        self._process.start()
        for _, child in pipes:
            child.close()
        self.threads = [_WorkerThread(self, connection) for connection, _ in pipes]
        self.gpu_memory: GpuMemory | None = None
        self.busy_count = 0
        self.use_time = time.monotonic()
        self.idle_timer: threading.Timer | None = None
        self.ended = False

    @property
    def alive(self) -> bool:
        return self._process.is_alive()

    def exit_code(self) -> int | None:
        """Return the status of a process that closed its connections, after it has ended."""
        self._process.join(_TERMINATE_SECONDS)
        return self._process.exitcode

    def end(self) -> None:
        self.ended = True
        self._process.terminate()
        self._process.join(_TERMINATE_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


class _WorkerThread:
    """The parent's side of one thread of an engine process."""

    def __init__(self, process: _EngineProcess, connection: Connection) -> None:
        self.process = process
        self._connection = connection

    def run(self, work: Callable[[Any, Report], T], report: Report) -> T:
        report_error: BaseException | None = None
        try:
            self._connection.send((work, log.correlation_id()))
            while True:
                kind, value = self._connection.recv()
                if kind == "gpu_memory":
                    self.process.gpu_memory = value
                elif kind == "share" and report_error is None:
                    try:
                        report(value)
                    except BaseException as error:
                        report_error = error
                        self._connection.send(_STOP)
                elif kind == "result" and report_error is None:
                    result: T = value
                    return result
                elif kind != "share":
                    raise report_error or value
        except (EOFError, OSError) as error:
            exit_code = self.process.exit_code()
            if not self.process.ended:
                logger.error("engine.process_died", exit_code=exit_code)
            raise report_error or errors.ENGINE_DIED(exit_code=exit_code) from error

    def close(self) -> None:
        """Close the connection, which no other thread may use: its file descriptor could stand for another file then."""
        self._connection.close()


class _Stopped(Exception):
    """The parent process asked to stop the current work."""


def _serve(connections: Sequence[Connection], build: Callable[[], Any], configure_log: Callable[[], None]) -> None:
    """The main function of an engine process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # on Ctrl-C, the component terminates this process
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_exit_with, args=(parent,), daemon=True).start()
    configure_log()
    engine = build()
    for connection in connections[1:]:
        threading.Thread(target=_serve_or_exit, args=(connection, engine), daemon=True).start()
    _serve_connection(connections[0], engine)


def _serve_or_exit(connection: Connection, engine: Any) -> None:
    """Serve a thread. If that ends, so does the process, because its parent would wait for a result."""
    try:
        _serve_connection(connection, engine)
    finally:
        os._exit(1)


def _serve_connection(connection: Connection, engine: Any) -> None:
    """Run the work that a connection brings, one after another."""

    def send(kind: str, value: Any) -> None:
        try:
            connection.send((kind, value))
        except OSError:
            os._exit(1)  # the parent process is gone

    def report(share: float) -> None:
        if connection.poll():
            try:
                connection.recv()
            except (EOFError, OSError):
                os._exit(1)  # the parent process is gone
            raise _Stopped
        send("share", share)

    while True:
        try:
            request = connection.recv()
        except (EOFError, OSError):
            return
        if request == _STOP:  # the work had already finished
            continue
        work, correlation_id = request
        with log.correlation_scope(correlation_id):
            try:
                kind, value = "result", work(engine, report)
            except Exception as error:
                kind, value = "error", _portable(error)
                if _is_device_lost(error):
                    os._exit(1)  # the attempts of all threads are repeated in a new process
        if memory := _gpu_memory():
            send("gpu_memory", memory)
        send(kind, value)


def _gpu_memory() -> GpuMemory | None:
    """Return the GPU memory of this process; None if it uses no GPU."""
    torch = sys.modules.get("torch")  # processes without it do not import it for this
    if torch is None or not torch.cuda.is_initialized():
        return None
    cuda = torch.cuda
    # Only of the devices in use: a question about the free memory of another one would occupy memory there.
    used = [device for device in range(cuda.device_count()) if cuda.max_memory_reserved(device)]
    return GpuMemory(
        sum(map(cuda.memory_reserved, used)),
        sum(map(cuda.max_memory_reserved, used)),
        sum(cuda.get_device_properties(device).total_memory for device in used),
    )


def _is_device_lost(error: Exception) -> bool:
    """Return whether an accelerator failed in this process. It accepts no more work from a process after that."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(error, torch.cuda.AcceleratorError)


def _portable(error: Exception) -> Exception:
    """Return a picklable error. Unknown errors are logged and replaced by ``INTERNAL``."""
    if isinstance(error, AppError):
        return error
    if isinstance(error, MemoryError):
        return MemoryError()
    if full := full_disk(error):
        return full
    if isinstance(error, FileNotFoundError):
        # A folder of blobs removes the files of a deleted track at once, also those that a job reads.
        logger.warning("engine.file_not_found", path=error.filename)
        return errors.BLOB_NOT_FOUND("A file that this job reads was deleted.")
    if not isinstance(error, _Stopped):
        logger.exception("engine.failed")
    return errors.INTERNAL("The computation failed because of an internal error.")


def _exit_with(parent: Any) -> None:
    """Exit when the parent process ends, even if it was killed."""
    parent.join()
    os._exit(1)
