"""Runs several components as processes on one machine: starts them, restarts those that die, and stops them in order.

If a component dies, the others continue, and its jobs resume after its restart (docs/decisions/0002). If stored data is damaged or lost, all stop.

On Linux, the processes are forks of this one, which has imported what components share. Therefore this process has no threads,
no event loop and no gRPC objects: a fork would inherit their locks.
"""

import contextlib
import ctypes
import fcntl
import gc
import http.client
import os
import sched
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO, NoReturn

from soundwright.kit import log
from soundwright.kit.errors import DATA_DAMAGED_STATUS, AppError
from soundwright.kit.free_space import MIN_FREE_BYTES, require_free_space
from soundwright.kit.settings import Settings, load
from soundwright.services import broker
from soundwright.services.first_password import first_password, forget

# Components drain, then close what they have opened.
_STOP_SECONDS = 15.0
_BACKOFF_SECONDS = (0.2, 1.0, 2.0, 5.0, 10.0)
_STEADY_SECONDS = 30.0
_BROKER_CHECK_SECONDS = 5.0
_HEALTH_PAUSE_SECONDS = 0.05
_HEALTH_TIMEOUT_SECONDS = 1.0
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SIGNALS = (*_STOP_SIGNALS, signal.SIGCHLD)
_PR_SET_PDEATHSIG, _PR_SET_NAME = 1, 15
logger = log.get_logger()

RunTarget = Callable[[str], int]
"""Runs a target in this process, and returns its exit status."""


def run(targets: Sequence[str], run_target: RunTarget) -> int:
    """Run each of ``targets`` in a process until a signal arrives. Return the exit status."""
    settings = load(Settings)
    log.configure("supervisor", level=settings.log_level, fmt=settings.log_format)
    settings.prepare_folders()
    locks = [_locked(settings.run_dir / f"{target}.lock") for target in targets]
    if not all(locks):
        logger.error(
            "stack.in_use",
            error=f"Another server uses {settings.data_dir}. Stop it, or set SOUNDWRIGHT_DATA_DIR to another folder.",
        )
        return os.EX_TEMPFAIL
    (settings.run_dir / "nats.url").unlink(missing_ok=True)  # written by a previous broker
    password = first_password(settings.data_dir) if "library" in targets else ""
    if password:
        os.environ["SOUNDWRIGHT_ADMIN_PASSWORD"] = password
    gc.collect()
    gc.freeze()  # the collector would write to the pages that the processes share
    return _Supervisor(settings, targets, run_target, password).run()


def _locked(path: Path, *, waits: bool = False) -> BinaryIO | None:
    """Return a file that is locked until this process ends. Forks do not keep the lock.

    If another process has locked the file, wait for its end, or return None.
    """
    file = path.open("ab")
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
    except BlockingIOError:
        return None
    return file


class _Supervisor:
    """The processes of one stack.

    Args:
        password: the administrator's generated password, shown once; empty if it is configured or was shown before.
    """

    def __init__(self, settings: Settings, targets: Sequence[str], run_target: RunTarget, password: str) -> None:
        self._settings = settings
        self._targets = targets
        self._run_target = run_target
        self._password = password
        self._agenda = sched.scheduler()
        self._processes: dict[str, int] = {}
        self._started = dict.fromkeys(targets, 0.0)
        self._failures = dict.fromkeys(targets, 0)
        self._stopping = False
        self._exit_status = 0

    def run(self) -> int:
        """Run until a signal arrives or data is damaged or lost, then stop all processes. Return the exit status.

        In a process that this one has forked, raise ``SystemExit`` at the end of its target.
        """
        self._wakeup, sender = socket.socketpair()
        self._wakeup.setblocking(False)
        sender.setblocking(False)
        signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
        for number in _SIGNALS:
            signal.signal(number, self._note)
        for target in self._targets:
            self._later(0.0, self._start, target)
        if "gateway" in self._targets:
            self._later(_HEALTH_PAUSE_SECONDS, self._welcome)
        if "broker" in self._targets:
            self._later(_BROKER_CHECK_SECONDS, self._heal_broker)
        try:
            while not self._stopping:
                self._wait(self._agenda.run(blocking=False))
                for target, status in self._ended():
                    self._replace(target, status)
        finally:
            self._stop()
        return self._exit_status

    def _note(self, number: int, _frame: object) -> None:
        self._stopping = self._stopping or number in _STOP_SIGNALS

    def _later(self, seconds: float, action: Callable[..., None], *arguments: str) -> None:
        self._agenda.enter(seconds, 0, action, arguments)

    def _wait(self, seconds: float | None) -> None:
        if select.select([self._wakeup], [], [], seconds)[0]:
            self._wakeup.recv(4096)

    def _start(self, target: str) -> None:
        """Start a process for ``target``. Does not return in that process."""
        self._started[target] = time.monotonic()
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)  # a process keeps signals until it has its own handlers
        try:
            process = os.fork()
        except OSError as error:  # too little memory, or too many processes
            logger.error("component.not_started", target=target, error=str(error))
            self._later(_BACKOFF_SECONDS[-1], self._start, target)
        else:
            if process == 0:
                self._run_fork(target)
            self._processes[target] = process
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)

    def _run_fork(self, target: str) -> NoReturn:
        self._processes.clear()  # they are those of the supervisor
        # Ctrl-C reaches only the supervisor, which stops the others in order. In sessions of their own, Linux would schedule
        # the processes as groups (autogroup), and the nice values of components would not count.
        os.setpgid(0, 0)
        signal.signal(
            signal.SIGTTOU, signal.SIG_IGN
        )  # a terminal with tostop would stop processes that write to the log
        _name_and_bind(target)
        signal.set_wakeup_fd(-1)
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        if sys.platform != "linux":  # frameworks of macOS cannot be used after a fork
            os.execv(sys.executable, [sys.executable, "-m", "soundwright.services", target])  # noqa: S606
        # The component of a supervisor that was killed drains first. At its end, it removes the sockets of its address.
        running = _locked(self._settings.run_dir / f"{target}.running", waits=True)
        status = self._run_target(target)
        del running
        sys.exit(status)

    def _ended(self) -> list[tuple[str, int]]:
        """Return the targets whose processes have ended since the last call, and their exit statuses."""
        found = [(target, *os.waitpid(process, os.WNOHANG)) for target, process in self._processes.items()]
        ended = [(target, os.waitstatus_to_exitcode(status)) for target, process, status in found if process]
        for target, _ in ended:
            del self._processes[target]
        return ended

    def _replace(self, target: str, status: int) -> None:
        """Start ``target`` again after a pause, unless its data is damaged or lost."""
        if status == DATA_DAMAGED_STATUS:
            logger.error(
                "stack.stopped",
                target=target,
                error="Stored data is damaged or lost. The lines before have the reason.",
            )
            self._exit_status, self._stopping = status, True
            return
        steady = time.monotonic() - self._started[target] > _STEADY_SECONDS
        self._failures[target] = 0 if steady else self._failures[target] + 1
        pause = _BACKOFF_SECONDS[min(self._failures[target], len(_BACKOFF_SECONDS) - 1)]
        logger.error("component.died", target=target, exit_status=status, restart_seconds=pause)
        self._later(pause, self._start, target)

    def _heal_broker(self) -> None:
        """End a broker that refuses messages because its disk was full, once there is space, so that it starts again."""
        self._later(_BROKER_CHECK_SECONDS, self._heal_broker)
        with contextlib.suppress(AppError):
            if broker.refuses_messages(self._settings):
                require_free_space(self._settings.data_dir, MIN_FREE_BYTES)
                logger.warning("broker.write_failed", error="The broker's disk was full. It starts again.")
                self._signal("broker", signal.SIGTERM)

    def _signal(self, target: str, number: int) -> None:
        if target in self._processes:
            os.kill(self._processes[target], number)

    def _stop(self) -> None:
        """Stop the processes: first the ones that depend on the library, then the library, then the broker."""
        last = ("library", "broker")
        for wave in ([target for target in self._targets if target not in last], *([target] for target in last)):
            for target in wave:
                self._signal(target, signal.SIGTERM)
            deadline = time.monotonic() + self._settings.drain_seconds + _STOP_SECONDS
            while self._processes.keys() & wave and (remaining := deadline - time.monotonic()) > 0:
                self._wait(remaining)
                self._ended()
            for process in [self._processes.pop(target) for target in wave if target in self._processes]:
                with contextlib.suppress(ProcessLookupError):  # it has not got its group yet
                    os.killpg(process, signal.SIGKILL)
                os.kill(process, signal.SIGKILL)
                os.waitpid(process, 0)

    def _welcome(self) -> None:
        """Print the address of the start page, and where the administrator's credentials are, when the gateway is healthy."""
        if not _healthy(self._settings.gateway_port):
            self._later(_HEALTH_PAUSE_SECONDS, self._welcome)
            return
        lines = [f"Soundwright is ready: http://127.0.0.1:{self._settings.gateway_port}"]
        if self._password:
            email = os.environ.get("SOUNDWRIGHT_ADMIN_EMAIL", "admin@localhost")
            lines.append(f"Administrator: {email}, password {self._password} (shown only this once)")
        lines.append(f"API token of the administrator: {self._settings.data_dir.resolve() / 'admin-token'}")
        sys.stdout.write("\n" + "\n".join(lines) + "\n\n")
        sys.stdout.flush()
        if self._password:
            forget(self._settings.data_dir)


def _healthy(port: int) -> bool:
    """Return whether ``GET /health`` of the gateway is answered with status 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_HEALTH_TIMEOUT_SECONDS)
    with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    return False


def _name_and_bind(target: str) -> None:
    """Give this process the name ``target``, and make it end with the supervisor. Has no effect on other systems than Linux."""
    with contextlib.suppress(OSError, AttributeError):
        prctl = ctypes.CDLL(None).prctl
        prctl(_PR_SET_NAME, target.encode())
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
