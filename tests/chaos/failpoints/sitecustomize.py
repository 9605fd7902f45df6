"""Crashes a component at a place that a test has armed.

Python imports this module when a process starts that has this folder on its path. The product does not know of it. In each
function that CHAOS_PLACES names (``module:function``, separated by commas), the process looks for a file in CHAOS_ARMED, called
``<component>:<module>:<function>:before`` or ``:after``. If there is one, it removes the file and kills itself, or raises the
error whose code is the content of the file. So each armed place strikes once.
"""

import functools
import importlib.abc
import inspect
import os
import signal
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any


class _Instrumenting(importlib.abc.MetaPathFinder):
    """Imports modules as usual, and wraps their functions that are places."""

    def __init__(self, places: Sequence[str]) -> None:
        self._functions: dict[str, list[str]] = {}
        for place in places:
            module, _, function = place.partition(":")
            self._functions.setdefault(module, []).append(function)

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name not in self._functions:
            return None
        found = (finder.find_spec(name, path, target) for finder in sys.meta_path if finder is not self)
        spec = next(filter(None, found))
        loader: Any = spec.loader
        execute = loader.exec_module

        def execute_and_wrap(module: ModuleType) -> None:
            execute(module)
            for function in self._functions[name]:
                *owners, last = function.split(".")
                owner = functools.reduce(getattr, owners, module)
                setattr(owner, last, _wrapped(getattr(owner, last), f"{name}:{function}"))

        loader.exec_module = execute_and_wrap
        return spec


def _wrapped(function: Callable[..., Any], place: str) -> Callable[..., Any]:
    if not inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        def call(*arguments: Any, **options: Any) -> Any:
            _strike(f"{place}:before")
            result = function(*arguments, **options)
            _strike(f"{place}:after")
            return result

        return call

    @functools.wraps(function)
    async def call_async(*arguments: Any, **options: Any) -> Any:
        _strike(f"{place}:before")
        result = await function(*arguments, **options)
        _strike(f"{place}:after")
        return result

    return call_async


def _strike(moment: str) -> None:
    component = Path("/proc/self/comm").read_text().strip()
    armed = Path(os.environ["CHAOS_ARMED"], f"{component}:{moment}")
    try:
        code = armed.read_text()
        armed.unlink()
    except FileNotFoundError:
        return
    if not code:
        os.kill(os.getpid(), signal.SIGKILL)
    from soundwright.kit.errors import AppError, Code

    raise AppError(Code[code], "FAILPOINT", "A test wants this error.")


if sys.orig_argv[1:4] == ["-P", "-m", "soundwright.services"]:
    sys.meta_path.insert(0, _Instrumenting(os.environ["CHAOS_PLACES"].split(",")))
