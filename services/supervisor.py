"""Runs several components as processes: starts them in order, restarts one that dies, stops all without a rest.

A laptop's stand-in for a cluster. A component that dies does not take the others with it: its jobs go on when it is
back (docs/decisions/0002).
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
from kit.settings import Settings, load

__all__ = ["run"]

_STOP_SECONDS = 10.0
_BACKOFF_SECONDS = (0.2, 1.0, 2.0, 5.0, 10.0)
_STEADY_SECONDS = 30.0
_PR_SET_PDEATHSIG = 1
logger = log.get_logger()


def run(targets: list[str]) -> int:
    """Run ``targets`` until interrupted. Returns the exit status."""
    settings = load(Settings)
    log.configure("supervisor", level=settings.log_level, fmt=settings.log_format)
    settings.run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    (settings.run_dir / "nats.url").unlink(missing_ok=True)  # of a broker that is gone
    environment = dict(os.environ)
    password = ""
    first_start = not (settings.data_dir / "admin-token").exists()
    if "library" in targets and first_start and not environment.get("SOUNDWRIGHT_ADMIN_PASSWORD"):
        password = secrets.token_urlsafe(12)
        environment["SOUNDWRIGHT_ADMIN_PASSWORD"] = password
    return asyncio.run(_Supervisor(settings, targets, environment, password).run())


class _Supervisor:
    def __init__(self, settings: Settings, targets: list[str], environment: dict[str, str], password: str) -> None:
        self._settings = settings
        self._targets = targets
        self._environment = environment
        self._password = password
        self._stopping = asyncio.Event()
        self._processes: dict[str, asyncio.subprocess.Process] = {}

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._stopping.set)
        keepers = [asyncio.create_task(self._keep(target)) for target in self._targets]
        welcome = asyncio.create_task(self._welcome())
        await self._stopping.wait()
        welcome.cancel()
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(welcome, *keepers, return_exceptions=True)
        await self._stop()
        return 0

    async def _keep(self, target: str) -> None:
        """Start ``target``, and again whenever it ends."""
        failures = 0
        while True:
            started = time.monotonic()
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "services", target,
                env=self._environment,
                start_new_session=True,  # Ctrl-C reaches this process alone, which then stops the rest in order
                preexec_fn=_die_with_parent,
            )  # fmt: skip
            self._processes[target] = process
            status = await process.wait()
            failures = 0 if time.monotonic() - started > _STEADY_SECONDS else failures + 1
            pause = _BACKOFF_SECONDS[min(failures, len(_BACKOFF_SECONDS) - 1)]
            logger.error("component.died", target=target, exit_status=status, restart_seconds=pause)
            await asyncio.sleep(pause)

    async def _stop(self) -> None:
        """Edges first, then what they lean on."""
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
        """Say where everything is, once it works."""
        if "gateway" not in self._targets:
            return
        base = f"http://127.0.0.1:{self._settings.gateway_port}"
        while not await asyncio.to_thread(_healthy, f"{base}/health"):  # noqa: ASYNC110 (another process's state)
            await asyncio.sleep(0.1)
        environment = self._environment
        email = environment.get("SOUNDWRIGHT_ADMIN_EMAIL", "admin@localhost")
        lines = ["Soundwright is ready.", f"  all dialects         {base}   (API documentation: {base}/docs)"]
        for name, variable in (
            ("Sound Box", "SOUNDWRIGHT_SOUNDBOX_PORT"),
            ("Audio Pipeline", "SOUNDWRIGHT_PIPELINE_PORT"),
        ):
            if environment.get(variable, "0") != "0":
                lines.append(f"  {name + ' only':<20} http://127.0.0.1:{environment[variable]}")
        shown = (
            f"password {self._password} (shown only this once)" if self._password else "password as set at first start"
        )
        lines += [
            f"  admin login          {email}, {shown}",
            f"  API token            {(self._settings.data_dir / 'admin-token').read_text().strip()}",
            f"                       (also in {self._settings.data_dir.resolve() / 'admin-token'})",
            "  stop                 Ctrl-C",
        ]
        sys.stdout.write("\n" + "\n".join(lines) + "\n\n")
        sys.stdout.flush()


def _healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310 (our own loopback address)
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _die_with_parent() -> None:
    """On Linux a component ends when its supervisor is killed; elsewhere only an orderly stop ends it."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
