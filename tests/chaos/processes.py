"""The processes of a running stack, found as an operator would find them."""

import contextlib
import signal

import psutil

from soundwright_client.local import Stack
from tests.stacks import component_of
from tests.waiting import eventually


def components(stack: Stack) -> dict[str, psutil.Process]:
    """Component name to process; those that run now."""
    found = {}
    for process in psutil.Process(stack.process_id).children(recursive=True):
        if name := component_of(process):
            found[name] = process
    return found


def kill(stack: Stack, name: str) -> psutil.Process:
    """``kill -9`` a component. Returns the dead process."""
    process = components(stack)[name]
    process.kill()
    return process


def restarted(stack: Stack, dead: psutil.Process, name: str) -> psutil.Process:
    """Wait until the supervisor has put another process in the place of ``dead``."""

    def successor() -> psutil.Process | None:
        process = components(stack).get(name)
        return process if process is not None and process.pid != dead.pid else None

    return eventually(successor, f"the supervisor starts {name} again")


def kill_all(*supervisors: int) -> None:
    """``kill -9`` supervisors and everything below them, as a power cut would."""
    processes = [each for pid in supervisors for each in below(pid)]
    for stop in (signal.SIGSTOP, signal.SIGKILL):  # nobody may tidy up after somebody else
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(stop)
    gone(processes)


def below(pid: int) -> list[psutil.Process]:
    """Return a process and everything below it, or nothing if it has ended."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def gone(processes: list[psutil.Process]) -> None:
    """Wait until none of ``processes`` is left."""
    _, alive = psutil.wait_procs(processes, timeout=60)
    assert not alive, f"still there: {alive}"
