"""Runs several components as processes on one machine: starts them, restarts those that die, and stops them in order.

If a component dies, the others continue, and its jobs resume after its restart (docs/decisions/0002). If stored data is damaged or lost, all stop.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import secrets
import signal
import sys
import time
import urllib.error
import urllib.request

from kit import log
from kit.errors import DATA_DAMAGED_STATUS, AppError
from kit.free_space import STORE_BYTES, require_free_space
from kit.settings import Settings, load
from services import broker

__all__ = ["run"]

_STOP_SECONDS = 10.0
_BACKOFF_SECONDS = (0.2, 1.0, 2.0, 5.0, 10.0)
_STEADY_SECONDS = 30.0
_BROKER_CHECK_SECONDS = 5.0
_PR_SET_PDEATHSIG = 1
logger = log.get_logger()


def run(targets: list[str]) -> int:
    """Run ``targets`` until a signal arrives. Return the exit status."""
    settings = load(Settings)
    log.configure("supervisor", level=settings.log_level, fmt=settings.log_format)
    settings.prepare_folders()
    (settings.run_dir / "nats.url").unlink(missing_ok=True)  # written by a previous broker
    environment = dict(os.environ)
    password = ""
    first_start = not (settings.data_dir / "admin-token").exists()
    if "library" in targets and first_start and not environment.get("SOUNDWRIGHT_ADMIN_PASSWORD"):
        password = secrets.token_urlsafe(12)
        environment["SOUNDWRIGHT_ADMIN_PASSWORD"] = password
    return asyncio.run(_Supervisor(settings, targets, environment, password).run())


class _Supervisor:
    """The processes of one stack.

    Args:
        environment: the environment variables of all processes.
        password: the administrator's generated password, shown once; empty if it is configured or was shown before.
    """

    def __init__(self, settings: Settings, targets: list[str], environment: dict[str, str], password: str) -> None:
        self._settings = settings
        self._targets = targets
        self._environment = environment
        self._password = password
        self._stopping = asyncio.Event()
        self._exit_status = 0
        self._processes: dict[str, asyncio.subprocess.Process] = {}

    async def run(self) -> int:
        """Run until a signal arrives or data is damaged or lost, then stop all processes. Return the exit status."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._stopping.set)
        keepers = [asyncio.create_task(self._keep(target)) for target in self._targets]
        tasks = [*keepers, asyncio.create_task(self._welcome()), asyncio.create_task(self._watch_broker())]
        await self._stopping.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._stop()
        return self._exit_status

    async def _keep(self, target: str) -> None:
        """Start ``target``, and restart it whenever it ends."""
        failures = 0
        while True:
            started = time.monotonic()
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "services", target,
                env=self._environment,
                start_new_session=True,  # Ctrl-C reaches only the supervisor, which stops the others in order
                preexec_fn=_die_with_parent,
            )  # fmt: skip
            self._processes[target] = process
            status = await process.wait()
            if status == DATA_DAMAGED_STATUS:
                logger.error(
                    "stack.stopped",
                    target=target,
                    error="Stored data is damaged or lost. The lines before have the reason.",
                )
                self._exit_status = status
                self._stopping.set()
                return
            failures = 0 if time.monotonic() - started > _STEADY_SECONDS else failures + 1
            pause = _BACKOFF_SECONDS[min(failures, len(_BACKOFF_SECONDS) - 1)]
            logger.error("component.died", target=target, exit_status=status, restart_seconds=pause)
            await asyncio.sleep(pause)

    async def _watch_broker(self) -> None:
        """End a broker that refuses messages because its disk was full, once there is space, so that it starts again."""
        while "broker" in self._targets:
            await asyncio.sleep(_BROKER_CHECK_SECONDS)
            with contextlib.suppress(AppError, ProcessLookupError):
                if await asyncio.to_thread(broker.refuses_messages, self._settings):
                    require_free_space(self._settings.data_dir, STORE_BYTES)
                    logger.warning("broker.write_failed", error="The broker's disk was full. It starts again.")
                    self._processes["broker"].terminate()

    async def _stop(self) -> None:
        """Stop the processes: first the ones that depend on the library, then the library, then the broker."""
        waves = [
            [t for t in self._processes if t not in ("library", "broker")],
            [t for t in self._processes if t == "library"],
            [t for t in self._processes if t == "broker"],
        ]
        for wave in waves:
            processes = [self._processes[target] for target in wave if self._processes[target].returncode is None]
            for process in processes:
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(signal.SIGTERM)
            waits = [asyncio.create_task(process.wait()) for process in processes]
            if waits:
                await asyncio.wait(waits, timeout=_STOP_SECONDS)
            for process in processes:
                if process.returncode is None:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
            await asyncio.gather(*waits)

    async def _welcome(self) -> None:
        """Print the address of the start page, and where the administrator's credentials are, when the gateway is healthy."""
        if "gateway" not in self._targets:
            return
        base = f"http://127.0.0.1:{self._settings.gateway_port}"
        while not await asyncio.to_thread(_healthy, f"{base}/health"):  # noqa: ASYNC110 (another process's state)
            await asyncio.sleep(0.1)
        lines = [f"Soundwright is ready: {base}"]
        if self._password:
            email = self._environment.get("SOUNDWRIGHT_ADMIN_EMAIL", "admin@localhost")
            lines.append(f"Administrator: {email}, password {self._password} (shown only this once)")
        lines.append(f"API token of the administrator: {self._settings.data_dir.resolve() / 'admin-token'}")
        sys.stdout.write("\n" + "\n".join(lines) + "\n\n")
        sys.stdout.flush()


def _healthy(url: str) -> bool:
    """Return whether a GET request to ``url`` is answered with status 200."""
    try:
        with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310 (our own loopback address)
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _die_with_parent() -> None:
    """Make Linux send this process SIGTERM when the supervisor dies. Has no effect on other systems."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
