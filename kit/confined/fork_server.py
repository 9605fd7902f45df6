"""A process that has imported what confined processes need, and forks them. :mod:`soundwright.kit.confined.process` starts it.

It reads no untrusted data, its environment holds no settings, and it has one thread, so each fork starts from the same clean
state, milliseconds later. For each process, it reads one message from standard input, a Unix socket: the name of a module,
:data:`HEADER_BYTES` long, with two descriptors. The first one becomes standard input and output of the process. The second one
is the read end of a pipe: when its other end closes, the server kills the process. When the process has ended, the server writes
``{"exit": code}`` to the first one; the code is negative for a signal. The server ends when its standard input closes.
"""

import contextlib
import gc
import importlib
import json
import os
import resource
import select
import signal
import socket

from soundwright.kit.confined import child

HEADER_BYTES = 128
"""Length of a message; spaces follow the name."""

_PASSED = 2
_BUFFER_BYTES = 4096


class _Server:
    def __init__(self, requests: socket.socket) -> None:
        self._requests = requests
        self._process_ids: dict[int, int] = {}  # by the pipe that keeps the process alive
        self._answers: dict[int, socket.socket] = {}  # by process
        self._poll = select.poll()
        self._poll.register(requests, select.POLLIN)
        self._ended, wake = os.pipe()
        for end in (self._ended, wake):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)  # without a handler, there is no wake-up
        signal.set_wakeup_fd(wake)
        self._poll.register(self._ended, select.POLLIN)
        self._prepared: set[str] = set()

    def serve(self) -> None:
        """Fork processes until the other end of the socket closes, in this process and in each fork."""
        while True:
            for descriptor, _ in self._poll.poll():
                if descriptor == self._ended:
                    self._reap()
                elif descriptor == self._requests.fileno():
                    if not self._accept():
                        return
                elif descriptor in self._process_ids:
                    self._poll.unregister(descriptor)
                    _kill(self._process_ids[descriptor])

    def _accept(self) -> bool:
        """Start one process. Return False if there are no more requests."""
        header, descriptors, _, _ = socket.recv_fds(self._requests, HEADER_BYTES, _PASSED)
        if len(descriptors) != _PASSED:
            for process_id in self._answers:
                _kill(process_id)
            return False
        answers, alive = socket.socket(fileno=descriptors[0]), descriptors[1]
        self._prepare(header.decode().strip())
        gc.freeze()  # the collector would copy the pages of all modules in each fork
        process_id = os.fork()
        if not process_id:
            _become_child(answers.fileno())
        with contextlib.suppress(OSError):
            os.setpgid(process_id, process_id)
        self._process_ids[alive] = process_id
        self._answers[process_id] = answers
        self._poll.register(alive, 0)
        return True

    def _prepare(self, name: str) -> None:
        """Import a module, and call its function ``prepare`` if it has one: all forks share the result."""
        if name in self._prepared:
            return
        self._prepared.add(name)
        with contextlib.suppress(Exception):  # the process itself fails at the same module, and says why
            module = importlib.import_module(name)
            getattr(module, "prepare", lambda: None)()

    def _reap(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._ended, _BUFFER_BYTES)
        with contextlib.suppress(ChildProcessError):
            while True:
                process_id, status = os.waitpid(-1, os.WNOHANG)
                if not process_id:
                    return
                _kill(process_id)  # what it has started
                alive = next(pipe for pipe, each in self._process_ids.items() if each == process_id)
                with contextlib.suppress(KeyError):
                    self._poll.unregister(alive)
                os.close(alive)
                del self._process_ids[alive]
                with self._answers.pop(process_id) as answers, contextlib.suppress(OSError):
                    message = json.dumps({"exit": os.waitstatus_to_exitcode(status)})
                    answers.send(f"\n{message}\n".encode(), socket.MSG_DONTWAIT)


def _kill(process_id: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process_id, signal.SIGKILL)


def _become_child(connection: int) -> None:
    """Run :func:`soundwright.kit.confined.child.main` with nothing of the server, and exit."""
    try:
        os.setpgid(0, 0)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.dup2(connection, 0)
        os.dup2(connection, 1)
        os.closerange(3, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        child.main()
    finally:
        os._exit(1)


if __name__ == "__main__":
    _Server(socket.socket(fileno=os.dup(0))).serve()
