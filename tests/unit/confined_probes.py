"""Functions that the tests call in confined processes, and a list of these processes."""

import errno
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

Report = Callable[[float], None]


def confined_processes() -> list[psutil.Process]:
    """Return the confined processes of this one, which are children of its fork server."""
    servers = [each for each in psutil.Process().children() if each.cmdline()[-1:] == ["confined"]]
    found = [each for server in servers for each in server.children()]
    return [each for each in found if each.status() != psutil.STATUS_ZOMBIE]


def attempts(_report: Report, *, expressions: list[str]) -> list[str]:
    """Evaluate each expression, and return the name of its exception or "done"."""
    names = {"os": os, "socket": socket, "subprocess": subprocess, "Path": Path, "signal": signal}
    outcomes = []
    for expression in expressions:
        try:
            eval(expression, names)
            outcomes.append("done")
        except BaseException as error:
            outcomes.append(type(error).__name__)
    return outcomes


def loaded(_report: Report, *, names: list[str]) -> list[str]:
    """Return which of these modules are loaded."""
    return [name for name in names if name in sys.modules]


def environment(_report: Report) -> dict[str, str]:
    return dict(os.environ)


def allocate(_report: Report, *, size_bytes: int) -> int:
    return len(bytearray(size_bytes))


def spin(_report: Report) -> None:
    while True:
        pass


def write(_report: Report, *, size_bytes: int) -> None:
    Path("large").write_bytes(bytes(size_bytes))


def fill_disk(_report: Report) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def die(_report: Report, *, number: int) -> None:
    os.kill(os.getpid(), number)
    time.sleep(60)


def die_with_limits(report: Report, *, number: int, limits: Any) -> None:
    die(report, number=number)


def die_once(_report: Report, *, limits: Any) -> str:
    """Die by SIGKILL, unless an earlier process did."""
    mark = Path("mark")
    if mark.exists():
        return "alive"
    mark.touch()
    os.kill(os.getpid(), signal.SIGKILL)
    return ""


def wait(report: Report) -> None:
    report(0.5)
    time.sleep(600)


def babble(_report: Report, *, size_bytes: int) -> Any:
    return "x" * size_bytes
