"""Compilation of loops over samples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile a function to machine code at its first call in a process.

    The result is not stored: processes that store functions which call each other at the same time can crash
    (https://github.com/numba/numba/issues/4807).
    """
    return cast(Function, numba.njit(function))
